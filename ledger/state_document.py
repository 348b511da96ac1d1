"""Rows of decision state about documents: seals of issuers, and the copies that were asked for."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.row import Row


@dataclass(frozen=True, kw_only=True)
class SealRow(Row):
    """A certificate under which an issuer signs documents."""

    table = "issuer_seals"
    fingerprint: bytes
    """SHA-256 of the certificate's DER."""
    organization: str
    certificate: bytes
    chain: tuple[str, ...]
    """Certificates above it, its issuer's first; DER in base64."""
    valid_from: int
    valid_until: int
    is_demonstration: bool
    registered_index: int
    registered_at: int
    revoked_at: int | None
    """Since when in law; None: it stands."""
    revocation: str | None
    """Why, one of `ledger.issuer_seal.REASONS`."""


@dataclass(frozen=True, kw_only=True)
class CopyRow(Row):
    """A copy 加注件 that a use asked for, by the digest of its link."""

    table = "copies"
    link_digest: bytes
    license_ref: bytes
    use_index: int
    """Leaf index of the use."""
    expires_at: int
    downloaded_at: int | None
    """When it was downloaded first; None: it was not."""
