"""What a batch stores: its events, and what changes beside them; as the append path hands it to a session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from ledger.state import Row
from signing import keyring


@dataclass(frozen=True, kw_only=True)
class Head:
    """The newest committed tree head of a partition."""

    size: int = 0
    generation: int = 0
    root: bytes = b""
    frontier: tuple[bytes, ...] = ()
    at: int = 0
    mac: bytes | None = None
    """By it the ledger knows a head that it wrote (`Vault.head_mac`)."""


class EventRow(NamedTuple):
    """One row of `events`, but for its position."""

    stream_id: UUID
    version: int
    topic: str
    recorded_at: int
    state: bytes


@dataclass(frozen=True, kw_only=True)
class Addition:
    """Some events of a batch, with the keys that they answer."""

    first_position: int
    events: Sequence[EventRow]
    answered: Sequence[tuple[bytes, bytes, int, int]] = ()
    """(key, body digest, first index, events)."""
    day: int = 0


@dataclass(kw_only=True)
class Write:
    """What a batch stores beside its events."""

    head: Head
    """The new head."""
    rows: Sequence[Row] = ()
    dropped: Sequence[bytes] = ()
    """Lookups whose directory rows go, before `entries` come."""
    entries: Sequence[tuple[bytes, str, int, bytes, bytes | None, bytes]] = ()
    """(lookup, kind, pepper id, stream, target, sealed)."""
    wraps: Sequence[keyring.WrappedKey] = ()
    tiles: Sequence[tuple[int, int, bytes]] = ()
    """(level, tile, hashes)."""
    forgotten: Sequence[bytes] = ()
    """Streams whose directory rows and data keys go."""
    ring_version: int | None = None
