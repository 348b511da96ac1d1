"""Two services under load while every key is rotated twice: nobody is turned away, everything verifies."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from ledger import config, errors, keeping, opening
from signing import document_judge, keyring, trust
from tests import campaign
from tests.conftest import Cluster
from tests.key_drill import Drill, drilled


def go_through(drill: Drill, *, rounds: int) -> None:
    """Every purpose is rotated, `rounds` times, prepared first every other time; then all is judged."""
    before = drill.trust_file()
    with drill.load():
        for number in range(rounds):
            for purpose in keyring.PURPOSES:
                drill.await_more()
                drill.rotate(purpose, prepared=number % 2 == 1)
        drill.await_more()
    after = drill.trust_file()
    drill.judge(after)
    (known,) = trust.parse(after).ledgers
    assert len(known.token_keys) == len(known.origins[0].keys) == 1 + rounds
    assert drill.signers() == {held.key.hash for held in known.origins[0].keys}
    assert trust.parse(before).ledgers[0].origins[0].keys[0].key == known.origins[0].keys[0].key


def rotate_for_ever(configured: config.Config, seed: int, started: Any) -> None:
    """An operator's process that changes keys until it is killed."""
    rng = random.Random(seed)
    with opening.opened(configured, migrate=False) as ledger, ledger.appending() as appender:
        started.set()
        while True:
            purpose = rng.choice(keyring.PURPOSES)
            if rng.random() < 0.5:
                with contextlib.suppress(errors.Conflict):
                    keeping.prepare_signing_key(ledger, appender, purpose)
            keeping.rotate_signing_key(ledger, appender, purpose)
            threading.Event().wait(0.05)


@pytest.mark.faults
def test_operators_who_are_killed_amid_rotations_turn_nobody_away(cluster: Cluster) -> None:
    rng = random.Random(campaign.seed())
    context = multiprocessing.get_context("spawn")
    with drilled(cluster) as drill:
        with drill.load():
            for _ in range(4):
                started = context.Event()
                keeper = context.Process(
                    target=rotate_for_ever, args=(drill.config, rng.getrandbits(32), started), daemon=True
                )
                keeper.start()
                assert started.wait(60)
                drill.await_more()
                threading.Event().wait(rng.random() / 2)
                keeper.kill()
                keeper.join()
                drill.await_more()
            for purpose in keyring.PURPOSES:
                drill.rotate(purpose)
            drill.await_more()
        drill.judge(drill.trust_file())
        campaign.say(f"given {drill.given.counts()}; {len(drill.signers())} keys signed checkpoints")


@pytest.mark.timeout(120)
def test_every_key_is_rotated_twice_under_load_and_everything_given_before_verifies(cluster: Cluster) -> None:
    with drilled(cluster) as drill:
        go_through(drill, rounds=2)


@pytest.mark.faults
@pytest.mark.timeout(240)
def test_documents_and_copies_of_before_verify_after_every_key_and_seal_was_changed_twice(
    cluster: Cluster,
) -> None:
    begun = time.monotonic()
    with drilled(cluster, with_papers=True) as drill:
        with drill.load():
            for number in range(2):
                for purpose in keyring.PURPOSES:
                    drill.rotate(purpose, prepared=number % 2 == 1)
                drill.await_more()
                drill.renew_seal()
                drill.await_more()
        trusted = drill.trust_file()
        drill.judge(trusted)
        (known,) = trust.parse(trusted).ledgers
        signers = {
            document_judge.judge(
                made,
                roots=known.documents.roots,
                at=datetime.now(UTC),
                revocation_lists=known.documents.revocation_lists,
            ).signer
            for made in drill.given.documents
        }
        assert len(known.documents.certificates) == 3
        assert len(signers) >= 2, "documents under an earlier seal are among them"
        campaign.say(f"given {drill.counts()}; {len(signers)} seals; {time.monotonic() - begun:.0f} s")
