"""Uses of pages of a household 户口簿: a use as any other, which tells whether the page was in it on a day.

The page is its person's license, so that the rule of a use decides, under the person's own consent or the
guardian's; and only of a page that may be used is it told whether it was in the household. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger import booklet, days, errors, use
from ledger.fact import Touched
from ledger.state import State
from ledger.state_household import HouseholdRow
from signing import event


@dataclass(frozen=True, kw_only=True)
class PageUsed(use.LicenseUsed):
    """A granted use of a page, and what was told of the household."""

    household_ref: bytes | None
    """The household that was asked about; None: the person who was named was in none."""
    day: int
    since: int | None
    """Since when the page was in the household on that Beijing day; None: it was not."""
    until: int | None
    """When it left."""

    def touches(self, about: event.Event) -> Touched:
        yield from super().touches(about)
        if self.household_ref is not None:
            yield HouseholdRow, self.household_ref

    def allow(self, about: event.Event, state: State) -> None:
        super().allow(about, state)
        if self.public_type is not None:
            raise errors.Forbidden("of what is public no household is told")
        if self.day > days.of_instant(about.recorded_at):
            raise errors.Forbidden("a day that is yet to come")
        row = None if self.household_ref is None else state.get(HouseholdRow, self.household_ref)
        if self.household_ref is not None and row is None:
            raise errors.Forbidden("no such household")
        told = None if row is None else booklet.told(row, self.license_ref, about.stream_id, day=self.day)
        if (self.since, self.until) != (told or (None, None)):
            raise errors.Forbidden("not what is known of the household")
