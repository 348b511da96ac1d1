"""Deterministic CBOR (RFC 8949 §4.2.1), the only encoding of anything that is hashed or signed.

Gives `encode`, `decode` and `decode_strictly`. Maps have keys of one kind only, unsigned integers or
text, so that the length-first order and the bytewise order of the RFC are the same order. Never
knows what the bytes mean. The only door to `cbor2`.
"""

from __future__ import annotations

from typing import Any

import cbor2

DEPTH_MAX = 32
"""Containers within containers that a decoder follows; our own formats need fewer than ten."""


class EncodingError(ValueError):
    """Bytes that are not well-formed, or not the one deterministic encoding of their content."""


def encode(item: Any) -> bytes:
    """The one deterministic encoding of `item`: None, bool, int, bytes, str, list, tuple or dict."""
    return cbor2.dumps(item, canonical=True)


def decode(data: bytes) -> Any:
    """The item that `data`, bytes we wrote ourselves, encodes; raises EncodingError.

    Bytes from strangers go through `decode_strictly`: this one does not look behind the first item.
    """
    try:
        return cbor2.loads(data, max_depth=DEPTH_MAX, allow_indefinite=False, allow_duplicate_keys=False)
    except Exception as error:
        raise EncodingError("not well-formed CBOR") from error


def decode_strictly(data: bytes) -> Any:
    """As `decode`, and raises EncodingError unless `data` is exactly what `encode` would write."""
    item = decode(data)
    try:
        again = encode(item)
    except Exception as error:
        raise EncodingError("holds a type that is never written") from error
    if again != data:
        raise EncodingError("not the deterministic encoding")
    return item
