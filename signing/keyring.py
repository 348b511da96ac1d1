"""The key ring: every secret of a ledger, in two encrypted files of mode 0600.

`KeyRing` holds signing keys by purpose with their history, peppers, the body-digest key and the
ledger's identity; `KekSet` holds the 1,024 key-encryption keys that wrap data keys by stream. A file
is ["license-ledger keys", 1, kind, salt, nonce, ciphertext] in CBOR, under a key derived from a secret
that the caller passes in. Secrets never appear in a `repr`, a message or a log.
"""

from __future__ import annotations

import os
import secrets
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from signing import cbor, keys, seal, suites

BUCKETS = 1024
"""Key-encryption keys; a stream's bucket is the first two bytes of its id modulo this."""
_MAGIC, _FORMAT = "license-ledger keys", 1
_READS_MAX = 100

Purpose = Literal["log", "token", "access"]
PURPOSES: tuple[Purpose, ...] = ("log", "token", "access")


class KeyRingError(RuntimeError):
    """A key file that is absent, open to others, damaged or under another secret."""


@dataclass(frozen=True, kw_only=True)
class HeldKey:
    """A signing key of one purpose."""

    purpose: str
    key_id: bytes
    seed: bytes = field(repr=False)
    is_retired: bool = False
    retired_at: int | None = None
    """Microseconds UTC; None: it still signs, or was retired before this was kept."""
    compromised_since: int | None = None
    """The size of the log from which on the key was not the ledger's alone; such a key is retired too."""
    is_prepared: bool = False
    """Made known ahead: it signs from the next rotation on."""


@dataclass(frozen=True, kw_only=True)
class KeyRing:
    """Identity and secrets of one ledger; `version` rises with every change."""

    version: int
    suite_name: str
    ledger_id: bytes
    origin: str
    """HOST/PATH; a partition's checkpoint origin is this plus `/<partition>` and a generation."""
    operator: str
    """Credit code of the body that runs the ledger."""
    registry: bytes
    """Stream id of the registry."""
    signing: tuple[HeldKey, ...]
    peppers: tuple[tuple[int, bytes], ...] = field(repr=False)
    """(pepper id, secret), the active one last."""
    body_key: bytes = field(repr=False)
    """Keys the digests of request bodies and use codes in flight."""

    @property
    def suite(self) -> suites.Suite:
        """The ledger's suite."""
        return suites.suite(self.suite_name)

    def active(self, purpose: str) -> HeldKey:
        """The newest key of `purpose` that is neither retired nor prepared for later."""
        for held in reversed(self.signing):
            if held.purpose == purpose and not held.is_retired and not held.is_prepared:
                return held
        raise KeyRingError(f"no active key for {purpose}")

    def signing_key(self, purpose: str) -> keys.SigningKey:
        """The active key of `purpose`, ready to sign."""
        return keys.SigningKey(self.active(purpose).seed)

    def compromised(self) -> frozenset[str]:
        """The ids, in hexadecimal, of the keys that were in other hands."""
        return frozenset(held.key_id.hex() for held in self.signing if held.compromised_since is not None)

    def add_pepper(self) -> KeyRing:
        """The ring with a new active pepper beside the old ones."""
        number = self.peppers[-1][0] + 1
        return replace(
            self, version=self.version + 1, peppers=(*self.peppers, (number, secrets.token_bytes(32)))
        )

    def drop_old_peppers(self) -> KeyRing:
        """The ring with the active pepper alone."""
        return replace(self, version=self.version + 1, peppers=self.peppers[-1:])


def new_key(suite: suites.Suite, purpose: str) -> HeldKey:
    """A fresh signing key of `purpose`."""
    seed = keys.generate_signing_key()
    public = keys.SigningKey(seed).public
    return HeldKey(purpose=purpose, key_id=suites.key_id(suite, purpose=purpose, public=public), seed=seed)


def create(*, origin: str, operator: str, suite: suites.Suite) -> KeyRing:
    """The key ring of a new ledger."""
    return KeyRing(
        version=1,
        suite_name=suite.name,
        ledger_id=secrets.token_bytes(16),
        origin=origin,
        operator=operator,
        registry=secrets.token_bytes(16),
        signing=tuple(new_key(suite, purpose) for purpose in PURPOSES),
        peppers=((1, secrets.token_bytes(32)),),
        body_key=secrets.token_bytes(32),
    )


@dataclass(frozen=True, kw_only=True)
class WrappedKey:
    """A data key under the key-encryption key of its stream's bucket."""

    stream_id: bytes
    number: int
    bucket: int
    generation: int
    wrapped: bytes
    """nonce ‖ ciphertext."""


Kek = tuple[int, bytes]
"""(generation, key)."""


@dataclass(frozen=True, kw_only=True)
class KekSet:
    """The key-encryption keys: for each bucket its key, or two while the bucket is being renewed."""

    keks: tuple[tuple[Kek, ...], ...] = field(repr=False)
    """Bucket by bucket, the newest generation last."""

    @classmethod
    def create(cls) -> KekSet:
        """A fresh set, every bucket at generation 1."""
        return cls(keks=tuple(((1, secrets.token_bytes(32)),) for _ in range(BUCKETS)))

    def wrap(self, key: seal.DataKey, *, ledger_id: bytes) -> WrappedKey:
        """`key` wrapped under its bucket's newest key."""
        number = bucket(key.owner)
        generation, kek = self.keks[number][-1]
        nonce = secrets.token_bytes(keys.NONCE_BYTES)
        context = _wrap_context(ledger_id, key.owner, key.number, generation)
        ciphertext = keys.seal(kek, nonce=nonce, plaintext=key.secret, context=context)
        return WrappedKey(
            stream_id=key.owner,
            number=key.number,
            bucket=number,
            generation=generation,
            wrapped=nonce + ciphertext,
        )

    def unwrap(self, wrap: WrappedKey, *, ledger_id: bytes) -> seal.DataKey:
        """The data key in `wrap`; raises keys.SealBroken when its bucket's key is gone."""
        held = self.keks[wrap.bucket] if wrap.bucket == bucket(wrap.stream_id) else ()
        kek = dict(held).get(wrap.generation)
        if kek is None:
            raise keys.SealBroken("wrapped under a key of its bucket that is not here")
        nonce, ciphertext = wrap.wrapped[: keys.NONCE_BYTES], wrap.wrapped[keys.NONCE_BYTES :]
        context = _wrap_context(ledger_id, wrap.stream_id, wrap.number, wrap.generation)
        secret = keys.unseal(kek, nonce=nonce, ciphertext=ciphertext, context=context)
        return seal.DataKey(owner=wrap.stream_id, number=wrap.number, secret=secret)

    def renew(self, number: int) -> KekSet:
        """The set in which bucket `number` has a new key beside the old one, for rewrapping."""
        fresh = (self.keks[number][-1][0] + 1, secrets.token_bytes(32))
        return self._with(number, (*self.keks[number], fresh))

    def drop_old(self, number: int) -> KekSet:
        """The set in which bucket `number` has its newest key alone: the old one is destroyed."""
        return self._with(number, self.keks[number][-1:])

    def _with(self, number: int, bucket_keks: tuple[Kek, ...]) -> KekSet:
        return KekSet(keks=(*self.keks[:number], bucket_keks, *self.keks[number + 1 :]))


def bucket(stream_id: bytes) -> int:
    """The bucket of a stream."""
    return int.from_bytes(stream_id[:2], "big") % BUCKETS


def save_ring(ring: KeyRing, path: Path, *, secret: bytes) -> None:
    """The ring in its file, replaced whole and synced."""
    content = {name: value for name, value in vars(ring).items() if name != "signing"}
    content["signing"] = [_held_items(held) for held in ring.signing]
    _save("ring", content, path, secret)


def load_ring(path: Path, *, secret: bytes) -> KeyRing:
    """The ring in its file; raises KeyRingError."""
    content = _load("ring", path, secret)
    try:
        signing = tuple(
            HeldKey(purpose=purpose, key_id=key_id, seed=seed, is_retired=is_retired, **dict(*later))
            for purpose, key_id, seed, is_retired, *later in content.pop("signing")
        )
        peppers = tuple((number, pepper) for number, pepper in content.pop("peppers"))
        return KeyRing(signing=signing, peppers=peppers, **content)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise KeyRingError(f"{path.name} is the key ring of another version of this program") from error


def _held_items(held: HeldKey) -> list[Any]:
    """A key as its file has it; members that came later follow in a map, where they say something."""
    later = {
        "retired_at": held.retired_at,
        "compromised_since": held.compromised_since,
        "is_prepared": held.is_prepared or None,
    }
    said = {name: value for name, value in later.items() if value is not None}
    return [held.purpose, held.key_id, held.seed, held.is_retired, *([said] if said else [])]


def save_keks(keks: KekSet, path: Path, *, secret: bytes) -> None:
    """The key-encryption keys in their file; the replaced file's blocks are overwritten."""
    _save("keks", keks.keks, path, secret)


def load_keks(path: Path, *, secret: bytes) -> KekSet:
    """The key-encryption keys in their file; raises KeyRingError."""
    content = _load("keks", path, secret)
    return KekSet(keks=tuple(tuple((generation, kek) for generation, kek in one) for one in content))


def save_seal_key(key: bytes, path: Path, *, fingerprint: bytes, secret: bytes) -> None:
    """The private key of an issuer's seal in its file, tied to the certificate's fingerprint."""
    _save("issuer seal", [fingerprint, key], path, secret)


def load_seal_key(path: Path, *, fingerprint: bytes, secret: bytes) -> bytes:
    """The private key of the seal with this fingerprint; raises KeyRingError."""
    content = _load("issuer seal", path, secret)
    if not isinstance(content, list) or len(content) != 2 or content[0] != fingerprint:
        raise KeyRingError(f"{path.name} holds the key of another seal")
    key: bytes = content[1]
    return key


def erase_private(path: Path) -> None:
    """The file is gone, its content overwritten first; nothing where there is none."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    _sync_folder(path.parent)


def write_private(data: bytes, path: Path, *, is_secret: bool = True) -> None:
    """`data` in a file of mode 0600, replaced in one step, synced; an old secret is overwritten.

    If we crash before the rename the old file stands; after it, the new one.
    """
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    old = os.open(path, os.O_WRONLY) if is_secret and path.exists() else None
    temporary.rename(path)
    _sync_folder(path.parent)
    if old is not None:
        with os.fdopen(old, "wb") as file:
            file.write(bytes(os.fstat(file.fileno()).st_size))
            file.flush()
            os.fsync(file.fileno())


def _save(kind: str, content: Any, path: Path, secret: bytes) -> None:
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(keys.NONCE_BYTES)
    ciphertext = keys.seal(
        _file_key(secret, kind, salt),
        nonce=nonce,
        plaintext=cbor.encode(content),
        context=_file_context(kind),
    )
    write_private(cbor.encode([_MAGIC, _FORMAT, kind, salt, nonce, ciphertext]), path)


def _load(kind: str, path: Path, secret: bytes) -> Any:
    data = read_private(path)
    try:
        magic, format_, said_kind, salt, nonce, ciphertext = cbor.decode_strictly(data)
        if (magic, format_, said_kind) != (_MAGIC, _FORMAT, kind):
            raise KeyRingError(f"{path.name} is not a file of kind {kind}")
        plaintext = keys.unseal(
            _file_key(secret, kind, salt), nonce=nonce, ciphertext=ciphertext, context=_file_context(kind)
        )
        return cbor.decode_strictly(plaintext)
    except (TypeError, ValueError) as error:
        raise KeyRingError(f"{path.name} is damaged or under another secret") from error


def read_private(path: Path) -> bytes:
    """The content of a file that only its owner may read; raises KeyRingError."""
    try:
        for _ in range(_READS_MAX):
            # Without waiting, as a pipe in the file's place would have us wait for ever.
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode):
                    raise KeyRingError(f"{path.name} is not a file")
                if stat.S_IMODE(found.st_mode) & 0o077:
                    raise KeyRingError(f"{path.name} is open to others: its mode must be 0600")
                data = file.read()
                # What was replaced meanwhile is overwritten, and may have been while we read it.
                if os.path.samestat(found, path.stat()):
                    return data
    except OSError as error:
        raise KeyRingError(f"{path.name} cannot be read") from error
    raise KeyRingError(f"{path.name} is replaced again and again")


def _file_key(secret: bytes, kind: str, salt: bytes) -> bytes:
    return keys.derive(secret, info=cbor.encode(["key file", kind, salt]))


def _file_context(kind: str) -> bytes:
    return cbor.encode([_MAGIC, _FORMAT, kind])


def _wrap_context(ledger_id: bytes, stream_id: bytes, number: int, generation: int) -> bytes:
    return cbor.encode(["wrap", ledger_id, stream_id, number, generation])


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
