"""`license-ledger import` takes a file in, says what became of each row, and goes on after a kill."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import random
import secrets
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from api import cli_stock
from ledger import embedded, stock_results
from tests import batch_world, console, front_world, stock_world, world
from tests.stock_world import csv_text, ndjson_text, row


@dataclass(frozen=True, kw_only=True)
class Place:
    """A ledger, and the client that imports into it."""

    folder: Path
    data: Path
    client_id: str
    database: str

    def call(self, *arguments: str | Path, status: int = 0) -> Any:
        """What an import by the client tells."""
        return console.call_json(
            "import", *arguments, "--client", self.client_id, "--data", self.data, status=status
        )

    def size(self) -> int:
        """Events in the ledger."""
        with psycopg.connect(self.database) as conn:
            return int(conn.execute("SELECT count(*) FROM events").fetchall()[0][0])


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with console.folder() as folder:
        data = folder / "ledger"
        console.run(
            *("init", "--origin", "demo.license-ledger.example/stock", "--operator", world.OPERATOR),
            *("--data", data),
        )
        with embedded.Server.start(data) as server:
            key = folder / "issuer.jwk"
            console.call("clients", "generate-key", key)
            asked = ("--name", "issuer", "--organization", world.ISSUER, "--scope", "license:issue")
            types = ("--license-type", world.CITIZEN_CARD, "--license-type", world.BUSINESS_LICENSE)
            said = console.call_json(
                "clients", "register", *asked, *types, "--key", f"{key}.pub", "--data", data
            )
            yield Place(
                folder=folder,
                data=data,
                client_id=said["client_id"],
                database=server.conninfo(dbname="ledger"),
            )


def test_a_file_is_imported_and_its_rejected_rows_come_back(place: Place) -> None:
    file = place.folder / "one.csv"
    rows = [row(1), row(2, holder_code="1"), row(3)]
    file.write_bytes(b"\x84\x31\x95\x33" + csv_text(rows).encode("gb18030"))
    told = place.call(file, "--encoding", "gb18030", status=1)
    results = Path(f"{file}.results")
    assert told == {
        "rows": 3,
        "issued": 2,
        "existing": 0,
        "rejected": 1,
        "with_findings": 0,
        "faults": {"holder_code: length": 1},
        "results": str(results),
    }
    rejected = (results / "rejected.csv").read_bytes().decode("gb18030")
    assert "holder_code: length" in rejected
    assert place.call(file, "--encoding", "gb18030", status=1) == told, "a finished import stays so"
    corrected = place.folder / "two.csv"
    corrected.write_text(rejected.replace(",1,", f",{world.citizen(2).code},"), "utf-8")
    assert place.call(corrected)["issued"] == 1
    again = place.call(file, "--encoding", "gb18030", "--results", place.folder / "again", status=1)
    assert (again["issued"], again["existing"]) == (0, 2)


def test_the_faults_that_are_most_frequent_are_told_and_what_to_do(place: Place) -> None:
    file = place.folder / "gbk.csv"
    file.write_bytes(csv_text([row(number) for number in (4, 5)]).encode("gbk"))
    at = ("--client", place.client_id, "--data", place.data)
    told = console.run("import", file, *at, status=1).stdout
    assert "2 rows: holder_name: encoding" in told
    assert "--encoding gb18030" in told
    assert place.call(file, "--encoding", "gbk", "--results", place.folder / "gbk")["rejected"] == 0


def test_progress_tells_rows_rate_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter((0.0, 1.0, 60.0, 90.0))
    tell = cli_stock._plainly(stock_results.State(file="f"), 4_000, clock=lambda: next(clock))
    done = stock_results.State(file="f", issued=60, rejected=60, offset=1_000)
    tell(done)
    tell(done)
    # Rows of a batch stand in no order: how far it is, is known by their number.
    tell(dataclasses.replace(done, offset=4_000, counted=160))
    assert capsys.readouterr().err.splitlines() == [
        "120 rows, 2 rows/s, 60 rejected, 0:03:00 left",
        "120 rows, 1 rows/s, 60 rejected, 0:00:30 left",
    ]


def test_standard_input_is_imported(place: Place) -> None:
    done = console.run(
        *("import", "-", "--format", "ndjson", "--results", place.folder / "stdin", "--json"),
        *("--data", place.data),
        said=ndjson_text([row(50, fields={"name": "合成"})]),
    )
    assert json.loads(done.stdout)["issued"] == 1
    assert (place.folder / "stdin" / stock_results.RESULTS).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("-",),
        ("absent.csv",),
        ("FILE", "--encoding", "big5"),
        ("FILE", "--format", "xls"),
        ("FILE", "--origin", "rumor"),
        ("FILE", "--trust-level", "E"),
        ("FILE", "--case-number", world.citizen(1).code),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(place: Place, arguments: tuple[str, ...]) -> None:
    file = place.folder / "usage.csv"
    file.write_text(csv_text([row(1)]), "utf-8")
    named = [str(file) if argument == "FILE" else argument for argument in arguments]
    console.call("import", *named, "--data", place.data, status=2)


def test_a_batch_is_worked_off_and_what_waits_is_tried_again(place: Place) -> None:
    late, early = place.folder / "late.csv", place.folder / "early.csv"
    rows = [batch_world.inserted(60), batch_world.updated(61)]
    late.write_text(csv_text(rows), "utf-8")
    told = place.call(late, "--batch", "D-2", "--source", "archive", status=1)
    assert (told["issued"], told["waiting"], told["missing_batches"]) == (1, 1, ["D-1"])
    early.write_text(csv_text([batch_world.inserted(61)]), "utf-8")
    assert place.call(early, "--batch", "D-1", "--source", "archive")["issued"] == 1
    told = place.call(late, "--batch", "D-2", "--source", "archive")
    assert (told["amended"], told["waiting"], told["missing_batches"]) == (1, 0, [])
    agreed = ("--source", "archive", "--client", place.client_id, "--data", place.data)
    assert console.call_json("reconcile", late, *agreed, status=1)["missing_there"] == 1
    both = place.folder / "both.csv"
    both.write_text(csv_text([*rows, batch_world.inserted(61)]), "utf-8")
    told_in = place.folder / "differences.ndjson"
    assert console.call_json("reconcile", both, *agreed, "--output", told_in)["same"] == 3
    assert told_in.read_text("utf-8") == ""
    on_day = (*agreed, "--agree", "--day", "2026-11-25")
    index = console.call_json("reconcile", both, *on_day)["agreed_index"]
    assert console.call_json("reconcile", both, *on_day)["agreed_index"] == index
    assert index is not None
    console.call("reconcile", both, *agreed, "--agree", status=2)
    size = place.size()
    assert place.call(late, "--batch", "D-2", "--source", "archive") == told
    assert place.size() == size


def test_the_operator_sees_what_sources_have_to_put_right(place: Place) -> None:
    file = place.folder / "wrong.csv"
    file.write_text(csv_text([batch_world.inserted(70, number="")]), "utf-8")
    place.call(file, "--batch", "W-1", "--source", "wrong", status=1)
    at = ("--data", place.data)
    sources = console.call_json("rejects", *at)["sources"]
    (own,) = [one for one in sources if one["source"] == "wrong"]
    assert (own["rows"], own["oldest_days"]) == (1, 0)
    whose = ("--organization", own["organization"], "--source", "wrong")
    (row,) = console.call_json("rejects", *whose, *at)["rows"]
    assert (row["batch"], row["line"], row["error_remark"]) == ("W-1", 2, "number: missing")
    told = console.call_json("rejects", *whose, "--dismiss", "W-1", *at)
    assert (told["dismissed"], told["rows"]) == (1, [])
    console.call("rejects", "--source", "wrong", *at, status=2)


@pytest.fixture(name="department")
def department_(place: Place) -> Iterator[front_world.Front]:
    """The front-end database of a department."""
    made = front_world.Front(place.database, f"front_{secrets.token_hex(4)}")
    yield made
    made.drop()


def _connection(place: Place, department: front_world.Front) -> Path:
    file = place.folder / f"{department.name}.conninfo"
    file.write_text(department.conninfo, "utf-8")
    file.chmod(0o600)
    return file


def test_a_front_end_database_is_taken_from_and_answered(place: Place, department: front_world.Front) -> None:
    at = ("front.licenses", "--connection", _connection(place, department), "--source", "front")
    asked = ("sync", *at, "--client", place.client_id, "--data", place.data)
    department.put("F-1", [batch_world.inserted(80), batch_world.inserted(81, number="")])
    told = console.call_json(*asked, status=1)
    assert (told["batches"], told["issued"], told["rejected"]) == (["F-1"], 1, 1)
    assert department.answers() == [("S80", "issued", None), ("S81", "rejected", "number: missing")]
    size = place.size()
    assert console.call_json(*asked)["batches"] == []
    assert place.size() == size
    console.call("sync", "licenses", *at[1:], "--data", place.data, status=2)
    console.call("sync", *at, "--watch", "0", "--data", place.data, status=2)
    department.do("ALTER TABLE front.licenses RENAME source_id TO number_of_row")
    assert "column source_id is missing" in console.call(*asked, status=2)
    renamed = (*asked, "--column", "source_id=number_of_row")
    assert console.call_json(*renamed)["batches"] == []


@pytest.mark.faults
def test_a_watch_goes_on_after_kills_and_ends_when_it_is_told(
    place: Place, department: front_world.Front
) -> None:
    at = ("front.licenses", "--connection", _connection(place, department), "--source", "watched")
    asked = ("sync", *at, "--watch", "1", "--client", place.client_id, "--data", place.data)
    count, batches, before = 60, 4, place.size()
    for number in range(batches - 1):
        department.put(f"K-{number}", [_watched(number * count + one) for one in range(count)])
    # In the middle of recording, then of answering; or when all is done, on a machine that is quick.
    for told in (place.size, place.size, department.answered, department.answered):
        seen = told()
        _ended(asked, functools.partial(_is_further, department, told, seen), signal.SIGKILL)
    department.put(f"K-{batches}", [_watched(batches * count + one) for one in range(count)])
    assert _ended(asked, lambda: all(department.states()), signal.SIGTERM) == 0
    assert department.states() == ["issued"] * batches * count
    assert place.size() == before + batches * count * 2 + batches * 2, "two events a row, and two a batch"
    console.call("check", "--data", place.data)


def _is_further(department: front_world.Front, told: Callable[[], int], seen: int) -> bool:
    return told() > seen or all(department.states())


def _watched(number: int) -> dict[str, Any]:
    return batch_world.inserted(number, source_id=f"K{number}", number=f"K{number}")


def _ended(arguments: tuple[str | Path, ...], is_time: Callable[[], bool], how: signal.Signals) -> int:
    """The exit status of a command that is ended as soon as it is time, or ends before."""
    with subprocess.Popen(
        [console.PROGRAM, *arguments],
        env=console.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as running:
        while running.poll() is None and not is_time():
            pass
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pid, how)
        return running.wait()


@pytest.mark.faults
def test_a_batch_goes_on_after_a_kill_and_ends_the_same(place: Place) -> None:
    file, folder, count = place.folder / "night.csv", place.folder / "night", 300
    rows = [row for number in range(count) for row in _life(number)]
    file.write_text(csv_text(random.Random(7).sample(rows, len(rows))), "utf-8")
    options = ("--batch", "N-1", "--source", "night")
    for _ in range(4):
        _killed(place, file, folder, *options)
    arguments = ("--results", folder, "--client", place.client_id, "--data", place.data)
    console.run("import", file, *options, *arguments)
    told = stock_results.read_state(folder)
    assert told is not None
    assert (told.issued, told.amended, told.ended) == (count, count, count // 3)
    lines = (folder / stock_results.RESULTS).read_text("utf-8").splitlines()
    assert len({json.loads(line)["line"] for line in lines}) == len(lines) == len(rows)
    console.call("check", "--data", place.data)


def _life(number: int) -> list[dict[str, Any]]:
    said = {"source_id": f"N{number}", "number": f"N{number}"}
    rows = [batch_world.inserted(number, **said), batch_world.updated(number, **said)]
    return rows + [batch_world.deleted(number, source_id=f"N{number}")] * (number % 3 == 0)


@pytest.mark.faults
def test_an_import_goes_on_after_a_kill_and_ends_the_same(place: Place) -> None:
    file, folder = place.folder / "big.csv", place.folder / "big"
    count = 3_000
    rows = [
        stock_world.business(number, source_id=f"BIG{number}", holder_name="合成") for number in range(count)
    ]
    rows[17]["license_id"] = stock_world.LEGACY_ID
    rows[2_000]["issued_on"] = "never"
    rows.append(rows[5])
    file.write_text(csv_text(rows), "utf-8")
    before = place.size()
    for _ in range(3):
        _killed(place, file, folder)
    console.run(
        *("import", file, "--results", folder, "--client", place.client_id, "--data", place.data), status=1
    )
    lines = (folder / stock_results.RESULTS).read_text("utf-8").splitlines()
    outcomes = [json.loads(line) for line in lines]
    assert [one["line"] for one in outcomes] == list(range(2, count + 3))
    assert outcomes[17]["findings"] == ["license-id-legacy-variant"]
    assert outcomes[-1]["outcome"] == "exists"
    assert outcomes[-1]["license_ref"] == outcomes[5]["license_ref"]
    issued = [one for one in outcomes if one["outcome"] == "issued"]
    assert len({one["license_ref"] for one in issued}) == len(issued) == count - 1
    assert place.size() == before + count - 1 + 1, "an event a license, and a finding"
    assert (folder / "rejected.csv").read_text("utf-8").count("\n") == 2
    console.call("check", "--data", place.data)


def _killed(place: Place, file: Path, folder: Path, *options: str) -> None:
    """An import that is killed as soon as it has recorded something more."""
    before = place.size()
    arguments = ("import", file, "--results", folder, "--client", place.client_id, "--data", place.data)
    arguments += options
    with subprocess.Popen(
        [console.PROGRAM, *arguments],
        env=console.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as running:
        while running.poll() is None and place.size() == before:
            pass
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pid, signal.SIGKILL)


@pytest.mark.faults
@pytest.mark.slow("20,000 rows: memory is measured while they pass")
def test_memory_does_not_grow_with_the_file(place: Place) -> None:
    small, peaks = _peak_kib(place, 4_000), [_peak_kib(place, 16_000)]
    # What keeps rows keeps them each time; what the machine does once is not of the file.
    while min(peaks) - small >= 12_000 and len(peaks) < 3:
        peaks.append(_peak_kib(place, 16_000))
    assert min(peaks) - small < 12_000, f"KiB at their highest: {small}, then {peaks}"


def _peak_kib(place: Place, count: int) -> int:
    """The largest resident size of a process that imports a file of so many rows, new ones each time."""
    names = secrets.token_hex(4)
    file = place.folder / f"flat-{names}.csv"
    with file.open("w", encoding="utf-8") as out:
        out.write(csv_text([row(0)]).splitlines()[0] + "\n")
        for number in range(count):
            one = row(1, source_id=f"F{names}-{number}")
            out.write(csv_text([one]).splitlines()[1] + "\n")
    arguments = ("import", file, "--client", place.client_id, "--data", place.data)
    pid = os.posix_spawn(
        console.PROGRAM,
        [str(console.PROGRAM), *map(str, arguments)],
        console.environment(),
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(pid, 0)
    assert status == 0
    return usage.ru_maxrss
