"""Requests and answers of the ordinary service: pydantic v2, the members of the ledger's own interface."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """No member is ignored."""

    model_config = ConfigDict(extra="forbid")


class Holder(Strict):
    """A holder by code."""

    code_type: str = Field(pattern=r"^[0-9]{3}$")
    code: str = Field(min_length=1, max_length=50)


class Purpose(Strict):
    """Why."""

    service_item_code: str = Field(min_length=1, max_length=64)
    service_item_name: str = Field(min_length=1, max_length=200)
    case_number: str = Field(min_length=1, max_length=64)
    reason: str = Field(min_length=1, max_length=500)


class Operator(Strict):
    """Who."""

    account: str = Field(min_length=1, max_length=64)
    name: str = Field(min_length=1, max_length=64)


class UseRequest(Strict):
    """A use, by holder and type or by reference."""

    holder: Holder | None = None
    license_type: str | None = Field(None, max_length=21)
    license_ref: str | None = Field(None, max_length=26)
    fields: list[str] | None = None
    purpose: Purpose
    operator: Operator
    channel: str = "window"


class License(BaseModel):
    """What a granted use discloses."""

    license_ref: str
    type_code: str
    status: str
    valid_from: str
    valid_to: str | None
    fields: dict[str, str]


class Proof(BaseModel):
    """The stored event, and the signature over it."""

    event: str
    signature: str
    supplement: str


class Use(BaseModel):
    """One use."""

    decision: Literal["granted", "refused"]
    reason: str | None
    license: License | None
    proof: Proof | None


class UseAnswer(BaseModel):
    """The answer to one request."""

    uses: list[Use]
