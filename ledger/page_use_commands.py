"""The command behind a use of a page of a household.

Which license the page is was looked for before the lock; whether it may be used is decided under it, as ever,
and what the household says of it then. A refusal that names no license looks alike whether the person has a
page or not: it names the type that was asked for, and seals who was asked about.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ledger import authorization, booklet, page_use, refusal, use
from ledger.command import View, Wants
from ledger.fact import Draft
from ledger.identifiers import HolderCode
from ledger.state_household import HouseholdRow
from ledger.use_choice import Outcome
from ledger.use_commands import UseLicense
from ledger.vault import Vault


@dataclass(frozen=True, kw_only=True)
class UsePage(UseLicense):
    """A person's page: by its reference where the person has one there, else by the person and the type."""

    household_ref: bytes | None
    day: int
    """The Beijing day that is asked about."""
    person: HolderCode
    """Whose page, or through whom the household was found."""
    page_type: str

    def wants(self, vault: Vault) -> Wants:
        wants = super().wants(vault)
        if self.household_ref is not None:
            wants.rows.add((HouseholdRow, self.household_ref))
        return wants

    def decide(self, view: View) -> list[Draft]:
        return [self._told(draft, view) for draft in super().decide(view)]

    def _told(self, draft: Draft, view: View) -> Draft:
        """A granted use, with what the household says of the page."""
        used = draft.fact
        if not isinstance(used, use.LicenseUsed) or used.mode == authorization.PUBLIC:
            return draft
        row = None if self.household_ref is None else view.state.get(HouseholdRow, self.household_ref)
        told = None if row is None else booklet.told(row, used.license_ref, draft.stream_id, day=self.day)
        since, until = told or (None, None)
        made = page_use.PageUsed(
            **vars(used),
            household_ref=None if row is None else row.household_ref,
            day=self.day,
            since=since,
            until=until,
        )
        return draft._replace(fact=made)

    def refusal(self, outcome: Outcome, view: View) -> Draft:
        draft = super().refusal(outcome, view)
        made = draft.fact
        assert isinstance(made, refusal.UseRefused), "a use was refused"
        if made.type_code is not None:
            return draft
        return draft._replace(fact=replace(made, type_code=self.page_type))

    def _asked_about(self, own: bytes) -> tuple[tuple[str, bytes, list[Any]], ...]:
        return (("asked", own, [self.person.code_type, self.person.code, None]),)


@dataclass(frozen=True, kw_only=True)
class UseFirstPage(UsePage):
    """The first page 首页, which may be another's: why the other's consent does not grant is told as of a
    license that was asked for by its number.
    """

    is_by_number: ClassVar[bool] = True
