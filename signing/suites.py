"""Cryptographic suites by name: which hash, signature, cipher and MAC a ledger uses for its whole life.

A suite is chosen when a ledger is made and named in every event, sealed part and key id. No other
module assumes an algorithm or a length. This build carries `intl`; `guomi` (SM3, SM2, SM4-GCM,
HMAC-SM3) is a reserved name and is refused with a clear error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from signing import cbor, keys

RESERVED = frozenset({"guomi"})


class SuiteUnknown(ValueError):
    """A suite name that this build does not carry."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """The algorithms of one suite; sizes in bytes."""

    name: str
    digest_bytes: int
    nonce_bytes: int
    public_bytes: int
    """Length of a public key."""
    digest: Callable[[bytes], bytes]
    mac: Callable[[bytes, bytes], bytes]
    """mac(key, message)."""
    note_algorithm: int
    """Signature type byte of a C2SP signed note."""
    cose_algorithm: int
    """Algorithm number in a COSE protected header."""


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


INTL = Suite(
    name="intl",
    digest_bytes=32,
    nonce_bytes=keys.NONCE_BYTES,
    public_bytes=32,
    digest=_sha256,
    mac=keys.mac,
    note_algorithm=0x01,
    cose_algorithm=-8,
)


def suite(name: str) -> Suite:
    """The suite called `name`; raises SuiteUnknown."""
    if name == INTL.name:
        return INTL
    reason = "is reserved and not in this build" if name in RESERVED else "is not a suite"
    raise SuiteUnknown(f"suite {name[:32]!r} {reason}")


def key_id(suite_: Suite, *, purpose: str, public: bytes) -> bytes:
    """The 4-byte id of a verification key: digest("key" ‖ suite ‖ purpose ‖ public key)[:4]."""
    return suite_.digest(cbor.encode(["key", suite_.name, purpose, public]))[:4]
