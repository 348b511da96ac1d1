"""Sealed parts: what an event says under a stream's data key.

A part is the array [suite, owner, key number, nonce, ciphertext]: AES-256-GCM under
HKDF(data key, "part" ‖ event id ‖ part name), bound to format, ledger, stream, event, topic and part.
The nonce is passed in; the same part of the same event is never sealed twice with one nonce.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

from signing import cbor, keys, suites

_ARRAY_OF_3, _ARRAY_OF_5, _ARRAY_OF_6, _ID = b"\x83", b"\x85", b"\x86", b"\x50"
"""CBOR heads: an array of so many items, a byte string of 16 bytes (RFC 8949 §3)."""
_SMALL = 24
"""Numbers below it are their own encoding."""
_TYPES = (str, bytes, int, bytes, bytes)
"""Suite, owner, key number, nonce, ciphertext."""


class PartInvalid(ValueError):
    """A part that is not well-formed or does not open under this key and place."""


class Place(NamedTuple):
    """Where a part stands: every item is bound to the ciphertext."""

    format: int
    ledger_id: bytes
    stream_id: bytes
    event_id: bytes
    topic: str
    part: str

    def context(self) -> bytes:
        """format ‖ ledger ‖ stream ‖ event ‖ topic ‖ part, put together from remembered pieces."""
        assert self.format < _SMALL, "a format is a small number"
        head = _ARRAY_OF_6 + bytes((self.format,))
        ids = b"".join((_ID, self.ledger_id, _ID, self.stream_id, _ID, self.event_id))
        return head + ids + cbor.name(self.topic) + cbor.name(self.part)


@dataclass(frozen=True, kw_only=True)
class DataKey:
    """The data key of one stream."""

    owner: bytes
    """Stream id."""
    number: int
    """0 for the first key of a stream."""
    secret: bytes

    @functools.cached_property
    def expander(self) -> keys.Expander:
        """HKDF after extracting from the secret, which every part of the stream begins with."""
        return keys.Expander(keys.extract(self.secret))

    def __repr__(self) -> str:
        return f"DataKey(owner={self.owner.hex()}, number={self.number})"


def seal(
    content: Any, *, key: DataKey, place: Place, nonce: bytes, suite: suites.Suite, is_ordered: bool = False
) -> list[Any]:
    """The sealed part that holds `content`; raises cbor.EncodingError for what CBOR does not write.

    With `is_ordered` the maps of `content` are taken to be in canonical order.
    """
    assert len(nonce) == suite.nonce_bytes, "a nonce has the suite's length"
    plaintext = cbor.encode_ordered(content) if is_ordered else cbor.encode(content)
    ciphertext = keys.seal(part_key(key, place), nonce=nonce, plaintext=plaintext, context=place.context())
    return [suite.name, key.owner, key.number, nonce, ciphertext]


def encode_part(part: list[Any]) -> bytes:
    """The encoding of a sealed part as `seal` makes it, put together by hand."""
    suite_name, owner_id, number, nonce, ciphertext = part
    if number >= _SMALL:
        return cbor.encode_ordered(part)
    pieces = (_ARRAY_OF_5, cbor.name(suite_name), _ID, owner_id, bytes((number,)))
    return b"".join((*pieces, cbor.blob(nonce), cbor.blob(ciphertext)))


def unseal(part: Any, *, key: DataKey, place: Place) -> Any:
    """The content of a sealed part; raises PartInvalid."""
    if owner(part) != (key.owner, key.number):
        raise PartInvalid("sealed under another key")
    return unseal_alone(part, part_key=part_key(key, place), place=place)


def unseal_alone(part: Any, *, part_key: bytes, place: Place) -> Any:
    """As `unseal`, by the key of this one part; raises PartInvalid."""
    owner(part)
    suite_name, _, _, nonce, ciphertext = part
    try:
        suites.suite(suite_name)
        plaintext = keys.unseal(part_key, nonce=nonce, ciphertext=ciphertext, context=place.context())
        return cbor.decode_strictly(plaintext)
    except ValueError as error:
        raise PartInvalid("the part does not open here") from error


def owner(part: Any) -> tuple[bytes, int]:
    """The stream whose data key seals the part, and the key's number; raises PartInvalid."""
    if not isinstance(part, list | tuple) or tuple(map(type, part)) != _TYPES:
        raise PartInvalid("not [suite, owner, key number, nonce, ciphertext]")
    return part[1], part[2]


def part_key(key: DataKey, place: Place) -> bytes:
    """The key of one part of one event: whoever has it opens that part, and learns no other key."""
    info = _ARRAY_OF_3 + cbor.name("part") + _ID + place.event_id + cbor.name(place.part)
    return key.expander.expand(info)
