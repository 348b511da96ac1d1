"""The appender's end of the connections through which other processes ask it, and what is said on them.

`Channel` is one end of a connection; `Connection` takes the commands that come on one, and tells their
outcomes to the other end, `ledger/remote_appender.py`. Objects are pickled: both ends are ours, run the same
code, which the greeting makes sure of, and are open to one account alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import pickle
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from ledger import errors
from ledger.appender import Appender
from ledger.command import Command
from ledger.queueing import Load, Outcome, Times, Waiting

FOREIGN = "the appender's process runs other code: restart the service"
_LENGTH = struct.Struct(">I")
_log = logging.getLogger(__name__)


def _code() -> str:
    """What tells this process's code from that of another release."""
    root = Path(__file__).resolve().parent.parent
    files = sorted(file for floor in ("signing", "ledger") for file in (root / floor).glob("*.py"))
    said = hashlib.sha256()
    for file in files:
        said.update(hashlib.sha256(file.read_bytes()).digest())
    return said.hexdigest()


CODE_DIGEST = _code()


class Told(NamedTuple):
    """What the appender's process says of a batch, or of commands that found no place."""

    outcomes: Sequence[tuple[int, Outcome]]
    """By number of the command, which is the asking process's own."""
    times: Times
    load: Load
    ring_version: int
    """Of the key ring that the batch worked with."""


class Channel(asyncio.Protocol):
    """One end of a connection on which objects follow their length; the appender's end greets first.

    The greeting is text, which every release can read: it says which code the process runs.
    """

    def __init__(
        self,
        *,
        heard: Callable[[Any], None],
        made: Callable[[], None] = lambda: None,
        lost: Callable[[], None] = lambda: None,
        greeted: Callable[[str], None] | None = None,
    ) -> None:
        """`greeted`: what hears the greeting, where one comes."""
        self._heard, self._made, self._lost, self._greeted = heard, made, lost, greeted
        self._transport: asyncio.Transport | None = None
        self._pending = bytearray()
        self._is_closing = False

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
            if self._greeted is not None:
                greeted, self._greeted = self._greeted, None
                greeted(said.decode(errors="replace"))
            elif not self._is_closing:
                # The other end is ours: the socket lies in a folder that is open to this account alone.
                self._heard(pickle.loads(said))  # noqa: S301

    def say(self, said: object) -> None:
        """Send an object, without waiting for it to be taken; nothing when the connection is gone."""
        if self._transport is not None:
            self._send(pickle.dumps(said, pickle.HIGHEST_PROTOCOL))

    def greet(self) -> None:
        """Say which code we run."""
        self._send(CODE_DIGEST.encode())

    def _send(self, packed: bytes) -> None:
        if self._transport is not None:
            self._transport.writelines((_LENGTH.pack(len(packed)), packed))

    def close(self) -> None:
        """Say and hear no more."""
        self._is_closing = True
        if self._transport is not None:
            self._transport.close()


class Connection:
    """The appender's end of one connection."""

    def __init__(self, all_: Connections) -> None:
        self._all = all_
        self.channel = Channel(heard=self._take, made=self._open, lost=self._close)

    def _open(self) -> None:
        self._all.now_open(self)
        self.channel.greet()

    def _close(self) -> None:
        self._all.now_closed(self)

    def _take(self, said: Sequence[tuple[int, Command]]) -> None:
        refused = self._all.appender.take([Waiting(asked, number, self) for number, asked in said])
        if refused:
            self._say(refused, Times())

    def tell(self, told: Sequence[tuple[Waiting, Outcome]], times: Times) -> None:
        """Tell the other end, on the event loop: the appender goes on meanwhile."""
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
            self._all.loop.call_soon_threadsafe(self._say, told, times)

    def _say(self, told: Sequence[tuple[Waiting, Outcome]], times: Times) -> None:
        """Tell outcomes; one that cannot be told costs no other."""
        outcomes = [(waiting.known_as, outcome) for waiting, outcome in told]
        load, version = self._all.appender.load, self._all.ring_version()
        try:
            self.channel.say(Told(outcomes, times, load, version))
        except Exception as error:  # noqa: BLE001
            if len(told) > 1:
                for one in told:
                    self._say([one], times)
                return
            _log.error("an outcome cannot be told", extra={"error_type": type(error).__name__}, exc_info=True)
            self.channel.say(Told([(told[0][0].known_as, errors.OutcomeUnknown())], Times(), load, version))


class Connections:
    """The connections of an appender, for the event loop that it is made on."""

    def __init__(self, appender: Appender, *, ring_version: Callable[[], int]) -> None:
        self.appender, self.ring_version = appender, ring_version
        self.loop = asyncio.get_running_loop()
        self._open: set[Connection] = set()
        self.nobody_asks = asyncio.Event()
        """Set while there is no connection."""
        self.nobody_asks.set()

    def another(self) -> Channel:
        """The channel of a new connection."""
        return Connection(self).channel

    def now_open(self, connection: Connection) -> None:
        """Somebody is connected."""
        self._open.add(connection)
        self.nobody_asks.clear()

    def now_closed(self, connection: Connection) -> None:
        """And is gone."""
        self._open.discard(connection)
        if not self._open:
            self.nobody_asks.set()
