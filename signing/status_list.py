"""Status lists: the status of many printed pieces in one small signed file that any verifier reads.

A list is a Status List Token in CWT form of the IETF's Token Status List (draft-ietf-oauth-status-list
§4, §5.2; version 1 of `docs/formats/status-list.md`): two bits a place, packed from the least significant
bit, compressed with zlib, in a tagged COSE_Sign1 under a key of the ledger's QR tokens. `sign` makes one,
`parse` judges one, `StatusList.at` says the status of a place. Never reads a clock.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from signing import cbor, keys, suites, token

VALID, INVALID, SUSPENDED, REPLACED = range(4)
"""Status types (§7.1); 3 is the application's: another paper was printed in this one's place."""
BITS = 2
PLACES = 1 << 20
ARRAY_BYTES = PLACES * BITS // 8
TYPE = "application/statuslist+cwt"
LIST_BYTES_MAX = 512 * 1024
"""Of a signed list: an array that does not compress at all takes half of it."""
_TAG = b"\xd2"
"""COSE_Sign1_Tagged, 18 (RFC 9052 §2): the standard asks for this tag, which `cbor` never writes."""
_SUBJECT, _EXPIRES, _ISSUED, _STATUSES, _TTL = 2, 4, 6, 65533, 65534
_PATH = "/v1/status-lists/"
_TIME_END = 1 << 33
"""Seconds since 1970: the year 2242."""


class StatusListInvalid(ValueError):
    """Bytes that are not a status list, or not one that a trusted key signed."""


@dataclass(frozen=True, kw_only=True)
class StatusList:
    """One list as it was signed; times in seconds since 1970."""

    uri: str
    """Where it is served; ends in the list's number."""
    issued_at: int
    expires_at: int
    ttl_s: int
    """How long a copy may be kept before a fresh one is fetched."""
    compressed: bytes

    @property
    def number(self) -> int:
        """The list's number, as QR tokens name it."""
        return _number(self.uri)

    @functools.cached_property
    def array(self) -> bytes:
        """The statuses, four a byte; raises StatusListInvalid when they are not those of one whole list."""
        opener = zlib.decompressobj()
        try:
            data = opener.decompress(self.compressed, ARRAY_BYTES + 1)
        except zlib.error as error:
            raise StatusListInvalid("the statuses do not decompress") from error
        if len(data) != ARRAY_BYTES or not opener.eof or opener.unused_data:
            raise StatusListInvalid(f"a list has {PLACES} places")
        return data

    def at(self, index: int) -> int:
        """The status of a place; raises StatusListInvalid when the list has no such place."""
        if not 0 <= index < PLACES:
            raise StatusListInvalid("the list has no such place")
        return self.array[index >> 2] >> (index & 3) * BITS & 3


def uri(base: str, number: int) -> str:
    """Where the ledger at `base` serves list `number`."""
    return f"{base}{_PATH}{number}"


def pack(statuses: Iterable[tuple[int, Iterable[int]]]) -> bytes:
    """The compressed array in which each of some places has a status other than VALID (§4.1)."""
    array = bytearray(ARRAY_BYTES)
    for status, places in statuses:
        for place in places:
            array[place >> 2] |= status << (place & 3) * BITS
    return zlib.compress(bytes(array), 9)


def sign(listed: StatusList, *, key: keys.SigningKey, suite: suites.Suite) -> bytes:
    """The Status List Token of `listed` (§5.2)."""
    key_id = suites.key_id(suite, purpose=token.PURPOSE, public=key.public)
    protected = cbor.encode({1: suite.cose_algorithm, 4: key_id, 16: TYPE})
    payload = cbor.encode(
        {
            _SUBJECT: listed.uri,
            _EXPIRES: listed.expires_at,
            _ISSUED: listed.issued_at,
            _STATUSES: {"bits": BITS, "lst": listed.compressed},
            _TTL: listed.ttl_s,
        }
    )
    assert _claims(payload) == listed, "what is signed can be read"
    return _TAG + cbor.encode([protected, {}, payload, key.sign(_to_be_signed(protected, payload))])


def parse(data: bytes, *, trusted: Mapping[bytes, bytes], suite: suites.Suite = suites.INTL) -> StatusList:
    """The list that a trusted key signed; raises StatusListInvalid.

    `trusted` maps ids of token keys to public keys. Whether the list is fresh is for the caller to ask.
    1. The bytes are a tagged COSE_Sign1 of the standard's type, with the suite's algorithm.
    2. A trusted key signed it.
    3. It has the claims of a list, and no other.
    """
    key_id, protected, payload, signature = _cose(data, suite)  # 1
    public = trusted.get(key_id)
    if public is None:
        raise StatusListInvalid("the list is signed by a key that is not trusted here")
    try:
        keys.verify(public, signature=signature, message=_to_be_signed(protected, payload))  # 2
    except keys.SignatureInvalid as error:
        raise StatusListInvalid("the list's signature does not match") from error
    return _claims(payload)  # 3


def key_id(data: bytes, *, suite: suites.Suite = suites.INTL) -> bytes:
    """The id of the key that is said to have signed a list; raises StatusListInvalid when it is none."""
    return _cose(data, suite)[0]


def number(data: bytes, *, suite: suites.Suite = suites.INTL) -> int:
    """The number that a list says it has, whoever signed it; raises StatusListInvalid when it is none."""
    return _claims(_cose(data, suite)[2]).number


def _cose(data: bytes, suite: suites.Suite) -> tuple[bytes, bytes, bytes, bytes]:
    """Key id, protected header, payload and signature."""
    if len(data) > LIST_BYTES_MAX or data[:1] != _TAG:
        raise StatusListInvalid("not a tagged COSE_Sign1, or too long for a status list")
    try:
        protected, unprotected, payload, signature = cbor.decode_strictly(data[1:])
        header = cbor.decode_strictly(protected)
    except (TypeError, ValueError) as error:
        raise StatusListInvalid("not a COSE_Sign1") from error
    is_known = (
        unprotected == {}
        and isinstance(payload, bytes)
        and isinstance(signature, bytes)
        and isinstance(header, dict)
        and header.keys() == {1, 4, 16}
        and header[1] == suite.cose_algorithm
        and isinstance(header[4], bytes)
        and header[16] == TYPE
    )
    if not is_known:
        raise StatusListInvalid("not the COSE_Sign1 of a status list")
    return header[4], protected, payload, signature


def _claims(payload: bytes) -> StatusList:
    try:
        said = cbor.decode_strictly(payload)
    except ValueError as error:
        raise StatusListInvalid("the claims are not deterministic CBOR") from error
    if not isinstance(said, dict) or said.keys() != {_SUBJECT, _EXPIRES, _ISSUED, _STATUSES, _TTL}:
        raise StatusListInvalid("not the claims of a status list")
    listed, uri_ = said[_STATUSES], said[_SUBJECT]
    times = (said[_ISSUED], said[_EXPIRES], said[_TTL])
    is_shaped = (
        isinstance(listed, dict)
        and listed.keys() == {"bits", "lst"}
        and type(listed["bits"]) is int
        and listed["bits"] == BITS
        and isinstance(listed["lst"], bytes)
        and isinstance(uri_, str)
        and all(type(time) is int and 0 < time < _TIME_END for time in times)
    )
    if not is_shaped:
        raise StatusListInvalid("a claim of the status list has another shape")
    _number(uri_)
    return StatusList(
        uri=uri_, issued_at=times[0], expires_at=times[1], ttl_s=times[2], compressed=listed["lst"]
    )


def _number(uri_: str) -> int:
    number = uri_.rpartition(_PATH)[2]
    is_plain = number.isascii() and number.isdigit() and len(number) <= 10 and str(int(number)) == number
    if not uri_.isascii() or not is_plain or uri_ == number:
        raise StatusListInvalid("a list's address ends in its number")
    return int(number)


def _to_be_signed(protected: bytes, payload: bytes) -> bytes:
    """Sig_structure of RFC 9052 §4.4."""
    return cbor.encode(["Signature1", protected, b"", payload])
