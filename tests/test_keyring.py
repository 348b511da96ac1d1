"""Key files: whole, private, and shut to whoever lacks the secret."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signing import cbor, keyring, keys, seal, suites
from tests import rings

SECRET = bytes(range(32))
RING = keyring.create(
    origin="ledger.example/log", operator="11350000000000019H", suite=suites.INTL
).add_pepper()
KEKS = keyring.KekSet.create()
LEDGER_ID = RING.ledger_id
DATA_KEY = seal.DataKey(owner=bytes([1, 2] * 8), number=0, secret=bytes([9]) * 32)
BUCKET = keyring.bucket(DATA_KEY.owner)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ring"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_ring_is_read_back(path: Path) -> None:
    ring = rings.retired(rings.introduced(RING, "token"), RING.active("token").key_id)
    keyring.save_ring(ring, path, secret=SECRET)
    assert keyring.load_ring(path, secret=SECRET) == ring


def test_the_key_encryption_keys_are_read_back(path: Path) -> None:
    keks = KEKS.renew(5)
    keyring.save_keks(keks, path, secret=SECRET)
    assert keyring.load_keks(path, secret=SECRET) == keks


def test_a_key_file_is_for_its_owner_alone(path: Path) -> None:
    old = os.umask(0)
    try:
        keyring.save_ring(RING, path, secret=SECRET)
        keyring.save_ring(RING, path, secret=SECRET)
    finally:
        os.umask(old)
    assert mode(path) == 0o600
    assert [item.name for item in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("open_to_others", [0o644, 0o640, 0o604, 0o620, 0o601, 0o610])
def test_a_file_open_to_others_is_refused(path: Path, open_to_others: int) -> None:
    keyring.save_ring(RING, path, secret=SECRET)
    path.chmod(open_to_others)
    with pytest.raises(keyring.KeyRingError, match="0600"):
        keyring.load_ring(path, secret=SECRET)


def test_what_is_not_a_file_is_refused(path: Path) -> None:
    with pytest.raises(keyring.KeyRingError):
        keyring.load_ring(path, secret=SECRET)
    os.mkfifo(path, 0o600)
    with pytest.raises(keyring.KeyRingError, match="not a file"):
        keyring.load_ring(path, secret=SECRET)
    with pytest.raises(keyring.KeyRingError):
        keyring.load_ring(path.parent, secret=SECRET)


def test_another_secret_opens_nothing(path: Path) -> None:
    keyring.save_ring(RING, path, secret=SECRET)
    for secret in (SECRET[:-1], SECRET + b"\0", b""):
        with pytest.raises(keyring.KeyRingError, match="damaged or under another secret"):
            keyring.load_ring(path, secret=secret)


def test_every_changed_byte_is_noticed(path: Path) -> None:
    keyring.save_ring(RING, path, secret=SECRET)
    data = path.read_bytes()
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        path.write_bytes(changed)
        with pytest.raises(keyring.KeyRingError):
            keyring.load_ring(path, secret=SECRET)


def test_a_cut_or_lengthened_file_is_noticed(path: Path) -> None:
    keyring.save_ring(RING, path, secret=SECRET)
    data = path.read_bytes()
    for wrong in (b"", data[:-1], data + b"\0", data[: len(data) // 2]):
        path.write_bytes(wrong)
        with pytest.raises(keyring.KeyRingError):
            keyring.load_ring(path, secret=SECRET)


def test_a_file_of_the_other_kind_is_refused(path: Path) -> None:
    keyring.save_keks(KEKS, path, secret=SECRET)
    with pytest.raises(keyring.KeyRingError, match="kind ring"):
        keyring.load_ring(path, secret=SECRET)


def test_a_ring_of_another_version_of_the_program_is_refused(path: Path) -> None:
    contents: list[Any] = [
        {},
        [],
        {"signing": [[1]], "peppers": []},
        {"signing": [], "peppers": [], "new": 1},
    ]
    for content in contents:
        keyring._save("ring", content, path, SECRET)
        with pytest.raises(keyring.KeyRingError):
            keyring.load_ring(path, secret=SECRET)


def test_the_old_content_is_overwritten(path: Path) -> None:
    keyring.save_keks(KEKS, path, secret=SECRET)
    before = path.read_bytes()
    with path.open("rb") as old:
        keyring.save_keks(KEKS.renew(1).drop_old(1), path, secret=SECRET)
        assert old.read() == bytes(len(before))
    assert keyring.load_keks(path, secret=SECRET).keks[2] == KEKS.keks[2]


def test_a_leftover_of_an_earlier_crash_is_replaced(path: Path) -> None:
    leftover = path.with_name(f".{path.name}.new")
    leftover.symlink_to(path.with_name("elsewhere"))
    keyring.save_ring(RING, path, secret=SECRET)
    assert not path.with_name("elsewhere").exists()
    assert keyring.load_ring(path, secret=SECRET) == RING


def test_a_crash_before_the_rename_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring.save_ring(RING, path, secret=SECRET)

    def crash(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "rename", crash)
    with pytest.raises(OSError, match="no space"):
        keyring.save_ring(RING.add_pepper(), path, secret=SECRET)
    assert keyring.load_ring(path, secret=SECRET) == RING


def test_no_secret_stands_in_a_repr_or_a_file(path: Path) -> None:
    keyring.save_ring(RING, path, secret=SECRET)
    secrets = [held.seed for held in RING.signing] + [pepper for _, pepper in RING.peppers] + [RING.body_key]
    said = repr(RING) + repr(RING.signing) + repr(RING.signing[0])
    for secret in secrets:
        assert repr(secret) not in said
        assert secret.hex() not in said
        assert secret not in path.read_bytes()
    assert repr(KEKS) == "KekSet()"


def test_two_files_of_one_ring_share_no_ciphertext(path: Path) -> None:
    files = []
    for _ in range(2):
        keyring.save_ring(RING, path, secret=SECRET)
        files.append(cbor.decode_strictly(path.read_bytes()))
    assert all(first != second for first, second in zip(files[0][3:], files[1][3:], strict=True))


def test_each_purpose_has_one_active_key() -> None:
    old = RING.active("log")
    ring = rings.introduced(RING, "log")
    assert ring.version == RING.version + 1
    assert ring.active("log") != old
    back = rings.retired(ring, ring.active("log").key_id)
    assert back.active("log") == old
    assert back.signing_key("log").public == keys.SigningKey(old.seed).public
    with pytest.raises(keyring.KeyRingError):
        rings.retired(back, old.key_id).active("log")
    with pytest.raises(keyring.KeyRingError):
        RING.active("document")


def test_keys_of_different_purposes_differ() -> None:
    assert len({held.seed for held in RING.signing}) == len(keyring.PURPOSES)


def test_old_peppers_are_kept_until_dropped() -> None:
    ring = RING.add_pepper()
    assert [number for number, _ in ring.peppers] == [1, 2, 3]
    assert ring.drop_old_peppers().peppers == ring.peppers[-1:]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=16, max_size=16), st.integers(0, 9), st.binary(min_size=32, max_size=32))
def test_a_data_key_is_wrapped_and_unwrapped(owner: bytes, number: int, secret: bytes) -> None:
    key = seal.DataKey(owner=owner, number=number, secret=secret)
    wrap = KEKS.wrap(key, ledger_id=LEDGER_ID)
    assert KEKS.unwrap(wrap, ledger_id=LEDGER_ID) == key
    assert secret not in wrap.wrapped


def test_a_renewed_bucket_opens_old_wraps_until_the_old_key_is_dropped() -> None:
    wrap = KEKS.wrap(DATA_KEY, ledger_id=LEDGER_ID)
    renewed = KEKS.renew(BUCKET)
    assert renewed.unwrap(wrap, ledger_id=LEDGER_ID) == DATA_KEY
    dropped = renewed.drop_old(BUCKET)
    with pytest.raises(keys.SealBroken):
        dropped.unwrap(wrap, ledger_id=LEDGER_ID)
    again = renewed.wrap(DATA_KEY, ledger_id=LEDGER_ID)
    assert again.generation == wrap.generation + 1
    assert dropped.unwrap(again, ledger_id=LEDGER_ID) == DATA_KEY
    others = [keks for number, keks in enumerate(dropped.keks) if number != BUCKET]
    assert others == [keks for number, keks in enumerate(KEKS.keks) if number != BUCKET]


@pytest.mark.parametrize(
    "change",
    [
        {"stream_id": bytes(16)},
        {"stream_id": DATA_KEY.owner[:2] + bytes(14)},
        {"stream_id": b""},
        {"number": 1},
        {"bucket": BUCKET + 1},
        {"bucket": keyring.BUCKETS + BUCKET},
        {"bucket": BUCKET - keyring.BUCKETS},
        {"generation": 2},
        {"wrapped": b""},
        {"wrapped": bytes(60)},
    ],
    ids=str,
)
def test_a_wrap_is_bound_to_its_stream_number_and_bucket(change: dict[str, object]) -> None:
    wrap = KEKS.wrap(DATA_KEY, ledger_id=LEDGER_ID)
    moved = keyring.WrappedKey(**{**vars(wrap), **change})
    with pytest.raises(keys.SealBroken):
        KEKS.unwrap(moved, ledger_id=LEDGER_ID)
    with pytest.raises(keys.SealBroken):
        KEKS.unwrap(wrap, ledger_id=bytes(16))


def test_a_file_that_is_replaced_while_it_is_read_is_read_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is replaced is overwritten: whoever has it open sees nothing of it."""
    keyring.save_ring(RING, path, secret=SECRET)
    newer = [rings.introduced(RING, "log"), rings.introduced(RING, "log")]
    newest, real = newer[0], stat.S_ISREG

    def meanwhile(found: int) -> bool:
        if newer:
            keyring.save_ring(newer.pop(), path, secret=SECRET)
        return real(found)

    monkeypatch.setattr(keyring.stat, "S_ISREG", meanwhile)
    assert keyring.load_ring(path, secret=SECRET) == newest
