"""Uses of pages of a household over HTTP 户口簿按页用证: first page, own, a member's; each decided by itself.

Which license a page is, is looked for first; the use is decided and recorded as any other, under the consent
of the page's own holder or guardian, and tells whether the page was in the household on the day.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from api import (
    access,
    acts,
    answers,
    examples_household,
    household,
    models_household,
    routes,
    service,
    use,
)
from ledger import (
    booklet,
    command,
    days,
    errors,
    identifiers,
    page_use,
    page_use_commands,
    state,
    state_household,
)
from signing import ids

router = routes.router()


class _Found(NamedTuple):
    """The household of somebody, and the day that is asked about."""

    row: state_household.HouseholdRow | None
    day: int
    pages: dict[identifiers.HolderCode, bytes]
    """The page that each of some people has there."""
    is_head: bool = False
    """Whether the first of them is its head."""

    def of_head(self) -> _Found:
        """The household for its first page, where that is a license of who was named; else none."""
        return self if self.is_head else _Found(None, self.day, {})


@router.post(
    "/v1/households/uses",
    summary="Use pages of a household 按页用证",
    **routes.secured(
        "license:use",
        model=models_household.PagesUsed,
        refusals=(
            errors.InvalidHolderCode,
            errors.CaseNumberUnfit,
            errors.LicenseTypeUnknown,
            errors.RefusalQuota,
        ),
    ),
)
async def use_pages(
    request: Request, body: examples_household.UsePagesBody, key: acts.IdempotencyKey = None
) -> Response:
    """Each page as a use of its own, by its holder's consent or the guardian's; of a page whose use is
    granted it is told whether it was in the household on the day. Pages of others by way of somebody's
    household ask for that one's own page: it is used first."""
    served, asking = service.of(request), routes.asking(request)
    served.bulk.others_ask()
    anchor, people = acts.holder(body.holder), _people(body)
    everybody = [people.get(number, anchor) for number in range(len(body.pages))]
    found = await served.read(_find, served, asking, body, (anchor, *everybody))
    actor = acts.using(asking, body)
    told: dict[int, answers.Json] = {}

    async def used(number: int, found: _Found) -> None:
        repeat = await acts.repeat(request, asking, operation=f"household page {number}", key=key)
        page, person = body.pages[number].page, everybody[number]
        asked = _command(found, body, page, person, actor=actor, repeat=repeat)
        told[number] = await _used(served, asking, asked)

    own = [number for number, one in enumerate(body.pages) if one.page == "own"]
    await asyncio.gather(*(used(number, found) for number in own))
    is_permitted = any(told[number]["existed"] is not None for number in own)
    others = {number: found for number in range(len(body.pages)) if number not in told}
    if others and not is_permitted:
        # With whom somebody lives is told under that one's consent too; without it each page stands alone.
        alone = {number: everybody[number] for number in others if number in people}
        others |= await served.read(_each_alone, served, body.license_type, found.day, alone)
        others |= {number: found.of_head() for number in others if number not in people}
    await asyncio.gather(*(used(number, one) for number, one in others.items()))
    pages = [{"page": one.page, **told[number]} for number, one in enumerate(body.pages)]
    index = max(one["answer"]["index"] for one in told.values())
    return routes.answer({"index": index, "on": days.text(found.day), "pages": pages})


def _people(body: models_household.UsePages) -> dict[int, identifiers.HolderCode]:
    """By the place of a page, whose it is, where it is not that of who was named; raises Invalid."""
    people = {}
    for number, one in enumerate(body.pages):
        if (one.page == "member") != (one.holder is not None):
            raise errors.Invalid("a member is somebody", field=f"pages[{number}].holder")
        if one.holder is not None:
            people[number] = acts.holder(one.holder, field=f"pages[{number}].holder")
    return people


def _find(
    served: service.Service,
    asking: access.Access,
    body: models_household.UsePages,
    people: tuple[identifiers.HolderCode, ...],
) -> _Found:
    """The household in which the first of some people was on the day; else the one they are or were in."""
    served.require_current(asking)
    if served.reader.row(state.TypeRow, body.license_type) is None:
        raise errors.LicenseTypeUnknown(field="license_type")
    today = days.of_instant(served.moment())
    day = today if body.on is None else days.parse(body.on)
    if day > today:
        raise errors.Invalid("a day that is yet to come", field="on")
    return _household(served, body.license_type, day, people)


def _household(
    served: service.Service, type_code: str, day: int, people: tuple[identifiers.HolderCode, ...]
) -> _Found:
    """As `_find`, of pages of a type on a day."""
    streams = {one: household.streams_of(served, one) for one in dict.fromkeys(people)}
    refs = household.registered(served, streams[people[0]])
    known = served.reader.rows(state_household.HouseholdRow, refs)
    rows = [known[ref] for ref in refs if ref in known and known[ref].type_code == type_code]
    there = [row for row in rows if _is_in(row, streams[people[0]], day)]
    row = next(iter((*there, *rows)), None)
    if row is None:
        return _Found(None, day, {})
    pages = {one: page for one in streams if (page := booklet.page_of(row, streams[one])) is not None}
    licenses = served.reader.rows(state.LicenseRow, [*pages.values()])
    # A page whose holder was corrected since is another's.
    own = {one: page for one, page in pages.items() if licenses[page].stream_id in streams[one]}
    return _Found(row, day, own, own.get(people[0]) == booklet.head(row).page_ref)


def _each_alone(
    served: service.Service, type_code: str, day: int, people: dict[int, identifiers.HolderCode]
) -> dict[int, _Found]:
    """By the place of a page, its own person's household: nothing of whether that is another's."""
    return {number: _household(served, type_code, day, (one,)) for number, one in people.items()}


def _is_in(row: state_household.HouseholdRow, streams: tuple[bytes, ...], day: int) -> bool:
    seen = booklet.seen(row, at=days.start(day), day=day)
    return seen is not None and any(one.stream_id in streams for one in seen.pages)


def _command(
    found: _Found,
    body: models_household.UsePages,
    page: str,
    person: identifiers.HolderCode,
    *,
    actor: command.Actor,
    repeat: command.Repeat,
) -> page_use_commands.UsePage:
    """The use of one page; where there is no such page, of whatever the person has of the type."""
    members: dict[str, Any] = {
        "actor": actor,
        "repeat": repeat,
        "field_names": None if body.fields is None else tuple(sorted(set(body.fields))),
        "household_ref": None if found.row is None else found.row.household_ref,
        "day": found.day,
        "person": person,
        "page_type": body.license_type,
    }
    if page == "first":
        # Of somebody without a household: a reference that nothing has, refused as what one may not use.
        ref = secrets.token_bytes(ids.ID_BYTES) if found.row is None else booklet.head(found.row).first_page
        return page_use_commands.UseFirstPage(license_ref=ref, **members)
    if person in found.pages:
        return page_use_commands.UsePage(license_ref=found.pages[person], **members)
    return page_use_commands.UsePage(holder=person, type_code=body.license_type, **members)


async def _used(
    served: service.Service, asking: access.Access, asked: page_use_commands.UsePage
) -> answers.Json:
    """The answer to the use of one page, and what it tells of the household."""
    async with use.counted(served, asking) as seen:
        recorded = await served.record(asked)
        seen.extend(recorded)
    made = recorded[0].fact
    told: answers.Json = {"existed": None, "household_ref": None, "since": None, "until": None}
    if isinstance(made, page_use.PageUsed):
        told["existed"] = made.since is not None
        if made.since is not None and made.household_ref is not None:
            told["household_ref"] = ids.text(made.household_ref)
            told["since"] = days.instant_text(made.since)
            told["until"] = None if made.until is None else days.instant_text(made.until)
    return {"answer": await answers.used(served, recorded), **told}
