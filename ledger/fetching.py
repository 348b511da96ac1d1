"""Asking servers of others over HTTP: one request, one answer, within a size and a time.

For witnesses, time-stamp authorities and logs that are mirrored. Follows no redirect, sends no credentials,
and gives up at the deadline however slowly the other side speaks. Never on the path of a request.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import Self
from urllib.parse import SplitResult, urlsplit

from ledger import errors

ANSWER_BYTES_MAX = 128 * 1024
TIMEOUT_S = 10.0
USER_AGENT = "license-ledger"


class Unanswered(Exception):
    """No answer that can be used: no connection, no time, too many bytes, not HTTP."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    body: bytes
    media_type: str
    """Without parameters, in lower case."""
    retry_after_s: int | None = None


def check_url(url: str, *, field: str) -> str:
    """`url` without its last slash; raises Invalid unless it is http or https, without login and query."""
    try:
        parts = urlsplit(url)
        is_fit = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise errors.Invalid("not a URL", field=field) from error
    if (
        not is_fit
        or parts.username
        or parts.query
        or parts.fragment
        or not url.isascii()
        or not url.isprintable()
    ):
        raise errors.Invalid("a URL is http:// or https://, without login, query and fragment", field=field)
    return url.rstrip("/")


class Peer:
    """A server, and the connection to it while it lasts. For one thread."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S, bytes_max: int = ANSWER_BYTES_MAX) -> None:
        self._parts: SplitResult = urlsplit(check_url(url, field="url"))
        self._timeout_s = timeout_s
        self._bytes_max = bytes_max
        self._conn: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        """Itself, to be closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """The connection is ended."""
        self.close()

    def get(self, path: str = "") -> Answer:
        """What the path behind the URL gives; raises Unanswered."""
        return self._ask("GET", path, None, {})

    def post(self, path: str, body: bytes, *, media_type: str) -> Answer:
        """What comes back for a body; raises Unanswered."""
        return self._ask("POST", path, body, {"Content-Type": media_type})

    def close(self) -> None:
        """End the connection."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        is_kept = self._conn is not None
        try:
            return self._once(method, path, body, headers)
        except _Stale as error:
            # The server may have ended a kept connection at the moment it was used again.
            if not is_kept:
                raise Unanswered("the server hung up") from error
        try:
            return self._once(method, path, body, headers)
        except _Stale as error:
            raise Unanswered("the server hung up") from error

    def _once(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        conn = self._conn = self._conn or self._connection()
        is_late = threading.Event()
        speaking: list[socket.socket] = []

        def give_up() -> None:
            is_late.set()
            for one in speaking:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

        deadline = threading.Timer(self._timeout_s, give_up)
        deadline.daemon = True
        deadline.start()
        try:
            if conn.sock is None:
                self._connect(conn, speaking)
            # The connection lets go of it where the answer is the last one, while the body still comes.
            speaking.append(conn.sock)
            conn.request(method, self._parts.path + path, body, {"User-Agent": USER_AGENT, **headers})
            response = conn.getresponse()
            with response:
                data = response.read(self._bytes_max + 1)
                is_whole = not response.length
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
            self.close()
            if is_late.is_set():
                raise Unanswered("no answer in time") from error
            raise _Stale from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise Unanswered("no answer" + (" in time" if is_late.is_set() else "")) from error
        finally:
            deadline.cancel()
        if is_late.is_set() or not is_whole or len(data) > self._bytes_max:
            self.close()
            raise Unanswered(
                "no answer in time" if is_late.is_set() else "an answer without end, or cut short"
            )
        if response.will_close:
            self.close()
        return Answer(
            status=response.status,
            body=data,
            media_type=(response.headers.get_content_type() if response.headers else "").lower(),
            retry_after_s=_seconds(response.headers.get("Retry-After", "")),
        )

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(
            self._parts.hostname or "", self._parts.port or self._port(), timeout=self._timeout_s
        )

    def _connect(self, conn: http.client.HTTPConnection, speaking: list[socket.socket]) -> None:
        """Connect; whatever is spoken on is noted before a word, so that the deadline can end that too."""
        raw = socket.create_connection((conn.host, conn.port), timeout=self._timeout_s)
        speaking.append(raw)
        if self._parts.scheme == "http":
            conn.sock = raw
            return
        with contextlib.ExitStack() as stack:
            stack.callback(raw.close)
            context = ssl.create_default_context()
            made = context.wrap_socket(raw, server_hostname=conn.host, do_handshake_on_connect=False)
            stack.callback(made.close)
            speaking.append(made)
            made.do_handshake()
            conn.sock = made
            stack.pop_all()

    def _port(self) -> int:
        return http.client.HTTPS_PORT if self._parts.scheme == "https" else http.client.HTTP_PORT


class _Stale(Exception):
    """A connection that was ended before it said anything."""


def _seconds(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else None
