"""Random 128-bit ids: 16 bytes inside, 26 lower-case base32 characters in text (RFC 4648 §6, no padding)."""

from __future__ import annotations

import base64
import binascii

ID_BYTES = 16
TEXT_LENGTH = 26


class IdInvalid(ValueError):
    """Text that is not the one way to write an id."""


def text(id_: bytes) -> str:
    """The 26 characters that write `id_`."""
    assert len(id_) == ID_BYTES, "an id has 16 bytes"
    return base64.b32encode(id_).decode().rstrip("=").lower()


def parse(text_: str) -> bytes:
    """The id that `text_` writes; raises IdInvalid unless `text` would write it so again."""
    if len(text_) != TEXT_LENGTH or not text_.isascii():
        raise IdInvalid("an id has 26 characters")
    try:
        id_ = base64.b32decode(text_.upper() + "======")
    except (binascii.Error, ValueError) as error:
        raise IdInvalid("an id is base32") from error
    if text(id_) != text_:
        raise IdInvalid("an id is written in lower case, with no spare bits")
    return id_
