"""Compact JWS taken apart (RFC 7515 §7.1): header, claims and signature, decoded strictly.

Nothing is verified here. What comes out is canonical base64url and strict JSON objects, so that two
readers of one token cannot see two contents. No refusal repeats a part of the token.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api import edge
from ledger import errors

_LIMITS = edge.Limits(depth=6, members=200, string=4_096)


class CompactInvalid(ValueError):
    """Text that is no compact JWS of two JSON objects."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Compact:
    """A compact JWS, not verified."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signature: bytes
    signed: bytes
    """What the signature is over: the first two segments with their dot."""


def read(text: str, *, size_max: int) -> Compact:
    """The parts of `text`, of at most `size_max` characters; raises CompactInvalid."""
    segments = text.split(".")
    if len(text) > size_max or not text.isascii() or len(segments) != 3:
        raise CompactInvalid("not three segments within the size")
    header, claims, signature = (_decode(segment) for segment in segments)
    return Compact(
        header=_object(header),
        claims=_object(claims),
        signature=signature,
        signed=f"{segments[0]}.{segments[1]}".encode(),
    )


def signing_input(header: Mapping[str, Any], claims: Mapping[str, Any]) -> bytes:
    """The bytes to sign for these two objects."""
    return encode(to_json(header)) + b"." + encode(to_json(claims))


def to_json(item: Mapping[str, Any]) -> bytes:
    """`item` as compact JSON."""
    return json.dumps(item, separators=(",", ":")).encode()


def encode(data: bytes) -> bytes:
    """base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decode(segment: str) -> bytes:
    try:
        data = base64.b64decode(segment + "=" * (-len(segment) % 4), altchars="-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise CompactInvalid("a segment is not base64url") from error
    if encode(data).decode() != segment:
        raise CompactInvalid("a segment has spare bits or padding")
    return data


def _object(data: bytes) -> dict[str, Any]:
    try:
        item = edge.parse(data, limits=_LIMITS)
    except errors.JsonInvalid as error:
        raise CompactInvalid("a segment is not strict JSON") from error
    if not isinstance(item, dict):
        raise CompactInvalid("a segment is not a JSON object")
    return item
