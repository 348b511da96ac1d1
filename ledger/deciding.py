"""Deciding a batch: command after command, in memory; and what each caller is told of it.

Pure but for what commands draw at random. A command that breaks a rule, or a rule that breaks, costs
one command. Nothing decided here exists before the pen has committed it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ledger import drafting, errors, fact
from ledger.batch import Batch
from ledger.command import Command, View, require_current_client
from ledger.drafting import Encoded
from ledger.state import NotLoaded
from ledger.store import Loaded, Refused
from signing import event, merkle, receipt

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Recorded:
    """One fact as it was recorded."""

    index: int
    event: event.Event
    data: bytes
    """The stored bytes."""
    fact: fact.Fact
    receipts: receipt.Receipts
    """Those of the batch: its tree proves each of its events without reads."""

    @property
    def receipt(self) -> str:
        """The event's receipt, written where it is asked for, off the appender's thread."""
        return self.receipts.write(self.index)


class Result(NamedTuple):
    """What became of a command."""

    indexes: tuple[int, ...]
    recorded: tuple[Recorded, ...]
    """Empty for a repeat: its events are read by index."""
    is_repeat: bool = False


Answered = tuple[bytes, bytes, int, int]
"""(idempotency key, body digest, first index, events)."""
Add = Callable[[int, Sequence[Encoded], Sequence[Answered]], None]
"""add(first index, events, keys): takes some more events of the batch, in their order."""


@dataclass(frozen=True, kw_only=True)
class Decided:
    """A batch decided in memory; nothing of it exists yet."""

    batch: Batch
    outcomes: list[list[Encoded] | Result | errors.LedgerError | int]
    """For each command: events, an earlier result, an error, or the number of the command it repeats."""
    events: list[Encoded]


def decide_all(
    batch: Batch, commands: Sequence[Command], answered: Loaded, *, add: Add, add_from: int
) -> Decided:
    """Decide command after command; each sees what those before it did.

    What was decided is handed to `add` whenever `add_from` events are there, so that the database inserts
    some events while the next are decided.
    """
    decided = Decided(batch=batch, outcomes=[], events=[])
    first_of: dict[bytes, tuple[int, bytes]] = {}
    keys: list[Answered] = []
    added, first_index = 0, batch.size
    outcome: list[Encoded] | Result | errors.LedgerError | int
    for number, asked in enumerate(commands):
        view = View(batch)
        try:
            outcome = _decide(asked, number, view, batch, first_of, answered)
        except errors.LedgerError as error:
            batch.drop()
            outcome = error
        except Exception as error:
            if isinstance(error, NotLoaded) and len(commands) > 1:
                # A command before this one led it to rows that nobody asked for: both come again, apart.
                raise Refused("not loaded") from error
            # A rule that breaks costs one command, never the batch.
            _log.error("a rule failed", extra={"error_type": type(error).__name__}, exc_info=True)
            batch.drop()
            outcome = errors.LedgerError()
        decided.outcomes.append(outcome)
        if not isinstance(outcome, list):
            continue
        batch.keep(view.made)
        if asked.repeat is not None:
            first_of[asked.repeat.key] = number, asked.repeat.body_digest
            keys.append((asked.repeat.key, asked.repeat.body_digest, batch.size, len(outcome)))
        batch.size += len(outcome)
        decided.events.extend(outcome)
        if len(decided.events) - added >= add_from:
            add(first_index + added, decided.events[added:], keys)
            added, keys = len(decided.events), []
    if added < len(decided.events):
        add(first_index + added, decided.events[added:], keys)
    return decided


def _decide(
    asked: Command,
    number: int,
    view: View,
    batch: Batch,
    first_of: dict[bytes, tuple[int, bytes]],
    answered: Loaded,
) -> list[Encoded] | Result | int:
    """What one command comes to; raises a LedgerError."""
    if number in batch.unfit:
        raise batch.unfit[number]
    # A client that was suspended is told nothing again either.
    require_current_client(asked.actor, view)
    repeat = asked.repeat
    if repeat is not None and repeat.key in first_of:
        original, body_digest = first_of[repeat.key]
        _require_same_body(repeat.body_digest, body_digest)
        return original
    if repeat is not None and repeat.key in answered.answered:
        earlier = answered.answered[repeat.key]
        _require_same_body(repeat.body_digest, earlier.body_digest)
        indexes = tuple(range(earlier.first_index, earlier.first_index + earlier.events))
        return Result(indexes=indexes, recorded=(), is_repeat=True)
    return drafting.record(asked, view)


def _require_same_body(one: bytes, other: bytes) -> None:
    if one != other:
        raise errors.IdempotencyKeyReused


def recorded(events: Sequence[Encoded], extension: merkle.Extension, checkpoint: str) -> list[Recorded]:
    first, receipts = extension.old_size, receipt.Receipts(extension, checkpoint)
    return [
        Recorded(index, item.event, item.data, item.fact, receipts)
        for index, item in enumerate(events, start=first)
    ]


def outcomes(decided: Decided, facts: list[Recorded]) -> list[Result | errors.LedgerError]:
    """What each command is told; repeats within the batch share the original's result."""
    told: list[Result | errors.LedgerError] = []
    offset = 0
    for outcome in decided.outcomes:
        if isinstance(outcome, int):
            told.append(told[outcome])
        elif isinstance(outcome, list):
            own = tuple(facts[offset : offset + len(outcome)])
            offset += len(outcome)
            told.append(Result(tuple([item.index for item in own]), own))
        else:
            told.append(outcome)
    return told
