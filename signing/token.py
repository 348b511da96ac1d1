"""QR tokens: what a printed piece of a license says about itself, signed, for paper and phones.

A token is an untagged COSE_Sign1 (RFC 9052 §4.2) over the array of `Token`'s items, written in
base32 behind an upper-case URL so that it stays in one alphanumeric QR segment. It carries no holder;
`paper_digest` lets a verifier compare the printed number and names (`docs/formats/qr-token.md`).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from signing import cbor, ids, keys, spelling, suites

FORMAT = 1
PURPOSE = "token"
URL_LENGTH_MAX = 262
"""Alphanumeric capacity of QR version 9 at level M (ISO/IEC 18004 table 7)."""
HOST_LENGTH_MAX = 20
"""A host of this length fits with every token before the year 2149; a longer one with most."""
PATH = "/V/"
PAPER_DIGEST_BYTES = 12
PAPER_SALT_BYTES = 8


class TokenInvalid(ValueError):
    """Text that is not a token, or not one that a trusted key signed."""


@dataclass(frozen=True, kw_only=True)
class Token:
    """The content of a token; dates are days since 1970-01-01 in Asia/Shanghai."""

    license_ref: bytes
    version: int
    piece: int
    """0 for the original 正本, 1… for counterparts 副本."""
    valid_from: int
    valid_to: int | None
    """Last valid day, or None for long-term 长期."""
    issued_on: int
    status_list: int
    status_index: int
    paper_digest: bytes
    paper_salt: bytes


_NAMES = tuple(Token.__dataclass_fields__)
_DATES = ("valid_from", "valid_to", "issued_on")
_CONTEXT = b"\x84" + cbor.name("Signature1")
_NUMBER_END = 1 << 31
_SIZES = {"license_ref": ids.ID_BYTES, "paper_digest": PAPER_DIGEST_BYTES, "paper_salt": PAPER_SALT_BYTES}
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?")


def paper_digest(*, salt: bytes, number: str, names: Iterable[str], suite: suites.Suite) -> bytes:
    """digest(salt ‖ number ‖ [names as printed])[:12]."""
    return suite.digest(cbor.encode([salt, number, list(names)]))[:PAPER_DIGEST_BYTES]


def sign(token: Token, *, key: keys.SigningKey, suite: suites.Suite) -> bytes:
    """The COSE_Sign1 bytes of `token`."""
    assert all(_is_item(name, value) for name, value in vars(token).items()), "what is signed can be read"
    protected = cbor.encode(
        {1: suite.cose_algorithm, 4: suites.key_id(suite, purpose=PURPOSE, public=key.public)}
    )
    payload = cbor.encode([FORMAT, *vars(token).values()])
    return cbor.encode([protected, {}, payload, key.sign(_to_be_signed(protected, payload))])


def url(signed: bytes, *, host: str) -> str:
    """The upper-case URL that a QR code shows; raises TokenInvalid when it would not fit version 9."""
    if not _HOST.fullmatch(host):
        raise TokenInvalid("a host is letters, digits, dots, hyphens and perhaps a port")
    text = f"HTTPS://{host.upper()}{PATH}{spelling.to_base32(signed)}"
    if len(text) > URL_LENGTH_MAX:
        raise TokenInvalid(f"the URL has more than {URL_LENGTH_MAX} characters: a shorter host is needed")
    return text


def key_id(text: str, *, suite: suites.Suite = suites.INTL) -> bytes:
    """The id of the key that is said to have signed a token; raises TokenInvalid when it is none."""
    return _cose(_bytes(text), suite)[1]


def parse(text: str, *, trusted: Mapping[bytes, bytes], suite: suites.Suite = suites.INTL) -> Token:
    """The token in a URL or bare base32 text, any case; raises TokenInvalid."""
    return read(text, trusted=trusted, suite=suite)[1]


def read(
    text: str, *, trusted: Mapping[bytes, bytes], suite: suites.Suite = suites.INTL
) -> tuple[bytes, Token]:
    """As `parse`, with the id of the key that signed; raises TokenInvalid.

    `trusted` maps key ids to public keys.
    1. The text is base32 of a COSE_Sign1 with the suite's algorithm and a known key.
    2. The key signed it.
    3. The payload has the shape of a known format.
    """
    protected, key_id_, payload, signature = _cose(_bytes(text), suite)  # 1
    public = trusted.get(key_id_)
    if public is None:
        raise TokenInvalid("signed by a key that is not trusted here")
    try:
        keys.verify(public, signature=signature, message=_to_be_signed(protected, payload))  # 2
    except keys.SignatureInvalid as error:
        raise TokenInvalid("the signature does not match") from error
    return key_id_, _token(payload)  # 3


def _bytes(text: str) -> bytes:
    text = text.strip()
    # Before any change of case: some letters outside ASCII have an upper case inside it.
    if len(text) > URL_LENGTH_MAX or not text.isascii():
        raise TokenInvalid("too long for a token, or not ASCII")
    try:
        return spelling.from_base32(text.upper().rpartition(PATH)[2])
    except spelling.SpellingInvalid as error:
        raise TokenInvalid(str(error)) from error


def _cose(data: bytes, suite: suites.Suite) -> tuple[bytes, bytes, bytes, bytes]:
    """Protected header, key id, payload and signature.

    A token has one spelling: bytes that lie as all tokens do are taken apart without a decoder.
    """
    match = _layout(suite.cose_algorithm).fullmatch(data)
    if match is not None and match[3][0] == len(match[4]):
        return match[1], match[2], match[4], match[5]
    try:
        parts = cbor.decode_strictly(data)
        encoded, unprotected, payload, signature = parts
        protected = cbor.decode_strictly(encoded)
    except (TypeError, ValueError) as error:
        raise TokenInvalid("not a COSE_Sign1") from error
    shape_known = (
        isinstance(parts, list)
        and unprotected == {}
        and isinstance(payload, bytes)
        and isinstance(signature, bytes)
        and isinstance(protected, dict)
        and protected.keys() == {1, 4}
        and protected[1] == suite.cose_algorithm
        and isinstance(protected[4], bytes)
    )
    if not shape_known:
        raise TokenInvalid("not the COSE_Sign1 of a token")
    return encoded, protected[4], payload, signature


@functools.cache
def _layout(algorithm: int) -> re.Pattern[bytes]:
    """How tokens lie that have a key id of 4 bytes, a payload of 24 to 255 and a signature of 64."""
    header = re.escape(b"\xa2\x01" + cbor.encode(algorithm) + b"\x04\x44")
    return re.compile(rb"\x84\x49(" + header + rb"(.{4}))\xa0\x58([\x18-\xff])(.*)\x58\x40(.{64})", re.DOTALL)


def _token(payload: bytes) -> Token:
    try:
        items = cbor.decode_strictly(payload)
    except ValueError as error:
        raise TokenInvalid("the payload is not deterministic CBOR") from error
    if not isinstance(items, list) or len(items) != 1 + len(_NAMES):
        raise TokenInvalid("not the array of a token")
    if type(items[0]) is not int or items[0] != FORMAT:
        raise TokenInvalid("an unknown token format")
    values = dict(zip(_NAMES, items[1:], strict=True))
    if not all(_is_item(name, value) for name, value in values.items()):
        raise TokenInvalid("an item has the wrong type or size")
    return Token(**values)


def _is_item(name: str, value: Any) -> bool:
    if name in _SIZES:
        return isinstance(value, bytes) and len(value) == _SIZES[name]
    if value is None:
        return name == "valid_to"
    first = -_NUMBER_END if name in _DATES else 0
    return type(value) is int and first <= value < _NUMBER_END


def _to_be_signed(protected: bytes, payload: bytes) -> bytes:
    """Sig_structure of RFC 9052 §4.4."""
    return _CONTEXT + cbor.blob(protected) + b"\x40" + cbor.blob(payload)
