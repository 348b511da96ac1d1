"""The wraps outside survive torn writes, forget in place, and are compacted without losing one."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from ledger import errors, keeping, wraps
from signing import keyring
from tests.world import World, citizen


class Crash(BaseException):
    """The process ends here."""


def crash(*_: object) -> None:
    """Where the process ends."""
    raise Crash


def made(number: int, *, generation: int = 1) -> keyring.WrappedKey:
    """The wrap of stream `number`."""
    return keyring.WrappedKey(
        stream_id=bytes([number]) * 16,
        number=0,
        bucket=number,
        generation=generation,
        wrapped=bytes([number, generation]) * 30,
    )


@pytest.fixture
def grown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> wraps.WrapFile:
    """A file of three keys, each wrapped again and again, of which one is erased."""
    monkeypatch.setattr(wraps, "COMPACT_FROM", 0)
    file = wraps.WrapFile(tmp_path / "wraps")
    for generation in range(1, 9):
        file.append([made(number, generation=generation) for number in (1, 2, 3)])
    file.forget(made(2).stream_id)
    return file


def test_a_record_cut_short_hides_none_that_come_after_it(tmp_path: Path) -> None:
    some = [made(number) for number in (1, 2, 3)]
    path = tmp_path / "wraps"
    wraps.WrapFile(path).append(some[:2])
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    file = wraps.WrapFile(path)
    assert len(file.load()) == 1
    file.append(some[2:])
    assert [wrap.bucket for wrap in file.load().values()] == [1, 3]
    wraps.WrapFile(path).append(some[1:2])
    file.append([replace(some[0], generation=2)])
    assert [wrap.generation for wrap in file.load().values()] == [2, 1, 1]
    file.forget(some[0].stream_id)
    assert [wrap.bucket for wrap in file.load().values()] == [3, 2]
    assert some[0].stream_id not in path.read_bytes()


def test_a_damaged_record_is_an_error_and_hides_nothing(tmp_path: Path) -> None:
    path = tmp_path / "wraps"
    wraps.WrapFile(path).append([made(1)])
    whole = path.read_bytes()
    for damaged in (b"\xff" + whole[1:], whole[:4] + b"\xff" + whole[5:]):
        path.write_bytes(damaged + whole)
        with pytest.raises(errors.HistoryBroken):
            wraps.WrapFile(path).load()


def test_a_compacted_file_says_the_same_in_less(grown: wraps.WrapFile, tmp_path: Path) -> None:
    path, other = tmp_path / "wraps", wraps.WrapFile(tmp_path / "wraps")
    before, size = grown.load(), path.stat().st_size
    other.append([made(4)])
    assert grown.compact()
    assert (grown.load(), path.stat().st_mode & 0o777) == (before | other.load(), 0o600)
    assert path.stat().st_size < size / 4
    assert made(2).stream_id not in path.read_bytes()
    assert [one.name for one in tmp_path.iterdir()] == ["wraps"]
    # Who appended before knows no more where the file ends.
    other.append([made(5)])
    grown.append([made(1, generation=9)])
    assert [(wrap.bucket, wrap.generation) for wrap in other.load().values()] == [
        (1, 9),
        (3, 8),
        (4, 1),
        (5, 1),
    ]


def test_a_file_is_compacted_once_it_has_doubled(grown: wraps.WrapFile, tmp_path: Path) -> None:
    assert grown.compact()
    compacted = (tmp_path / "wraps").read_bytes()
    assert not grown.compact()
    assert (tmp_path / "wraps").read_bytes() == compacted
    longest = 0
    for generation in range(9, 200):
        grown.append([made(number, generation=generation) for number in (1, 3)])
        longest = max(longest, (tmp_path / "wraps").stat().st_size)
        grown.compact()
    assert longest < 4 * len(compacted)
    assert {wrap.generation for wrap in grown.load().values()} == {199}


def test_a_small_file_is_left_as_it_is(tmp_path: Path) -> None:
    file = wraps.WrapFile(tmp_path / "wraps")
    assert not file.compact()
    file.append([made(1), made(1, generation=2)])
    assert not file.compact()
    assert len(wraps.WrapFile(tmp_path / "wraps").load()) == 1


def test_a_crash_leaves_the_old_file_or_the_new_one(
    grown: wraps.WrapFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "wraps"
    old = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", crash)
        with pytest.raises(Crash):
            grown.compact()
    assert path.read_bytes() == old
    assert made(1).stream_id in (tmp_path / "wraps.next").read_bytes()
    # What was left behind keeps no key of whoever is erased meanwhile.
    wraps.WrapFile(path).forget(made(1).stream_id)
    assert [one.name for one in tmp_path.iterdir()] == ["wraps"]
    before = wraps.WrapFile(path).load()
    with pytest.raises(Crash):
        wraps.WrapFile(path).compact(renamed=crash)
    assert wraps.WrapFile(path).load() == before
    assert path.stat().st_size < len(old) / 4


def test_who_waits_while_a_file_is_compacted_appends_to_the_new_one(
    grown: wraps.WrapFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, real = threading.Event(), wraps._lock

    def lock(descriptor: int) -> None:
        waits.set()
        real(descriptor)

    other = threading.Thread(target=wraps.WrapFile(tmp_path / "wraps").append, args=([made(7)],))

    def has_doubled(_: int) -> bool:
        monkeypatch.setattr(wraps, "_lock", lock)
        other.start()
        assert waits.wait(timeout=30), "it has opened the file that is about to go"
        return True

    monkeypatch.setattr(wraps, "_has_doubled", has_doubled)
    assert grown.compact()
    other.join(timeout=30)
    assert [wrap.bucket for wrap in grown.load().values()] == [1, 3, 7]


def test_renewals_and_erasures_let_the_file_shrink_and_every_living_key_open(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wraps, "COMPACT_FROM", 0)
    ledger = world.ledger
    for number in (1, 2, 3):
        world.issue(citizen(number))
    path = ledger.config.data / "anchor" / "wraps"
    living = {wrap.bucket for wrap in ledger.vault.wraps.load().values()}
    for bucket in living:
        keeping.renew_bucket(ledger, bucket)
    assert path.stat().st_size <= 3 * sum(
        len(wraps._record(one)) for one in ledger.vault.wraps.load().values()
    )
    known = ledger.vault.wraps.load()
    (erased,) = keeping.erase_holder(ledger, world.appender, citizen(2), ledger.console).recorded
    ledger.vault.reload()
    held = ledger.vault.wraps.load()
    assert known.keys() - held.keys() == {(erased.event.stream_id, 0)}
    assert ledger.vault.unwrap(held.values()).keys() == {owner for owner, _ in held}
    # A copy of the wraps from before brings nobody back: the bucket's key is gone.
    assert erased.event.stream_id not in ledger.vault.unwrap(known.values())
    world.issue(citizen(1))
