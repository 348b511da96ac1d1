"""The wraps outside: a copy of every wrapped data key, beside the anchor and not in the database.

A backup's own wraps could bring an erased holder back; a restore therefore takes its wraps from here.
New wraps are appended and synced before the batch that needs them commits: one too many does no harm.
Of several wraps of one key the last counts. Erasure overwrites the stream's records in place. Once the
file has doubled it is compacted: the wraps that count, in a file that takes the place of the one before.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ledger import errors
from signing import cbor, keyring

_LENGTH = struct.Struct(">I")
WAIT_S = 2.0
_RECORD_MAX = 1024
COMPACT_FROM = 1 << 20
"""A smaller file is left as it is."""
_MARK = struct.Struct(">x16sQ")
"""The first record of a compacted file: a byte that passes it over, random bytes, the file's length then."""
_HEAD_BYTES = 64
_READ_BYTES = 1 << 20
Wraps = dict[tuple[bytes, int], keyring.WrappedKey]
"""By stream id and key number."""


class WrapFile:
    """The file of wraps."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = path.with_name(path.name + ".next")
        """A compacted file until it takes its place; what a crash leaves of it is read by nobody."""
        self._head, self._end = b"", 0
        """How the file begins, and up to where it is known to hold whole records."""

    def append(self, wraps: Iterable[keyring.WrappedKey]) -> None:
        """Add `wraps`; synced before this returns."""
        data = b"".join(_record(wrap) for wrap in wraps)
        if not data:
            return
        with self._held() as descriptor:
            end = self._whole_end(descriptor)
            if os.fstat(descriptor).st_size > end:
                # What was cut short by a crash belongs to no batch.
                os.ftruncate(descriptor, end)
            _write(descriptor, data, at=end)
            self._head, self._end = os.pread(descriptor, _HEAD_BYTES, 0), end + len(data)

    def load(self) -> Wraps:
        """Every wrap, the newest of each key; an overwritten record is passed over."""
        wraps: Wraps = {}
        if not self._path.exists():
            return wraps
        with self._held() as descriptor:
            for _, record in _records(descriptor, start=0):
                if record[0]:
                    wrap = _wrap(record)
                    wraps[wrap.stream_id, wrap.number] = wrap
        return wraps

    def forget(self, stream_id: bytes) -> None:
        """Overwrite the records of a stream; synced before this returns."""
        if not self._path.exists():
            return
        with self._held() as descriptor:
            self._next.unlink(missing_ok=True)
            found = [item for item in _records(descriptor, start=0) if stream_id in item[1]]
            # The first byte alone says that a record is gone: a crash amid the rest leaves no half record.
            for offset, _ in found:
                _write(descriptor, b"\x00", at=offset)
            for offset, record in found:
                _write(descriptor, bytes(len(record)), at=offset)

    def compact(self, *, renamed: Callable[[], None] = lambda: None) -> bool:
        """Leave the newest wrap of each key alone, if the file has doubled since that was last done.

        `renamed` is called when the compacted file is synced and in place, before its folder is synced.
        """
        if not self._path.exists():
            return False
        with self._held() as descriptor:
            if not _has_doubled(descriptor):
                return False
            newest: dict[tuple[bytes, int], tuple[int, int]] = {}
            for offset, record in _records(descriptor, start=0):
                if record[0]:
                    wrap = _wrap(record)
                    newest[wrap.stream_id, wrap.number] = offset, len(record)
            # A crash up to here leaves the file as it was.
            self._write_next(descriptor, sorted(newest.values()))
            os.replace(self._next, self._path)  # noqa: PTH105 - a rename over the file, whatever is open
            # From here the compacted file is the one, even if we crash: both say the same of every key.
            renamed()
            _sync_folder(self._path.parent)
        return True

    def _write_next(self, descriptor: int, places: Sequence[tuple[int, int]]) -> None:
        """The records at some places of the file, after a mark, synced in a file of their own."""
        self._next.unlink(missing_ok=True)
        lengths = [_MARK.size, *(length for _, length in places)]
        mark = _MARK.pack(os.urandom(16), sum(length + _LENGTH.size for length in lengths))
        made = os.open(self._next, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(made, "wb", buffering=_READ_BYTES) as file:
            file.write(_LENGTH.pack(len(mark)) + mark)
            for offset, length in places:
                file.write(_LENGTH.pack(length) + os.pread(descriptor, length, offset))
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def _held(self) -> Iterator[int]:
        """The file while no other process works on it; raises Unavailable when one never stops."""
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _lock(descriptor)
                # While we waited a compacted file may have taken the place of the one that we opened.
                if os.path.samestat(os.fstat(descriptor), os.stat(self._path)):  # noqa: PTH116
                    yield descriptor
                    return
            finally:
                os.close(descriptor)

    def _whole_end(self, descriptor: int) -> int:
        """Where the last whole record ends; of the file that we know only what others appended is read."""
        head, size = os.pread(descriptor, _HEAD_BYTES, 0), os.fstat(descriptor).st_size
        if head != self._head or size < self._end:
            self._head, self._end = head, 0
        if size != self._end:
            for offset, record in _records(descriptor, start=self._end):
                self._end = offset + len(record)
        return self._end


def _lock(descriptor: int) -> None:
    """The file is ours; a process that was stopped while it had it holds nobody up for ever."""
    give_up_at = time.monotonic() + WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > give_up_at:
                raise errors.Unavailable("another process holds the wraps") from None
            time.sleep(0.005)


def _has_doubled(descriptor: int) -> bool:
    """Whether the file is twice as long as when it was last compacted, and long enough to matter."""
    begin = os.pread(descriptor, _LENGTH.size + _MARK.size, 0)
    is_marked = begin[: _LENGTH.size + 1] == _LENGTH.pack(_MARK.size) + b"\x00"
    compacted = _MARK.unpack(begin[_LENGTH.size :])[1] if is_marked else 0
    return os.fstat(descriptor).st_size > max(COMPACT_FROM, 2 * compacted)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _record(wrap: keyring.WrappedKey) -> bytes:
    data = cbor.encode(vars(wrap))
    assert len(data) <= _RECORD_MAX, "a wrap is short"
    return _LENGTH.pack(len(data)) + data


def _wrap(record: bytes) -> keyring.WrappedKey:
    try:
        return keyring.WrappedKey(**cbor.decode_strictly(record))
    except (TypeError, ValueError) as error:
        raise errors.HistoryBroken("the wraps outside are damaged") from error


def _records(descriptor: int, *, start: int) -> Iterator[tuple[int, bytes]]:
    """Every whole record with its offset; one that a crash cut short ends the file."""
    buffer, offset = b"", start
    while True:
        more = os.pread(descriptor, _READ_BYTES, offset + len(buffer))
        buffer, at = buffer + more, 0
        while at + _LENGTH.size <= len(buffer):
            (length,) = _LENGTH.unpack_from(buffer, at)
            if not length:
                return
            if length > _RECORD_MAX:
                raise errors.HistoryBroken("the wraps outside are damaged")
            end = at + _LENGTH.size + length
            if end > len(buffer):
                break
            yield offset + at + _LENGTH.size, buffer[at + _LENGTH.size : end]
            at = end
        if not more:
            return
        buffer, offset = buffer[at:], offset + at


def _write(descriptor: int, data: bytes, *, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written
    os.fdatasync(descriptor)
