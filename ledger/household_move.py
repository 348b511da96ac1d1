"""A household moves 住址变更, 迁移: within what its keeper answers for, or to another organization.

Another organization takes a household over as it takes licenses over that were transferred: who kept it has
transferred every page out, and who takes it over has issued each person a new one.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger import booklet, errors, household, household_place, license, version
from ledger.booklet import Head, Page, Seat
from ledger.fact import Touched
from ledger.state import LicenseRow, State, altered
from ledger.state_household import HouseholdRow
from signing import event

RELEASED = license.LicenseTransferredOut.after


@dataclass(frozen=True, kw_only=True)
class HouseholdMoved(household.HouseholdFact):
    """迁移: its address, which the first page says, is another from here on, or its keeper is."""

    area_code: str | None
    head: bytes
    holder_stream: bytes
    """The head, who stays so, and whose the first page is."""
    first_page: bytes
    """A new one, or the same, amended."""
    former_first: bytes
    pages: tuple[tuple[bytes, bytes, bytes], ...]
    """(page as it was, the one in its place, stream of the holder of both), sorted: all of them where another
    organization takes the household over, else none."""

    @property
    def license_refs(self) -> tuple[bytes, ...]:
        taken = (ref for former, present, _ in self.pages for ref in (former, present))
        return tuple(dict.fromkeys((self.first_page, self.former_first, self.head, *taken)))

    def touches(self, about: event.Event) -> Touched:
        yield from super().touches(about)
        yield from household_place.of_first(self.first_page)
        yield from household_place.of_first(self.former_first)
        yield from household_place.of_person(self.holder_stream)
        for former, present, stream_id in self.pages:
            yield LicenseRow, former
            yield LicenseRow, present
            yield from household_place.rows((former, present, stream_id))

    def allow(self, about: event.Event, state: State) -> None:
        household.require_said(about, state)
        row = state.get(HouseholdRow, self.household_ref)
        if row is None:
            raise errors.NotFound("no such household")
        version.check_area(self.area_code)
        if self.pages:
            self._require_released(state)
        else:
            household.require_keeper(row, about, state)
        household.require_seat(row.type_code, self.area_code, about, state)
        household.require_room(row)
        last, seat = booklet.head(row), booklet.seat(row)
        if self.former_first != last.first_page:
            raise errors.HouseholdConflict("the first page is another one", field="first_page")
        if about.effective_at < max(last.since, seat.since):
            raise errors.Invalid("its head or its seat came later than that", field="effective_at")
        if self.pages:
            self._allow_taken(row, about, state)
        self._allow_first(row, about, state)

    def _require_released(self, state: State) -> None:
        """Who kept the household has let go of it; until then nobody else learns more of it than that."""
        named = ((former, "pages") for former, _, _ in self.pages)
        for license_ref, field in (*named, (self.former_first, "first_page")):
            row = state.get(LicenseRow, license_ref)
            if row is None or row.status != RELEASED:
                raise errors.HouseholdConflict("not transferred out by who kept it", field=field)

    def _allow_taken(self, row: HouseholdRow, about: event.Event, state: State) -> None:
        """All pages go along, and each person has another of who takes the household over."""
        present = {one.page_ref: one for one in booklet.present(row)}
        if not present or {former for former, _, _ in self.pages} != present.keys():
            raise errors.HouseholdConflict("all its pages go along, and no others", field="pages")
        if list(self.pages) != sorted(self.pages) or len({new for _, new, _ in self.pages}) < len(present):
            raise errors.Invalid("different pages, sorted", field="pages")
        for former, new, stream_id in self.pages:
            if present[former].stream_id != stream_id:
                raise errors.HouseholdConflict("the page came in as another person's", field="pages")
            if about.effective_at < present[former].since:
                raise errors.Invalid("a page came in later than that", field="effective_at")
            household_place.require_anew(new, stream_id, row.type_code, about, state)
        if self.first_page == self.former_first:
            raise errors.HouseholdConflict("who takes it over makes a first page", field="first_page")
        if self.first_page in {new for _, new, _ in self.pages}:
            raise errors.Invalid("the first page is no person's page", field="first_page")

    def _allow_first(self, row: HouseholdRow, about: event.Event, state: State) -> None:
        last = booklet.head(row)
        renamed = {former: new for former, new, _ in self.pages}
        page = next(one for one in booklet.present(row) if one.page_ref == last.page_ref)
        if self.head != renamed.get(last.page_ref, last.page_ref) or self.holder_stream != page.stream_id:
            raise errors.HouseholdConflict("the head stays", field="head")
        household_place.require_living(self.holder_stream, state, field="first_page")
        household_place.require_first(
            self.first_page,
            self.holder_stream,
            row.first_type,
            about,
            state,
            is_same=self.first_page == self.former_first,
        )

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        assert about.issuer is not None, "allow() saw who answers"
        row = state.need(HouseholdRow, self.household_ref)
        at, known = about.effective_at, about.recorded_at
        lines = household.without(row, {former for former, _, _ in self.pages}, about).pages
        new = (Page(page_ref, stream_id, at, known).text for _, page_ref, stream_id in self.pages)
        heads = row.heads
        if self.pages or self.first_page != self.former_first:
            heads = (*heads, Head(self.head, self.first_page, at, known).text)
        seat = Seat(about.issuer, self.area_code, at, known)
        state.put(altered(row, pages=(*lines, *new), heads=heads, seats=(*row.seats, seat.text)))
        if self.first_page != self.former_first:
            household_place.leave((self.former_first,), state, at=at)
            household_place.enter_first(self.first_page, self.household_ref, state)
        household_place.leave((former for former, _, _ in self.pages), state, at=at)
        household_place.enter(((new, stream) for _, new, stream in self.pages), self.household_ref, state)
