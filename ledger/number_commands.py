"""Commands behind a use and a comparison by printed number 证照编号: of the licenses filed under it, one.

What is filed under a number was looked for before the lock, since a number once printed stays so; where that
was not all, nothing is said not to be held. Whether a license may be used is decided under the lock, as ever.
Several holders may have one number, so that several licenses are never used together: the answer is
`ambiguous`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ledger import coverage, party, power, refusal
from ledger.command import Reads, View, Wants
from ledger.comparison_commands import CompareLicense
from ledger.fact import Draft
from ledger.number import Filed
from ledger.state import AuthorizationRow, LicenseRow, StreamRow, TypeRow
from ledger.use import Asked
from ledger.use_choice import Outcome
from ledger.use_commands import UseLicense
from ledger.vault import Vault


@dataclass(frozen=True, kw_only=True)
class UseByNumber(UseLicense):
    """用证: the license of a type that has a number."""

    number: str
    found: Filed
    """What is filed under it."""
    is_by_number: ClassVar[bool] = True

    def wants(self, vault: Vault) -> Wants:
        wants = super().wants(vault)
        wants.rows |= {(LicenseRow, ref) for ref in self.found.refs}
        return wants

    def reads(self, view: View) -> Reads:
        reads = super().reads(view)
        reads.rows |= {(StreamRow, row.stream_id) for row in self._fitting(view)}
        return reads

    def _target(self, view: View) -> tuple[bytes | None, tuple[str, ...], tuple[bytes, ...]]:
        return None, self._asked_types(), ()

    def _askable(self, view: View, stream_id: bytes | None) -> set[bytes]:
        fitting = self._fitting(view)
        return {one.stream_id for row in fitting for one in party.of(row)} | {
            row.stream_id for row in fitting
        }

    def _candidates(
        self, view: View, own: bytes, stream_id: bytes | None, types: tuple[str, ...]
    ) -> list[AuthorizationRow]:
        requester = self.actor.organization
        streams = {other for one in self._askable(view, None) for other in view.streams(one)}
        asked = [(own, code) for code in types] + [(one, None) for one in sorted(streams)]
        return [row for one, code in asked for row in view.candidates(one, requester, code)]

    def _licenses(
        self, view: View, stream_id: bytes | None, types: tuple[str, ...], refs: tuple[bytes, ...]
    ) -> list[LicenseRow]:
        rows = [row for row in self._fitting(view) if row.type_code in types]
        return [row for row in rows if not view.state.need(StreamRow, row.stream_id).is_erased]

    def _decide(
        self, view: View, own: bytes, asked: Asked, *, candidates: list[AuthorizationRow] | None = None
    ) -> Outcome:
        outcome = super()._decide(view, own, asked, candidates=candidates)
        if outcome.reason != "not-held" or self._is_all(view):
            return outcome
        # Whoever is told that nobody has it is sent home.
        return outcome._replace(reason="not-covered", coverage=())

    def refusal(self, outcome: Outcome, view: View) -> Draft:
        draft = super().refusal(outcome, view)
        if outcome.reason != "not-covered" or self._is_all(view):
            return draft
        assert isinstance(draft.fact, refusal.UseRefused), "a refusal is one"
        return draft._replace(fact=replace(draft.fact, is_cut_short=True))

    def _is_all(self, view: View) -> bool:
        """Whether what was found is all that has the number, of every type that is looked for by now."""
        return self.found.is_all and self._looked_for(view) <= self.found.types

    def _fitting(self, view: View) -> list[LicenseRow]:
        """Those filed under the number, of the type or one that ever stood for it, that fit what is known of
        issuer and area: consents of other licenses' holders are not looked for.
        """
        issuer, area, _ = self.expected
        types = self._looked_for(view)
        rows = (view.state.get(LicenseRow, ref) for ref in self.found.refs)
        return [
            row
            for row in rows
            if row is not None
            and row.type_code in types
            and issuer in (None, row.issuer)
            and (area is None or coverage.is_within(power.area_of(row.area_code, row.issuer), area))
        ]

    def _looked_for(self, view: View) -> set[str]:
        assert self.type_code is not None, "a number comes with a type"
        row = view.state.get(TypeRow, self.type_code)
        return {self.type_code, *(() if row is None else row.local_types)}

    def _asked_about(self, own: bytes) -> tuple[tuple[str, bytes, list[Any]], ...]:
        return (("asked", own, [None, None, None, self.number]),)


@dataclass(frozen=True, kw_only=True)
class CompareByNumber(CompareLicense, UseByNumber):
    """比对: with the license of a type that has a number."""
