"""What a page of a holder's file holds, for the description of the face."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from api import models_answers, models_dispute


class Reminder(models_answers.Answer):
    """What is due for a license within 90 days."""

    kind: Literal["expiry", "endorsement"]
    day: str = Field(description="The last Beijing day: of validity, or for the endorsement 年检")
    days_left: int = Field(description="0 on that day; less than 0: so many days overdue")


class FileEntry(models_answers.LicenseNow):
    """A license in its holder's own file, opened."""

    roles: list[str]
    license_id: str | None
    fields: dict[str, Any] | None = Field(description="Field name to value; null once the holder was erased")
    reminders: list[Reminder]
    disputes: list[models_dispute.DisputeOfLicense] = Field(description="The newest first, 20 at most")


class HolderFile(models_answers.Answer):
    """A page of a holder's file."""

    index: int
    receipt: str
    through: int = Field(description="Index that the file had come through")
    licenses: list[FileEntry]
    cursor: str | None = Field(description="Asks for the next page; null: this is the last one")
