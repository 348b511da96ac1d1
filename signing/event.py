"""Event bytes: the deterministic CBOR map that is stored, hashed and proven (`docs/formats/event.md`).

`Event` is what the bytes say; `encode` writes them and `parse` reads them back, refusing any other
shape. The position is not among them: the proof binds it. Nothing here knows what a fact means.
"""

from __future__ import annotations

import functools
import itertools
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from signing import cbor, ids, seal

FORMAT = 1
EVENT_BYTES_MAX = 60_000
_ABSENT = type(None)
_NULL = b"\xf6"
_LONG = (1 << 32) - 1
"""Integers beyond it take eight bytes (RFC 8949 §3)."""
_TWO_TIMES = struct.Struct(">BBQBBQ")
_FEW = 23
"""A map of at most so many members says their number in its first byte."""


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

_KEYS = (1, *(key for key, _, _ in _SHAPE), 18)
"""In the order in which they stand in the bytes."""
_NAMES = tuple(name for _, name, _ in _SHAPE)
_KINDS = frozenset(itertools.product(*(types for _, _, types in _SHAPE)))
"""Types of the values: each way in which an event may have or lack what it may lack."""
_IDS = ("ledger_id", "event_id", "stream_id", "client", "operator_ref")


def encode(event: Event) -> bytes:
    """The stored bytes; raises EventInvalid for what `parse` would refuse: nothing unreadable is stored."""
    values = vars(event)
    _require_types(values)
    _require_lengths(values)
    content = {1: FORMAT, **{key: values[name] for key, name, _ in _SHAPE}, 18: None}
    try:
        data = cbor.encode(content)
    except cbor.EncodingError as error:
        raise EventInvalid(str(error)) from error
    _require_size(data)
    return data


def encode_ordered(event: Event) -> bytes:
    """As `encode`, put together by hand: the append path's way, where it is done for every fact.

    The maps of `fact` and `sealed` are taken to be in canonical order and of types that CBOR writes, and
    the parts to be as `seal` makes them.
    """
    try:
        data = b"".join(
            (
                _beginning(event.suite, event.ledger_id),
                _id(event.event_id),
                b"\x05",
                cbor.name(event.topic),
                b"\x06",
                _id(event.stream_id),
                _times(event.effective_at, event.recorded_at),
                b"\x09",
                _NULL if event.client is None else _id(event.client),
                b"\x0a",
                cbor.name(event.organization),
                b"\x0b",
                _NULL if event.operator_ref is None else _id(event.operator_ref),
                b"\x0c",
                _NULL if event.issuer is None else cbor.name(event.issuer),
                b"\x0d",
                _NULL if event.case_number is None else cbor.text(event.case_number),
                b"\x0e",
                _NULL if event.service_item is None else cbor.name(event.service_item),
                b"\x0f",
                cbor.name(event.channel),
                b"\x10",
                cbor.encode_ordered(event.fact),
                b"\x11",
                _sealed(event.sealed),
                b"\x12\xf6",
            )
        )
    except (cbor.EncodingError, UnicodeEncodeError, struct.error) as error:
        raise EventInvalid(str(error)) from error
    _require_size(data)
    return data


@functools.lru_cache(maxsize=16)
def _beginning(suite: str, ledger_id: bytes) -> bytes:
    """A map of 18 members, and the first of them up to the key of the event id."""
    return b"\xb2\x01" + bytes((FORMAT,)) + b"\x02" + cbor.name(suite) + b"\x03" + _id(ledger_id) + b"\x04"


def _id(item: bytes) -> bytes:
    if len(item) != ids.ID_BYTES:
        raise cbor.EncodingError("an id has the wrong length")
    return b"\x50" + item


def _times(effective_at: int, recorded_at: int) -> bytes:
    if effective_at > _LONG and recorded_at > _LONG:
        return _TWO_TIMES.pack(7, 0x1B, effective_at, 8, 0x1B, recorded_at)
    return b"\x07" + cbor.encode(effective_at) + b"\x08" + cbor.encode(recorded_at)


def _sealed(parts: Mapping[str, Any]) -> bytes:
    if len(parts) > _FEW:
        return cbor.encode_ordered(parts)
    pieces = [bytes((0xA0 + len(parts),))]
    for name, part in parts.items():
        pieces += (cbor.name(name), seal.encode_part(part))
    return b"".join(pieces)


def parse(data: bytes) -> Event:
    """The event in bytes that this ledger stored; raises EventInvalid on a wrong shape or order."""
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
    if type(content) is not dict or tuple(content) != _KEYS:
        raise EventInvalid("not the map of an event")
    form, *members, signature = content.values()
    if type(form) is not int or form != FORMAT or signature is not None:
        raise EventInvalid("an unknown format, or a client signature that format 1 does not have")
    # As `Event(**values)`, which would check nothing.
    made = object.__new__(Event)
    values = made.__dict__
    values.update(zip(_NAMES, members, strict=True))
    if tuple(map(type, members)) not in _KINDS:
        _require_types(values)
    _require_lengths(values)
    return made


def _require_size(data: bytes) -> None:
    if len(data) > EVENT_BYTES_MAX:
        raise EventInvalid(f"an event has at most {EVENT_BYTES_MAX} bytes")


def _require_types(values: Mapping[str, Any]) -> None:
    for _, name, types in _SHAPE:
        if type(values[name]) not in types:
            raise EventInvalid(f"{name} has the wrong type")


def _require_lengths(values: Mapping[str, Any]) -> None:
    for name in _IDS:
        if (value := values[name]) is not None and len(value) != ids.ID_BYTES:
            raise EventInvalid(f"{name} has the wrong length")
