"""What a request to compare brings, and what its answer holds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api import models, models_answers
from ledger import comparison

Claim = Annotated[str, Field(min_length=1, max_length=comparison.CLAIM_LENGTH_MAX)]


class Compare(models.Strict):
    """比对: a license, named as in a use, and what the applicant claims of it."""

    use_code: models.Ref | None = None
    license_ref: models.Ref | None = None
    holder: models.Holder | None = None
    license_type: models.TypeCode | None = None
    number: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="证照编号, as printed, of a license of `license_type`; `expected` tells equal ones apart",
    )
    expected: models.Expected | None = None
    claims: dict[models.FieldName, Claim] = Field(
        min_length=1,
        max_length=comparison.CLAIMS_MAX,
        description="Field name to the claimed value, as written; sealed in the log",
    )
    purpose: models.Purpose
    operator: models.Operator
    channel: models.Channel = "window"


class Compared(models_answers.Answer):
    """One comparison or one refusal; of the license nothing but what the requester claimed is told."""

    index: int
    decision: Literal["granted", "refused"]
    code: str | None
    reason: str | None
    license: models_answers.LicenseNamed | None = Field(description="Of a refusal: what it names")
    license_ref: str | None = Field(description="The license that was compared with")
    verdicts: dict[str, Literal["match", "matches-former-name", "needs-eyes", "mismatch", "not-held"]] | None
    proof: models_answers.UseProof
    help: models_answers.Help | None
