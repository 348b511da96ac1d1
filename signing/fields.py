"""Field digests: one root in clear that proves each sealed value by itself.

A field's digest is digest(salt ‖ name ‖ value); the root is the RFC 6962 root over the digests in
byte order. Who discloses some fields gives their salts and values and the digests of the others.
Values are JSON values whose numbers are decimal text (`docs/formats/field-digests.md`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from signing import cbor, merkle, suites

SALT_BYTES = 16
_SALTED = b"\x83\x50"
"""CBOR heads of an array of three items and of a salt (RFC 8949 §3)."""


class FieldsInvalid(ValueError):
    """Fields that do not lead to the root in the license's event."""


def salted(values: Mapping[str, Any], salts: bytes) -> dict[str, tuple[bytes, Any]]:
    """Field name to (salt, value), the salts taken from random bytes that were drawn at once."""
    cuts = range(0, len(salts), SALT_BYTES)
    pairs = zip(values.items(), cuts, strict=True)
    return {name: (salts[at : at + SALT_BYTES], value) for (name, value), at in pairs}


def digest(salt: bytes, *, name: str, value: Any, suite: suites.Suite = suites.INTL) -> bytes:
    """The digest of one field; raises cbor.EncodingError for a value that no field has, such as a float."""
    if type(value) is str and type(name) is str and type(salt) is bytes and len(salt) == SALT_BYTES:
        # As below, put together by hand: an issue has a dozen of them.
        try:
            return suite.digest(_SALTED + salt + cbor.name(name) + cbor.text(value))
        except UnicodeEncodeError as error:
            raise cbor.EncodingError("text that is not Unicode: a lone surrogate") from error
    return suite.digest(cbor.encode([salt, name, value]))


def root(digests: Iterable[bytes], *, suite: suites.Suite = suites.INTL) -> bytes:
    """The root over field digests, in byte order whatever order they come in."""
    leaves = [merkle.leaf_hash(item, digest=suite.digest) for item in sorted(digests)]
    return merkle.root(leaves, digest=suite.digest)


def digests(
    salted: Mapping[str, tuple[bytes, Any]], *, suite: suites.Suite = suites.INTL
) -> dict[str, bytes]:
    """The digest of every field by name; `salted` maps name to (salt, value)."""
    return {name: digest(salt, name=name, value=value, suite=suite) for name, (salt, value) in salted.items()}


def verify(
    disclosed: Mapping[str, tuple[bytes, Any]],
    *,
    siblings: Iterable[bytes],
    root_: bytes,
    suite: suites.Suite = suites.INTL,
) -> None:
    """Nothing when every disclosed (salt, value) belongs to `root_`; raises FieldsInvalid."""
    others = list(siblings)
    try:
        own = list(digests(disclosed, suite=suite).values())
    except cbor.EncodingError as error:
        raise FieldsInvalid("a value that no field has") from error
    if any(len(salt) != SALT_BYTES for salt, _ in disclosed.values()):
        raise FieldsInvalid("a salt has the wrong length")
    if any(len(item) != suite.digest_bytes for item in others):
        raise FieldsInvalid("a sibling digest has the wrong length")
    if len(set(own + others)) != len(own) + len(others):
        raise FieldsInvalid("a digest appears twice")
    if root(own + others, suite=suite) != root_:
        raise FieldsInvalid("a value, a salt or a name is not the one in the license's event")
