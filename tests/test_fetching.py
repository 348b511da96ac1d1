"""Servers of others: what comes back is bounded in bytes and time, whatever they do."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ledger import errors, fetching

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: Text/Plain; charset=x\r\n\r\nok"


@contextlib.contextmanager
def speaking(*speak: Callable[[socket.socket], None]) -> Iterator[str]:
    """The URL of a server that says to each connection in turn what it is told."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            for one in speak:
                with contextlib.suppress(OSError):
                    conn, _ = listener.accept()
                    with conn:
                        conn.recv(65_536)
                        one(conn)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    thread.join(10)


def says(data: bytes) -> Callable[[socket.socket], None]:
    return lambda conn: conn.sendall(data)


def drips(data: bytes) -> Callable[[socket.socket], None]:
    """Says something at once, then a byte at a time for minutes: until it is hung up on."""

    never = threading.Event()

    def speak(conn: socket.socket) -> None:
        conn.sendall(data)
        for _ in range(10_000):
            conn.sendall(b"x")
            never.wait(0.02)

    return speak


def test_an_answer_is_given_whatever_its_status() -> None:
    with speaking(says(OK)) as url, fetching.Peer(url) as peer:
        answer = peer.get("/x")
    assert (answer.status, answer.body, answer.media_type) == (200, b"ok", "text/plain")
    busy = b"HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
    with speaking(says(busy)) as url, fetching.Peer(url) as peer:
        answer = peer.post("/x", b"body", media_type="text/plain")
    assert (answer.status, answer.retry_after_s) == (429, 7)
    moved = b"HTTP/1.1 302 No\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    with speaking(says(moved)) as url, fetching.Peer(url) as peer:
        assert peer.get().status == 302


BAD = {
    "nothing": b"",
    "no HTTP": b"hello\r\n\r\n",
    "a body without end": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 300_000,
    "a body cut short": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
    "a length that is none": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500,
}


@pytest.mark.parametrize("flaw", BAD)
def test_what_is_no_answer_is_said_to_be_none(flaw: str) -> None:
    with speaking(says(BAD[flaw])) as url, pytest.raises(fetching.Unanswered):
        fetching.Peer(url, timeout_s=5.0).get()


CLOSING = OK.replace(b"Content-Length: 2", b"Connection: close")


@pytest.mark.parametrize("answer", [OK[:-3], CLOSING], ids=["a head", "the last answer's body"])
def test_a_server_that_drips_is_given_up_on(answer: bytes) -> None:
    with speaking(drips(answer)) as url:
        begun = time.monotonic()
        with pytest.raises(fetching.Unanswered):
            fetching.Peer(url, timeout_s=0.2).get()
        # It would have dripped for minutes.
        assert time.monotonic() - begun < 60


def test_a_server_that_drips_before_it_has_said_who_it_is_is_given_up_on() -> None:
    hello = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"
    with speaking(drips(hello)) as url, fetching.Peer(url.replace("http", "https"), timeout_s=0.3) as peer:
        begun = time.monotonic()
        with pytest.raises(fetching.Unanswered):
            peer.get()
        assert time.monotonic() - begun < 60


def test_a_server_that_speaks_no_tls_is_not_spoken_to() -> None:
    with (
        speaking(says(OK)) as url,
        fetching.Peer(url.replace("http", "https")) as peer,
        pytest.raises(fetching.Unanswered),
    ):
        peer.get()


def test_a_kept_connection_that_was_ended_is_made_anew() -> None:
    with speaking(says(OK), says(OK)) as url:
        peer = fetching.Peer(url)
        assert [peer.get().status, peer.get().status] == [200, 200]
        peer.close()
    with pytest.raises(fetching.Unanswered):
        peer.get()


@pytest.mark.parametrize(
    "url",
    [
        *("", "ledger.example", "ftp://ledger.example", "http://", "http://user:pw@ledger.example"),
        *(
            "http://ledger.example/?q",
            "http://ledger.example/#f",
            "http://x:99999/",
            "http://x\n/",
            "http://[::1",
        ),
        "file:///etc/passwd",
    ],
)
def test_only_plain_urls_are_asked(url: str) -> None:
    with pytest.raises(errors.Invalid):
        fetching.check_url(url, field="url")
