"""Event bytes: the deterministic CBOR map that is stored, hashed and proven (`docs/formats/event.md`).

`Event` is what the bytes say; `encode` writes them and `parse` reads them back, refusing any other
shape. The position is not among them: the proof binds it. Nothing here knows what a fact means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from signing import cbor, ids, seal

FORMAT = 1
EVENT_BYTES_MAX = 60_000
_ABSENT = type(None)


class EventInvalid(ValueError):
    """Bytes that are not an event of a known format."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One immutable fact with its actors, times and sealed parts."""

    suite: str
    ledger_id: bytes
    event_id: bytes
    topic: str
    """The fact's name, `LicenseIssued`; never a module path."""
    stream_id: bytes
    effective_at: int
    """业务时间: microseconds UTC since 1970 from which the fact holds in law."""
    recorded_at: int
    """入账时间: microseconds UTC since 1970, set under the lock, never falling."""
    client: bytes | None
    """接入系统; None for the ledger's own operator at its console."""
    organization: str
    """Credit code of the organization acted for."""
    operator_ref: bytes | None
    """经办人, by a random reference."""
    issuer: str | None
    """颁证机关: credit code of the responsible issuer."""
    case_number: str | None
    """办件编号."""
    service_item: str | None
    """Service item code."""
    channel: str
    fact: Mapping[str, Any]
    sealed: Mapping[str, Any]
    """Part name to sealed part (`seal.py`)."""

    def place(self, part: str) -> seal.Place:
        """Where the part called `part` stands."""
        return seal.Place(
            format=FORMAT,
            ledger_id=self.ledger_id,
            stream_id=self.stream_id,
            event_id=self.event_id,
            topic=self.topic,
            part=part,
        )


def drafted(**members: Any) -> Event:
    """An event of all its members, made without the checks of a frozen class: the append path's way."""
    made = object.__new__(Event)
    made.__dict__.update(members)
    return made


_SHAPE: tuple[tuple[int, str, tuple[type, ...]], ...] = (
    (2, "suite", (str,)),
    (3, "ledger_id", (bytes,)),
    (4, "event_id", (bytes,)),
    (5, "topic", (str,)),
    (6, "stream_id", (bytes,)),
    (7, "effective_at", (int,)),
    (8, "recorded_at", (int,)),
    (9, "client", (bytes, _ABSENT)),
    (10, "organization", (str,)),
    (11, "operator_ref", (bytes, _ABSENT)),
    (12, "issuer", (str, _ABSENT)),
    (13, "case_number", (str, _ABSENT)),
    (14, "service_item", (str, _ABSENT)),
    (15, "channel", (str,)),
    (16, "fact", (dict,)),
    (17, "sealed", (dict,)),
)
"""Key, name and types; key 1 is the format, key 18 the client signature's slot, null in format 1."""

_KEYS = frozenset({1, 18}) | {key for key, _, _ in _SHAPE}
_IDS = ("ledger_id", "event_id", "stream_id", "client", "operator_ref")


def encode(event: Event, *, is_ordered: bool = False) -> bytes:
    """The stored bytes; raises EventInvalid for what `parse` would refuse: nothing unreadable is stored.

    With `is_ordered` the maps of `fact` and `sealed` are taken to be in canonical order and of types
    that CBOR writes, as the append path makes them.
    """
    values = vars(event)
    _require_shape(values)
    content: dict[int, Any] = {1: FORMAT}
    for key, name, _ in _SHAPE:
        content[key] = values[name]
    content[18] = None
    try:
        data = cbor.encode_ordered(content) if is_ordered else cbor.encode(content)
    except cbor.EncodingError as error:
        raise EventInvalid(str(error)) from error
    _require_size(data)
    return data


def parse(data: bytes) -> Event:
    """The event in bytes that this ledger stored; raises EventInvalid on a wrong shape."""
    return _event(data, cbor.decode)


def parse_strictly(data: bytes) -> Event:
    """As `parse`, for bytes from anywhere: they must also be the deterministic encoding."""
    return _event(data, cbor.decode_strictly)


def _event(data: bytes, decode: Callable[[bytes], Any]) -> Event:
    _require_size(data)
    try:
        content = decode(data)
    except cbor.EncodingError as error:
        raise EventInvalid(str(error)) from error
    if not isinstance(content, dict) or content.keys() != _KEYS:
        raise EventInvalid("not the map of an event")
    if type(content[1]) is not int or content[1] != FORMAT or content[18] is not None:
        raise EventInvalid("an unknown format, or a client signature that format 1 does not have")
    values = {name: content[key] for key, name, _ in _SHAPE}
    _require_shape(values)
    # As `Event(**values)`, which has nothing more to check.
    made = object.__new__(Event)
    made.__dict__.update(values)
    return made


def _require_size(data: bytes) -> None:
    if len(data) > EVENT_BYTES_MAX:
        raise EventInvalid(f"an event has at most {EVENT_BYTES_MAX} bytes")


def _require_shape(values: Mapping[str, Any]) -> None:
    for _, name, types in _SHAPE:
        if type(values[name]) not in types:
            raise EventInvalid(f"{name} has the wrong type")
    for name in _IDS:
        if values[name] is not None and len(values[name]) != ids.ID_BYTES:
            raise EventInvalid(f"{name} has the wrong length")
