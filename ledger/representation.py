"""Representatives of bodies 法定代表人/经营者/负责人: who speaks for a license's holder, and since when.

A license may name its holder's representative as a party, whose code is sealed under that person's own key.
A version that changes who it is records so in the same transaction: whatever rests on the word of the former
one ends at that moment. Consent that a representative gave says by which license (`ledger.authorization`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from ledger import errors, holder, license, party, resting
from ledger.fact import Fact, Touched
from ledger.state import (
    LicenseRow,
    RepresentationRow,
    State,
    StreamRow,
    altered,
)
from ledger.state_mandate import MandateRow
from signing import event, ids

ROLE = "legal-representative"
_MANDATE = "mandate"
ROOTED_MAX = 1_000
"""Consents of one license's representatives that stand at one time; what is over is not counted."""


class Root(NamedTuple):
    """A consent, or the mandate of an agent, that rests on the word of a representative."""

    representative: bytes
    authorization_ref: bytes
    """Of a mandate its reference."""
    valid_until: int | None
    joined: bytes | None = None
    """The stream of the body that joined another's authorization by it; None: the authorization itself."""
    is_mandate: bool = False

    @property
    def text(self) -> str:
        """The line in decision state."""
        until = "-" if self.valid_until is None else str(self.valid_until)
        said = f"{ids.text(self.representative)} {ids.text(self.authorization_ref)} {until}"
        if self.is_mandate:
            return f"{said} {_MANDATE}"
        return said if self.joined is None else f"{said} {ids.text(self.joined)}"


def representatives(row: RepresentationRow | None) -> tuple[bytes, ...]:
    """The streams of those who represent the holder by a license, sorted."""
    return () if row is None else tuple(ids.parse(text) for text in row.representatives)


def roots(row: RepresentationRow | None, *, at: int) -> list[Root]:
    """The consents that rest on a representative's word and are not over by the clock."""
    found = []
    for line in () if row is None else row.rooted:
        representative, ref, until, *more = line.split(" ")
        valid_until = None if until == "-" else int(until)
        if valid_until is None or at < valid_until:
            is_mandate = more == [_MANDATE]
            stream_id = ids.parse(more[0]) if more and not is_mandate else None
            found.append(Root(ids.parse(representative), ids.parse(ref), valid_until, stream_id, is_mandate))
    return found


def of_parties(parties: Iterable[tuple[str, bytes]]) -> tuple[bytes, ...]:
    """The streams of the representatives among the parties of a version, sorted."""
    return tuple(sorted({stream_id for role, stream_id in parties if role == ROLE}))


def ended_by(row: RepresentationRow | None, present: Sequence[bytes], *, at: int) -> tuple[bytes, ...]:
    """The authorizations that end when only those `present` represent the holder, sorted."""
    gone = (one for one in roots(row, at=at) if one.representative not in present)
    return tuple(sorted(one.authorization_ref for one in gone if one.joined is None and not one.is_mandate))


def dismissed_by(row: RepresentationRow | None, present: Sequence[bytes], *, at: int) -> tuple[bytes, ...]:
    """The mandates of agents that end then, sorted."""
    gone = (one for one in roots(row, at=at) if one.representative not in present)
    return tuple(sorted(one.authorization_ref for one in gone if one.is_mandate))


def parted_by(
    row: RepresentationRow | None, present: Sequence[bytes], *, at: int
) -> tuple[tuple[bytes, bytes], ...]:
    """The consents to others' authorizations that end then, sorted: (authorization, stream that joined)."""
    gone = (one for one in roots(row, at=at) if one.representative not in present)
    return tuple(sorted((one.authorization_ref, one.joined) for one in gone if one.joined is not None))


@dataclass(frozen=True, kw_only=True)
class RepresentationChanged(Fact):
    """法定代表人变更: with the version that says so; what rests on the word of a former one is over."""

    scope: ClassVar[str | None] = "license:issue"
    stream_kind: ClassVar[str] = "holder"
    license_ref: bytes
    version: int
    former: tuple[bytes, ...]
    present: tuple[bytes, ...]
    """Streams of representatives, sorted."""
    ended: tuple[bytes, ...]
    """Authorizations that are over with this."""
    is_reason: bool = False
    """Whether uses of these are told so; by what was recorded before, they are told as withdrawn."""
    parted: tuple[tuple[bytes, bytes], ...] = ()
    """(authorization, stream): consents to others' authorizations that are over with this."""
    dismissed: tuple[bytes, ...] = ()
    """Mandates of agents that are over with this."""

    def touches(self, about: event.Event) -> Touched:
        yield LicenseRow, self.license_ref
        yield RepresentationRow, self.license_ref
        yield from resting.touched(self.ended, self.parted)
        for mandate_ref in self.dismissed:
            yield MandateRow, mandate_ref

    def allow(self, about: event.Event, state: State) -> None:
        row = license.own_license(self.license_ref, about, state)
        known = state.get(RepresentationRow, self.license_ref)
        parties = {one.stream_id for one in party.of(row)}
        if self.version != row.version or not set(self.present) <= parties:
            raise errors.Conflict("not what the present version says")
        if self.former != representatives(known) or self.former == self.present:
            raise errors.Conflict("not a change of who represents the holder")
        if list(self.present) != sorted(set(self.present)):
            raise errors.Invalid("representatives are sorted, each once", field="parties")
        if self.ended != ended_by(known, self.present, at=about.recorded_at):
            raise errors.Conflict("not what rests on the word of those who represented the holder")
        if self.parted != parted_by(known, self.present, at=about.recorded_at):
            raise errors.Conflict("not what those who represented the holder have joined")
        if self.dismissed != dismissed_by(known, self.present, at=about.recorded_at):
            raise errors.Conflict("not the agents of those who represented the holder")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        known = state.get(RepresentationRow, self.license_ref)
        left = [one.text for one in roots(known, at=about.recorded_at) if one.representative in self.present]
        state.put(
            RepresentationRow(
                license_ref=self.license_ref,
                representatives=tuple(map(ids.text, self.present)),
                rooted=tuple(left),
            )
        )
        resting.end(self.ended, self.parted, state, why="is_unrepresented" if self.is_reason else None)
        for mandate_ref in self.dismissed:
            mandate = state.need(MandateRow, mandate_ref)
            if mandate.over_at is None:
                # A version may hold from a later day on; the agent is none from the recording on.
                over_at = min(about.effective_at, about.recorded_at)
                state.put(altered(mandate, over_at=over_at, rooted=()))


def touched_by(license_ref: bytes | None, representative: bytes | None) -> Touched:
    """What a consent that a representative gave reads beside."""
    if license_ref is not None and representative is not None:
        yield LicenseRow, license_ref
        yield RepresentationRow, license_ref
        yield StreamRow, representative


def allow_consent(
    license_ref: bytes | None, representative: bytes | None, about: event.Event, state: State, *, mode: str
) -> None:
    """Nothing when a representative of the holder may consent for it; raises NotTheRepresentative."""
    if license_ref is None and representative is None:
        return
    if license_ref is None or representative is None or mode != "holder":
        raise errors.Invalid("a representative consents for a holder, by a license", field="representative")
    row = state.get(LicenseRow, license_ref)
    if row is None or not holder.is_same(row.stream_id, about, state) or row.status not in license.LIVE:
        raise errors.NotTheRepresentative(field="representative.license_ref")
    known = state.get(RepresentationRow, license_ref)
    if representative not in representatives(known):
        raise errors.NotTheRepresentative(field="representative")
    person = state.need(StreamRow, representative)
    holder.refuse_contested(person)
    holder.refuse_ended(person)
    if len(roots(known, at=about.recorded_at)) >= ROOTED_MAX:
        raise errors.Conflict(
            f"at most {ROOTED_MAX} consents by representatives stand", field="representative"
        )


def take_root(license_ref: bytes, root: Root, state: State, *, at: int) -> None:
    """The consent rests on the representative's word from here on."""
    known = state.need(RepresentationRow, license_ref)
    lines = [one.text for one in roots(known, at=at)]
    state.put(altered(known, rooted=(*lines, root.text)))
