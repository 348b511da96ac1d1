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


class Reconcile(models.Act):
    """对账: a sheet of a source that is to come."""

    format: Literal["csv", "ndjson"] = "csv"
    encoding: Literal["utf-8", "gb18030"] = "utf-8"
    source: BatchName = Field("default", description="The system of the organization that sent the rows")
    day: models.Day | None = Field(
        None, description="Of which what the ledger has is told; else of the sheet's days"
    )
    agree: bool = Field(
        False, description="Record `ReconciliationAgreed` when both sides have the same rows of the day"
    )


class ReconciledDay(models_answers.Answer):
    """Rows of one day, type, issuer and area."""

    day: str
    license_type: str
    issuer: str
    area_code: str = Field(description="管辖属地 of the license as it is now")
    sent: int
    held: int
    same: int
    differences: int
    digest: str = Field(description="Over the rows that the ledger has, in whatever order")


class Reconciled(models_answers.Answer):
    """How a sheet and the ledger agree."""

    agreed: bool = Field(description="Nothing is missing, different or unreadable")
    rows: int
    same: int
    missing_here: int
    missing_there: int
    different: int
    rejected: int
    outdated: int
    unreadable: int
    days: list[ReconciledDay]
    agreed_index: int | None = Field(
        description="Of the event that both agree on the day; null: they do not, or it was not asked"
    )


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
    faults: dict[str, int] = Field(description="Rejected rows by `column: rule` of what is wrong with them")
    batch: str | None = Field(description="Number of the batch; from here on null or 0 for old licenses")
    source: str | None
    amended: int
    changed: int = Field(description="Rows that changed a status")
    ended: int
    outdated: int = Field(description="Rows older than what the ledger has of their license")
    waiting: int = Field(description="Rows whose license has not come yet")
    missing_batches: list[str] = Field(description="Numbers before this one's that did not come")
    problem: dict[str, Any] | None = Field(description="Why it failed")
    reconciliation: Reconciled | None = Field(description="Of a sheet that was held against the ledger")


class Imports(models_answers.Answer):
    """A page of a client's imports, the newest first."""

    imports: list[ImportJob]
    cursor: models.Cursor | None


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
    license_type: str | None = Field(None, description="From here on of a sheet")
    operation: Literal["I", "U", "D"] | None = None
    operated_at: str | None = None
    batch: str | None = None
    remark: str | None = None


class ImportResults(models_answers.Answer):
    """Some outcomes, in the order of the file."""

    rows: list[RowOutcome]
    cursor: models.Cursor | None
