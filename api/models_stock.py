"""What requests about imports of old licenses bring, and what their answers hold; shapes only."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from api import models, models_answers

Status = Literal["awaiting-file", "queued", "running", "done", "cancelled", "failed"]


class Import(models.Act):
    """存量归集: a file of old licenses that is to come."""

    format: Literal["csv", "ndjson"] = "csv"
    encoding: Literal["utf-8", "gb18030"] = "utf-8"
    origin: Literal["issued-online", "from-database", "scanned-and-checked", "scanned"] = Field(
        "from-database", description="Of rows that do not say it"
    )
    trust_level: Literal["A", "B", "C", "D"] | None = Field(None, description="Of rows that do not say it")


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
    problem: dict[str, Any] | None = Field(description="Why it failed")


class RowFault(models_answers.Answer):
    """One thing wrong with a row."""

    column: str
    rule: str


class RowOutcome(models_answers.Answer):
    """What became of one row."""

    line: int
    outcome: Literal["issued", "exists", "rejected"]
    license_ref: models.Ref | None = None
    index: int | None = None
    findings: list[str] | None = None
    faults: list[RowFault] | None = None


class ImportResults(models_answers.Answer):
    """Some outcomes, in the order of the file."""

    rows: list[RowOutcome]
    cursor: models.Cursor | None
