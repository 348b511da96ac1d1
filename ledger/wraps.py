"""The wraps outside: a copy of every wrapped data key, beside the anchor and not in the database.

A backup's own wraps could bring an erased holder back; a restore therefore takes its wraps from here.
New wraps are appended and synced before the batch that needs them commits: one too many does no
harm. Erasure rewrites the file without the erased stream.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

from signing import cbor, keyring

_LENGTH = struct.Struct(">I")
_RECORD_MAX = 1024
Wraps = dict[tuple[bytes, int], keyring.WrappedKey]
"""By stream id and key number."""


class WrapFile:
    """The file of wraps."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = path.with_name(f"{path.name}.lock")

    def append(self, wraps: Iterable[keyring.WrappedKey]) -> None:
        """Add `wraps`; synced before this returns."""
        data = b"".join(_record(wrap) for wrap in wraps)
        if not data:
            return
        with self._lock.open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(descriptor, data)
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)

    def load(self) -> Wraps:
        """Every wrap, the newest of each key; a record cut short at the end was never used."""
        wraps: Wraps = {}
        data = self._path.read_bytes() if self._path.exists() else b""
        offset = 0
        while offset + _LENGTH.size <= len(data):
            (length,) = _LENGTH.unpack_from(data, offset)
            record = data[offset + _LENGTH.size : offset + _LENGTH.size + length]
            offset += _LENGTH.size + length
            if length > _RECORD_MAX or len(record) < length:
                break
            wrap = keyring.WrappedKey(**cbor.decode_strictly(record))
            wraps[wrap.stream_id, wrap.number] = wrap
        return wraps

    def rewrite(self, change: Callable[[Wraps], Wraps]) -> None:
        """Replace the content by what `change` makes of it; the old file's blocks are overwritten."""
        with self._lock.open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            kept = change(self.load())
            keyring.write_private(b"".join(_record(wrap) for wrap in kept.values()), self._path)


def _record(wrap: keyring.WrappedKey) -> bytes:
    data = cbor.encode(vars(wrap))
    return _LENGTH.pack(len(data)) + data
