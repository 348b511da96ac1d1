"""Cosignatures of checkpoints: what a witness says of a tree head, and whom a verifier asks for.

`sign` makes a witness's line, `verified` gives those that a note carries, `require` judges them by a
policy of the verifier's own. Rests on c2sp.org/tlog-cosignature, type Ed25519 (`cosignature/v1`).
Never takes a key or a policy from the note, and reads no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from signing import keys, note

ALGORITHM = 0x04
"""The type byte of a timestamped Ed25519 cosignature."""
_TIME_BYTES, _SIGNATURE_BYTES = 8, 64
_TIME_MAX = 2**63 - 1


class CosignaturesMissing(note.NoteInvalid):
    """Fewer of the verifier's witnesses have cosigned than it asks for."""


@dataclass(frozen=True, kw_only=True)
class CosignerKey:
    """A witness's public key under its name."""

    name: str
    public: bytes

    @property
    def hash(self) -> bytes:
        """The 4-byte key id."""
        return note.key_hash(self.name, self.public, algorithm=ALGORITHM)

    @property
    def text(self) -> str:
        """The verifier key's one line."""
        return note.key_text(self.name, self.public, algorithm=ALGORITHM)

    @classmethod
    def parse(cls, text: str) -> CosignerKey:
        """The key that `text` writes; raises NoteInvalid."""
        name, public = note.parse_key(text, algorithm=ALGORITHM)
        return cls(name=name, public=public)


@dataclass(frozen=True, kw_only=True)
class Cosignature:
    """A witness's statement: at this time, the largest consistent tree that it had seen was this one."""

    key: CosignerKey
    at_s: int
    """Seconds since 1970, by the witness's clock."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How many of which witnesses a verifier asks for."""

    witnesses: tuple[CosignerKey, ...] = ()
    quorum: int = 0

    def __post_init__(self) -> None:
        """A quorum that cannot be reached would refuse everything, and one witness counts once."""
        if not 0 <= self.quorum <= len(self.witnesses):
            raise note.NoteInvalid("the quorum is larger than the number of witnesses")
        if len({key.public for key in self.witnesses}) != len(self.witnesses):
            raise note.NoteInvalid("a witness's key stands twice")


def sign(text: str, *, name: str, key: keys.SigningKey, at_s: int) -> str:
    """A witness's line over a checkpoint's text, the newline included."""
    assert 0 <= at_s <= _TIME_MAX, "a time that the format has"
    signature = at_s.to_bytes(_TIME_BYTES, "big") + key.sign(_message(text, at_s))
    hashed = note.key_hash(name, key.public, algorithm=ALGORITHM)
    return note.signature_line(note.Line(name, hashed, signature))


def verify_lines(
    text: str, lines: Iterable[note.Line], *, trusted: Iterable[CosignerKey]
) -> tuple[Cosignature, ...]:
    """The cosignatures among some lines over a checkpoint's text, the newest of each trusted witness.

    Lines of unknown keys are passed over. Raises NoteInvalid when a trusted witness's line does not verify.
    """
    known = {(key.name, key.hash): key for key in trusted}
    found: dict[bytes, Cosignature] = {}
    for line in lines:
        key = known.get((line.name, line.key_hash))
        if key is None:
            continue
        at_s = int.from_bytes(line.signature[:_TIME_BYTES], "big")
        if len(line.signature) != _TIME_BYTES + _SIGNATURE_BYTES or at_s > _TIME_MAX:
            raise note.NoteInvalid("a cosignature has another length or time than the format")
        try:
            keys.verify(key.public, signature=line.signature[_TIME_BYTES:], message=_message(text, at_s))
        except keys.SignatureInvalid as error:
            raise note.NoteInvalid("a trusted witness's cosignature does not verify") from error
        if key.public not in found or found[key.public].at_s < at_s:
            found[key.public] = Cosignature(key=key, at_s=at_s)
    return tuple(found.values())


def verified(signed: str, *, trusted: Iterable[CosignerKey]) -> tuple[Cosignature, ...]:
    """The cosignatures that a signed note carries, as `verify_lines`; its own signature is not looked at."""
    text, lines = note.taken_apart(signed)
    return verify_lines(text, lines, trusted=trusted)


def require(signed: str, *, policy: Policy) -> tuple[Cosignature, ...]:
    """The cosignatures of the policy's witnesses; raises CosignaturesMissing when they are too few."""
    found = verified(signed, trusted=policy.witnesses)
    if len(found) < policy.quorum:
        raise CosignaturesMissing(
            f"{len(found)} of {len(policy.witnesses)} witnesses cosigned, {policy.quorum} are asked for"
        )
    return found


def added(signed: str, lines: Sequence[str]) -> str:
    """A signed note with further lines behind those it has."""
    return signed + "".join(lines)


def _message(text: str, at_s: int) -> bytes:
    return f"cosignature/v1\ntime {at_s}\n{text}".encode()
