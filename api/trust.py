"""What verifiers who are offline take with them: the trust file and the status lists, for everybody.

They are made beside the request path (`ledger/trust.py`); an answer is bytes at hand. Each address may
fetch so many a minute.
"""

from __future__ import annotations

import hashlib

from starlette.requests import Request
from starlette.responses import Response

from api import models_answers, routes, service
from ledger import errors, trust_shared
from ledger import trust as trusts
from signing import status_list as lists

router = routes.router()
_WAIT_S = 5.0
_DIGITS_MAX = 10
_REFUSALS = (errors.TooManyRequests, errors.Unavailable)
_OPEN = {"Access-Control-Allow-Origin": "*"}
"""Any page may read them, as the standard of status lists asks (§8.1)."""


@router.get(
    "/v1/trust",
    summary="The trust file 信任文件",
    **routes.public(model=None, refusals=_REFUSALS),
)
async def trust_file(request: Request) -> Response:
    """Origins, keys and their history, status lists and the newest checkpoint, signed, for offline verifiers.

    A verifier takes its first trust file by hand or with its program; `license-ledger verify` says whether a
    later one is vouched for by the one at hand.
    """
    published = await _published(request)
    return _answer(request, published.trust, "application/json", max_age_s=int(trusts.EVERY_S))


@router.get(
    "/v1/status-lists",
    summary="The status lists",
    **routes.public(model=models_answers.StatusLists, refusals=_REFUSALS),
)
async def status_lists(request: Request) -> Response:
    """Addresses of all status lists: a Status List Aggregation of the IETF's Token Status List (§9.3)."""
    published = await _published(request)
    base = service.of(request).ledger.config.public_url
    uris = [lists.uri(base, number) for number in sorted(published.lists)]
    data = routes.dumps({"status_lists": uris})
    return _answer(request, data, "application/json", max_age_s=int(trusts.EVERY_S))


@router.get(
    "/v1/status-lists/{number}",
    summary="A status list",
    **routes.public(model=None, refusals=(errors.NotFound, *_REFUSALS), **{"x-examples": {"number": "0"}}),
)
async def status_list(request: Request, number: str) -> Response:
    """Statuses of 2^20 places of printed pieces: a Status List Token in CWT form (§5.2), signed.

    `time` is not supported: a list is of when it was issued.
    """
    published = await _published(request)
    is_plain = number.isascii() and number.isdigit() and len(number) <= _DIGITS_MAX
    data = published.lists.get(int(number)) if is_plain and str(int(number)) == number else None
    if data is None or "time" in request.query_params:
        raise errors.NotFound
    return _answer(request, data, lists.TYPE, max_age_s=trusts.TTL_S)


async def _published(request: Request) -> trust_shared.Published:
    served = service.of(request)
    served.within_rate(request, served.trust_limits)
    return await served.publisher.current(wait_s=_WAIT_S)


def _answer(request: Request, data: bytes, media_type: str, *, max_age_s: int) -> Response:
    """`data` under its own tag, or 304 where the caller has it."""
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    sent = {"ETag": tag, "Cache-Control": f"public, max-age={max_age_s}", **_OPEN}
    known = {item.strip().removeprefix("W/") for item in request.headers.get("if-none-match", "").split(",")}
    if tag in known or "*" in known:
        return Response(status_code=304, headers=sent)
    return Response(data, 200, sent, media_type)
