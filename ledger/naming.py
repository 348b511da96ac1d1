"""Names of holders: changed, as their registering organ says; former and new name are sealed.

No license is rewritten: those whose present version was recorded before the change still print the former
name, are as valid as before, and are listed for their issuers (docs/tasks.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ledger import days, errors, holder, license
from ledger.state import State, StreamRow
from signing import event

CHANGES_MAX = 20
"""Changes of one holder's name that comparisons know of: the newest."""


@dataclass(frozen=True, kw_only=True)
class HolderNameChanged(holder.Registered):
    """更名: the holder has the new name from a day on."""

    changed_on: int

    def allow(self, about: event.Event, state: State) -> None:
        super().allow(about, state)
        if not license.DAY_MIN <= self.changed_on <= days.of_instant(about.recorded_at):
            raise errors.Invalid("a day between 1900-01-01 and today", field="changed_on")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.need(StreamRow, about.stream_id)
        changes = (*row.name_changes, str(index))[-CHANGES_MAX:]
        state.put(replace(row, name_changes=changes))
