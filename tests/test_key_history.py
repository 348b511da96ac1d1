"""Signing keys come, are prepared, take over and are compromised; the log, the ring and verifiers know."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from ledger import errors, keeping, key_history, log, opening
from ledger.reading import Reader
from ledger.state import KeyRow
from signing import event, keyring, keys, note, receipt, suites, trust
from tests import history
from tests.key_drill import trust_bytes
from tests.world import World

KEY = b"key!"


def told(*facts: log.SigningKeyIntroduced | log.SigningKeyRetired | log.SigningKeyCompromised) -> KeyRow:
    """The row of a key of which the registry was told so."""
    past = history.begun()
    for made in facts:
        past.record(made, stream=history.REGISTRY, by=None)
    return past.row(KeyRow, KEY)


INTRODUCED = log.SigningKeyIntroduced(purpose="log", key_id=KEY, public=bytes(32))
RETIRED = log.SigningKeyRetired(key_id=KEY)


def compromised(since: int) -> log.SigningKeyCompromised:
    return log.SigningKeyCompromised(key_id=KEY, since=since)


def test_a_compromised_key_is_known_to_be_so_and_since_earlier_but_never_since_later() -> None:
    assert told(INTRODUCED, RETIRED).compromised_since is None
    assert told(INTRODUCED, RETIRED, compromised(9)).compromised_since == 9
    assert told(INTRODUCED, RETIRED, compromised(9), compromised(4)).compromised_since == 4
    for since in (9, 10):
        with pytest.raises(errors.Conflict, match="since size 9"):
            told(INTRODUCED, RETIRED, compromised(9), compromised(since))


def test_a_key_is_compromised_once_it_is_known_and_signs_no_more() -> None:
    with pytest.raises(errors.NotFound):
        told(compromised(0))
    with pytest.raises(errors.Conflict, match="retired first"):
        told(INTRODUCED, compromised(0))
    with pytest.raises(errors.Invalid):
        told(INTRODUCED, RETIRED, compromised(-1))


def records(ledger: opening.Ledger, purpose: str) -> list[key_history.KeyRecord]:
    with contextlib.closing(ledger.recorder.session()) as session:
        return [
            one
            for one in key_history.records(key_history.running(session), ledger.vault.ring)
            if one.purpose == purpose
        ]


def compromise(world: World, key_id: bytes, *, since: int | None = None) -> list[event.Event]:
    done = keeping.compromise_signing_key(
        world.ledger, world.appender, key_id, since=since, actor=world.ledger.console
    )
    return [item.event for item in done.recorded]


def trusted(ledger: opening.Ledger) -> trust.Ledger:
    """What a verifier reads now."""
    (known,) = trust.parse(trust_bytes(ledger)).ledgers
    return known


def test_a_retired_key_is_believed_up_to_the_last_size_that_it_signed(world: World) -> None:
    ledger = world.ledger
    world.issue()
    world.grant()
    (before,) = world.use()
    stolen = ledger.vault.log_key
    keeping.rotate_signing_key(ledger, world.appender, "log")
    (after,) = world.use()
    known = trusted(ledger)
    old, new = known.origins[0].keys
    assert (old.status, new.status, new.last_size) == ("retired", "active", None)
    assert trust.prove(known, before.receipt, event=before.data).checkpoint.size <= (old.last_size or 0)
    assert trust.prove(known, after.receipt, event=after.data).signer == new.key
    # Whoever has the retired key signs a true tree, later than the key did.
    with pytest.raises(receipt.ReceiptInvalid, match="signed no tree"):
        trust.prove(known, signed_again(after.receipt, stolen), event=after.data)


def signed_again(text: str, key: keys.SigningKey) -> str:
    """A receipt whose checkpoint another key signed."""
    parsed = receipt.parse(text)
    said = parsed.checkpoint.rpartition("\n\n")[0] + "\n"
    signed = note.sign(said, name=said.partition("\n")[0], key=key)
    return receipt.write(index=parsed.index, proof=parsed.proof, checkpoint=signed)


def test_receipts_under_a_compromised_key_need_a_fresh_one_which_the_ledger_gives(world: World) -> None:
    ledger = world.ledger
    world.issue()
    world.grant()
    (used,) = world.use()
    bad = ledger.vault.ring.active("log").key_id
    facts = compromise(world, bad, since=used.index)
    assert [about.topic for about in facts] == [
        "SigningKeyRetired",
        "SigningKeyCompromised",
        "SigningKeyIntroduced",
    ]
    known = trusted(ledger)
    with pytest.raises(trust.KeyCompromised):
        trust.prove(known, used.receipt, event=used.data)
    with contextlib.closing(Reader(ledger.ways.service, ledger.vault)) as reader:
        fresh = reader.receipt(used.index)
    assert trust.prove(known, fresh, event=used.data).index == used.index
    (later,) = world.use()
    trust.prove(known, later.receipt, event=later.data)
    (first, second) = records(ledger, "log")
    assert (first.status, first.compromised_since) == ("compromised", used.index)
    assert second.status == "active"
    with pytest.raises(errors.Conflict):
        compromise(world, bad, since=used.index)


def test_a_key_is_prepared_before_it_signs_and_takes_over_at_the_next_rotation(world: World) -> None:
    ledger = world.ledger
    for purpose in keyring.PURPOSES:
        signs = ledger.vault.ring.active(purpose).key_id
        prepared = keeping.prepare_signing_key(ledger, world.appender, purpose)
        assert ledger.vault.ring.active(purpose).key_id == signs
        assert [one.is_prepared for one in records(ledger, purpose)] == [False, True]
        with pytest.raises(errors.Conflict, match=prepared.hex()):
            keeping.prepare_signing_key(ledger, world.appender, purpose)
        assert keeping.rotate_signing_key(ledger, world.appender, purpose) == prepared
        assert [(one.status, one.is_prepared) for one in records(ledger, purpose)] == [
            ("retired", False),
            ("active", False),
        ]
    assert prepared in [held.key_id for held in ledger.vault.ring.signing]


def test_a_trust_file_of_before_a_prepared_rotation_is_enough_after_it(world: World) -> None:
    ledger = world.ledger
    world.issue()
    world.grant()
    keeping.prepare_signing_key(ledger, world.appender, "log")
    kept = trusted(ledger)
    keeping.rotate_signing_key(ledger, world.appender, "log")
    (used,) = world.use()
    trust.prove(kept, used.receipt, event=used.data)


def test_a_prepared_key_and_one_that_is_retired_are_compromised_too(world: World) -> None:
    ledger = world.ledger
    prepared = keeping.prepare_signing_key(ledger, world.appender, "token")
    signs = ledger.vault.ring.active("token").key_id
    assert [about.topic for about in compromise(world, prepared)] == [
        "SigningKeyRetired",
        "SigningKeyCompromised",
    ]
    assert ledger.vault.ring.active("token").key_id == signs
    fresh = keeping.rotate_signing_key(ledger, world.appender, "token")
    assert fresh not in (prepared, signs)
    compromise(world, signs, since=3)
    compromise(world, signs, since=1)
    assert [one.compromised_since for one in records(ledger, "token") if one.key_id == signs] == [1]
    assert ledger.vault.ring.active("token").key_id == fresh
    for key_id, since, error in ((b"none", 0, errors.NotFound), (fresh, 10_000, errors.Invalid)):
        with pytest.raises(error):
            compromise(world, key_id, since=since)


def test_the_history_of_a_key_is_in_the_rings_file_and_older_files_are_read(tmp_path: Path) -> None:
    ring = keyring.create(origin="ledger.example/log", operator=history.OPERATOR, suite=suites.INTL)
    assert all(len(keyring._held_items(held)) == 4 for held in ring.signing), "as they always were"
    first, second, third = ring.signing
    changed = (
        replace(first, is_retired=True, retired_at=7, compromised_since=0),
        replace(second, is_retired=True, retired_at=0),
        replace(third, is_prepared=True),
    )
    for signing in (ring.signing, changed):
        keyring.save_ring(replace(ring, signing=signing), tmp_path / "ring", secret=bytes(32))
        assert keyring.load_ring(tmp_path / "ring", secret=bytes(32)).signing == signing
