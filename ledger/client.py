"""Clients 接入系统: which systems may call, for which organization, with which scopes and keys.

Facts of the registry stream, written from the ledger's console. An organization's own stream begins
with its first client. Suspension binds from its commit on: every append reads the client's row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ledger import errors, identifiers
from ledger.fact import Fact, Touched
from ledger.state import ClientRow, OrganizationRow, State, StreamRow
from signing import event

SCOPES = (
    "license:issue",
    "license:use",
    "license:verify",
    "authorization:grant",
    "consent:attest",
    "file:attest",
    "holder:register",
    "catalog:write",
    "issuing:entrust",
    "coverage:declare",
    "case:upload",
    "audit:read",
    "statistics:read",
    "bulletin:close",
)
"""What a client may do; `docs/rules.md` says what each opens."""
ORGANIZATIONS_MAX = 200
"""Organizations that one client serves."""
ALGORITHMS = ("Ed25519", "ES256", "PS256")


@dataclass(frozen=True, kw_only=True)
class ClientRegistered(Fact):
    """A client may call."""

    client_id: bytes
    name: str
    organization: str
    organization_stream: bytes
    scopes: tuple[str, ...]
    license_types: tuple[str, ...]
    algorithm: str
    keys: tuple[str, ...]
    """Public JWKs as JSON text."""
    further: tuple[tuple[str, bytes], ...] = ()
    """(organization, its stream) that the client serves beside its own."""

    def touches(self, about: event.Event) -> Touched:
        yield ClientRow, self.client_id
        yield from _streams_touched(self._served())

    def allow(self, about: event.Event, state: State) -> None:
        if state.get(ClientRow, self.client_id) is not None:
            raise errors.AlreadyExists("the client is registered")
        check_organization(self.organization)
        _check_keys(self.algorithm, self.keys)
        unknown = set(self.scopes) - set(SCOPES)
        if unknown or not self.scopes:
            raise errors.Invalid(f"scopes are some of {', '.join(SCOPES)}", field="scopes")
        _allow_served(self._served(), state)

    def _served(self) -> tuple[tuple[str, bytes], ...]:
        return ((self.organization, self.organization_stream), *self.further)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        _put_served(self._served(), state)
        state.put(
            ClientRow(
                client_id=self.client_id,
                name=self.name,
                organization=self.organization,
                scopes=self.scopes,
                license_types=self.license_types,
                algorithm=self.algorithm,
                keys=self.keys,
                generation=0,
                is_suspended=False,
                acts_for=tuple(organization for organization, _ in self.further),
            )
        )


@dataclass(frozen=True, kw_only=True)
class ClientOrganizationsChanged(Fact):
    """The further organizations that a client serves from now on; tokens for others are dead."""

    client_id: bytes
    further: tuple[tuple[str, bytes], ...]

    def touches(self, about: event.Event) -> Touched:
        yield ClientRow, self.client_id
        yield from _streams_touched(self.further)

    def allow(self, about: event.Event, state: State) -> None:
        row = state.get(ClientRow, self.client_id)
        if row is None:
            raise errors.NotFound("no such client")
        if row.organization in dict(self.further):
            raise errors.Invalid("the client's own organization is none of the further ones", field="further")
        _allow_served(self.further, state)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        _put_served(self.further, state)
        row = state.need(ClientRow, self.client_id)
        state.put(replace(row, acts_for=tuple(organization for organization, _ in self.further)))


@dataclass(frozen=True, kw_only=True)
class ClientKeyChanged(Fact):
    """A client has other keys; access tokens made before are dead."""

    client_id: bytes
    algorithm: str
    keys: tuple[str, ...]

    def touches(self, about: event.Event) -> Touched:
        return ((ClientRow, self.client_id),)

    def allow(self, about: event.Event, state: State) -> None:
        if state.get(ClientRow, self.client_id) is None:
            raise errors.NotFound("no such client")
        _check_keys(self.algorithm, self.keys)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.need(ClientRow, self.client_id)
        state.put(replace(row, algorithm=self.algorithm, keys=self.keys, generation=row.generation + 1))


@dataclass(frozen=True, kw_only=True)
class ClientSuspended(Fact):
    """A client may call no more."""

    client_id: bytes

    def touches(self, about: event.Event) -> Touched:
        return ((ClientRow, self.client_id),)

    def allow(self, about: event.Event, state: State) -> None:
        row = state.get(ClientRow, self.client_id)
        if row is None:
            raise errors.NotFound("no such client")
        if row.is_suspended:
            raise errors.Conflict("the client is suspended")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.need(ClientRow, self.client_id)
        state.put(replace(row, is_suspended=True, generation=row.generation + 1))


def check_organization(code: str, *, field: str = "organization") -> None:
    """Nothing when `code` is a credit code; raises Invalid, which names `field`."""
    try:
        known = identifiers.credit_code(code)
    except identifiers.IdentifierError as error:
        raise errors.Invalid(f"the organization's credit code: {error}", field=field) from error
    if known.code != code:
        raise errors.Invalid("a credit code is written in upper case, without blanks", field=field)


def refuse_own(requester: str, about: event.Event, state: State) -> None:
    """Nothing when consent for `requester` may be attested; raises OwnOrganization.

    Never for the organization acted for, nor for another that the same client serves.
    """
    row = None if about.client is None else state.get(ClientRow, about.client)
    served = () if row is None else (row.organization, *row.acts_for)
    if requester in (about.organization, *served):
        raise errors.OwnOrganization(field="requester")


def _streams_touched(served: tuple[tuple[str, bytes], ...]) -> Touched:
    for organization, stream_id in served:
        yield OrganizationRow, organization
        yield StreamRow, stream_id


def _allow_served(served: tuple[tuple[str, bytes], ...], state: State) -> None:
    """Each organization stands once and has its own stream, which begins here or is the known one."""
    if len(served) > ORGANIZATIONS_MAX or len(dict(served)) != len(served):
        raise errors.Invalid(f"at most {ORGANIZATIONS_MAX} different organizations", field="further")
    for organization, stream_id in served:
        check_organization(organization)
        known = state.get(OrganizationRow, organization)
        if known is not None and known.stream_id != stream_id:
            raise errors.Conflict("the organization has another stream")
        is_taken = state.get(StreamRow, stream_id) is not None
        if known is None and (is_taken or sum(stream == stream_id for _, stream in served) > 1):
            raise errors.Conflict("a new organization begins with a stream of its own")


def _put_served(served: tuple[tuple[str, bytes], ...], state: State) -> None:
    for organization, stream_id in served:
        if state.get(OrganizationRow, organization) is None:
            state.put(OrganizationRow(organization=organization, stream_id=stream_id))
            state.put(StreamRow(stream_id=stream_id, kind="organization", is_erased=False))


def _check_keys(algorithm: str, keys: tuple[str, ...]) -> None:
    if algorithm not in ALGORITHMS:
        raise errors.Invalid(f"the algorithm is one of {', '.join(ALGORITHMS)}", field="algorithm")
    if not 1 <= len(keys) <= 4 or len(set(keys)) != len(keys):
        raise errors.Invalid("a client has one to four different keys", field="keys")
