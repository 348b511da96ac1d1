"""Codes of one holder 持证主体代码: linked, unlinked, contested 重号 and settled again.

A link lets one more code lead to a stream: an interim code and the credit code that follows it, a passport
and the card that renews it. Its code is sealed, its lookup stands in the directory, and reversing the link
takes the lookup away. A contested code is two persons': until each license has its right holder
(`LicenseHolderCorrected`) and the contest is settled, nothing of the stream is used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ledger import errors, holder
from ledger.fact import Touched
from ledger.state import LinkRow, State, StreamRow
from signing import event


@dataclass(frozen=True, kw_only=True)
class HolderCodeLinked(holder.Registered):
    """关联: one more code leads to this stream, on proof that both are the same holder's."""

    link_ref: bytes

    def touches(self, about: event.Event) -> Touched:
        yield from super().touches(about)
        yield LinkRow, self.link_ref

    def allow(self, about: event.Event, state: State) -> None:
        super().allow(about, state)
        if state.get(LinkRow, self.link_ref) is not None:
            raise errors.AlreadyExists("the link is recorded")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        state.put(LinkRow(link_ref=self.link_ref, stream_id=about.stream_id, is_reversed=False))


@dataclass(frozen=True, kw_only=True)
class HolderCodeUnlinked(holder.Registered):
    """撤销关联: a linked code was not this holder's; it leads nowhere from here on."""

    link_ref: bytes

    def touches(self, about: event.Event) -> Touched:
        yield from super().touches(about)
        yield LinkRow, self.link_ref

    def allow(self, about: event.Event, state: State) -> None:
        super().allow(about, state)
        row = state.get(LinkRow, self.link_ref)
        if row is None or row.stream_id != about.stream_id:
            raise errors.NotFound("no such link")
        if row.is_reversed:
            raise errors.Conflict("the link is reversed already")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        state.put(replace(state.need(LinkRow, self.link_ref), is_reversed=True))


@dataclass(frozen=True, kw_only=True)
class HolderCodeContested(holder.Registered):
    """重号: two persons have a code that leads to this stream."""

    def allow(self, about: event.Event, state: State) -> None:
        super().allow(about, state)
        row = state.need(StreamRow, about.stream_id)
        holder.refuse_contested(row)
        if row.same_holder:
            raise errors.Conflict("the file is joined with others: part them first")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        state.put(replace(state.need(StreamRow, about.stream_id), is_contested=True))


@dataclass(frozen=True, kw_only=True)
class HolderCodeSettled(holder.Registered):
    """重号处理完毕: the licenses that stand in this stream are one person's again."""

    def allow(self, about: event.Event, state: State) -> None:
        super().allow(about, state)
        if not state.need(StreamRow, about.stream_id).is_contested:
            raise errors.Conflict("no code of this holder is contested")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        state.put(replace(state.need(StreamRow, about.stream_id), is_contested=False))
