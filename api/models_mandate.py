"""What requests about mandates bring, guardians and agents, and what their answers hold; shapes only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api import models, models_answers


class RegisterGuardianship(models.Registration):
    """监护登记: the guardian may consent for the holder."""

    guardian: models.Holder
    kind: Literal["minor", "adult"] = Field(description="未成年人监护, 成年监护")
    basis: Literal["parent", "will", "agreement", "designation", "voluntary", "court"] = Field(
        description="父母, 遗嘱指定, 协议确定, 有关组织指定, 意定监护, 法院判决"
    )
    born_on: models.Day | None = Field(
        None, description="Birth date of a minor whose code is no citizen ID; a citizen ID says it"
    )
    ends_on: models.Day | None = Field(
        None,
        description="Of an adult: with the beginning of this day it ends; null: when the organ says so",
    )


class EndMandate(models.Act):
    """A mandate ends, on evidence."""

    reason: models.Text
    evidence: models.Evidence
    effective_at: models.Instant | None = Field(
        None, description="业务时间; not after the moment of recording"
    )


class AppointAgent(models.Act):
    """委托代办: the agent may consent for the holder."""

    holder: models.Holder
    agent: models.Holder
    evidence: models.Evidence
    representative: models.Representative | None = Field(
        None, description="Who appoints for a body: over when somebody else represents it"
    )
    license_types: Annotated[list[models.TypeCode], Field(max_length=100)] = Field(
        default_factory=list, description="Of which types the agent may consent to the use; none: all"
    )
    valid_until: models.Instant = Field(description="The first instant at which the agent may act no more")


class SearchMandates(models.Strict):
    """Who may act for a holder."""

    holder: models.Holder
    person: models.Holder | None = Field(
        None, description="Of this person alone; needed with the scope `consent:attest`"
    )
    on: models.Day | None = Field(None, description="In force at some time on this Beijing day; today")


class MandateRecorded(models_answers.Proven):
    """A mandate, begun or ended."""

    mandate_ref: str


class GuardianshipRecorded(MandateRecorded):
    """A guardianship."""

    ends_at: str | None = Field(description="When it ends by itself; null: when the organ says so")


class MandateEnded(MandateRecorded):
    """A mandate that is over."""

    ended_authorizations: int = Field(description="Authorizations that are over with it")


class MandateShown(models_answers.Answer):
    """A mandate; whose it is a reference says, and no code."""

    mandate_ref: str
    kind: str = Field(description="`minor`, `adult` or `agent`")
    person: str = Field(description="The same for one person here, and no code")
    since: str
    until: str | None = Field(description="When it ends by itself")
    ended_at: str | None = Field(description="When it was ended")
    license_types: list[str] = Field(description="None: all")
    is_by_representative: bool


class Mandates(models_answers.Answer):
    """The mandates of a holder that are in force on a day, the first first."""

    on: str
    mandates: list[MandateShown]
