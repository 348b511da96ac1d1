"""C2SP signed notes and checkpoints: make, parse, verify, byte for byte.

Rests on c2sp.org/signed-note@v1 and c2sp.org/tlog-checkpoint. A note is verified against verifier
keys that the caller trusts; signatures of unknown keys are ignored, a bad signature of a known key
rejects the note. Never reads a key from the note itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from signing import keys, spelling, suites

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
        return key_hash(self.name, self.public, algorithm=self.suite.note_algorithm)

    @property
    def text(self) -> str:
        """The verifier key's one line."""
        return key_text(self.name, self.public, algorithm=self.suite.note_algorithm)

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """The key that `text` writes; raises NoteInvalid unless the key would be written so again."""
        name, public = parse_key(text, algorithm=suites.INTL.note_algorithm)
        return cls(name=name, public=public)


class Line(NamedTuple):
    """One signature line of a note, taken apart; nothing of it is verified."""

    name: str
    key_hash: bytes
    signature: bytes


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A tree head: origin line, size in leaves, root hash."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The three lines of tlog-checkpoint; this build writes no extension lines."""
        return f"{self.origin}\n{self.size}\n{spelling.to_base64(self.root)}\n"


def sign(text: str, *, name: str, key: keys.SigningKey, suite: suites.Suite = suites.INTL) -> str:
    """The note over `text` (which ends in a newline), signed by `key` under `name`."""
    assert _is_note_text(text), "a note's text can be told from its signatures"
    assert is_key_name(name), "a key's name can be told from its signature"
    signature = key.sign(text.encode())
    hashed = key_hash(name, key.public, algorithm=suite.note_algorithm)
    return f"{text}\n{signature_line(Line(name, hashed, signature))}"


def verify(note: str, *, trusted: Iterable[VerifierKey]) -> tuple[str, VerifierKey]:
    """The note's text and the first trusted key that signed it; raises NoteInvalid.

    1. The note is UTF-8 text without control characters, text and signatures apart.
    2. Every signature by a known key must verify.
    3. At least one known key signed.
    """
    text, lines = taken_apart(note)  # 1
    known = {(key.name, key.hash): key for key in trusted}
    signer = None
    for line in lines:
        key = known.get((line.name, line.key_hash))
        if key is None:
            continue
        try:
            keys.verify(key.public, signature=line.signature, message=text.encode())  # 2
        except keys.SignatureInvalid as error:
            raise NoteInvalid("a trusted key's signature does not verify") from error
        signer = signer or key
    if signer is None:  # 3
        raise NoteInvalid("no trusted key signed this note")
    return text, signer


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint that a verified note's text says; raises NoteInvalid."""
    lines = text.split("\n")
    if not _is_note_text(text) or len(lines) < 4 or not all(lines[:-1]):
        raise NoteInvalid("a checkpoint has three lines or more")
    try:
        size, root = spelling.from_decimal(lines[1]), spelling.from_base64(lines[2])
    except spelling.SpellingInvalid as error:
        raise NoteInvalid(f"tree size or root hash: {error}") from error
    return Checkpoint(origin=lines[0], size=size, root=root)


def taken_apart(note: str) -> tuple[str, list[Line]]:
    """A note's text and its signature lines, none of them verified; raises NoteInvalid."""
    text, lines = _split(note)
    return text, [_signature(line) for line in lines]


def of(text: str, lines: Iterable[Line]) -> str:
    """The note over `text` with signature lines that were made elsewhere."""
    return f"{text}\n{''.join(map(signature_line, lines))}"


def signature_line(line: Line) -> str:
    """A signature as the line of a note, its newline included."""
    return f"{_DASH}{line.name} {spelling.to_base64(line.key_hash + line.signature)}\n"


def parse_lines(text: str) -> list[Line]:
    """Signature lines that stand alone, as a witness answers with them; raises NoteInvalid."""
    if len(text) > NOTE_BYTES_MAX or not _is_note_text(text):
        raise NoteInvalid("too long, or not lines of text")
    lines = text[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise NoteInvalid("too many signatures")
    return [_signature(line) for line in lines]


def key_hash(name: str, public: bytes, *, algorithm: int, suite: suites.Suite = suites.INTL) -> bytes:
    """The 4-byte key id: digest(name, 0x0A, type, public key)[:4], the bytes one after the other."""
    return suite.digest(name.encode() + b"\n" + bytes([algorithm]) + public)[:4]


def key_text(name: str, public: bytes, *, algorithm: int) -> str:
    """A verifier key's one line."""
    hashed = key_hash(name, public, algorithm=algorithm)
    return f"{name}+{hashed.hex()}+{spelling.to_base64(bytes([algorithm]) + public)}"


def parse_key(text: str, *, algorithm: int) -> tuple[str, bytes]:
    """Name and public key of a verifier key of one type; raises NoteInvalid unless it is spelled so."""
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise NoteInvalid("a verifier key has three parts")
    name, hash_hex, encoded = parts
    if not is_key_name(name):
        raise NoteInvalid("not the name of a key")
    try:
        typed = spelling.from_base64(encoded)
    except spelling.SpellingInvalid as error:
        raise NoteInvalid(f"the verifier key: {error}") from error
    if len(typed) != 1 + suites.INTL.public_bytes or typed[0] != algorithm:
        raise NoteInvalid("the verifier key has an unknown type")
    if key_hash(name, typed[1:], algorithm=algorithm).hex() != hash_hex:
        raise NoteInvalid("the verifier key's hash does not match")
    return name, typed[1:]


def is_key_name(name: str) -> bool:
    """Whether a key can be called so: not empty, no plus, no blank."""
    return bool(name) and "+" not in name and _is_text(name) and not any(char.isspace() for char in name)


def _split(note: str) -> tuple[str, list[str]]:
    if len(note) > NOTE_BYTES_MAX or not _is_text(note):
        raise NoteInvalid("too long, or not text: control characters or lone surrogates")
    text, separator, tail = note.rpartition("\n\n")
    if not separator or not tail.endswith("\n"):
        raise NoteInvalid("text and signatures are not apart")
    lines = tail[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise NoteInvalid("too many signatures")
    return text + "\n", lines


def _signature(line: str) -> Line:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        raw = spelling.from_base64(encoded)
    except spelling.SpellingInvalid as error:
        raise NoteInvalid(f"a signature: {error}") from error
    if not line.startswith(_DASH) or not space or not is_key_name(name) or len(raw) < 5:
        raise NoteInvalid("not a signature line")
    return Line(name, raw[:4], raw[4:])


def _is_text(text: str) -> bool:
    return not any((char < " " and char != "\n") or "\ud800" <= char <= "\udfff" for char in text)


def _is_note_text(text: str) -> bool:
    return text.endswith("\n") and _is_text(text)
