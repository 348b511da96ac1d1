"""Reminders 到期提醒: what is due for a license soon, by the Beijing date; nothing is recorded for it.

A license is reminded of before its last valid day, from the day on which its type lets it be renewed, where
it says so, and before the last day for its endorsement 年检. What has ended is not reminded of; an
endorsement that is overdue is, until it is made.
"""

from __future__ import annotations

from typing import NamedTuple

from ledger import days, license
from ledger.state import LicenseRow, TypeRulesRow

AHEAD_DAYS = 90
"""From so many days before the last one on, unless the type says otherwise."""


class Reminder(NamedTuple):
    """What is due."""

    kind: str
    """`expiry` or `endorsement`."""
    day: int
    """The last day: on which the license is valid, or on which its endorsement is in time."""
    days_left: int
    """0 on the last day itself; less than 0: so many days overdue."""


def reminders(row: LicenseRow, rules: TypeRulesRow | None, *, at: int) -> list[Reminder]:
    """What is due for a license soon after an instant, the nearest first."""
    if row.status not in license.LIVE or row.is_orphaned:
        return []
    today, found = days.of_instant(at), []
    if row.valid_to is not None and 0 <= row.valid_to - today <= expiry_ahead_days(rules):
        found.append(Reminder("expiry", row.valid_to, row.valid_to - today))
    is_over = row.valid_to is not None and row.valid_to < today
    if row.endorsement_due is not None and row.endorsement_due - today <= AHEAD_DAYS and not is_over:
        found.append(Reminder("endorsement", row.endorsement_due, row.endorsement_due - today))
    return sorted(found, key=lambda one: (one.day, one.kind))


def expiry_ahead_days(rules: TypeRulesRow | None) -> int:
    """So many days before its last valid day a license of a type is reminded of."""
    window = None if rules is None else rules.renewal_window_days
    return AHEAD_DAYS if window is None else window
