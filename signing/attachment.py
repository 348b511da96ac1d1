"""Attachments: the bytes of a photo, drawing or scan, sealed under a key of their own.

Sealed bytes are nonce and AES-256-GCM ciphertext, one after the other, bound to the ledger; their digest is
their name (`docs/formats/attachment.md`). A key seals one attachment and no other. Where the key stands, and
who may open it, is not known here.
"""

from __future__ import annotations

from signing import cbor, keys, suites

FORMAT = 1
KEY_BYTES = keys.SYMMETRIC_KEY_BYTES


class AttachmentInvalid(ValueError):
    """Sealed bytes that do not open, or are not those that were named."""


def seal(
    data: bytes, *, key: bytes, nonce: bytes, ledger_id: bytes, suite: suites.Suite = suites.INTL
) -> bytes:
    """The sealed bytes of `data`."""
    assert len(nonce) == suite.nonce_bytes, "a nonce has the suite's length"
    return nonce + keys.seal(key, nonce=nonce, plaintext=data, context=_context(ledger_id, suite))


def name(sealed: bytes, *, suite: suites.Suite = suites.INTL) -> bytes:
    """The digest by which sealed bytes are named."""
    return suite.digest(sealed)


def unseal(
    sealed: bytes, *, key: bytes, named: bytes, ledger_id: bytes, suite: suites.Suite = suites.INTL
) -> bytes:
    """The data in sealed bytes of a name; raises AttachmentInvalid."""
    if name(sealed, suite=suite) != named:
        raise AttachmentInvalid("the sealed bytes are not those that were named")
    nonce, ciphertext = sealed[: suite.nonce_bytes], sealed[suite.nonce_bytes :]
    try:
        return keys.unseal(key, nonce=nonce, ciphertext=ciphertext, context=_context(ledger_id, suite))
    except keys.SealBroken as error:
        raise AttachmentInvalid("the sealed bytes do not open under this key") from error


def _context(ledger_id: bytes, suite: suites.Suite) -> bytes:
    """What is bound: "attachment" ‖ format ‖ suite ‖ ledger id."""
    return cbor.encode(["attachment", FORMAT, suite.name, ledger_id])
