"""Uses that a fact of earlier effect finds already made: between its effect and its recording.

A license that was annulled yesterday with effect from last month was used in between, lawfully by what the
ledger knew. Gives `uses_between`, counted from the events themselves; nothing that was answered is undone,
and its receipts verify as before.
"""

from __future__ import annotations

import heapq
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from ledger import correction, fact, reading, rooms, sql, use
from signing import event

LISTED_MAX = 100
SCANNED_MAX = 20_000
"""Uses of the holder, and of those whose license it was by mistake, that are looked at; beyond them the
count is of the first ones."""
_PAGE = 1_000


@dataclass(frozen=True, kw_only=True)
class Between:
    """The uses of one license in a span."""

    through: int
    """The last leaf index that was looked at."""
    count: int
    is_complete: bool
    uses: tuple[tuple[int, event.Event], ...]
    """The first of them: leaf index and event."""


def uses_between(
    reader: reading.Reader, about: event.Event, *, license_ref: bytes, index: int, partition: int = 0
) -> Between:
    """Uses of a license recorded from the effect of `about`, which stands at `index`, until its recording."""
    if about.effective_at >= about.recorded_at:
        return Between(through=index - 1, count=0, is_complete=True, uses=())
    listed: list[tuple[int, event.Event]] = []
    count, through = 0, index - 1
    used = _used(reader, about, license_ref=license_ref, before=index, partition=partition)
    for scanned, (found, data) in enumerate(used):
        if scanned == SCANNED_MAX:
            return Between(through=through, count=count, is_complete=False, uses=tuple(listed))
        one = event.parse(data)
        made = fact.from_event(one)
        assert isinstance(made, use.LicenseUsed), "the topic says so"
        through = found
        if made.license_ref == license_ref:
            count += 1
            if len(listed) < LISTED_MAX:
                listed.append((found, one))
    return Between(through=index - 1, count=count, is_complete=True, uses=tuple(listed))


def _used(
    reader: reading.Reader, about: event.Event, *, license_ref: bytes, before: int, partition: int
) -> Iterator[tuple[int, bytes]]:
    """(leaf index, stored bytes) of the granted uses in the license's home streams, in their order."""
    homes = _homes(reader, about, license_ref=license_ref, before=before, partition=partition)
    topics = tuple(rooms.grants())
    return heapq.merge(
        *(
            _of_topic(reader, about, topic, one, before, partition)
            for one in sorted(homes)
            for topic in topics
        )
    )


def _homes(
    reader: reading.Reader, about: event.Event, *, license_ref: bytes, before: int, partition: int
) -> set[bytes]:
    """The streams in which the license stood since the effect of `about`, which stands in the last."""
    corrected = correction.LicenseHolderCorrected
    homes: set[bytes] = set()
    found = [about.stream_id]
    while found:
        home = found.pop()
        if home in homes:
            continue
        homes.add(home)
        # The fact itself may be a correction.
        for _, data in _of_topic(reader, about, corrected.__name__, home, before + 1, partition):
            made = fact.from_event(event.parse(data))
            assert isinstance(made, corrected), "the topic says so"
            if made.license_ref == license_ref:
                found.append(made.former_stream)
    return homes


def _of_topic(
    reader: reading.Reader, about: event.Event, topic: str, stream_id: bytes, before: int, partition: int
) -> Iterator[tuple[int, bytes]]:
    """(leaf index, stored bytes) of a stream's events of a topic since the effect, in their order."""
    text, first = sql.load("reading")["topic_in_stream"], 0
    while True:
        params = (partition, uuid.UUID(bytes=stream_id), first, before, topic, about.effective_at, _PAGE)
        rows = reader.run(text, params)
        yield from rows
        if len(rows) < _PAGE:
            return
        first = rows[-1][0] + 2
