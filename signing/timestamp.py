"""Time-stamps of checkpoints by an outside authority (RFC 3161): ask, judge, keep as a file.

`Asked` is a request, `judge` what an answer to it proves, `verify` the same later and offline. The roots,
the policy and the clock are the caller's; nothing is fetched. The only door to `rfc3161_client`.
A certificate needs to be valid at the time that the stamp says, not today.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from datetime import datetime

import rfc3161_client
from asn1crypto import core, tsp
from cryptography import utils, x509
from cryptography.hazmat.primitives import serialization

from signing import note, spelling

HEADER = "license-ledger time-stamp v1"
RESPONSE_BYTES_MAX = 64 * 1024
STAMPED_BYTES_MAX = 160 * 1024
TOLERANCE_S = 300
"""How far an authority's clock may be from ours when it answers."""


class TimeStampInvalid(ValueError):
    """An answer that is no time-stamp of this checkpoint by an authority that is trusted."""


@dataclass(frozen=True, kw_only=True)
class Authority:
    """Whom a verifier believes the time."""

    roots: tuple[bytes, ...]
    """Certificates, DER: of the roots, and of what stands between them and the authority."""
    policy: str | None = None
    """The policy that the stamp must be under, as dotted numbers; None: any of theirs."""


@dataclass(frozen=True, kw_only=True)
class TimeStamp:
    """What a time-stamp proves: at this time, the authority saw this checkpoint."""

    at: datetime
    """Aware, UTC."""
    policy: str
    serial: int


@dataclass(frozen=True, kw_only=True)
class Stamped:
    """A checkpoint with the authority's answer over its text; nothing of it is trusted before `verify`."""

    checkpoint: str
    """The signed note."""
    response: bytes
    """TimeStampResp, DER."""


class Asked:
    """A request for a time-stamp of a checkpoint's text, with a nonce of its own."""

    def __init__(self, text: str, *, nonce: int, policy: str | None = None) -> None:
        self._text = text
        self._nonce = nonce
        self._policy = policy
        imprint = {
            "hash_algorithm": {"algorithm": "sha256"},
            "hashed_message": hashlib.sha256(text.encode()).digest(),
        }
        said = {"version": "v1", "message_imprint": imprint, "nonce": nonce, "cert_req": True}
        self.body: bytes = tsp.TimeStampReq(said | ({"req_policy": policy} if policy else {})).dump()
        """TimeStampReq, DER."""

    def judge(
        self, response: bytes, *, authority: Authority, asked_at: datetime, answered_at: datetime
    ) -> tuple[bytes, TimeStamp]:
        """The answer as it is to be kept, and what it proves; raises TimeStampInvalid.

        1. It answers this request: its nonce, its message, its policy. 2. It is signed by an authority under
        one of the roots. 3. Its time lies between question and answer, but for the tolerance.
        """
        kept = _in_order(response)
        found = _judged(kept, self._text, authority=authority, nonce=self._nonce)
        if self._policy is not None and found.policy != self._policy:
            raise TimeStampInvalid("a stamp under another policy than was asked for")
        early, late = (asked_at - found.at).total_seconds(), (found.at - answered_at).total_seconds()
        if max(early, late) > TOLERANCE_S:
            raise TimeStampInvalid("the authority's clock is not ours")
        return kept, found


def verify(stamped: Stamped, *, authority: Authority) -> TimeStamp:
    """What a kept stamp proves of its checkpoint's text; raises TimeStampInvalid. The note is not judged."""
    try:
        text = note.taken_apart(stamped.checkpoint)[0]
    except note.NoteInvalid as error:
        raise TimeStampInvalid(f"the checkpoint: {error}") from error
    return _judged(stamped.response, text, authority=authority, nonce=None)


def write(stamped: Stamped) -> str:
    """The text of a stamped checkpoint, as it is served and kept."""
    return f"{HEADER}\n{spelling.to_base64(stamped.response)}\n\n{stamped.checkpoint}"


def parse(text: str) -> Stamped:
    """The parts of a stamped checkpoint; raises TimeStampInvalid."""
    if len(text) > STAMPED_BYTES_MAX:
        raise TimeStampInvalid("too long")
    head, separator, checkpoint = text.partition("\n\n")
    header, _, encoded = head.partition("\n")
    if header != HEADER or not separator:
        raise TimeStampInvalid("not a stamped checkpoint")
    try:
        return Stamped(checkpoint=checkpoint, response=spelling.from_base64(encoded))
    except spelling.SpellingInvalid as error:
        raise TimeStampInvalid(f"the stamp: {error}") from error


def parse_roots(pem: bytes) -> tuple[bytes, ...]:
    """The certificates in a PEM file, DER; raises TimeStampInvalid."""
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise TimeStampInvalid("not certificates in PEM") from error
    return tuple(one.public_bytes(_DER) for one in found)


def _judged(response: bytes, text: str, *, authority: Authority, nonce: int | None) -> TimeStamp:
    if len(response) > RESPONSE_BYTES_MAX:
        raise TimeStampInvalid("too long")
    try:
        said = rfc3161_client.decode_timestamp_response(response)
        builder = rfc3161_client.VerifierBuilder(
            policy_id=x509.ObjectIdentifier(authority.policy) if authority.policy else None,
            roots=[x509.load_der_x509_certificate(root) for root in authority.roots],
            nonce=nonce,
        )
        if said.status != 0:
            raise TimeStampInvalid("the authority refuses")
        info = said.tst_info
        if info.message_imprint.hash_algorithm.dotted_string != _SHA256:
            raise TimeStampInvalid("a stamp of another digest than SHA-256")
        with warnings.catch_warnings():
            # What a certificate is only put up with for is refused.
            warnings.simplefilter("error", category=utils.CryptographyDeprecationWarning)
            builder.build().verify(said, hashlib.sha256(text.encode()).digest())
        return TimeStamp(at=info.gen_time, policy=info.policy.dotted_string, serial=info.serial_number)
    except TimeStampInvalid:
        raise
    except rfc3161_client.VerificationError as error:
        raise TimeStampInvalid(str(error)) from error
    except Exception as error:
        # Readers of certificates meet what strangers send with errors of many kinds.
        raise TimeStampInvalid("not a time-stamp that can be read") from error


def _in_order(response: bytes) -> bytes:
    """The answer with its certificates in DER's order, where the authority writes them in another.

    No signature covers that order: a strict reader refuses such an answer, and many authorities make it.
    """
    if len(response) > RESPONSE_BYTES_MAX:
        raise TimeStampInvalid("too long")
    try:
        said = tsp.TimeStampResp.load(response, strict=True)
        if said["status"]["status"].native not in ("granted", "granted_with_mods"):
            raise TimeStampInvalid("the authority refuses")
        signed = said["time_stamp_token"]["content"]
        ders = [one.dump() for one in signed["certificates"]]
        if ders == sorted(ders):
            return response
        signed["certificates"] = [core.Any.load(der) for der in sorted(ders)]
        return bytes(said.dump(force=True))
    except TimeStampInvalid:
        raise
    except Exception as error:
        raise TimeStampInvalid("not a time-stamp that can be read") from error


_SHA256 = "2.16.840.1.101.3.4.2.1"
_DER = serialization.Encoding.DER
