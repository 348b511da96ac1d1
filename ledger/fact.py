"""Facts: the base of everything that can be recorded, and the codec between facts and event maps.

A fact is a frozen dataclass whose class name is its topic. It says which state rows it touches, what
must hold for it to be allowed (the rule, which `check` asks again for every stored event), and how it
changes the state. All three are pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, fields
from typing import Any, ClassVar, NamedTuple, TypeVar

from ledger import errors, power
from ledger.state import ClientRow, EntrustmentRow, Key, LedgerRow, OrganizationRow, Row, State, StreamRow
from signing import cbor, event

_TOPICS: dict[str, type[Fact]] = {}
_MEMBERS: dict[type[Fact], tuple[str, ...]] = {}
_LATER: dict[type[Fact], dict[str, Any]] = {}

F = TypeVar("F", bound="Fact")
Touched = Iterable[tuple[type[Row], Key]]


class Fact:
    """Base of all facts; a subclass registers itself under its name, unless it is a base itself."""

    stream_kind: ClassVar[str] = "registry"
    scope: ClassVar[str | None] = None
    """Scope that a client needs; None: the ledger's own console only."""

    def __init_subclass__(cls, *, is_topic: bool = True, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if is_topic:
            _TOPICS[cls.__name__] = cls

    @property
    def topic(self) -> str:
        """The fact's name."""
        return type(self).__name__

    def needed_scope(self, state: State) -> str | None:
        """The scope that a client needs to record this fact; None: only the console may."""
        return self.scope

    def touches(self, about: event.Event) -> Touched:
        """Keys of the rows that `allow` and `evolve` read, beside the actor's."""
        return ()

    def allow(self, about: event.Event, state: State) -> None:
        """Nothing when the state lets this fact happen; raises a LedgerError otherwise."""

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        """Put into `state` what this fact, at leaf `index`, changes."""


def topics() -> dict[str, type[Fact]]:
    """Every known topic and its fact."""
    return dict(_TOPICS)


def to_map(fact: Fact) -> dict[str, Any]:
    """The fact as the map that event bytes hold: text keys, lists for tuples.

    A later member (one with a default) is left out where it has its default: what was stored before
    the member came is still what would be written now.
    """
    values, later = vars(fact), _later(type(fact))
    return {
        name: _plain(value) if type(value := values[name]) is tuple else value
        for name in _members(type(fact))
        if name not in later or values[name] != later[name]
    }


def from_event(about: event.Event) -> Fact:
    """The fact that an event records; raises HistoryBroken on an unknown topic or shape."""
    cls = _TOPICS.get(about.topic)
    if cls is None:
        raise errors.HistoryBroken("an event has an unknown topic")
    shape = _shape(cls)
    named = about.fact.keys()
    is_plain = named == shape.needed
    if not is_plain and not (named >= shape.needed and named <= shape.known):
        raise errors.HistoryBroken("a fact does not have the members of its topic")
    # As `cls(**values)`, whose checks the shape has answered: every follower does this for every event.
    made = object.__new__(cls)
    values = made.__dict__
    values.update(shape.later)
    values.update(about.fact)
    for name, value in about.fact.items():
        if type(value) is list:
            values[name] = _frozen(value)
    if not is_plain and any(values[name] == shape.later[name] for name in named & shape.later.keys()):
        raise errors.HistoryBroken("a fact writes a member that has its default")
    return made


def actor_keys(about: event.Event) -> Touched:
    """Keys of the rows that `allow_actor` reads."""
    yield LedgerRow, 0
    yield StreamRow, about.stream_id
    if about.client is not None:
        yield ClientRow, about.client
    yield OrganizationRow, about.organization
    if about.issuer is not None:
        yield OrganizationRow, about.issuer
        if about.issuer != about.organization:
            yield EntrustmentRow, power.pair(about.issuer, about.organization)


def allow_actor(fact: Fact, about: event.Event, state: State) -> None:
    """Nothing when the actor may record facts of this kind; raises Forbidden or HolderErasedConflict."""
    stream = state.get(StreamRow, about.stream_id)
    if stream is not None and stream.is_erased:
        raise errors.HolderErasedConflict
    if about.client is None:
        ledger = state.get(LedgerRow, 0)
        if ledger is not None and about.organization != ledger.operator:
            raise errors.Forbidden("the console acts for the ledger's operator only")
        return
    client = state.get(ClientRow, about.client)
    if client is None or client.is_suspended:
        raise errors.ClientSuspended
    if client.organization != about.organization and about.organization not in client.acts_for:
        raise errors.Forbidden("the client acts for another organization")
    scope = fact.needed_scope(state)
    if scope is None or scope not in client.scopes:
        raise errors.ScopeMissing(needed_scope=scope)
    if about.issuer is not None and about.issuer != about.organization:
        power.require_delegate(
            state, organization=about.organization, acting=about.issuer, at=about.recorded_at
        )


def _members(cls: type[Fact]) -> tuple[str, ...]:
    """A fact's members in the order in which event bytes hold them."""
    known = _MEMBERS.get(cls)
    if known is None:
        known = _MEMBERS[cls] = cbor.in_order(field.name for field in fields(cls))  # type: ignore[arg-type]
    return known


class _Shape(NamedTuple):
    """Which members a topic has."""

    known: frozenset[str]
    needed: frozenset[str]
    later: dict[str, Any]


def _shape(cls: type[Fact]) -> _Shape:
    found = _SHAPES.get(cls)
    if found is None:
        known, later = frozenset(_members(cls)), _later(cls)
        found = _SHAPES[cls] = _Shape(known=known, needed=known - later.keys(), later=later)
    return found


_SHAPES: dict[type[Fact], _Shape] = {}


def _later(cls: type[Fact]) -> dict[str, Any]:
    """The members that came to the topic after its first version, with their defaults."""
    known = _LATER.get(cls)
    if known is None:
        members = fields(cls)  # type: ignore[arg-type]
        known = _LATER[cls] = {one.name: one.default for one in members if one.default is not MISSING}
    return known


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if type(value) is tuple else value


def _frozen(value: list[Any]) -> tuple[Any, ...]:
    return tuple([_frozen(item) if type(item) is list else item for item in value])


def drafted(cls: type[F], /, **members: Any) -> F:
    """A fact of all its members, made without the checks of a frozen class: the path of a use."""
    made = object.__new__(cls)
    made.__dict__.update(members)
    return made


class Draft(NamedTuple):
    """A fact that a command decided, before it has an id, a time and sealed bytes."""

    fact: Fact
    stream_id: bytes
    effective_at: int | None = None
    """None: the moment of recording."""
    seals: tuple[tuple[str, bytes, Any], ...] = ()
    """(part name, owner stream, content) to be sealed."""
