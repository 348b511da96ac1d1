"""What an organization's feed of cases 办件 brings, and what its answers hold."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from api import models, models_answers
from ledger import case

_Types = Annotated[
    list[models.TypeCode],
    Field(max_length=case.RESULTS_MAX, description="Types of the licenses that the case is to result in"),
]
_Licenses = Annotated[
    list[models.Ref],
    Field(max_length=case.RESULTS_MAX, description="Licenses that it resulted in, as far as they are known"),
]
Outcome = Literal["approved", "denied", "withdrawn", "terminated"]


class CaseParty(models.Holder):
    """A party 当事人 of a case; the code is sealed."""

    role: Literal["applicant", "agent", "interested"] = "applicant"


Parties = Annotated[
    list[CaseParty],
    Field(max_length=case.PARTIES_MAX, description="Empty: the feed does not say; no use is held against it"),
]


class OpenedCase(models.Strict):
    """受理: one row that says that a case was opened, or opened again after its end."""

    fact: Literal["opened"]
    case_number: models.CaseNumber
    service_item_code: models.ItemCode
    channel: models.Channel = "window"
    opened_at: models.Instant
    parties: Parties = Field(default_factory=list)


class ClosedCase(models.Strict):
    """办结: one row that says that a case was closed; the row that opened it may come later."""

    fact: Literal["closed"]
    case_number: models.CaseNumber
    service_item_code: models.ItemCode | None = None
    channel: models.Channel = "window"
    closed_at: models.Instant
    outcome: Outcome
    license_types: _Types = Field(default_factory=list)
    license_refs: _Licenses = Field(default_factory=list)


class OpenCase(models.Act):
    """受理: a case of the organization that the client acts for."""

    case_number: models.CaseNumber
    service_item_code: models.ItemCode
    opened_at: models.Instant
    parties: Parties = Field(default_factory=list)


class CloseCase(models.Act):
    """办结: it may come before what opened the case."""

    case_number: models.CaseNumber
    closed_at: models.Instant
    outcome: Outcome
    license_types: _Types = Field(default_factory=list)
    license_refs: _Licenses = Field(default_factory=list)


class CaseRows(models.Strict):
    """Up to 1,000 rows; each is decided and answered by itself, in their order."""

    operator: models.Operator
    rows: list[Any] = Field(
        min_length=1,
        max_length=models.BATCH_MAX,
        json_schema_extra={
            "items": {
                "oneOf": [
                    {"$ref": "#/components/schemas/OpenedCase"},
                    {"$ref": "#/components/schemas/ClosedCase"},
                ]
            }
        },
    )


class FindCase(models.Strict):
    """One case of the organization that the client acts for."""

    case_number: models.CaseNumber


class CaseSaid(models_answers.Witnessed):
    """What was said of a case; not the event's bytes, in which stands whether the ledger knows a party."""

    case_number: str
    repeated: bool = Field(description="It was said before, and recorded then")


class RowSaid(models_answers.Answer):
    """What became of a row."""

    index: int = Field(description="Leaf index of the event that says it")
    repeated: bool = Field(description="It was said before, and recorded then")


class RowAnswer(models_answers.Answer):
    """A row's own answer or problem."""

    status: int
    answer: RowSaid | None = None
    problem: dict[str, Any] | None = None


class RowAnswers(models_answers.Answer):
    """One element a row, in order."""

    index: int | None = Field(description="The greatest index of the answers")
    rows: list[RowAnswer]


class SpanShown(models_answers.Answer):
    """From an opening to a closing."""

    opened_at: str | None
    opened_index: int | None
    closed_at: str | None
    closed_index: int | None
    parties: int = Field(description="How many were named")


class CaseNow(models_answers.Answer):
    """What is known of a case."""

    case_number: str
    is_open: bool
    spans: list[SpanShown]


class CaseFound(models_answers.Answer):
    """What was said of the case of a finding."""

    opened_at: str | None
    ended_at: str | None = Field(description="Null while the case is open")
    parties: int = Field(description="How many were named")
    missing_types: list[str] = Field(description="Of the licenses that have not come")


class ChangeFound(models_answers.Answer):
    """The change that held already when a license was used."""

    index: int
    topic: str
    effective_at: str
    recorded_at: str


class FindingEntry(models_answers.TrailEntry):
    """One event, and why it is in the list."""

    case: CaseFound | None = Field(description="Null where the organization never said anything of the case")
    change: ChangeFound | None = Field(description="Of a use in the delay of a change")


class Findings(models_answers.Answer):
    """A page of a list of findings."""

    index: int
    receipt: str
    through: int
    events: list[FindingEntry]
    cursor: str | None
