"""An appender in a process of its own, as whoever asks it knows it.

Python lets one thread of a process run at a time: an appender beside an event loop waits for it, under the
ledger's lock, and so does everybody else. A `RemoteAppender` is asked like an appender, and hands commands
on through a Unix socket. The appender's process (`ledger/remote_connection.py`) takes them, so that one batch
has what all processes want. Both ends run the same code under one account, to which alone the socket is open.

An appender's process that dies takes no fact along, but the answers on their way: what is known by an
idempotency key is asked once more, of the process that replaces it; what is not has an unknown outcome.
A connection is of use once the other end has greeted: the socket takes callers while nobody appends, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from ledger import errors, queueing
from ledger.appender import RETRY_FOR_S
from ledger.command import Command
from ledger.deciding import Result
from ledger.queueing import BATCH_MAX, QUEUE_MAX, Appended, Load, Outcome
from ledger.remote_connection import CODE_DIGEST, FOREIGN, Channel, Told

CONNECT_EVERY_S = 0.05
SILENT_S = 10.0
"""An appender's process that owes outcomes and says nothing for so long does not append."""
STOP_WITHIN_S = 30.0
"""What was not answered by then, when a service ends, has an unknown outcome."""
TIMES_SENT_MAX = 2
"""So often is a command sent that finds its process dead: one that kills it does so no more often."""
THREADS_WAIT_S = 60.0
"""So long a thread waits for an outcome; who awaits one says how long."""
_BEFORE_REPEATS = (errors.TooManyRequests, errors.Unavailable, errors.ClientSuspended, errors.Unauthenticated)
"""What a command can be refused with before it is looked whether it is a repeat."""
_UNREACHED = "the appender's process cannot be reached"
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Asked:
    asked: Command
    future: Future[Result] | asyncio.Future[Result]
    times_sent: int = 0
    deadline: asyncio.TimerHandle | None = None
    """Of a thread, which has none of its own."""


class RemoteAppender:
    """Asked as an appender is, by threads and by the event loop that it belongs to."""

    def __init__(
        self,
        path: Path,
        *,
        loop: asyncio.AbstractEventLoop,
        queue_max: int = QUEUE_MAX,
        observed: Callable[[Appended], None] = lambda batch: None,
        renew: Callable[[int], object] = lambda version: None,
    ) -> None:
        """`observed` hears of this process's part of every batch, `renew` of newer key rings."""
        self._path, self._loop, self._observed, self._renew = path, loop, observed, renew
        self._queue_max, self._client_max = queue_max, queueing.client_max(queue_max)
        self._channel: Channel | None = None
        """A connection, which is of use once the other end has greeted."""
        self._is_lost = asyncio.Event()
        """Set while it has not."""
        self._is_lost.set()
        self._lost_at = time.monotonic()
        """When that began last."""
        self._is_foreign = False
        """Whether the other end runs other code, which is said once."""
        self._asked: dict[int, _Asked] = {}
        """By number, what has no outcome yet."""
        self._last_number = 0
        self._fresh: list[int] = []
        """Of these, what is still to be sent."""
        self._is_sending = False
        self._of_client: Counter[bytes | None] = Counter()
        self._giving_way = 0
        self._load = Load()
        """As the appender's process said last, while something was asked."""
        self._heard_at = time.monotonic()
        """When it said something last, or was asked something anew."""
        self._ring_version = 0
        self._is_renewing = self._is_ring_late = False
        self._halted: errors.LedgerError | None = None
        self._is_stopping = self._has_ended = False
        self._settled = threading.Condition()

    def start(self) -> RemoteAppender:
        """Begin to connect; for a thread beside the event loop, or for the loop itself."""
        self._loop.call_soon_threadsafe(self._begin)
        return self

    def _begin(self) -> None:
        self._connecting = self._loop.create_task(self._keep_connected())

    def stop(self) -> None:
        """Wait for what was asked, then end; for a thread beside the event loop."""
        self._is_stopping = True
        with self._settled:
            self._settled.wait_for(lambda: not self._asked, STOP_WITHIN_S)
        ended = threading.Event()
        self._loop.call_soon_threadsafe(self._end)
        self._loop.call_soon_threadsafe(ended.set)
        ended.wait()

    def _end(self) -> None:
        self._has_ended = True
        self._connecting.cancel()
        self._fail()
        if self._channel is not None:
            self._channel.close()

    def halt(self, error: errors.LedgerError | None) -> None:
        """Take no commands, which are refused with such an error, until it is None again."""
        self._halted = error

    @property
    def is_running(self) -> bool:
        """Whether commands are taken, and somebody appends."""
        is_silent = bool(self._asked) and time.monotonic() > self._heard_at + SILENT_S
        return self._is_greeted and not is_silent and not self._is_stopping and self._halted is None

    @property
    def waiting(self) -> int:
        """Commands of this process without an outcome."""
        return len(self._asked)

    def require_place(self, client_id: bytes | None = None) -> None:
        """Nothing where a use, of the client if one is named, would find a place now; raises QueueFull."""
        of_client = None if client_id is None else self._of_client[client_id]
        self._known_load.require_place(
            of_client, queue_max=self._queue_max, client_max=self._client_max, batch_max=BATCH_MAX
        )

    @property
    def _known_load(self) -> Load:
        """What is known of all that waits, by what was said last and by what waits here."""
        said, own = self._load, len(self._asked)
        return Load(
            max(said.waiting, own),
            max(said.others, own - self._giving_way),
            max(said.clients, 1),
            said.batch_s,
        )

    def submit(self, asked: Command) -> Future[Result]:
        """The future of `asked`, for a thread to wait on; raises QueueFull, and then nothing was done."""
        self._require_open(asked)
        future: Future[Result] = Future()
        self._loop.call_soon_threadsafe(self._take, asked, future)
        return future

    def submit_soon(self, asked: Command) -> asyncio.Future[Result]:
        """As `submit`, for a task of the event loop to await."""
        self._require_open(asked)
        future: asyncio.Future[Result] = self._loop.create_future()
        self._take(asked, future)
        return future

    def _require_open(self, asked: Command) -> None:
        halted = self._halted
        if self._is_stopping:
            raise errors.Unavailable("the service is stopping")
        if halted is not None:
            raise type(halted)
        if self._is_lost_for_long:
            raise errors.Unavailable(_UNREACHED)
        own = 0 if asked.gives_way else self._of_client[asked.actor.client_id]
        if max(self._load.waiting, len(self._asked)) >= self._queue_max or own >= self._client_max:
            raise self._known_load.full(self._known_load.others, BATCH_MAX)

    @property
    def _is_lost_for_long(self) -> bool:
        return not self._is_greeted and time.monotonic() > self._lost_at + RETRY_FOR_S

    @property
    def _is_greeted(self) -> bool:
        return not self._is_lost.is_set()

    # --- on the event loop ---

    def _take(self, asked: Command, future: Future[Result] | asyncio.Future[Result]) -> None:
        if self._has_ended:
            queueing.settle(future, errors.Unavailable("the service is stopping"))
            return
        if not self._asked:
            self._heard_at = time.monotonic()
        self._last_number += 1
        self._asked[self._last_number] = _Asked(asked, future, deadline=self._deadline(future))
        self._count(asked, 1)
        self._fresh.append(self._last_number)
        self._send_soon()

    def _deadline(self, future: Future[Result] | asyncio.Future[Result]) -> asyncio.TimerHandle | None:
        if not isinstance(future, Future):
            return None
        return self._loop.call_later(THREADS_WAIT_S, queueing.settle, future, errors.OutcomeUnknown())

    def _count(self, asked: Command, change: int) -> None:
        if asked.gives_way:
            self._giving_way += change
            return
        whose = asked.actor.client_id
        self._of_client[whose] += change
        if not self._of_client[whose]:
            del self._of_client[whose]

    def _send_soon(self) -> None:
        """What one turn of the loop asks goes out together."""
        if self._is_greeted and not self._is_sending:
            self._is_sending = True
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        self._is_sending = False
        if self._is_greeted and self._fresh:
            numbers, self._fresh = self._fresh, []
            self._say(numbers)

    def _say(self, numbers: Sequence[int]) -> None:
        """Send commands; one that cannot be sent costs no other."""
        assert self._channel is not None, "somebody has greeted"
        try:
            self._channel.say([(number, self._asked[number].asked) for number in numbers])
        except Exception as error:  # noqa: BLE001
            if len(numbers) == 1:
                _log.error(
                    "a command cannot be sent", extra={"error_type": type(error).__name__}, exc_info=True
                )
                self._settle(numbers[0], errors.LedgerError())
                return
            for number in numbers:
                self._say([number])
            return
        for number in numbers:
            self._asked[number].times_sent += 1

    def _hear(self, told: Told) -> None:
        self._heard_at = time.monotonic()
        self._load = told.load
        self._look_at_ring(told.ring_version)
        for number, outcome in told.outcomes:
            self._settle(number, outcome)
        if told.times.append_s:
            self._observed(Appended([outcome for _, outcome in told.outcomes], told.times))

    def _settle(self, number: int, outcome: Outcome) -> None:
        one = self._asked.pop(number, None)
        if one is None:
            return
        self._count(one.asked, -1)
        if one.times_sent > 1 and isinstance(outcome, _BEFORE_REPEATS):
            # It was refused this time; a process that died may have done it.
            outcome = errors.OutcomeUnknown()
        if one.deadline is not None:
            one.deadline.cancel()
        queueing.settle(one.future, outcome)
        if not self._asked:
            # Nobody tells us any more that there is less to do.
            self._load = Load()
            if self._is_stopping:
                with self._settled:
                    self._settled.notify_all()

    def _look_at_ring(self, version: int) -> None:
        if version > self._ring_version and not self._is_renewing:
            self._is_renewing = True
            self._loop.run_in_executor(None, self._renewed, version)

    def _renewed(self, version: int) -> None:
        try:
            self._renew(version)
        except Exception as error:  # noqa: BLE001
            # Whoever needs the ring is told so, and the next batch brings us here again.
            if not self._is_ring_late:
                _log.warning("the key ring is not renewed", extra={"error_type": type(error).__name__})
            self._is_ring_late = True
        else:
            self._ring_version, self._is_ring_late = version, False
        finally:
            self._is_renewing = False

    # --- the connection ---

    async def _keep_connected(self) -> None:
        """Connect whenever nobody is there, however often; who waits for too long is told to come back."""
        while True:
            await self._is_lost.wait()
            if self._channel is None:
                with contextlib.suppress(OSError):
                    await self._loop.create_unix_connection(self._another, str(self._path))
            if self._is_lost_for_long:
                self._fail()
            await asyncio.sleep(CONNECT_EVERY_S)

    def _another(self) -> Channel:
        channel = Channel(
            heard=self._hear, made=lambda: self._made(channel), lost=self._lost, greeted=self._greeted
        )
        return channel

    def _made(self, channel: Channel) -> None:
        self._channel = channel

    def _greeted(self, code: str) -> None:
        if code != CODE_DIGEST:
            # What one says the other would read as something else.
            if not self._is_foreign:
                _log.error(FOREIGN)
            self._is_foreign = True
            if self._channel is not None:
                self._channel.close()
            return
        self._is_foreign = False
        self._is_lost.clear()
        self._send_soon()

    def _lost(self) -> None:
        self._channel = None
        if not self._is_greeted or self._has_ended:
            return
        _log.warning("the appender's process is lost")
        self._is_lost.set()
        self._lost_at, self._load = time.monotonic(), Load()
        again = []
        for number, one in list(self._asked.items()):
            if not one.times_sent:
                continue
            if one.asked.repeat is None or one.times_sent >= TIMES_SENT_MAX:
                self._settle(number, errors.OutcomeUnknown())
            else:
                again.append(number)
        self._fresh = again + self._fresh

    def _fail(self) -> None:
        """Give up what waits; of what was never sent it is known that it was not done."""
        self._fresh = []
        for number, one in list(self._asked.items()):
            never = errors.Unavailable(_UNREACHED)
            self._settle(number, errors.OutcomeUnknown() if one.times_sent else never)
