"""Commands: what callers ask the appender to decide, and the view of the ledger they decide on.

A command says which lookups and rows it wants, then, knowing what the lookups name, which further
rows it reads, and at last decides, without I/O, on drafts of facts. `View` is one batch under the
lock: later commands see what earlier ones did; what a failed command did is dropped.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from ledger import account, errors, joining, party, power, state
from ledger.batch import Batch, Effects, Entry, NewEntry
from ledger.fact import Draft
from ledger.state import (
    AuthorizationRow,
    ClientRow,
    EntrustmentRow,
    LedgerRow,
    LicenseRow,
    NotLoaded,
    OrganizationRow,
    StreamRow,
)
from ledger.vault import Lookup, Vault
from signing import keyring, keys, seal

RowKey = state.RowKey
REPEAT_BYTES = 16
"""Length of the digests that tell repeats: nobody finds two keys of one client alike among 2^64."""


@dataclass(frozen=True, kw_only=True)
class Operator:
    """经办人, as the client names it."""

    account: str
    name: str
    organization: str | None = None
    """Credit code of the operator's own organization, where it is another than the one acted for."""


@dataclass(frozen=True, kw_only=True)
class _NoOperator:
    """What no operator says."""

    account: str | None = None
    name: str | None = None
    organization: str | None = None


_NOBODY = _NoOperator()


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who acts, for whom and why; the free texts are sealed, never in clear."""

    client_id: bytes | None
    """None: the ledger's own console."""
    organization: str
    generation: int | None = None
    """Key generation of the client when its access token was made."""
    access_key: str | None = None
    """Id of the key that signed the access token, in hexadecimal."""
    operator: Operator | None = None
    case_number: str | None = None
    service_item: str | None = None
    channel: str = "batch"
    service_item_name: str | None = None
    reason: str | None = None
    legal_basis: str | None = None
    issuer: str | None = None
    """The responsible issuer, where issuing was entrusted to the organization; None: itself."""

    @property
    def responsible(self) -> str:
        """The responsible issuer 颁证机关 of what the actor does to a license."""
        return self.issuer or self.organization

    def sealed_request(self) -> dict[str, str]:
        """What the caller wrote, for the part `request`; in canonical order, to be sealed as it is."""
        operator = self.operator or _NOBODY
        texts = {
            "reason": self.reason,
            "legal_basis": self.legal_basis,
            "operator_name": operator.name,
            "operator_account": operator.account,
            "service_item_name": self.service_item_name,
            "operator_organization": operator.organization,
        }
        return {name: text for name, text in texts.items() if text is not None}


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """What makes a repeated request recognizable: digests of client + operation + key, and of the body."""

    key: bytes
    body_digest: bytes


@dataclass(kw_only=True)
class Wants:
    """What a command needs to know first."""

    rows: set[RowKey] = field(default_factory=set)
    lookups: list[Lookup] = field(default_factory=list)
    use_codes: list[bytes] = field(default_factory=list)
    """Digests of use codes."""


@dataclass(kw_only=True)
class Reads:
    """What it needs once the lookups are resolved."""

    rows: set[RowKey] = field(default_factory=set)
    held: set[tuple[bytes, str]] = field(default_factory=set)
    """(stream, type code): licenses of a holder."""
    candidates: set[tuple[bytes, str, str | None]] = field(default_factory=set)
    """(stream, requester, type code or None): authorizations."""
    data_keys: set[bytes] = field(default_factory=set)
    """Streams whose data key seals something."""
    shared: set[bytes] = field(default_factory=set)
    """Streams: licenses with several parties, of which this is one."""
    naming: set[tuple[bytes, bytes]] = field(default_factory=set)
    """(stream, target): directory rows of the stream that name the target."""


class View:
    """The ledger as one command sees it under the lock."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._effects: Effects | None = None
        self.vault = batch.vault
        self.at = batch.at
        self.size = batch.size
        """Leaf index that the command's first event gets."""
        self.state = batch.state
        self.random = batch.random

    @property
    def effects(self) -> Effects:
        """What the command changes beside facts and state."""
        if self._effects is None:
            self._effects = Effects()
        return self._effects

    @property
    def made(self) -> Effects | None:
        """What the command changed beside facts and state; None: nothing."""
        return self._effects

    @property
    def ring(self) -> keyring.KeyRing:
        """The key ring as the commands before this one leave it."""
        return self._batch.effects.ring or self.vault.ring

    @property
    def compromised(self) -> frozenset[str]:
        """Ids of the ring's keys that were in other hands, in hexadecimal."""
        changed = self._batch.effects.ring
        return self.vault.compromised if changed is None else changed.compromised()

    def entry(self, lookup: Lookup) -> Entry | None:
        """What the lookup names, under any pepper; what the command itself made or dropped counts."""
        if self._effects is not None:
            for made in self._effects.entries:
                if made.lookup == lookup:
                    return Entry(stream_id=made.stream_id, target=made.target)
            if lookup in self._effects.dropped:
                return None
        for digest in lookup.digests:
            if digest in self._batch.entries:
                return self._batch.entries[digest]
        return None

    def naming(self, stream_id: bytes, target: bytes) -> list[tuple[str, Any]]:
        """(kind, content) of the directory rows of a stream that name `target`; raises NotLoaded."""
        pair = stream_id, target
        if pair not in self._batch.naming:
            raise NotLoaded("directory rows")
        key, new = self.data_key(stream_id), self._batch.effects.entries
        stored = self._batch.naming[pair]
        rows = [(kind, self.vault.unseal_entry(key, kind=kind, sealed=sealed)) for kind, sealed in stored]
        return rows + [(one.lookup.kind, one.content) for one in new if (one.stream_id, one.target) == pair]

    def by_use_code(self, digest: bytes) -> AuthorizationRow | None:
        """The authorization that a use code stands for."""
        ref = self._batch.use_codes.get(digest)
        return None if ref is None else self.state.get(AuthorizationRow, ref)

    def held(self, stream_id: bytes, type_code: str) -> list[LicenseRow]:
        """Licenses of a holder and type."""
        refs = self._loaded(self._batch.held.get((stream_id, type_code)), stream_id)
        new = self._batch.new_licenses.get(stream_id)
        if new is not None:
            refs = dict.fromkeys((*refs, *new))
        rows = [self.state.need(LicenseRow, ref) for ref in refs]
        return [row for row in rows if row.type_code == type_code and party.holds(row, stream_id)]

    def shared(self, stream_id: bytes) -> list[LicenseRow]:
        """Licenses with several parties, of which the holder of a stream is one."""
        refs = (*self._batch.shared.get(stream_id, ()), *self._batch.new_licenses.get(stream_id, ()))
        rows = [self.state.need(LicenseRow, ref) for ref in dict.fromkeys(refs)]
        return [row for row in rows if any(one.stream_id == stream_id for one in party.of(row))]

    def candidates(self, stream_id: bytes, requester: str, type_code: str | None) -> list[AuthorizationRow]:
        """Authorizations of a stream for a requester."""
        refs = self._loaded(self._batch.candidates.get((stream_id, requester, type_code)), stream_id)
        new = self._batch.new_authorizations.get(stream_id)
        if new is not None:
            refs = (*refs, *new)
        rows = [self.state.need(AuthorizationRow, ref) for ref in refs] if refs else []
        return [row for row in rows if row.requester == requester]

    def _loaded(self, refs: list[bytes] | None, stream_id: bytes) -> Collection[bytes]:
        """What was loaded of a stream; raises NotLoaded when a command before led to it, unasked for."""
        if refs is not None:
            return refs
        if stream_id not in self._batch.new_streams:
            raise NotLoaded("a stream's licenses or authorizations")
        return ()

    def streams(self, stream_id: bytes) -> tuple[bytes, ...]:
        """Every stream of the holder of one, which comes first."""
        row = self.state.get(StreamRow, stream_id)
        return (stream_id,) if row is None or not row.same_holder else joining.streams(row)

    def data_key(self, stream_id: bytes) -> seal.DataKey:
        """The key that seals for a stream; raises HolderErasedConflict when it is destroyed."""
        for key in self._effects.keys if self._effects is not None else ():
            if key.owner == stream_id:
                return key
        found = self._batch.data_keys.get(stream_id) or self.vault.cached(stream_id)
        if found is None:
            raise errors.HolderErasedConflict
        return found

    def organization_stream(self, organization: str) -> bytes:
        """The stream of an organization that acts here; the operator's own falls back on the registry."""
        row = self.state.get(OrganizationRow, organization)
        return row.stream_id if row is not None else self.state.need(LedgerRow, 0).registry

    def new_stream(self) -> bytes:
        """A stream that begins with this command, with its data key."""
        stream_id = self.random.take(16)
        self._batch.rows[StreamRow, stream_id] = None
        self._batch.new_streams.add(stream_id)
        secret = self.random.take(keys.SYMMETRIC_KEY_BYTES)
        self.effects.keys.append(self.vault.new_data_key(stream_id, secret=secret))
        return stream_id

    def add_entry(self, lookup: Lookup, *, stream_id: bytes, target: bytes | None, content: Any) -> None:
        """A new directory row; raises AlreadyExists when the lookup names something."""
        if self.entry(lookup) is not None:
            raise errors.AlreadyExists(field=lookup.kind)
        entry = NewEntry(lookup=lookup, stream_id=stream_id, target=target, content=content)
        self.effects.entries.append(entry)

    def drop_entry(self, lookup: Lookup) -> None:
        """The directory row that the lookup names goes; a new one may take its place."""
        self.effects.dropped.append(lookup)

    def operator_ref(self, actor: Actor) -> bytes | None:
        """The reference of the actor's operator, as an operator of the actor's client."""
        person = self.person(actor)
        if person is None:
            return None
        return account.operator_ref(person, actor.client_id, suite=self.vault.suite.name)

    def person(self, actor: Actor) -> bytes | None:
        """The reference of who has the operator's account in the organization, made on first sight."""
        if actor.operator is None:
            return None
        lookup = operator_lookup(self.vault, actor)
        entry = self.entry(lookup)
        if entry is not None:
            return entry.target
        ref = self.random.take(16)
        self.add_entry(
            lookup,
            stream_id=self.organization_stream(actor.organization),
            target=ref,
            content=[
                actor.organization,
                actor.operator.account,
                actor.operator.name,
                account.normal(actor.operator.account),
            ],
        )
        return ref

    def named(self, actor: Actor) -> bytes | None:
        """The reference of the operator's name in the organization, made on first sight."""
        if actor.operator is None:
            return None
        lookup = naming_lookup(self.vault, actor)
        entry = self.entry(lookup)
        if entry is not None:
            return entry.target
        ref = self.random.take(16)
        content = [actor.organization, account.normal(actor.operator.name)]
        stream_id = self.organization_stream(actor.organization)
        self.add_entry(lookup, stream_id=stream_id, target=ref, content=content)
        return ref


def operator_lookup(vault: Vault, actor: Actor) -> Lookup:
    """The lookup of an operator: organization and account, however it is spelled."""
    assert actor.operator is not None, "the actor names an operator"
    return vault.lookup("operator", actor.organization, account.normal(actor.operator.account))


def naming_lookup(vault: Vault, actor: Actor) -> Lookup:
    """The lookup of an operator's name: organization and name, however it is spelled."""
    assert actor.operator is not None, "the actor names an operator"
    return vault.lookup(account.NAME_KIND, actor.organization, account.normal(actor.operator.name))


@dataclass(frozen=True, kw_only=True)
class Command:
    """Base of all commands."""

    gives_way: ClassVar[bool] = False
    """Whether it gets at most a quarter of a batch while others wait."""
    actor: Actor
    repeat: Repeat | None = None

    def wants(self, vault: Vault) -> Wants:
        """What to look up first; asked before the lock."""
        return Wants()

    def reads(self, view: View) -> Reads:
        """What to load once `wants` is known; asked under the lock, as `decide` is."""
        return Reads()

    def decide(self, view: View) -> list[Draft]:
        """The facts to record; raises a LedgerError to refuse, which changes nothing."""
        raise NotImplementedError

    def all_wants(self, vault: Vault) -> Wants:
        """`wants`, and what every actor needs."""
        wants = self.wants(vault)
        wants.rows |= {(LedgerRow, 0), (OrganizationRow, self.actor.organization)}
        if self.actor.client_id is not None:
            wants.rows.add((ClientRow, self.actor.client_id))
        if self.actor.issuer is not None:
            wants.rows |= {
                (OrganizationRow, self.actor.issuer),
                (EntrustmentRow, power.pair(self.actor.issuer, self.actor.organization)),
            }
        if self.actor.operator is not None:
            wants.lookups.append(operator_lookup(vault, self.actor))
        return wants

    def all_reads(self, view: View) -> Reads:
        """`reads`, and what every actor needs."""
        reads = self.reads(view)
        stream_id = actor_stream(self.actor, view)
        if stream_id is not None:
            reads.rows.add((StreamRow, stream_id))
            reads.data_keys.add(stream_id)
        return reads


def actor_stream(actor: Actor, view: View) -> bytes | None:
    """The stream under whose key the actor's words are sealed; None before the ledger is open."""
    row = view.state.get(OrganizationRow, actor.organization)
    if row is not None:
        return row.stream_id
    ledger = view.state.get(LedgerRow, 0)
    return None if ledger is None else ledger.registry


def require_current_client(actor: Actor, view: View) -> None:
    """Nothing when the actor's access token is from the client's present keys; raises ClientSuspended.

    A token under a key of the ledger that was in other hands says nothing: raises Unauthenticated.
    """
    if actor.client_id is not None:
        require_standing(actor, view.state.get(ClientRow, actor.client_id), compromised=view.compromised)


def require_standing(actor: Actor, row: ClientRow | None, *, compromised: frozenset[str]) -> None:
    """The same of a client's row and the ids of keys that were in other hands."""
    if actor.access_key is not None and actor.access_key in compromised:
        raise errors.Unauthenticated(reason="unknown-key")
    require_registered(actor, row)


class Calling(Protocol):
    """What an access token says, and an actor has of it."""

    @property
    def generation(self) -> int | None:
        """Of the client's keys."""

    @property
    def organization(self) -> str:
        """For which it acts."""


def require_registered(said: Calling, row: ClientRow | None) -> None:
    """Nothing when a client may call as it says; raises ClientSuspended or Forbidden."""
    if row is None or row.is_suspended or row.generation != said.generation:
        raise errors.ClientSuspended
    if said.organization not in (row.organization, *row.acts_for):
        raise errors.Forbidden("the client acts for another organization")
