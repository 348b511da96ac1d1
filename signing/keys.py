"""Keys and what is done with them: sign, verify, seal, open, derive; the only door to `cryptography`.

Keys, nonces and messages are arguments and bytes; nothing is generated, stored or read here except
by `generate_signing_key`. Verification and opening succeed silently or raise. Which algorithm serves
is the suite's choice (`suites.py`); this module has the primitives of suite `intl`.
"""

from __future__ import annotations

import functools
import hashlib
import hmac

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

SYMMETRIC_KEY_BYTES = 32
NONCE_BYTES = 12
_BLOCK_BYTES = 64
"""SHA-256's block, to which HMAC pads its key."""
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))
"""Every byte as HMAC's two pads make it (RFC 2104 §2)."""


class SignatureInvalid(ValueError):
    """A signature that the named key did not make over this message."""


class SealBroken(ValueError):
    """Sealed bytes that this key and this context do not open."""


class SigningKey:
    """An Ed25519 private key, parsed once; RFC 8032 signatures are deterministic."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._key.public_key().public_bytes_raw()
        """The 32 bytes of the public key."""

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature over `message`."""
        return self._key.sign(message)


def generate_signing_key() -> bytes:
    """The 32-byte seed of a new Ed25519 key, from the operating system's randomness."""
    return Ed25519PrivateKey.generate().private_bytes_raw()


def verify(public: bytes, *, signature: bytes, message: bytes) -> None:
    """Nothing when `public` signed `message`; raises SignatureInvalid otherwise (RFC 8032 §5.1.7)."""
    try:
        _public_key(public).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise SignatureInvalid("the signature does not match") from error


@functools.lru_cache(maxsize=64)
def _public_key(public: bytes) -> Ed25519PublicKey:
    """The key, parsed once while it is asked again and again; raises ValueError."""
    return Ed25519PublicKey.from_public_bytes(public)


def seal(key: bytes, *, nonce: bytes, plaintext: bytes, context: bytes) -> bytes:
    """AES-256-GCM ciphertext with its 16-byte tag (NIST SP 800-38D); `context` is bound, not stored."""
    return AESGCM(key).encrypt(nonce, plaintext, context)


def unseal(key: bytes, *, nonce: bytes, ciphertext: bytes, context: bytes) -> bytes:
    """The plaintext of `seal`; raises SealBroken when key, nonce, context or a byte differs."""
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, context)
    except (InvalidTag, ValueError) as error:
        raise SealBroken("the sealed bytes do not open") from error


def extract(key: bytes) -> bytes:
    """The pseudo-random key of HKDF-SHA-256 with empty salt (RFC 5869 §2.2)."""
    return hmac.digest(bytes(hashlib.sha256().digest_size), key, "sha256")


class Mac:
    """HMAC-SHA-256 under one key (RFC 2104), whose pads are hashed once and copied for every message.

    The library's own call gives up the interpreter's lock for every message, however short; a thread that
    wants it back then waits behind one that computes.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) > _BLOCK_BYTES:
            key = hashlib.sha256(key).digest()
        padded = key.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(padded.translate(_INNER))
        self._outer = hashlib.sha256(padded.translate(_OUTER))

    def over(self, message: bytes) -> bytes:
        """The 32 bytes over `message`."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


@functools.lru_cache(maxsize=8)
def _mac(key: bytes) -> Mac:
    return Mac(key)


def mac(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA-256 of `message` (RFC 2104); the keys used last are set up already."""
    return _mac(key).over(message)


class Expander(Mac):
    """HKDF's second step under one extracted key (RFC 5869 §2.3)."""

    def expand(self, info: bytes) -> bytes:
        """A 32-byte key: the one block of HKDF-SHA-256 for `info`."""
        return self.over(info + b"\x01")


def derive(key: bytes, *, info: bytes) -> bytes:
    """A 32-byte key: HKDF-SHA-256 with empty salt (RFC 5869)."""
    return Expander(extract(key)).expand(info)


def stretch(passphrase: bytes, *, salt: bytes) -> bytes:
    """A 32-byte key from a passphrase: scrypt with N = 2^15, r = 8, p = 1 (RFC 7914); about 80 ms."""
    return Scrypt(salt=salt, length=SYMMETRIC_KEY_BYTES, n=2**15, r=8, p=1).derive(passphrase)
