"""Deterministic CBOR (RFC 8949 §4.2.1), the only encoding of anything that is hashed or signed.

Gives `encode`, `encode_ordered`, `decode`, `decode_strictly`, and the pieces `name`, `text`
and `blob`. What can be written is a closed list: null, booleans, integers of 64 bits and a sign, bytes,
text, arrays and maps. Maps have keys of one kind only, unsigned integers or text, so that the length-first
and the bytewise order of the RFC are the same. No floats, no tags. Never knows what the bytes mean. The
only door to `cbor2`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import cbor2

DEPTH_MAX = 32
"""Containers within containers, when writing and when reading; our own formats need fewer than ten."""
_INTEGER_END = 1 << 64
_SHORT = 256
_TEXT, _BLOB = (
    tuple(bytes((major + n,)) if n < 24 else bytes((major + 24, n)) for n in range(_SHORT))
    for major in (0x60, 0x40)
)
"""Heads of texts and of byte strings by their length (RFC 8949 §3)."""
_ATOMS = frozenset({bytes, str, bool, type(None)})


Other = Callable[[Any], Any]
"""What is written for an item of another type."""


class EncodingError(ValueError):
    """An item that is never written, or bytes that are not the one deterministic encoding of one."""


def encode(item: Any, *, other: Other | None = None) -> bytes:
    """The one deterministic encoding of `item`: None, bool, int, bytes, str, list, tuple or dict.

    Raises EncodingError for anything else, as what is written must be readable for ever. What is none of
    these types themselves is first given to `other`, which says what is written for it.
    """
    try:
        return cbor2.dumps(_in_order(item, DEPTH_MAX, other))
    except UnicodeEncodeError as error:
        raise EncodingError("text that is not Unicode: a lone surrogate") from error


def encode_ordered(item: Any) -> bytes:
    """As `encode`, for an item of our own making whose maps are in canonical order already.

    Neither sorted nor looked through, because the append path writes several for every fact; what
    is stored this way is held against `encode` by `check`.
    """
    try:
        return cbor2.dumps(item)
    except UnicodeEncodeError as error:
        raise EncodingError("text that is not Unicode: a lone surrogate") from error


@functools.lru_cache(maxsize=4096)
def name(item: str) -> bytes:
    """The encoding of a text that many items have, remembered; for items put together by hand."""
    if not isinstance(item, str):
        raise EncodingError("not text")
    return encode_ordered(item)


def text(item: str) -> bytes:
    """The encoding of a text that few items have; for items put together by hand."""
    data = item.encode()
    return _TEXT[len(data)] + data if len(data) < _SHORT else encode_ordered(item)


def blob(item: bytes) -> bytes:
    """The encoding of bytes; for items put together by hand."""
    return _BLOB[len(item)] + item if len(item) < _SHORT else encode_ordered(item)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Text keys in canonical order: by length of their UTF-8, then by its bytes (RFC 8949 §4.2.1)."""
    return tuple(sorted(names, key=lambda name: (len(name.encode()), name.encode())))


def decode(data: bytes) -> Any:
    """The item that `data`, bytes we wrote ourselves, encodes; raises EncodingError.

    Bytes from strangers go through `decode_strictly`: this one does not look behind the first item.
    """
    try:
        return cbor2.loads(
            data,
            max_depth=DEPTH_MAX,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            tag_hook=_refuse_tag,
            semantic_decoders=_TAGS,
        )
    except Exception as error:
        raise EncodingError("not well-formed CBOR") from error


def decode_strictly(data: bytes) -> Any:
    """As `decode`, and raises EncodingError unless `data` is exactly what `encode` would write."""
    item = decode(data)
    if encode(item) != data:
        raise EncodingError("not the deterministic encoding")
    return item


def _in_order(item: Any, depth: int, other: Other | None) -> Any:
    """`item` with its maps in canonical order, looked through on the way; raises EncodingError.

    The library's own canonical mode encodes every key twice, and takes five times as long.
    """
    kind = type(item)
    if kind in _ATOMS:
        return item
    if kind is dict or kind is list:
        if depth == 0:
            raise EncodingError(f"more than {DEPTH_MAX} containers within each other")
        if kind is list:
            return [inner if type(inner) in _ATOMS else _in_order(inner, depth - 1, other) for inner in item]
        made = {}
        for key in _ordered_keys(item):
            inner = item[key]
            made[key] = inner if type(inner) in _ATOMS else _in_order(inner, depth - 1, other)
        return made
    if other is not None and kind is not int:
        return _in_order(other(item), depth, None)
    if isinstance(item, str):
        return item
    if isinstance(item, int):
        if not -_INTEGER_END <= item < _INTEGER_END:
            raise EncodingError("an integer of more than 64 bits")
        return item
    if isinstance(item, list | tuple):
        return _in_order(list(item), depth, other)
    if isinstance(item, dict):
        return _in_order(dict(item), depth, other)
    raise EncodingError("a type that is never written")


def _ordered_keys(item: dict[Any, Any]) -> Iterable[Any]:
    try:
        return _ordered_names(tuple(item))
    except AttributeError:
        # Not all of them are text.
        if not all(type(key) is int and 0 <= key < _INTEGER_END for key in item):
            raise EncodingError("map keys are all text, or all unsigned integers") from None
        return sorted(item)


@functools.lru_cache(maxsize=4096)
def _ordered_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """`in_order`, remembered: few sets of names are written again and again."""
    return in_order(names)


def _refuse_tag(*_: Any) -> NoReturn:
    raise EncodingError("tags are never written")


_TAGS = dict.fromkeys(
    (
        *(0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100),
        *(256, 258, 260, 261, 1004, 43000, 55799),
    ),
    _refuse_tag,
)
"""Tags that `cbor2` would act on, a regular expression (35) or a number of any size (5) among them."""
