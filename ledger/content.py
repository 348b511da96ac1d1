"""What an issuer says of a version of a license, before it has an identifier and a place in the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledger import catalog_rules


@dataclass(frozen=True, kw_only=True)
class Content:
    """What an issuer says of a version."""

    serial: str
    number: str
    """Printed number 证照编号."""
    holder_name: str
    values: Mapping[str, Any]
    """Field name to JSON value, numbers as decimal text."""
    valid_from: int
    valid_to: int | None
    issued_on: int
    area_code: str | None = None
    """管辖属地."""
    judged: catalog_rules.Judged | None = None
    """What the type's schema says of the values, where it was asked before the lock."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a license transferred in 转入 was where it comes from."""

    license_id: str
    """The origin's identifier, as printed there."""
    number: str | None = None
    event: str | None = None
    """The origin's event in base64, where it keeps a ledger."""
    receipt: str | None = None

    def content(self) -> list[str | None]:
        """What is sealed."""
        return [self.license_id, self.number, self.event, self.receipt]
