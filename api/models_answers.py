"""What answers hold, for the description of the face; the answers themselves are made in `answers.py`."""

from __future__ import annotations

from typing import Any, Literal

import pydantic
from pydantic import Field

from api import problems

Verdict = Literal["valid", "endorsement-overdue", "changed", "holder-ended", "not-valid", "unknown"]


class Answer(pydantic.BaseModel):
    """Base of all answers."""


class Witnessed(Answer):
    """That an event stands in the log, without its bytes."""

    index: int = Field(description="Leaf index of the event in the log")
    recorded_at: str
    effective_at: str
    receipt: str = Field(description="C2SP tlog-proof of the event: its detached signature")


class Proven(Witnessed):
    """What every answer to a command says."""

    event: str = Field(description="Stored bytes of the event, base64")


class Warned(Answer):
    """What does not fit and was recorded nevertheless."""

    field: str
    code: str
    message: str


class UseBetween(Answer):
    """A use that a fact of earlier effect found already made."""

    index: int
    recorded_at: str
    requester: str
    case_number: str | None
    authorization_ref: str


class UsesBetween(Answer):
    """Uses between the effect of a fact and its recording; their receipts verify as before."""

    through: int = Field(description="The last index that was looked at")
    count: int
    is_complete: bool = Field(description="False: there were too many to count")
    uses: list[UseBetween] = Field(description="The first 100")


class PieceShown(Answer):
    """A counterpart 副本 that was printed."""

    piece: int
    qr: str | None = Field(description="Text of its QR code; null once the holder was erased")


class Issued(Proven):
    """A version of a license."""

    license_ref: str
    license_id: str | None = Field(description="GB/T 36904 identifier; null once the holder was erased")
    version: int
    qr: str | None = Field(description="Text of the QR code on the original 正本")
    counterparts: list[PieceShown]
    warnings: list[Warned] = Field(description="How the dates do not fit the type's validity rule")
    uses_between: UsesBetween


class Registered(Proven):
    """What was recorded of a holder."""

    topic: str = Field(description="Name of the fact")


class StatusChanged(Proven):
    """A recorded status."""

    license_ref: str
    status: str
    uses_between: UsesBetween


class MarkChanged(Proven):
    """A mark that was set or cleared."""

    license_ref: str
    mark: Literal["frozen", "lost", "restricted"]
    stands: bool
    uses_between: UsesBetween


class MarkStanding(Answer):
    """A mark beside the status."""

    mark: Literal["frozen", "lost", "restricted"]
    since: str
    index: int = Field(description="Leaf index of the event that set it")


class LicenseNow(Answer):
    """A license at a moment, nothing sealed."""

    license_ref: str
    license_type: str
    issuer: str
    status: str = Field(description="By record or by date: `effective`, `expired`, `not-yet-effective`, …")
    recorded_status: str
    status_since: str
    status_index: int
    version: int
    version_index: int
    valid_from: str
    valid_to: str | None
    marks: list[MarkStanding] = Field(description="What stands beside the recorded status")
    endorsement_due: str | None = Field(
        description="Last day for the next endorsement 年检; null: none is due"
    )
    is_endorsement_overdue: bool
    is_disputed: bool = Field(
        description="Whether somebody says that it is wrong 异议, and nobody has decided yet"
    )
    at: str


class FieldShown(Answer):
    """A disclosed value and the salt that proves it."""

    value: Any
    salt: str


class AskedAs(Answer):
    """The national type by which a license of a local type was asked for."""

    license_type: str
    fields: dict[str, str] = Field(description="The national type's name of a field to its name in `fields`")


class LicenseShown(Answer):
    """A used license."""

    license_ref: str
    license_id: str | None = Field(description="Null in mode `public`")
    type_code: str
    version: int
    status: str
    valid_from: str
    valid_to: str | None
    issuer: str
    fields: dict[str, FieldShown]
    asked_as: AskedAs | None = Field(None, description="Absent but where it was asked for as a national type")


class LicenseNamed(Answer):
    """What a refusal names, where the requester may know it: ask `/v1/licenses/{license_ref}` for more."""

    license_ref: str | None = Field(description="The license whose status forbids the use")
    type_code: str | None
    choices: list[str] = Field(description="Where too many match: references to choose from")


class Candidate(Answer):
    """A license to choose from."""

    license_ref: str
    license_type: str
    issuer: str
    area: str = Field(description="Administrative division in the issuer's credit code")
    status: str
    valid_from: str
    valid_to: str | None


class Help(Answer):
    """What the officer at the counter does about a refusal; follows from the refusal's event."""

    situation: Literal[
        "not-authorized", "source-unavailable", "not-covered", "not-held", "holder", "status", "ambiguous"
    ]
    situation_zh: str
    advice_zh: str
    advice_en: str
    status_since: str | None = Field(description="Of a status: since when, or from when")
    responsible_issuer: str | None = Field(description="Of a status: who is answerable for the license")
    candidates: list[Candidate]


class UseProof(Answer):
    """What proves a use offline."""

    event: str
    receipt: str
    license_event: str | None = None
    license_receipt: str | None = None
    field_siblings: list[str] | None = None


class UseAnswer(Answer):
    """One use or one refusal."""

    index: int
    decision: Literal["granted", "refused"]
    code: str | None = Field(description="National share code where one exists")
    reason: str | None
    license: LicenseShown | LicenseNamed | None = Field(
        description="Null where a refusal names nothing, and where a repeat comes after the holder's erasure"
    )
    proof: UseProof
    help: Help | None = Field(None, description="Of a refusal; absent where granted")


class Used(Answer):
    """The answer to a use: kept as a file it is a proof bundle."""

    index: int
    uses: list[UseAnswer]


class BatchItemAnswer(Answer):
    """One item's own status, with its answer or its problem."""

    status: int
    answer: Used | None = None
    problem: problems.Problem | None = None


class BatchAnswer(Answer):
    """One element an item, in order."""

    index: int | None = Field(description="The greatest index of the answers")
    items: list[BatchItemAnswer]


class Verified(Proven):
    """What the ledger knew of a license at the moment of recording."""

    result: str
    verdict: Verdict = Field(description="The result in one glance")
    national_result: str
    license_ref: str | None
    version: int | None
    piece: int | None
    replaced_on: str | None = Field(description="Of a superseded paper: the day from which the next holds")


class LookedAt(Answer):
    """What a QR code says, and its license's status now."""

    result: str
    verdict: Verdict = Field(description="The result in one glance")
    national_result: str
    license_ref: str
    license_type: str
    issuer: str
    version: int
    piece: int
    valid_from: str
    valid_to: str | None
    issued_on: str
    paper_digest: str
    paper_salt: str
    at: str
    replaced_on: str | None = Field(description="Of a superseded paper: the day from which the next holds")
    issuer_name: str | None = Field(description="As the certificate of its seal says; null: it has none")
    type_name_zh: str = Field(description="The type's registered name on the day of issue")
    type_name_en: str
    status_since: str | None = Field(description="The day from which a recorded status holds, as 吊销")
    holder_masked: str | None = Field(
        description="李*明; null of a superseded paper. A body's name that the catalog publishes is in full"
    )
    public_fields: dict[str, str] = Field(description="What the catalog publishes 公开 of a valid license")
    key_status: Literal["active", "retired", "compromised"] = Field(
        description="Of the code's key; of a compromised one only what the ledger itself has is told"
    )


class PaperCompared(LookedAt):
    """As a look, and whether the paper is the one that the code was made for."""

    paper_matches: bool = Field(description="Whether number and name are those that the code was made for")


class TrailEntry(Answer):
    """One event, with what its client wrote when it can be opened."""

    index: int
    topic: str
    recorded_at: str
    effective_at: str
    client: str | None
    organization: str
    operator_ref: str | None
    case_number: str | None
    service_item_code: str | None
    channel: str
    outcome: str | None
    reason: str | None
    fact: dict[str, Any]
    request: dict[str, str] | None = Field(
        description="Operator, reason and legal basis as the client wrote them"
    )


class Trail(Answer):
    """A page of the trail."""

    index: int
    receipt: str
    through: int
    events: list[TrailEntry]
    cursor: str | None


class StatisticsLine(Answer):
    """The sums of one group; null stands for few, where the caller may not know how few."""

    day: str | None = Field(description="Beijing day of recording; null when days are summed")
    license_type: str | None = Field(description="Empty where a refusal named no type")
    issuer: str | None = Field(description="Empty where a refusal named no license")
    region: str | None = Field(description="Division code in the issuer's credit code")
    service_item_code: str | None = Field(description="Empty where no service item was named")
    channel: str | None
    issued: int | None
    imported: int | None
    changed: int | None
    used: int | None
    compared: int | None = Field(description="Comparisons 在线比对 that were made")
    verified: int | None
    looked: int | None = Field(description="Anonymous looks behind QR codes, which are no events")
    refused: dict[str, int | None] = Field(description="By reason")
    issued_delay_s: int | None = Field(description="Mean seconds from a fact to its recording")
    changed_delay_s: int | None


class Statistics(Answer):
    """Sums of a period."""

    through: int
    first: str = Field(alias="from")
    until: str
    lines: list[StatisticsLine]


class Token(Answer):
    """RFC 6749 §5.1."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    scope: str
    organization: str = Field(description="Credit code of the organization acted for")


class StatusLists(Answer):
    """Addresses of status lists, as the IETF's Token Status List has them (§9.3)."""

    status_lists: list[str] = Field(examples=[["https://ledger.example/v1/status-lists/0"]])


class Alive(Answer):
    """The process answers."""

    status: Literal["ok"]


class PublishedTrust(Answer):
    """How the trust file of this process stands."""

    age_s: int | None = Field(
        description="Since what is handed out was made; null: none is, for nobody asked lately, or it fails"
    )
    failing_s: int = Field(description="Since making it fails; 0: it does not")
    problem: str = Field(description="The type of the error, or empty", examples=[""])


class Attested(Answer):
    """What outsiders attested last, where there are any."""

    cosigned_size: int | None = Field(description="Size of the newest tree that enough witnesses cosigned")
    cosigned_age_s: int | None = Field(description="Since they did")
    stamped_size: int | None = Field(description="Size of the newest time-stamped tree")
    stamped_age_s: int | None = Field(description="Since it was stamped")


class Ready(Answer):
    """Whether this process can do its work, and how far its projections are."""

    status: Literal["ready", "unready"]
    appending: bool
    size: int | None = Field(description="Size of the newest checkpoint")
    projections: list[dict[str, Any]]
    trust_file: PublishedTrust | None = None
    attested: Attested | None = None
    outsiders: list[dict[str, Any]] = Field(
        default=[], description="Witnesses and time-stamp authority: who has been silent, and for how long"
    )
