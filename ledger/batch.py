"""A batch: what was loaded for some commands under the lock, and what they have added so far.

Effects are what commands change beside facts and state: directory rows, data keys, the key ring. Does no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ledger import errors, party
from ledger.batch_state import BatchState
from ledger.random_bytes import RandomBytes
from ledger.state import AuthorizationRow, LicenseRow, Row, RowKey
from ledger.vault import Lookup, Vault
from signing import keyring, seal


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a lookup names."""

    stream_id: bytes
    target: bytes | None


@dataclass(frozen=True, kw_only=True)
class NewEntry:
    """A directory row to be written."""

    lookup: Lookup
    stream_id: bytes
    target: bytes | None
    content: Any
    """Sealed under the stream's data key."""


@dataclass(kw_only=True)
class Effects:
    """What a command changes beside facts and state."""

    dropped: list[Lookup] = field(default_factory=list)
    """Lookups that lead nowhere from here on; they go before `entries` come."""
    entries: list[NewEntry] = field(default_factory=list)
    keys: list[seal.DataKey] = field(default_factory=list)
    forgotten: list[bytes] = field(default_factory=list)
    """Streams whose directory rows and data keys go."""
    ring_version: int | None = None
    ring: keyring.KeyRing | None = None
    """The key ring from this batch on."""


class Batch:
    """What one batch loaded under the lock, and what its commands have added so far."""

    def __init__(self, *, vault: Vault, at: int, size: int) -> None:
        self.vault = vault
        self.at = at
        self.size = size
        self.rows: dict[RowKey, Row | None] = {}
        self.entries: dict[bytes, Entry] = {}
        self.use_codes: dict[bytes, bytes] = {}
        self.held: dict[tuple[bytes, str], list[bytes]] = {}
        self.candidates: dict[tuple[bytes, str, str | None], list[bytes]] = {}
        self.data_keys: dict[bytes, seal.DataKey] = {}
        self.shared: dict[bytes, list[bytes]] = {}
        self.naming: dict[tuple[bytes, bytes], list[tuple[str, bytes]]] = {}
        self.state = BatchState(self.rows)
        self.random = RandomBytes()
        self.effects = Effects()
        self.unfit: dict[int, errors.LedgerError] = {}
        """Commands, by their number, that could not even say what they want."""
        self.new_licenses: dict[bytes, list[bytes]] = {}
        """License references by the stream in which the batch made them, or into which it moved them."""
        self.new_streams: set[bytes] = set()
        self.new_authorizations: dict[bytes, list[bytes]] = {}

    def keep(self, effects: Effects | None) -> None:
        """Keep what a command did."""
        for old, row in self.state.fresh():
            if isinstance(row, LicenseRow):
                if not isinstance(old, LicenseRow) or old.stream_id != row.stream_id:
                    self.new_licenses.setdefault(row.stream_id, []).append(row.license_ref)
                if row.parties and (not isinstance(old, LicenseRow) or old.parties != row.parties):
                    for one in party.of(row):
                        if one.stream_id != row.stream_id:
                            self.new_licenses.setdefault(one.stream_id, []).append(row.license_ref)
            elif old is None and isinstance(row, AuthorizationRow):
                self.new_authorizations.setdefault(row.stream_id, []).append(row.authorization_ref)
        self.state.keep()
        if effects is not None:
            self._keep_effects(effects)

    def drop(self) -> None:
        """A command failed: what it did is undone."""
        self.state.undo()

    def _keep_effects(self, effects: Effects) -> None:
        for lookup in effects.dropped:
            self._drop(lookup)
        self.effects.entries += effects.entries
        self.effects.keys += effects.keys
        self.effects.forgotten += effects.forgotten
        self.effects.ring_version = effects.ring_version or self.effects.ring_version
        self.effects.ring = effects.ring or self.effects.ring
        for entry in effects.entries:
            found = Entry(stream_id=entry.stream_id, target=entry.target)
            self.entries.update(dict.fromkeys(entry.lookup.digests, found))
        for key in effects.keys:
            self.data_keys[key.owner] = key

    def _drop(self, lookup: Lookup) -> None:
        """Nothing is found under `lookup` from here on."""
        self.effects.dropped.append(lookup)
        self.effects.entries = [one for one in self.effects.entries if one.lookup != lookup]
        for digest in lookup.digests:
            self.entries.pop(digest, None)
