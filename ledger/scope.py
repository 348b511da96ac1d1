"""The members that facts and rows of an authorization have in common: which it is, and what it allows.

Bases alone: what a scope must be like and when one is narrower is said in `authorization.py`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class OfAuthorization:
    """What is said of one authorization."""

    authorization_ref: bytes


@dataclass(frozen=True, kw_only=True)
class Scoped:
    """What an authorization allows, as its facts and rows say it; None: no limit."""

    license_refs: tuple[str, ...]
    """License references as text; with `type_codes` what it covers."""
    type_codes: tuple[str, ...]
    field_names: tuple[str, ...] | None
    service_items: tuple[str, ...] | None
    valid_from: int
    valid_until: int | None
    """Microseconds; the last instant not included."""
    uses_max: int | None
    uses_per_day: int | None = None
    """On one Beijing day."""
    case_numbers: tuple[str, ...] | None = None
    """The cases 办件 for which it was given."""
