"""Households over HTTP 户口簿: what becomes of one, and who was in it at any moment; references alone.

Who keeps a household answers for its pages, and reads it as auditors do; to others there is none.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from api import access, acts, answers, examples_household, models_household, routes, service, standing
from api.standing import AsOf
from ledger import (
    booklet,
    days,
    errors,
    household,
    household_commands,
    identifiers,
    joining,
    license,
    power,
    state,
    state_household,
)
from signing import ids

router = routes.router()
FOUND_MAX = 20
_READERS = ("license:issue", "audit:read")
_REFUSALS = (
    errors.LicenseNotFound,
    errors.NotTheIssuer,
    errors.StatusConflict,
    errors.PageTaken,
    errors.HouseholdConflict,
    errors.HolderContestedConflict,
    errors.HolderEndedConflict,
    errors.HolderErasedConflict,
    errors.CaseNumberUnfit,
)
_CHANGES = (errors.NotFound, *_REFUSALS)
On = Annotated[
    str | None,
    Query(
        description="Who was in it at some time on this Beijing day",
        json_schema_extra={"pattern": standing.DAY_PATTERN},
    ),
]


@router.post(
    "/v1/households",
    summary="Register a household 立户",
    **routes.secured("license:issue", model=models_household.HouseholdSaid, refusals=_REFUSALS),
)
async def register_household(
    request: Request, body: examples_household.RegisterBody, key: acts.IdempotencyKey = None
) -> Response:
    """Of licenses that were issued: a page of each person, and a first page of the head."""
    asked = household_commands.RegisterHousehold(
        **await _act(request, body, key, "register household"),
        head=ids.parse(body.head),
        first_page=ids.parse(body.first_page),
        pages=_refs(body.pages),
        area_code=body.area_code,
    )
    return await _recorded(request, asked)


@router.post(
    "/v1/households/{household_ref}/add-page",
    summary="A page comes in 增页",
    **routes.secured("license:issue", model=models_household.HouseholdSaid, refusals=_CHANGES),
)
async def add_page(
    request: Request,
    household_ref: str,
    body: examples_household.AddPageBody,
    key: acts.IdempotencyKey = None,
) -> Response:
    """A page, and the person whose page it is, are in one household at a time."""
    asked = household_commands.AddPage(
        **await _act(request, body, key, "add page", household_ref), page=ids.parse(body.page)
    )
    return await _recorded(request, asked)


@router.post(
    "/v1/households/{household_ref}/remove-page",
    summary="A page leaves 减页",
    **routes.secured("license:issue", model=models_household.HouseholdSaid, refusals=_CHANGES),
)
async def remove_page(
    request: Request,
    household_ref: str,
    body: examples_household.RemovePageBody,
    key: acts.IdempotencyKey = None,
) -> Response:
    """The head's while others stay only with a new head; the last one ends the household."""
    new = body.new_head
    asked = household_commands.RemovePage(
        **await _act(request, body, key, "remove page", household_ref),
        page=ids.parse(body.page),
        cause=body.cause,
        new_head=None if new is None else (ids.parse(new.head), ids.parse(new.first_page)),
    )
    return await _recorded(request, asked)


@router.post(
    "/v1/households/{household_ref}/change-head",
    summary="Another head 户主变更",
    **routes.secured("license:issue", model=models_household.HouseholdSaid, refusals=_CHANGES),
)
async def change_head(
    request: Request,
    household_ref: str,
    body: examples_household.ChangeHeadBody,
    key: acts.IdempotencyKey = None,
) -> Response:
    """With a first page of the new head; the former one is in no household any more."""
    asked = household_commands.ChangeHead(
        **await _act(request, body, key, "change head", household_ref),
        head=ids.parse(body.head),
        first_page=ids.parse(body.first_page),
    )
    return await _recorded(request, asked)


@router.post(
    "/v1/households/{household_ref}/split",
    summary="Split a household 分户",
    **routes.secured("license:issue", model=models_household.HouseholdsSaid, refusals=_CHANGES),
)
async def split_household(
    request: Request,
    household_ref: str,
    body: examples_household.SplitBody,
    key: acts.IdempotencyKey = None,
) -> Response:
    """Some pages go to a household of their own, whose head has one of them; the head before stays."""
    asked = household_commands.SplitHousehold(
        **await _act(request, body, key, "split household", household_ref),
        pages=_refs(body.pages),
        head=ids.parse(body.head),
        first_page=ids.parse(body.first_page),
    )
    return await _recorded(request, asked)


@router.post(
    "/v1/households/{household_ref}/move",
    summary="A household moves 迁移",
    **routes.secured("license:issue", model=models_household.HouseholdSaid, refusals=_CHANGES),
)
async def move_household(
    request: Request,
    household_ref: str,
    body: examples_household.MoveBody,
    key: acts.IdempotencyKey = None,
) -> Response:
    """Its first page says where to. Another organization takes it over with pages of its own, once those
    before were transferred out."""
    taken = tuple((ids.parse(one.former), ids.parse(one.page)) for one in body.pages)
    if len({former for former, _ in taken}) < len(taken):
        raise errors.Invalid("each page once", field="pages")
    asked = household_commands.MoveHousehold(
        **await _act(request, body, key, "move household", household_ref),
        first_page=ids.parse(body.first_page),
        area_code=body.area_code,
        pages=taken,
    )
    return await _recorded(request, asked)


@router.get(
    "/v1/households/{household_ref}",
    summary="A household at a moment",
    **routes.secured(
        *_READERS,
        model=models_household.HouseholdShown,
        refusals=(errors.ScopeMissing, errors.NotFound, errors.Invalid),
        appends=False,
    ),
)
async def get_household(request: Request, household_ref: str, as_of: AsOf = None, on: On = None) -> Response:
    """Now, on a day, and as it was known at an instant; to who keeps it and to auditors."""
    served, asking = service.of(request), routes.asking(request)
    ref, day = acts.ref(household_ref, absent=errors.NotFound), acts.asked_day(on, field="on")
    known = standing.asked_instant(as_of)

    def look() -> answers.Json:
        served.require_current(asking)
        at = served.moment()
        if known is not None and known > at:
            raise errors.Invalid("a moment that is not over", field="query.as_of")
        if day is not None and day > days.of_instant(at):
            raise errors.Invalid("a day that is yet to come", field="query.on")
        row = _visible(served, asking, ref, at=at)
        shown = None if row is None else _shown(served, row, at=at, day=day, as_of=known)
        if shown is None:
            raise errors.NotFound("no such household")
        return shown

    return routes.answer(await served.read(look))


@router.post(
    "/v1/households/search",
    summary="Find a household 按户号或人员查户",
    **routes.secured(
        *_READERS,
        model=models_household.HouseholdsFound,
        refusals=(
            errors.JsonInvalid,
            errors.ScopeMissing,
            errors.ClientSuspended,
            errors.TooLarge,
            errors.UnsupportedMediaType,
            errors.Invalid,
            errors.InvalidHolderCode,
            errors.LicenseTypeUnknown,
        ),
        appends=False,
    ),
)
async def search_households(request: Request, body: examples_household.SearchBody) -> Response:
    """Of a number 户号 those whose first page prints it; of a person the present one, and those before."""
    served, asking = service.of(request), routes.asking(request)
    is_by_number = body.number is not None and body.license_type is not None
    if is_by_number == (body.holder is not None) or (body.number is None) != (body.license_type is None):
        raise errors.Invalid("name a number with its type, or somebody", field="number")
    code = None if body.holder is None else acts.holder(body.holder)

    def look() -> answers.Json:
        served.require_current(asking)
        at = served.moment()
        keys: Iterable[bytes] = ()
        if code is not None:
            keys = streams_of(served, code)
        elif body.number is not None and body.license_type is not None:
            if served.reader.row(state.TypeRow, body.license_type) is None:
                raise errors.LicenseTypeUnknown(field="license_type")
            keys = served.reader.filed(body.number, (body.license_type,)).refs
        # Others' households of the number are passed over, so that they do not hide one's own.
        rows = (_visible(served, asking, ref, at=at) for ref in registered(served, keys))
        shown = (_shown(served, row, at=at) for row in rows if row is not None)
        told = (one for one in shown if one is not None)
        return {"households": list(itertools.islice(told, FOUND_MAX))}

    return routes.answer(await served.read(look))


def registered(served: service.Service, keys: Iterable[bytes]) -> list[bytes]:
    """Households in which some pages or persons are, then those in which they were."""
    places = served.reader.rows(state_household.HouseholdPlaceRow, list(keys)).values()
    present = [one.household_ref for one in places if one.household_ref is not None]
    former = [ids.parse(text) for one in places for text in reversed(one.former)]
    return list(dict.fromkeys((*present, *former)))


def streams_of(served: service.Service, code: identifiers.HolderCode) -> tuple[bytes, ...]:
    """The streams of whom a code names; none of somebody unknown or erased."""
    found = served.reader.find("holder", code.code_type, code.code)
    row = None if found is None else served.reader.row(state.StreamRow, found.stream_id)
    return () if row is None or row.is_erased else joining.streams(row)


async def _act(
    request: Request, body: Any, key: str | None, operation: str, household_ref: str | None = None
) -> dict[str, Any]:
    """What every command about a household has; raises NotFound for what is no reference."""
    asking = routes.asking(request)
    named = (
        {} if household_ref is None else {"household_ref": acts.ref(household_ref, absent=errors.NotFound)}
    )
    said = operation if household_ref is None else f"{operation} {household_ref}"
    return {
        "actor": acts.actor(asking, body),
        "repeat": await acts.repeat(request, asking, operation=said, key=key),
        "effective_at": acts.instant(body.effective_at),
        **named,
    }


async def _recorded(request: Request, asked: Any) -> Response:
    """The change that was recorded; of a head who leaves, the leaving."""
    *_, item = await service.of(request).record(asked)
    made = item.fact
    assert isinstance(made, household.HouseholdFact), "a change of a household"
    said = {**answers.proven(item), "household_ref": ids.text(made.household_ref)}
    if isinstance(made, household.HouseholdSplit):
        said["new_household_ref"] = ids.text(made.new_ref)
    return routes.answer(said)


def _refs(texts: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(map(ids.parse, texts))


def _visible(
    served: service.Service, asking: access.Access, ref: bytes, *, at: int
) -> state_household.HouseholdRow | None:
    """The household, for auditors and for who answers for its pages now."""
    row = served.reader.row(state_household.HouseholdRow, ref)
    if row is None or "audit:read" in asking.scopes:
        return row
    seat = booklet.seat(row)
    acting = power.acting(
        state.State(served.reader.row),
        organization=asking.organization,
        issuer=seat.issuer,
        type_code=row.type_code,
        area_code=seat.area_code,
        at=at,
    )
    return None if acting is None else row


def _shown(
    served: service.Service,
    row: state_household.HouseholdRow,
    *,
    at: int,
    day: int | None = None,
    as_of: int | None = None,
) -> answers.Json | None:
    """A household at a moment; None: nothing was known of it then."""
    moment = min(at, as_of) if as_of is not None else at
    if day is not None:
        moment = days.start(day + 1) - 1
    seen = booklet.seen(row, at=moment, day=day, as_of=as_of)
    if seen is None:
        return None
    told = booklet.known(row, at=moment, as_of=as_of)
    licenses = served.reader.rows(state.LicenseRow, [one.page_ref for one in told.pages])

    def page(one: booklet.Page) -> answers.Json:
        now = licenses.get(one.page_ref)
        return {
            "license_ref": ids.text(one.page_ref),
            "since": days.instant_text(one.since),
            "until": None if one.until is None else days.instant_text(one.until),
            "status": None if now is None or served.is_erased(now.stream_id) else license.status(now, at),
        }

    return {
        "household_ref": ids.text(row.household_ref),
        "license_type": row.type_code,
        "first_page_type": row.first_type,
        "head": ids.text(seen.head.page_ref),
        "first_page": ids.text(seen.head.first_page),
        "issuer": seen.seat.issuer,
        "area_code": seen.seat.area_code,
        "is_over": not seen.pages,
        "pages": [page(one) for one in seen.pages],
        "former_pages": [page(one) for one in told.pages if one not in seen.pages],
        "heads": [
            {
                "license_ref": ids.text(one.page_ref),
                "first_page": ids.text(one.first_page),
                "since": days.instant_text(one.since),
            }
            for one in told.heads
        ],
        "seats": [
            {"issuer": one.issuer, "area_code": one.area_code, "since": days.instant_text(one.since)}
            for one in told.seats
        ],
        "at": days.instant_text(moment),
    }
