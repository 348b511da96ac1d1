"""What requests about coverage bring, and what their answers hold."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api import models, models_answers

Holds = Literal["all", "some", "none"]
Source = Literal["up", "down", "ledger"]


class Declare(models.Act):
    """归集声明: of which issuer or area (null: of all), issued between which days, the ledger holds what."""

    issuer: models.CreditCode | None = None
    area: models.AreaCode | None = None
    issued_from: models.Day | None = None
    issued_to: models.Day | None = None
    holds: Holds


class DeclareSource(models.Act):
    """The source of a type held by reference answers, does not, or the ledger holds the licenses itself."""

    source: Source


class CoverageDeclared(models_answers.Proven):
    """A declaration."""

    license_type: str
    coverage_ref: str


class CoverageWithdrawn(models_answers.Proven):
    """A declaration that counts no more."""

    coverage_ref: str


class SourceDeclared(models_answers.Proven):
    """The state of a type's source."""

    license_type: str
    source: Source


class Declaration(models_answers.Answer):
    """A declaration in force."""

    coverage_ref: str
    holds: Holds
    issuer: str | None
    area: str | None
    issued_from: str | None
    issued_to: str | None


class Coverage(models_answers.Answer):
    """What the ledger holds of a type."""

    license_type: str
    source: Source
    declarations: list[Declaration]
    without_hints: Literal["source-unavailable", "not-covered", "not-held"] = Field(
        description="What a use is told now that finds nothing and says nothing of issuer, area or day"
    )
    at: str
