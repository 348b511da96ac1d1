"""The appender on a real PostgreSQL: repeats, halves, turns, clocks, and what a refusal leaves behind.

To have commands decided in one batch, the tests hold the partition's row in a session of their own
while the commands queue: no sleeps, no guesses.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest

from ledger import (
    client,
    command,
    errors,
    identifiers,
    license_commands,
    opening,
    registry_commands,
    status_commands,
    use_commands,
    verification_commands,
)
from ledger.appender import Appender
from ledger.command import Command, Reads, Repeat, View, Wants
from ledger.fact import Draft
from ledger.pen import Pen, Result
from ledger.store import wall_clock
from ledger.vault import Vault
from signing import note, receipt
from tests.world import BUSINESS_LICENSE, ENTERPRISE, ISSUER, World, citizen

TABLES = ("events", "checkpoints", "directory", "data_keys", "idempotency", "licenses", "streams", "pieces")


@contextlib.contextmanager
def lock_held(ledger: opening.Ledger) -> Iterator[psycopg.Connection[Any]]:
    """The partition's row is locked by a session of ours: what is submitted meanwhile queues up."""
    with psycopg.connect(str(ledger.ways.owner)) as conn:
        conn.execute("SELECT partition FROM partitions WHERE partition = 0 FOR UPDATE")
        yield conn
        conn.rollback()


class Gate(Pen):
    """A pen that says when it begins a batch, and how large the batch is; it changes nothing."""

    def __init__(self, ledger: opening.Ledger, **members: Any) -> None:
        super().__init__(ledger.recorder, ledger.vault, **members)
        self.batches: list[list[Command]] = []

    def append(self, commands: Sequence[Command]) -> list[Result | errors.LedgerError]:
        self.batches.append(list(commands))
        return super().append(commands)


@contextlib.contextmanager
def appending(ledger: opening.Ledger, pen: Pen | None = None, **members: Any) -> Iterator[Appender]:
    appender = Appender(pen or Pen(ledger.recorder, ledger.vault), **members).start()
    try:
        yield appender
    finally:
        appender.stop()


def together(ledger: opening.Ledger, appender: Appender, asked: Sequence[Command]) -> list[Future[Result]]:
    """The futures of commands that are all decided in one batch, behind a first one of its own."""
    with lock_held(ledger):
        first = appender.submit(NoFacts(actor=asked[0].actor))
        while appender._waiting:
            pass
        futures = [appender.submit(item) for item in asked]
    first.result(60)
    return futures


@dataclass(frozen=True, kw_only=True)
class NoFacts(Command):
    """Decides that nothing is to be recorded."""

    def decide(self, view: View) -> list[Draft]:
        return []


@dataclass(frozen=True, kw_only=True)
class Broken(Command):
    """Fails with a programmer's mistake at one of its stages."""

    stage: str

    def wants(self, vault: Vault) -> Wants:
        assert self.stage != "wants", "broken on purpose"
        return Wants()

    def reads(self, view: View) -> Reads:
        assert self.stage != "reads", "broken on purpose"
        return Reads()

    def decide(self, view: View) -> list[Draft]:
        assert self.stage != "decide", "broken on purpose"
        return []


def issue(world: World, holder: identifiers.HolderCode = ENTERPRISE, **members: Any) -> Any:
    content = license_commands.Content(
        serial=license_commands.draw_serial(),
        number="NO-1",
        holder_name="合成持证主体",
        values={"name": "合成持证主体"},
        valid_from=18262,
        valid_to=None,
        issued_on=18262,
    )
    made = license_commands.IssueLicense(
        actor=world.issuer, type_code=BUSINESS_LICENSE, holder=holder, content=content
    )
    return replace(made, **members)


def verify(world: World) -> verification_commands.VerifyLicense:
    return verification_commands.VerifyLicense(actor=world.hall, license_ref=bytes(16))


def counts(ledger: opening.Ledger) -> dict[str, int]:
    """Rows of each table."""
    with psycopg.connect(str(ledger.ways.owner)) as conn:
        found = {}
        for table in TABLES:
            row = conn.execute(f"SELECT count(*) FROM {table}").fetchone()  # type: ignore[arg-type]
            assert row is not None
            found[table] = row[0]
        return found


def repeat(ledger: opening.Ledger, key: str, body: object, *, client: bytes | None = b"c") -> Repeat:
    digest = ledger.vault.suite.digest
    return Repeat(
        key=digest(repr((client, "issue", key)).encode()), body_digest=ledger.vault.body_digest(repr(body))
    )


def proven(world: World, results: Sequence[Result]) -> None:
    """Every receipt verifies, at the index that was said."""
    name = f"{world.ledger.vault.ring.origin}/0"
    key = note.VerifierKey(name=name, public=world.ledger.vault.log_key.public)
    for result in results:
        for item in result.recorded:
            assert receipt.verify(item.receipt, event=item.data, trusted=[key]).index == item.index


# --- repeats ---


def test_a_repeat_leads_to_the_same_event_and_adds_nothing(world: World) -> None:
    asked = issue(world, repeat=repeat(world.ledger, "k1", "body"))
    first = world.do(asked)
    before = counts(world.ledger)
    again = world.do(issue(world, repeat=repeat(world.ledger, "k1", "body")))
    assert again.is_repeat
    assert again.indexes == first.indexes
    assert counts(world.ledger) == before


def test_a_repeat_in_the_same_batch_shares_the_result(world: World) -> None:
    same = repeat(world.ledger, "k1", "body")
    asked = [issue(world, repeat=same), issue(world, repeat=same), issue(world)]
    one, two, other = (future.result(60) for future in together(world.ledger, world.appender, asked))
    assert one.recorded == two.recorded
    assert other.indexes == (one.indexes[-1] + 1,)
    proven(world, [one, two, other])


def test_a_repeat_after_a_restart_leads_to_the_same_event(world: World) -> None:
    first = world.do(issue(world, repeat=repeat(world.ledger, "k1", "body")))
    with opening.opened(world.ledger.config, migrate=False) as reopened, reopened.appending() as appender:
        again = appender.submit(issue(world, repeat=repeat(reopened, "k1", "body"))).result(60)
    assert (again.indexes, again.is_repeat) == (first.indexes, True)


def test_another_body_under_a_known_key_is_refused(world: World) -> None:
    world.do(issue(world, repeat=repeat(world.ledger, "k1", "body")))
    before = counts(world.ledger)
    with pytest.raises(errors.IdempotencyKeyReused):
        world.do(issue(world, repeat=repeat(world.ledger, "k1", "another body")))
    asked = [
        issue(world, repeat=repeat(world.ledger, "k2", "body")),
        issue(world, repeat=repeat(world.ledger, "k2", "another body")),
    ]
    good, bad = together(world.ledger, world.appender, asked)
    assert good.result(60).indexes
    with pytest.raises(errors.IdempotencyKeyReused):
        bad.result(60)
    assert counts(world.ledger)["events"] == before["events"] + 1


def test_a_key_of_another_client_is_another_key(world: World) -> None:
    first = world.do(issue(world, repeat=repeat(world.ledger, "k1", "body", client=b"one")))
    other = world.do(issue(world, repeat=repeat(world.ledger, "k1", "body", client=b"two")))
    assert not other.is_repeat
    assert other.indexes != first.indexes


def test_a_key_of_a_refused_command_is_not_spent(world: World) -> None:
    same = repeat(world.ledger, "k1", "body")
    with pytest.raises(errors.LicenseTypeUnknown):
        world.do(issue(world, type_code="11100000MB0143028R999", repeat=same))
    assert not world.do(issue(world, repeat=same)).is_repeat


def test_a_suspended_client_is_not_told_again_what_it_was_told(world: World) -> None:
    same = repeat(world.ledger, "k1", "body")
    world.do(issue(world, repeat=same))
    assert world.issuer.client_id is not None
    suspended = client.ClientSuspended(client_id=world.issuer.client_id)
    world.do(registry_commands.RecordInRegistry(actor=world.ledger.console, facts=(suspended,)))
    with pytest.raises(errors.ClientSuspended):
        world.do(issue(world, repeat=same))


# --- one command fails, the others do not notice ---


def test_a_command_that_the_database_refuses_costs_only_itself(world: World) -> None:
    """U+0000 cannot stand in a text column: here the edge, which refuses it first, is left out."""
    bad = registry_commands.RegisterClient(
        actor=world.ledger.console,
        name="nul\x00",
        acts_for=ISSUER,
        scopes=("license:use",),
        license_types=(),
        algorithm="Ed25519",
        keys=("k",),
    )
    asked: list[Command] = [issue(world, citizen(number)) for number in range(19)]
    asked.insert(7, bad)
    pen = Gate(world.ledger)
    with appending(world.ledger, pen) as appender:
        futures = together(world.ledger, appender, asked)
        for future in (*futures[:7], *futures[8:]):
            proven(world, [future.result(60)])
        with pytest.raises(errors.Conflict):
            futures[7].result(60)
    assert len(pen.batches[1]) == 20
    assert [bad] in pen.batches
    indexes = sorted(future.result().indexes[0] for future in (*futures[:7], *futures[8:]))
    assert indexes == list(range(indexes[0], indexes[0] + 19))


@pytest.mark.parametrize("stage", ["wants", "reads", "decide"])
def test_a_rule_that_raises_costs_one_command(world: World, stage: str) -> None:
    asked = [issue(world), Broken(actor=world.issuer, stage=stage), issue(world)]
    pen = Gate(world.ledger)
    with appending(world.ledger, pen) as appender:
        one, broken, two = together(world.ledger, appender, asked)
        assert two.result(60).indexes == (one.result(60).indexes[0] + 1,)
        with pytest.raises(errors.LedgerError) as failed:
            broken.result(60)
    assert type(failed.value) is errors.LedgerError
    assert [len(batch) for batch in pen.batches] == [1, 3]


def test_a_command_that_names_nothing_costs_only_itself(world: World) -> None:
    asked = [issue(world), use_commands.UseLicense(actor=world.hall), issue(world)]
    one, broken, two = together(world.ledger, world.appender, asked)
    assert two.result(60).indexes == (one.result(60).indexes[0] + 1,)
    with pytest.raises(errors.LedgerError):
        broken.result(60)


def test_later_commands_of_a_batch_see_what_earlier_ones_did(world: World) -> None:
    ref = world.issue()
    world.grant(uses_max=2)
    asked: list[Command] = [
        use_commands.UseLicense(actor=world.hall, holder=ENTERPRISE, type_code=BUSINESS_LICENSE)
        for _ in range(3)
    ]
    asked.insert(1, status_commands.ChangeStatus(actor=world.issuer, license_ref=ref, verb="suspend"))
    asked.insert(3, status_commands.ChangeStatus(actor=world.issuer, license_ref=ref, verb="reinstate"))
    pen = Gate(world.ledger)
    with appending(world.ledger, pen) as appender:
        told = [future.result(60).recorded[0].event for future in together(world.ledger, appender, asked)]
    topics = [about.fact.get("reason") or about.topic for about in told]
    assert topics == [
        "LicenseUsed",
        "LicenseSuspended",
        "license-suspended",
        "LicenseReinstated",
        "LicenseUsed",
    ]
    assert [len(batch) for batch in pen.batches] == [1, 5]


# --- what a refusal leaves behind ---


def test_a_refused_batch_leaves_nothing(world: World) -> None:
    before = counts(world.ledger)
    stranger = command.Actor(
        client_id=b"?" * 16, organization=ISSUER, operator=command.Operator(account="x", name="某人")
    )
    bad: list[Command] = [
        issue(world, citizen(1), type_code="11100000MB0143028R999", repeat=repeat(world.ledger, "1", "")),
        issue(world, citizen(2), actor=stranger, repeat=repeat(world.ledger, "2", "")),
        issue(world, citizen(3), actor=world.hall, repeat=repeat(world.ledger, "3", "")),
        status_commands.ChangeStatus(actor=world.issuer, license_ref=bytes(16), verb="suspend"),
        Broken(actor=world.issuer, stage="decide"),
    ]
    for future in together(world.ledger, world.appender, bad):
        with pytest.raises(errors.LedgerError):
            future.result(60)
    assert counts(world.ledger) == before
    assert world.do(issue(world)).indexes == (before["events"],)


def test_a_command_refused_by_the_database_leaves_nothing(world: World) -> None:
    before = counts(world.ledger)
    bad = registry_commands.RegisterClient(
        actor=world.ledger.console,
        name="\x00",
        acts_for="91350100MA0000007A",
        scopes=("license:use",),
        license_types=(),
        algorithm="Ed25519",
        keys=("k",),
    )
    with pytest.raises(errors.Conflict):
        world.do(bad)
    assert counts(world.ledger) == before


def test_a_use_that_is_not_authorized_makes_no_stream_and_no_key_for_its_holder(world: World) -> None:
    world.use(holder=citizen(1), type_code=BUSINESS_LICENSE)  # the operator becomes known here
    before = counts(world.ledger)
    (refused,) = world.use(holder=citizen(2), type_code=BUSINESS_LICENSE)
    assert refused.event.fact["reason"] == "not-authorized"
    after = counts(world.ledger)
    assert after.pop("events") == before.pop("events") + 1
    assert after.pop("checkpoints") == before.pop("checkpoints") + 1
    assert after == before


# --- queues ---


def test_a_full_queue_says_so_and_nothing_is_done(world: World) -> None:
    before = counts(world.ledger)["events"]
    with appending(world.ledger, queue_max=3) as appender, lock_held(world.ledger):
        futures = [appender.submit(issue(world))]
        while appender._waiting:
            pass
        futures += [appender.submit(issue(world)) for _ in range(2)]
        with pytest.raises(errors.QueueFull):
            appender.submit(issue(world))
        # Another client still finds a place, until the queue itself is full.
        futures.append(appender.submit(verify(world)))
        with pytest.raises(errors.QueueFull):
            appender.submit(verify(world))
    assert all(future.result(60).indexes for future in futures)
    assert counts(world.ledger)["events"] == before + 4


def test_one_client_with_many_commands_does_not_delay_another_by_more_than_a_batch(world: World) -> None:
    world.issue()
    world.grant()
    pen = Gate(world.ledger)
    with appending(world.ledger, pen, batch_max=64) as appender:
        use = use_commands.UseLicense(actor=world.hall, holder=ENTERPRISE, type_code=BUSINESS_LICENSE)
        greedy: list[Command] = [NoFacts(actor=world.issuer) for _ in range(1000)]
        futures = together(world.ledger, appender, [*greedy, use, use])
        for future in futures:
            future.result(60)
    assert pen.batches[1][:4] == [greedy[0], use, greedy[0], use]
    assert len(pen.batches[1]) == 64


def test_a_caller_that_hangs_up_does_not_cancel_its_command(world: World) -> None:
    asked = [issue(world), issue(world)]
    with lock_held(world.ledger):
        futures = [world.appender.submit(item) for item in asked]
        assert futures[1].cancel()
    assert futures[0].result(60).indexes
    world.do(NoFacts(actor=world.issuer))
    world.status(asked[1].license_ref, "suspend")


def test_what_was_queued_is_appended_before_the_appender_ends(world: World) -> None:
    appender = Appender(Pen(world.ledger.recorder, world.ledger.vault)).start()
    futures = [appender.submit(issue(world)) for _ in range(30)]
    appender.stop()
    proven(world, [future.result(0) for future in futures])
    with pytest.raises(errors.Unavailable):
        appender.submit(issue(world))


def test_every_receipt_of_a_batch_verifies(world: World) -> None:
    asked = [issue(world, citizen(number)) for number in range(40)]
    futures = together(world.ledger, world.appender, asked)
    results = [future.result(60) for future in futures]
    proven(world, results)
    first = results[0].indexes[0]
    assert [result.indexes for result in results] == [(first + number,) for number in range(40)]


# --- clocks ---


def test_a_clock_more_than_five_seconds_off_the_databases_stops_appending(world: World) -> None:
    before = counts(world.ledger)
    for off in (-5_500_000, 5_500_000):
        pen = Pen(world.ledger.recorder, world.ledger.vault, clock=lambda off=off: wall_clock() + off)
        with appending(world.ledger, pen) as appender, pytest.raises(errors.ClockUnfit):
            appender.submit(issue(world)).result(60)
    assert counts(world.ledger) == before
    for off in (-4_000_000, 4_000_000):
        pen = Pen(world.ledger.recorder, world.ledger.vault, clock=lambda off=off: wall_clock() + off)
        with appending(world.ledger, pen) as appender:
            assert appender.submit(issue(world)).result(60).indexes


@pytest.mark.tampers
def test_a_head_more_than_two_seconds_ahead_stops_appending(world: World) -> None:
    """The newest checkpoint's time is moved, as if the database's clock had been set back since."""
    world.issue()
    with psycopg.connect(str(world.ledger.ways.owner)) as conn:
        conn.execute(
            "UPDATE checkpoints SET at = at + 3600000000 WHERE size = (SELECT max(size) FROM checkpoints)"
        )
    with pytest.raises(errors.ClockUnfit):
        world.do(issue(world))


@pytest.mark.tampers
def test_the_time_of_recording_never_falls(world: World) -> None:
    first = world.do(issue(world)).recorded[0]
    ahead = wall_clock() + 1_500_000
    with psycopg.connect(str(world.ledger.ways.owner)) as conn:
        conn.execute(
            "UPDATE checkpoints SET at = %s WHERE size = (SELECT max(size) FROM checkpoints)", (ahead,)
        )
    later = [world.do(issue(world)).recorded[0] for _ in range(3)]
    times = [first.event.recorded_at, *(item.event.recorded_at for item in later)]
    assert times == sorted(times)
    assert times[1] == ahead
