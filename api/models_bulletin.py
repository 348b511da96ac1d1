"""What requests about the monthly bulletin bring, and what its answers hold; shapes only."""

from __future__ import annotations

from pydantic import Field

from api import models, models_answers


class CloseMonth(models.Act):
    """关账: the month's figures stand from here on."""


class CorrectMonth(models.Act):
    """更正: a next edition, with what was recorded since."""

    reason: models.Text


class MonthClosed(models_answers.Proven):
    """A month, closed or corrected."""

    month: str


class EditionShown(models_answers.Answer):
    """Figures of a month as they were at one place of the log."""

    month: str
    edition: int
    closed_index: int = Field(description="Index of the event before which everything counts")
    closed_at: str


class Editions(models_answers.Answer):
    """Closed months, the newest first, each with its editions."""

    editions: list[EditionShown]
    through: int


class BulletinLine(models_answers.Answer):
    """The figures of one group; null stands for few, where the caller may not know how few."""

    license_type: str | None = Field(description="Empty where a refusal named no type")
    department: str | None = Field(description="Issuers for what they issued, requesters for what they used")
    region: str | None = Field(description="Division code in the department's credit code")
    issued: int | None = Field(description="Decided in the month")
    imported: int | None
    changed: int | None = Field(description="Decided in the month")
    issued_late: int | None = Field(description="Recorded in the month, and decided before it")
    changed_late: int | None
    used: int | None = Field(description="共享次数: granted uses, one a license")
    compared: int | None
    verified: int | None
    refused: dict[str, int | None] = Field(description="By reason")
    cases_closed: int | None = Field(description="Cases 办件 that the department closed")
    since_closing: dict[str, int] | None = Field(
        description="What was recorded of the month since, and is in no figure here; told to auditors"
    )


class Bulletin(models_answers.Answer):
    """The bulletin 通报 of a month."""

    month: str
    edition: int | None = Field(description="Null: the month is not closed, and its figures still change")
    closed_index: int | None
    closed_at: str | None
    through: int
    lines: list[BulletinLine]
