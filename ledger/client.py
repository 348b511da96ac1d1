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
    "coverage:declare",
    "audit:read",
    "statistics:read",
)
"""What a client may do; `docs/rules.md` says what each opens."""
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

    def touches(self, about: event.Event) -> Touched:
        return (
            (ClientRow, self.client_id),
            (OrganizationRow, self.organization),
            (StreamRow, self.organization_stream),
        )

    def allow(self, about: event.Event, state: State) -> None:
        if state.get(ClientRow, self.client_id) is not None:
            raise errors.AlreadyExists("the client is registered")
        check_organization(self.organization)
        _check_keys(self.algorithm, self.keys)
        unknown = set(self.scopes) - set(SCOPES)
        if unknown or not self.scopes:
            raise errors.Invalid(f"scopes are some of {', '.join(SCOPES)}", field="scopes")
        known = state.get(OrganizationRow, self.organization)
        if known is not None and known.stream_id != self.organization_stream:
            raise errors.Conflict("the organization has another stream")
        if known is None and state.get(StreamRow, self.organization_stream) is not None:
            raise errors.Conflict("a new organization begins with a stream of its own")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        state.put(OrganizationRow(organization=self.organization, stream_id=self.organization_stream))
        state.put(StreamRow(stream_id=self.organization_stream, kind="organization", is_erased=False))
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
            )
        )


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


def _check_keys(algorithm: str, keys: tuple[str, ...]) -> None:
    if algorithm not in ALGORITHMS:
        raise errors.Invalid(f"the algorithm is one of {', '.join(ALGORITHMS)}", field="algorithm")
    if not 1 <= len(keys) <= 4 or len(set(keys)) != len(keys):
        raise errors.Invalid("a client has one to four different keys", field="keys")
