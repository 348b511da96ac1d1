"""Printed pieces over HTTP: the original 正本 and the counterparts 副本, more of them, and one that dies."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from api import acts, answers, examples, models_answers_license, routes, service, standing
from ledger import errors, license_commands, piece_commands, state

router = routes.router()
_NUMBER = re.compile("0|[1-9][0-9]{0,3}")
_NOWHERE = -1
"""No place of a status list."""
_CHANGES = (errors.LicenseNotFound, errors.StatusConflict, errors.NotTheIssuer, errors.CaseNumberUnfit)


@router.get(
    "/v1/licenses/{license_ref}/pieces",
    summary="The printed pieces of a license",
    **routes.secured(
        *standing.SCOPES,
        model=models_answers_license.PiecesNow,
        refusals=(errors.ScopeMissing, errors.LicenseNotFound),
        appends=False,
    ),
)
async def get_pieces(request: Request, license_ref: str) -> Response:
    """The pieces of the present version, to who may know of the license; nothing sealed, no QR code."""
    served, asking = service.of(request), routes.asking(request)
    ref = acts.ref(license_ref, absent=errors.LicenseNotFound)

    def look() -> answers.Json:
        served.require_current(asking)
        row = standing.visible(served, asking, ref, at=served.moment())
        printed = served.reader.pieces(row.license_ref, row.version)
        pieces = [{"piece": number, "is_cancelled": is_dead} for number, _, is_dead in printed]
        return {"license_ref": license_ref, "version": row.version, "pieces": pieces}

    return routes.answer(await served.read(look))


@router.post(
    "/v1/licenses/{license_ref}/counterparts",
    summary="Print counterparts 副本",
    **routes.secured("license:issue", model=models_answers_license.CounterpartsIssued, refusals=_CHANGES),
)
async def issue_counterparts(
    request: Request,
    license_ref: str,
    body: examples.IssueCounterpartsBody,
    key: acts.IdempotencyKey = None,
) -> Response:
    """More counterparts of the present version, each with its own QR code."""
    served, asking = service.of(request), routes.asking(request)
    asked = piece_commands.IssueCounterparts(
        actor=acts.actor(asking, body),
        repeat=await acts.repeat(request, asking, operation=f"counterparts {license_ref}", key=key),
        license_ref=acts.ref(license_ref, absent=errors.LicenseNotFound),
        count=body.count,
        places=license_commands.draw_places(body.count),
    )
    (item,) = await served.record(asked)
    return routes.answer(await served.read(answers.counterparts_issued, served, item))


@router.post(
    "/v1/licenses/{license_ref}/counterparts/{piece}/cancel",
    summary="Cancel one counterpart 副本注销",
    **routes.secured(
        "license:issue",
        model=models_answers_license.CounterpartCancelled,
        refusals=(*_CHANGES, errors.PieceNotFound, errors.Conflict),
        **examples.PIECE_PARAMETERS,
    ),
)
async def cancel_counterpart(
    request: Request,
    license_ref: str,
    piece: str,
    body: examples.CancelCounterpartBody,
    key: acts.IdempotencyKey = None,
) -> Response:
    """Its QR code is dead; the original and the other counterparts live."""
    served, asking = service.of(request), routes.asking(request)
    ref, actor = acts.ref(license_ref, absent=errors.LicenseNotFound), acts.actor(asking, body)
    operation = f"cancel counterpart {license_ref} {piece}"
    repeat = await acts.repeat(request, asking, operation=operation, key=key)
    number, piece_key = await served.read(_find, served, ref, piece)
    asked = piece_commands.CancelCounterpart(
        actor=actor,
        repeat=repeat,
        license_ref=ref,
        piece=number,
        piece_key=piece_key,
        cause=body.cause,
        effective_at=acts.instant(body.effective_at),
    )
    (item,) = await served.record(asked)
    return routes.answer(answers.counterpart_cancelled(item))


def _find(served: service.Service, ref: bytes, piece: str) -> tuple[int, int]:
    """A piece's number and where it stands in the present version; raises LicenseNotFound or PieceNotFound.

    What is not there may have been cancelled by this very request, in a version that is past: the lock knows.
    """
    row = served.reader.row(state.LicenseRow, ref)
    if row is None:
        raise errors.LicenseNotFound
    if not _NUMBER.fullmatch(piece):
        raise errors.PieceNotFound
    printed = [] if served.is_erased(row.stream_id) else served.reader.pieces(ref, row.version)
    places = {number: piece_key for number, piece_key, _ in printed}
    return int(piece), places.get(int(piece), _NOWHERE)
