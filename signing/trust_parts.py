"""What a trust file says, as frozen dataclasses; `trust` reads and writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

from signing import note, suites

Status = Literal["active", "retired", "compromised"]
"""Signs; signs no more, and what it signed stays good; was in other hands, and proves nothing alone."""


@dataclass(frozen=True, kw_only=True)
class LogKey:
    """A key of checkpoints with its history."""

    key: note.VerifierKey
    status: Status = "active"
    last_size: int | None = None
    """The size of the largest tree that it can have signed; None: it still signs, or nobody can say."""
    compromised_since: int | None = None
    """The size from which on the key was not the ledger's alone, as the operator says."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """One partition's log, in one generation, and the keys that sign its checkpoints."""

    origin: str
    """HOST/PATH/<partition>, and `.<generation>` from the first declared loss on."""
    generation: int
    keys: tuple[LogKey, ...]
    checkpoint: str | None = None
    """The newest signed note, with what witnesses added; none in format 1."""


@dataclass(frozen=True, kw_only=True)
class TokenKey:
    """A public key of QR tokens with its history."""

    key_id: bytes
    public: bytes
    status: Status = "active"
    last_size: int | None = None
    """The size of the log when it was retired."""
    compromised_since: int | None = None


_HARMLESS = ("affiliation-changed", "cessation", "superseded")
"""Reasons of a revocation that put no doubt on the key, as in RFC 5280 §5.3.1."""


@dataclass(frozen=True, kw_only=True)
class IssuerCertificate:
    """A certificate with which an issuer signed documents."""

    issuer: str
    """Credit code."""
    certificate: bytes
    """DER."""
    revoked_at: datetime | None
    reason: str | None = None
    """Why it was revoked; None: that is not said, or it stands."""

    @property
    def is_in_doubt(self) -> bool:
        """Whether its key may have been in other hands, so that a time that it claims proves nothing."""
        return self.revoked_at is not None and self.reason not in _HARMLESS


@dataclass(frozen=True, kw_only=True)
class Succession:
    """One organization answers for what another issued, and signs for it."""

    successor: str
    """Credit code."""
    predecessor: str
    since: date
    """The first Beijing day."""
    type_codes: tuple[str, ...] = ()
    """License types; empty: all."""
    areas: tuple[str, ...] = ()
    """Division codes; empty: everywhere."""


@dataclass(frozen=True, kw_only=True)
class Documents:
    """What signed documents are judged by; certificates and revocation lists are DER."""

    roots: tuple[bytes, ...] = ()
    time_stamp_roots: tuple[bytes, ...] = ()
    certificates: tuple[IssuerCertificate, ...] = ()
    revocation_lists: tuple[bytes, ...] = ()
    successions: tuple[Succession, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """One trusted ledger."""

    ledger_id: bytes
    suite: suites.Suite
    is_demonstration: bool
    """Its licenses mean nothing in law."""
    origins: tuple[Origin, ...]
    token_keys: tuple[TokenKey, ...]
    witnesses: tuple[str, ...] = ()
    """Verifier keys of those who cosign its checkpoints, as C2SP writes them."""
    quorum: int = 0
    """So many of them cosign; 0: none is needed."""
    documents: Documents = Documents()
    status_lists: Mapping[int, bytes] = field(default_factory=dict)
    """Number to signed list."""


@dataclass(frozen=True, kw_only=True)
class Signature:
    """A log key's signature over a file."""

    key: note.VerifierKey
    signature: bytes


@dataclass(frozen=True, kw_only=True)
class TrustFile:
    """All that a verifier trusts."""

    ledgers: tuple[Ledger, ...]
    """In format 2 exactly one."""
    made_at: datetime
    """Aware, UTC, whole seconds."""
    fresh_s: int | None = None
    """How long after `made_at` it may be asked for a status; None: format 1, which has none."""
    signatures: tuple[Signature, ...] = field(default=(), compare=False)

    @property
    def fresh_until(self) -> datetime | None:
        """When it becomes too old to be asked for a status."""
        return None if self.fresh_s is None else self.made_at + timedelta(seconds=self.fresh_s)
