"""What was published last, in a file of the data folder that every service of a ledger serves.

`Shared` keeps it: one file, whole or not at all, made by one process at a time. So whoever asks whichever
worker is given the same bytes. It has a MAC under a key of the ledger: what is cut short, rotten, of another
ledger or of another configuration is none. What is in it is public; nothing rests on it but what is served.
"""

from __future__ import annotations

import contextlib
import fcntl
import hmac
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ledger import stock_results
from ledger.vault import Vault
from signing import cbor, keys

FOLDER, NEWEST, LOCK = "published", "newest", "lock"
FORM = 1
"""Counts up when the file is written another way: a build that writes it so publishes for itself."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """A trust file with its lists, signed."""

    at: int
    """The instant of which they are, in microseconds UTC."""
    trust: bytes
    lists: Mapping[int, bytes]
    arrays: Mapping[int, bytes]
    """Number to compressed statuses, to be signed again while nothing changes."""
    state: tuple[bytes, int, int]
    """What they follow from: digest of the tree head, Beijing day, version of the key ring."""
    took_ms: int = 0
    """How long they took to make."""


def forget(data: Path) -> None:
    """Nothing was published: what was told of another history, which is no more."""
    (data / FOLDER / NEWEST).unlink(missing_ok=True)


class Shared:
    """The file of one ledger, for processes that publish by the same configuration."""

    def __init__(self, data: Path, vault: Vault, *, configured: bytes) -> None:
        self._folder = data / FOLDER
        self._vault = vault
        self._key = keys.derive(vault.ring.body_key, info=cbor.encode([FOLDER, FORM, configured]))
        self._seen: tuple[int, ...] = ()
        """Which file was read last."""

    def is_changed(self) -> bool:
        """Whether there is another file than the one that was read last."""
        return self._which() not in ((), self._seen)

    def newest(self) -> Published | None:
        """What is in the file; None where there is none that can be believed."""
        self._seen = self._which()
        try:
            data = (self._folder / NEWEST).read_bytes()
        except OSError:
            return None
        size = len(self._mac(b""))
        mac, content = data[:size], data[size:]
        if not hmac.compare_digest(mac, self._mac(content)):
            return None
        at, took_ms, state, trust, lists = cbor.decode(content)  # ours, in this form: the MAC says so
        return Published(
            at=at,
            trust=trust,
            lists={number: signed for number, signed, _ in lists},
            arrays={number: compressed for number, _, compressed in lists},
            state=tuple(state),
            took_ms=took_ms,
        )

    def put(self, made: Published) -> None:
        """Leave it to the others; raises OSError, and what was there stands."""
        lists = [[number, signed, made.arrays[number]] for number, signed in made.lists.items()]
        content = cbor.encode([made.at, made.took_ms, list(made.state), made.trust, lists])
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stock_results.write_private(self._folder / NEWEST, self._mac(content) + content)
        self._seen = self._which()

    @contextlib.contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether, for the block, no other process makes the next; true where nobody could say."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = stock_results.open_private(self._folder / LOCK, os.O_RDWR)
        except OSError:
            yield True
            return
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
            else:
                yield True

    def _which(self) -> tuple[int, ...]:
        try:
            found = (self._folder / NEWEST).stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_ino, found.st_size

    def _mac(self, content: bytes) -> bytes:
        return self._vault.suite.mac(self._key, content)
