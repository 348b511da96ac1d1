"""Imports of old licenses over HTTP 存量归集: a job, its file, and its results as they come."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Body, Query
from fastapi.concurrency import contextmanager_in_threadpool
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from api import acts, answers, models, models_stock, routes, service
from ledger import collection, collection_run, days, errors, stock_job, stock_results
from signing import cbor, ids

router = routes.router()
STALLED_S = 60.0
"""So long without a byte, and a file is not being sent any more: another may be."""
FILE_TYPE = "application/octet-stream"
EXAMPLE = {
    "operator": {"account": "batch-1", "name": "李某"},
    "case_number": "STOCK-2026-1",
    "format": "csv",
    "trust_level": "B",
}
EXAMPLE_FILE = (
    "source_id,license_type,number,holder_code_type,holder_code,holder_name,issued_on\n"
    "S-1,11100000MB0143028R001,SYN-1,001,91350100MA0000007A,合成持证主体,2015-06-01\n"
)
EXAMPLE_BATCH = {
    "operator": {"account": "batch-1", "name": "李某"},
    "format": "csv",
    "batch": "20261126-001",
    "source": "archive",
}
ImportBody = Annotated[
    models_stock.Import,
    Body(
        openapi_examples={
            "a_file": {"summary": "a file", "value": EXAMPLE},
            "a_batch": {"summary": "a batch", "value": EXAMPLE_BATCH},
        }
    ),
]
EXAMPLE_SHEET = {
    "operator": {"account": "batch-1", "name": "李某"},
    "format": "csv",
    "source": "archive",
    "day": "2026-11-25",
    "agree": True,
}
ReconcileBody = Annotated[
    models_stock.Reconcile, Body(openapi_examples={"a_day": {"summary": "a day", "value": EXAMPLE_SHEET}})
]
_FILE = {
    "requestBody": {
        "required": True,
        "content": {
            FILE_TYPE: {
                "schema": {"type": "string", "format": "binary"},
                "examples": {"two_lines": {"summary": "two lines", "value": EXAMPLE_FILE}},
            }
        },
    }
}
_READING = (errors.ScopeMissing, errors.ClientSuspended, errors.NotFound)
Cursor = Annotated[models.Cursor | None, Query(description="As the page before gave it")]
Limit = Annotated[int, Query(ge=1, le=models.BATCH_MAX)]
JobLimit = Annotated[int, Query(ge=1, le=100)]


@router.post(
    "/v1/imports",
    summary="Begin an import of old licenses 存量归集",
    **routes.secured(
        "license:issue", model=models_stock.ImportJob, refusals=(errors.CaseNumberUnfit, errors.Conflict)
    ),
)
async def begin_import(request: Request, body: ImportBody, key: acts.IdempotencyKey = None) -> Response:
    """A job that waits for its file. Rows are recorded with the powers of the client as they then are.

    With `batch`, the rows insert, update and delete licenses of a source 增量归集.
    """
    asked = await _asked(request, body, key, operation="begin import")
    if body.batch is not None:
        collection.Batch(asked.organization, body.source, body.batch).check()
    asked = replace(
        asked,
        origin=body.origin,
        trust_level=body.trust_level,
        batch=body.batch,
        source=None if body.batch is None else body.source,
    )
    return await _begun(request, asked)


@router.post(
    "/v1/imports/reconciliations",
    summary="Begin a reconciliation of a source 对账",
    **routes.secured(
        "license:issue", model=models_stock.ImportJob, refusals=(errors.CaseNumberUnfit, errors.Conflict)
    ),
)
async def begin_reconciliation(
    request: Request, body: ReconcileBody, key: acts.IdempotencyKey = None
) -> Response:
    """A job that waits for its sheet; nothing is recorded but that both agree, where that is asked."""
    asked = await _asked(request, body, key, operation="begin reconciliation")
    collection.Batch(asked.organization, body.source, "sheet").check()
    day = acts.day(body.day)
    if body.agree and day is None:
        raise errors.Invalid("an agreement is on a day", field="day")
    asked = replace(asked, is_sheet=True, source=body.source, day=day, is_to_agree=body.agree)
    return await _begun(request, asked)


async def _asked(
    request: Request, body: models_stock.Import | models_stock.Reconcile, key: str | None, *, operation: str
) -> stock_job.Job:
    """The job as it is asked for, of whatever kind."""
    served, asking = service.of(request), routes.asking(request)
    repeat = await acts.repeat(request, asking, operation=operation, key=key)
    actor, operator = acts.actor(asking, body), body.operator
    return stock_job.Job(
        # Under the same key the same job; its name says nothing of the key.
        import_ref=ids.text(hashlib.sha256(cbor.encode(["import", repeat.key])).digest()[: ids.ID_BYTES]),
        client_id=ids.text(asking.client_id),
        organization=asking.organization,
        generation=asking.generation,
        case_number=actor.case_number,
        reason=actor.reason,
        operator=[operator.account, operator.name, operator.organization],
        format=body.format,
        encoding=body.encoding,
        origin="from-database",
        trust_level=None,
        made_at=served.now_s(),
        access_key=asking.key_id,
    )


async def _begun(request: Request, asked: stock_job.Job) -> Response:
    """The job, made or known; raises IdempotencyKeyReused for another under the same key."""
    served, asking = service.of(request), routes.asking(request)

    def make() -> answers.Json:
        served.require_current(asking)
        made = served.imports.make(asked)
        same = replace(
            made,
            made_at=asked.made_at,
            status=asked.status,
            size=0,
            problem=None,
            generation=asked.generation,
            access_key=asked.access_key,
        )
        if same != asked:
            raise errors.IdempotencyKeyReused
        return _shown(served, made)

    return routes.answer(await served.read(make))


@router.get(
    "/v1/imports",
    summary="The imports of this client",
    **routes.secured(
        "license:issue", model=models_stock.Imports, refusals=(*_READING, errors.Invalid), appends=False
    ),
)
async def list_imports(request: Request, limit: JobLimit = 20, cursor: Cursor = None) -> Response:
    """Its own for the organization acted for, the newest first, as long as their results are kept."""
    served, asking = service.of(request), routes.asking(request)

    def look() -> answers.Json:
        served.require_current(asking)
        found = served.imports.own(
            client_id=asking.client_id, organization=asking.organization, after=cursor, limit=limit + 1
        )
        shown = found[:limit]
        return {
            "imports": [_shown(served, job) for job in shown],
            "cursor": shown[-1].import_ref if len(found) > limit else None,
        }

    return routes.answer(await served.read(look))


@router.put(
    "/v1/imports/{import_ref}/file",
    summary="Send the file of an import",
    **routes.secured(
        "license:issue",
        model=models_stock.ImportJob,
        refusals=(*_READING, errors.Conflict, errors.TooLarge, errors.UnsupportedMediaType, errors.Malformed),
        appends=False,
        **_FILE,
    ),
)
async def upload_import(request: Request, import_ref: str) -> Response:
    """The whole file as it is; when it has come, the job is run after those before it."""
    served = service.of(request)
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != FILE_TYPE:
        raise errors.UnsupportedMediaType(f"a file is sent as {FILE_TYPE}")
    job = await served.read(_own, request, import_ref)
    # On its way out it waits for the disk, which has two gigabytes to keep.
    async with contextmanager_in_threadpool(served.imports.upload(job)) as file:
        async for chunk in _chunks(request, served.imports.bytes_max):
            await run_in_threadpool(file.write, chunk)
    return routes.answer(await served.read(lambda: _shown(served, _own(request, import_ref))))


async def _chunks(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body, of at most `limit` bytes; raises TooLarge, or Malformed when it breaks off."""
    total = 0
    stream = aiter(request.stream())
    try:
        while (chunk := await asyncio.wait_for(anext(stream, None), STALLED_S)) is not None:
            total += len(chunk)
            if total > limit:
                raise errors.TooLarge(limit_bytes=limit)
            if chunk:
                yield chunk
    except TimeoutError as error:
        raise errors.Malformed("The body does not go on") from error
    except ClientDisconnect as error:
        raise errors.Malformed("The connection ended before the body did") from error


@router.get(
    "/v1/imports/{import_ref}",
    summary="How an import stands",
    **routes.secured("license:issue", model=models_stock.ImportJob, refusals=_READING, appends=False),
)
async def get_import(request: Request, import_ref: str) -> Response:
    """Status and counts; rows are counted once they are on disk."""
    served = service.of(request)
    return routes.answer(await served.read(lambda: _shown(served, _own(request, import_ref))))


@router.get(
    "/v1/imports/{import_ref}/results",
    summary="What became of the rows of an import",
    **routes.secured(
        "license:issue", model=models_stock.ImportResults, refusals=(*_READING, errors.Invalid), appends=False
    ),
)
async def import_results(
    request: Request, import_ref: str, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """Row by row in the order of the file: line, outcome, reference, index, findings, faults.

    While the job goes on there is always a cursor; what it leads to may still be empty.
    """
    served = service.of(request)

    def look() -> answers.Json:
        job = _own(request, import_ref)
        rows, behind = served.imports.results(job, offset=_offset(cursor), limit=limit)
        following = None if behind is None else ids.text(behind.to_bytes(ids.ID_BYTES, "big"))
        return {"rows": rows, "cursor": following}

    return routes.answer(await served.read(look))


@router.get(
    "/v1/imports/{import_ref}/rejected",
    summary="The rejected rows of an import",
    **routes.secured("license:issue", model=None, refusals=_READING, appends=False),
)
async def import_rejected(request: Request, import_ref: str) -> Response:
    """In the columns and the encoding in which they came, with `error_remark`."""
    served = service.of(request)
    job = await served.read(_own, request, import_ref)
    path, size = await served.read(served.imports.rejected, job)

    async def body() -> AsyncIterator[bytes]:
        left = size
        if left:
            with path.open("rb") as file:
                while left and (chunk := await run_in_threadpool(file.read, min(left, 65_536))):
                    left -= len(chunk)
                    yield chunk

    return StreamingResponse(body(), headers={"Cache-Control": "no-store"}, media_type=FILE_TYPE)


@router.delete(
    "/v1/imports/{import_ref}",
    summary="Cancel an import",
    **routes.secured("license:issue", model=models_stock.ImportJob, refusals=_READING, appends=False),
)
async def cancel_import(request: Request, import_ref: str) -> Response:
    """No further row is recorded; those that were stand."""
    served = service.of(request)
    return routes.answer(
        await served.read(lambda: _shown(served, served.imports.cancel(_own(request, import_ref))))
    )


def _own(request: Request, import_ref: str) -> stock_job.Job:
    """The caller's own job; raises NotFound."""
    served, asking = service.of(request), routes.asking(request)
    served.require_current(asking)
    ref = ids.text(acts.ref(import_ref, absent=errors.NotFound))
    return served.imports.get(ref, client_id=asking.client_id, organization=asking.organization)


def _offset(cursor: str | None) -> int:
    try:
        return 0 if cursor is None else int.from_bytes(ids.parse(cursor), "big")
    except ids.IdInvalid as error:
        raise errors.Invalid("not a cursor", field="query.cursor") from error


def _shown(served: service.Service, job: stock_job.Job) -> dict[str, Any]:
    state, batch = served.imports.progress(job), job.numbered
    return {
        "import_ref": job.import_ref,
        "status": job.status,
        "format": job.format,
        "encoding": job.encoding,
        "made_at": days.instant_text(job.made_at * 1_000_000),
        "bytes": job.size,
        "bytes_done": state.offset,
        "rows": state.rows,
        "issued": state.issued,
        "existing": state.existing,
        "rejected": state.rejected,
        "with_findings": state.doubtful,
        "faults": state.faults,
        "batch": job.batch,
        "source": job.source,
        **{name: getattr(state, name) for name in stock_results.BATCH_OUTCOMES},
        "missing_batches": [] if batch is None else collection_run.missing(served.reader, batch),
        "problem": job.problem,
        "reconciliation": served.imports.summary(job) if job.is_sheet else None,
    }
