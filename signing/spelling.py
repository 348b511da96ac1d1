"""Bytes and numbers as text with one spelling each: base64, base32 and decimal.

Gives writers and readers. A reader refuses every text that its writer would not write: other padding,
spare bits that are not zero, white space, leading zeroes. So what is signed or compared as text has no
second form.
"""

from __future__ import annotations

import base64

DECIMAL_LENGTH_MAX = 19
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_DIGITS = bytes(
    b"0123456789abcdefghijklmnopqrstuv"[_BASE32.index(char)] if (char := chr(byte)) in _BASE32 else ord("!")
    for byte in range(256)
)
"""Base32's digits to those of Python's numbers to base 32, everything else to what is no digit."""
_NO_LENGTHS = (1, 3, 6)
"""Characters, modulo 8, that no whole bytes have (RFC 4648 §6)."""
_PAIRS = tuple(first + second for first in _BASE32 for second in _BASE32)
_SHORT = 32
"""Bytes up to which base32 is written by hand."""


class SpellingInvalid(ValueError):
    """Text that is not the one way to write what it means."""


def to_base64(data: bytes) -> str:
    """Standard base64 of `data` with padding (RFC 4648 §4)."""
    return base64.b64encode(data).decode()


def from_base64(text: str) -> bytes:
    """The bytes that `text` writes; raises SpellingInvalid."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise SpellingInvalid("not base64") from error
    if to_base64(data) != text:
        raise SpellingInvalid("not the one base64 of its bytes")
    return data


def to_base32(data: bytes) -> str:
    """Upper-case base32 of `data` without padding (RFC 4648 §6)."""
    if len(data) > _SHORT:
        return base64.b32encode(data).decode().rstrip("=")
    # By hand, two characters at a time: an answer writes several ids, and the library takes 4 µs for one.
    length = -(-len(data) * 8 // 5)
    pairs = -(-length // 2)
    number = int.from_bytes(data, "big") << (pairs * 10 - len(data) * 8)
    return "".join([_PAIRS[number >> bits & 1023] for bits in range(pairs * 10 - 10, -1, -10)])[:length]


def from_base32(text: str) -> bytes:
    """The bytes that `text` writes; raises SpellingInvalid."""
    # As one number: a verifier reads many codes, and the library takes as long as a tenth of a signature.
    try:
        number = int(text.encode("ascii").translate(_DIGITS), 32) if text else 0
    except ValueError as error:
        raise SpellingInvalid("not base32") from error
    size, spare = divmod(len(text) * 5, 8)
    if len(text) % 8 in _NO_LENGTHS or number & ((1 << spare) - 1):
        raise SpellingInvalid("not the one base32 of its bytes")
    return (number >> spare).to_bytes(size, "big")


def from_decimal(text: str) -> int:
    """The number below 10^19 that `text` writes; raises SpellingInvalid."""
    is_plain = text.isascii() and text.isdigit() and len(text) <= DECIMAL_LENGTH_MAX
    if not is_plain or (text[0] == "0" and text != "0"):
        raise SpellingInvalid("not a decimal number without leading zeroes")
    return int(text)
