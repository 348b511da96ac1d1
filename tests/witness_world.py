"""A synthetic log and witnesses for tests, without a ledger."""

from __future__ import annotations

import contextlib
import http.server
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from api import witness_server
from signing import keys, merkle, note, tiles, witness, witnessing

NOW_S = 1_764_000_000
"""When the witnesses of these tests cosign, unless said otherwise."""


PATIENT = witness_server.Deadlines()


class Log:
    """A log that shows whatever tree it is told to."""

    def __init__(self, origin: str = "ledger.example/log/0", *, seed: int = 1) -> None:
        self.origin = origin
        self.key = keys.SigningKey(bytes([seed]) * 32)
        self.verifier = note.VerifierKey(name=origin, public=self.key.public)
        self.leaves = [merkle.leaf_hash(number.to_bytes(4, "big")) for number in range(600)]

    def forked(self, at: int) -> Log:
        """The same log with another entry at an index."""
        other = Log(self.origin)
        other.leaves = [*self.leaves[:at], merkle.leaf_hash(b"another"), *self.leaves[at + 1 :]]
        return other

    def checkpoint(self, size: int) -> str:
        """The signed tree head of a size."""
        head = note.Checkpoint(origin=self.origin, size=size, root=merkle.root(self.leaves[:size]))
        return note.sign(head.text, name=self.origin, key=self.key)

    def node(self, level: int, index: int) -> bytes:
        """A node of the tree."""
        return merkle.root(self.leaves[index << level : (index + 1) << level])

    def proof(self, old: int, new: int) -> tuple[bytes, ...]:
        """The consistency proof between two sizes."""
        return tuple(merkle.consistency_proof(old, new, node=self.node)) if old else ()

    def submission(self, old: int, new: int, **changes: Any) -> witnessing.Submission:
        """What is sent to a witness that has cosigned size `old`."""
        members = {"old_size": old, "proof": self.proof(old, new), "checkpoint": self.checkpoint(new)}
        return witnessing.Submission(**members | changes)

    def body(self, old: int, new: int) -> bytes:
        """The same as bytes."""
        return witnessing.write(self.submission(old, new)).encode()


class Shown:
    """What a log's server shows, over HTTP: a checkpoint, and the tiles of its tree."""

    def __init__(self, log: Log, size: int) -> None:
        self.log = log
        self.size = size
        self.altered: dict[str, bytes] = {}
        """Answers that are not what the log has, by path."""

    def answer(self, path: str) -> bytes | None:
        """The answer at a path; None where there is none."""
        if path in self.altered:
            return self.altered[path]
        if path == "checkpoint":
            return self.log.checkpoint(self.size).encode()
        try:
            tile = tiles.parse(path.removeprefix("tile/"))
        except tiles.TileInvalid:
            return None
        if not tiles.is_within(tile, self.size):
            return None
        first = tile.number * merkle.TILE_WIDTH
        level = tile.level * merkle.TILE_HEIGHT
        return b"".join(self.log.node(level, first + place) for place in range(tile.width))

    def read(self, tile: tiles.Tile) -> bytes:
        """A tile."""
        data = self.answer(f"tile/{tile.path}")
        assert data is not None
        return data


@contextlib.contextmanager
def showing(shown: Shown) -> Iterator[str]:
    """The URL where it is shown."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = shown.answer(self.path.removeprefix("/log/0/"))
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *said: Any) -> None:
            """Nothing is printed."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/log/0"
        finally:
            server.shutdown()


def made(folder: Path, *logs: Log, name: str = "witness.example/w1", seed: int = 2) -> Path:
    """The folder of a new witness that watches some logs."""
    witness.create(folder, name=name, seed=bytes([seed]) * 32)
    for log in logs:
        witness.add_log(folder, log.verifier.text)
    return folder


@contextlib.contextmanager
def serving(held: witness.Witness, deadlines: witness_server.Deadlines = PATIENT) -> Iterator[str]:
    """The URL of a witness that answers on a port of this machine."""
    app = witness_server.application(held, deadlines=deadlines)
    server = witness_server.server(app, host="127.0.0.1", port=0, deadlines=deadlines)
    ready = threading.Event()
    server.config.load()
    began = server.startup

    async def startup(sockets: Any = None) -> None:
        await began(sockets)
        ready.set()

    server.startup = startup  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        assert ready.wait(30), "the witness answers"
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


def alive(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A witness in a process of its own, and where it listens."""
    program = Path(sys.executable).with_name("license-ledger")
    while True:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        address = f"127.0.0.1:{port}"
        process = subprocess.Popen(
            [program, "witness", "serve", "--state", str(folder), "--address", address],
            stderr=subprocess.DEVNULL,
        )
        if is_open(port, process):
            return process, address
        # Somebody else took the port meanwhile.
        process.wait()


def is_open(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Whether a process listens, which takes a while, rather than ends."""
    until = time.monotonic() + 60
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            assert time.monotonic() < until, "it does not listen"
            threading.Event().wait(0.05)
        else:
            return True
    return False
