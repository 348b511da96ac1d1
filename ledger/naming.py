"""Names of holders: changed, as their registering organ says; former and new name are sealed.

No license is rewritten: those whose present version was recorded before the change still print the former
name, are as valid as before, and are listed for their issuers (docs/tasks.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger import days, errors, holder, license
from ledger.state import State
from signing import event


@dataclass(frozen=True, kw_only=True)
class HolderNameChanged(holder.Registered):
    """更名: the holder has the new name from a day on."""

    changed_on: int

    def allow(self, about: event.Event, state: State) -> None:
        super().allow(about, state)
        if not license.DAY_MIN <= self.changed_on <= days.of_instant(about.recorded_at):
            raise errors.Invalid("a day between 1900-01-01 and today", field="changed_on")
