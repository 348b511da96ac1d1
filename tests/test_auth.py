"""Client assertions and access tokens: the good ones pass, each rule broken once refuses."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from api import auth, compact
from ledger import errors
from signing import ids, keys

NOW = 1_800_000_000
CLIENT = ids.text(bytes(range(16)))
OTHER = ids.text(bytes(16))
AUDIENCE = "https://ledger.example.org/oauth/token"


def key_pair(algorithm: str, number: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    return generated(algorithm, number)


@cache
def generated(algorithm: str, _: int) -> tuple[dict[str, Any], dict[str, Any]]:
    return auth.generate_client_key(algorithm)


def registered(algorithm: str = "Ed25519", *numbers: int) -> auth.ClientKeys:
    publics = tuple(key_pair(algorithm, number)[1] for number in numbers or (0,))
    return auth.ClientKeys(client_id=CLIENT, algorithm=algorithm, keys=publics)


def assertion(algorithm: str = "Ed25519", **changes: Any) -> str:
    private, _ = key_pair(algorithm, changes.pop("number", 0))
    said = {"client_id": CLIENT, "audience": AUDIENCE, "now": NOW, **changes}
    return auth.make_assertion(private, algorithm=algorithm, **said)


def forged(
    header: dict[str, Any] | None = None,
    claims: dict[str, Any] | None = None,
    *,
    sign: Callable[[bytes], bytes] | None = None,
    drop: str = "",
) -> str:
    """An assertion with changed members, signed by the registered key unless `sign` does."""
    private, public = key_pair("Ed25519")
    seed = base64.urlsafe_b64decode(private["d"] + "=")
    full_header = {"alg": "Ed25519", "kid": public["kid"], **(header or {})}
    full = {"iss": CLIENT, "sub": CLIENT, "aud": AUDIENCE, "iat": NOW, "exp": NOW + 60, "jti": "j" * 16}
    full |= claims or {}
    full.pop(drop, None)
    signed = compact.signing_input(full_header, full)
    return (signed + b"." + compact.encode((sign or keys.SigningKey(seed).sign)(signed))).decode()


def verify(text: str, client: auth.ClientKeys | None = None, now: int = NOW) -> str:
    return auth.verify_assertion(text, client=client or registered(), audience=AUDIENCE, now=now)


def refused(text: str, client: auth.ClientKeys | None = None, now: int = NOW) -> str:
    """The reason why `text` is refused; the refusal repeats nothing of it."""
    with pytest.raises(errors.ClientAssertionInvalid) as caught:
        verify(text, client, now)
    assert caught.value.detail == auth.REASONS[caught.value.extra["reason"]]
    assert caught.value.extra["error"] == "invalid_client"
    return str(caught.value.extra["reason"])


# --- assertions ---


@pytest.mark.parametrize("algorithm", auth.ALGORITHMS)
def test_an_assertion_of_each_algorithm_is_accepted(algorithm: str) -> None:
    text = assertion(algorithm, jti="a-jti-of-16-chars")
    assert verify(text, registered(algorithm)) == "a-jti-of-16-chars"
    assert auth.peek_client_id(text) == CLIENT


def test_a_forged_assertion_without_changes_is_good() -> None:
    assert verify(forged()) == "j" * 16


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": OTHER}, "client"),
        ({"sub": OTHER}, "client"),
        ({"iss": OTHER, "sub": OTHER}, "client"),
        ({"iss": [CLIENT]}, "client"),
        ({"aud": "https://ledger.example.org/oauth/token/"}, "audience"),
        ({"aud": "https://ledger.example.org"}, "audience"),
        ({"aud": [AUDIENCE, "https://other.example.org"]}, "audience"),
        ({"aud": []}, "audience"),
        ({"aud": {AUDIENCE: 1}}, "audience"),
        ({"exp": NOW + 61}, "life"),
        ({"exp": NOW}, "life"),
        ({"iat": NOW - 60, "exp": NOW - 1}, "expired"),
        ({"iat": NOW - 60, "exp": NOW}, "expired"),
        ({"iat": NOW + 6, "exp": NOW + 20}, "not-yet"),
        ({"nbf": NOW + 6}, "not-yet"),
        ({"exp": NOW + 30.5}, "time"),
        ({"exp": str(NOW + 30)}, "time"),
        ({"iat": True}, "time"),
        ({"nbf": "soon"}, "time"),
        ({"exp": 10**30}, "time"),
        ({"jti": "j" * 15}, "jti"),
        ({"jti": "j" * 129}, "jti"),
        ({"jti": "j" * 15 + " "}, "jti"),
        ({"jti": "证" * 16}, "jti"),
        ({"jti": 10**17}, "jti"),
    ],
)
def test_a_claim_that_breaks_a_rule_is_refused(claims: dict[str, Any], reason: str) -> None:
    assert refused(forged(claims=claims)) == reason


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("iss", "client"),
        ("sub", "client"),
        ("aud", "audience"),
        ("exp", "time"),
        ("iat", "time"),
        ("jti", "jti"),
    ],
)
def test_a_missing_claim_is_refused(name: str, reason: str) -> None:
    assert refused(forged(drop=name)) == reason


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": [AUDIENCE]},
        {"iat": NOW + 5, "exp": NOW + 65},
        {"nbf": NOW + 5},
        {"jti": "!~" * 64},
        {"extra": {"a": 1}},
    ],
)
def test_a_claim_at_its_limit_is_accepted(claims: dict[str, Any]) -> None:
    assert verify(forged(claims=claims))


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"alg": "none"}, "algorithm"),
        ({"alg": "EdDSA"}, "algorithm"),
        ({"alg": "ed25519"}, "algorithm"),
        ({"alg": "HS256"}, "algorithm"),
        ({"alg": "ES256"}, "algorithm"),
        ({"alg": ["Ed25519"]}, "algorithm"),
        ({"alg": None}, "algorithm"),
        ({"crit": ["exp"]}, "critical"),
        ({"crit": []}, "critical"),
        ({"crit": ["b64"], "b64": False}, "critical"),
        ({"b64": True}, "critical"),
        ({"kid": "unknown"}, "unknown-key"),
        ({"kid": 7}, "unknown-key"),
        ({"typ": 7}, "signature"),
    ],
)
def test_a_header_that_breaks_a_rule_is_refused(header: dict[str, Any], reason: str) -> None:
    assert refused(forged(header)) == reason


def test_members_of_a_header_that_mean_nothing_are_ignored() -> None:
    assert verify(forged({"typ": "client-authentication+jwt", "x-vendor": 1, "cty": "x"}))


def test_an_unsigned_assertion_is_refused() -> None:
    assert refused(forged({"alg": "none"}, sign=lambda _: b"")) == "algorithm"
    assert refused(forged(sign=lambda _: b"")) == "signature"


def test_hs256_with_the_public_key_as_secret_is_refused() -> None:
    _, public = key_pair("Ed25519")
    for secret in (base64.urlsafe_b64decode(public["x"] + "="), json.dumps(public).encode()):
        mac: Callable[[bytes], bytes] = lambda message, key=secret: hmac.digest(key, message, "sha256")  # noqa: E731
        assert refused(forged({"alg": "HS256"}, sign=mac)) == "algorithm"
        assert refused(forged(sign=mac)) == "signature"


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "EdDSA"])
def test_another_algorithm_than_the_registered_is_refused(algorithm: str) -> None:
    text = assertion(algorithm)
    assert refused(text) == "algorithm"
    mixed = dataclasses.replace(registered(), keys=registered(algorithm).keys)
    assert refused(text, mixed) == "algorithm"


def test_a_registered_key_of_another_type_verifies_nothing() -> None:
    crossed = dataclasses.replace(registered(), algorithm="ES256")
    assert refused(forged({"alg": "ES256"}), crossed) == "signature"


def test_a_key_in_the_header_is_not_believed() -> None:
    seed = keys.generate_signing_key()
    own = keys.SigningKey(seed)
    brought = {"kty": "OKP", "crv": "Ed25519", "x": compact.encode(own.public).decode()}
    assert refused(forged({"jwk": brought}, sign=own.sign)) == "signature"
    assert verify(forged({"jwk": brought}))


def test_the_kid_chooses_and_without_it_every_key_is_tried() -> None:
    both = registered("Ed25519", 0, 1)
    assert verify(assertion(number=1), both)
    without_kid = forged({"kid": key_pair("Ed25519", 1)[1]["kid"]})
    assert refused(without_kid, both) == "signature"
    private = {name: value for name, value in key_pair("Ed25519", 1)[0].items() if name != "kid"}
    text = auth.make_assertion(private, algorithm="Ed25519", client_id=CLIENT, audience=AUDIENCE, now=NOW)
    assert verify(text, both)
    assert refused(text, registered("Ed25519", 0)) == "signature"


def twice(text: str) -> str:
    """The assertion with a second `sub` in its claims."""
    header, _, signature = text.split(".")
    claims = json.dumps({"sub": OTHER}).encode()[:-1] + b"," + json.dumps({"sub": CLIENT}).encode()[1:]
    return f"{header}.{compact.encode(claims).decode()}.{signature}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b",
        "..",
        "证.证.证",
        forged() + ".x",
        forged() + "=",
        forged()[:-1] + "B" if forged()[-1] == "A" else forged()[:-1] + "/",
        forged().replace(".", ".."),
        " " + forged(),
        twice(forged()),
        compact.encode(b"[]").decode() + "." + forged().split(".", 1)[1],
        compact.encode(b"[" * 400).decode() + "." + forged().split(".", 1)[1],
        forged(claims={"padding": "x" * 8_192}),
    ],
)
def test_what_is_not_one_strict_compact_jws_is_refused(text: str) -> None:
    assert refused(text) == "malformed"
    with pytest.raises(errors.ClientAssertionInvalid):
        auth.peek_client_id(text)


@pytest.mark.parametrize("subject", [None, 7, "x", CLIENT.upper(), CLIENT + "x"])
def test_a_subject_that_is_no_client_id_is_not_looked_up(subject: Any) -> None:
    with pytest.raises(errors.ClientAssertionInvalid):
        auth.peek_client_id(forged(claims={"sub": subject}))


@given(st.integers(0, len(forged()) - 1), st.characters(codec="ascii", categories=("L", "N", "P")))
def test_no_changed_character_passes(place: int, other: str) -> None:
    good = forged()
    if good[place] == other:
        return
    refused(good[:place] + other + good[place + 1 :])


# --- replay ---


class Spent:
    """What a store in a database does."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, bytes], int] = {}

    def spend(self, client_id: str, jti_digest: bytes, expires_at: int) -> bool:
        return self.rows.setdefault((client_id, jti_digest), expires_at) is expires_at


def test_an_assertion_serves_once() -> None:
    store, text = Spent(), assertion()
    auth.spend(store, client_id=CLIENT, jti=verify(text), now=NOW)
    with pytest.raises(errors.ClientAssertionInvalid) as caught:
        auth.spend(store, client_id=CLIENT, jti=verify(text), now=NOW)
    assert caught.value.extra["reason"] == "replayed"
    auth.spend(store, client_id=OTHER, jti=verify(text), now=NOW)


def test_a_spent_assertion_is_remembered_until_none_such_is_accepted() -> None:
    store, text = Spent(), forged(claims={"iat": NOW + 5, "exp": NOW + 65})
    auth.spend(store, client_id=CLIENT, jti=verify(text), now=NOW)
    [expires_at] = store.rows.values()
    assert refused(text, now=expires_at) == "expired"
    assert set(store.rows) == {(CLIENT, hashlib.sha256(b"j" * 16).digest())}


# --- keys of clients ---


def pem(key: Any) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("algorithm", auth.ALGORITHMS)
def test_a_generated_public_key_registers_as_itself(algorithm: str) -> None:
    private, public = key_pair(algorithm)
    assert auth.public_jwk(json.dumps(public).encode(), algorithm=algorithm) == public
    assert not {"d", "p", "q"} & public.keys()
    assert "d" in private
    with pytest.raises(errors.Invalid):
        auth.public_jwk(json.dumps(private).encode(), algorithm=algorithm)


def test_pem_registers_and_verifies() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = auth.public_jwk(pem(key.public_key()), algorithm="ES256")
    assert (public["kty"], public["crv"], public["alg"]) == ("EC", "P-256", "ES256")
    assert len(public["kid"]) == 43


def test_a_jwk_is_reduced_to_its_public_members_and_keeps_its_kid() -> None:
    _, public = key_pair("Ed25519")
    said = {**public, "kid": "mine", "alg": "whatever", "key_ops": ["sign"], "note": "x"}
    kept = auth.public_jwk(json.dumps(said).encode(), algorithm="Ed25519")
    assert kept == {**public, "kid": "mine"}


def private_pem(key: Any) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


ED25519 = ed25519.Ed25519PrivateKey.generate()
UNFIT = [
    ("Ed25519", lambda: private_pem(ED25519)),
    ("Ed25519", lambda: pem(ED25519.public_key()) + private_pem(ED25519)),
    ("Ed25519", lambda: pem(ed448.Ed448PrivateKey.generate().public_key())),
    ("EdDSA", lambda: pem(ed448.Ed448PrivateKey.generate().public_key())),
    ("ES256", lambda: pem(ED25519.public_key())),
    ("ES256", lambda: pem(ec.generate_private_key(ec.SECP384R1()).public_key())),
    ("ES256", lambda: json.dumps({**key_pair("ES256")[1], "y": key_pair("ES256")[1]["x"]}).encode()),
    ("PS256", lambda: pem(rsa.generate_private_key(65537, 2048).public_key())),
    ("Ed25519", lambda: json.dumps(key_pair("ES256")[1]).encode()),
    ("Ed25519", lambda: json.dumps({"kty": "oct", "k": "AAAA"}).encode()),
    ("Ed25519", lambda: json.dumps({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}).encode()),
    ("Ed25519", lambda: json.dumps({"kty": "OKP", "crv": "Ed25519"}).encode()),
    ("Ed25519", lambda: json.dumps({"kty": "OKP", "crv": "Ed25519", "x": 7}).encode()),
    ("Ed25519", lambda: b"[]"),
    ("Ed25519", lambda: b"ssh-ed25519 AAAA"),
    ("Ed25519", lambda: b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"),
    ("HS256", lambda: b"{}"),
    ("none", lambda: b"{}"),
]


@pytest.mark.parametrize(("algorithm", "make"), UNFIT)
def test_an_unfit_key_is_not_registered(algorithm: str, make: Callable[[], bytes]) -> None:
    with pytest.raises(errors.Invalid) as caught:
        auth.public_jwk(make(), algorithm=algorithm)
    assert caught.value.field in {"jwk", "algorithm"}
    assert "PRIVATE" not in caught.value.detail
