"""Mandates 代为授权: who may consent for a holder, beside who represents it by a license.

A guardianship 监护 is what a registering organ says of a ward: that of a minor ends at 00:00 Beijing of the
18th birthday, without an event. An agency 代办 is what a holder says of itself; a representative, for a body.
Guardians and agents consent as the holder would, for no longer than their mandate; where a fact ends
it, what rests on it ends in the same fact. A mandate is known by a random reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from ledger import days, errors, holder, representation, resting
from ledger.fact import Fact, Touched
from ledger.scope import Scoped
from ledger.state import (
    LicenseRow,
    State,
    StreamRow,
    TypeRow,
    altered,
)
from ledger.state_mandate import MandateRow
from signing import event, ids

MINOR, ADULT, AGENT = "minor", "adult", "agent"
BASES = ("parent", "will", "agreement", "designation", "voluntary", "court")
"""父母, 遗嘱指定, 协议确定, 有关组织指定, 意定监护, 法院判决."""
OF_AGE, CONSENTS_AT = 18, 14
"""Years: a minor's guardianship ends; below, a guardian consents 个人信息保护法 art. 31."""
MINORITY_DAYS_MAX = 6_576
"""Days of 18 years, from a birth to the 18th birthday, at most."""
TYPES_MAX, ROOTED_MAX = 100, 1_000
"""License types that an agency names; consents of one mandate that stand at one time."""


class Root(NamedTuple):
    """A consent that rests on a mandate."""

    authorization_ref: bytes
    valid_until: int | None
    joined: bytes | None = None
    """The stream of the holder that joined another's authorization by it; None: the authorization itself."""

    @property
    def text(self) -> str:
        """The line in decision state."""
        until = "-" if self.valid_until is None else str(self.valid_until)
        said = f"{ids.text(self.authorization_ref)} {until}"
        return said if self.joined is None else f"{said} {ids.text(self.joined)}"


def roots(row: MandateRow, *, at: int) -> list[Root]:
    """The consents that rest on a mandate and are not over by the clock."""
    found = []
    for line in row.rooted:
        ref, until, *stream = line.split(" ")
        valid_until = None if until == "-" else int(until)
        if valid_until is None or at < valid_until:
            found.append(Root(ids.parse(ref), valid_until, ids.parse(stream[0]) if stream else None))
    return found


def ended_with(row: MandateRow, *, at: int) -> tuple[bytes, ...]:
    """The authorizations that end with a mandate, sorted."""
    return tuple(sorted(one.authorization_ref for one in roots(row, at=at) if one.joined is None))


def parted_with(row: MandateRow, *, at: int) -> tuple[tuple[bytes, bytes], ...]:
    """The consents to others' authorizations that end then, sorted: (authorization, stream that joined)."""
    gone = ((one.authorization_ref, one.joined) for one in roots(row, at=at))
    return tuple(sorted((ref, stream) for ref, stream in gone if stream is not None))


def is_in_force(row: MandateRow, *, at: int) -> bool:
    """Whether who has the mandate may act by it at an instant."""
    return row.over_at is None and (row.until is None or at < row.until)


def birthday(born_on: int, years: int) -> int:
    """The day on which somebody becomes so many years old; of 29 February 1 March, where there is none."""
    year, month, day = days.text(born_on).split("-")
    try:
        return days.parse(f"{int(year) + years:04}-{month}-{day}")
    except ValueError:
        return days.parse(f"{int(year) + years:04}-03-01")


@dataclass(frozen=True, kw_only=True)
class GuardianshipRegistered(Fact):
    """监护登记: the guardian may consent for the ward, in whose stream this stands."""

    scope: ClassVar[str | None] = "holder:register"
    stream_kind: ClassVar[str] = "holder"
    mandate_ref: bytes
    guardian: bytes
    """The guardian's stream."""
    kind: str
    """`minor` or `adult`: of whom a court has said that another acts for them."""
    basis: str
    ends_on: int | None
    """The day with whose beginning it ends; of a minor the 18th birthday. None: when the organ says so."""
    evidence_digest: bytes

    def touches(self, about: event.Event) -> Touched:
        yield MandateRow, self.mandate_ref
        yield StreamRow, about.stream_id
        yield StreamRow, self.guardian

    def allow(self, about: event.Event, state: State) -> None:
        holder.require_said(about)
        _allow_new(self.mandate_ref, self.guardian, about, state, field="guardian")
        if self.kind not in (MINOR, ADULT):
            raise errors.Invalid(f"a kind is {MINOR} or {ADULT}", field="kind")
        if self.basis not in BASES:
            raise errors.Invalid(f"a basis is one of {', '.join(BASES)}", field="basis")
        if self.ends_on is None:
            if self.kind == MINOR:
                raise errors.Invalid("the guardianship of a minor ends", field="born_on")
            return
        left = self.ends_on - days.of_instant(about.recorded_at)
        if left < 1 and self.kind != MINOR:
            raise errors.Invalid("the guardianship would be over already", field="ends_on")
        if left < 1:
            raise errors.Invalid("the ward is of age", field="born_on")
        if self.kind == MINOR and left > MINORITY_DAYS_MAX:
            raise errors.Invalid("the ward is not born yet", field="born_on")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        until = None if self.ends_on is None else days.start(self.ends_on)
        _begin(self.mandate_ref, self.guardian, about, state, kind=self.kind, until=until)


@dataclass(frozen=True, kw_only=True)
class AgentAppointed(Fact):
    """委托代办: the agent may consent for the holder, in whose stream this stands, until an instant."""

    scope: ClassVar[str | None] = "consent:attest"
    stream_kind: ClassVar[str] = "holder"
    mandate_ref: bytes
    agent: bytes
    """The agent's stream."""
    type_codes: tuple[str, ...]
    """License types that the agent may consent to the use of, sorted; none: all."""
    valid_until: int
    evidence_digest: bytes
    representative: bytes | None = None
    represents_by: bytes | None = None
    """The stream of who appoints for a body 法定代表人, and by which of its licenses."""

    def touches(self, about: event.Event) -> Touched:
        yield MandateRow, self.mandate_ref
        yield StreamRow, about.stream_id
        yield StreamRow, self.agent
        for type_code in self.type_codes:
            yield TypeRow, type_code
        yield from representation.touched_by(self.represents_by, self.representative)

    def allow(self, about: event.Event, state: State) -> None:
        holder.require_attested(about)
        if about.effective_at > about.recorded_at:
            raise errors.Invalid("an agent is not appointed for later", field="effective_at")
        _allow_new(self.mandate_ref, self.agent, about, state, field="agent")
        if self.valid_until <= about.recorded_at:
            raise errors.Invalid("the agency is over already", field="valid_until")
        if len(self.type_codes) > TYPES_MAX or list(self.type_codes) != sorted(set(self.type_codes)):
            raise errors.Invalid(f"at most {TYPES_MAX} different types, sorted", field="license_types")
        if any(state.get(TypeRow, type_code) is None for type_code in self.type_codes):
            raise errors.LicenseTypeUnknown(field="license_types")
        representation.allow_consent(self.represents_by, self.representative, about, state, mode="holder")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        _begin(
            self.mandate_ref,
            self.agent,
            about,
            state,
            kind=AGENT,
            until=self.valid_until,
            type_codes=self.type_codes,
            represents_by=self.represents_by,
            representative=self.representative,
        )
        if self.represents_by is not None and self.representative is not None:
            root = representation.Root(
                self.representative, self.mandate_ref, self.valid_until, is_mandate=True
            )
            representation.take_root(self.represents_by, root, state, at=about.recorded_at)


@dataclass(frozen=True, kw_only=True)
class _Ended(Fact, is_topic=False):
    """Base: a mandate ends by what somebody says, and with it what rests on it."""

    stream_kind: ClassVar[str] = "holder"
    mandate_ref: bytes
    ended: tuple[bytes, ...]
    """Authorizations that are over with this, sorted."""
    parted: tuple[tuple[bytes, bytes], ...]
    """(authorization, stream): consents to others' authorizations that are over with this, sorted."""
    evidence_digest: bytes
    kinds: ClassVar[tuple[str, ...]]

    def touches(self, about: event.Event) -> Touched:
        yield MandateRow, self.mandate_ref
        yield from resting.touched(self.ended, self.parted)

    def allow(self, about: event.Event, state: State) -> None:
        row = state.get(MandateRow, self.mandate_ref)
        if row is None or row.kind not in self.kinds:
            raise errors.NotFound("no such mandate")
        if row.stream_id != about.stream_id:
            raise errors.Conflict("the mandate stands in another stream")
        if not is_in_force(row, at=about.recorded_at):
            raise errors.Conflict("the mandate is over already")
        if self.ended != ended_with(row, at=about.recorded_at):
            raise errors.Conflict("not what rests on the mandate")
        if self.parted != parted_with(row, at=about.recorded_at):
            raise errors.Conflict("not what was joined by the mandate")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.need(MandateRow, self.mandate_ref)
        state.put(altered(row, over_at=about.effective_at, rooted=()))
        resting.end(self.ended, self.parted, state, why="is_unmandated")


@dataclass(frozen=True, kw_only=True)
class GuardianshipEnded(_Ended):
    """监护终止: by a court, or because the ward is of age or has died, as the registering organ says."""

    scope: ClassVar[str | None] = "holder:register"
    kinds: ClassVar[tuple[str, ...]] = (MINOR, ADULT)

    def allow(self, about: event.Event, state: State) -> None:
        holder.require_said(about)
        super().allow(about, state)


@dataclass(frozen=True, kw_only=True)
class AgentDismissed(_Ended):
    """解除委托: as the holder says, or the agent."""

    scope: ClassVar[str | None] = "consent:attest"
    kinds: ClassVar[tuple[str, ...]] = (AGENT,)

    def allow(self, about: event.Event, state: State) -> None:
        holder.require_attested(about)
        if about.effective_at > about.recorded_at:
            raise errors.Invalid("an agent is not dismissed later", field="effective_at")
        super().allow(about, state)


class Acting(NamedTuple):
    """Who consents for a holder, by which mandate, as a fact says it."""

    person: bytes | None
    mandate_ref: bytes | None
    representative: bytes | None
    represents_by: bytes | None


def touched_by(said: Acting) -> Touched:
    """What a consent by mandate reads beside."""
    if said.person is not None and said.mandate_ref is not None:
        yield MandateRow, said.mandate_ref
        yield StreamRow, said.person


def allow_consent(
    said: Acting, about: event.Event, state: State, *, mode: str, scope: Scoped, is_joined: bool = False
) -> None:
    """Nothing when a guardian or agent may consent for the holder; raises NoMandate or Invalid.

    `scope` is that of the authorization, which another granted where this one is joined.
    """
    if said.person is None and said.mandate_ref is None:
        return
    if said.person is None or said.mandate_ref is None or mode != "holder":
        raise errors.Invalid("a guardian or agent consents for a holder, by a mandate", field="acting")
    row = state.get(MandateRow, said.mandate_ref)
    if (
        row is None
        or not holder.is_same(row.stream_id, about, state)
        or not is_in_force(row, at=about.recorded_at)
    ):
        raise errors.NoMandate(field="acting.mandate_ref")
    if row.person != said.person:
        raise errors.NoMandate(field="acting")
    if (row.representative, row.represents_by) != (said.representative, said.represents_by):
        raise errors.Conflict("who appointed the agent for the body is another", field="acting")
    _allow_person(said.person, state)
    _allow_types(row, scope, state, is_joined=is_joined)
    is_longer = scope.valid_until is None or scope.valid_until > (row.until or 0)
    if row.until is not None and is_longer and not is_joined:
        raise errors.Invalid("a consent is over with its mandate", field="scope.valid_until")
    if len(roots(row, at=about.recorded_at)) >= ROOTED_MAX:
        raise errors.Conflict(f"at most {ROOTED_MAX} consents by one mandate stand", field="acting")


def _allow_types(row: MandateRow, scope: Scoped, state: State, *, is_joined: bool) -> None:
    """Nothing when an agent was appointed for all types that a consent is about; raises NoMandate."""
    if not row.type_codes:
        return
    if is_joined and scope.license_refs:
        raise errors.NoMandate("licenses of types that are not looked at here", field="acting.mandate_ref")
    licenses = (state.get(LicenseRow, ids.parse(ref)) for ref in scope.license_refs)
    asked = {*scope.type_codes, *(one.type_code for one in licenses if one is not None)}
    if not asked <= {*row.type_codes}:
        raise errors.NoMandate("the agent was appointed for other types", field="acting.mandate_ref")


def take_root(mandate_ref: bytes, root: Root, state: State, *, at: int) -> None:
    """The consent rests on the mandate from here on."""
    row = state.need(MandateRow, mandate_ref)
    state.put(altered(row, rooted=(*(one.text for one in roots(row, at=at)), root.text)))


def _allow_new(mandate_ref: bytes, person: bytes, about: event.Event, state: State, *, field: str) -> None:
    """Nothing when somebody may get a mandate of the holder in whose stream this stands."""
    if state.get(MandateRow, mandate_ref) is not None:
        raise errors.AlreadyExists("the mandate is recorded")
    own = state.get(StreamRow, about.stream_id)
    if own is not None:
        if own.kind != "holder":
            raise errors.NotFound("no such holder")
        holder.refuse_contested(own)
        holder.refuse_ended(own)
    same = () if own is None else own.same_holder
    if person == about.stream_id or ids.text(person) in same:
        raise errors.Invalid("nobody acts for oneself by a mandate", field=field)
    _allow_person(person, state)


def _allow_person(stream_id: bytes, state: State) -> None:
    row = state.get(StreamRow, stream_id)
    if row is None:
        return
    if row.kind != "holder" or row.is_erased:
        raise errors.NotFound("no such holder")
    holder.refuse_contested(row)
    holder.refuse_ended(row)


def _begin(
    mandate_ref: bytes,
    person: bytes,
    about: event.Event,
    state: State,
    *,
    kind: str,
    until: int | None,
    type_codes: tuple[str, ...] = (),
    represents_by: bytes | None = None,
    representative: bytes | None = None,
) -> None:
    for stream_id in (about.stream_id, person):
        if state.get(StreamRow, stream_id) is None:
            state.put(StreamRow(stream_id=stream_id, kind="holder", is_erased=False))
    state.put(
        MandateRow(
            mandate_ref=mandate_ref,
            stream_id=about.stream_id,
            person=person,
            kind=kind,
            since=about.effective_at,
            until=until,
            type_codes=type_codes,
            represents_by=represents_by,
            representative=representative,
            over_at=None,
            rooted=(),
        )
    )
