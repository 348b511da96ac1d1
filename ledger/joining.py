"""Files of one holder: two streams that turn out to be one holder's are joined, and parted when they are not.

Nothing moves: every license, consent and event stays in its stream under its key. Decision state says which
streams belong together, so that a use by any code finds the licenses of all, and parting restores each file
exactly as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ledger import errors, holder
from ledger.fact import Touched
from ledger.state import State, StreamRow
from signing import event, ids

STREAMS_MAX = 16
"""Streams of one holder."""


def streams(row: StreamRow) -> tuple[bytes, ...]:
    """Every stream of the holder, the row's own first."""
    return (row.stream_id, *(ids.parse(text) for text in row.same_holder))


@dataclass(frozen=True, kw_only=True)
class HolderFilesJoined(holder.Registered):
    """合并档案: this stream and another are one holder's."""

    other_stream: bytes
    all_streams: tuple[bytes, ...]
    """Every stream that is the holder's from here on, sorted."""

    def touches(self, about: event.Event) -> Touched:
        yield from super().touches(about)
        for stream_id in (self.other_stream, *self.all_streams):
            yield StreamRow, stream_id

    def allow(self, about: event.Event, state: State) -> None:
        super().allow(about, state)
        own, other = state.need(StreamRow, about.stream_id), state.get(StreamRow, self.other_stream)
        if other is None or other.kind != "holder":
            raise errors.NotFound("no such holder")
        if other.stream_id in streams(own):
            raise errors.AlreadyExists("the files are joined", field="linked")
        if list(self.all_streams) != sorted({*streams(own), *streams(other)}):
            raise errors.Conflict("not the streams of these holders")
        if len(self.all_streams) > STREAMS_MAX:
            raise errors.Conflict(f"a holder has at most {STREAMS_MAX} files")
        for stream_id in self.all_streams:
            row = state.need(StreamRow, stream_id)
            holder.refuse_contested(row)
            if row.is_erased:
                raise errors.HolderErasedConflict
            if (row.ended_at is None) != (own.ended_at is None):
                raise errors.HolderEndedConflict("one of the two holders has ended and the other has not")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        _add_link(about.stream_id, self.other_stream, state)
        _add_link(self.other_stream, about.stream_id, state)
        _set_together(self.all_streams, state)


@dataclass(frozen=True, kw_only=True)
class HolderFilesParted(holder.Registered):
    """拆分档案: a joining is reversed; the streams on either side of it are different holders' again."""

    other_stream: bytes
    own_streams: tuple[bytes, ...]
    """Those that stay with this stream, which is one of them, sorted."""
    other_streams: tuple[bytes, ...]
    """Those that go with the other."""

    def touches(self, about: event.Event) -> Touched:
        yield from super().touches(about)
        for stream_id in (self.other_stream, *self.own_streams, *self.other_streams):
            yield StreamRow, stream_id

    def allow(self, about: event.Event, state: State) -> None:
        super().allow(about, state)
        own = state.need(StreamRow, about.stream_id)
        if ids.text(self.other_stream) not in own.links:
            raise errors.NotFound("these files were not joined with each other")
        if {*self.own_streams, *self.other_streams} != set(streams(own)):
            raise errors.Conflict("not the streams of this holder")
        sides = (about.stream_id, self.other_stream), (self.other_stream, about.stream_id)
        said = (self.own_streams, self.other_streams)
        if said != tuple(side(near, state, without=far) for near, far in sides):
            raise errors.Conflict("not the two sides of this joining")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        _drop_link(about.stream_id, self.other_stream, state)
        _drop_link(self.other_stream, about.stream_id, state)
        _set_together(self.own_streams, state)
        _set_together(self.other_streams, state)


def side(stream_id: bytes, state: State, *, without: bytes) -> tuple[bytes, ...]:
    """The streams that hang together with one when its joining with another is reversed, sorted."""
    found, open_ = {stream_id}, [stream_id]
    while open_:
        at = open_.pop()
        for text in state.need(StreamRow, at).links:
            other = ids.parse(text)
            if {at, other} != {stream_id, without} and other not in found:
                found.add(other)
                open_.append(other)
    return tuple(sorted(found))


def _add_link(stream_id: bytes, other: bytes, state: State) -> None:
    row = state.need(StreamRow, stream_id)
    state.put(replace(row, links=tuple(sorted({*row.links, ids.text(other)}))))


def _drop_link(stream_id: bytes, other: bytes, state: State) -> None:
    row = state.need(StreamRow, stream_id)
    state.put(replace(row, links=tuple(text for text in row.links if text != ids.text(other))))


def _set_together(all_streams: tuple[bytes, ...], state: State) -> None:
    for stream_id in all_streams:
        others = sorted(ids.text(one) for one in all_streams if one != stream_id)
        state.put(replace(state.need(StreamRow, stream_id), same_holder=tuple(others)))
