"""Whoever may change anything in the database is found, and what was changed is named.

Every test has its own copy of one ledger and changes something in it as the database's owner, mostly
a single thing. "Found" means that the check says so in words that name the place.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest

from ledger import client, opening, reading, registry_commands
from ledger.state import ROWS
from signing import event, receipt
from tests.conftest import Cluster
from tests.tampering import Case, Stored, tell, with_fact
from tests.world import World

pytestmark = pytest.mark.slow("checks a whole ledger after each change")


@pytest.fixture(scope="module")
def story(cluster: Cluster) -> Iterator[Case]:
    """The ledger that every test copies; nobody has it open."""
    configured = cluster.clone()
    with opening.opened(configured, migrate=False) as ledger, ledger.appending() as appender:
        tell(World(ledger, appender))
    yield Case(configured)
    cluster.drop(configured)


@pytest.fixture
def case(cluster: Cluster, story: Case) -> Iterator[Case]:
    """A copy of it."""
    configured = cluster.clone(story.config)
    yield Case(configured)
    cluster.drop(configured)


def test_an_untouched_ledger_passes(case: Case) -> None:
    report = case.report()
    assert report.findings == ()
    assert (report.events, report.is_complete, report.unread) == (case.size(), True, ())
    assert report.events > 256, "a tile is among what was checked"
    assert report.checkpoints == case.sql("SELECT count(*) FROM checkpoints")[0][0]


def test_a_changed_byte_of_an_event_is_found(case: Case) -> None:
    index = case.index_of("LicenseUsed")
    state = bytearray(case.sql("SELECT state FROM events WHERE position = %s", index + 1)[0][0])
    at = state.index(case.parsed(index).event_id)
    state[at] ^= 1
    case.sql("UPDATE events SET state = %s WHERE position = %s", bytes(state), index + 1)
    told = case.told()
    assert told[0].startswith(f"checkpoint of size {case.head_of(index)}: root differs")
    assert f"tile 0/0: its hash of the event at index {index} differs from the event" in told


def test_bytes_that_are_no_event_are_found(case: Case) -> None:
    index = case.index_of("LicenseUsed")
    case.sql("UPDATE events SET state = '\\x00' || state WHERE position = %s", index + 1)
    assert case.told()[0].startswith(f"event at index {index}: not an event")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("topic", "'UseRefused'"),
        ("recorded_at", "recorded_at + 1"),
        ("stream_id", "gen_random_uuid()"),
        ("version", "version + 1000"),
    ],
)
def test_a_changed_column_is_found(case: Case, column: str, value: str) -> None:
    index = case.index_of("LicenseUsed")
    case.sql(f"UPDATE events SET {column} = {value} WHERE position = %s", index + 1)
    said = "is not its position" if column == "version" else "differs from its bytes"
    assert case.told()[0] == f"event at index {index}: column {column} {said}"


def test_swapped_sealed_parts_are_found(case: Case) -> None:
    first, second = case.index_of("LicenseUsed"), case.index_of("LicenseUsed", last=True)
    parts = dict(case.parsed(first).sealed), dict(case.parsed(second).sealed)
    case.rewrite_bytes(first, lambda about: replace(about, sealed=parts[1]))
    case.rewrite_bytes(second, lambda about: replace(about, sealed=parts[0]))
    told = case.told(facts_only=True)
    for index in (first, second):
        assert any(text.startswith(f"checkpoint of size {case.head_of(index)}: root") for text in told)


def test_an_event_deleted_in_the_middle_is_found(case: Case) -> None:
    index = case.index_of("LicenseUsed")
    case.sql("DELETE FROM events WHERE position = %s", index + 1)
    assert case.told(facts_only=True) == [f"event at index {index} is missing"]


def test_what_stands_twice_is_found(case: Case) -> None:
    index = case.index_of("LicenseUsed")
    for table in ("events", "checkpoints"):
        case.sql(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey")
    case.sql("DROP INDEX events_1_by_stream")
    case.sql("INSERT INTO events SELECT * FROM events WHERE position = %s", index + 1)
    case.sql("INSERT INTO checkpoints SELECT * FROM checkpoints WHERE size = %s", case.head_of(index))
    assert sorted(case.told(facts_only=True)) == [
        f"checkpoint of size {case.head_of(index)} is there twice",
        f"event at index {index} is there twice",
    ]


def test_a_long_run_of_deleted_events_is_found(case: Case) -> None:
    case.sql("DELETE FROM events WHERE position > 10")
    size = case.sql("SELECT max(size) FROM checkpoints")[0][0]
    assert f"events end at 10, but a checkpoint of size {size} stands" in case.told(with_anchor=False)


def test_the_newest_event_deleted_with_its_checkpoint_left_is_found(case: Case) -> None:
    size = case.size()
    case.sql("DELETE FROM events WHERE position = %s", size)
    told = case.told()
    assert f"events end at {size - 1}, the anchor has seen {size}: history behind the anchor" in told
    assert f"events end at {size - 1}, but a checkpoint of size {size} stands" in told


def test_the_newest_batch_deleted_with_its_checkpoint_is_found(case: Case) -> None:
    size = case.size()
    (kept,) = case.sql("SELECT max(size) FROM checkpoints WHERE size < %s", size)[0]
    case.sql("DELETE FROM events WHERE position > %s", kept)
    case.sql("DELETE FROM checkpoints WHERE size > %s", kept)
    assert f"events end at {kept}, the anchor has seen {size}: history behind the anchor" in case.told()
    told = case.told(with_anchor=False)
    assert told, "without an anchor the state says more than the events"
    assert all(" differs from the events" in text for text in told)


def test_two_swapped_events_are_found(case: Case) -> None:
    log = case.stored()
    index = next(i for i in range(150, len(log)) if log[i].recorded_at == log[i + 1].recorded_at)
    for place, item in ((index, log[index + 1]), (index + 1, log[index])):
        columns = "state = %s, topic = %s, stream_id = encode(%s, 'hex')::uuid"
        values = (item.state, item.topic, item.stream_id, place + 1)
        case.sql(f"UPDATE events SET {columns} WHERE position = %s", *values)
    told = case.told(facts_only=True)
    assert told[0].startswith(f"checkpoint of size {case.head_of(index)}: root differs")
    assert f"tile 0/0: its hash of the event at index {index} differs from the event" in told or index > 255


@pytest.mark.tampers
def test_an_over_grant_is_found_though_the_count_was_put_back(world: World) -> None:
    case = Case(world.ledger.config)
    world.issue()
    ref = world.grant(mode="holder", uses_max=1)
    world.use()
    assert case.told() == []
    case.sql("UPDATE authorizations SET uses_max = 9 WHERE authorization_ref = %s", ref)
    (used,) = world.use()
    assert used.event.topic == "LicenseUsed"
    case.sql("UPDATE authorizations SET uses_max = 1 WHERE authorization_ref = %s", ref)
    (finding,) = case.report().findings
    assert (finding.kind, finding.index) == ("rule", used.index)
    assert "LicenseUsed is forbidden by the state at its position" in finding.text
    assert "authorization-exhausted" in finding.text


@pytest.mark.tampers
def test_a_use_by_a_suspended_client_is_found_though_its_row_was_put_back(world: World) -> None:
    case = Case(world.ledger.config)
    world.issue()
    world.grant()
    assert world.hall.client_id is not None
    suspended = client.ClientSuspended(client_id=world.hall.client_id)
    world.do(registry_commands.RecordInRegistry(actor=world.ledger.console, facts=(suspended,)))
    row = "is_suspended = %s, generation = %s WHERE client_id = %s"
    case.sql(f"UPDATE clients SET {row}", False, 0, world.hall.client_id)
    (used,) = world.use()
    case.sql(f"UPDATE clients SET {row}", True, 1, world.hall.client_id)
    (finding,) = case.report().findings
    assert (finding.kind, finding.index) == ("rule", used.index)


def test_an_event_that_breaks_its_rule_is_named_and_passed_over(case: Case) -> None:
    index = case.index_of("LicenseUsed")
    case.rewrite_bytes(index, lambda about: with_fact(about, authorization_ref={}, fields=[[[]]]))
    told = case.told()
    assert any(text.startswith(f"event at index {index}: LicenseUsed cannot be applied") for text in told)


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("UPDATE authorizations SET uses = uses - 1 WHERE uses > 0", "column uses differs"),
        ("UPDATE authorizations SET uses_max = 9999 WHERE uses_max = 500", "column uses_max differs"),
        ("UPDATE licenses SET status = 'active' WHERE status = 'suspended'", "column status differs"),
        ("UPDATE licenses SET valid_to = 99999", "column valid_to differs"),
        ("UPDATE licenses SET field_names = '{\"a\": 1}'", "column field_names differs"),
        ("UPDATE clients SET scopes = '[\"audit:read\"]'", "column scopes differs"),
        ("UPDATE streams SET is_erased = true WHERE kind = 'organization'", "column is_erased differs"),
        ("DELETE FROM pieces", "the row is missing"),
        ("DELETE FROM organizations", "the row is missing"),
        ("DELETE FROM license_types", "the row is missing"),
        ("INSERT INTO organizations SELECT 0, '0', stream_id FROM streams LIMIT 1", "comes from no event"),
        ("UPDATE signing_keys SET public = '\\x00'", "column public differs"),
        ("UPDATE signing_keys SET compromised_since = 0", "column compromised_since differs"),
        ("UPDATE generations SET origin = 'other'", "column origin differs"),
        ("DELETE FROM data_keys", "a stream has no data key"),
        ("DELETE FROM directory WHERE kind = 'holder'", "no code leads to a holder"),
        ("UPDATE directory SET target = stream_id WHERE kind = 'license'", "a license that is not there"),
        ("UPDATE ring_state SET ledger_id = '\\x00'", "the database says it is another ledger's"),
    ],
)
def test_state_that_no_event_made_is_found(case: Case, statement: str, text: str) -> None:
    case.sql(statement)
    assert text in case.told()[0]


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        (
            """UPDATE directory d SET stream_id = o.stream_id, target = o.target, sealed = o.sealed
            FROM directory o WHERE d.kind = 'holder' AND o.lookup =
            (SELECT lookup FROM directory WHERE kind = 'holder' AND lookup <> d.lookup LIMIT 1)""",
            "(holder): its content is of another lookup",
        ),
        (
            """UPDATE directory d SET stream_id = (SELECT stream_id FROM directory
            WHERE kind = 'holder' AND stream_id <> d.stream_id LIMIT 1) WHERE kind = 'operator'""",
            "(operator): it does not open under its stream's data key",
        ),
        ("UPDATE directory SET lookup = sha256(lookup)", "its content is of another lookup"),
        ("UPDATE directory SET sealed = sha256(sealed)", "it does not open under its stream's data key"),
        ("UPDATE data_keys SET wrapped = sha256(wrapped)", "it does not open under its stream's data key"),
        ("UPDATE data_keys SET bucket = 5000", "it does not open under its stream's data key"),
        ("UPDATE idempotency SET first_index = 1000000", "an idempotency key leads to"),
    ],
)
def test_what_is_kept_beside_the_log_cannot_be_bent_unseen(case: Case, statement: str, text: str) -> None:
    case.sql("INSERT INTO idempotency VALUES (0, 0, 'key', 'digest', 0, 1)")
    assert case.told() == []
    case.sql(statement)
    assert any(text in told for told in case.told())


OTHER_VALUE = {
    "bigint": "coalesce({column}, 0) + 1",
    "integer": "{column} + 1",
    "text": "coalesce({column}, '') || 'x'",
    "bytea": "sha256(coalesce({column}, ''))",
    "boolean": "NOT {column}",
    "jsonb": "'[\"x\"]'",
    "uuid": "gen_random_uuid()",
}


@pytest.mark.parametrize(
    "table",
    [
        *("events", "checkpoints", "tiles"),
        # Each column costs a check of the whole ledger: decision state is changed with the campaigns.
        *(pytest.param(cls.table, marks=pytest.mark.faults) for cls in ROWS),
    ],
)
def test_no_column_of_what_the_events_make_can_be_changed_unseen(case: Case, table: str) -> None:
    columns = case.sql(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_name = %s AND table_schema = 'public' ORDER BY ordinal_position",
        table,
    )
    case.sql(f"CREATE TABLE saved AS SELECT * FROM {table}")
    for column, kind in columns:
        value = OTHER_VALUE[kind].format(column=column)
        if column == "position":
            value = "position + 100000"
        (last,) = case.sql(f"SELECT max(ctid) FROM {table}")[0]
        case.sql(f"UPDATE {table} SET {column} = {value} WHERE ctid = %s", last)
        facts_only = table in ("events", "checkpoints", "tiles")
        assert case.report(facts_only=facts_only).findings, f"{table}.{column}"
        # Emptied, not deleted from: the last row stays the one that lies last.
        case.sql(f"TRUNCATE {table}")
        case.sql(f"INSERT INTO {table} SELECT * FROM saved")
    assert case.told() == []


def test_a_forged_root_of_a_checkpoint_is_found(case: Case) -> None:
    case.sql("UPDATE checkpoints SET root = sha256(root) WHERE size = %s", case.head_of(150))
    (told,) = case.told(facts_only=True)
    assert told.startswith(f"checkpoint of size {case.head_of(150)}: root differs from that of the events")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("frontier = sha256(frontier)", "frontier differs"),
        ("generation = 1", "generation differs"),
        ("at = at + 1", "time differs from its newest event's"),
    ],
)
def test_another_lie_of_a_checkpoint_is_found(case: Case, change: str, text: str) -> None:
    size = case.head_of(150)
    case.sql(f"UPDATE checkpoints SET {change} WHERE size = %s", size)
    assert case.told(facts_only=True) == [f"checkpoint of size {size}: {text}"]


def test_a_forged_checkpoint_between_two_is_found(case: Case) -> None:
    case.sql("INSERT INTO checkpoints SELECT 0, 2, 0, root, frontier, at FROM checkpoints WHERE size = 4")
    (told,) = case.told(facts_only=True)
    assert told.startswith("checkpoint of size 2: root differs from that of the events")


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        (
            "UPDATE tiles SET hashes = set_byte(hashes, 32 * 17, 255 - get_byte(hashes, 32 * 17))",
            "tile 0/0: its hash of the event at index 17 differs from the event",
        ),
        ("UPDATE tiles SET hashes = '\\x00'", "tile 0/0 has the wrong length"),
        ("DELETE FROM tiles", "tile 0/0 is missing"),
        ("INSERT INTO tiles VALUES (0, 1, 0, '\\x00')", "tile 1/0 is of no event"),
    ],
)
def test_a_changed_tile_is_found(case: Case, statement: str, text: str) -> None:
    case.sql(statement)
    assert case.told(facts_only=True) == [text]


def test_a_database_set_back_is_found_by_the_anchor_and_by_a_kept_checkpoint(
    cluster: Cluster, story: Case, case: Case
) -> None:
    with opening.opened(case.config, migrate=False) as ledger, ledger.appending() as appender:
        World(ledger, appender)
        reader = reading.Reader(ledger.ways.service, ledger.vault)
        kept = reader.checkpoint()
        reader.close()
    assert case.told(since=kept) == []
    before, after = story.size(), case.size()
    earlier = Case(cluster.clone(story.config))
    try:
        shutil.copytree(case.config.data / "anchor", earlier.config.data / "anchor", dirs_exist_ok=True)
        assert earlier.told() == [
            f"events end at {before}, the anchor has seen {after}: history behind the anchor"
        ]
        shutil.copytree(story.config.data / "anchor", earlier.config.data / "anchor", dirs_exist_ok=True)
        assert earlier.told() == [], "whoever sets the anchor back too is not found by it"
        (told,) = earlier.told(since=kept)
        assert told.endswith(f"has seen {after}: history behind the given checkpoint")
    finally:
        cluster.drop(earlier.config)


@pytest.mark.tampers
def test_an_event_put_into_a_tree_made_to_fit_is_found_by_whoever_kept_something(world: World) -> None:
    case = Case(world.ledger.config)
    world.issue()
    (kept,) = world.use()
    log = case.stored()
    about = event.parse(log[kept.index].state)
    forged = replace(about, event_id=bytes(16))
    put_in = Stored(
        stream_id=forged.stream_id,
        topic=forged.topic,
        recorded_at=forged.recorded_at,
        state=event.encode(forged),
    )
    case.rewrite_log([*log[: kept.index], put_in, *log[kept.index :]], shifted_from=kept.index)
    assert case.told(with_anchor=False, with_keys=False) == [], "the database alone fits together"
    size = kept.index + 1
    assert f"at size {size} the history has another root than the anchor" in case.told(with_keys=False)
    proof = kept.receipt
    told = f"at size {size} the history has another root than the given checkpoint"
    assert told in case.told(with_anchor=False, with_keys=False, since=proof)
    assert told in case.told(with_anchor=False, with_keys=False, since=receipt.parse(proof).checkpoint)


def test_an_event_rewritten_in_a_tree_made_to_fit_is_found_by_the_anchor_and_by_the_keys(case: Case) -> None:
    index = case.index_of("UseRefused")
    log = case.stored()
    changed = replace(event.parse(log[index].state), case_number="CASE-0")
    log[index] = replace(log[index], state=event.encode(changed))
    case.rewrite_log(log)
    assert case.told(with_anchor=False, with_keys=False) == []
    by_anchor = f"at size {case.size()} the history has another root than the anchor"
    assert case.told(with_keys=False) == [by_anchor]
    (first,) = case.sql("SELECT min(size) FROM checkpoints")[0]
    assert f"checkpoint of size {first}: it was not written by this ledger" in case.told(with_anchor=False)
