"""The second half of a check: every event asks its rule again, and the state is made from events alone.

`Replay` is the visitor of a walk: it names each event that the state at its position forbids, also
when the state was put right later, and applies it all the same, as the ledger did. `compare` then
holds every decision-state table against the replay, and `compare_keeping` what the ledger keeps beside
its log against the streams.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ledger import (
    check_source,
    check_stock,
    errors,
    fact,
    rooms,  # noqa: F401 - from here on every topic is known
)
from ledger.check_facts import Walk
from ledger.check_report import Findings
from ledger.check_source import Source, Unreadable
from ledger.scratch import ReplayState, Scratch, key_bytes
from ledger.state import ROWS, Key, NotLoaded, Row, StreamRow, row_values
from signing import event, ids, seal

_ODDITIES = (
    ("directory_strays", "a directory row leads to a stream that is not there or is erased"),
    ("data_key_strays", "a data key is of a stream that is not there or is erased"),
    ("keyless_streams", "a stream has no data key: nobody can open what is sealed there"),
    ("nameless_holders", "no code leads to a holder that is not erased"),
    ("misled_licenses", "a directory row leads to a license that is not there"),
    ("lost_numbers", "no number leads to a license"),
    ("misled_codes", "a directory row is of a link that is not there or is reversed"),
    ("lost_codes", "a linked code has no directory row"),
)
"""Statement, and what it means that it found a stream."""


class Replay:
    """The state of the ledger, made from its events."""

    def __init__(self, scratch: Scratch, findings: Findings, sources: check_stock.Sources) -> None:
        self._state = ReplayState(scratch)
        self._findings = findings
        self._sources = sources

    def visit(self, about: event.Event, index: int) -> None:
        """Ask the rules whether this event was allowed, then apply it."""
        try:
            made = fact.from_event(about)
        except errors.HistoryBroken as error:
            self._findings.event(index, f": {error}", kind="rule")
            return
        reason = self._forbidden(made, about)
        if reason is not None:
            text = f": {about.topic} is forbidden by the state at its position: {reason}"
            self._findings.event(index, text, kind="rule")
        try:
            made.evolve(about, self._state, index)
        except Exception as error:  # noqa: BLE001
            # What a stranger wrote into an event can break a rule in any way; it is named and passed over.
            text = f": {about.topic} cannot be applied: {type(error).__name__}"
            self._findings.event(index, text, kind="rule")
        self._check_parts(about, index)
        self._sources.visit(made)

    def _forbidden(self, made: fact.Fact, about: event.Event) -> str | None:
        try:
            fact.allow_actor(made, about, self._state)
            made.allow(about, self._state)
        except errors.LedgerError as error:
            return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        except NotLoaded as error:
            return f"no {error}"
        except Exception as error:  # noqa: BLE001
            return f"the rule fails: {type(error).__name__}"
        return None

    def _check_parts(self, about: event.Event, index: int) -> None:
        for name, part in about.sealed.items():
            try:
                owner, _ = seal.owner(part)
            except seal.PartInvalid as error:
                self._findings.event(index, f": sealed part {name}: {error}")
                continue
            if self._state.get(StreamRow, owner) is None:
                self._findings.event(index, f": sealed part {name}: its key is of an unknown stream")


def compare(source: Source, scratch: Scratch, walk: Walk, findings: Findings) -> None:
    """Name every row of decision state that is missing, too many, or not as the events make it.

    Each page of rows is read in one snapshot with the newest position, and the walk goes on to there
    first: a ledger can be checked while it appends.
    """
    for cls in ROWS:
        after: Key | None = None
        while True:
            with source.snapshot() as ends:
                page = source.rows(cls, after=after)
            walk.advance(ends)
            is_last = len(page) < check_source.ROWS_MAX
            through: Key | None = None if is_last else page[-1][0]
            expected = scratch.run(
                cls,
                after=None if after is None else key_bytes(after),
                through=None if through is None else key_bytes(through),
            )
            for text in _differences(cls, expected, page):
                findings.add("state", text)
            if is_last:
                break
            after = through


def compare_keeping(source: Source, findings: Findings) -> list[str]:
    """Hold directory, data keys and idempotency keys against streams and events.

    Returns the names of those that the login may not read.
    """
    unread = []
    for name, text in _ODDITIES:
        try:
            for (stream_id,) in source.oddities(name):
                findings.add("directory", f"{text}: stream {_named(stream_id)}")
        except Unreadable:
            unread.append(name)
    try:
        for first, count in source.oddities("repeats_beyond"):
            findings.add("directory", f"an idempotency key leads to {count} events from index {first}")
    except Unreadable:
        unread.append("repeats_beyond")
    try:
        for (size,) in source.oddities("misattested"):
            findings.add(
                "checkpoint", f"outsiders attested another tree of size {size} than this history has"
            )
    except Unreadable:
        unread.append("misattested")
    return unread


def _differences(
    cls: type[Row], expected: Iterator[tuple[bytes, Row]], found: Iterable[tuple[Any, ...]]
) -> Iterator[str]:
    """Both runs are in key order."""
    rows = iter(found)
    own, row = next(expected, None), next(rows, None)
    while own is not None or row is not None:
        found_key = None if row is None else key_bytes(row[0])
        if own is not None and (found_key is None or own[0] < found_key):
            yield f"{cls.table} {_named(own[1].key)}: the row is missing"
            own = next(expected, None)
        elif row is not None and (own is None or found_key is None or found_key < own[0]):
            yield f"{cls.table} {_named(row[0])}: the row comes from no event"
            row = next(rows, None)
        elif own is not None and row is not None:
            for column in _differing(own[1], row):
                yield f"{cls.table} {_named(row[0])}: column {column} differs from the events"
            own, row = next(expected, None), next(rows, None)


def _differing(own: Row, found: tuple[Any, ...]) -> Iterator[str]:
    for column, value, stored in zip(own.columns(), row_values(own), found, strict=True):
        plain = list(value) if isinstance(value, tuple) else value
        if plain != stored:
            yield column


def _named(key: Key) -> str:
    if isinstance(key, bytes):
        return ids.text(key) if len(key) == ids.ID_BYTES else key.hex()
    return str(key)
