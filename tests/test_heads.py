"""Heads that no anchor has seen: only what the ledger wrote is built upon, anchored and signed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger import errors
from signing import event, merkle
from tests.tampering import Case
from tests.world import World


@pytest.mark.tampers
def test_a_fitting_event_added_at_the_very_end_is_found_and_never_signed(world: World) -> None:
    """Nothing but a key tells it from what a service leaves that crashed before the anchor."""
    case = Case(world.ledger.config)
    world.issue()
    world.grant()
    (last,) = world.use()
    add_use(case, like=last.event)
    told = f"checkpoint of size {case.size()}: it was not written by this ledger"
    assert case.told() == [told]
    assert case.told(facts_only=True) == [told]
    anchored = world.ledger.vault.anchor.read()
    for _ in range(2):
        with pytest.raises(errors.HistoryBroken):
            world.use()
    assert world.ledger.vault.anchor.read() == anchored
    assert case.size() == anchored.size + 1


@pytest.mark.tampers
def test_a_head_whose_frontier_was_changed_is_not_built_upon(world: World) -> None:
    case = Case(world.ledger.config)
    world.issue()
    world.grant()
    world.use()
    anchored = world.ledger.vault.anchor.read()
    flipped = "set_byte(frontier, 5, 255 - get_byte(frontier, 5))"
    case.sql(f"UPDATE checkpoints SET frontier = {flipped} WHERE size = %s", case.size())
    with pytest.raises(errors.HistoryBroken):
        world.use()
    assert world.ledger.vault.anchor.read() == anchored
    case.sql(f"UPDATE checkpoints SET frontier = {flipped} WHERE size = %s", case.size())
    world.use()


@pytest.mark.tampers
def test_what_somebody_added_while_the_anchor_could_not_be_written_is_not_anchored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(world.ledger.config)
    world.issue()
    world.grant()
    (last,) = world.use()

    def full(*_: object) -> None:
        raise OSError("no space left on the device")

    with monkeypatch.context() as patched:
        patched.setattr("ledger.anchor.Lane.write", full)
        with pytest.raises(errors.OutcomeUnknown):
            world.use()
    (recorded_at,) = case.sql("SELECT at FROM checkpoints WHERE size = %s", case.size())[0]
    add_use(case, like=replace(last.event, recorded_at=recorded_at))
    anchored = world.ledger.vault.anchor.read()
    with pytest.raises(errors.HistoryBroken):
        world.use()
    assert world.ledger.vault.anchor.read() == anchored


def add_use(case: Case, *, like: event.Event) -> None:
    """Another use, with tree head and count, by somebody who has the database and no key."""
    size = case.size()
    added = replace(like, event_id=b"x" * 16)
    data = event.encode(added)
    frontier, at = case.sql("SELECT frontier, at FROM checkpoints WHERE size = %s", size)[0]
    peaks = tuple(frontier[start : start + 32] for start in range(0, len(frontier), 32))
    grown = merkle.Extension.of(peaks, size, [merkle.leaf_hash(data)])
    case.sql(
        "INSERT INTO events VALUES (0, %s, encode(%s, 'hex')::uuid, %s, %s, %s, %s)",
        size + 1,
        added.stream_id,
        size + 1,
        added.topic,
        added.recorded_at,
        data,
    )
    assert at == added.recorded_at
    case.sql(
        "INSERT INTO checkpoints VALUES (0, %s, 0, %s, %s, %s)",
        size + 1,
        grown.root,
        b"".join(grown.frontier),
        at,
    )
    case.sql("UPDATE authorizations SET uses = uses + 1")
