"""Marks 查封, 挂失, 受限使用: what stands beside a license's status, each set and cleared by itself.

A mark never changes the recorded status: a suspended license that is frozen and released is suspended
still. A court's order is named by its sealed number. Rests on `license` for whose license it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ledger import errors, license
from ledger.fact import Fact, Touched
from ledger.state import LicenseRow, State, altered
from signing import event


@dataclass(frozen=True, kw_only=True)
class MarkChange(Fact, is_topic=False):
    """Base of the facts that set or clear one mark."""

    scope: ClassVar[str | None] = "license:issue"
    stream_kind: ClassVar[str] = "holder"
    mark: ClassVar[str] = ""
    is_set: ClassVar[bool] = True
    license_ref: bytes

    def touches(self, about: event.Event) -> Touched:
        return ((LicenseRow, self.license_ref),)

    def allow(self, about: event.Event, state: State) -> None:
        row = license.own_license(self.license_ref, about, state)
        if self.is_set and row.status not in license.LIVE:
            raise errors.StatusConflict(license_status=row.status)
        stands = getattr(row, license.MARKS[self.mark]) is not None
        if stands == self.is_set:
            raise errors.StatusConflict(license_status=self.mark if stands else row.status)
        if about.effective_at > about.recorded_at:
            raise errors.Invalid("a status change cannot take effect later", field="effective_at")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.need(LicenseRow, self.license_ref)
        state.put(altered(row, **{license.MARKS[self.mark]: index if self.is_set else None}))


@dataclass(frozen=True, kw_only=True)
class LicenseFrozen(MarkChange):
    """查封: by a court's order, until it is released; nothing takes the license away meanwhile."""

    mark = "frozen"
    document_digest: bytes
    """Digest of the order's number 文号, with a sealed salt."""


@dataclass(frozen=True, kw_only=True)
class LicenseReleased(MarkChange):
    """解除查封."""

    mark, is_set = "frozen", False
    document_digest: bytes


@dataclass(frozen=True, kw_only=True)
class LicenseReportedLost(MarkChange):
    """挂失: the printed license is lost; nothing is shown or used until it is found or replaced."""

    mark = "lost"


@dataclass(frozen=True, kw_only=True)
class LicenseFound(MarkChange):
    """解除挂失."""

    mark, is_set = "lost", False


@dataclass(frozen=True, kw_only=True)
class LicenseRestricted(MarkChange):
    """受限使用: held, but not to be used until the restriction is lifted."""

    mark = "restricted"


@dataclass(frozen=True, kw_only=True)
class LicenseRestrictionLifted(MarkChange):
    """解除受限使用."""

    mark, is_set = "restricted", False


MARK_CHANGES: dict[str, type[MarkChange]] = {
    "freeze": LicenseFrozen,
    "release": LicenseReleased,
    "report-lost": LicenseReportedLost,
    "found": LicenseFound,
    "restrict": LicenseRestricted,
    "lift-restriction": LicenseRestrictionLifted,
}
"""Verb to fact."""


def standing(row: LicenseRow) -> dict[str, int]:
    """The marks that stand, each with the leaf index of the event that set it."""
    found = {mark: getattr(row, column) for mark, column in license.MARKS.items()}
    return {mark: index for mark, index in found.items() if index is not None}
