"""What an export of the trail is asked with."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api import models
from ledger import audit_export

Finding = Literal[
    "uses-without-case", "uses-after-end", "uses-of-no-party", "cases-without-result", "uses-in-delay"
]


class ExportTrail(models.Act):
    """审计导出: everything that a query finds, in one file."""

    filter: models.TrailFilter = Field(default_factory=models.TrailFilter)
    finding: Finding | None = Field(None, description="Of this list of findings alone")
    grace_days: int = Field(
        3,
        ge=0,
        le=365,
        description="`uses-without-case`, `cases-without-result`: recorded so many days ago or earlier",
    )
    limit: int = Field(
        audit_export.EVENTS_MAX,
        ge=1,
        le=audit_export.EVENTS_MAX,
        description="Events of one file; the next file goes on behind its `until_index`",
    )
