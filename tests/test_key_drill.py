"""Two services under load while every key is rotated twice: nobody is turned away, everything verifies."""

from __future__ import annotations

import pytest

from signing import keyring, trust
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


@pytest.mark.timeout(120)
def test_every_key_is_rotated_twice_under_load_and_everything_given_before_verifies(cluster: Cluster) -> None:
    with drilled(cluster) as drill:
        go_through(drill, rounds=2)
