"""The anchor: the newest tree head this ledger has answered for, kept outside the database.

A small file with a lane for each service that appends. A lane has two slots, written in turn and
synced, so that a torn write leaves the other slot; only its holder writes to it, and the newest mark of
all lanes counts. So nobody waits for anybody, not even for a service that was stopped amid a write.
Nothing is signed before the anchor has it; a database whose history lacks the anchor gets no more facts.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

from ledger import errors

LANES_MAX = 64
_SLOT = 1024
_LANE = 2 * _SLOT


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A tree head with the database server it was committed on."""

    origin: str
    size: int
    root: str
    """Hexadecimal."""
    system: str
    timeline: str

    @property
    def generation(self) -> int:
        """The origin's generation: a successor after declared loss is newer, however small."""
        return _generation(self.origin)

    @property
    def order(self) -> tuple[int, int]:
        """What newer marks have more of."""
        return self.generation, self.size


class Anchor:
    """The anchor file of one partition."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[bytes, list[Mark]] = (b"", [])
        """The file as it was read last, and its marks: it is read several times a batch."""

    def create(self, mark: Mark) -> None:
        """A new anchor at `mark`; raises FileExistsError rather than forget an old one."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            file.write(_slot(mark) + bytes(_SLOT))
            os.fsync(file.fileno())
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def read(self) -> Mark:
        """The newest mark; raises HistoryBehindAnchor when the file is absent or unreadable."""
        return max(self.marks(), key=lambda mark: mark.order)

    def marks(self) -> list[Mark]:
        """The newest mark of each lane; raises HistoryBehindAnchor as `read`."""
        try:
            data = _content(self._path)
        except OSError as error:
            raise errors.HistoryBehindAnchor("the anchor cannot be read") from error
        seen, known = self._seen
        if known and data == seen:
            return known
        lanes = (data[start : start + _LANE] for start in range(0, len(data), _LANE))
        found = [mark for _, mark in map(_newest, lanes) if mark is not None]
        if not found:
            raise errors.HistoryBehindAnchor("the anchor is damaged")
        self._seen = data, found
        return found

    def lane(self) -> Lane:
        """A lane that no other service has; raises Unavailable when all are taken."""
        for number in range(LANES_MAX):
            path = self._path.with_name(f"{self._path.name}.lane-{number}")
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
            lock = os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            return Lane(self._path, number, lock=lock)
        raise errors.Unavailable("too many services append to this ledger")


class Lane:
    """The place of one service in the anchor; the kernel gives it back however the service ends."""

    def __init__(self, path: Path, number: int, *, lock: IO[bytes]) -> None:
        self._path = path
        self._start = number * _LANE
        self._lock = lock

    def write(self, mark: Mark) -> None:
        """`mark` from here on: synced before this returns."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            # The slot that holds the lane's newest mark stays as it is.
            newest, _ = _newest(os.pread(descriptor, _LANE, self._start))
            os.pwrite(descriptor, _slot(mark), self._start + _SLOT * (1 - newest))
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Give the lane to whoever comes next."""
        self._lock.close()


def _content(path: Path) -> bytes:
    """The whole file, opened anew: it may have been put in another's place."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, LANES_MAX * _LANE, 0)
    finally:
        os.close(descriptor)


@lru_cache(maxsize=64)
def _generation(origin: str) -> int:
    number = origin.rpartition("/")[2].partition(".")[2]
    return int(number) if number.isdecimal() else 0


def _slot(mark: Mark) -> bytes:
    content = json.dumps(vars(mark)).encode()
    data = hashlib.sha256(content).hexdigest().encode() + b" " + content
    assert len(data) <= _SLOT, "a mark fits its slot"
    return data.ljust(_SLOT)


def _newest(lane: bytes) -> tuple[int, Mark | None]:
    """Which slot of a lane holds the newest mark, and the mark; None in a lane that was never used."""
    first, second = _parse(lane[:_SLOT]), _parse(lane[_SLOT:])
    if second is None or (first is not None and first.order >= second.order):
        return 0, first
    return 1, second


@lru_cache(maxsize=4 * LANES_MAX)
def _parse(data: bytes) -> Mark | None:
    digest, _, padded = data.partition(b" ")
    content = padded.rstrip(b" \x00")
    if hashlib.sha256(content).hexdigest().encode() != digest:
        return None
    try:
        return Mark(**json.loads(content))
    except TypeError:
        return None  # another version's mark: as good as damaged here
