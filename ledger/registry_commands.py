"""Commands of the ledger's own console: open, keys, catalog, clients, erasure, loss.

They record facts of the registry stream; what else an operation needs (files, buckets) is in
`keeping.py` and `recovery.py`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from ledger import client, errors, holder, log
from ledger.command import Command, Reads, RowKey, View, Wants
from ledger.deciding import Result
from ledger.fact import Draft, Fact
from ledger.identifiers import HolderCode
from ledger.license_commands import holder_lookup
from ledger.state import ClientRow, LedgerRow, OrganizationRow, StreamRow
from ledger.vault import Vault
from signing import keyring, keys


@dataclass(frozen=True, kw_only=True)
class OpenLedger(Command):
    """The first facts: the ledger and its keys; the registry stream gets its data key."""

    def wants(self, vault: Vault) -> Wants:
        rows: set[RowKey] = {
            key
            for fact in self._facts(vault)
            for key in fact.touches(None)  # type: ignore[arg-type]
        }
        return Wants(rows=rows | {(StreamRow, vault.ring.registry)})

    def decide(self, view: View) -> list[Draft]:
        registry = view.vault.ring.registry
        if view.state.get(LedgerRow, 0) is not None:
            raise errors.AlreadyExists("the ledger is open")
        view.effects.keys.append(view.vault.new_data_key(registry))
        return [Draft(fact=fact, stream_id=registry) for fact in self._facts(view.vault)]

    def _facts(self, vault: Vault) -> list[Fact]:
        ring = vault.ring
        origin = log.origin_line(ring.origin, partition=0, generation=0)
        opened = log.LedgerOpened(origin=origin, operator=ring.operator, suite=ring.suite_name)
        return [opened, *(introduced(held) for held in ring.signing)]


def introduced(held: keyring.HeldKey) -> log.SigningKeyIntroduced:
    """The fact that introduces a key of the ring."""
    public = keys.SigningKey(held.seed).public
    return log.SigningKeyIntroduced(purpose=held.purpose, key_id=held.key_id, public=public)


@dataclass(frozen=True, kw_only=True)
class RecordInRegistry(Command):
    """Facts whose rows are known from themselves: types, keys, client changes, loss."""

    facts: tuple[Fact, ...]
    ring_version: int | None = None
    """The key ring that appenders must have from these facts on."""

    def wants(self, vault: Vault) -> Wants:
        rows: set[RowKey] = {
            key
            for fact in self.facts
            for key in fact.touches(None)  # type: ignore[arg-type]
        }
        return Wants(rows=rows | {(StreamRow, vault.ring.registry)})

    def decide(self, view: View) -> list[Draft]:
        view.effects.ring_version = self.ring_version
        return [Draft(fact=fact, stream_id=view.vault.ring.registry) for fact in self.facts]


@dataclass(frozen=True, kw_only=True)
class RegisterClient(Command):
    """接入系统登记; the organization's stream begins with its first client."""

    name: str
    acts_for: str
    scopes: tuple[str, ...]
    license_types: tuple[str, ...]
    algorithm: str
    keys: tuple[str, ...]
    client_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    further: tuple[str, ...] = ()
    """Organizations that it serves beside `acts_for`."""

    def wants(self, vault: Vault) -> Wants:
        rows: set[RowKey] = {(ClientRow, self.client_id), (StreamRow, vault.ring.registry)}
        return Wants(rows=rows | {(OrganizationRow, one) for one in (self.acts_for, *self.further)})

    def reads(self, view: View) -> Reads:
        return _organization_streams(view, (self.acts_for, *self.further))

    def decide(self, view: View) -> list[Draft]:
        (_, own), *further = _served(view, (self.acts_for, *self.further))
        made = client.ClientRegistered(
            client_id=self.client_id,
            name=self.name,
            organization=self.acts_for,
            organization_stream=own,
            further=tuple(further),
            scopes=tuple(sorted(set(self.scopes))),
            license_types=tuple(sorted(set(self.license_types))),
            algorithm=self.algorithm,
            keys=self.keys,
        )
        return [Draft(fact=made, stream_id=view.vault.ring.registry)]


@dataclass(frozen=True, kw_only=True)
class ChangeOrganizations(Command):
    """The further organizations that a client serves from now on."""

    client_id: bytes
    further: tuple[str, ...]

    def wants(self, vault: Vault) -> Wants:
        rows: set[RowKey] = {(ClientRow, self.client_id), (StreamRow, vault.ring.registry)}
        return Wants(rows=rows | {(OrganizationRow, organization) for organization in self.further})

    def reads(self, view: View) -> Reads:
        return _organization_streams(view, self.further)

    def decide(self, view: View) -> list[Draft]:
        further = tuple(_served(view, self.further))
        made = client.ClientOrganizationsChanged(client_id=self.client_id, further=further)
        return [Draft(fact=made, stream_id=view.vault.ring.registry)]


def _organization_streams(view: View, organizations: Iterable[str]) -> Reads:
    known = (view.state.get(OrganizationRow, organization) for organization in organizations)
    return Reads(rows={(StreamRow, row.stream_id) for row in known if row is not None})


def _served(view: View, organizations: Iterable[str]) -> list[tuple[str, bytes]]:
    """Each organization with its stream, begun here when it is new."""
    served = []
    for organization in dict.fromkeys(organizations):
        row = view.state.get(OrganizationRow, organization)
        served.append((organization, view.new_stream() if row is None else row.stream_id))
    return served


@dataclass(frozen=True, kw_only=True)
class EraseHolder(Command):
    """The fact of an erasure in each of the holder's files; directory rows and data keys go with it.

    Of a holder who is a party of too many licenses it takes the first, and is to be given again.
    """

    holder: HolderCode

    def wants(self, vault: Vault) -> Wants:
        return Wants(lookups=[holder_lookup(vault, self.holder)])

    def reads(self, view: View) -> Reads:
        entry = view.entry(holder_lookup(view.vault, self.holder))
        if entry is None:
            return Reads()
        return Reads(rows={(StreamRow, entry.stream_id)}, shared={entry.stream_id})

    def decide(self, view: View) -> list[Draft]:
        entry = view.entry(holder_lookup(view.vault, self.holder))
        if entry is None:
            raise errors.NotFound("no holder under this code")
        return erasure(view, view.streams(entry.stream_id))


def erasure(view: View, streams: Iterable[bytes]) -> list[Draft]:
    """The next facts by which the files of a holder are erased: parts, until none has too many licenses."""
    shared = {one: sorted(row.license_ref for row in view.shared(one)) for one in streams}
    parts = [
        Draft(fact=holder.PartyErased(shared=tuple(refs[: holder.SHARED_MAX])), stream_id=one)
        for one, refs in shared.items()
        if len(refs) > holder.SHARED_MAX
    ]
    if parts:
        return parts
    view.effects.forgotten.extend(shared)
    return [
        Draft(fact=holder.HolderErased(shared=tuple(refs)), stream_id=one) for one, refs in shared.items()
    ]


def is_erased(result: Result) -> bool:
    """Whether an erasure came to its end, and not to a part."""
    return any(item.event.topic == holder.HolderErased.__name__ for item in result.recorded)
