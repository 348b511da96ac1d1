"""What requests about the life of a license bring: renewal, replacement, pieces, endorsement, status.

Shapes only, as in `models.py`; what a license's state allows is decided below.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from api import edge, models, models_answers


class Renew(models.IssuerAct):
    """延续: a new term under a new serial; what is not said stays as it is."""

    serial: models.Serial | None = Field(None, description="流水号 of the new identifier; drawn when absent")
    number: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    fields: dict[str, edge.FieldValue] | None = Field(None, description="Every field again; null: as before")
    valid_from: models.Day
    valid_to: models.Day | None = Field(None, description="Last valid day; null: long-term 长期")
    issued_on: models.Day
    effective_at: models.Instant | None = None
    endorsement_due: models.Day | None = None
    counterparts: models.Counterparts = 0
    attachments: models.Attachments = Field(default_factory=list)
    removed_attachments: models.RemovedAttachments = Field(default_factory=list)
    reason: models.Text


class Replace(models.IssuerAct):
    """补发, 换发: printed anew for the same term."""

    cause: Literal["lost", "damaged", "renewed-form"]
    number: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    issued_on: models.Day
    effective_at: models.Instant | None = None
    counterparts: models.Counterparts = 0
    attachments: models.Attachments = Field(default_factory=list)
    removed_attachments: models.RemovedAttachments = Field(default_factory=list)
    reason: models.Text


class IssueCounterparts(models.IssuerAct):
    """副本: so many more of the present version."""

    count: int = Field(ge=1, le=models.COUNTERPARTS_MAX)
    reason: models.Text


class CancelCounterpart(models.IssuerAct):
    """副本注销: one counterpart dies alone."""

    cause: Literal["lost", "damaged", "returned"]
    reason: models.Text
    effective_at: models.Instant | None = None


class _Endorsement(models.IssuerAct):
    kind: Literal["annual-review", "inspection", "calibration", "registration", "visa"]
    period: str = Field(
        pattern=r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?(/[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?)?$",
        description="A year, a month or a day, or from one to another: 2026, 2026-03/2027-02",
    )
    effective_at: models.Instant | None = None


Result = Literal["passed", "passed-with-conditions", "failed"]


class Endorse(_Endorsement):
    """年检, 年审, 签注, 校验 of one license."""

    result: Result
    next_due: models.Day | None = Field(
        None, description="Last day for the next one; null: none is due, or failed"
    )


class EndorseItem(models.Strict):
    """One license of a list, with its own key."""

    license_ref: models.Ref
    result: Result
    next_due: models.Day | None = None
    idempotency_key: str = Field(pattern=r"^[!-~]{1,255}$")


class EndorseList(_Endorsement):
    """Up to 1,000 licenses; each is decided and answered by itself."""

    items: list[Any] = Field(
        min_length=1,
        max_length=models.BATCH_MAX,
        json_schema_extra={"items": {"$ref": "#/components/schemas/EndorseItem"}},
    )


class Origin(models.Strict):
    """转入: what the license was where it comes from, as it was there; sealed."""

    license_id: str = Field(min_length=1, max_length=128, description="The origin's identifier 证照标识")
    number: str | None = Field(None, min_length=1, max_length=100)
    event: str | None = Field(None, min_length=4, max_length=90_000, description="The origin's event, base64")
    receipt: str | None = Field(None, min_length=1, max_length=20_000, description="Its receipt")


class TransferIn(models.Issue):
    """转入: a new license that goes on with one from elsewhere."""

    origin: Origin


class ChangeStatus(models.IssuerAct):
    """A change of status or of a mark: who, why and on which legal basis."""

    reason: models.Text
    legal_basis: models.Text
    effective_at: models.Instant | None = Field(
        None, description="业务时间; not after the moment of recording"
    )


class CourtOrder(ChangeStatus):
    """查封, 解除查封: by a court's order."""

    document_number: str = Field(min_length=1, max_length=100, description="文号 of the order; sealed")


class TransferOut(ChangeStatus):
    """转出: where to."""

    area_code: str = Field(pattern=r"^[0-9]{6}$", description="Destination, six digits of GB/T 2260")


class Draft(models.Issue):
    """起草: what is to be issued once another operator has reviewed it."""


class ReviewDraft(models.Act):
    """审核, by another operator than the drafter."""

    decision: Literal["approve", "return"]
    reason: models.Text


class IssueDraft(models.Act):
    """颁发 of an approved draft."""

    effective_at: models.Instant | None = None


class RepresentedPeriod(models_answers.Answer):
    """Who represented the holder, from a version on until the next that says otherwise."""

    since: str
    until: str | None
    version: int
    index: int = Field(description="Leaf index of the event that says so")
    representatives: list[str] = Field(description="A reference for each person, always the same; no code")
    ended_authorizations: int = Field(description="Consents of former representatives that were over then")


class Representatives(models_answers.Answer):
    """Who represented a license's holder."""

    license_ref: str
    through: int
    periods: list[RepresentedPeriod]
