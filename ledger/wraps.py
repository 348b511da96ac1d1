"""The wraps outside: a copy of every wrapped data key, beside the anchor and not in the database.

A backup's own wraps could bring an erased holder back; a restore therefore takes its wraps from here.
New wraps are appended and synced before the batch that needs them commits: one too many does no harm.
Of several wraps of one key the last counts. Erasure overwrites the stream's records in place.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger import errors
from signing import cbor, keyring

_LENGTH = struct.Struct(">I")
WAIT_S = 2.0
_RECORD_MAX = 1024
_READ_BYTES = 1 << 20
Wraps = dict[tuple[bytes, int], keyring.WrappedKey]
"""By stream id and key number."""


class WrapFile:
    """The file of wraps."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._end = 0
        """Up to here the file is known to hold whole records."""

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
            self._end = end + len(data)

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
            found = [item for item in _records(descriptor, start=0) if stream_id in item[1]]
            # The first byte alone says that a record is gone: a crash amid the rest leaves no half record.
            for offset, _ in found:
                _write(descriptor, b"\x00", at=offset)
            for offset, record in found:
                _write(descriptor, bytes(len(record)), at=offset)

    @contextmanager
    def _held(self) -> Iterator[int]:
        """The file while no other process works on it; raises Unavailable when one never stops."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(descriptor)
            yield descriptor
        finally:
            os.close(descriptor)

    def _whole_end(self, descriptor: int) -> int:
        """Where the last whole record ends; only what others appended since is read."""
        if os.fstat(descriptor).st_size != self._end:
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
