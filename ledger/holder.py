"""Holders 持证主体: their file read, and their end in this ledger by erasure.

`HolderFileRead` is appended for each page of a file that leaves the ledger. `HolderErased` stands
while the directory rows and the data key of the stream go, so that nothing sealed there opens again.
`Registered` is the base of what a registering organ 登记机关 says of a holder (`linking.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ledger import errors, party
from ledger.fact import Fact, Touched
from ledger.state import LicenseRow, OrganizationRow, State, StreamRow
from signing import event, ids

SHARED_MAX = 2_000
"""Licenses with several parties that one event of an erasure names: 34 kB of them."""


@dataclass(frozen=True, kw_only=True)
class HolderFileRead(Fact):
    """一人一档 / 一企一档: the holder's file was shown on an operator's attestation."""

    scope: ClassVar[str | None] = "file:attest"
    stream_kind: ClassVar[str] = "holder"
    license_refs: tuple[bytes, ...]
    """The licenses on this page."""
    evidence_digest: bytes
    through: int = -1
    """The index that the file had come to; -1 in events from before this was kept."""

    def touches(self, about: event.Event) -> Touched:
        yield StreamRow, about.stream_id
        for license_ref in self.license_refs:
            yield LicenseRow, license_ref

    def allow(self, about: event.Event, state: State) -> None:
        row = state.get(StreamRow, about.stream_id)
        if row is None or row.kind != "holder":
            raise errors.NotFound("no such holder")
        if about.client is not None and about.operator_ref is None:
            raise errors.Invalid("a file is read by a named operator", field="operator")
        refuse_contested(row)
        streams = (about.stream_id, *(ids.parse(text) for text in row.same_holder))
        for license_ref in self.license_refs:
            license_row = state.get(LicenseRow, license_ref)
            if license_row is None or not any(_is_of(license_row, one) for one in streams):
                raise errors.LicenseNotFound


@dataclass(frozen=True, kw_only=True)
class HolderFileRefused(Fact):
    """A file was asked for under a code that nobody has here; the code is sealed for who asked."""

    scope: ClassVar[str | None] = "file:attest"
    stream_kind: ClassVar[str] = "organization"
    reason: str
    """`unknown-holder`."""

    def touches(self, about: event.Event) -> Touched:
        return ((OrganizationRow, about.organization),)

    def allow(self, about: event.Event, state: State) -> None:
        own = state.get(OrganizationRow, about.organization)
        if self.reason != "unknown-holder" or own is None or own.stream_id != about.stream_id:
            raise errors.Forbidden("a refused file stands with who asked for it")


@dataclass(frozen=True, kw_only=True)
class HolderErased(Fact):
    """The holder's keys and directory rows are destroyed with this fact."""

    stream_kind: ClassVar[str] = "holder"
    shared: tuple[bytes, ...] = ()
    """Licenses with several parties, of whom the holder is one."""

    def touches(self, about: event.Event) -> Touched:
        yield StreamRow, about.stream_id
        for license_ref in self.shared:
            yield LicenseRow, license_ref

    def allow(self, about: event.Event, state: State) -> None:
        _require_holder(about, state)
        _require_shared(self.shared, about, state)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        state.put(replace(state.need(StreamRow, about.stream_id), is_erased=True))
        _leave(self.shared, about, state)


@dataclass(frozen=True, kw_only=True)
class PartyErased(Fact):
    """Part of the erasure of a holder who is a party of more licenses than one event names.

    `HolderErased` follows, in this batch or a later one, and names the last of them.
    """

    stream_kind: ClassVar[str] = "holder"
    shared: tuple[bytes, ...]

    def touches(self, about: event.Event) -> Touched:
        yield StreamRow, about.stream_id
        for license_ref in self.shared:
            yield LicenseRow, license_ref

    def allow(self, about: event.Event, state: State) -> None:
        _require_holder(about, state)
        if not 1 <= len(self.shared) <= SHARED_MAX or list(self.shared) != sorted(set(self.shared)):
            raise errors.Invalid(f"from 1 to {SHARED_MAX} licenses, sorted and different", field="shared")
        _require_shared(self.shared, about, state)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        _leave(self.shared, about, state)
        for license_ref in self.shared:
            row = state.need(LicenseRow, license_ref)
            if row.stream_id != about.stream_id:
                # What the next part asks for is what is left.
                state.put(party.left(row, about.stream_id))


def _require_holder(about: event.Event, state: State) -> None:
    """Nothing when it is the stream of a holder whose code nobody contests."""
    row = state.get(StreamRow, about.stream_id)
    if row is None or row.kind != "holder":
        raise errors.NotFound("no such holder")
    refuse_contested(row)


def _require_shared(shared: tuple[bytes, ...], about: event.Event, state: State) -> None:
    """Nothing when the holder is a party of each of these licenses; raises LicenseNotFound."""
    for license_ref in shared:
        license_row = state.get(LicenseRow, license_ref)
        if license_row is None or not _is_of(license_row, about.stream_id):
            raise errors.LicenseNotFound


def _leave(shared: tuple[bytes, ...], about: event.Event, state: State) -> None:
    """The holder is no party of these licenses any more."""
    for license_ref in shared:
        state.put(party.without(state.need(LicenseRow, license_ref), about.stream_id))


@dataclass(frozen=True, kw_only=True)
class Registered(Fact, is_topic=False):
    """Base of what a registering organ says of a holder: by a named operator, on evidence."""

    scope: ClassVar[str | None] = "holder:register"
    stream_kind: ClassVar[str] = "holder"
    evidence_digest: bytes
    """Digest of the organ's proof, with a sealed salt."""

    def touches(self, about: event.Event) -> Touched:
        yield StreamRow, about.stream_id

    def allow(self, about: event.Event, state: State) -> None:
        row = state.get(StreamRow, about.stream_id)
        if row is None or row.kind != "holder":
            raise errors.NotFound("no such holder")
        require_said(about)


def require_said(about: event.Event) -> None:
    """Nothing when what a registering organ says names its operator and holds already; raises Invalid."""
    if about.operator_ref is None:
        raise errors.Invalid("a registration names its operator", field="operator")
    if about.effective_at > about.recorded_at:
        raise errors.Invalid("a registration cannot take effect later", field="effective_at")


def require_attested(about: event.Event) -> None:
    """Nothing when attested consent, or what is like it, names its operator; raises Invalid."""
    if about.client is not None and about.operator_ref is None:
        raise errors.Invalid("attested consent names its operator", field="operator")


def is_same(stream_id: bytes, about: event.Event, state: State) -> bool:
    """Whether a stream is one of the holder's in whose stream a fact stands."""
    home = state.get(StreamRow, about.stream_id)
    return stream_id == about.stream_id or (home is not None and ids.text(stream_id) in home.same_holder)


def refuse_ended(row: StreamRow) -> None:
    """Nothing unless the holder has ended; raises HolderEndedConflict."""
    if row.ended_at is not None:
        raise errors.HolderEndedConflict


def _is_of(row: LicenseRow, stream_id: bytes) -> bool:
    return row.stream_id == stream_id or any(one.stream_id == stream_id for one in party.of(row))


def refuse_contested(row: StreamRow) -> None:
    """Nothing unless two persons share a code that leads to this stream; raises HolderContestedConflict."""
    if row.is_contested:
        raise errors.HolderContestedConflict
