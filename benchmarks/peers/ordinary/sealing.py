"""AES-GCM for what is stored: the library's cipher, and the sealing of licenses, on `cryptography`.

The library's own cipher rests on pycryptodome, which takes several times as long.
"""

from __future__ import annotations

import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from eventsourcing.persistence import Cipher
from eventsourcing.utils import Environment

NONCE_BYTES = 12


class Seal:
    """Seals bytes under one key."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def seal(self, plaintext: bytes) -> bytes:
        """Nonce and ciphertext."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plaintext, None)

    def unseal(self, sealed: bytes) -> bytes:
        """The plaintext."""
        return self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)


class EventCipher(Cipher):
    """Every stored event is encrypted, as the library's documentation shows."""

    def __init__(self, environment: Environment) -> None:
        key = environment.get("CIPHER_KEY")
        assert key, "CIPHER_KEY names the key"
        self._seal = Seal(bytes.fromhex(key))

    def encrypt(self, plaintext: bytes) -> bytes:
        return self._seal.seal(plaintext)

    def decrypt(self, ciphertext: bytes) -> bytes:
        return self._seal.unseal(ciphertext)
