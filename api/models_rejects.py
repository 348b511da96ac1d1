"""What the list of rejected rows of sources holds."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api import models, models_answers


class RejectedRow(models_answers.Answer):
    """A row of a source that was rejected and not put right yet; no code, name or number."""

    source: str
    batch: str = Field(description="In which it came last")
    line: int
    error_remark: str = Field(description="异常说明: column and rule of each fault")
    license_type: str | None = Field(description="Null where the row names none that is known")
    operation: Literal["I", "U", "D"] | None
    operated_at: str | None
    first_rejected_at: str
    rejected_at: str
    age_days: int = Field(description="Beijing days since it was rejected first")
    times: int = Field(description="In how many batches it was rejected")


class RejectedBacklog(models_answers.Answer):
    """What a source has to put right."""

    source: str
    rows: int
    oldest_at: str
    newest_at: str


class RejectedRows(models_answers.Answer):
    """A page of the list, the oldest first."""

    sources: list[RejectedBacklog] = Field(description="All of the organization, those with the oldest first")
    rows: list[RejectedRow]
    cursor: models.Cursor | None
