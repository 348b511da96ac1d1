"""What the lists of an issuer's tasks hold."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api import models_answers


class Ending(models_answers.Answer):
    """A license of a holder who has ended."""

    license_ref: str
    license_type: str
    status: str = Field(description="By record or by date, as of now")
    holder_end: str = Field(description="What the catalog says of the type: `cancel`, `keep` or `lapse`")
    kind: str = Field(description="`death`, `declared-death`, `deregistration` or `merger`")
    ended_at: str = Field(description="Since when it holds, as the registering organ says")
    ended_index: int = Field(description="Leaf index of the event that says so")


class StaleName(models_answers.Answer):
    """A license that prints a former name of its holder."""

    license_ref: str
    license_type: str
    status: str = Field(description="By record or by date, as of now")
    changed_index: int = Field(description="Leaf index of the newest event that says that the name changed")
    former_names: list[Literal["holder", "representative"]] = Field(
        description="Whose former name it prints: the holder's, or that of who represents it 法定代表人"
    )


class StaleNames(models_answers.Answer):
    """A page of the list."""

    through: int = Field(description="The index that the list has come through")
    stale_names: list[StaleName]
    cursor: str | None


class Endings(models_answers.Answer):
    """A page of the list."""

    through: int = Field(description="The index that the list has come through")
    endings: list[Ending]
    cursor: str | None


class ReminderShown(models_answers.Answer):
    """A license of which something is due."""

    license_ref: str
    license_type: str
    status: str = Field(description="By record or by date, as of now")
    day: str = Field(description="The last Beijing day: of validity, or for the endorsement")
    days_left: int = Field(description="0 on that day; less than 0: so many days past it")
    renewable_from: str | None = Field(
        description="The first day on which it may be renewed 延续, where its type says so; null: any"
    )


class Reminders(models_answers.Answer):
    """A page of the list."""

    through: int = Field(description="The index that the list has come through")
    kind: Literal["expiry", "endorsement"]
    first: str
    last: str
    reminders: list[ReminderShown]
    cursor: str | None


class QualityFinding(models_answers.Answer):
    """What is doubtful about a license; it stands nevertheless."""

    license_ref: str
    license_type: str
    status: str = Field(description="By record or by date, as of now")
    finding: str = Field(description="What it is, as `docs/import.md` lists them")
    other_license_ref: str | None = Field(
        description="Of a clash: the license that has the same printed number"
    )
    raised_index: int = Field(description="Leaf index of the event that says so")


class QualityFindings(models_answers.Answer):
    """A page of the list."""

    through: int = Field(description="The index that the list has come through")
    findings: list[QualityFinding]
    cursor: str | None
