"""The wraps outside survive torn writes and forget in place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ledger import errors, wraps
from signing import keyring


def test_a_record_cut_short_hides_none_that_come_after_it(tmp_path: Path) -> None:
    made = [
        keyring.WrappedKey(stream_id=bytes([n]) * 16, number=0, bucket=n, generation=1, wrapped=bytes(60))
        for n in range(1, 4)
    ]
    path = tmp_path / "wraps"
    wraps.WrapFile(path).append(made[:2])
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    file = wraps.WrapFile(path)
    assert len(file.load()) == 1
    file.append(made[2:])
    assert [wrap.bucket for wrap in file.load().values()] == [1, 3]
    wraps.WrapFile(path).append(made[1:2])
    file.append([replace(made[0], generation=2)])
    assert [wrap.generation for wrap in file.load().values()] == [2, 1, 1]
    file.forget(made[0].stream_id)
    assert [wrap.bucket for wrap in file.load().values()] == [3, 2]
    assert made[0].stream_id not in path.read_bytes()


def test_a_damaged_record_is_an_error_and_hides_nothing(tmp_path: Path) -> None:
    made = keyring.WrappedKey(stream_id=bytes(16), number=0, bucket=0, generation=1, wrapped=bytes(60))
    path = tmp_path / "wraps"
    wraps.WrapFile(path).append([made])
    whole = path.read_bytes()
    for damaged in (b"\xff" + whole[1:], whole[:4] + b"\xff" + whole[5:]):
        path.write_bytes(damaged + whole)
        with pytest.raises(errors.HistoryBroken):
            wraps.WrapFile(path).load()
