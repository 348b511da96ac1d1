"""Where a file has its signatures, told from its bytes alone: nothing of the file is interpreted.

A signature stands as hexadecimal digits in a gap of the bytes that it covers (ISO 32000-2 §12.8.1).
`signatures` finds the gaps by the arrays that name them, and reads what stands in each as the one encoding of
a CMS that it must be, so that no byte in or around a gap can differ unnoticed. Work and memory are bounded by
the file's size.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from asn1crypto import cms
from pyhanko.sign.general import CMSExtractionError, extract_certificate_info

_BYTE_RANGE = re.compile(rb"/ByteRange\s{0,8}\[\s{0,8}0 +(\d{1,10}) +(\d{1,10}) +(\d{1,10})\s{0,80}\]")
_TRACES = (b"/ByteRange", b"/ETSI.CAdES.detached", b"/DocMDP")
"""What a file that was once signed still has when the array itself is spoiled."""
_GAP = re.compile(rb"<((?:[0-9A-F]{2})+)>")
_BEHIND_BYTES = 64
SIGNATURES_MAX = 16
_DEPTH_MAX = 32
_OF_DATA = ("version", "digest_algorithms", "encap_content_info", "certificates", "crls", "signer_infos")
_OF_SIGNER = (
    "version",
    "sid",
    "digest_algorithm",
    "signed_attrs",
    "signature_algorithm",
    "signature",
    "unsigned_attrs",
)
_EMBEDDED = b"/EmbeddedFile"
_STREAM = re.compile(rb"[^\x00-\x08]{0,512}?stream\r?\n")
_EMBEDDED_MAX = 64
_NAMED_MAX = 4_096
"""Places that name an attachment, of which so many are looked behind."""
_INFLATED_BYTES_MAX = 8 << 20
_DECLARED = re.compile(rb"\.(?:json|txt)=sha256:([0-9a-f]{64})")


class Altered(ValueError):
    """Bytes in or around a signature that no signer wrote."""


class CutShort(ValueError):
    """A file that ends before its signature does."""


class NotSigned(ValueError):
    """A file without any signature."""


@dataclass(frozen=True, kw_only=True)
class Signature:
    """One signature or document time-stamp as it stands in a file."""

    gap: tuple[int, int]
    """First byte, and the one after the last, that it does not cover: itself."""
    end: int
    """It covers the file up to here."""
    content: cms.SignedData

    @property
    def is_time_stamp(self) -> bool:
        """Whether it is a document time-stamp (ISO 32000-2 §12.8.5)."""
        return bool(self.content["encap_content_info"]["content_type"].native == "tst_info")

    @property
    def algorithm(self) -> str:
        """The digest that was signed."""
        (info,) = self.content["signer_infos"]
        return str(info["digest_algorithm"]["algorithm"].native)

    @property
    def value(self) -> bytes:
        """The signature itself."""
        (info,) = self.content["signer_infos"]
        return bytes(info["signature"].native)

    @property
    def signed_digest(self) -> bytes | None:
        """The digest that its attributes name (RFC 5652 §11.2)."""
        (info,) = self.content["signer_infos"]
        for attribute in info["signed_attrs"]:
            if attribute["type"].native == "message_digest":
                return bytes(attribute["values"][0].native)
        return None

    @property
    def token(self) -> cms.SignedData | None:
        """The time-stamp over the signature's value, if there is one (RFC 3161 appendix A)."""
        (info,) = self.content["signer_infos"]
        for attribute in _unsigned(info):
            (value,) = attribute["values"]
            return value["content"]
        return None

    def digest(self, pdf: bytes, algorithm: str = "sha256") -> bytes:
        """The digest of all bytes that it covers."""
        taken = hashlib.new(algorithm, memoryview(pdf)[: self.gap[0]])
        taken.update(memoryview(pdf)[self.gap[1] : self.end])
        return taken.digest()


def signatures(pdf: bytes) -> list[Signature]:
    """The signatures of a file, the one that covers least first; raises Altered, CutShort, NotSigned."""
    arrays = ((match.start(), *map(int, match.groups())) for match in _BYTE_RANGE.finditer(pdf))
    named = [(start, resumed, rest) for at, start, resumed, rest in arrays if at in _near(resumed)]
    if len(named) > SIGNATURES_MAX:
        raise Altered("more signatures than a document has")
    found = [_signature(pdf, *places) for places in named]
    if not found:
        if b"%%EOF" not in pdf[-1024:]:
            raise CutShort("the file has no end")
        if any(trace in pdf for trace in _TRACES):
            raise Altered("the place of the signature is spoiled")
        raise NotSigned("the file has no signature")
    return sorted(found, key=lambda signature: signature.end)


def _near(resumed: int) -> range:
    """Where an array may stand: right behind its gap, so that the same text elsewhere is no signature."""
    return range(resumed, resumed + _BEHIND_BYTES)


def _signature(pdf: bytes, start: int, resumed: int, rest: int) -> Signature:
    end = resumed + rest
    if end > len(pdf):
        raise CutShort("the signature covers more than there is")
    gap = _GAP.fullmatch(pdf[start:resumed]) if 0 < start < resumed else None
    if gap is None:
        raise Altered("the place of the signature is spoiled")
    return Signature(gap=(start, resumed), end=end, content=_content(bytes.fromhex(gap[1].decode())))


def _content(data: bytes) -> cms.SignedData:
    """The CMS that fills a gap up to zeros, in its one encoding, with nothing in it that nobody needs."""
    try:
        length = _der_end(data, 0, len(data), depth=0)
        read = cms.ContentInfo.load(data[:length], strict=True)
        if read["content_type"].native != "signed_data":
            raise Altered("no signature where one should be")
        content = read["content"]
        check_form(content)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, CMSExtractionError) as error:
        raise Altered("no signature where one should be") from error
    if any(data[length:]):
        raise Altered("the signature is not encoded as it must be")
    return content


def _der_end(data: bytes, at: int, stop: int, *, depth: int) -> int:
    """Where the element at a place ends; raises ValueError when it is not DER (ITU-T X.690 §10).

    The order within sets is not asked.
    """
    tag, length = data[at], data[at + 1]
    start = at + 2
    if length > 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[at + 2 : start], "big")
        is_short = length < 0x80 or length < 1 << 8 * (start - at - 3)
    else:
        is_short = length == 0x80
    end = start + length
    is_primitive_good = {
        0x01: length == 1 and data[start : start + 1] in (b"\0", b"\xff"),
        0x02: length > 0
        and not (length > 1 and data[start] in (0, 255) and (data[start] ^ data[start + 1]) < 128),
        0x05: length == 0,
    }.get(tag, True)
    is_known_tag = (
        tag & 0x1F != 0x1F and not tag & 0x40 and tag & 0xDF
    )  # of neither application nor private use
    if is_short or end > stop or depth > _DEPTH_MAX or not (is_known_tag and is_primitive_good):
        raise ValueError("not DER")
    if tag & 0x20:
        place = start
        while place < end:
            place = _der_end(data, place, end, depth=depth + 1)
    return end


def check_form(content: cms.SignedData) -> None:
    """Nothing when what no signature covers is as it must be; raises Altered.

    A signature covers attributes. Beside them stand versions, names of algorithms and certificates.
    """
    (signer,) = content["signer_infos"]
    own = extract_certificate_info(content).signer_cert
    is_token = content["encap_content_info"]["content_type"].native == "tst_info"
    version = "v3" if is_token else "v1"
    listed = [one.dump() for one in content["digest_algorithms"]]
    algorithm = signer["digest_algorithm"]
    form_holds = (
        _is_complete(content, _OF_DATA)
        and _is_complete(signer, _OF_SIGNER)
        and content["version"].native == version
        and signer["version"].native == "v1"
        and listed == [algorithm.dump()]
        and algorithm["algorithm"].native in {"sha256", "sha384", "sha512"}
        and content["crls"].native is None
        and signer["sid"].chosen["issuer"].dump() == own.issuer.dump()
        and signer["signature_algorithm"]["parameters"].native is None
        and [one["type"].native for one in _unsigned(signer)] in ([], ["signature_time_stamp_token"])
    )
    if not form_holds:
        raise Altered("the signature is not of the form it must have")


def _is_complete(value: cms.SignedData | cms.SignerInfo, members: tuple[str, ...]) -> bool:
    """Whether its members are all that stands in it."""
    return bool(b"".join(value[name].dump() for name in members) == value.contents)


def _unsigned(signer: cms.SignerInfo) -> list[cms.CMSAttribute]:
    return [] if signer["unsigned_attrs"].native is None else list(signer["unsigned_attrs"])


# --- attachments of a file that nobody vouches for ---


def has_foreign_attachment(pdf: bytes) -> bool:
    """Whether a file that once was a license holds an attachment other than those that its page declares.

    Only to say more of a file that is refused anyway.
    """
    declared = {bytes.fromhex(found.decode()) for found in _DECLARED.findall(pdf[: 32 << 20])}
    if not declared:
        return False
    return any(digest not in declared for digest in _embedded(pdf))


def _embedded(pdf: bytes) -> Iterator[bytes]:
    """Digests of what look like attachments, inflated where they can be."""
    left = _INFLATED_BYTES_MAX
    for start in itertools.islice(_streams(pdf), _EMBEDDED_MAX):
        if left <= 0:
            return
        stop = pdf.find(b"endstream", start)
        data = _inflated(pdf[start : stop if stop >= 0 else len(pdf)], left)
        left -= len(data)
        yield hashlib.sha256(data).digest()


def _streams(pdf: bytes) -> Iterator[int]:
    """Where the bytes of what look like attachments begin."""
    at = 0
    for _ in range(_NAMED_MAX):
        named = pdf.find(_EMBEDDED, at)
        if named < 0:
            return
        at = named + len(_EMBEDDED)
        found = _STREAM.match(pdf, at)
        if found is not None and not pdf[at : at + 1].isalnum():
            yield (at := found.end())


def _inflated(raw: bytes, size_max: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(raw, size_max)
    except zlib.error:
        return raw[:size_max].rstrip(b"\r\n")
