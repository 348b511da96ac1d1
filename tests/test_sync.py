"""Batches come from a front-end database once, and every row there says what became of it."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger import collection_sync, errors, front, front_database, front_file, stock_file, stock_run
from tests.batch_world import deleted, inserted, updated
from tests.conftest import Cluster
from tests.front_world import PASSWORD, Front, synced, syncing
from tests.world import World, citizen


@pytest.fixture(name="shared", scope="module")
def shared_(cluster: Cluster) -> Iterator[Front]:
    made = Front(cluster.server_url, f"front_{uuid.uuid4().hex[:8]}")
    yield made
    made.drop()


@pytest.fixture(name="department")
def department_(shared: Front) -> Front:
    """The front-end database of a department that has not sent anything."""
    shared.do("TRUNCATE front.licenses RESTART IDENTITY")
    return shared


def test_two_batches_are_taken_in_order_and_every_row_is_answered(
    world: World, department: Front, tmp_path: Path
) -> None:
    department.put("B-10", [deleted(2), updated(1, number="NO-1b"), inserted(3, holder_code="1")])
    department.put("B-9", [updated(2), inserted(1), inserted(2)])
    department.put("B-11", [inserted(4)], of=2)
    done = synced(world, department, tmp_path / "s")
    assert department.answers() == [
        ("S2", "ended", None),
        ("S1", "amended", None),
        ("S3", "rejected", "holder_code: length"),
        ("S2", "amended", None),
        ("S1", "issued", None),
        ("S2", "issued", None),
        ("S4", None, None),
    ]
    assert list(done.done) == ["B-9", "B-10"]
    assert done.incomplete == {"B-11": (1, 2)}
    assert not done.is_good
    assert [one.name for one in (tmp_path / "s").iterdir()] == [".lock"], "what rows say is gone"
    size = world.ledger.recorder.newest_index()
    with syncing(world, department, tmp_path / "s") as sync, sync.alone():
        assert sync.run().is_empty
        with pytest.raises(errors.Conflict):
            sync.alone().__enter__()
    # The department takes its answers back, and the folder is another machine's: the ledger knows the batch.
    department.do("UPDATE front.licenses SET state = NULL, error_remark = NULL WHERE batch = 'B-9'")
    synced(world, department, tmp_path / "other")
    assert department.states()[3:6] == ["exists"] * 3
    assert world.ledger.recorder.newest_index() == size


class Died(Exception):
    """The process ended here."""


def test_a_crash_between_record_and_answer_is_mended_by_the_next_run(
    world: World, department: Front, tmp_path: Path
) -> None:
    rows = [inserted(1), inserted(2, number=""), updated(1), inserted(3)]
    department.put("B-1", rows)

    @contextlib.contextmanager
    def dying(number: str, state: object) -> Iterator[Any]:
        yield lambda now: None
        raise Died

    with pytest.raises(Died):
        synced(world, department, tmp_path / "s", shown=dying)
    size = world.ledger.recorder.newest_index()
    assert department.states() == [None] * 4, "recorded, and nobody told"
    with pytest.raises(stock_run.Stopped):
        synced(world, department, tmp_path / "s", is_stopping=lambda: any(department.states()))
    assert sum(state is not None for state in department.states()) == 1
    half = tmp_path / "s" / "B-0"
    half.mkdir()
    (half / f"{front_file.ROWS}.new").write_bytes(b"half of a batch that nobody sends any more")
    done = synced(world, department, tmp_path / "s")
    assert not half.exists()
    assert department.answers() == [
        ("S1", "issued", None),
        ("S2", "rejected", "number: missing"),
        ("S1", "amended", None),
        ("S3", "issued", None),
    ]
    assert done.figures()["issued"] == 2
    assert world.ledger.recorder.newest_index() == size, "nothing was added"


def test_a_row_that_waits_is_answered_again_once_its_license_came(
    world: World, department: Front, tmp_path: Path
) -> None:
    department.put("B-1", [updated(1, source_id="W1"), inserted(2)])
    with syncing(world, department, tmp_path / "s") as sync, sync.alone():
        assert not sync.run().is_good
        assert department.states() == ["waiting", "issued"]
        assert sync.run(is_first=False).is_empty, "nothing came that it could have waited for"
        department.put("B-2", [inserted(1, source_id="W1")])
        assert list(sync.run(is_first=False).done) == ["B-2", "B-1"]
    assert department.states() == ["amended", "issued", "issued"]


def test_what_is_no_batch_is_sent_back_and_what_was_changed_later_too(
    world: World, department: Front, tmp_path: Path
) -> None:
    department.do("ALTER TABLE front.licenses ALTER batch DROP NOT NULL")
    department.put("B-1", [inserted(1)])
    department.put(None, [inserted(2)])
    department.put("no number", [inserted(3)])
    department.put("lock", [inserted(4)])
    department.put(citizen(1).code, [inserted(5)])
    done = synced(world, department, tmp_path / "s")
    assert (done.nameless, done.refused) == (3, {}), "a number that is a citizen ID is told to nobody else"
    assert [*done.done] == ["B-1", "lock"]
    assert department.answers()[1:3] == [
        ("S2", "rejected", "batch: missing"),
        ("S3", "rejected", "batch: name"),
    ]
    department.do("UPDATE front.licenses SET state = NULL, number = 'other' WHERE batch = 'B-1'")
    done = synced(world, department, tmp_path / "s")
    assert done.refused == {"B-1": "batch-differs"}
    assert department.answers()[0] == ("S1", "rejected", "batch: batch-differs")


def test_wrong_types_nulls_and_absurd_lengths_cost_their_row_alone(
    world: World, department: Front, tmp_path: Path
) -> None:
    rows = [
        inserted(1),
        inserted(2, holder_name="长" * 70_000),
        inserted(3, operation=None),
        inserted(4, operated_at="yesterday"),
        inserted(5, fields="{"),
        {},
        inserted(6, holder_name="two\nlines"),
        inserted(7, **dict.fromkeys(("number", "reason", "fields", "license_id"), '"' * 65_000)),
        inserted(8, issued_on="2015-06-01 00:00:00"),
    ]
    department.put("B-1", rows)
    synced(world, department, tmp_path / "s")
    states, remarks = department.states(), [str(remark) for *_, remark in department.answers()]
    assert [number for number, state in enumerate(states) if state == "issued"] == [0, 8]
    assert set(states) == {"issued", "rejected"}
    for number, told in enumerate(
        (
            *("holder_name: length", "operation: missing", "operated_at: time", "fields: json-syntax"),
            *("source_id: missing", "holder_name: name"),
        ),
        start=1,
    ):
        assert told in remarks[number]
    assert "reason: length" in remarks[7]


def test_bytes_that_are_no_text_cost_their_row_alone(world: World, cluster: Cluster, tmp_path: Path) -> None:
    old = Front(cluster.server_url, f"ascii_{uuid.uuid4().hex[:8]}", encoding="SQL_ASCII")
    try:
        old.do("SET client_encoding = 'SQL_ASCII'")
        old.put("B-1", [inserted(1, holder_name="name"), inserted(2, holder_name="name")])
        for number, name in ((1, "合成居民".encode("gb18030")), (2, b"\xff\xff")):
            put = "UPDATE front.licenses SET holder_name = convert_from(%s, 'SQL_ASCII') WHERE sequence = %s"
            old.do(put, name, number)
        asked = front.asked("front.licenses", encoding="gb18030")
        synced(world, old, tmp_path / "s", asked=asked)
        answers = old.conn.execute(b"SELECT state, error_remark FROM front.licenses ORDER BY sequence")
        assert [tuple(map(_text, row)) for row in answers] == [
            ("issued", None),
            ("rejected", "holder_name: encoding"),
        ]
    finally:
        old.drop()


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def test_an_unfit_table_is_told_with_the_names_of_its_columns(department: Front) -> None:
    department.do("ALTER TABLE front.licenses RENAME operated_at TO changed")
    department.do(f"REVOKE UPDATE (state) ON front.licenses FROM {department.role}")
    try:
        with pytest.raises(errors.Invalid) as found, _session(department.conninfo):
            pass
        told = " ".join(one["message"] for one in found.value.extra["errors"])
        for word in ("column changed is unknown", "column operated_at is missing", "GRANT UPDATE (state)"):
            assert word in told
    finally:
        department.do("ALTER TABLE front.licenses RENAME changed TO operated_at")
        department.do(f"GRANT UPDATE (state) ON front.licenses TO {department.role}")


def _session(conninfo: str) -> contextlib.AbstractContextManager[front_database.Session]:
    return front_database.Database(conninfo, front.asked("front.licenses")).session()


def test_a_front_end_database_that_is_gone_is_unavailable(department: Front) -> None:
    for conninfo in (department.conninfo.replace(department.name, "absent", 1), "host=/absent"):
        with pytest.raises(errors.Unavailable), _session(conninfo):
            pass


def test_the_ledger_may_answer_and_change_nothing_else(department: Front) -> None:
    department.put("B-1", [inserted(1)])
    with psycopg.connect(department.conninfo, autocommit=True) as conn:
        conn.execute("UPDATE front.licenses SET state = NULL")
        for forbidden in ("UPDATE front.licenses SET number = ''", "DELETE FROM front.licenses"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(forbidden)  # type: ignore[arg-type]


def column(name: str, kind: str = "text") -> front.Column:
    return front.Column(name, kind, -1, True, True, True)


def columns(**kinds: str) -> list[front.Column]:
    own = {
        "id": "int8",
        "cd_batch": "varchar",
        "batch_rows": "int4",
        "state": "varchar",
        "error_remark": "text",
        "handled_at": "timestamptz",
    }
    rest = dict.fromkeys(("cd_operation", "cd_time", "certificate_source_id", "ZZLXDM"), "text")
    return [column(name, kind) for name, kind in {**own, **rest, **kinds}.items()]


def test_columns_are_known_by_our_names_those_of_the_exchange_or_as_said() -> None:
    asked = front.asked("a.B", renames=["sequence=id", "fields.name=xm"], skips=["kept"])
    made = front.table(asked, columns(xm="text", kept="bytea"))
    assert made.data == ("operation", "operated_at", "source_id", "license_type", "fields.name")
    assert made.columns["fields.name"].name == "xm"
    assert made.remark_length_max is None
    whole = front.asked("a.B", renames=["sequence=id"], is_whole=True)
    assert (
        "batch_rows" not in front.table(whole, [one for one in columns() if one.name != "batch_rows"]).columns
    )


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ([], "no such table"),
        ([column("id")._replace(is_reachable=False)], "GRANT USAGE"),
        (columns(batch_rows="text"), "column batch_rows is an integer, not text"),
        (columns(batch="text"), "columns cd_batch and batch are both batch"),
        (columns(surname="text"), "column surname is unknown"),
        ([one for one in columns() if one.name != "cd_time"], "column operated_at is missing"),
    ],
)
def test_a_table_that_is_not_fit_says_which_column(found: list[front.Column], told: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        front.table(front.asked("a.B", renames=["sequence=id"] * bool(found)), found)
    assert told in str(refused.value.extra.get("errors", refused.value.detail))


@pytest.mark.parametrize("name", ["licenses", "front.", 'front."x"', ".x"])
def test_a_table_is_named_with_its_schema(name: str) -> None:
    with pytest.raises(errors.Invalid):
        front.asked(name)


@pytest.mark.parametrize("rename", ["number", "unknown=x", "number=", "number=a\0"])
def test_a_column_is_renamed_to_one_that_is_known(rename: str) -> None:
    with pytest.raises(errors.Invalid):
        front.asked("a.b", renames=[rename])


def test_a_connection_comes_from_a_file_that_nobody_else_reads(tmp_path: Path) -> None:
    file = tmp_path / "front"
    file.write_text(f"host=h dbname=d password={PASSWORD} sslmode=verify-full\n")
    file.chmod(0o644)
    with pytest.raises(errors.Invalid, match="chmod 600"):
        front_database.connection(None, file)
    file.chmod(0o600)
    assert "sslmode=verify-full" in front_database.connection("host=other", file)
    for text in (None, "", f"pass word={PASSWORD}"):
        with pytest.raises(errors.Invalid) as refused:
            front_database.connection(text, None)
        assert PASSWORD not in str(refused.value.detail)


def test_a_batch_on_disk_reads_as_the_table_has_it(tmp_path: Path) -> None:
    table = front.table(front.asked("a.B", renames=["sequence=id"]), columns(valid_to="timestamp"))
    day = b"2035-05-31 00:00:00"
    rows = [
        front_file.Row(7, [b"I", b'two\n"lines"', None, front.TOO_LONG, day]),
        front_file.Row(9, [b"x" * 300_000] * 4 + [b"y"]),
    ]
    assert front_file.write(tmp_path, table, rows) == 2
    with (tmp_path / front_file.ROWS).open("rb") as file, (tmp_path / front_file.SEQUENCES).open("rb") as at:
        first, second = front_file.Reader(file).records()
        sequences = front_file.Sequences(at)
        assert (sequences[first.line], sequences[second.line]) == (7, 9)
    assert first.values["operated_at"] == 'two\n"lines"'
    assert first.values["valid_to"] == "2035-05-31"
    assert [(one.field, one.message) for one in first.faults] == [("license_type", "length")]
    assert {one.message for one in second.faults} == {"length"}
    assert second.end < stock_file.RECORD_BYTES_MAX
    for unfit in ([7, 7], [None]):
        with pytest.raises(front_file.SequenceUnfit):
            front_file.write(tmp_path, table, [front_file.Row(one, [b""] * 5) for one in unfit])


def test_a_watch_waits_longer_while_it_finds_nobody() -> None:
    gone, nothing = errors.Unavailable("gone"), collection_sync.Summary()
    script = iter([gone, gone, gone, nothing, nothing, gone, *[gone] * 9, nothing])
    paused: list[float] = []
    firsts: list[bool] = []

    def run(*, is_first: bool) -> collection_sync.Summary:
        firsts.append(is_first)
        came = next(script, None)
        if came is None:
            raise stock_run.Stopped
        if isinstance(came, errors.Unavailable):
            raise came
        return came

    def wait(seconds: float) -> bool:
        paused.append(seconds)
        return False

    told: list[collection_sync.Summary] = []
    collection_sync.watch(run, every_s=60.0, wait=wait, told=told.append, failed=lambda error, pause: None)
    assert paused == [1, 2, 4, 60, 60, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 60]
    assert firsts == [True] * 4 + [False] * 13
    assert len(told) == 3
    collection_sync.watch(run, every_s=60.0, wait=lambda _: True, told=told.append, failed=lambda *_: None)
