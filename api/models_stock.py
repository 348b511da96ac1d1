"""What requests about imports of old licenses bring, and what their answers hold; shapes only."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from api import models, models_answers

Status = Literal["awaiting-file", "queued", "running", "waiting", "done", "cancelled", "failed"]
BatchName = Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,31}$")]


class Import(models.Act):
    """存量归集: a file of old licenses that is to come."""

    format: Literal["csv", "ndjson"] = "csv"
    encoding: Literal["utf-8", "gb18030"] = "utf-8"
    origin: Literal["issued-online", "from-database", "scanned-and-checked", "scanned"] = Field(
        "from-database", description="Of rows that do not say it"
    )
    trust_level: Literal["A", "B", "C", "D"] | None = Field(None, description="Of rows that do not say it")
    batch: BatchName | None = Field(
        None, description="Number 批次号 of a batch of inserts, updates and deletes; without, old licenses"
    )
    source: BatchName = Field("default", description="The system of the organization that numbered the batch")


class ImportJob(models_answers.Answer):
    """How an import stands."""

    import_ref: models.Ref
    status: Status
    format: str
    encoding: str
    made_at: str
    bytes: int = Field(description="Of the file")
    bytes_done: int
    rows: int
    issued: int
    existing: int
    rejected: int
    with_findings: int
    batch: str | None = Field(description="Number of the batch; from here on null or 0 for old licenses")
    source: str | None
    amended: int
    changed: int = Field(description="Rows that changed a status")
    ended: int
    outdated: int = Field(description="Rows older than what the ledger has of their license")
    waiting: int = Field(description="Rows whose license has not come yet")
    missing_batches: list[str] = Field(description="Numbers before this one's that did not come")
    problem: dict[str, Any] | None = Field(description="Why it failed")


class RowFault(models_answers.Answer):
    """One thing wrong with a row."""

    column: str
    rule: str


class RowOutcome(models_answers.Answer):
    """What became of one row."""

    line: int
    outcome: Literal["issued", "amended", "changed", "ended", "exists", "outdated", "waiting", "rejected"] = (
        Field(description="Of a row that waited there is a second line, which counts")
    )
    license_ref: models.Ref | None = None
    index: int | None = None
    findings: list[str] | None = None
    faults: list[RowFault] | None = None


class ImportResults(models_answers.Answer):
    """Some outcomes, in the order of the file."""

    rows: list[RowOutcome]
    cursor: models.Cursor | None
