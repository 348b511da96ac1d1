"""C2SP signed notes and checkpoints: make, parse, verify, byte for byte.

Rests on c2sp.org/signed-note@v1 and c2sp.org/tlog-checkpoint. A note is verified against verifier
keys that the caller trusts; signatures of unknown keys are ignored, a bad signature of a known key
rejects the note. Never reads a key from the note itself.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass

from signing import keys, suites

NOTE_BYTES_MAX = 64 * 1024
SIGNATURES_MAX = 16
_DASH = "— "


class NoteInvalid(ValueError):
    """Text that is not a note, or that no trusted key signed."""


@dataclass(frozen=True, kw_only=True)
class VerifierKey:
    """A public key under a name, as C2SP writes it: `name+hash+base64(type ‖ key)`."""

    name: str
    public: bytes
    suite: suites.Suite = suites.INTL

    @property
    def hash(self) -> bytes:
        """The 4-byte key id: SHA-256(name ‖ 0x0A ‖ type ‖ public key)[:4]."""
        return _key_hash(self.name, self.public, self.suite)

    @property
    def text(self) -> str:
        """The verifier key's one line."""
        typed = bytes([self.suite.note_algorithm]) + self.public
        return f"{self.name}+{self.hash.hex()}+{base64.b64encode(typed).decode()}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """The key that `text` writes; raises NoteInvalid when name, hash and key do not agree."""
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise NoteInvalid("a verifier key has three parts")
        name, hash_hex, encoded = parts
        typed = _decode_base64(encoded)
        if len(typed) != 33 or typed[0] != suites.INTL.note_algorithm:
            raise NoteInvalid("the verifier key has an unknown type")
        key = cls(name=name, public=typed[1:])
        if key.hash.hex() != hash_hex or not _is_key_name(name):
            raise NoteInvalid("the verifier key's hash does not match")
        return key


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A tree head: origin line, size in leaves, root hash."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The three lines of tlog-checkpoint; this build writes no extension lines."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def sign(text: str, *, name: str, key: keys.SigningKey, suite: suites.Suite = suites.INTL) -> str:
    """The note over `text` (which ends in a newline), signed by `key` under `name`."""
    signature = key.sign(text.encode())
    line = base64.b64encode(_key_hash(name, key.public, suite) + signature).decode()
    return f"{text}\n{_DASH}{name} {line}\n"


def verify(note: str, *, trusted: Iterable[VerifierKey]) -> tuple[str, VerifierKey]:
    """The note's text and the first trusted key that signed it; raises NoteInvalid.

    1. The note is UTF-8 text without control characters, text and signatures apart.
    2. Every signature by a known key must verify.
    3. At least one known key signed.
    """
    text, lines = _split(note)  # 1
    known = {(key.name, key.hash): key for key in trusted}
    signer = None
    for line in lines:
        name, key_hash, signature = _signature(line)
        key = known.get((name, key_hash))
        if key is None:
            continue
        try:
            keys.verify(key.public, signature=signature, message=text.encode())  # 2
        except keys.SignatureInvalid as error:
            raise NoteInvalid("a trusted key's signature does not verify") from error
        signer = signer or key
    if signer is None:  # 3
        raise NoteInvalid("no trusted key signed this note")
    return text, signer


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint that a verified note's text says; raises NoteInvalid."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] != "" or not all(lines[:-1]):
        raise NoteInvalid("a checkpoint has three lines or more")
    origin, size_text, root_text = lines[:3]
    if not _is_decimal(size_text):
        raise NoteInvalid("the tree size is not a decimal number")
    return Checkpoint(origin=origin, size=int(size_text), root=_decode_base64(root_text))


def _split(note: str) -> tuple[str, list[str]]:
    if len(note) > NOTE_BYTES_MAX or any(ord(char) < 0x20 and char != "\n" for char in note):
        raise NoteInvalid("too long, or control characters")
    text, separator, tail = note.rpartition("\n\n")
    if not separator or not tail.endswith("\n"):
        raise NoteInvalid("text and signatures are not apart")
    lines = tail[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise NoteInvalid("too many signatures")
    return text + "\n", lines


def _signature(line: str) -> tuple[str, bytes, bytes]:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    raw = _decode_base64(encoded)
    if not line.startswith(_DASH) or not space or not _is_key_name(name) or len(raw) < 5:
        raise NoteInvalid("not a signature line")
    return name, raw[:4], raw[4:]


def _key_hash(name: str, public: bytes, suite: suites.Suite) -> bytes:
    return suite.digest(name.encode() + b"\n" + bytes([suite.note_algorithm]) + public)[:4]


def _is_key_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(char.isspace() for char in name)


def _is_decimal(text: str) -> bool:
    return text == "0" or (text.isascii() and text.isdigit() and text[0] != "0" and len(text) < 20)


def _decode_base64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteInvalid("not base64") from error
    if base64.b64encode(raw).decode() != text:
        raise NoteInvalid("not the one base64 of its bytes")
    return raw
