"""What answers about authorizations hold."""

from __future__ import annotations

from pydantic import Field

from api import models_answers


class Granted(models_answers.Proven):
    """An authorization."""

    authorization_ref: str
    use_code: str | None = Field(description="用证码 of a holder's consent; a standing grant has none")


class AuthorizationChanged(models_answers.Proven):
    """A narrowed or withdrawn authorization."""

    authorization_ref: str


class ScopeNow(models_answers.Answer):
    """A scope; null means no limit."""

    license_types: list[str]
    license_refs: list[str]
    fields: list[str] | None
    service_items: list[str] | None
    valid_from: str | None
    valid_until: str | None
    uses_max: int | None
    uses_per_day: int | None
    case_numbers: list[str] | None


class AuthorizationNow(models_answers.Answer):
    """An authorization at a moment, for its requester and its grantor."""

    authorization_ref: str
    mode: str
    requester: str
    grantor: str
    entrusted_by: str | None
    is_withdrawn: bool
    uses: int
    uses_today: int | None = Field(description="Spent of the cap a day; null without one, and in lists")
    scope: ScopeNow
    at: str


class Authorizations(models_answers.Answer):
    """A page of authorizations, in the order in which they were granted; some pages are short."""

    authorizations: list[AuthorizationNow]
    through: int = Field(description="Index that the list had come through")
    cursor: str | None = Field(description="Asks for the next page; null: this is the last one")
