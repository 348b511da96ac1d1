"""The vault: a ledger's secrets in use, from the folder `keys/` and the wraps beside the anchor.

Opens the key ring and the key-encryption keys, computes keyed lookups, makes and unwraps data keys.
Reloads itself when the database says that the ring has a newer version. Never logs or returns a
secret but to whom seals with it.
"""

from __future__ import annotations

import contextlib
import functools
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ledger import errors
from ledger.anchor import Anchor
from ledger.wraps import WrapFile
from signing import cbor, keyring, keys, seal

_ARRAY_OF_4 = b"\x84"
"""CBOR head of an array of four items (RFC 8949 §3)."""
_SMALL = 24
"""Lengths below it stand in an array's first byte."""
CACHED_KEYS_MAX = 50_000
CACHED_LOOKUPS_MAX = 20_000


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """A keyed lookup of a code, identifier or operator: under the active pepper first, then older ones."""

    kind: str
    digests: tuple[bytes, ...]
    pepper_id: int


class Vault:
    """The secrets of one ledger."""

    def __init__(self, data: Path, *, secret: bytes) -> None:
        self._keys = data / "keys"
        self._secret = secret
        self._guard = threading.Lock()
        self._data_keys: OrderedDict[tuple[bytes, int], seal.DataKey] = OrderedDict()
        self._lookups: dict[tuple[str, ...], Lookup] = {}
        self.cached_keys_max = CACHED_KEYS_MAX
        """Data keys at hand; who sees every holder once has no use for many."""
        self.anchor = Anchor(data / "anchor" / "anchor")
        self.wraps = WrapFile(data / "anchor" / "wraps")
        self.reload()

    @classmethod
    def create(cls, data: Path, ring: keyring.KeyRing, *, secret: bytes) -> Vault:
        """The vault of a new ledger; raises AlreadyExists when the folder holds one."""
        if (data / "keys" / "ring").exists():
            raise errors.AlreadyExists("this data directory holds a ledger")
        for name in ("keys", "anchor"):
            (data / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        keyring.save_ring(ring, data / "keys" / "ring", secret=secret)
        keyring.save_keks(keyring.KekSet.create(), data / "keys" / "keks", secret=secret)
        return cls(data, secret=secret)

    def reload(self) -> None:
        """Read the files again; data keys are forgotten, since a bucket may have been renewed."""
        # The ring first: whoever has its version has the buckets that were saved before it.
        ring = keyring.load_ring(self._keys / "ring", secret=self._secret)
        keks = keyring.load_keks(self._keys / "keks", secret=self._secret)
        with self._guard:
            known = getattr(self, "ring", None)
            if known is not None and ring.version < known.version:
                return  # another thread read a newer ring meanwhile
            self.suite = ring.suite
            self._head_key = keys.derive(ring.body_key, info=cbor.encode(["tree head"]))
            # Before the ring: whoever sees its version signs with no key that it has retired.
            self.log_key = ring.signing_key("log")
            self.token_key = ring.signing_key("token")
            self.compromised = ring.compromised()
            self.ring, self.keks = ring, keks
            self._data_keys.clear()
            self._lookups.clear()

    def refresh(self) -> None:
        """Read the files again when they hold a newer ring, also one that the database does not name yet."""
        # Where they cannot be read, the ring at hand is still the one that the database names.
        with contextlib.suppress(keyring.KeyRingError):
            if keyring.load_ring(self._keys / "ring", secret=self._secret).version > self.ring.version:
                self.reload()

    def require_version(self, version: int) -> bool:
        """Whether the ring had to be read again to have `version`; raises Unavailable when it has not.

        A ring that is newer stays: the batch that works with it makes its version everyone's.
        """
        if self.ring.version >= version:
            return False
        self.reload()
        if self.ring.version < version:
            raise errors.Unavailable("the key ring is older than the ledger's")
        return True

    def save_ring(self, ring: keyring.KeyRing) -> None:
        """`ring` from here on, for every process once the database says its version."""
        keyring.save_ring(ring, self._keys / "ring", secret=self._secret)
        self.reload()

    def save_keks(self, keks: keyring.KekSet) -> None:
        """`keks` from here on."""
        keyring.save_keks(keks, self._keys / "keks", secret=self._secret)
        self.reload()

    def save_seal_key(self, fingerprint: bytes, key: bytes) -> None:
        """The private key of an issuer's seal in `keys/seals/`, for every process of this ledger."""
        path = self._seal_path(fingerprint)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        keyring.save_seal_key(key, path, fingerprint=fingerprint, secret=self._secret)

    def seal_key(self, fingerprint: bytes) -> bytes | None:
        """The private key of an issuer's seal; None when it is not here; raises KeyRingError."""
        path = self._seal_path(fingerprint)
        if not path.exists():
            return None
        return keyring.load_seal_key(path, fingerprint=fingerprint, secret=self._secret)

    def drop_seal_key(self, fingerprint: bytes) -> None:
        """The private key of a seal that signs no more is destroyed."""
        keyring.erase_private(self._seal_path(fingerprint))

    def _seal_path(self, fingerprint: bytes) -> Path:
        return self._keys / "seals" / fingerprint.hex()

    def lookup(self, kind: str, *items: str) -> Lookup:
        """HMAC(pepper, kind ‖ items) under every pepper, the active one first."""
        known = self._lookups.get((kind, *items))
        if known is not None:
            return known
        message = cbor.encode_ordered([kind, *items])
        ring = self.ring
        peppers = ring.peppers[::-1]
        made = Lookup(
            kind=kind,
            digests=tuple(self.suite.mac(pepper, message) for _, pepper in peppers),
            pepper_id=peppers[0][0],
        )
        with self._guard:
            if len(self._lookups) >= CACHED_LOOKUPS_MAX:
                self._lookups.clear()
            if ring is self.ring:
                self._lookups[kind, *items] = made
        return made

    def body_digest(self, body: object, *, other: cbor.Other | None = None) -> bytes:
        """HMAC over a request's content, to tell repeats from other requests; `other` as in `cbor.encode`."""
        return self.suite.mac(self.ring.body_key, cbor.encode(body, other=other))

    def head_mac(self, *, generation: int, size: int, root: bytes, at: int) -> bytes:
        """HMAC over a tree head of this ledger: who has the database alone cannot make one."""
        return self.suite.mac(self._head_key, cbor.encode([self.ring.ledger_id, generation, size, root, at]))

    def seed(self, use: str) -> int:
        """A secret number of 64 bits with its sign, the same as long as the ledger lives."""
        derived = keys.derive(self.ring.body_key, info=cbor.encode(["seed", use]))
        return int.from_bytes(derived[:8], "big", signed=True)

    def new_data_key(self, owner: bytes, *, secret: bytes | None = None) -> seal.DataKey:
        """A fresh data key for the stream `owner`, of random bytes that the caller drew, or drawn here."""
        secret = secret or secrets.token_bytes(keys.SYMMETRIC_KEY_BYTES)
        assert len(secret) == keys.SYMMETRIC_KEY_BYTES, "a key has its length"
        return seal.DataKey(owner=owner, number=0, secret=secret)

    def wrap(self, key: seal.DataKey) -> keyring.WrappedKey:
        """`key` under its bucket's key."""
        return self.keks.wrap(key, ledger_id=self.ring.ledger_id)

    def cached(self, owner: bytes, number: int = 0) -> seal.DataKey | None:
        """The data key when it was unwrapped before."""
        return self._data_keys.get((owner, number))

    def unwrap(self, wraps: Iterable[keyring.WrappedKey]) -> dict[bytes, seal.DataKey]:
        """The data keys in `wraps` by stream, remembered; one that its bucket no longer opens is left out."""
        opened = {}
        for wrap in wraps:
            if wrap.generation > self.keks.keks[wrap.bucket][-1][0]:
                self.reload()  # another process renewed the bucket
            try:
                key = self.keks.unwrap(wrap, ledger_id=self.ring.ledger_id)
            except keys.SealBroken:
                continue
            self.remember(key)
            opened[key.owner] = key
        return opened

    def remember(self, key: seal.DataKey) -> None:
        """Keep `key` at hand."""
        with self._guard:
            self._data_keys[key.owner, key.number] = key
            while len(self._data_keys) > self.cached_keys_max:
                self._data_keys.popitem(last=False)

    def forget(self, owner: bytes) -> None:
        """Drop the data keys of an erased stream from memory."""
        with self._guard:
            for known in [key for key in self._data_keys if key[0] == owner]:
                del self._data_keys[known]

    def seal_entry(
        self, key: seal.DataKey, *, kind: str, content: object, nonce: bytes | None = None
    ) -> bytes:
        """A directory row's content, sealed under its stream's data key: nonce ‖ ciphertext.

        The nonce is random, drawn by the caller for many at once or here, and never used twice.
        """
        nonce = nonce or secrets.token_bytes(keys.NONCE_BYTES)
        return nonce + keys.seal(
            key.expander.expand(_entry_info(kind)),
            nonce=nonce,
            plaintext=_entry_content(content),
            context=self._entry_context(key.owner, kind),
        )

    def unseal_entry(self, key: seal.DataKey, *, kind: str, sealed: bytes) -> object:
        """The content of a directory row; raises keys.SealBroken."""
        plaintext = keys.unseal(
            key.expander.expand(_entry_info(kind)),
            nonce=sealed[: keys.NONCE_BYTES],
            ciphertext=sealed[keys.NONCE_BYTES :],
            context=self._entry_context(key.owner, kind),
        )
        return cbor.decode_strictly(plaintext)

    def _entry_context(self, owner: bytes, kind: str) -> bytes:
        # ["directory", ledger, stream, kind], put together by hand: a batch of licenses writes many.
        return b"".join(
            (
                _ARRAY_OF_4,
                cbor.name("directory"),
                cbor.blob(self.ring.ledger_id),
                cbor.blob(owner),
                cbor.name(kind),
            )
        )


@functools.lru_cache(maxsize=64)
def _entry_info(kind: str) -> bytes:
    """What the key of a directory row of a kind is derived with."""
    return cbor.encode(["directory", kind])


def _entry_content(content: object) -> bytes:
    """The encoding of a row's content, put together by hand where it is a few texts, as it mostly is."""
    if type(content) is list and len(content) < _SMALL and all(type(item) is str for item in content):
        return bytes((0x80 + len(content),)) + b"".join(map(cbor.text, content))
    return cbor.encode(content)
