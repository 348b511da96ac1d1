"""Keys change, buckets are renewed and holders erased beside a ledger in use."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import random
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from ledger import (
    config,
    errors,
    identifiers,
    keeping,
    key_commands,
    key_history,
    opening,
    pen,
    reading,
    registry_commands,
    store,
    wraps,
)
from ledger.holder import HolderErased
from ledger.state import KeyRow
from signing import keyring, seal, trust
from tests import campaign, rings
from tests.world import CITIZEN_CARD, World, citizen

MADE_AT = datetime(2026, 1, 31, 8, 0, 0, tzinfo=UTC)


class Crash(Exception):
    """The process ends here."""


def stored(ledger: opening.Ledger) -> list[tuple[int, bytes]]:
    """Every event's position and bytes."""
    return rows(ledger, "SELECT position, state FROM events ORDER BY position")


def rows(ledger: opening.Ledger, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(str(ledger.ways.owner)) as conn:
        return conn.execute(statement).fetchall()  # type: ignore[arg-type]


def issue(world: World, holder: identifiers.HolderCode) -> bytes:
    return world.issue(holder, type_code=CITIZEN_CARD, name="合成")


def require_valid(ledger: opening.Ledger, issued: list[pen.Recorded]) -> None:
    """Every receipt verifies by the trust file as it is now."""
    (trusted,) = keeping.trust_file(ledger, made_at=MADE_AT).ledgers
    for item in issued:
        trust.prove(trusted, item.receipt, event=item.data)


@contextlib.contextmanager
def load(configured: config.Config, *, first: int) -> Iterator[list[pen.Recorded]]:
    """Another service process: issues to new holders and uses, until the block ends."""
    recorded: list[pen.Recorded] = []
    failures: list[BaseException] = []
    stop = threading.Event()

    def run() -> None:
        try:
            with opening.opened(replace(configured), migrate=False) as ledger, ledger.appending() as appender:
                world = World(ledger, appender)
                world.grant(type_codes=(CITIZEN_CARD,))
                number = first
                while not stop.is_set():
                    issue(world, citizen(number))
                    recorded.extend(world.use(holder=citizen(number), type_code=CITIZEN_CARD))
                    number += 1
                    started.set()
        except BaseException as error:  # noqa: BLE001
            failures.append(error)
        finally:
            started.set()

    started = threading.Event()
    thread = threading.Thread(target=run)
    thread.start()
    try:
        started.wait()
        yield recorded
    finally:
        stop.set()
        thread.join()
    assert not failures, failures
    assert {item.event.topic for item in recorded} == {"LicenseUsed"}


def test_a_pepper_rotates_under_load_and_no_event_changes(world: World, configured: config.Config) -> None:
    ledger = world.ledger
    refs = {number: issue(world, citizen(number)) for number in range(20)}
    world.grant(type_codes=(CITIZEN_CARD,))
    before = stored(ledger)
    first = world.use(holder=citizen(3), type_code=CITIZEN_CARD)
    told: list[int] = []
    with load(configured, first=400) as recorded:
        moved = keeping.rotate_pepper(ledger, progress=told.append)
        during = world.use(holder=citizen(5), type_code=CITIZEN_CARD)
        keeping.rotate_pepper(ledger)
    assert moved >= 40
    assert told[-1] == moved
    assert stored(ledger)[: len(before)] == before
    for number, ref in refs.items():
        (used,) = world.use(holder=citizen(number), type_code=CITIZEN_CARD)
        assert used.event.fact["license_ref"] == ref
    require_valid(ledger, [*first, *during, *recorded])
    assert [number for number, _ in ledger.vault.ring.peppers] == [3]
    assert rows(ledger, "SELECT DISTINCT pepper_id FROM directory") == [(3,)]
    holders = "SELECT count(*), count(DISTINCT stream_id) FROM directory WHERE kind = 'holder'"
    ((lookups, streams),) = rows(ledger, holders)
    assert lookups == streams


@pytest.mark.parametrize("step", range(6))
def test_a_rotation_cut_short_is_finished_and_nobody_is_lost_meanwhile(
    world: World, configured: config.Config, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The process ends at each save of the ring and at each commit; another process goes on."""
    ledger = world.ledger
    refs = {number: issue(world, citizen(number)) for number in range(3)}
    count = itertools.count()

    def crash_at(real: Any) -> Any:
        def maybe(*args: Any, **kwargs: Any) -> Any:
            if next(count) == step:
                raise Crash
            return real(*args, **kwargs)

        return maybe

    with monkeypatch.context() as patch, opening.opened(replace(configured), migrate=False) as dying:
        patch.setattr(keyring, "save_ring", crash_at(keyring.save_ring))
        patch.setattr(store.Session, "commit", crash_at(store.Session.commit))
        patch.setattr(keeping, "ROWS_PER_LOCK", 4)
        with pytest.raises(Crash):
            keeping.rotate_pepper(dying)
    world.grant(type_codes=(CITIZEN_CARD,))
    refs[3] = issue(world, citizen(3))
    for number, ref in refs.items():
        (used,) = world.use(holder=citizen(number), type_code=CITIZEN_CARD)
        assert used.event.fact["license_ref"] == ref
    keeping.rotate_pepper(ledger)
    assert len(ledger.vault.ring.peppers) == 1
    for number, ref in refs.items():
        (used,) = world.use(holder=citizen(number), type_code=CITIZEN_CARD)
        assert used.event.fact["license_ref"] == ref


def test_a_serial_and_an_operator_are_found_after_a_rotation(world: World) -> None:
    world.grant()
    world.issue()
    (before,) = world.use()
    keeping.rotate_pepper(world.ledger)
    (after,) = world.use()
    assert before.event.operator_ref == after.event.operator_ref
    assert rows(world.ledger, "SELECT count(*) FROM directory WHERE kind = 'license'") == [(1,)]


def test_a_rotation_that_crashed_after_saving_the_ring_is_finished(world: World) -> None:
    ledger = world.ledger
    ref = issue(world, citizen(1))
    world.grant(type_codes=(CITIZEN_CARD,))
    path = ledger.config.data / "keys" / "ring"
    secret = opening.file_secret(ledger.config)
    keyring.save_ring(ledger.vault.ring.add_pepper(), path, secret=secret)
    assert keeping.rotate_pepper(ledger) > 0
    assert [number for number, _ in ledger.vault.ring.peppers] == [2]
    (used,) = world.use(holder=citizen(1), type_code=CITIZEN_CARD)
    assert used.event.fact["license_ref"] == ref


def test_a_ring_saved_by_a_process_that_crashed_is_everyones_once_it_is_used(
    world: World, configured: config.Config
) -> None:
    ledger = world.ledger
    path = ledger.config.data / "keys" / "ring"
    keyring.save_ring(ledger.vault.ring.add_pepper(), path, secret=opening.file_secret(ledger.config))
    with opening.opened(replace(configured), migrate=False) as other, other.appending() as appender:
        neighbor = World(other, appender)
        ref = issue(neighbor, citizen(7))
    world.grant(type_codes=(CITIZEN_CARD,))
    (used,) = world.use(holder=citizen(7), type_code=CITIZEN_CARD)
    assert used.event.fact["license_ref"] == ref


def test_who_only_reads_finds_a_holder_while_and_after_others_rotate(
    world: World, configured: config.Config
) -> None:
    issue(world, citizen(1))
    asked = ("holder", citizen(1).code_type, citizen(1).code)
    with opening.opened(replace(configured), migrate=False) as other:
        reader = reading.Reader(other.ways.service, other.vault)
        with contextlib.closing(reader):
            before = reader.find(*asked)
            assert before is not None
            for _ in range(2):
                keeping.rotate_pepper(world.ledger)
                assert reader.find(*asked) == before
            assert reader.find("holder", "111", "nobody") is None


def test_who_only_reads_opens_what_a_renewed_bucket_wraps(
    world: World, configured: config.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = issue(world, citizen(1))
    ((owner,),) = rows(world.ledger, f"SELECT stream_id FROM licenses WHERE license_ref = '\\x{ref.hex()}'")
    assert isinstance(owner, bytes)
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(opening.opened(replace(configured), migrate=False))
        reader = stack.enter_context(contextlib.closing(reading.Reader(other.ways.service, other.vault)))
        stale = [reader.wraps([owner])]
        keeping.renew_bucket(world.ledger, keyring.bucket(owner))
        opened = reader.data_key(owner)
        assert opened is not None
        other.vault.reload()
        real = reader.wraps
        monkeypatch.setattr(reader, "wraps", lambda owners: stale.pop() if stale else real(owners))
        assert reader.data_key(owner) == opened
        assert not stale
        assert reader.data_key(bytes(16)) is None


def test_an_erased_holder_cannot_be_read_and_all_others_can(world: World) -> None:
    ledger = world.ledger
    for number in range(12):
        issue(world, citizen(number))
    world.grant(type_codes=(CITIZEN_CARD,))
    (used,) = world.use(holder=citizen(4), type_code=CITIZEN_CARD)
    known = {key.owner: key for key in keys_of(ledger)}
    result = keeping.erase_holder(ledger, world.appender, citizen(4), ledger.console)
    (erased,) = result.recorded
    stream_id = erased.event.stream_id
    assert erased.event.topic == HolderErased.__name__
    assert stream_id in known
    assert stream_id not in {key.owner for key in keys_of(ledger)}
    assert {key.owner for key in keys_of(ledger)} == known.keys() - {stream_id}
    outside = ledger.config.data / "anchor" / "wraps"
    assert stream_id not in outside.read_bytes()
    (refused,) = world.use(holder=citizen(4), type_code=CITIZEN_CARD)
    assert refused.event.topic == "UseRefused"
    (granted,) = world.use(holder=citizen(5), type_code=CITIZEN_CARD)
    assert granted.event.topic == "LicenseUsed"
    require_valid(ledger, [used, erased])


def keys_of(ledger: opening.Ledger) -> list[seal.DataKey]:
    """Every data key that opens now, from the wraps outside; they are those inside too."""
    vault = ledger.vault
    vault.reload()
    outside = {wrap.stream_id: wrap for wrap in vault.wraps.load().values()}
    inside = rows(ledger, "SELECT stream_id, number, bucket, generation, wrapped FROM data_keys")
    assert {stream_id: outside[stream_id] for stream_id, *_ in inside} == {  # type: ignore[index]
        row[0]: keyring.WrappedKey(**dict(zip(vars(outside[row[0]]), row, strict=True)))  # type: ignore[index]
        for row in inside
    }
    return list(vault.unwrap(outside.values()).values())


def test_a_bucket_is_renewed_while_other_processes_write_to_it(
    world: World, configured: config.Config
) -> None:
    ledger = world.ledger
    issue(world, citizen(1))
    with load(configured, first=200) as recorded:
        for wrap in list(ledger.vault.wraps.load().values()):
            keeping.renew_bucket(ledger, wrap.bucket)
    assert recorded
    assert {wrap.generation for wrap in ledger.vault.wraps.load().values()} >= {2}
    keys_of(ledger)
    issue(world, citizen(1))


@pytest.mark.parametrize("step", range(5))
def test_an_erasure_cut_short_is_finished(world: World, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    ledger = world.ledger
    issue(world, citizen(1))
    issue(world, citizen(2))
    count = 0

    def crash_at(real: object) -> object:
        def maybe(*args: object, **kwargs: object) -> object:
            nonlocal count
            count += 1
            if count == step + 1:
                raise Crash
            return real(*args, **kwargs)  # type: ignore[operator]

        return maybe

    with monkeypatch.context() as patch:
        patch.setattr(keyring, "save_keks", crash_at(keyring.save_keks))
        patch.setattr(keyring, "save_ring", crash_at(keyring.save_ring))
        patch.setattr(wraps.WrapFile, "forget", crash_at(wraps.WrapFile.forget))
        with pytest.raises(Crash):
            keeping.erase_holder(ledger, world.appender, citizen(1), ledger.console)
    ledger.vault.reload()
    finished = keeping.finish_erasures(ledger)
    assert len(finished) <= 1
    ledger.vault.reload()
    assert all(len(held) == 1 for held in ledger.vault.keks.keks)
    keys_of(ledger)
    ((stream_id,),) = rows(ledger, "SELECT stream_id FROM streams WHERE is_erased")
    assert stream_id not in {owner for owner, _ in ledger.vault.wraps.load()}
    assert keeping.finish_erasures(ledger) == ()
    issue(world, citizen(2))


def test_signing_keys_rotate_under_load_and_everything_before_verifies(
    world: World, configured: config.Config
) -> None:
    ledger = world.ledger
    world.issue()
    world.grant()
    issued = world.use()
    old = ledger.vault.ring.active("log").key_id
    with load(configured, first=300) as recorded:
        fresh = [keeping.rotate_signing_key(ledger, world.appender, "log")]
        issued += world.use()
        keeping.rotate_signing_key(ledger, world.appender, "token")
        fresh.append(keeping.rotate_signing_key(ledger, world.appender, "log"))
        issued += world.use()
    issued += world.use()
    require_valid(ledger, [*issued, *recorded])
    assert ledger.vault.ring.active("log").key_id == fresh[-1]
    with contextlib.closing(ledger.recorder.session()) as session:
        held = {row.key_id: row for row in key_history._rows(key_history.running(session), KeyRow)}
    assert held[old].retired_index is not None
    assert held[fresh[0]].retired_index is not None
    assert held[fresh[1]].retired_index is None
    (described,) = keeping.trust_file(ledger, made_at=MADE_AT).ledgers
    assert len(described.origins[0].keys) == 3
    assert [key.status for key in described.token_keys] == ["retired", "active"]


def test_what_a_key_signed_that_a_crash_left_unintroduced_verifies_with_the_trust_file(world: World) -> None:
    ledger = world.ledger
    world.issue()
    world.grant()
    ledger.vault.save_ring(rings.introduced(ledger.vault.ring, "log"))
    require_valid(ledger, world.use())


def test_a_key_saved_before_a_crash_is_in_the_log_after_the_next_rotation(world: World) -> None:
    ledger = world.ledger
    orphan = keyring.new_key(ledger.vault.suite, "log")
    ledger.vault.save_ring(key_commands.with_key(ledger.vault.ring, orphan))
    world.issue()
    fresh = keeping.rotate_signing_key(ledger, world.appender, "log")
    held = {row[0]: row[1] for row in rows(ledger, "SELECT key_id, retired_index FROM signing_keys")}
    assert held[orphan.key_id] is not None
    assert held[fresh] is None


def test_every_key_file_and_wrap_file_is_private(world: World) -> None:
    issue(world, citizen(1))
    keeping.erase_holder(world.ledger, world.appender, citizen(1), world.ledger.console)
    data = world.ledger.config.data
    for name in ("keys", "anchor", "secrets"):
        for path in (data / name).iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_bucket_is_a_number_of_the_set(ledger: opening.Ledger) -> None:
    with pytest.raises(errors.Invalid):
        keeping.renew_bucket(ledger, keyring.BUCKETS)


def test_only_a_purpose_of_the_ring_has_a_key(world: World) -> None:
    with pytest.raises(errors.Invalid):
        keeping.rotate_signing_key(world.ledger, world.appender, "other")


def test_an_unknown_holder_cannot_be_erased(world: World) -> None:
    with pytest.raises(errors.NotFound):
        keeping.erase_holder(world.ledger, world.appender, citizen(9), world.ledger.console)
    asked = registry_commands.EraseHolder(actor=world.issuer, holder=citizen(9))
    with pytest.raises(errors.NotFound):
        world.do(asked)


def keep_for_ever(configured: config.Config, seed: int, started: Any) -> None:
    """A process that changes keys until it is killed."""
    rng = random.Random(seed)
    with opening.opened(configured, migrate=False) as ledger, ledger.appending() as appender:
        started.set()
        while True:
            keeping.rotate_pepper(ledger)
            held = [wrap.bucket for wrap in ledger.vault.wraps.load().values()]
            keeping.renew_bucket(ledger, rng.choice(held))
            keeping.rotate_signing_key(ledger, appender, rng.choice(("log", "token")))


@pytest.mark.outside
@pytest.mark.faults
def test_killing_whoever_changes_keys_loses_nobody(world: World, configured: config.Config) -> None:
    rng = random.Random(campaign.seed())
    context = multiprocessing.get_context("spawn")
    ledger = world.ledger
    refs = {number: issue(world, citizen(number)) for number in range(40)}
    world.grant(type_codes=(CITIZEN_CARD,))
    before = stored(ledger)
    issued: list[pen.Recorded] = []
    for round_ in range(8):
        started = context.Event()
        keeper = context.Process(
            target=keep_for_ever, args=(configured, rng.getrandbits(32), started), daemon=True
        )
        keeper.start()
        assert started.wait(60)
        give_up_at = time.monotonic() + rng.uniform(0.0, 1.0)
        while time.monotonic() < give_up_at:
            number = rng.choice(list(refs))
            issued += world.use(holder=citizen(number), type_code=CITIZEN_CARD)
        keeper.kill()
        keeper.join()
        refs[100 + round_] = issue(world, citizen(100 + round_))
        issued += world.use(holder=citizen(100 + round_), type_code=CITIZEN_CARD)
    keeping.rotate_pepper(ledger)
    keeping.finish_erasures(ledger)
    keeping.rotate_signing_key(ledger, world.appender, "log")
    assert len(ledger.vault.ring.peppers) == 1
    assert all(len(held) == 1 for held in ledger.vault.keks.keks)
    for number, ref in refs.items():
        (used,) = world.use(holder=citizen(number), type_code=CITIZEN_CARD)
        assert used.event.fact["license_ref"] == ref
    assert {item.event.topic for item in issued} == {"LicenseUsed"}
    assert stored(ledger)[: len(before)] == before
    require_valid(ledger, issued)
    keys_of(ledger)
