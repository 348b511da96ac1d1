"""Random 128-bit ids: 16 bytes inside, 26 lower-case base32 characters in text (RFC 4648 §6, no padding)."""

from __future__ import annotations

from signing import spelling

ID_BYTES = 16
TEXT_LENGTH = 26


class IdInvalid(ValueError):
    """Text that is not the one way to write an id."""


def text(id_: bytes) -> str:
    """The 26 characters that write `id_`."""
    assert len(id_) == ID_BYTES, "an id has 16 bytes"
    return spelling.to_base32(id_).lower()


def parse(text_: str) -> bytes:
    """The id that `text_` writes; raises IdInvalid unless `text` would write it so again."""
    if len(text_) != TEXT_LENGTH:
        raise IdInvalid("an id has 26 characters")
    if not text_.isascii() or text_ != text_.lower():
        raise IdInvalid("an id is written in lower case")
    try:
        return spelling.from_base32(text_.upper())
    except spelling.SpellingInvalid as error:
        raise IdInvalid(str(error)) from error
