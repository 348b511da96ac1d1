"""The appender: the one path on which a command becomes facts, many commands to a commit.

One thread takes what waited while the last batch committed, client by client in turn, and drives it
through `Pen` (`ledger/pen.py`): lock, load, decide, encode, write, COMMIT, anchor, sign, answer. A
batch the database refuses is retried in halves; a lost session is replaced; a caller that hangs up
does not cancel its command. Without timers: an idle appender waits for the first command.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from ledger import errors, queueing
from ledger.command import Command
from ledger.pen import Pen, Result
from ledger.queueing import BATCH_MAX, QUEUE_MAX, Appended, Load, Outcome, ReplyTo, Times, Waiting
from ledger.store import Lost, Refused

OTHERS_TO_ONE = 12
"""While others wait, one in so many gives way: it costs about four of them, so that it has a quarter."""
GIVING_WAY_FEW, OTHERS_RECENT_S, OTHERS_COME_S = 4, 1.0, 0.02
"""So many go at once, so long after others waited; before they go alone, others have a moment to come."""
GIVE_WAY_S = 0.005
"""How long, at most, a batch waits for those who were just answered to ask again."""
RETRY_FOR_S = 20.0
"""How long a batch that surely did not land is tried again before its callers are told to come back."""

_BATCHES_OF_LATE = 4
_COLLECTOR = (20_000, 20, 50)
_log = logging.getLogger(__name__)


class Appender:
    """Queues, and the thread that empties them."""

    def __init__(
        self,
        pen: Pen,
        *,
        batch_max: int = BATCH_MAX,
        queue_max: int = QUEUE_MAX,
        observed: Callable[[Appended], None] = lambda batch: None,
    ) -> None:
        self._pen = pen
        self._observed = observed
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._client_max = queueing.client_max(queue_max)
        self._queues: OrderedDict[tuple[bytes | None, bool], deque[Waiting]] = OrderedDict()
        """By client, and whether they give way."""
        self._waiting = 0
        self._giving_way = 0
        """Of those that wait."""
        self._others_at = float("-inf")
        """When others last waited."""
        self._wake = threading.Condition()
        self._batch_s = 0.0
        """How long batches took of late, a moving mean."""
        self._is_stopping = False
        self._halted: errors.LedgerError | None = None
        self._lost_at: float | None = None
        """Since when no batch could reach the database."""
        self._returning: list[threading.Event] = []
        """Set by the event loops that were given answers, once all who waited there have gone on."""
        self._thread = threading.Thread(target=self._run, name="appender", daemon=True)

    def start(self) -> Appender:
        """Begin to append."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Append what is queued, then end."""
        with self._wake:
            self._is_stopping = True
            self._wake.notify()
        self._thread.join()
        self._pen.close()

    def halt(self, error: errors.LedgerError | None) -> None:
        """Take no commands, which are refused with such an error, until it is None again."""
        self._halted = error

    @property
    def is_running(self) -> bool:
        """Whether commands are taken."""
        return self._thread.is_alive() and not self._is_stopping and self._halted is None

    @property
    def waiting(self) -> int:
        """Commands that no batch has taken yet."""
        return self._waiting

    @property
    def load(self) -> Load:
        """How much there is to do now; takes no lock."""
        others = self._waiting - self._giving_way
        return Load(self._waiting, others, len(self._queues), self._batch_s)

    def require_place(self, client_id: bytes | None = None) -> None:
        """Nothing where a use, of the client if one is named, would find a place now; raises QueueFull.

        For whoever has not read yet what is asked. Takes no lock: the place itself is taken by `submit`.
        """
        own = None if client_id is None else len(self._queues.get((client_id, False), ()))
        self.load.require_place(
            own, queue_max=self._queue_max, client_max=self._client_max, batch_max=self._batch_max
        )

    def submit(self, asked: Command) -> Future[Result]:
        """The future of `asked`, for a thread to wait on; raises QueueFull, and then nothing was done."""
        future: Future[Result] = Future()
        self._submit(Waiting(asked, future, queueing.THREADS))
        return future

    def submit_soon(self, asked: Command) -> asyncio.Future[Result]:
        """As `submit`, for a task to await: a loop is woken once for all its answers of a batch."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._submit(Waiting(asked, future, queueing.Loop(loop)))
        return future

    def _submit(self, waiting: Waiting) -> None:
        for _, error in self.take((waiting,)):
            raise error

    def take(self, many: Sequence[Waiting]) -> list[tuple[Waiting, errors.LedgerError]]:
        """Queue commands together; returns those that found no place, and were not done, with the reason."""
        with self._wake:
            refused = [(one, error) for one in many if (error := self._enqueued(one)) is not None]
            self._wake.notify()
        return refused

    def _enqueued(self, waiting: Waiting) -> errors.LedgerError | None:
        """Why a command finds no place; None where it has one now."""
        if self._is_stopping:
            return errors.Unavailable("the service is stopping")
        if self._halted is not None:
            return type(self._halted)()
        whose = waiting.asked.actor.client_id, waiting.asked.gives_way
        own = self._queues.get(whose, ())
        if self._waiting >= self._queue_max or len(own) >= self._client_max:
            return self.load.full(self._waiting - self._giving_way, self._batch_max)
        self._queues.setdefault(whose, deque()).append(waiting)
        self._waiting += 1
        self._giving_way += waiting.asked.gives_way
        return None

    def _run(self) -> None:
        while batch := self._take():
            begun = time.monotonic()
            try:
                self._append(batch)
            except Exception as error:  # noqa: BLE001
                # Whatever failed, nobody is told a success; the pen starts from a fresh session.
                _log.error("append failed", extra={"error_type": type(error).__name__}, exc_info=True)
                self._pen.drop_session()
                _fail(batch, errors.OutcomeUnknown())
            self._batch_s += (time.monotonic() - begun - self._batch_s) / _BATCHES_OF_LATE

    def _take(self) -> list[Waiting]:
        """What waits, one command a client in turn, at most a batch; empty when stopping.

        Those of this process who were answered go on first: whoever has more to ask joins the next batch,
        rather than miss it by a moment. Else callers fall into two halves that each fill half a batch.
        """
        for returned in self._returning:
            returned.wait(GIVE_WAY_S)
        self._returning = []
        with self._wake:
            while not self._waiting and not self._is_stopping:
                self._wake.wait()
            self._let_others_come()
        if self._waiting:
            self._pen.await_turn()
        with self._wake:
            return self._batch()

    def _let_others_come(self) -> None:
        """Wait a moment when all that wait give way, and others, just answered, may be about to ask again.

        Their next batch takes some of these along; a batch of these alone would be in their way.
        """
        until = min(time.monotonic() + OTHERS_COME_S, self._others_at + OTHERS_RECENT_S)
        while self._waiting == self._giving_way and not self._is_stopping:
            left = until - time.monotonic()
            if left <= 0:
                return
            self._wake.wait(left)

    def _batch(self) -> list[Waiting]:
        """The next batch; those that give way have few places in it while others wait, or did just now."""
        batch: list[Waiting] = []
        others, now = self._waiting - self._giving_way, time.monotonic()
        if others:
            self._others_at = now
            # Only those that this batch has room for count: it has their part of it, however many wait.
            fitting = min(others, self._batch_max - self._batch_max // (OTHERS_TO_ONE + 1))
            places = max(1, fitting // OTHERS_TO_ONE)
        else:
            # Who was just answered may be about to ask again.
            places = GIVING_WAY_FEW if now < self._others_at + OTHERS_RECENT_S else self._batch_max
        aside: list[tuple[tuple[bytes | None, bool], deque[Waiting]]] = []
        while self._queues and len(batch) < self._batch_max:
            whose, queue = self._queues.popitem(last=False)
            if whose[1] and not places:
                aside.append((whose, queue))
                continue
            batch.append(queue.popleft())
            places -= whose[1]
            self._giving_way -= whose[1]
            if queue:
                self._queues[whose] = queue
        for whose, queue in aside:
            self._queues[whose] = queue
            self._queues.move_to_end(whose, last=False)
        self._waiting -= len(batch)
        return batch

    def _append(self, batch: Sequence[Waiting]) -> None:
        """Append a batch, in halves when the database refuses it."""
        begun = time.perf_counter()
        try:
            outcomes = self._persistently(batch)
        except Refused as refusal:
            if len(batch) > 1:
                middle = len(batch) // 2
                self._append(batch[:middle])
                self._append(batch[middle:])
                return
            _log.error("a command was refused by the database", extra={"error_type": str(refusal)})
            _fail(batch, errors.Conflict("the database refuses this command"))
            return
        except errors.LedgerError as error:
            _fail(batch, error)
            return
        times = Times(time.perf_counter() - begun, self._pen.commit_s, self._pen.anchor_s)
        self._returning = _answer(list(zip(batch, outcomes, strict=True)), times)
        # They have their answers: counting holds up nobody but the next batch.
        self._observed(Appended(outcomes, times))

    def _persistently(self, batch: Sequence[Waiting]) -> list[Outcome]:
        """One outcome a command; a session lost before COMMIT, or without effect, is tried again.

        Once the database has been gone for too long, what still waits is tried once and told to come back.
        """
        while True:
            try:
                outcomes = self._pen.append([waiting.asked for waiting in batch])
            except Lost as lost:
                self._pen.drop_session()
                self._lost_at = self._lost_at or time.monotonic()
                if time.monotonic() > self._lost_at + RETRY_FOR_S or self._is_stopping:
                    raise errors.Unavailable("the database cannot be reached") from lost
                time.sleep(0.1)
            except Exception:
                self._lost_at = None
                raise
            else:
                self._lost_at = None
                return outcomes


def spare_collector() -> None:
    """Have Python look for reference cycles seldom, and not among what is there for good.

    For a process that serves: the append path makes no cycles, and looking costs it a tenth of its time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTOR)


def _fail(batch: Sequence[Waiting], error: errors.LedgerError) -> None:
    _answer([(waiting, error) for waiting in batch], Times())


def _answer(told: Sequence[tuple[Waiting, Outcome]], times: Times) -> list[threading.Event]:
    """Tell everybody its part by one call; returns what is set once those who waited there have gone on."""
    told_to: dict[ReplyTo, list[tuple[Waiting, Outcome]]] = {}
    for one in told:
        told_to.setdefault(one[0].reply_to, []).append(one)
    returning = (reply_to.tell(own, times) for reply_to, own in told_to.items())
    return [event for event in returning if event is not None]
