"""Rows of decision state about disputes (`ledger/dispute.py`)."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.row import Row


@dataclass(frozen=True, kw_only=True)
class DisputeRow(Row):
    """A dispute: about what, who raised it, until when it is to be decided, and how it was settled."""

    table = "disputes"
    dispute_ref: bytes
    stream_id: bytes
    """The license's home when it was raised, which may be another by now; of a missing license the stream of
    who reported it."""
    license_ref: bytes | None
    """None: the license is missing."""
    kind: str
    raised_by: str
    """`holder` or `office`."""
    party: bytes | None
    """The stream of the party who raised it; None: an office did, or the license is missing."""
    organization: str
    """Through whose client it came."""
    type_code: str
    issuer: str
    """As the license says."""
    field_names: tuple[str, ...]
    filed_at: int
    filed_index: int
    working_days: int
    due_on: int
    """The last day for the decision, as it was promised."""
    known_until: int
    """The last day of which the calendar knew then whether it is a working day."""
    outcome: str | None = None
    """`upheld`, `rejected` or `withdrawn`; None: it is open."""
    settled_at: int | None = None
    settled_index: int | None = None
    mended_index: int | None = None
    """Leaf index of what mended the license."""


@dataclass(frozen=True, kw_only=True)
class ClaimRow(Row):
    """The newest dispute of somebody about the same."""

    table = "dispute_claims"
    claim_key: bytes
    """`ledger.dispute.claim_key`."""
    dispute_ref: bytes
