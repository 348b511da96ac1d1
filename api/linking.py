"""Codes of a holder over HTTP: linked, unlinked, contested 重号 and settled, by the registering organ.

Codes stand in bodies only, and no answer says one, nor which stream it leads to.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api import acts, answers, examples, models, models_answers, routes, service
from ledger import errors, linking_commands

router = routes.router()
_REFUSALS = (errors.NotFound, errors.InvalidHolderCode, errors.CaseNumberUnfit, errors.HolderErasedConflict)
_PAIRS = {"link": linking_commands.LinkHolderCodes, "unlink": linking_commands.UnlinkHolderCodes}
_CONTESTS = {"contest": linking_commands.ContestHolderCode, "settle": linking_commands.SettleHolderCode}


@router.post(
    "/v1/holders/link",
    summary="Link two codes of one holder 关联",
    **routes.secured(
        "holder:register", model=models_answers.Registered, refusals=(*_REFUSALS, errors.AlreadyExists)
    ),
)
async def link(request: Request, body: examples.PairBody, key: acts.IdempotencyKey = None) -> Response:
    """The code that the ledger does not know leads, from here on, to the file of the one that it knows."""
    return await _pair(request, body, key, "link")


@router.post(
    "/v1/holders/unlink",
    summary="Reverse a link 撤销关联",
    **routes.secured("holder:register", model=models_answers.Registered, refusals=_REFUSALS),
)
async def unlink(request: Request, body: examples.PairBody, key: acts.IdempotencyKey = None) -> Response:
    """The linked code leads nowhere any more; what was recorded meanwhile stays until it is corrected."""
    return await _pair(request, body, key, "unlink")


@router.post(
    "/v1/holders/contest",
    summary="Contest a code that two persons share 重号",
    **routes.secured(
        "holder:register",
        model=models_answers.Registered,
        refusals=(*_REFUSALS, errors.HolderContestedConflict),
    ),
)
async def contest(
    request: Request, body: examples.RegistrationBody, key: acts.IdempotencyKey = None
) -> Response:
    """Nothing under the code is used, shown or consented to until the contest is settled."""
    return await _contest(request, body, key, "contest")


@router.post(
    "/v1/holders/settle",
    summary="Settle a contested code 重号处理完毕",
    **routes.secured(
        "holder:register", model=models_answers.Registered, refusals=(*_REFUSALS, errors.Conflict)
    ),
)
async def settle(
    request: Request, body: examples.RegistrationBody, key: acts.IdempotencyKey = None
) -> Response:
    """The licenses under the code are one person's again: those of the other have their right holder."""
    return await _contest(request, body, key, "settle")


async def _pair(request: Request, body: models.Pair, key: str | None, verb: str) -> Response:
    served, asking = service.of(request), routes.asking(request)
    asked = _PAIRS[verb](
        actor=acts.actor(asking, body),
        repeat=await acts.repeat(request, asking, operation=f"{verb} codes", key=key),
        holder=acts.holder(body.holder),
        linked=acts.holder(body.linked, field="linked"),
        evidence=body.evidence,
        effective_at=acts.instant(body.effective_at),
    )
    (item,) = await served.record(asked)
    return routes.answer(answers.registered(item))


async def _contest(request: Request, body: models.Registration, key: str | None, verb: str) -> Response:
    served, asking = service.of(request), routes.asking(request)
    asked = _CONTESTS[verb](
        actor=acts.actor(asking, body),
        repeat=await acts.repeat(request, asking, operation=f"{verb} code", key=key),
        holder=acts.holder(body.holder),
        evidence=body.evidence,
        effective_at=acts.instant(body.effective_at),
    )
    (item,) = await served.record(asked)
    return routes.answer(answers.registered(item))
