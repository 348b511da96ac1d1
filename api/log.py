"""The log over HTTP: receipts of any age and the newest signed checkpoint, as plain text."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api import examples, routes, service
from ledger import errors

router = routes.router()
_PARTITION = 0
_DIGITS_MAX = 18


@router.get(
    "/v1/receipts/{partition}/{index}",
    summary="A receipt 回执",
    **routes.secured(
        model=None, refusals=(errors.EventNotFound,), appends=False, **examples.RECEIPT_PARAMETERS
    ),
)
async def receipt(request: Request, partition: str, index: str) -> Response:
    """The C2SP tlog-proof of one event under the newest checkpoint."""
    served, asking = service.of(request), routes.asking(request)
    if _number(partition) != _PARTITION:
        raise errors.EventNotFound
    await served.read(served.require_current, asking)
    return _text(await served.read(served.reader.receipt, _number(index)))


@router.get(
    "/log/{partition}/checkpoint",
    summary="The newest checkpoint 检查点",
    **routes.public(model=None, refusals=(errors.NotFound, errors.Unavailable), **examples.LOG_PARAMETERS),
)
async def checkpoint(request: Request, partition: str) -> Response:
    """The newest tree head that this ledger has answered for, as a C2SP signed note."""
    served = service.of(request)
    if _number(partition) != _PARTITION:
        raise errors.NotFound
    return _text(await served.read(served.reader.checkpoint))


def _number(text: str) -> int:
    """The number in a path; what is none names nothing."""
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX) or str(int(text)) != text:
        raise errors.EventNotFound
    return int(text)


def _text(text: str) -> Response:
    return Response(text.encode(), 200, {"Cache-Control": "no-store"}, "text/plain; charset=utf-8")
