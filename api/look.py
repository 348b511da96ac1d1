"""What a QR code opens: a page for people and JSON for programs, public, and nothing is recorded.

Looks are limited by address and together, before anything is read, and counted by the hour. A person is
told on a page too that a code is unknown, that nobody can tell now, or to wait.
"""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response

from api import examples_look, limits, look_page, look_request, look_state, models_answers, routes, service
from ledger import errors, paper
from signing import token as tokens

router = routes.router()
_REFUSALS = (errors.NotFound, errors.TooManyRequests, errors.Unavailable)


@router.get("/v/{token:path}", include_in_schema=False, **routes.public(model=None))
@router.get("/V/{token:path}", include_in_schema=False, **routes.public(model=None))
@router.get("/v/{token}", include_in_schema=False, **routes.public(model=None))
@router.get(
    "/V/{token}",
    summary="What a QR code opens",
    **routes.public(model=models_answers.LookedAt, refusals=_REFUSALS),
)
async def look(request: Request, token: str) -> Response:
    """What the token says and its license's status now; in any case of letters; nothing is recorded.

    A page for people where `Accept` names `text/html`, in the language of `?lang=` or `Accept-Language`.
    """
    return await _answered(request, token, with_paper=False)


@router.post("/v/{token}", include_in_schema=False, **routes.public(model=None))
@router.post(
    "/V/{token}",
    summary="Compare a code with its paper 票面比对",
    **routes.public(
        model=models_answers.PaperCompared,
        refusals=(errors.Malformed, errors.TooLarge, errors.Invalid, *_REFUSALS),
        **examples_look.PAPER_FORM,
    ),
)
async def compare_paper(request: Request, token: str) -> Response:
    """Whether number and name, as somebody finds them printed, are those that the code was made for.

    Nothing is recorded, and nothing of either is kept.
    """
    return await _answered(request, token, with_paper=True)


async def _answered(request: Request, text: str, *, with_paper: bool) -> Response:
    served, is_page = service.of(request), look_request.wants_page(request)
    counted = request.app.state.metrics
    try:
        typed = await _admitted(request, served, with_paper=with_paper, is_page=is_page)
        said, seen = await served.read(_look, served, text)
    except errors.LedgerError as error:
        counted.looked(_why(error))
        if isinstance(error, errors.NotFound) and not with_paper:
            served.looks.add(at=served.clock(), result="unknown")
        if not is_page or error.status == errors.LedgerError.status:
            raise
        return look_page.of_error(error, view=look_request.view(request, served))
    counted.looked(seen.result)
    if not with_paper:
        served.looks.add(at=seen.at, result=seen.result, type_code=seen.row.type_code, issuer=seen.row.issuer)
    found = None
    if typed is not None:
        suite = served.ledger.vault.suite
        found = paper.matches(said, number=typed.number, name=typed.name, suite=suite)
    if is_page:
        is_unfit = with_paper and typed is None
        return look_page.of(seen, view=look_request.view(request, served), matches=found, is_unfit=is_unfit)
    told = look_state.told(seen)
    return routes.answer(told if found is None else {**told, "paper_matches": found})


async def _admitted(
    request: Request, served: service.Service, *, with_paper: bool, is_page: bool
) -> look_request.Typed | None:
    """What was typed, once the limits let a look in; a page shows the form again where it is unfit."""
    address = limits.remote(request)
    served.look_limits.before_looking(address, now_s=time.monotonic(), with_paper=with_paper)
    if not with_paper:
        return None
    try:
        return await look_request.typed(request)
    except errors.Invalid:
        if not is_page:
            raise
        return None


def _look(served: service.Service, text: str) -> tuple[tokens.Token, look_state.Seen]:
    said = look_state.judged(served, text)
    key_id = tokens.key_id(text, suite=served.ledger.vault.suite)
    return said, look_state.seen(served, said, key_id=key_id)


def _why(error: errors.LedgerError) -> str:
    """What a look that got no result is counted under."""
    if isinstance(error, errors.NotFound):
        return "unknown"
    return "limited" if isinstance(error, errors.TooManyRequests) else "unavailable"
