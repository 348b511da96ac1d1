"""What requests bring, as models: strict, closed, and within the bounds that the ledger has.

Shapes only: what is true of a code, a date or a scope is decided below. Names are kept exactly as
given. Every example is synthetic and works when pasted (`api/examples.py` says on which ledger).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic
from pydantic import AfterValidator, Field

from api import edge
from ledger import days

BATCH_MAX = 1_000
PAGE_MAX = 100
INDEX_MAX = 10**18
_LIST_MAX = 100
COUNTERPARTS_MAX = 20
"""Counterparts that one request prints."""


def _day(text: str) -> str:
    days.parse(text)
    return text


def _instant(text: str) -> str:
    days.parse_instant(text)
    return text


Day = Annotated[
    str,
    Field(
        pattern=r"^(19|20|21|22)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
        description="A civil day in Asia/Shanghai, YYYY-MM-DD",
    ),
    AfterValidator(_day),
]
Instant = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})$",
        description="An instant, RFC 3339",
    ),
    AfterValidator(_instant),
]
Ref = Annotated[
    str, Field(pattern=r"^[a-z2-7]{25}[aeimquy4]$", description="A reference: 26 characters of base32")
]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(min_length=1, max_length=500)]
TypeCode = Annotated[str, Field(pattern=r"^[0-9A-Z]{18}[0-9]{3}$", description="证照类型代码: 21 characters")]
CreditCode = Annotated[str, Field(pattern=r"^[0-9A-Z]{18}$", description="统一社会信用代码")]
AreaCode = Annotated[str, Field(pattern=r"^[1-9][0-9]{5}$", description="A division code: six digits")]
CaseNumber = Annotated[
    str,
    Field(
        pattern=r"^[^\x00-\x1f\x7f]{1,64}$",
        description="办件编号, in clear in the log: a case number that contains a citizen ID is refused",
    ),
]
ItemCode = Annotated[str, Field(pattern=r"^[0-9A-Za-z._:-]{1,64}$", description="事项编码, in clear")]
FieldName = Annotated[
    str,
    Field(
        pattern=r"^(@license_id|@license_number|@previous_license_id|@holder_[a-z_]{4,9}|@party_[1-9]_(code|code_type|name)|[a-z][a-z0-9_]{0,63})$"
    ),
]
OpenedName = Annotated[
    str,
    Field(
        pattern=r"^(@license_id|@license_number|@previous_license_id|@holder_[a-z_]{4,9}|@party_[1-9]_(code|code_type|name)|@attachment_[a-z][a-z0-9_]{0,31}|[a-z][a-z0-9_]{0,63})$"
    ),
]
"""Of a field or an attachment."""
AttachmentName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Serial = Annotated[str, Field(pattern=r"^[0-9A-Z]{1,32}$")]
Evidence = Annotated[
    str,
    Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the evidence that the attesting body keeps"),
]
Channel = Literal["window", "web", "app", "kiosk", "agent", "batch", "inspection"]
Mode = Literal["holder", "statutory", "entrusted", "unconditional"]
Role = Literal[
    "holder", "co-owner", "obligor", "spouse", "parent", "child", "guardian",
    "legal-representative", "specialist",
]  # fmt: skip
"""Of a party."""
Cursor = Annotated[str, Field(pattern=r"^[a-z2-7]{1,400}$", description="As the page before gave it")]

TrailCursor = Annotated[
    str, Field(pattern=r"^[0-9]{1,18}-[a-z2-7]{1,400}$", description="As the page before gave it")
]


class Strict(pydantic.BaseModel):
    """Base: no member is guessed, converted or ignored."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True)


class Holder(Strict):
    """持证主体 by code type (GB/T 36903 Annex A) and code."""

    code_type: str = Field(pattern=r"^[0-9]{3}$")
    code: str = Field(min_length=1, max_length=50)


class NamedHolder(Holder):
    """A holder with the name that the license prints."""

    name: Name


class Operator(Strict):
    """经办人 at the client; sealed under the organization's key."""

    account: str = Field(min_length=1, max_length=64)
    name: str = Field(min_length=1, max_length=64)
    organization: CreditCode | None = Field(
        None, description="The operator's own organization, where it is another than the client acts for"
    )


class Act(Strict):
    """Who acts and for which case; what every appending request may say."""

    operator: Operator
    case_number: CaseNumber | None = None
    service_item_code: ItemCode | None = None
    reason: Text | None = None
    legal_basis: Text | None = None
    channel: Channel = "window"


Counterparts = Annotated[
    int, Field(ge=0, le=COUNTERPARTS_MAX, description="Counterparts 副本 printed with the original")
]


class Party(NamedHolder):
    """A further party 当事人 of a license; its fields are sealed under its own key."""

    role: Role
    fields: dict[str, edge.FieldValue] = Field(
        default_factory=dict, description="Those of the license's fields that are about this party"
    )


class Attachment(Strict):
    """附件: a photo, drawing or scan; sealed, and stored beside the log."""

    name: AttachmentName = Field(description="Its field is `@attachment_` and this name")
    media_type: Literal["application/ofd", "application/pdf", "image/jpeg", "image/png", "image/tiff"]
    data: str = Field(min_length=4, max_length=2_800_000, description="base64; at most 2 MiB of data")
    party: int | None = Field(
        None, ge=1, le=9, description="Whose it is, by place among `parties`; the holder's when absent"
    )


Attachments = Annotated[
    list[Attachment], Field(max_length=10, description="At most 4 MiB in all; those not named are kept")
]
RemovedAttachments = Annotated[
    list[AttachmentName], Field(max_length=10, description="Names of those that the next version lacks")
]


class IssuerAct(Act):
    """An act of a responsible issuer 颁证机关, or of whom it entrusted."""

    issuer: CreditCode | None = Field(
        None, description="Whose license it is, where issuing was entrusted to the organization acted for"
    )


class _Version(IssuerAct):
    holder: NamedHolder
    parties: list[Party] = Field(
        default_factory=list,
        max_length=9,
        description="Beside the first holder: co-owner, spouse, …",
    )
    number: Annotated[str, Field(min_length=1, max_length=100, description="Printed number 证照编号")]
    fields: dict[str, edge.FieldValue] = Field(
        default_factory=dict, description="Field name to JSON value; numbers are kept as written, as text"
    )
    valid_from: Day
    valid_to: Day | None = Field(None, description="Last valid day; null: long-term 长期")
    issued_on: Day
    area_code: AreaCode | None = Field(
        None,
        description="管辖属地; absent: as in the version before, else that in the issuer's credit code",
    )
    effective_at: Instant | None = None
    endorsement_due: Day | None = Field(None, description="Last day for the next endorsement 年检, if any")
    counterparts: Counterparts = 0
    attachments: Attachments = Field(default_factory=list)


class Issue(_Version):
    """颁发: a new license."""

    license_type: TypeCode
    serial: Serial | None = Field(None, description="流水号 of the identifier; drawn when absent")


class Amend(_Version):
    """变更: the whole next version."""

    serial: Serial | None = Field(None, description="As issued; taken from the present version when absent")
    reason: Text
    removed_attachments: RemovedAttachments = Field(default_factory=list)


class Scope(Strict):
    """What an authorization allows; null means no limit."""

    license_types: list[TypeCode] = Field(default_factory=list, max_length=_LIST_MAX)
    license_refs: list[Ref] = Field(default_factory=list, max_length=_LIST_MAX)
    fields: list[OpenedName] | None = Field(None, max_length=_LIST_MAX)
    service_items: list[ItemCode] | None = Field(None, max_length=_LIST_MAX)
    valid_from: Instant | None = Field(None, description="From its recording on when absent")
    valid_until: Instant | None = Field(None, description="The first instant that is not covered any more")
    uses_max: int | None = Field(None, ge=1, le=1_000_000_000)
    uses_per_day: int | None = Field(None, ge=1, le=1_000_000_000, description="On one Beijing day")
    case_numbers: list[CaseNumber] | None = Field(
        None, max_length=_LIST_MAX, description="The cases for which it is given"
    )


class Representative(Holder):
    """法定代表人, 经营者, 负责人: who consents for a body, as one of its licenses says."""

    license_ref: Ref = Field(description="The license of the body that names the representative as a party")


class Acting(Holder):
    """监护人, 代办人: who consents for a holder, by which mandate, and no longer than that."""

    mandate_ref: Ref = Field(description="As `/v1/mandates/search` tells it")


class Grant(Act):
    """授权."""

    mode: Mode
    requester: CreditCode
    holder: Holder | None = Field(None, description="Named in mode `holder`, and in no other")
    evidence: Evidence | None = None
    representative: Representative | None = Field(
        None,
        description="Who consents for a body, in mode `holder`: over when somebody else represents it",
    )
    acting: Acting | None = None
    entrusted_by: CreditCode | None = Field(
        None, description="Named in mode `entrusted`: the organization whose licenses are used"
    )
    show_minutes: int | None = Field(
        None,
        ge=1,
        le=60,
        description="亮证: a use code that is good once and for so many minutes; mode `holder` only",
    )
    scope: Scope


class Join(Act):
    """共同授权: a further party of the license consents to what is authorized."""

    holder: Holder
    evidence: Evidence
    representative: Representative | None = None
    acting: Acting | None = None


class SearchAuthorizations(Strict):
    """By the holder in whose file they stand, or by the requester; exactly one of both."""

    holder: Holder | None = None
    requester: CreditCode | None = None
    limit: int = Field(20, ge=1, le=PAGE_MAX)
    cursor: Cursor | None = None


class Narrow(Act):
    """缩小授权: the members of the scope that change; the others stay."""

    scope: Scope


class Purpose(Strict):
    """For which item, case and reason."""

    service_item_code: ItemCode
    service_item_name: Name
    case_number: CaseNumber
    reason: Text


class Expected(Strict):
    """What the officer knows of the license asked for: decides whether finding nothing means not held."""

    issuer: CreditCode | None = None
    area: AreaCode | None = None
    issued_on: Day | None = None


class Use(Strict):
    """用证: names exactly one of a use code, a license, or a license type with a holder or a number."""

    use_code: Ref | None = None
    license_ref: Ref | None = None
    holder: Holder | None = None
    license_type: TypeCode | None = None
    number: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="证照编号, as printed, of a license of `license_type`; `expected` tells equal ones apart",
    )
    fields: list[OpenedName] | None = Field(None, max_length=_LIST_MAX)
    expected: Expected | None = None
    purpose: Purpose
    operator: Operator
    channel: Channel = "window"


class BatchItem(Use):
    """A use in a batch, with its own key."""

    idempotency_key: str = Field(pattern=r"^[!-~]{1,255}$")


class Batch(Strict):
    """Up to 1,000 uses; each is decided, answered and refused by itself."""

    items: list[Any] = Field(
        min_length=1,
        max_length=BATCH_MAX,
        json_schema_extra={"items": {"$ref": "#/components/schemas/BatchItem"}},
    )


class Verify(Act):
    """核验 of what a QR code says, or of a license by reference."""

    token: str | None = Field(None, min_length=1, max_length=300, description="Text of the QR code")
    license_ref: Ref | None = None


class _Page(Act):
    reason: Text
    limit: int = Field(20, ge=1, le=PAGE_MAX)


class SearchHolder(_Page):
    """一人一档 / 一企一档, on an operator's attestation."""

    case_number: CaseNumber
    holder: Holder
    evidence: Evidence
    cursor: Cursor | None = None


class Registration(Act):
    """What a registering organ 登记机关 says of the holder of a code, by a named operator, on evidence."""

    reason: Text
    holder: Holder
    evidence: Evidence
    effective_at: Instant | None = Field(None, description="业务时间; not after the moment of recording")


class Pair(Registration):
    """Two codes of one holder."""

    linked: Holder = Field(description="The other code; which of the two the ledger knows does not matter")


class ChangeName(Registration):
    """更名: both names are sealed."""

    former_name: Name
    new_name: Name
    changed_on: Day = Field(description="From which day the new name holds; not after today")


class EndHolder(Registration):
    """The end of a holder."""

    kind: Literal["death", "declared-death", "deregistration", "merger"] = Field(
        description="死亡, 宣告死亡, 注销登记, 撤并"
    )


class OperatorOf(Strict):
    """An operator of an organization, through whichever client unless one is named."""

    organization: CreditCode
    account: str = Field(min_length=1, max_length=64)
    client_id: Ref | None = None


class TrailFilter(Strict):
    """What the trail is about: all that is named together, or everything; and of which period."""

    license_ref: Ref | None = None
    holder: Holder | None = None
    requester: CreditCode | None = None
    case_number: CaseNumber | None = None
    operator: OperatorOf | None = None
    issuer: CreditCode | None = None
    service_item_code: ItemCode | None = None
    channel: Channel | None = None
    reason: Annotated[str, Field(pattern=r"^[a-z-]{1,40}$")] | None = None
    """Why it was refused, what a verification found, or `mismatch` of a comparison."""
    recorded_from: Instant | None = None
    recorded_until: Instant | None = None
    """The first instant that is not of the period any more."""
    since_index: int = Field(0, ge=0, le=INDEX_MAX)
    until_index: int | None = Field(None, ge=0, le=INDEX_MAX)


class ReadTrail(_Page):
    """审计: a page of the trail."""

    filter: TrailFilter = Field(default_factory=TrailFilter)
    cursor: TrailCursor | None = None


class ReadFindings(ReadTrail):
    """审计: a page of one list of findings."""

    grace_days: int = Field(
        3,
        ge=0,
        le=365,
        description="`uses-without-case`, `cases-without-result`: recorded so many days ago or earlier",
    )
