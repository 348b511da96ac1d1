"""Batches of sources are applied once and in the order of their rows, however they come."""

from __future__ import annotations

import contextlib
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger import (
    collection,
    collection_rejects,
    collection_row,
    disclosure,
    errors,
    license_commands,
    reading,
    stock_cells,
    stock_file,
    stock_results,
)
from ledger.collection import Batch as Numbered
from ledger.state import LicenseRow
from ledger.state_collection import BatchRow, CollectedRow
from signing import ids
from tests import history
from tests.batch_world import Batch, batch, deleted, inserted, standing, updated
from tests.history import version
from tests.stock_world import CITIZEN_CARD, ndjson_text
from tests.test_stock import opened
from tests.world import HALL, ISSUER, World, citizen


def shuffled(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return random.Random(4).sample(rows, len(rows))


def lives() -> list[dict[str, Any]]:
    """Rows of six licenses, each with another life."""
    at = "2026-11-25 10:00:0{}".format
    return [
        inserted(1),
        *(inserted(2), updated(2, at=at(1), number="NO-2b"), updated(2, at=at(2), number="NO-2c")),
        *(inserted(3), deleted(3)),
        *(inserted(4), updated(4, at=at(1), change="suspend"), updated(4, at=at(2), change="reinstate")),
        *(inserted(5), updated(5, valid_to="2040-05-31"), deleted(5, change="revoke")),
        *(inserted(6), updated(6, change="report-lost")),
    ]


def test_a_shuffled_batch_comes_to_what_the_sorted_one_does(world: World, tmp_path: Path) -> None:
    first = batch(world, lives(), tmp_path / "one")
    assert first.words() == [
        *("issued", "issued", "amended", "amended", "issued", "ended", "issued", "changed", "changed"),
        *("issued", "amended", "ended", "issued", "changed"),
    ]
    size = world.ledger.recorder.newest_index()
    again = batch(world, shuffled(lives()), tmp_path / "again", number="B-2")
    assert set(again.words()) == {"exists"}, "the rows of another batch add nothing either"
    assert world.ledger.recorder.newest_index() == size + 2, "that the batch came, and what became of it"
    moved = [{**row, "source_id": f"T{row['source_id']}"} for row in lives()]
    moved = [{**row, "number": f"T{row['number']}"} if "number" in row else row for row in moved]
    second = batch(world, shuffled(moved), tmp_path / "two", number="B-3")
    assert sorted(second.words()) == sorted(first.words())
    assert {name: [*one[:4], one[4].replace('"TNO', '"NO')] for name, one in second.standing().items()} == {
        f"T{name}": [*one] for name, one in first.standing().items()
    }
    assert [one[:2] for _, one in sorted(first.standing().items())] == [
        *(("active", 1), ("active", 3), ("cancelled", 1), ("active", 1), ("revoked", 2), ("active", 1)),
    ]


def test_the_same_batch_adds_nothing_and_another_under_its_number_is_refused(
    world: World, tmp_path: Path
) -> None:
    rows = [inserted(1), inserted(2), updated(2, number="NO-2b")]
    batch(world, rows, tmp_path / "one")
    size = world.ledger.recorder.newest_index()
    again = batch(world, rows, tmp_path / "two")
    assert again.words() == ["exists", "exists", "exists"]
    with pytest.raises(errors.BatchDiffers):
        batch(world, [*rows, inserted(3)], tmp_path / "three")
    assert world.ledger.recorder.newest_index() == size
    other = batch(world, [inserted(3)], tmp_path / "four", source="registry")
    assert other.words() == ["issued"], "every source numbers its own batches"


def test_a_row_waits_for_its_license_and_is_applied_when_that_has_come(world: World, tmp_path: Path) -> None:
    late = Batch(world, [updated(1, number="NO-1b"), deleted(2), updated(3)], tmp_path / "late", number="B-2")
    state = late.run()
    assert (late.words(), state.waiting) == (["waiting"] * 3, 3)
    assert late.run().waiting == 3
    early = batch(world, [inserted(1), inserted(2)], tmp_path / "early", number="B-1")
    assert early.words() == ["issued", "issued"]
    state = late.run()
    assert (late.words(), state.waiting, state.rows) == (["amended", "ended", "waiting"], 1, 3)
    assert (state.amended, state.ended) == (1, 1)
    assert [one[0] for one in late.standing().values()] == ["active", "cancelled"]
    assert late.run() == state


def test_a_row_that_is_older_than_what_is_known_changes_nothing(world: World, tmp_path: Path) -> None:
    batch(world, [inserted(1), updated(1, at="2026-11-25 12:00:00", number="new")], tmp_path / "one")
    rows = [updated(1, at="2026-11-25 11:00:00", number="old"), updated(1, at="2026-11-25T12:00:00+08:00")]
    stale = batch(world, rows, tmp_path / "two", number="B-2")
    assert stale.words() == ["outdated", "rejected"]
    assert stale.by_line[3]["faults"] == [{"column": "operated_at", "rule": "conflict"}]
    ended = batch(world, [deleted(1, at="2026-11-25 13:00:00")], tmp_path / "three", number="B-3")
    assert ended.words() == ["ended"]
    after = batch(world, [updated(1, at="2026-11-25 14:00:00")], tmp_path / "four", number="B-4")
    assert after.by_line[2]["faults"] == [{"column": "*", "rule": "status-conflict"}]


def test_a_license_of_two_sources_is_told_and_not_overwritten(world: World, tmp_path: Path) -> None:
    first = batch(world, [inserted(1), inserted(2)], tmp_path / "one")
    rows = [
        inserted(1, source_id="OTHER-1", holder_name="另一写法"),
        updated(2, number="overwritten"),
        inserted(3, source_id="OTHER-3"),
        inserted(3, source_id="OTHER-3b", at="2026-11-25 09:30:00"),
    ]
    second = batch(world, rows, tmp_path / "two", source="registry")
    assert second.words() == ["rejected", "rejected", "issued", "rejected"]
    for line, other in ((2, first.by_line[2]), (3, first.by_line[3]), (5, second.by_line[4])):
        assert second.by_line[line]["faults"] == [{"column": "source_id", "rule": "double-source"}]
        assert second.by_line[line]["license_ref"] == other["license_ref"]
    kept = standing(world, ids.parse(first.by_line[3]["license_ref"]))
    assert kept[1] == 1
    assert "overwritten" not in kept[4]


def test_rejected_rows_come_back_in_their_columns(world: World, tmp_path: Path) -> None:
    rows = [
        inserted(1, operation="X"),
        inserted(2, at="yesterday"),
        inserted(3, source_id=None),
        deleted(4, reason=""),
        deleted(5, change="suspend"),
        updated(6, change="cancel"),
        inserted(7, batch="B-9"),
        inserted(8, at="2199-01-01 00:00:00"),
        inserted(9, effective_on="2026-13-01", number=""),
        inserted(10),
    ]
    done = batch(world, rows, tmp_path / "r")
    told = {
        line - 1: {(one["column"], one["rule"]) for one in said.get("faults", ())}
        for line, said in done.by_line.items()
    }
    assert told == {
        1: {("operation", "choice")},
        2: {("operated_at", "time")},
        3: {("source_id", "missing")},
        4: {("reason", "missing")},
        5: {("change", "choice")},
        6: {("change", "choice")},
        7: {("batch", "other-batch")},
        8: {("operated_at", "in-the-future")},
        9: {("number", "missing")},
        10: set(),
    }
    header, *returned = done.rejected.splitlines()
    assert header.endswith(",error_remark")
    assert len(returned) == 9
    corrected = Batch(world, [], tmp_path / "again", number="B-2")
    corrected.data = f"{header}\n{returned[0].replace(',X,', ',I,')}\n".encode()
    assert corrected.run().issued == 1


def test_a_run_that_dies_ends_as_one_that_did_not(world: World, tmp_path: Path) -> None:
    rows = [row for count in range(1, 9) for row in (inserted(count), updated(count, number=f"{count}b"))]
    told: list[Any] = []
    data = shuffled(rows)

    def dying(dies_at: int) -> Any:
        def submit(asked: Any) -> Any:
            if len(told) == dies_at:
                raise KeyboardInterrupt
            told.append(world.appender.submit(asked))
            return told[-1]

        return submit

    for dies_at in (5, 12, 24):
        with pytest.raises(KeyboardInterrupt):
            Batch(world, data, tmp_path / "r", submit=dying(dies_at)).run()
        for future in told:
            future.exception(timeout=60)
    done = Batch(world, data, tmp_path / "r")
    state = done.run()
    assert (state.issued, state.amended, state.rows) == (8, 8, 16)
    assert len(done.outcomes) == 16
    assert {one[1] for one in done.standing().values()} == {2}
    assert stock_results.read_state(tmp_path / "r") == state


def test_an_update_keeps_holder_and_attachments_or_is_rejected(world: World, tmp_path: Path) -> None:
    first = batch(world, [inserted(1), inserted(2)], tmp_path / "one")
    held, pictured = (ids.parse(first.by_line[line]["license_ref"]) for line in (2, 3))
    row, version = opened(world, pictured)
    content = license_commands.Content(
        serial=disclosure.serial(row, version) or "",
        number="NO-2",
        holder_name="合成居民2",
        values={"name": "合成居民"},
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        issued_on=row.valid_from,
    )
    world.do(
        license_commands.AmendLicense(
            actor=world.issuer,
            license_ref=pictured,
            holder=citizen(2),
            content=content,
            attachments=(world.attach(),),
            looked_at=row.version_index,
            type_and_issuer=(row.type_code, row.issuer),
            serial_version=row.serial_version,
        )
    )
    rows = [updated(1, holder_code=citizen(2).code), updated(2)]
    second = batch(world, rows, tmp_path / "two", number="B-2")
    told = [second.by_line[line]["faults"][0] for line in (2, 3)]
    assert [(one["column"], one["rule"]) for one in told] == [
        ("holder_code", "invalid-holder-code"),
        ("*", "has-attachments"),
    ]
    assert (standing(world, held)[1], standing(world, pictured)[1]) == (1, 2)


@pytest.mark.parametrize(
    ("number", "known", "missing"),
    [
        ("20261126-003", [], ["20261126-001", "20261126-002"]),
        ("20261126-003", ["20261126-002"], ["20261126-001"]),
        ("20261126-001", [], []),
        ("2026112603", ["2026112601"], ["2026112602"]),
        ("57", [], []),
        ("57", ["54"], ["55", "56"]),
        ("0100", ["0098"], ["0099"]),
        ("night", [], []),
        ("A7000", [], []),
    ],
)
def test_numbers_tell_which_batches_did_not_come(number: str, known: list[str], missing: list[str]) -> None:
    assert Numbered(ISSUER, "archive", number).missing(set(known)) == missing


def test_a_gap_is_told_until_the_batch_has_come(world: World, tmp_path: Path) -> None:
    third = batch(world, [inserted(1)], tmp_path / "three", number="D-3")
    assert third.missing() == ["D-1", "D-2"]
    batch(world, [inserted(2)], tmp_path / "two", number="D-2")
    batch(world, [inserted(3)], tmp_path / "one", number="D-1", source="registry")
    assert third.missing() == ["D-1"]


@pytest.mark.parametrize("name", ["", "a b", "x" * 33, "/../", "批次", f"N{citizen(1).code}"])
def test_a_batch_has_a_plain_number(name: str) -> None:
    with pytest.raises(errors.Invalid):
        Numbered(ISSUER, "archive", name).check()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-11-25 17:03:22", 1795597402_000000 - 0),
        ("20261125170322", 1795597402_000000),
        ("2026-11-25T09:03:22Z", 1795597402_000000),
        ("2026-11-25T17:03:22.5+08:00", 1795597402_500000),
        ("2026-11-25", None),
        ("2026-02-30 00:00:00", None),
    ],
)
def test_times_of_sources_are_read_in_beijing_time(text: str, told: int | None) -> None:
    assert stock_cells.moment(text) == told


def test_the_digest_of_a_row_is_over_what_it_says_of_its_license() -> None:
    said = {"source_id": "S1", "number": "NO-1", "operated_at": "now", "operation": "I", "row_id": "7"}
    assert collection_row.row_digest(said) == collection_row.row_digest({"number": "NO-1", "source_id": "S1"})
    assert collection_row.row_digest(said) != collection_row.row_digest({**said, "number": "NO-2"})


def test_a_record_is_read_again_where_it_begins(tmp_path: Path) -> None:
    text = '\ufeffa,b\r\n1,"x\r\ny"\r\n\r\n2,z\r\n'
    path = tmp_path / "file"
    for form, content in (("csv", text), ("ndjson", '\ufeff{"a": "1"}\n\n{"a": "2"}\n')):
        path.write_bytes(content.encode())
        with path.open("rb") as file:
            rows = stock_file.Reader(file, stock_file.Form(format=form))
            starts, found = [rows.begun], []
            for record in rows.records():
                found.append(record)
                starts.append((record.end, record.lines))
            for start, record in zip(starts, found, strict=False):
                assert rows.record_at(offset=start[0], lines=start[1]) == record


# --- the facts' own rules, without a database ---


def received(past: history.History, *, number: str = "B-1", rows: int = 2) -> None:
    made = collection.BatchReceived(source="archive", number=number, rows=rows, digest=b"d")
    past.record(made, stream=history.STREAMS[ISSUER])


def collected(number: str = "B-1", operation: str = "I", at: int = 1) -> collection.LicenseCollected:
    return collection.LicenseCollected(
        license_ref=history.REF,
        source="archive",
        number=number,
        operation=operation,
        operated_at=at,
        digest=b"r",
    )


def settled(**counts: int) -> collection.BatchSettled:
    said = {"rows": 2, "applied": 0, "known": 0, "rejected": 0, "waiting": 0, **counts}
    return collection.BatchSettled(source="archive", number="B-1", **said)


def test_a_batch_is_received_once_and_settled_as_its_rows_are() -> None:
    past = history.begun()
    own = history.STREAMS[ISSUER]
    with pytest.raises(errors.NotFound):
        past.record(settled(applied=2), stream=own)
    received(past)
    with pytest.raises(errors.AlreadyExists):
        received(past)
    other = collection.BatchReceived(source="archive", number="B-1", rows=2, digest=b"e")
    with pytest.raises(errors.BatchDiffers):
        past.record(other, stream=own)
    with pytest.raises(errors.Conflict):
        past.record(settled(applied=2), stream=history.STREAMS[HALL])
    with pytest.raises(errors.Invalid):
        past.record(settled(applied=1), stream=own)
    past.record(settled(applied=1, waiting=1), stream=own)
    with pytest.raises(errors.AlreadyExists):
        past.record(settled(applied=1, waiting=1), stream=own)
    past.record(settled(applied=1, rejected=1), stream=own)
    assert past.row(BatchRow, f"{ISSUER} archive B-1").waiting == 0


def test_a_license_is_collected_in_the_order_of_its_source() -> None:
    past = history.begun()
    past.record(version())
    with pytest.raises(errors.NotFound):
        past.record(collected())
    received(past)
    past.record(collected())
    for late in (collected(), collected(operation="U", at=0)):
        with pytest.raises(errors.AlreadyExists):
            past.record(late)
    with pytest.raises(errors.Invalid):
        past.record(collected(operation="X", at=2))
    past.record(collected(operation="U"))
    elsewhere = collection.BatchReceived(source="registry", number="B-1", rows=1, digest=b"d")
    past.record(elsewhere, stream=history.STREAMS[ISSUER])
    with pytest.raises(errors.DoubleSource):
        past.record(replace(collected(at=9), source="registry"))
    assert past.row(CollectedRow, history.REF).operation == "U"


def waiting(world: World) -> list[collection_rejects.Open]:
    """Rejected rows of the issuer that nobody put right yet."""
    with contextlib.closing(reading.Reader(world.ledger.ways.service, world.ledger.vault)) as reader:
        return collection_rejects.waiting(reader, ISSUER, source=None, after=None, limit=100)


def test_rejected_rows_wait_in_a_list_until_they_are_put_right(world: World, tmp_path: Path) -> None:
    wrong = [inserted(1), inserted(2, number=""), updated(1, issued_on="never"), inserted(3, source_id=None)]
    batch(world, wrong, tmp_path / "one")
    by_line = {one.line: one for one in waiting(world)}
    assert {line: one.remark for line, one in by_line.items()} == {
        3: "number: missing",
        4: "issued_on: date",
        5: "source_id: missing",
    }
    assert (by_line[3].operation, by_line[3].type_code, by_line[3].times) == ("I", CITIZEN_CARD, 1)
    batch(world, [inserted(2, number=""), deleted(9)], tmp_path / "two", number="B-2")
    (again,) = [one for one in waiting(world) if one.number == "B-2"]
    assert (again.first_at, again.times) == (by_line[3].first_at, 2), "it keeps its age"
    right = [inserted(2), updated(1, number="NO-1b", at="2026-11-25 09:30:00")]
    batch(world, right, tmp_path / "three", number="B-3")
    assert {one.line for one in waiting(world)} == {4, 5}, "an older row puts nothing right"
    batch(world, [updated(1, number="NO-1c")], tmp_path / "four", number="B-4")
    (left,) = waiting(world)
    assert (left.line, left.type_code) == (5, CITIZEN_CARD)
    with contextlib.closing(reading.Reader(world.ledger.ways.service, world.ledger.vault)) as reader:
        (backlog,) = collection_rejects.backlogs(reader)
        assert (backlog.organization, backlog.source, backlog.rows) == (ISSUER, "archive", 1)
        said = {"source": f"{ISSUER} archive", "number": "B-1", "at": left.first_at + 1}
        assert [collection_rejects.dismiss(reader, **said) for _ in range(2)] == [1, 0]
    assert waiting(world) == []


def test_cells_that_are_no_text_are_faults_of_their_row(world: World, tmp_path: Path) -> None:
    rows = [{**updated(1), "license_type": ["x"]}, {**updated(2), "source_id": {"a": "b"}}, inserted(3)]
    made = Batch(world, [], tmp_path / "r", format="ndjson")
    made.data = ndjson_text(rows).encode()
    made.run()
    assert made.words() == ["rejected", "rejected", "issued"]
    assert [made.by_line[line]["faults"] for line in (1, 2)] == [
        [{"column": "license_type", "rule": "text"}],
        [{"column": "source_id", "rule": "text"}],
    ]


def test_a_source_says_what_courts_and_other_places_did(world: World, tmp_path: Path) -> None:
    at = "2026-11-25 10:00:0{}".format
    court = {"document_number": "（2026）闽01执1号"}
    rows = [
        *(inserted(1), updated(1, at=at(1), change="freeze", **court)),
        *(updated(1, at=at(2), change="release", **court), updated(1, at=at(3), change="freeze", **court)),
        *(inserted(2), updated(2, at=at(1), change="transfer-out", transferred_to="350200")),
        *(inserted(3), updated(3, at=at(1), change="transfer-out", transferred_to="350200")),
        updated(3, at=at(2), change="cancel-transfer"),
        updated(3, at=at(3), change="freeze"),
        updated(3, at=at(4), change="transfer-out", transferred_to="Fuzhou"),
        updated(3, at=at(5), change="suspend", **court),
        updated(3, at=at(6), change="renew"),
    ]
    done = batch(world, shuffled(rows), tmp_path / "one")
    assert sorted(done.words()) == ["changed"] * 6 + ["issued"] * 3 + ["rejected"] * 4
    with contextlib.closing(reading.Reader(world.ledger.ways.service, world.ledger.vault)) as reader:
        held = {
            one["license_ref"]: reader.row(LicenseRow, ids.parse(one["license_ref"]))
            for one in done.outcomes
            if one["outcome"] == "issued"
        }
    stood = sorted((row.status, row.frozen_index is not None) for row in held.values() if row is not None)
    assert stood == [("active", False), ("active", True), ("transferred-out", False)]
    assert {(one["column"], one["rule"]) for said in done.outcomes for one in said.get("faults", ())} == {
        ("document_number", "missing"),
        ("transferred_to", "area-code"),
        ("document_number", "choice"),
        ("change", "choice"),
    }
