"""Verifying QR tokens offline on one core, against the bare signature check of the same tokens.

A token is judged as `license-ledger verify` judges one: text, signature, dates, place in its list. Bare: the
library's Ed25519 check over the same bytes, the key parsed once. Both in turn, in the same seconds.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ed25519

from benchmarks import result
from ledger import days, offline
from signing import cbor, keys, note, spelling, status_list, suites, token, trust

ROUNDS = 10
_NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)
_ORIGIN = "bench.license-ledger.example/verify/0"


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Codes and the trust file that they are judged by."""

    trusted: trust.TrustFile
    public: bytes
    texts: Sequence[str]


def tokens(count: int, *, seed: int = 1) -> Tokens:
    """Codes of good pieces; of a quarter million places in their list, one of thirty is marked."""
    drawn = random.Random(seed)
    key, log_key = (keys.SigningKey(drawn.randbytes(32)) for _ in range(2))
    made_at = int(_NOW.timestamp()) - 60
    taken = drawn.sample(range(status_list.PLACES), 1 << 18)
    marked, free = taken[: len(taken) // 30], taken[len(taken) // 30 :]
    listed = status_list.StatusList(
        uri="https://bench.license-ledger.example/v1/status-lists/0",
        issued_at=made_at,
        expires_at=made_at + 86_400,
        ttl_s=3_600,
        compressed=status_list.pack([(status_list.INVALID, marked)]),
    )
    day = days.of_instant(made_at * 1_000_000)
    texts = [
        token.url(
            token.sign(
                token.Token(
                    license_ref=drawn.randbytes(16),
                    version=1,
                    piece=0,
                    valid_from=day - 100,
                    valid_to=day + 1_000,
                    issued_on=day - 100,
                    status_list=0,
                    status_index=place,
                    paper_digest=drawn.randbytes(12),
                    paper_salt=drawn.randbytes(8),
                ),
                key=key,
                suite=suites.INTL,
            ),
            host="qr.ledger.example",
        )
        for place in free[:count]
    ]
    key_id = suites.key_id(suites.INTL, purpose=token.PURPOSE, public=key.public)
    log = trust.LogKey(key=note.VerifierKey(name=_ORIGIN, public=log_key.public))
    known = trust.Ledger(
        ledger_id=drawn.randbytes(16),
        suite=suites.INTL,
        is_demonstration=True,
        origins=(trust.Origin(origin=_ORIGIN, generation=0, keys=(log,)),),
        token_keys=(trust.TokenKey(key_id=key_id, public=key.public),),
        status_lists={0: status_list.sign(listed, key=key, suite=suites.INTL)},
    )
    made = datetime.fromtimestamp(made_at, UTC)
    return Tokens(
        trusted=trust.TrustFile(ledgers=(known,), made_at=made, fresh_s=86_400),
        public=key.public,
        texts=texts,
    )


def measure(count: int) -> result.Figures:
    """Codes judged, and signatures checked, a second of one core, and the ratio."""
    made = tokens(count)
    verifier = offline.Verifier(made.trusted, now=_NOW)
    signed = [_signed(text) for text in made.texts]
    public = ed25519.Ed25519PublicKey.from_public_bytes(made.public)

    def judge() -> None:
        for text in made.texts:
            assert verifier.code(text, at=_NOW).outcome is offline.Outcome.NOT_COMPARED

    def check() -> None:
        for signature, message in signed:
            public.verify(signature, message)

    judged, checked = in_turn(judge, check)
    codes, bare = count * ROUNDS / judged, count * ROUNDS / checked
    return {
        "codes_per_core_second": result.rounded(codes, 3),
        "bare_signature_checks_per_core_second": result.rounded(bare, 3),
        "codes_to_bare_signature_checks": result.rounded(codes / bare, 3),
    }


def in_turn(*works: Callable[[], None]) -> tuple[float, ...]:
    """Seconds of this process that each took, in rounds one after the other."""
    seconds = [0.0] * len(works)
    for _ in range(ROUNDS):
        for number, work in enumerate(works):
            begun = time.process_time()
            work()
            seconds[number] += time.process_time() - begun
    return tuple(seconds)


def _signed(text: str) -> tuple[bytes, bytes]:
    """The signature in a code, and what it is over (RFC 9052 §4.4)."""
    protected, _, payload, signature = cbor.decode_strictly(
        spelling.from_base32(text.rpartition(token.PATH)[2])
    )
    return signature, cbor.encode(["Signature1", protected, b"", payload])
