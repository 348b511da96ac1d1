"""Commands behind a use and a comparison by printed number 证照编号: of the licenses filed under it, one.

What is filed under a number was looked for before the lock, since a number once printed stays so; whether
it may be used is decided under it, as ever. Several holders may have one number, so that several licenses are
never used together: the answer is `ambiguous`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ledger import coverage, party, power
from ledger.command import Reads, View, Wants
from ledger.comparison_commands import CompareLicense
from ledger.state import AuthorizationRow, LicenseRow, StreamRow, TypeRow
from ledger.use_commands import UseLicense
from ledger.vault import Vault


@dataclass(frozen=True, kw_only=True)
class UseByNumber(UseLicense):
    """用证: the license of a type that has a number."""

    number: str
    found: tuple[bytes, ...]
    """The licenses filed under it, of whatever type."""
    is_by_number: ClassVar[bool] = True

    def wants(self, vault: Vault) -> Wants:
        wants = super().wants(vault)
        wants.rows |= {(LicenseRow, ref) for ref in self.found}
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

    def _fitting(self, view: View) -> list[LicenseRow]:
        """Those filed under the number, of the type or one that ever stood for it, that fit what is known of
        issuer and area: consents of other licenses' holders are not looked for.
        """
        issuer, area, _ = self.expected
        types = self._looked_for(view)
        rows = (view.state.get(LicenseRow, ref) for ref in self.found)
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
