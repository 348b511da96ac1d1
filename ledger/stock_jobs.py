"""Imports as jobs of the service: taken in, run one after the other, gone on with after a restart.

A job is a folder of mode 0700 below `imports/` of the data folder: what was asked (sealed, since it names an
operator), the file, and the results. The file goes as soon as its rows have their results; the results go
after some weeks. A job belongs to the client and organization that asked for it, and runs with their powers
as they then are. Whoever serves the same data folder may go on with it; one process does at a time.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO

from ledger import (
    clock,
    collection,
    collection_agreeing,
    collection_run,
    collection_sheet,
    command,
    errors,
    stock_file,
    stock_results,
    stock_row,
    stock_run,
)
from ledger.opening import Ledger
from ledger.reading import Reader
from ledger.state import ClientRow
from ledger.stock_job import Job
from signing import cbor, ids, keys

JOB, FILE, PART, UPLOAD_LOCK = "job", "file", "file.part", "upload.lock"
SUMMARY = "summary.json"
WAITING_MAX = 10
"""Jobs of one client that are not over."""
WAITING_BATCHES_MAX = 100
"""Batches of one client some of whose rows wait: each keeps its file."""
KEPT_DAYS = 30
RETRY_S = 5.0
SWEEP_S = 3_600.0
"""So often, at least, it is looked for what is to go."""
OPEN = ("awaiting-file", "queued", "running")
KEEPS_FILE = (*OPEN, "waiting")
_DAY_S = 86_400
_log = logging.getLogger(__name__)


class Jobs:
    """The jobs of one data folder, and the thread that runs them."""

    def __init__(
        self,
        ledger: Ledger,
        reader: Reader,
        submit: stock_run.Submit,
        *,
        now: Callable[[], int],
        bytes_max: int,
    ) -> None:
        self._ledger, self._reader, self._submit, self._now = ledger, reader, submit, now
        self.bytes_max = bytes_max
        self._folder = ledger.config.data / "imports"
        self._key = keys.derive(ledger.vault.ring.body_key, info=cbor.encode(["imports"]))
        self._guard = threading.Lock()
        self._wake = threading.Event()
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="imports", daemon=True)

    def start(self) -> Jobs:
        """Begin to run what waits."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop between two rows; the job is gone on with later."""
        self._is_stopping.set()
        self._wake.set()
        self._thread.join()

    # --- what clients ask ---

    def make(self, asked: Job) -> Job:
        """The job, made or known; raises TooManyRequests when the client has too many that are not over."""
        with self._guard:
            known = self._read(asked.import_ref)
            if known is not None:
                return known
            own = [job.status for job in self._all() if job.client_id == asked.client_id]
            waiting = own.count("waiting")
            if sum(status in OPEN for status in own) >= WAITING_MAX or waiting >= WAITING_BATCHES_MAX:
                raise errors.TooManyRequests("too many imports of this client are not over", retry_after_s=60)
            stock_results.private_folder(self._folder)
            stock_results.private_folder(self._folder / asked.import_ref)
            self._write(asked)
            return asked

    def get(self, import_ref: str, *, client_id: bytes, organization: str) -> Job:
        """A client's own job; raises NotFound."""
        job = self._read(import_ref)
        if job is None or (job.client_id, job.organization) != (ids.text(client_id), organization):
            raise errors.NotFound("no such import")
        return job

    def own(self, *, client_id: bytes, organization: str, after: str | None, limit: int) -> list[Job]:
        """A client's own jobs, the newest first, from the one after `after` on; raises Invalid."""
        whose = ids.text(client_id), organization
        jobs = [job for job in self._all() if (job.client_id, job.organization) == whose]
        jobs.sort(key=lambda job: (-job.made_at, job.import_ref))
        first = 0
        if after is not None:
            places = {job.import_ref: place for place, job in enumerate(jobs)}
            if after not in places:
                raise errors.Invalid("not a cursor of this list", field="query.cursor")
            first = places[after] + 1
        return jobs[first : first + limit]

    @contextlib.contextmanager
    def upload(self, job: Job) -> Iterator[BinaryIO]:
        """Where the job's file is written; when the block ends well, the job waits to be run.

        Raises Conflict when the job has its file, or it is being sent.
        """
        folder = self._folder / job.import_ref
        self._require(job, "awaiting-file")
        part = folder / PART
        with stock_results.locked(folder / UPLOAD_LOCK, "the file of the import is being sent"):
            self._require(job, "awaiting-file")
            try:
                with stock_results.open_private(part, os.O_WRONLY | os.O_TRUNC) as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                    size = file.tell()
                with self._guard:
                    self._require(job, "awaiting-file")
                    part.replace(folder / FILE)
                    self._write(replace(job, status="queued", size=size))
            finally:
                part.unlink(missing_ok=True)
        self._wake.set()

    def cancel(self, job: Job) -> Job:
        """The job is over; what it recorded stands."""
        with self._guard:
            now = self._read(job.import_ref) or job
            if now.status not in KEEPS_FILE:
                return now
            made = replace(now, status="cancelled")
            self._write(made)
        (self._folder / job.import_ref / FILE).unlink(missing_ok=True)
        return made

    def progress(self, job: Job) -> stock_results.State:
        """How far a job has come."""
        return stock_results.read_state(self._folder / job.import_ref) or stock_results.State(file="")

    def results(self, job: Job, *, offset: int, limit: int) -> tuple[list[dict[str, Any]], int | None]:
        """Some outcomes from `offset` on, and the offset behind them; None when there will be no more."""
        end = self.progress(job).results_bytes
        found: list[dict[str, Any]] = []
        if offset > end:
            raise errors.Invalid("no such page", field="query.cursor")
        if end == 0:
            return found, 0 if job.status in OPEN else None
        with (self._folder / job.import_ref / stock_results.RESULTS).open("rb") as file:
            file.seek(max(0, offset - 1))
            if offset and file.read(1) != b"\n":
                raise errors.Invalid("no such page", field="query.cursor")
            while len(found) < limit and file.tell() < end:
                found.append(json.loads(file.readline()))
            is_last = file.tell() >= end and job.status not in OPEN
            return found, None if is_last else file.tell()

    def rejected(self, job: Job) -> tuple[Path, int]:
        """The file of rejected rows, and how many bytes of it are true."""
        return self._folder / job.import_ref / f"rejected.{job.format}", self.progress(job).rejected_bytes

    # --- the thread ---

    def _work(self) -> None:
        while not self._is_stopping.is_set():
            self._wake.clear()
            try:
                self._sweep()
                waits = self._run_all()
            except OSError as error:
                _log.error("the folder of imports fails", extra={"error_type": type(error).__name__})
                waits = True
            self._wake.wait(RETRY_S if waits else SWEEP_S)

    def _run_all(self) -> bool:
        """Run what waits, the oldest first; whether some is left that could not be run now."""
        is_left = False
        while not self._is_stopping.is_set():
            waiting = [job for job in self._all() if job.status in ("queued", "running")]
            if not waiting:
                return is_left
            for job in sorted(waiting, key=lambda one: (one.made_at, one.import_ref)):
                if not self._is_stopping.is_set() and not self._run_alone(job):
                    is_left = True
            if is_left:
                return True
        return is_left

    def _run_alone(self, job: Job) -> bool:
        """As `_run`; a job that breaks costs nobody the next one."""
        try:
            return self._run(job)
        except Exception as error:  # noqa: BLE001
            _log.error("an import failed", extra={"error_type": type(error).__name__}, exc_info=True)
            self._move(
                job, "failed", problem={"type": errors.LedgerError.type, "detail": "the import failed"}
            )
            return True

    def summary(self, job: Job) -> dict[str, Any] | None:
        """How a sheet came out; None before it did."""
        try:
            said: dict[str, Any] = json.loads((self._folder / job.import_ref / SUMMARY).read_bytes())
        except FileNotFoundError:
            return None
        return said

    def _compare(self, job: Job) -> None:
        """Hold a sheet against the ledger; from its beginning, each time."""
        folder = self._folder / job.import_ref
        judge = collection_sheet.SheetJudge(
            self._ledger.vault,
            job.actor,
            batch=collection.Batch(job.organization, job.source or "", "sheet"),
            reader=self._reader,
            now=self._now,
        )
        results = stock_results.RESULTS
        with (
            stock_results.locked(folder / stock_results.LOCK, "another process works on this sheet"),
            (folder / FILE).open("rb") as file,
            stock_results.open_private(folder / results, os.O_WRONLY | os.O_TRUNC) as told,
        ):
            rows = stock_file.Reader(file, job.form)
            if job.format == "csv":
                judge.columns(rows.columns)
            self._move(job, "running")
            done = collection_sheet.Reconciliation(
                rows=rows,
                judge=judge,
                vault=self._ledger.vault,
                reader=self._reader,
                folder=folder,
                tell=lambda said: told.write(json.dumps(said, ensure_ascii=False).encode() + b"\n"),
                day=job.day,
                is_stopping=lambda: self._is_to_stop(job) or self._has_lost_its_client(job),
            ).run()
            agreed_index = self._agreed(job, done)
            state = stock_results.State(file=job.import_ref, results_bytes=told.tell(), is_done=True)
        stock_results.write_private(
            folder / SUMMARY, json.dumps({**done.figures(), "agreed_index": agreed_index}).encode()
        )
        stock_results.write_state(folder, state)
        self._move(job, "done")

    def _agreed(self, job: Job, done: collection_sheet.Summary) -> int | None:
        """Where it stands that both agree on the day of a sheet; None: it was not asked, or they differ."""
        if not (job.is_to_agree and done.is_agreed):
            return None
        return collection_agreeing.agree(
            done,
            actor=job.actor,
            source=job.source or "",
            day=job.day,
            submit=self._submit,
            reader=self._reader,
            suite=self._ledger.vault.suite,
        )

    def _run(self, job: Job) -> bool:
        """Whether the job is done with: else it is tried again, or another process has it."""
        folder = self._folder / job.import_ref
        try:
            with contextlib.ExitStack() as stack:
                if job.is_sheet:
                    self._compare(job)
                    return True
                file = stack.enter_context((folder / FILE).open("rb"))
                rows = stock_file.Reader(file, job.form)
                judge = self._judge(job)
                if job.format == "csv":
                    judge.columns(rows.columns)
                size = self._ledger.recorder.newest_index() + 1
                results = stack.enter_context(
                    stock_results.opened(
                        folder, form=job.form, columns=rows.columns, file=job.import_ref, size=size
                    )
                )
                self._move(job, "running")
                done = collection_run.of(
                    job.numbered,
                    actor=job.actor,
                    file=file,
                    rows=rows,
                    judge=judge,
                    submit=self._submit,
                    reader=self._reader,
                    results=results,
                    is_stopping=lambda: self._is_to_stop(job),
                ).run()
            self._move(job, "waiting" if done.waiting else "done")
            self._wake_waiting(job, done)
        except stock_run.Stopped:
            return not self._is_stopping.is_set()
        except (errors.Unavailable, errors.TooManyRequests) as error:
            _log.warning("an import waits", extra={"error_type": error.type})
            return False
        except FileNotFoundError:
            # Cancelled, or done by another process; else somebody took the file away.
            self._move(job, "failed", problem={"type": errors.NotFound.type, "detail": "the file is gone"})
        except OSError as error:
            _log.error("an import waits for its disk", extra={"error_type": type(error).__name__})
            return False
        except stock_results.InUse:
            return False  # another process has it
        except errors.LedgerError as error:
            told = {name: value for name, value in error.extra.items() if name in ("errors", "line")}
            self._move(job, "failed", problem={"type": error.type, "detail": error.detail, **told})
        return True

    def _judge(self, job: Job) -> stock_row.Judge:
        return collection_run.judge(
            job.numbered,
            self._ledger.vault,
            job.actor,
            reader=self._reader,
            now=self._now,
            defaults=stock_row.Defaults(origin=job.origin, trust_level=job.trust_level),
        )

    def _wake_waiting(self, job: Job, done: stock_results.State) -> None:
        """Batches of the same source whose rows wait are run again once another applied something."""
        if job.batch is None or not done.applied:
            return
        for other in self._all():
            same = (other.organization, other.source) == (job.organization, job.source)
            if same and other.status == "waiting" and other.import_ref != job.import_ref:
                with self._guard:
                    now = self._read(other.import_ref)
                    if now is not None and now.status == "waiting":
                        self._write(replace(now, status="queued"))

    def _has_lost_its_client(self, job: Job) -> bool:
        """False while the client may still call; raises what the ledger refuses it with.

        Of a sheet, which records nothing: what records is refused row by row, under the lock.
        """
        clock.now(self._reader.run, self._ledger.vault)
        actor, compromised = job.actor, self._ledger.vault.compromised
        row = self._reader.row(ClientRow, ids.parse(job.client_id))
        command.require_standing(actor, row, compromised=compromised)
        return False

    def _is_to_stop(self, job: Job) -> bool:
        return self._is_stopping.is_set() or not (self._folder / job.import_ref / FILE).exists()

    def _move(self, job: Job, status: str, *, problem: dict[str, Any] | None = None) -> None:
        """The job stands so from here on, unless it was cancelled meanwhile."""
        with self._guard:
            now = self._read(job.import_ref)
            if now is None or now.status not in OPEN:
                return
            self._write(replace(now, status=status, problem=problem))
        if status not in KEEPS_FILE:
            (self._folder / job.import_ref / FILE).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Jobs that were over, or never got their file, weeks ago are gone."""
        before = self._now() // 1_000_000 - KEPT_DAYS * _DAY_S
        for job in self._all():
            if job.made_at < before and job.status not in ("queued", "running"):
                shutil.rmtree(self._folder / job.import_ref, ignore_errors=True)

    # --- on disk ---

    def _all(self) -> list[Job]:
        if not self._folder.exists():
            return []
        found = (self._read(folder.name) for folder in sorted(self._folder.iterdir()))
        return [job for job in found if job is not None]

    def _read(self, import_ref: str) -> Job | None:
        try:
            sealed = (self._folder / import_ref / JOB).read_bytes()
        except FileNotFoundError:
            return None
        nonce, ciphertext = sealed[: keys.NONCE_BYTES], sealed[keys.NONCE_BYTES :]
        try:
            said = keys.unseal(self._key, nonce=nonce, ciphertext=ciphertext, context=import_ref.encode())
            return Job(**json.loads(said))
        except (ValueError, TypeError) as error:
            # A record that is damaged costs its own job, and nobody the others.
            _log.error("the record of an import cannot be read", extra={"error_type": type(error).__name__})
            return None

    def _write(self, job: Job) -> None:
        nonce, said = secrets.token_bytes(keys.NONCE_BYTES), json.dumps(asdict(job)).encode()
        sealed = keys.seal(self._key, nonce=nonce, plaintext=said, context=job.import_ref.encode())
        stock_results.write_private(self._folder / job.import_ref / JOB, nonce + sealed)

    def _require(self, job: Job, status: str) -> None:
        now = self._read(job.import_ref)
        if now is None or now.status != status:
            raise errors.Conflict("the import has its file", import_status="" if now is None else now.status)
