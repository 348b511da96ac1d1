"""Commands of registering organs about the end of a holder, and its reversal: in every file of the holder."""

from __future__ import annotations

from dataclasses import dataclass

from ledger import ending
from ledger.command import View
from ledger.fact import Draft
from ledger.linking_commands import Registration


@dataclass(frozen=True, kw_only=True)
class EndHolder(Registration):
    """持证主体消亡."""

    kind: str

    def decide(self, view: View) -> list[Draft]:
        made = ending.HolderEnded(kind=self.kind, evidence_digest=self._digest(view))
        return [self._draft(made, stream_id) for stream_id in view.streams(self._stream(view))]


@dataclass(frozen=True, kw_only=True)
class ReverseEnd(Registration):
    """误报更正."""

    def decide(self, view: View) -> list[Draft]:
        made = ending.HolderEndReversed(evidence_digest=self._digest(view))
        return [self._draft(made, stream_id) for stream_id in view.streams(self._stream(view))]
