"""What waits for an appender, where from, and how much of it there is.

A `Waiting` command says to whom its outcome is told (`ReplyTo`): threads, tasks of an event loop, or another
process (`ledger/remote_connection.py`). `Appends` is what all of them ask; `Load` says how much
there is to do.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol

from ledger import errors
from ledger.command import Command
from ledger.deciding import Result

BATCH_MAX = 256
QUEUE_MAX = 4_000
WAIT_MAX_S = 2.0
"""Who would wait longer, by the time that batches took of late, is told to come back before it is read."""


def client_max(queue_max: int) -> int:
    """One client takes at most half of the queue: what others send still finds a place."""
    return -(-queue_max // 2)


Outcome = Result | errors.LedgerError


class Waiting(NamedTuple):
    """A command, and where those wait who want to know what becomes of it."""

    asked: Command
    known_as: Any
    """By what it is known where its outcome is told."""
    reply_to: ReplyTo


class Times(NamedTuple):
    """How long a batch took, in seconds; nothing where it failed."""

    append_s: float = 0.0
    """From the lock to the signed tree head."""
    commit_s: float = 0.0
    anchor_s: float = 0.0
    """0, as the commit, where the batch recorded nothing."""


class Appended(NamedTuple):
    """A batch that was answered, for those who count and time."""

    outcomes: Sequence[Outcome]
    times: Times


class ReplyTo(Protocol):
    """Where commands come from, and their outcomes go to."""

    def tell(self, told: Sequence[tuple[Waiting, Outcome]], times: Times) -> threading.Event | None:
        """Tell its part of a batch; what is set once those who wait have gone on, if that can be known."""


class Appends(Protocol):
    """Whoever takes commands: an appender, or one in another process."""

    def submit(self, asked: Command) -> Future[Result]:
        """The future of `asked`, for a thread to wait on; raises QueueFull, and then nothing was done."""

    def submit_soon(self, asked: Command) -> asyncio.Future[Result]:
        """As `submit`, for a task to await."""

    def require_place(self, client_id: bytes | None = None) -> None:
        """Nothing where a use, of the client if one is named, would find a place now; raises QueueFull."""

    def halt(self, error: errors.LedgerError | None) -> None:
        """Take no commands, which are refused with such an error, until it is None again."""

    @property
    def is_running(self) -> bool:
        """Whether commands are taken."""

    @property
    def waiting(self) -> int:
        """Commands that wait for their outcome, as far as this process knows."""


class Load(NamedTuple):
    """How much there is to do."""

    waiting: int = 0
    """Commands that no batch has taken yet."""
    others: int = 0
    """Of them, those that do not give way."""
    clients: int = 0
    """Of whom some wait, those that give way apart."""
    batch_s: float = 0.0
    """How long batches took of late."""

    def require_place(self, own: int | None, *, queue_max: int, client_max: int, batch_max: int) -> None:
        """Nothing where a use would find a place now, of a client of whom `own` wait; raises QueueFull."""
        if self.waiting >= queue_max:
            raise self.full(self.others, batch_max)
        if own is None:
            return
        # Clients are served in turn: whoever asks little does not wait for all that others ask.
        ahead = min(self.others, (own + 1) * self.clients - 1)
        if own >= client_max or self._takes_s(ahead, batch_max) > WAIT_MAX_S:
            raise self.full(ahead, batch_max)

    def _takes_s(self, count: int, batch_max: int) -> float:
        """How long so many commands take that are more than one batch; one batch is always taken."""
        return count // batch_max * self.batch_s

    def full(self, ahead: int, batch_max: int) -> errors.QueueFull:
        """What is told to whom so many are ahead of."""
        return errors.QueueFull(retry_after_s=max(1, math.ceil(self._takes_s(ahead, batch_max))))


def settle(future: Future[Result] | asyncio.Future[Result], outcome: Outcome) -> None:
    """Settle a future, but one whose caller hung up or was answered."""
    if future.done():
        return
    if isinstance(future, Future) and not future.set_running_or_notify_cancel():
        return
    if isinstance(outcome, errors.LedgerError):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


class Threads:
    """Threads, which wait for futures of their own."""

    def tell(self, told: Sequence[tuple[Waiting, Outcome]], times: Times) -> None:
        """Settle their futures."""
        for waiting, outcome in told:
            settle(waiting.known_as, outcome)


THREADS = Threads()


class Loop(NamedTuple):
    """Tasks of an event loop; one that has ended waits for nothing."""

    loop: asyncio.AbstractEventLoop

    def tell(self, told: Sequence[tuple[Waiting, Outcome]], times: Times) -> threading.Event | None:
        """Settle futures by one call; what it returns is set once those who wait for them have run."""
        returned = threading.Event()
        try:
            self.loop.call_soon_threadsafe(self._settle, told, returned)
        except RuntimeError:
            return None
        return returned

    def _settle(self, told: Sequence[tuple[Waiting, Outcome]], returned: threading.Event) -> None:
        THREADS.tell(told, Times())
        self.loop.call_soon(returned.set)
