"""A license at a moment over HTTP: now, as of an instant, or on a day; nothing sealed, nothing recorded.

A reference is no secret, so that not everybody who has one may ask: who may not is answered as if there
were no such license (`docs/rules.md`).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api import access, acts, answers, lane, models_answers, routes, service
from ledger import authorization, days, errors, joining, mapping, mark, party, standing, state

router = APIRouter(route_class=lane.DirectRead)
SCOPES = ("license:verify", "audit:read", "license:issue", "license:use")
_EVERY_LICENSE = {"license:verify", "audit:read"}
DAY_PATTERN = "^(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
INSTANT_PATTERN = (
    f"{DAY_PATTERN[:-1]}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{{1,6}})?"
    "(Z|[+-][01][0-9]:[0-5][0-9])$"
)
"""What is told of days and instants in queries; whether there is such a day is asked when it is read."""
AsOf = Annotated[
    str | None,
    Query(
        description="What the ledger would have answered at this instant, RFC 3339",
        json_schema_extra={"pattern": INSTANT_PATTERN},
    ),
]
EffectiveOn = Annotated[
    str | None,
    Query(
        description="What was true at the end of this Beijing day, as it is known now (or `as_of` then)",
        json_schema_extra={"pattern": DAY_PATTERN},
    ),
]


@router.get(
    "/v1/licenses/{license_ref}",
    summary="A license at a moment",
    **routes.secured(
        *SCOPES,
        model=models_answers.LicenseNow,
        refusals=(errors.ScopeMissing, errors.LicenseNotFound, errors.Invalid, errors.BehindIndex),
        appends=False,
    ),
)
async def get_license(
    request: Request, license_ref: str, as_of: AsOf = None, effective_on: EffectiveOn = None
) -> Response:
    """Status, type, dates and issuer, to its issuer, who may use it, verifiers and auditors."""
    served, asking = service.of(request), routes.asking(request)
    ref = acts.ref(license_ref, absent=errors.LicenseNotFound)
    instant = asked_instant(as_of)
    day = acts.asked_day(effective_on, field="effective_on")

    if instant is None and day is None:
        return routes.answer(await _now(served, asking, ref))

    def look() -> answers.Json:
        served.require_current(asking)
        at = served.moment()
        visible(served, asking, ref, at=at)
        if instant is not None and instant > at:
            raise errors.Invalid("a moment that is not over", field="query.as_of")
        then = _then(served, ref, as_of=instant, day=day)
        moment = days.start(day + 1) - 1 if day is not None else instant
        assert moment is not None, "one of them is asked for"
        return answers.license_now(served, then, at=moment)

    return routes.answer(await served.read(look))


async def _now(served: service.Service, asking: access.Access, ref: bytes) -> answers.Json:
    """The license now, by rows that were read for all who asked in this turn of the event loop."""
    now = await served.presents.get((asking.client_id, ref))
    served.require_standing(asking, now.client)
    row, at = now.license, now.at
    if row is None:
        raise errors.LicenseNotFound
    if not asking.scopes & _EVERY_LICENSE and not await served.read(_may_know, served, asking, row, at):
        raise errors.LicenseNotFound
    if mark.standing(row):  # since when, an event says
        return await served.read(answers.license_now, served, row, at=at)
    return answers.license_now(served, row, at=at)


def asked_instant(text: str | None) -> int | None:
    """What a query calls `as_of`; raises Invalid."""
    try:
        return acts.instant(text)
    except ValueError as error:
        raise errors.Invalid("an instant, RFC 3339 with its offset", field="query.as_of") from error


def _then(served: service.Service, ref: bytes, *, as_of: int | None, day: int | None) -> state.LicenseRow:
    """The license as it stood; raises LicenseNotFound when nothing of it had been recorded."""
    served.views.wait_for(served.ledger.recorder.newest_index(), name="trail")
    _, happened = served.views.trail.changes(ref)
    changes = [(item.index, item.about, item.fact) for item in happened]
    row = standing.standing(changes, find=served.reader.row, as_of=as_of, effective_on=day)
    if row is None:
        raise errors.LicenseNotFound
    return row


def visible(served: service.Service, asking: access.Access, ref: bytes, *, at: int) -> state.LicenseRow:
    """The license as committed now, for one who may know of it; raises LicenseNotFound."""
    row = served.reader.row(state.LicenseRow, ref)
    if row is None or served.is_erased(row.stream_id) or not _may_know(served, asking, row, at):
        raise errors.LicenseNotFound
    return row


def _may_know(served: service.Service, asking: access.Access, row: state.LicenseRow, at: int) -> bool:
    if asking.scopes & _EVERY_LICENSE:
        return True
    if "license:issue" in asking.scopes and issues(served, asking, row):
        return True
    return "license:use" in asking.scopes and _may_use(served, asking.organization, row, at)


def issues(served: service.Service, asking: access.Access, row: state.LicenseRow) -> bool:
    """Whether the license, or its type, is the client's to issue."""
    client = served.reader.row(state.ClientRow, asking.client_id)
    return row.issuer == asking.organization or (client is not None and row.type_code in client.license_types)


def _may_use(served: service.Service, requester: str, row: state.LicenseRow, at: int) -> bool:
    """Whether an authorization of the requester covers the license now, for whatever item and field."""
    own = served.reader.row(state.OrganizationRow, requester)
    home = served.reader.row(state.StreamRow, row.stream_id)
    if home is None:
        return False
    parties = {one.stream_id: served.reader.row(state.StreamRow, one.stream_id) for one in party.of(row)}
    holders = {own for one in (home, *parties.values()) if one is not None for own in joining.streams(one)}
    asked: list[tuple[bytes, str, str | None]] = [(one, requester, None) for one in sorted(holders)]
    mapped = mapping.in_force(served.reader.row(state.TypeRow, row.type_code), at=at)
    if own is not None:
        asked.append((own.stream_id, requester, row.type_code))
        if mapped is not None:
            asked.append((own.stream_id, requester, mapped.national_type))
    return any(
        authorization.covers(one, row, home, mapped, parties.get)
        and not one.is_withdrawn
        and one.valid_from <= at
        and (one.valid_until is None or at < one.valid_until)
        for one in served.reader.candidates(asked)
    )
