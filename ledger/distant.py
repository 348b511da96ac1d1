"""An appender in a process of its own, and what stands between it and whoever asks.

Python lets one thread of a process run at a time: an appender beside an event loop waits for it, under the
ledger's lock, and so does everybody else. A `DistantAppender` is asked like an appender, and hands commands
on through a Unix socket. In the appender's process a `Desk` a connection takes them, so that one batch has
what all processes want. Both ends run the same code under one account, to which alone the socket is open.

An appender's process that dies takes no fact along, but the answers on their way: what is known by an
idempotency key is asked once more, of the process that replaces it; what is not has an unknown outcome.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple, cast

from ledger import errors, queueing
from ledger.appender import RETRY_FOR_S, Appender
from ledger.command import Command
from ledger.deciding import Result
from ledger.queueing import BATCH_MAX, CLIENTS_PART, QUEUE_MAX, Appended, Load, Outcome, Times, Waiting

CONNECT_EVERY_S = 0.05
STOP_WITHIN_S = 30.0
"""What was not answered by then, when a service ends, has an unknown outcome."""
TIMES_SENT_MAX = 2
"""So often is a command sent that finds its process dead: one that kills it does so no more often."""
_LENGTH = struct.Struct(">I")
_log = logging.getLogger(__name__)


class Told(NamedTuple):
    """What the appender's process says of a batch, or of commands that found no place."""

    outcomes: Sequence[tuple[int, Outcome]]
    """By number of the command, which is the asking process's own."""
    times: Times
    load: Load
    ring_version: int
    """Of the key ring that the batch worked with."""


class Line(asyncio.Protocol):
    """One end of a connection on which objects follow their length."""

    def __init__(
        self,
        *,
        heard: Callable[[Any], None],
        made: Callable[[], None] = lambda: None,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._heard, self._made, self._lost = heard, made, lost
        self._transport: asyncio.Transport | None = None
        self._pending = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)
        self._made()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._transport = None
        self._lost()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        pending = self._pending
        pending += data
        while len(pending) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(pending)
            end = _LENGTH.size + length
            if len(pending) < end:
                return
            said = bytes(pending[_LENGTH.size : end])
            del pending[:end]
            # The other end is ours: the socket lies in a folder that is open to this account alone.
            self._heard(pickle.loads(said))  # noqa: S301

    @property
    def is_open(self) -> bool:
        """Whether something can be said."""
        return self._transport is not None

    def say(self, said: object) -> None:
        """Send an object, without waiting for it to be taken; nothing when the connection is gone."""
        if self._transport is not None:
            packed = pickle.dumps(said, pickle.HIGHEST_PROTOCOL)
            self._transport.writelines((_LENGTH.pack(len(packed)), packed))

    def close(self) -> None:
        """Say no more."""
        if self._transport is not None:
            self._transport.close()


class Desk:
    """The appender's end of one connection."""

    def __init__(self, desks: Desks) -> None:
        self._desks = desks
        self.line = Line(heard=self._take, made=self._open, lost=self._close)

    def _open(self) -> None:
        self._desks.now_open(self)

    def _close(self) -> None:
        self._desks.now_closed(self)

    def _take(self, said: Sequence[tuple[int, Command]]) -> None:
        refused = self._desks.appender.take([Waiting(asked, number, self) for number, asked in said])
        if refused:
            self._say(refused, Times())

    def tell(self, told: Sequence[tuple[Waiting, Outcome]], times: Times) -> None:
        """Tell the other end, on the event loop: the appender goes on meanwhile."""
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
            self._desks.loop.call_soon_threadsafe(self._say, told, times)

    def _say(self, told: Iterable[tuple[Waiting, Outcome]], times: Times) -> None:
        outcomes = [(waiting.known_as, outcome) for waiting, outcome in told]
        self.line.say(Told(outcomes, times, self._desks.appender.load, self._desks.ring_version()))


class Desks:
    """The desks of an appender, for the event loop that it is made on."""

    def __init__(self, appender: Appender, *, ring_version: Callable[[], int]) -> None:
        self.appender, self.ring_version = appender, ring_version
        self.loop = asyncio.get_running_loop()
        self._open: set[Desk] = set()
        self.nobody_asks = asyncio.Event()
        """Set while there is no connection."""
        self.nobody_asks.set()

    def another(self) -> Line:
        """The line of a new desk, for a new connection."""
        return Desk(self).line

    def now_open(self, desk: Desk) -> None:
        """Somebody came to a desk."""
        self._open.add(desk)
        self.nobody_asks.clear()

    def now_closed(self, desk: Desk) -> None:
        """And is gone."""
        self._open.discard(desk)
        if not self._open:
            self.nobody_asks.set()


class _Asked(NamedTuple):
    asked: Command
    future: Future[Result] | asyncio.Future[Result]
    times_sent: int = 0


class DistantAppender:
    """Asked as an appender is, by threads and by the event loop that it is started on and belongs to."""

    def __init__(
        self,
        path: Path,
        *,
        queue_max: int = QUEUE_MAX,
        observed: Callable[[Appended], None] = lambda batch: None,
        renew: Callable[[int], object] = lambda version: None,
    ) -> None:
        """`observed` hears of this process's part of every batch, `renew` of newer key rings."""
        self._queue_max, self._client_max = queue_max, queue_max // CLIENTS_PART
        self._path, self._observed, self._renew = path, observed, renew
        self._line = Line(heard=self._hear, made=self._connected, lost=self._lost)
        self._asked: dict[int, _Asked] = {}
        """By number, what has no outcome yet."""
        self._last_number = 0
        self._fresh: list[int] = []
        """Of these, what is still to be sent."""
        self._is_sending = False
        self._of_client: Counter[bytes | None] = Counter()
        self._giving_way = 0
        self._load = Load()
        """As the appender's process said last."""
        self._ring_version = 0
        self._lost_at: float | None = time.monotonic()
        """Since when there has been no connection."""
        self._halted: errors.LedgerError | None = None
        self._is_stopping = False
        self._settled = threading.Condition()

    def start(self) -> DistantAppender:
        """Begin to connect."""
        self._loop = asyncio.get_running_loop()
        self._connecting = self._loop.create_task(self._connect())
        return self

    def stop(self) -> None:
        """Wait for what was asked, then end; for a thread beside the event loop."""
        self._is_stopping = True
        with self._settled:
            self._settled.wait_for(lambda: not self._asked, STOP_WITHIN_S)
        ended = threading.Event()
        self._loop.call_soon_threadsafe(self._end, ended)
        ended.wait()

    def _end(self, ended: threading.Event) -> None:
        self._connecting.cancel()
        self._fail()
        self._line.close()
        ended.set()

    def halt(self, error: errors.LedgerError | None) -> None:
        """Take no commands, which are refused with such an error, until it is None again."""
        self._halted = error

    @property
    def is_running(self) -> bool:
        """Whether commands are taken, and somebody appends."""
        return self._line.is_open and not self._is_stopping and self._halted is None

    @property
    def waiting(self) -> int:
        """Commands of this process without an outcome."""
        return len(self._asked)

    def require_place(self, client_id: bytes | None = None) -> None:
        """Nothing where a use, of the client if one is named, would find a place now; raises QueueFull."""
        # What was said while something was asked; without it nobody says that there is less to do.
        said, own = self._load if self._asked else Load(), len(self._asked)
        known = Load(
            max(said.waiting, own),
            max(said.others, own - self._giving_way),
            max(said.clients, 1),
            said.batch_s,
        )
        of_client = None if client_id is None else self._of_client[client_id]
        known.require_place(
            of_client, queue_max=self._queue_max, client_max=self._client_max, batch_max=BATCH_MAX
        )

    def submit(self, asked: Command) -> Future[Result]:
        """The future of `asked`, for a thread to wait on; raises QueueFull, and then nothing was done."""
        self._require_open()
        future: Future[Result] = Future()
        self._loop.call_soon_threadsafe(self._take, asked, future)
        return future

    def submit_soon(self, asked: Command) -> asyncio.Future[Result]:
        """As `submit`, for a task of the event loop to await."""
        self._require_open()
        future: asyncio.Future[Result] = self._loop.create_future()
        self._take(asked, future)
        return future

    def _require_open(self) -> None:
        if self._is_stopping:
            raise errors.Unavailable("the service is stopping")
        if self._halted is not None:
            raise type(self._halted)
        if self._is_lost_for_long:
            raise errors.Unavailable("the appender's process cannot be reached")
        if len(self._asked) >= self._queue_max:
            raise self._load.full(len(self._asked), BATCH_MAX)

    @property
    def _is_lost_for_long(self) -> bool:
        return self._lost_at is not None and time.monotonic() > self._lost_at + RETRY_FOR_S

    # --- on the event loop ---

    def _take(self, asked: Command, future: Future[Result] | asyncio.Future[Result]) -> None:
        self._last_number += 1
        self._asked[self._last_number] = _Asked(asked, future)
        self._count(asked, 1)
        self._fresh.append(self._last_number)
        self._send_soon()

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
        if self._line.is_open and not self._is_sending:
            self._is_sending = True
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        self._is_sending = False
        if not self._line.is_open:
            return
        numbers, self._fresh = self._fresh, []
        self._say(numbers)

    def _say(self, numbers: Sequence[int]) -> None:
        """Send commands; one that cannot be sent costs no other."""
        try:
            self._line.say([(number, self._asked[number].asked) for number in numbers])
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
            one = self._asked[number]
            self._asked[number] = one._replace(times_sent=one.times_sent + 1)

    def _hear(self, told: Told) -> None:
        self._load = told.load
        if told.ring_version > self._ring_version:
            self._ring_version = told.ring_version
            self._loop.run_in_executor(None, self._renewed, told.ring_version)
        for number, outcome in told.outcomes:
            self._settle(number, outcome)
        self._observed(Appended([outcome for _, outcome in told.outcomes], told.times))

    def _renewed(self, version: int) -> None:
        try:
            self._renew(version)
        except errors.LedgerError as error:
            # Whoever needs the ring is told so; here nobody asked.
            _log.warning("the key ring is not renewed", extra={"error_type": error.type})

    def _settle(self, number: int, outcome: Outcome) -> None:
        one = self._asked.pop(number, None)
        if one is None:
            return
        self._count(one.asked, -1)
        queueing.settle(one.future, outcome)
        if self._is_stopping and not self._asked:
            with self._settled:
                self._settled.notify_all()

    # --- the connection ---

    async def _connect(self) -> None:
        """Connect, as often as it takes; who waits for too long is told to come back."""
        while True:
            try:
                await self._loop.create_unix_connection(lambda: self._line, str(self._path))
            except OSError:
                if self._is_lost_for_long:
                    self._fail()
                await asyncio.sleep(CONNECT_EVERY_S)
            else:
                return

    def _connected(self) -> None:
        self._lost_at = None
        self._send_soon()

    def _lost(self) -> None:
        if self._is_stopping and not self._asked:
            return
        _log.warning("the appender's process is lost")
        self._lost_at = time.monotonic()
        again = []
        for number, one in list(self._asked.items()):
            if not one.times_sent:
                continue
            if one.asked.repeat is None or one.times_sent >= TIMES_SENT_MAX:
                self._settle(number, errors.OutcomeUnknown())
            else:
                again.append(number)
        self._fresh = again + [number for number in self._fresh if number in self._asked]
        # What the lost process said last half of is nothing to go on with.
        self._line = Line(heard=self._hear, made=self._connected, lost=self._lost)
        self._connecting = self._loop.create_task(self._connect())

    def _fail(self) -> None:
        """Give up what waits; of what was never sent it is known that it was not done."""
        self._fresh = []
        for number, one in list(self._asked.items()):
            never = errors.Unavailable("the appender's process cannot be reached")
            self._settle(number, errors.OutcomeUnknown() if one.times_sent else never)
