"""Primitives: each held against another implementation or a published vector."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from signing import keys


def test_derivation_is_hkdf_as_the_library_has_it() -> None:
    for length in (0, 1, 40, 200):
        key, info = os.urandom(32), os.urandom(length)
        expected = HKDF(algorithm=hashes.SHA256(), length=32, salt=b"", info=info).derive(key)
        assert keys.derive(key, info=info) == expected
        assert keys.Expander(keys.extract(key)).expand(info) == expected


def test_extraction_matches_test_case_3_of_rfc_5869() -> None:
    assert keys.extract(bytes([0x0B]) * 22).hex() == (
        "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04"
    )


def test_signatures_are_deterministic_and_refuse_another_message() -> None:
    key = keys.SigningKey(keys.generate_signing_key())
    signature = key.sign(b"message")
    assert signature == key.sign(b"message")
    keys.verify(key.public, signature=signature, message=b"message")
    with pytest.raises(keys.SignatureInvalid):
        keys.verify(key.public, signature=signature, message=b"messagf")


def test_signatures_match_test_1_of_rfc_8032() -> None:
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    key = keys.SigningKey(seed)
    assert key.public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert key.sign(b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b"
    )


def test_sealed_bytes_open_only_with_their_key_nonce_and_context() -> None:
    key, nonce = os.urandom(32), os.urandom(12)
    sealed = keys.seal(key, nonce=nonce, plaintext=b"value", context=b"place")
    assert keys.unseal(key, nonce=nonce, ciphertext=sealed, context=b"place") == b"value"
    for changed in (
        {"key": os.urandom(32)},
        {"nonce": os.urandom(12)},
        {"ciphertext": sealed[:-1] + bytes([sealed[-1] ^ 1])},
        {"context": b"elsewhere"},
    ):
        arguments = {"key": key, "nonce": nonce, "ciphertext": sealed, "context": b"place"} | changed
        with pytest.raises(keys.SealBroken):
            keys.unseal(
                arguments["key"],
                nonce=arguments["nonce"],
                ciphertext=arguments["ciphertext"],
                context=arguments["context"],
            )
