"""A source's sheet is held against what was collected: everything that differs is told, and nothing else."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from ledger import (
    collection,
    collection_agreeing,
    collection_row,
    collection_sheet,
    days,
    errors,
    fact,
    reading,
    reconciliation,
    stock_file,
    store,
)
from signing import event, suites
from tests.batch_world import batch, deleted, inserted, updated
from tests.stock_world import csv_text
from tests.world import World

Told = list[dict[str, Any]]
DAY = days.parse("2026-11-25")


def reconciled(
    world: World,
    rows: list[dict[str, Any]],
    folder: Path,
    *,
    source: str = "archive",
    day: int | None = None,
    form: str = "csv",
    told: Told | None = None,
) -> tuple[collection_sheet.Summary, Told]:
    """How a sheet comes out, and the differences."""
    told = [] if told is None else told
    folder.mkdir(exist_ok=True)
    text = csv_text(rows) if rows else ",".join(collection_row.KEY_COLUMNS)
    if form == "ndjson":
        text = "".join(f"{json.dumps(row)}\n" for row in rows)
    read = stock_file.Reader(io.BytesIO(text.encode()), stock_file.Form(format=form))
    with contextlib.closing(reading.Reader(world.ledger.ways.service, world.ledger.vault)) as reader:
        judge = collection_sheet.SheetJudge(
            world.ledger.vault,
            world.issuer,
            batch=collection.Batch(world.issuer.organization, source, "sheet"),
            reader=reader,
            now=store.wall_clock,
        )
        if form == "csv":
            judge.columns(read.columns)
        made = collection_sheet.Reconciliation(
            rows=read,
            judge=judge,
            vault=world.ledger.vault,
            reader=reader,
            folder=folder,
            tell=lambda said: told.append(dict(said)),
            day=day,
        )
        return made.run(), told


def keyed(row: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Key and moment of a row, with its digest unless said otherwise."""
    names = (*collection_row.KEY_COLUMNS, "issuer")
    digest = {"digest": collection_row.row_digest(row).hex()}
    return {**{name: row[name] for name in names if name in row}, **digest, **more}


def test_what_was_sent_and_applied_agrees(world: World, tmp_path: Path) -> None:
    rows = [inserted(1), inserted(2), updated(2, number="NO-2b"), deleted(1), inserted(3)]
    batch(world, rows, tmp_path / "one")
    size = world.ledger.recorder.newest_index()
    for sheet in (rows, [keyed(row) for row in rows], [keyed(row, digest=None) for row in rows]):
        done, told = reconciled(world, sheet, tmp_path / "sheet")
        assert (done.is_agreed, done.rows, done.same, told) == (True, 5, 5, [])
        (group,) = done.groups.values()
        assert (group.sent, group.held, group.same, group.differences) == (5, 5, 5, 0)
    assert world.ledger.recorder.newest_index() == size, "to look records nothing"


def test_every_difference_is_told_with_its_place(world: World, tmp_path: Path) -> None:
    sent = [inserted(1), inserted(2), updated(2, number="NO-2b"), inserted(3), inserted(4, number="")]
    batch(world, [*sent, updated(3, at="2026-11-25 18:00:00", number="NO-3b")], tmp_path / "one")
    batch(world, [updated(3, number="NO-3a")], tmp_path / "two", number="B-2")
    batch(world, [inserted(7)], tmp_path / "three", source="registry", number="B-1")
    sheet = [
        inserted(1),
        inserted(2, number="other"),
        updated(2, number="NO-2b"),
        inserted(3),
        inserted(4, number=""),
        updated(3, number="NO-3a"),
        inserted(5),
        inserted(7),
        inserted(8, at="never"),
    ]
    done, told = reconciled(world, sheet, tmp_path / "sheet", day=DAY)
    assert [(one.get("line"), one["outcome"]) for one in told] == [
        *((10, "unreadable"), (3, "different"), (6, "rejected"), (7, "outdated")),
        *((8, "missing-here"), (9, "missing-here"), (None, "missing-there")),
    ]
    by = {one["outcome"]: one for one in told}
    assert by["rejected"]["remark"] == "number: missing"
    assert by["unreadable"]["remark"] == "operated_at: time"
    assert (by["missing-there"]["operation"], by["missing-there"]["batch"]) == ("U", "B-1")
    assert by["missing-there"]["operated_at"] == "2026-11-25T10:00:00Z"
    assert (done.is_agreed, done.same, done.figures()["missing_here"]) == (False, 3, 2)
    (group,) = done.groups.values()
    assert (group.sent, group.held, group.same, group.differences) == (8, 5, 3, 6)
    other, told = reconciled(world, [inserted(7)], tmp_path / "sheet", source="registry")
    assert (other.is_agreed, told) == (True, [])


def test_rows_of_another_day_are_not_missed_there(world: World, tmp_path: Path) -> None:
    batch(world, [inserted(1), inserted(2, at="2026-11-24 23:59:59")], tmp_path / "one")
    done, told = reconciled(world, [inserted(1)], tmp_path / "sheet")
    assert (done.is_agreed, told) == (True, [])
    done, told = reconciled(world, [inserted(1)], tmp_path / "sheet", day=DAY - 1)
    assert [one["outcome"] for one in told] == ["missing-there"]


NO_WORDS: dict[str, Any] = {
    "area_code: text": {"area_code": ["350100"]},
    "issuer: text": {"issuer": {}},
    "license_type: text": {"license_type": True},
    "license_type: length": {"license_type": "x" * 1_000},
    "source_id: length": {"source_id": "x" * 129},
    "operation: text": {"operation": ["I"]},
    "operated_at: text": {"operated_at": {"at": 1}},
    "digest: digest": {"digest": 5},
}


def test_a_row_whose_words_are_no_words_is_unreadable_and_costs_no_other(
    world: World, tmp_path: Path
) -> None:
    rows = [{**keyed(inserted(1)), **flaw} for flaw in NO_WORDS.values()]
    done, told = reconciled(world, [*rows, keyed(inserted(2))], tmp_path / "sheet", form="ndjson")
    assert [one["outcome"] for one in told] == ["unreadable"] * len(rows) + ["missing-here"]
    for one, remark in zip(told, NO_WORDS, strict=False):
        assert remark in one["remark"]
    assert done.rows == len(rows) + 1


@pytest.mark.parametrize(("limit", "sheet"), [("DAYS_MAX", "days"), ("LINES_MAX", "types")])
def test_a_sheet_of_too_much_is_refused_before_it_is_read_to_its_end(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, sheet: str
) -> None:
    monkeypatch.setattr(collection_sheet, "CHUNK", 2)
    monkeypatch.setattr(collection_sheet, limit, 1)
    at = {"days": lambda day: {"at": f"2026-11-{day:02} 09:00:00"}, "types": lambda _: {}}[sheet]
    rows = [{**keyed(inserted(number, **at(number)))} for number in range(1, 5)]
    if sheet == "types":
        rows = [{**row, "license_type": f"T{number}"} for number, row in enumerate(rows)]
    told: Told = []
    with pytest.raises(errors.Invalid, match="at most 1"):
        reconciled(world, rows, tmp_path / "sheet", told=told)
    assert len(told) == 2, "no more than the first rows were looked at"


def test_a_sheet_longer_than_a_page_is_gone_through_to_its_end(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection_sheet, "CHUNK", 3)
    rows = [inserted(number) for number in range(8)]
    batch(world, rows, tmp_path / "one")
    done, told = reconciled(world, rows, tmp_path / "sheet")
    assert (done.same, told) == (8, [])
    done, told = reconciled(world, rows[:1], tmp_path / "sheet")
    assert len(told) == 7


def agreed(world: World, done: collection_sheet.Summary, *, day: int = DAY) -> int | None:
    """Where it stands that both agree on a day of the source."""
    with contextlib.closing(reading.Reader(world.ledger.ways.service, world.ledger.vault)) as reader:
        return collection_agreeing.agree(
            done,
            actor=world.issuer,
            source="archive",
            day=day,
            submit=world.appender.submit,
            reader=reader,
            suite=world.ledger.vault.suite,
        )


def newest(world: World) -> reconciliation.ReconciliationAgreed:
    """The fact that was recorded last."""
    with contextlib.closing(reading.Reader(world.ledger.ways.service, world.ledger.vault)) as reader:
        (data,) = reader.events([world.ledger.recorder.newest_index()])
    made = fact.from_event(event.parse(data))
    assert isinstance(made, reconciliation.ReconciliationAgreed)
    return made


def test_a_day_is_agreed_on_once_and_again_when_another_row_came(world: World, tmp_path: Path) -> None:
    rows = [inserted(1), inserted(2), updated(2, number="NO-2b"), inserted(3, number="")]
    batch(world, rows, tmp_path / "one")
    done, _ = reconciled(world, rows, tmp_path / "sheet", day=DAY)
    index = agreed(world, done)
    made = newest(world)
    assert (index, made.day, made.rows) == (world.ledger.recorder.newest_index(), DAY, 3)
    assert (made.rejected, made.outdated, made.lines, made.source) == (1, 0, 1, "archive")
    assert agreed(world, done) == index, "the same agreement adds nothing"
    batch(world, [inserted(4)], tmp_path / "two", number="B-2")
    with pytest.raises(errors.Conflict, match="came meanwhile"):
        agreed(world, done)
    again, _ = reconciled(world, [*rows, inserted(4)], tmp_path / "sheet", day=DAY)
    assert agreed(world, again) == world.ledger.recorder.newest_index()
    assert (newest(world).rows, newest(world).digest != made.digest) == (4, True)


def test_a_day_without_rows_is_agreed_on_with_an_empty_sheet(world: World, tmp_path: Path) -> None:
    batch(world, [inserted(1)], tmp_path / "one")
    done, _ = reconciled(world, [], tmp_path / "sheet", day=DAY - 1)
    agreed(world, done, day=DAY - 1)
    assert (newest(world).rows, newest(world).through, newest(world).lines) == (0, None, 0)


def test_what_is_not_the_same_is_not_agreed_on(world: World, tmp_path: Path) -> None:
    rows = [inserted(1), inserted(2)]
    batch(world, rows, tmp_path / "one")
    size = world.ledger.recorder.newest_index()
    yesterday = inserted(3, at="2026-11-24 09:00:00")
    for sheet, why in (
        (rows[:1], "differ"),
        ([*rows, yesterday], "differ"),
        ([keyed(rows[0], digest=None), rows[1]], "no digest"),
        ([*rows, keyed(rows[0])], "twice"),
    ):
        done, _ = reconciled(world, sheet, tmp_path / "sheet", day=DAY)
        with pytest.raises(errors.Invalid, match=why):
            agreed(world, done)
    batch(world, [yesterday], tmp_path / "two", number="B-2")
    done, _ = reconciled(world, [*rows, yesterday], tmp_path / "sheet")
    with pytest.raises(errors.Invalid, match="another day"):
        agreed(world, done)
    assert world.ledger.recorder.newest_index() == size + 4


def test_a_sheet_is_summed_whatever_the_order_of_its_rows() -> None:
    one, other = reconciliation.Sum(), reconciliation.Sum()
    rows = [(bytes([number]), bytes([255 - number])) for number in range(5)]
    for sum_, order in ((one, rows), (other, rows[::-1])):
        for row_key, digest in order:
            sum_.add(row_key, digest, suite=suites.INTL)
    assert one.digest == other.digest
    other.add(*rows[0], suite=suites.INTL)
    assert one.digest != other.digest
