"""Endorsements 年检, 年审, 签注, 校验: what is looked at again from time to time, without a new version.

A license that is past the day its endorsement is due stays what it is; a verification says that it is
overdue. Nothing is stored when the day passes. Rests on `license` for whose license it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from ledger import catalog_rules, days, errors, license
from ledger.fact import Fact, Touched
from ledger.state import LicenseRow, State, TypeRulesRow, altered
from signing import event

KINDS = ("annual-review", "inspection", "calibration", "registration", "visa")
"""年审, 年检, 校验, 延续注册, 签注."""
RESULTS = ("passed", "passed-with-conditions", "failed")
PERIOD = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?(/[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?)?")
"""A year, month or day, or two of them: `2026`, `2026-03/2027-02`."""


@dataclass(frozen=True, kw_only=True)
class LicenseEndorsed(Fact):
    """年检签注: who looked, at which period, with which result, and when the next is due."""

    scope: ClassVar[str | None] = "license:issue"
    stream_kind: ClassVar[str] = "holder"
    license_ref: bytes
    kind: str
    period: str
    result: str
    type_code: str
    """The license's own: the type says what follows when the next one is late."""
    next_due: int | None
    """Last day on which the next one is in time; None: none is due, or this one failed."""

    def touches(self, about: event.Event) -> Touched:
        return ((LicenseRow, self.license_ref), (TypeRulesRow, self.type_code))

    def allow(self, about: event.Event, state: State) -> None:
        row = license.own_license(self.license_ref, about, state)
        if row.status not in license.LIVE:
            raise errors.StatusConflict(license_status=row.status)
        if row.type_code != self.type_code:
            raise errors.Conflict("the license is of another type")
        for name, known in (("kind", KINDS), ("result", RESULTS)):
            if getattr(self, name) not in known:
                raise errors.Invalid(f"a {name} is one of {', '.join(known)}", field=name)
        if not PERIOD.fullmatch(self.period):
            raise errors.Invalid(
                "a period is a year, a month or a day, or from one to another", field="period"
            )
        if self.result == "failed" and self.next_due is not None:
            raise errors.Invalid("what failed stays due", field="next_due")
        if self.next_due is not None and not _today(about) < self.next_due <= license.DAY_MAX:
            raise errors.Invalid("the next endorsement is due later, and until 2200-12-31", field="next_due")
        if about.effective_at > about.recorded_at:
            raise errors.Invalid("an endorsement cannot take effect later", field="effective_at")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        if self.result != "failed":
            row = state.need(LicenseRow, self.license_ref)
            rules = state.get(TypeRulesRow, self.type_code)
            state.put(altered(row, **catalog_rules.due_columns(rules, self.next_due)))


def is_overdue(row: LicenseRow, at: int) -> bool:
    """Whether the last day of grace for the endorsement has passed, in Beijing, at the instant `at`."""
    return row.overdue_after is not None and days.of_instant(at) > row.overdue_after


def _today(about: event.Event) -> int:
    return days.of_instant(about.effective_at)
