"""The anchor: the newest tree head this ledger has answered for, kept outside the database.

A small file with two slots, written in turn and synced, so that a torn write leaves the other slot.
`advance` is a compare-and-set under a file lock, shared by all processes of one ledger. Nothing is
signed before the anchor has it; a database whose history lacks the anchor gets no more facts.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ledger import errors

_SLOT = 1024


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A tree head with the database server it was committed on."""

    origin: str
    size: int
    root: str
    """Hexadecimal."""
    system: str
    timeline: str


class Anchor:
    """The anchor file of one partition."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self, mark: Mark) -> None:
        """A new anchor at `mark`; raises FileExistsError rather than forget an old one."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            file.write(_slot(1, mark) + bytes(_SLOT))
            os.fsync(file.fileno())
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def read(self) -> Mark:
        """The newest mark; raises HistoryBehindAnchor when the file is absent or unreadable."""
        try:
            with self._path.open("rb", buffering=0) as file:
                return _newest(file.read(2 * _SLOT))[1]
        except OSError as error:
            raise errors.HistoryBehindAnchor("the anchor cannot be read") from error

    @contextmanager
    def held(self) -> Iterator[HeldAnchor]:
        """The anchor while no other process can change it."""
        with self._path.open("r+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield HeldAnchor(file.fileno())


class HeldAnchor:
    """An anchor under its lock."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._sequence, self.mark = _newest(os.pread(descriptor, 2 * _SLOT, 0))

    def write(self, mark: Mark) -> None:
        """`mark` from here on: synced before this returns."""
        self._sequence += 1
        os.pwrite(self._descriptor, _slot(self._sequence, mark), _SLOT * ((self._sequence + 1) % 2))
        os.fdatasync(self._descriptor)
        self.mark = mark


def _slot(sequence: int, mark: Mark) -> bytes:
    content = json.dumps({"sequence": sequence, **asdict(mark)}).encode()
    data = hashlib.sha256(content).hexdigest().encode() + b" " + content
    assert len(data) <= _SLOT, "a mark fits its slot"
    return data.ljust(_SLOT)


def _newest(data: bytes) -> tuple[int, Mark]:
    found = [slot for slot in (_parse(data[:_SLOT]), _parse(data[_SLOT:])) if slot is not None]
    if not found:
        raise errors.HistoryBehindAnchor("the anchor is damaged")
    return max(found, key=lambda slot: slot[0])


def _parse(data: bytes) -> tuple[int, Mark] | None:
    digest, _, padded = data.partition(b" ")
    content = padded.rstrip(b" \x00")
    if hashlib.sha256(content).hexdigest().encode() != digest:
        return None
    values = json.loads(content)
    sequence = values.pop("sequence")
    return sequence, Mark(**values)
