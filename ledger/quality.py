"""Quality findings 质量问题: what is doubtful about a license that stands nevertheless.

A finding changes nothing of the license. It is recorded with an import, by the responsible issuer, for
whoever clears it: identifiers that others made wrongly, printed numbers that two licenses have, fields
and dates that do not fit the type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ledger import errors, license
from ledger.fact import Fact, Touched
from ledger.state import LicenseRow, State
from signing import event

NUMBER_CLASH = "number-clash"
"""疑似重号."""
FINDINGS = (
    "fields-unfit",
    "license-id-bad",
    "license-id-legacy-variant",
    "license-type-retired",
    NUMBER_CLASH,
    "validity-unfit",
)


@dataclass(frozen=True, kw_only=True)
class QualityFindingRaised(Fact):
    """Something about a license is to be looked at."""

    scope: ClassVar[str | None] = "license:issue"
    stream_kind: ClassVar[str] = "holder"
    license_ref: bytes
    finding: str
    other_ref: bytes | None
    """The license that has the same printed number."""

    def touches(self, about: event.Event) -> Touched:
        yield LicenseRow, self.license_ref
        if self.other_ref is not None:
            yield LicenseRow, self.other_ref

    def allow(self, about: event.Event, state: State) -> None:
        license.own_license(self.license_ref, about, state)
        if self.finding not in FINDINGS:
            raise errors.Invalid("not a finding", field="finding")
        if (self.other_ref is not None) != (
            self.finding == NUMBER_CLASH
        ) or self.other_ref == self.license_ref:
            raise errors.Invalid("a clash of numbers names the other license", field="other_ref")
        if self.other_ref is not None and state.get(LicenseRow, self.other_ref) is None:
            raise errors.LicenseNotFound
