"""What requests about entrusted issuing bring, and what their answers hold; shapes only."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api import models, models_answers

_LIST_MAX = 100
Types = Annotated[list[models.TypeCode], Field(min_length=1, max_length=_LIST_MAX)]


class Entrust(models.Act):
    """委托/下放: another organization may issue for the one acted for."""

    delegate: models.CreditCode
    license_types: Types
    areas: list[models.AreaCode] = Field(
        default_factory=list,
        max_length=_LIST_MAX,
        description="Divisions that the licenses lie in; none: any",
    )
    valid_from: models.Day
    valid_until: models.Day | None = Field(None, description="The last day; null: until it is ended")


class End(models.Act):
    """The entrustment ends now; what was issued under it stands."""

    delegator: models.CreditCode | None = Field(None, description="The organization acted for when absent")
    delegate: models.CreditCode | None = Field(None, description="The organization acted for when absent")


class Entrusted(models_answers.Proven):
    """An entrustment."""

    entrustment_ref: str
    delegator: str
    delegate: str


class EntrustmentShown(models_answers.Answer):
    """An entrustment, also one that has ended."""

    entrustment_ref: str
    delegator: str
    delegate: str
    license_types: list[str]
    areas: list[str]
    valid_from: str
    valid_until: str | None
    entrusted_index: int
    ended_index: int | None
    ended_on: str | None


class Entrustments(models_answers.Answer):
    """A page of entrustments."""

    entrustments: list[EntrustmentShown]
    through: int
    cursor: str | None = Field(description="Asks for the next page; null: this is the last one")
