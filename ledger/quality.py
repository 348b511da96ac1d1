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
CHARACTERS_LOST = "characters-lost"
"""生僻字: the name of the holder or of a party has a private character, or a sign that stands for one."""
RETIRED = "license-type-retired"
FINDINGS = (
    CHARACTERS_LOST,
    "fields-unfit",
    "license-id-bad",
    "license-id-legacy-variant",
    RETIRED,
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


def settled_by(made: license.NextVersion, *, keeps_dates: bool) -> tuple[str, ...]:
    """The findings about versions before that a next version leaves none of: it asks what an issue does."""
    found = ["fields-unfit", "license-id-bad", "license-id-legacy-variant", NUMBER_CLASH]
    if not isinstance(made, license.LicenseRenewed | license.LicenseReplaced):
        found.append(CHARACTERS_LOST)  # those print the names again as they stood
    if not keeps_dates:
        found.append("validity-unfit")
    return tuple(found)
