"""The command of a registering organ about a holder's name."""

from __future__ import annotations

from dataclasses import dataclass

from ledger import errors, naming
from ledger.command import View
from ledger.fact import Draft
from ledger.linking_commands import Registration


@dataclass(frozen=True, kw_only=True)
class ChangeName(Registration):
    """更名: recorded in every file of the holder, both names sealed under the file's key."""

    former_name: str
    new_name: str
    changed_on: int

    def decide(self, view: View) -> list[Draft]:
        if self.former_name == self.new_name:
            raise errors.Invalid("a change is to another name", field="new_name")
        made = naming.HolderNameChanged(changed_on=self.changed_on, evidence_digest=self._digest(view))
        names = [self.former_name, self.new_name]
        return [
            self._draft(made, stream_id, ("names", stream_id, names))
            for stream_id in view.streams(self._stream(view))
        ]
