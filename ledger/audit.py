"""Audit: the trail is read, and that is a fact of its own in the reader's stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ledger.fact import Fact


@dataclass(frozen=True, kw_only=True)
class TrailRead(Fact):
    """One page of a trail, or an export, was shown to an auditor; whom it was about is sealed."""

    scope: ClassVar[str | None] = "audit:read"
    stream_kind: ClassVar[str] = "organization"
    subject: str
    """`license`, `holder`, `requester`, `case`, `operator`, `issuer`, `item`, `channel` or `finding`, several
    joined by `+` in alphabetical order, or `all`."""
    events: int
    """Events on the page, or in the export."""
    through: int
    """The index that the trail had come to."""
    manifest_digest: bytes | None = None
    """Of an export: digest(salt ‖ manifest), both sealed. The event's receipt is the manifest's signature."""


@dataclass(frozen=True, kw_only=True)
class RefusalsCounted(Fact):
    """Requests of one client that were answered 429 beyond its refusal quota, counted per minute."""

    scope: ClassVar[str | None] = "license:use"
    stream_kind: ClassVar[str] = "organization"
    count: int
    minute: int
    """Minutes since 1970."""
