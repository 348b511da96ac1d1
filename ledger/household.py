"""Households 户: a booklet 户口簿 by page, each page its person's own license, and what becomes of it.

A household is references alone: its number, address and kind are what its first page 首页 says, a license of
the head; what each person's page says is that person's. So nothing personal stands here, and erasing a person
leaves the others' pages readable. What is said of a household stands with the organization that said it,
which answers for its pages; each change has two times, in law and of its recording (`ledger.booklet`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ledger import booklet, errors, household_place, power, version
from ledger.booklet import Head, Page, Seat
from ledger.fact import Fact, Touched
from ledger.state import OrganizationRow, State, altered
from ledger.state_household import HouseholdRow
from signing import event

Named = tuple[bytes, bytes]
"""A page and the stream of its holder."""
CAUSES = ("death", "moved-out", "enlisted", "settled-abroad", "duplicate")
"""死亡, 迁出, 参军, 出国（境）定居, 重复登记: why a page leaves."""


@dataclass(frozen=True, kw_only=True)
class HouseholdFact(Fact, is_topic=False):
    """Base: what an organization says of a household whose pages it answers for."""

    scope: ClassVar[str | None] = "license:issue"
    stream_kind: ClassVar[str] = "organization"
    household_ref: bytes

    @property
    def license_refs(self) -> tuple[bytes, ...]:
        """The licenses that it is about, under each of which the trail has it."""
        return ()

    def touches(self, about: event.Event) -> Touched:
        yield OrganizationRow, about.organization
        yield HouseholdRow, self.household_ref

    def _known(self, about: event.Event, state: State) -> HouseholdRow:
        """The household, kept by the actor and with somebody in it; raises NotFound, NotTheIssuer."""
        require_said(about, state)
        row = state.get(HouseholdRow, self.household_ref)
        if row is None:
            raise errors.NotFound("no such household")
        require_keeper(row, about, state)
        return row


def require_keeper(row: HouseholdRow, about: event.Event, state: State) -> None:
    """Nothing when the actor answers for the household's pages, and somebody is in it."""
    household_place.require_type(row.type_code, about, state)
    require_power(row, state, organization=about.organization, acting=about.issuer, at=about.recorded_at)
    if not booklet.present(row):
        raise errors.HouseholdConflict("nobody is left in the household")


def require_power(row: HouseholdRow, state: State, *, organization: str, acting: str | None, at: int) -> None:
    """Nothing when an organization, acting as one, keeps the household; raises NotTheIssuer."""
    seat = booklet.seat(row)
    power.require_issuer(
        state,
        organization=organization,
        acting=acting,
        issuer=seat.issuer,
        type_code=row.type_code,
        area_code=seat.area_code,
        at=at,
    )


def require_seat(type_code: str, area_code: str | None, about: event.Event, state: State) -> None:
    """Nothing when the actor may keep households of a type in a division; raises NotTheIssuer."""
    household_place.require_type(type_code, about, state)
    power.require_issuer(
        state,
        organization=about.organization,
        acting=about.issuer,
        issuer=about.issuer or "",
        type_code=type_code,
        area_code=area_code,
        at=about.recorded_at,
    )


@dataclass(frozen=True, kw_only=True)
class HouseholdRegistered(HouseholdFact):
    """立户: a household begins, with its head, its first page and everybody's page."""

    type_code: str
    first_type: str
    """Types of the persons' pages and of the first page."""
    head: bytes
    first_page: bytes
    pages: tuple[tuple[bytes, bytes], ...]
    """(page, stream of its holder), sorted; the head's is one of them, whose the first page is too."""
    area_code: str | None

    @property
    def license_refs(self) -> tuple[bytes, ...]:
        return (self.first_page, *(page_ref for page_ref, _ in self.pages))

    def touches(self, about: event.Event) -> Touched:
        yield from super().touches(about)
        yield from household_place.types(self.type_code, self.first_type)
        yield from household_place.of_pages(self.pages)
        yield from household_place.of_first(self.first_page)

    def allow(self, about: event.Event, state: State) -> None:
        require_said(about, state)
        if state.get(HouseholdRow, self.household_ref) is not None:
            raise errors.AlreadyExists("the household is registered")
        household_place.require_types(self.type_code, self.first_type, state)
        version.check_area(self.area_code)
        require_seat(self.type_code, self.area_code, about, state)
        streams = _require_sorted(self.pages)
        if self.head not in streams:
            raise errors.Invalid("the head has a page in the household", field="head")
        for named in self.pages:
            household_place.require_page(named, self.type_code, about, state)
        # Asked last: whose licenses are one person's is told to nobody who does not answer for them.
        if len({*streams.values()}) < len(streams):
            raise errors.PageTaken("a person has one page", field="pages")
        household_place.require_first(self.first_page, streams[self.head], self.first_type, about, state)
        if self.first_page in streams:
            raise errors.Invalid("the first page is no person's page", field="first_page")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        assert about.issuer is not None, "allow() saw who answers"
        at, known = about.effective_at, about.recorded_at
        state.put(
            HouseholdRow(
                household_ref=self.household_ref,
                type_code=self.type_code,
                first_type=self.first_type,
                pages=tuple(Page(*named, at, known).text for named in self.pages),
                heads=(Head(self.head, self.first_page, at, known).text,),
                seats=(Seat(about.issuer, self.area_code, at, known).text,),
            )
        )
        household_place.enter(self.pages, self.household_ref, state)
        household_place.enter_first(self.first_page, self.household_ref, state)


@dataclass(frozen=True, kw_only=True)
class PageAdded(HouseholdFact):
    """增页: a person comes into the household, by birth or from elsewhere."""

    page: bytes
    holder_stream: bytes

    @property
    def license_refs(self) -> tuple[bytes, ...]:
        return (self.page,)

    def touches(self, about: event.Event) -> Touched:
        yield from super().touches(about)
        yield from household_place.of_pages(((self.page, self.holder_stream),))

    def allow(self, about: event.Event, state: State) -> None:
        row = self._known(about, state)
        require_room(row)
        if len(booklet.present(row)) >= booklet.PAGES_MAX:
            raise errors.HouseholdConflict(f"at most {booklet.PAGES_MAX} pages", field="page")
        if about.effective_at < booklet.seats(row)[0].since:
            raise errors.Invalid("the household began later than that", field="effective_at")
        household_place.require_page((self.page, self.holder_stream), row.type_code, about, state)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.need(HouseholdRow, self.household_ref)
        page = Page(self.page, self.holder_stream, about.effective_at, about.recorded_at)
        state.put(altered(row, pages=(*row.pages, page.text)))
        household_place.enter(((self.page, self.holder_stream),), self.household_ref, state)


@dataclass(frozen=True, kw_only=True)
class PageRemoved(HouseholdFact):
    """减页: a person leaves; the head only as the last, with the first page."""

    page: bytes
    holder_stream: bytes
    cause: str
    first_page: bytes | None
    """The first page, with which the household ends, where nobody is left."""

    @property
    def license_refs(self) -> tuple[bytes, ...]:
        return (self.page,) if self.first_page is None else (self.page, self.first_page)

    def touches(self, about: event.Event) -> Touched:
        yield from super().touches(about)
        yield from household_place.rows((self.page, self.holder_stream, self.first_page))

    def allow(self, about: event.Event, state: State) -> None:
        row = self._known(about, state)
        if self.cause not in CAUSES:
            raise errors.Invalid(f"a cause is one of {', '.join(CAUSES)}", field="cause")
        _require_leaving(row, ((self.page, self.holder_stream),), about)
        is_last = len(booklet.present(row)) == 1
        if not is_last:
            require_not_head(row, {self.page}, at=about.effective_at)
        elif about.effective_at < _latest(row):
            raise errors.Invalid(
                "others left, or the head or seat came, later than that", field="effective_at"
            )
        if self.first_page != (booklet.head(row).first_page if is_last else None):
            raise errors.HouseholdConflict("the first page goes with the last page, and with no other")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.need(HouseholdRow, self.household_ref)
        state.put(without(row, {self.page}, about))
        leaving = (self.page, self.holder_stream, *(() if self.first_page is None else (self.first_page,)))
        household_place.leave(leaving, state, at=about.effective_at)


@dataclass(frozen=True, kw_only=True)
class HeadChanged(HouseholdFact):
    """户主变更: another page is the head's from here on, with a first page of its holder."""

    head: bytes
    holder_stream: bytes
    first_page: bytes
    former_first: bytes

    @property
    def license_refs(self) -> tuple[bytes, ...]:
        return (self.head, self.first_page, self.former_first)

    def touches(self, about: event.Event) -> Touched:
        yield from super().touches(about)
        yield from household_place.of_first(self.first_page)
        yield from household_place.of_person(self.holder_stream)
        yield from household_place.rows((self.former_first,))

    def allow(self, about: event.Event, state: State) -> None:
        row = self._known(about, state)
        require_room(row)
        last = booklet.head(row)
        if self.former_first != last.first_page:
            raise errors.HouseholdConflict("the first page is another one", field="first_page")
        if self.head == last.page_ref:
            raise errors.HouseholdConflict("the head is the same", field="head")
        page = present(row, self.head, field="head")
        if page.stream_id != self.holder_stream:
            raise errors.HouseholdConflict("the page is another person's", field="head")
        if about.effective_at < max(last.since, page.since):
            raise errors.Invalid("the head before, or the page, came later than that", field="effective_at")
        household_place.require_living(self.holder_stream, state, field="head")
        household_place.require_first(self.first_page, self.holder_stream, row.first_type, about, state)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.need(HouseholdRow, self.household_ref)
        made = Head(self.head, self.first_page, about.effective_at, about.recorded_at)
        state.put(altered(row, heads=(*row.heads, made.text)))
        household_place.leave((self.former_first,), state, at=about.effective_at)
        household_place.enter_first(self.first_page, self.household_ref, state)


@dataclass(frozen=True, kw_only=True)
class HouseholdSplit(HouseholdFact):
    """分户: some pages go to a household of their own, whose head one of them is."""

    new_ref: bytes
    pages: tuple[tuple[bytes, bytes], ...]
    """Those that go, as above."""
    head: bytes
    first_page: bytes
    """Of the new household."""

    @property
    def license_refs(self) -> tuple[bytes, ...]:
        return (self.first_page, *(page_ref for page_ref, _ in self.pages))

    def touches(self, about: event.Event) -> Touched:
        yield from super().touches(about)
        yield HouseholdRow, self.new_ref
        yield from household_place.of_first(self.first_page)
        for page_ref, stream_id in self.pages:
            yield from household_place.rows((page_ref, stream_id))
            if page_ref == self.head:
                yield from household_place.of_person(stream_id)

    def allow(self, about: event.Event, state: State) -> None:
        row = self._known(about, state)
        if state.get(HouseholdRow, self.new_ref) is not None:
            raise errors.AlreadyExists("the household is registered")
        streams = _require_sorted(self.pages)
        _require_leaving(row, self.pages, about)
        require_not_head(row, {*streams}, at=about.effective_at)
        if self.head not in streams:
            raise errors.Invalid("the new head has one of the pages that go", field="head")
        household_place.require_living(streams[self.head], state, field="head")
        household_place.require_first(self.first_page, streams[self.head], row.first_type, about, state)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.need(HouseholdRow, self.household_ref)
        at, known, seat = about.effective_at, about.recorded_at, booklet.seat(row)
        state.put(without(row, {page_ref for page_ref, _ in self.pages}, about))
        state.put(
            HouseholdRow(
                household_ref=self.new_ref,
                type_code=row.type_code,
                first_type=row.first_type,
                pages=tuple(Page(*named, at, known).text for named in self.pages),
                heads=(Head(self.head, self.first_page, at, known).text,),
                seats=(Seat(seat.issuer, seat.area_code, at, known).text,),
            )
        )
        for named in self.pages:
            household_place.leave(named, state, at=at)
        household_place.enter(self.pages, self.new_ref, state)
        household_place.enter_first(self.first_page, self.new_ref, state)


def require_not_head(row: HouseholdRow, page_refs: set[bytes], *, at: int) -> None:
    """Nothing unless one of the pages is the head's, at the instant or later; raises HouseholdConflict."""
    heads = booklet.heads(row)
    ends = (*(one.since for one in heads[1:]), None)
    if any(
        one.page_ref in page_refs and (end is None or end > at) for one, end in zip(heads, ends, strict=True)
    ):
        raise errors.HouseholdConflict("the head leaves as the last: name a new head first", field="page")


def require_said(about: event.Event, state: State) -> None:
    """Nothing when it stands with who says it, and holds already."""
    own = state.get(OrganizationRow, about.organization)
    if own is None or own.stream_id != about.stream_id:
        raise errors.Conflict("a household's facts stand in the stream of who says them")
    if about.effective_at > about.recorded_at:
        raise errors.Invalid("nothing is said of a household that is yet to come", field="effective_at")


def require_room(row: HouseholdRow) -> None:
    """Nothing while the history has room for more lines; raises HouseholdConflict. Pages may always leave."""
    if max(len(row.pages), len(row.heads), len(row.seats)) + booklet.PAGES_MAX > booklet.LINES_MAX:
        raise errors.HouseholdConflict("the history is too long: remove the pages and register them anew")


def _require_sorted(pages: tuple[Named, ...]) -> dict[bytes, bytes]:
    """Page to stream; raises Invalid for none, too many or unsorted ones."""
    streams = dict(pages)
    if not 1 <= len(pages) <= booklet.PAGES_MAX or list(pages) != sorted(pages) or len(streams) < len(pages):
        raise errors.Invalid(f"1 to {booklet.PAGES_MAX} different pages, sorted", field="pages")
    return streams


def present(row: HouseholdRow, page_ref: bytes, *, field: str) -> Page:
    """The page in the household now; raises HouseholdConflict."""
    found = next((one for one in booklet.present(row) if one.page_ref == page_ref), None)
    if found is None:
        raise errors.HouseholdConflict("the page is not in the household", field=field)
    return found


def _require_leaving(row: HouseholdRow, pages: tuple[Named, ...], about: event.Event) -> None:
    """Nothing when these pages are in the household and may leave it then."""
    for page_ref, stream_id in pages:
        page = present(row, page_ref, field="page")
        if page.stream_id != stream_id:
            raise errors.HouseholdConflict("the page came in as another person's", field="page")
        if about.effective_at < page.since:
            raise errors.Invalid("the page came in later than that", field="effective_at")


def _latest(row: HouseholdRow) -> int:
    """When the last of the others left, or the last head or seat came."""
    left = (one.until for one in booklet.pages(row) if one.until is not None)
    return max(booklet.head(row).since, booklet.seat(row).since, *left)


def without(row: HouseholdRow, page_refs: set[bytes], about: event.Event) -> HouseholdRow:
    """The household after some of its pages left."""
    end = about.effective_at, about.recorded_at
    lines = (
        one._replace(until=end[0], until_known=end[1]).text
        if one.until is None and one.page_ref in page_refs
        else one.text
        for one in booklet.pages(row)
    )
    return altered(row, pages=tuple(lines))
