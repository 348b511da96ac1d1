"""Files that commands read and write: bounded, whole or not at all, and every fault names the file."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from ledger import errors

BYTES_MAX = 20 * 1024 * 1024


def read(file: Path, *, bytes_max: int = BYTES_MAX) -> bytes:
    """The content of a file, of standard input where it is `-`; raises Invalid."""
    with opened(file) as stream:
        return rest_of(stream, file, bytes_max=bytes_max)


@contextlib.contextmanager
def opened(file: Path) -> Iterator[BinaryIO]:
    """A file, or standard input where it is `-`, for the block; raises Invalid when it cannot be read."""
    try:
        with contextlib.nullcontext(sys.stdin.buffer) if str(file) == "-" else file.open("rb") as stream:
            yield stream
    except OSError as error:
        raise errors.Invalid(f"cannot be read: {error.strerror}", field=file.name) from error


def rest_of(stream: BinaryIO, file: Path, *, first: bytes = b"", bytes_max: int = BYTES_MAX) -> bytes:
    """A file of which `first` was read, in one piece; raises Invalid when it is too large."""
    data = first + stream.read(bytes_max + 1 - len(first))
    if len(data) > bytes_max:
        raise errors.Invalid(f"larger than {bytes_max} bytes", field=file.name)
    return data


def write(data: bytes, file: Path) -> None:
    """Replace a file in one step; raises Invalid, and then what was there stands.

    What is no regular file, as a terminal or a pipe, is written to.
    """
    try:
        target = file.resolve()
        if target.exists() and not target.is_file():
            target.write_bytes(data)
            return
        fresh = target.with_name(f".{target.name}.new")
        fresh.write_bytes(data)
        fresh.replace(target)
    except OSError as error:
        raise errors.Invalid(f"cannot be written: {error.strerror}", field=file.name) from error


def write_lines(chunks: Iterable[bytes], file: Path) -> None:
    """Replace a file in one step by one that its owner alone reads; raises Invalid, and as `write` does."""
    try:
        target = file.resolve()
        if target.exists() and not target.is_file():
            with target.open("wb") as stream:
                stream.writelines(chunks)
            return
        fresh = target.with_name(f".{target.name}.new")
        fresh.unlink(missing_ok=True)
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.writelines(chunks)
            fresh.replace(target)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as error:
        raise errors.Invalid(f"cannot be written: {error.strerror}", field=file.name) from error
