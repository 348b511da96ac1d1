"""An import over HTTP is a job: asked for, sent its file, read row by row, gone on with after a restart."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from api import examples, main, stock
from ledger import client, errors, keeping, registry_commands, stock_job, stock_jobs
from signing import event
from tests import api_world, batch_world, stock_world, world
from tests.api_world import Caller, Face
from tests.conftest import Cluster
from tests.stock_world import business, csv_text, row

ACT = {"operator": {"account": "batch", "name": "合成经办"}, "case_number": "STOCK-1"}


@pytest.fixture
def face(cluster: Cluster) -> Iterator[Face]:
    with api_world.fresh(cluster) as running:
        yield running


@pytest.fixture
def caller(face: Face) -> Caller:
    return face.register(world.ISSUER)


def send(caller: Caller, ref: str, data: bytes, kind: str = stock.FILE_TYPE) -> httpx.Response:
    headers = {**caller.headers, "Content-Type": kind}
    return caller.http.put(f"/v1/imports/{ref}/file", content=data, headers=headers)


def begun(caller: Caller, **said: Any) -> str:
    ref: str = caller.done("/v1/imports", {**ACT, **said})["import_ref"]
    return ref


def done(caller: Caller, ref: str) -> dict[str, Any]:
    """The job once it is over."""
    waited = threading.Event()
    for _ in range(3_000):
        told: dict[str, Any] = caller.get(f"/v1/imports/{ref}").json()
        if told["status"] not in stock_jobs.OPEN:
            return told
        waited.wait(0.02)
    raise AssertionError(told)


def imported(caller: Caller, rows: list[dict[str, Any]], **said: Any) -> dict[str, Any]:
    ref = begun(caller, **said)
    assert send(caller, ref, csv_text(rows).encode()).status_code == 200
    return done(caller, ref)


def outcomes(caller: Caller, ref: str, limit: int = 2) -> list[dict[str, Any]]:
    """Every row's outcome, page by page."""
    found, cursor = [], ""
    while cursor is not None:
        where = f"/v1/imports/{ref}/results?limit={limit}" + (f"&cursor={cursor}" if cursor else "")
        page = caller.get(where).json()
        found += page["rows"]
        cursor = page["cursor"]
    return found


def test_a_file_is_sent_run_and_told_row_by_row(face: Face, caller: Caller) -> None:
    rows = [row(1), row(2, holder_code="1"), business(3, license_id=stock_world.LEGACY_ID), row(1)]
    told = imported(caller, rows)
    assert (told["status"], told["rows"], told["issued"], told["existing"]) == ("done", 4, 2, 1)
    assert (told["rejected"], told["with_findings"]) == (1, 1)
    assert told["faults"] == {"holder_code: length": 1}
    assert told["bytes"] == told["bytes_done"]
    ref = told["import_ref"]
    found = outcomes(caller, ref)
    assert [one["outcome"] for one in found] == ["issued", "rejected", "issued", "exists"]
    assert found[1]["faults"] == [{"column": "holder_code", "rule": "length"}]
    rejected = caller.get(f"/v1/imports/{ref}/rejected")
    assert "holder_code: length" in rejected.content.decode()
    assert world.citizen(1).code not in str(found)
    license_ref = found[2]["license_ref"]
    shown = caller.get(f"/v1/licenses/{license_ref}")
    assert shown.status_code == 200
    receipt = caller.get(f"/v1/receipts/0/{found[2]['index']}")
    assert receipt.status_code == 200
    folder = face.served.ledger.config.data / "imports" / ref
    assert not (folder / stock_jobs.FILE).exists(), "the file goes when its rows have their results"
    assert folder.stat().st_mode & 0o077 == 0
    size = face.served.ledger.recorder.newest_index()
    again = imported(caller, rows)
    assert again["import_ref"] != ref, "another key is another job"
    assert (again["issued"], again["existing"], again["rejected"]) == (0, 3, 1)
    assert face.served.ledger.recorder.newest_index() == size


def test_an_imported_license_is_found_amended_and_renewed_by_its_printed_identifier(
    face: Face, caller: Caller
) -> None:
    for text in (stock_world.LEGACY_ID, stock_world.SHAPELESS_ID):
        told = imported(caller, [business(1, source_id=text, license_id=text)])
        (one,) = outcomes(caller, told["import_ref"])
        found = caller.post("/v1/licenses/search", {"license_id": text}).json()["license"]
        assert found["license_ref"] == one["license_ref"]
        said = api_world.example("AmendBody")
        body = {
            **said,
            "holder": {"code_type": "001", "code": world.ENTERPRISE.code, "name": "合成持证主体"},
        }
        amended = caller.done(f"/v1/licenses/{one['license_ref']}/amend", body)
        again = caller.post("/v1/licenses/search", {"license_id": amended["license_id"]}).json()["license"]
        assert again["license_ref"] == one["license_ref"]
        replaced = caller.done(f"/v1/licenses/{one['license_ref']}/replace", api_world.example("ReplaceBody"))
        assert replaced["license_id"] != amended["license_id"]
    unknown = caller.post("/v1/licenses/search", {"license_id": "nothing"})
    assert unknown.status_code == 422


def test_the_same_key_is_the_same_job_and_another_body_is_refused(caller: Caller) -> None:
    first = caller.done("/v1/imports", ACT, key="one")
    assert caller.done("/v1/imports", ACT, key="one") == first
    assert caller.post("/v1/imports", {**ACT, "format": "ndjson"}, key="one").status_code == 422


def test_a_job_takes_one_file_of_the_right_type_and_size(face: Face, caller: Caller) -> None:
    ref = begun(caller)
    assert send(caller, ref, b"a", "text/plain").status_code == 415
    face.served.imports.bytes_max = 10
    assert send(caller, ref, b"x" * 11).status_code == 413
    assert send(caller, ref, b"x" * 10).status_code == 200
    assert send(caller, ref, b"x").status_code == 409
    told = done(caller, ref)
    assert told["status"] == "failed"
    assert told["problem"]["type"] == "invalid-value"


def test_a_job_is_its_own_clients_alone(face: Face, caller: Caller) -> None:
    ref = begun(caller)
    other = face.register(world.ISSUER)
    for answer in (
        other.get(f"/v1/imports/{ref}"),
        other.get(f"/v1/imports/{ref}/results"),
        other.get(f"/v1/imports/{ref}/rejected"),
        send(other, ref, b"x"),
        other.http.delete(f"/v1/imports/{ref}", headers=other.headers),
        caller.get("/v1/imports/..%2f..%2fkeys"),
        caller.get(f"/v1/imports/{'a' * 26}"),
    ):
        assert answer.status_code == 404
    user = face.register(world.HALL, "license:use")
    assert user.post("/v1/imports", ACT).status_code == 403


def test_a_cancelled_job_records_nothing_more(face: Face, caller: Caller) -> None:
    ref = begun(caller)
    answer = caller.http.delete(f"/v1/imports/{ref}", headers=caller.headers)
    assert answer.json()["status"] == "cancelled"
    assert send(caller, ref, csv_text([row(1)]).encode()).status_code == 409
    assert caller.get(f"/v1/imports/{ref}/results").json() == {"rows": [], "cursor": None}


def test_a_client_has_few_jobs_that_are_not_over(caller: Caller) -> None:
    refs = [begun(caller) for _ in range(stock_jobs.WAITING_MAX)]
    assert caller.post("/v1/imports", ACT).status_code == 429
    caller.http.delete(f"/v1/imports/{refs[0]}", headers=caller.headers)
    assert begun(caller)


def test_a_cursor_that_nobody_gave_is_refused(caller: Caller) -> None:
    ref = imported(caller, [row(1), row(2)])["import_ref"]
    for cursor in ("a" * 26, "aaaaaaaaaaaaaaaaaaaaaaaaai", "qqqq"):
        answer = caller.get(f"/v1/imports/{ref}/results?cursor={cursor}")
        assert answer.status_code == (200 if cursor == "a" * 26 else 422), cursor


def suspend(face: Face, caller: Caller) -> None:
    fact = client.ClientSuspended(client_id=caller.client_id)
    asked = registry_commands.RecordInRegistry(actor=face.served.ledger.console, facts=(fact,))
    face.served.appender.submit(asked).result(timeout=30)


def compromise(face: Face, caller: Caller) -> None:
    ledger = face.served.ledger
    key_id = ledger.vault.ring.active("access").key_id
    keeping.compromise_signing_key(ledger, face.served.appender, key_id, since=1, actor=ledger.console)


@pytest.mark.parametrize("is_sheet", [False, True], ids=["rows", "a sheet"])
@pytest.mark.parametrize(
    ("happens", "problem"), [(suspend, "client-suspended"), (compromise, "unauthenticated")]
)
def test_a_job_stops_by_itself_when_its_client_or_its_access_key_may_no_more(
    face: Face, caller: Caller, happens: Callable[[Face, Caller], None], problem: str, is_sheet: bool
) -> None:
    path = "/v1/imports/reconciliations" if is_sheet else "/v1/imports"
    body = stock.EXAMPLE_SHEET if is_sheet else ACT
    ref = caller.done(path, body)["import_ref"]
    jobs, before = face.served.imports, face.events()
    job = jobs.get(ref, client_id=caller.client_id, organization=world.ISSUER)
    with jobs.upload(job) as file:
        happens(face, caller)
        file.write(csv_text([batch_world.inserted(1) if is_sheet else row(1)]).encode())
    waited = threading.Event()
    for _ in range(3_000):
        job = jobs.get(ref, client_id=caller.client_id, organization=world.ISSUER)
        if job.status not in stock_jobs.OPEN:
            break
        waited.wait(0.02)
    assert (job.status, job.problem and job.problem["type"]) == ("failed", problem)
    told = [event.parse(data).topic for data in face.served.reader.events(range(before, face.events()))]
    assert "LicenseIssued" not in told


def test_a_job_whose_file_is_gone_or_that_breaks_costs_nobody_the_next_one(
    face: Face, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = face.served.imports
    judge = jobs._judge

    def breaking(job: stock_job.Job) -> Any:
        if job.case_number == "GONE":
            (face.served.ledger.config.data / "imports" / job.import_ref / stock_jobs.FILE).unlink()
            raise FileNotFoundError
        if job.case_number == "BROKEN":
            raise ArithmeticError
        return judge(job)

    monkeypatch.setattr(jobs, "_judge", breaking)
    gone, broken = (imported(caller, [row(1)], case_number=case) for case in ("GONE", "BROKEN"))
    assert (gone["status"], gone["problem"]["type"]) == ("failed", "not-found")
    assert (broken["status"], broken["problem"]["type"]) == ("failed", "internal")
    assert imported(caller, [row(1)])["status"] == "done"


@pytest.mark.parametrize("record", [b"", bytes(100)], ids=["empty", "other bytes"])
def test_a_damaged_record_costs_its_own_job_and_nobody_the_next_one(
    face: Face, caller: Caller, record: bytes
) -> None:
    damaged = imported(caller, [row(1)])["import_ref"]
    (face.served.ledger.config.data / "imports" / damaged / stock_jobs.JOB).write_bytes(record)
    assert imported(caller, [row(1)])["status"] == "done"
    assert caller.get(f"/v1/imports/{damaged}").status_code == 404


def test_a_job_that_is_over_is_gone_after_weeks_also_when_nobody_asks_anything(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock_jobs, "SWEEP_S", 0.02)
    with api_world.fresh(cluster) as face:
        caller = face.register(world.ISSUER)
        told = imported(caller, [row(1, holder_code="1")])
        folder = face.served.ledger.config.data / "imports" / told["import_ref"]
        assert (folder / "rejected.csv").exists()
        now, jobs = face.served.imports._now, face.served.imports
        monkeypatch.setattr(jobs, "_now", lambda: now() + (stock_jobs.KEPT_DAYS + 1) * 86_400_000_000)
        waited = threading.Event()
        for _ in range(1_000):
            if not folder.exists():
                break
            waited.wait(0.02)
        assert not folder.exists()


def test_a_job_is_sent_one_file_at_a_time(face: Face, caller: Caller) -> None:
    jobs, ref = face.served.imports, begun(caller)
    job = jobs.get(ref, client_id=caller.client_id, organization=world.ISSUER)
    with contextlib.suppress(ArithmeticError), jobs.upload(job) as file:
        file.write(b"x" * 1_000)
        refused = send(caller, ref, b"x")
        raise ArithmeticError
    assert refused.status_code == 409
    assert send(caller, ref, csv_text([row(1)]).encode()).status_code == 200
    assert done(caller, ref)["issued"] == 1


def test_a_file_that_does_not_go_on_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stock, "STALLED_S", 0.01)
    sent = [{"type": "http.request", "body": b"x", "more_body": True}]

    async def receive() -> Any:
        return sent.pop() if sent else await asyncio.Event().wait()

    async def read() -> list[bytes]:
        return [chunk async for chunk in stock._chunks(Request({"type": "http"}, receive), 10)]

    with pytest.raises(errors.Malformed):
        asyncio.run(read())


def test_a_job_goes_on_when_the_service_is_started_again(cluster: Cluster) -> None:
    configured = cluster.clone()
    rows = [row(number) for number in range(1, 200)]
    with api_world.running(configured) as face:
        caller = face.register(world.ISSUER)
        ref = begun(caller)
        assert send(caller, ref, csv_text(rows).encode()).status_code == 200
        client_id = caller.client_id
    with api_world.running(configured) as face:
        waited = threading.Event()
        jobs = face.served.imports
        for _ in range(3_000):
            job = jobs.get(ref, client_id=client_id, organization=world.ISSUER)
            if job.status == "done":
                break
            waited.wait(0.02)
        state = jobs.progress(job)
        assert (job.status, state.issued, state.existing) == ("done", 199, 0)
    cluster.drop(configured)


def test_the_example_of_the_description_is_an_import_that_works(face: Face) -> None:
    caller = face.register(examples.ORGANIZATION)
    ref = caller.done("/v1/imports", stock.EXAMPLE)["import_ref"]
    assert send(caller, ref, stock.EXAMPLE_FILE.encode()).status_code == 200
    assert done(caller, ref)["issued"] == 1
    assert main.VERSION


def test_a_batch_waits_for_the_one_before_it_and_is_applied_then(caller: Caller) -> None:
    late = [batch_world.updated(1, number="NO-1b"), batch_world.inserted(2)]
    told = imported(caller, late, batch="D-2", source="archive")
    assert (told["status"], told["issued"], told["waiting"]) == ("waiting", 1, 1)
    assert (told["batch"], told["source"], told["missing_batches"]) == ("D-2", "archive", ["D-1"])
    first = imported(caller, [batch_world.inserted(1)], batch="D-1", source="archive")
    assert (first["status"], first["missing_batches"]) == ("done", [])
    again = done(caller, told["import_ref"])
    while again["status"] == "waiting":
        again = done(caller, told["import_ref"])
    assert (again["amended"], again["waiting"], again["rows"]) == (1, 0, 2)
    assert again["missing_batches"] == []
    words = [one["outcome"] for one in outcomes(caller, told["import_ref"])]
    assert sorted(words) == ["amended", "issued", "waiting"]
    other = imported(caller, [batch_world.inserted(3)], batch="D-1", source="archive")
    assert (other["status"], other["problem"]["type"]) == ("failed", "batch-differs")
    for unfit in ("a b", f"N{world.citizen(1).code}"):
        assert caller.post("/v1/imports", {**ACT, "batch": unfit}).status_code == 422


def test_a_sheet_is_held_against_what_was_collected(caller: Caller) -> None:
    rows = [batch_world.inserted(1), batch_world.inserted(2)]
    imported(caller, rows, batch="D-1", source="archive")
    begun_ = caller.done("/v1/imports/reconciliations", stock.EXAMPLE_SHEET)
    assert begun_["reconciliation"] is None
    ref = begun_["import_ref"]
    sheet = [rows[0], batch_world.inserted(3)]
    assert send(caller, ref, csv_text(sheet).encode()).status_code == 200
    told = done(caller, ref)
    assert told["status"] == "done", told["problem"]
    figures = told["reconciliation"]
    assert (figures["agreed"], figures["same"], figures["missing_here"], figures["missing_there"]) == (
        *(False, 1, 1, 1),
    )
    assert [one["outcome"] for one in outcomes(caller, ref)] == ["missing-here", "missing-there"]
    assert figures["agreed_index"] is None, "they differ"
    (line,) = figures["days"]
    assert (line["issuer"], line["area_code"], len(line["digest"])) == (world.ISSUER, world.ISSUER[2:8], 64)
    ref = caller.done("/v1/imports/reconciliations", stock.EXAMPLE_SHEET)["import_ref"]
    assert send(caller, ref, csv_text(rows).encode()).status_code == 200
    assert done(caller, ref)["reconciliation"]["agreed_index"] is not None
    undated = {**stock.EXAMPLE_SHEET, "day": None}
    assert caller.post("/v1/imports/reconciliations", undated).status_code == 422


def test_rejected_rows_are_listed_by_age_page_by_page(caller: Caller, face: Face) -> None:
    wrong = [batch_world.inserted(number, number="") for number in (31, 32, 33)]
    imported(caller, wrong, batch="R-1", source="rejects")
    listed = "/v1/tasks/rejected-rows?source=rejects&limit=2"
    first = caller.get(listed).json()
    second = caller.get(f"{listed}&cursor={first['cursor']}").json()
    rows = [*first["rows"], *second["rows"]]
    assert sorted(one["line"] for one in rows) == [2, 3, 4]
    assert {(one["batch"], one["error_remark"], one["age_days"]) for one in rows} == {
        ("R-1", "number: missing", 0)
    }
    assert second["cursor"] is None
    assert {one["source"]: one["rows"] for one in first["sources"]}["rejects"] == 3
    imported(caller, [batch_world.inserted(31)], batch="R-2", source="rejects")
    assert len(caller.get("/v1/tasks/rejected-rows?source=rejects").json()["rows"]) == 2
    for unfit in ("a", "aaaaaaaa", "77777777777777777777"):
        assert caller.get(f"{listed}&cursor={unfit}").status_code == 422
    other = face.register(world.HALL)
    assert other.get(listed).json()["rows"] == []
