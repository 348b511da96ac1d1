"""What a search for a license brings, an identifier or a printed number, and what it is told."""

from __future__ import annotations

from pydantic import Field

from api import models, models_answers


class SearchLicense(models.Strict):
    """A license by its GB/T 36904 identifier, or by its type with the number that it prints."""

    license_id: str | None = Field(None, min_length=1, max_length=200, description="证照标识")
    license_type: models.TypeCode | None = None
    number: str | None = Field(None, min_length=1, max_length=200, description="证照编号, as printed")
    issuer: models.CreditCode | None = Field(None, description="Of the number: only this issuer's")
    area_code: str | None = Field(
        None, pattern=r"^[0-9]{6}$", description="Of the number: only in this division or within it"
    )
    issued_in: int | None = Field(
        None,
        ge=1900,
        le=2200,
        description="Of the number: the year of issue, where numbers are unique for an area and a year",
    )


class FoundLicense(models_answers.Answer):
    """The license, or null where there is none, there are several, or it is not the caller's to know."""

    license: models_answers.LicenseNow | None
    choices: list[models_answers.LicenseNow] = Field(
        description="Of a number that several licenses have, the first 100 that the caller may know of"
    )
