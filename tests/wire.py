"""A proxy between a client and PostgreSQL that knows a COMMIT when it sees one.

It copies both directions and reads the client's messages as far as needed to find a COMMIT, as a
simple query or as a bound statement. An armed `Cut` is carried out on the next one, once. Speaks no
TLS: connect through it with sslmode=disable and gssencmode=disable. Never answers for the server.
"""

from __future__ import annotations

import contextlib
import enum
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass

_BEFORE_START = {80877102, 80877103, 80877104}
"""Requests to cancel, for TLS, for GSS: they come before the start-up message, without a type byte."""


class Cut(enum.Enum):
    """What becomes of a COMMIT."""

    BEFORE = "cut before the COMMIT reached the server"
    BEFORE_HALF_OPEN = "cut before the COMMIT reached the server, which does not hear of it"
    AFTER = "cut after the COMMIT reached the server, before its answer"
    HELD_DELIVERED = "held, delivered late"
    HELD_DROPPED = "held, never delivered"


@dataclass(frozen=True, kw_only=True)
class Armed:
    """A cut and how long a held COMMIT is held."""

    cut: Cut
    held_s: float


class Proxy:
    """Listens on 127.0.0.1 and copies to the server at an address; leaving `with` cuts everything."""

    def __init__(self, address: tuple[str, int], *, is_patient: bool = False) -> None:
        self._address = address
        self._is_patient = is_patient
        """Whether sessions get 9 instead of 3 s before they are ended idle in a transaction."""
        self.made_patient = 0
        self.cuts_done = 0
        self._armed: Armed | None = None
        self._is_cut = threading.Event()
        self._is_mute = threading.Event()
        self._guard = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def arm(self, cut: Cut, *, held_s: float = 5.0) -> None:
        """Do `cut` to the next COMMIT of any connection."""
        self._is_cut.clear()
        self._armed = Armed(cut=cut, held_s=held_s)

    def mute(self) -> None:
        """From now on no client hears the server; nothing is closed."""
        self._is_mute.set()

    def await_cut(self, timeout_s: float) -> None:
        """Return when the armed cut has begun."""
        assert self._is_cut.wait(timeout_s), "no COMMIT came by"

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, *self._open):
            _end(each)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._address, timeout=5)
            except OSError:
                _end(client)
                continue
            server.settimeout(None)
            self._open |= {client, server}
            muted, heard = threading.Event(), threading.Event()
            link = _Link(client=client, server=server, muted=muted, heard=heard)
            threading.Thread(target=self._to_server, args=(link,), daemon=True).start()
            threading.Thread(target=_to_client, args=(link, self._is_mute), daemon=True).start()

    def _to_server(self, link: _Link) -> None:
        commits: set[bytes] = set()
        with contextlib.suppress(OSError, EOFError):
            for kind, message in _messages(link.client):
                if _is_commit(kind, message, commits) and (armed := self._take()) is not None:
                    self._do(armed, link, message)
                    return
                link.server.sendall(self._patiently(message))
        _end(link.client)
        _end(link.server)

    def _take(self) -> Armed | None:
        with self._guard:
            armed, self._armed = self._armed, None
            return armed

    def _do(self, armed: Armed, link: _Link, message: bytes) -> None:
        self.cuts_done += 1
        self._is_cut.set()
        with contextlib.suppress(OSError):
            if armed.cut is Cut.AFTER:
                link.muted.set()
                link.server.sendall(message)
                link.heard.wait(5)
            elif armed.cut is Cut.BEFORE_HALF_OPEN:
                _end(link.client)
                threading.Event().wait(armed.held_s)
            elif armed.cut is not Cut.BEFORE:
                # The server does not hear that the client hung up meanwhile.
                threading.Event().wait(armed.held_s)
                if armed.cut is Cut.HELD_DELIVERED:
                    link.server.sendall(message)
                    link.heard.wait(1)
        _end(link.client)
        _end(link.server)

    def _patiently(self, message: bytes) -> bytes:
        impatient = b"idle_in_transaction_session_timeout = '3s'"
        if not self._is_patient or impatient not in message:
            return message
        self.made_patient += 1
        return message.replace(impatient, impatient.replace(b"3s", b"9s"))


@dataclass(frozen=True, kw_only=True)
class _Link:
    client: socket.socket
    server: socket.socket
    muted: threading.Event
    """The server's answers are not passed on."""
    heard: threading.Event
    """The server said something after it was muted."""


def _to_client(link: _Link, is_mute: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while data := link.server.recv(65536):
            if link.muted.is_set() or is_mute.is_set():
                link.heard.set()
            else:
                link.client.sendall(data)
    link.heard.set()
    _end(link.client)


def _messages(client: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    """Type and all bytes of each message; the type of a start-up message is empty."""
    has_started = False
    while True:
        kind = _exactly(client, 1) if has_started else b""
        length = _exactly(client, 4)
        body = _exactly(client, struct.unpack(">I", length)[0] - 4)
        if not has_started:
            has_started = struct.unpack(">I", body[:4])[0] not in _BEFORE_START
        yield kind, kind + length + body


def _exactly(client: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        more = client.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return bytes(data)


def _is_commit(kind: bytes, message: bytes, commits: set[bytes]) -> bool:
    """Whether the message commits; `commits` are the names of prepared COMMITs."""
    body = message[5:]
    if kind == b"Q":
        return body.upper().startswith(b"COMMIT")
    if kind == b"P":
        name, text = body.split(b"\0")[:2]
        commits.discard(name)
        if text.upper().startswith(b"COMMIT"):
            commits.add(name)
    return kind == b"B" and body.split(b"\0")[1] in commits


def _end(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
