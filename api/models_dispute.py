"""What requests about disputes bring, and what their answers hold; shapes only."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from api import edge, models, models_answers

Statement = Annotated[str, Field(min_length=1, max_length=2_000, description="In words; sealed")]
Status = Literal["open", "upheld", "rejected", "withdrawn", "lapsed"]
_STATUS = "`open`, `upheld` 属实已更正, `rejected` 不予更正, `withdrawn`, or `lapsed`: the holder was erased"


class DisputeLicense(models.Act):
    """异议/纠错: something about a license is wrong."""

    kind: Literal["wrong", "duplicate", "stale", "unreadable"] = Field(
        description="错证, 重复, 状态滞后, 无法识别"
    )
    raised_by: Literal["holder", "office"] = Field(
        description="`holder`: a party of the license, whom the client attests (`consent:attest`). `office`: "
        "the organization acted for, which uses licenses (`license:use`), on a case"
    )
    holder: models.Holder | None = Field(None, description="Who raises it; of `holder` alone")
    fields: Annotated[list[models.OpenedName], Field(max_length=100)] = Field(
        default_factory=list, description="What is disputed; `wrong` names one at least"
    )
    values: dict[str, edge.FieldValue] = Field(
        default_factory=dict, description="Of these fields: what is said to be right; sealed"
    )
    statement: Statement
    evidence: models.Evidence


class ReportMissing(models.Act):
    """缺证: a license is not here, says who needs it or the holder."""

    case_number: models.CaseNumber
    raised_by: Literal["holder", "office"]
    license_type: models.TypeCode
    should_be_issued_by: models.CreditCode = Field(description="Who decides: the issuer of the paper")
    holder: models.Holder = Field(description="Of whom it is; sealed, and never looked up")
    statement: Statement
    evidence: models.Evidence


class DecideDispute(models.IssuerAct):
    """异议处理: by the responsible issuer."""

    reason: models.Text
    legal_basis: models.Text
    outcome: Literal["upheld", "rejected"] = Field(
        description="`upheld`: the license is mended already, by its next version, its end or a mark"
    )
    feedback: Statement = Field(description="What who raised it is told 反馈; sealed")
    license_ref: models.Ref | None = Field(
        None, description="The license that was missing and is here now, where that is upheld"
    )


class WithdrawDispute(models.Act):
    """撤回异议: by who raised it."""

    holder: models.Holder | None = Field(None, description="Who raised it, where a holder did")
    evidence: models.Evidence | None = None


class DisputeRaised(models_answers.Proven):
    """A dispute, raised."""

    dispute_ref: str
    working_days: int
    due_on: str = Field(description="The last Beijing day for the decision")
    is_provisional: bool = Field(
        description="Whether the notice on working days of that time is yet to come, so that it may move"
    )


class DisputeSettled(models_answers.Proven):
    """A dispute, settled."""

    dispute_ref: str
    status: Literal["upheld", "rejected", "withdrawn"]
    mended_index: int | None = Field(description="Leaf index of the event that mended the license")


class DisputeListed(models_answers.Answer):
    """A dispute, as far as it is in clear."""

    dispute_ref: str
    license_ref: str | None = Field(description="Null: the license is missing")
    license_type: str
    issuer: str = Field(description="As the license says, or who should have issued it")
    kind: str
    raised_by: str
    organization: str = Field(description="Through which it came")
    status: Status = Field(description=_STATUS)
    filed_at: str
    filed_index: int
    due_on: str = Field(description="The last Beijing day for the decision")
    is_provisional: bool
    is_overdue: bool = Field(description="Whether it is open after that day, or was settled after it")


class Claim(models_answers.Answer):
    """What is claimed."""

    statement: str
    values: dict[str, Any]
    holder: dict[str, str] | None = Field(description="Whose license is missing: `code_type` and `code`")


class DisputeShown(DisputeListed):
    """A dispute."""

    fields: list[str]
    working_days: int
    promised_on: str = Field(description="`due_on` as it was told when it was raised")
    settled_at: str | None
    settled_index: int | None
    mended_index: int | None = Field(description="Leaf index of the event that mended the license")
    claim: Claim | None = Field(
        description="To who raised it and who decides alone; null once the holder was erased"
    )
    feedback: str | None = Field(description="As `claim`: what was decided, for who raised it")


class DisputeOfLicense(models_answers.Answer):
    """A dispute about a license in its holder's file."""

    dispute_ref: str
    kind: str
    raised_by: str
    fields: list[str]
    status: Status = Field(description=_STATUS)
    filed_at: str
    due_on: str
    settled_at: str | None
    feedback: str | None = Field(description="What was decided, in words, where the holder raised it")


class Disputes(models_answers.Answer):
    """A page of a list of disputes."""

    through: int = Field(description="The index that the list has come through")
    disputes: list[DisputeListed]
    cursor: str | None
