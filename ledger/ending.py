"""The end of a holder: death, dissolution, merger; and its reversal, when it was reported wrongly 误报.

From its recording on nothing of the holder is used, but for licenses of types that the catalog keeps
(`holder_end` is `keep`: 不动产权证书, 结婚证), and these under a statutory authorization only. Consents are
not withdrawn: they grant nothing while the holder has ended, and all of it comes back with the reversal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ledger import errors, holder
from ledger.state import State, StreamRow
from signing import event

KINDS = ("death", "declared-death", "deregistration", "merger")
"""死亡, 宣告死亡, 注销登记, 撤并. The revocation 吊销 of a business license ends nobody."""


@dataclass(frozen=True, kw_only=True)
class HolderEnded(holder.Registered):
    """持证主体消亡: from `effective_at` on, as the registering organ says."""

    kind: str

    def allow(self, about: event.Event, state: State) -> None:
        super().allow(about, state)
        if self.kind not in KINDS:
            raise errors.Invalid(f"a kind is one of {', '.join(KINDS)}", field="kind")
        row = state.need(StreamRow, about.stream_id)
        holder.refuse_contested(row)
        holder.refuse_ended(row)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        state.put(replace(state.need(StreamRow, about.stream_id), ended_at=about.effective_at))


@dataclass(frozen=True, kw_only=True)
class HolderEndReversed(holder.Registered):
    """误报更正: the holder has not ended."""

    def allow(self, about: event.Event, state: State) -> None:
        super().allow(about, state)
        if state.need(StreamRow, about.stream_id).ended_at is None:
            raise errors.Conflict("the holder has not ended")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        state.put(replace(state.need(StreamRow, about.stream_id), ended_at=None))
