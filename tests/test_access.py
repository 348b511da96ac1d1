"""Access tokens: what is issued is read back, each rule broken once refuses, and the cache forgets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwk, jws

from api import access, compact
from ledger import errors
from signing import ids, keys

NOW = 1_800_000_000
CLIENT = bytes(range(16))
ISSUER, AUDIENCE = "https://ledger.example.org", "https://ledger.example.org/v1"
KEY = keys.SigningKey(b"\x01" * 32)
OLD_KEY = keys.SigningKey(b"\x02" * 32)


def make_tokens(key: keys.SigningKey = KEY, key_id: str = "new", **changes: Any) -> access.AccessTokens:
    said = {"issuer": ISSUER, "audience": AUDIENCE, **changes}
    return access.AccessTokens(key, key_id=key_id, **said)


def issue(tokens: access.AccessTokens, now: int = NOW) -> str:
    return tokens.issue(
        client_id=CLIENT, organization="91350100M000100Y43", scopes={"use", "audit"}, generation=3, now=now
    )


def forged(header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None) -> str:
    text = ids.text(CLIENT)
    full = {"iss": ISSUER, "aud": AUDIENCE, "sub": text, "client_id": text, "iat": NOW, "exp": NOW + 300}
    full |= {"jti": "x", "scope": "use", "organization": "91350100M000100Y43", "generation": 3}
    signed = compact.signing_input(
        {"alg": "Ed25519", "typ": "at+jwt", "kid": "new", **(header or {})}, {**full, **(claims or {})}
    )
    return (signed + b"." + compact.encode(KEY.sign(signed))).decode()


def refused(token: str, now: int = NOW, tokens: access.AccessTokens | None = None) -> str:
    with pytest.raises(errors.Unauthenticated) as caught:
        (tokens or make_tokens()).verify(token, now=now)
    assert caught.value.detail == access.REASONS[caught.value.extra["reason"]]
    return str(caught.value.extra["reason"])


def test_a_token_says_what_was_issued() -> None:
    tokens = make_tokens()
    expected = access.Access(
        client_id=CLIENT,
        organization="91350100M000100Y43",
        scopes=frozenset({"use", "audit"}),
        generation=3,
        expires_at=NOW + 300,
        key_id="new",
    )
    token = issue(tokens)
    assert tokens.verify(token, now=NOW) == expected
    assert make_tokens().verify(token, now=NOW + 299) == expected


def test_another_library_verifies_a_token() -> None:
    key = jwk.import_key({"kty": "OKP", "crv": "Ed25519", "x": compact.encode(KEY.public).decode()})
    read = jws.deserialize_compact(issue(make_tokens()), key, algorithms=["Ed25519"])
    assert read.headers() == {"alg": "Ed25519", "typ": "at+jwt", "kid": "new"}


def test_two_tokens_of_one_second_differ() -> None:
    tokens = make_tokens()
    assert issue(tokens) != issue(tokens)
    fixed = make_tokens(randomness=bytes)
    assert issue(fixed) == issue(fixed)


def retired(at: int = NOW) -> access.Retired:
    return access.Retired(public=OLD_KEY.public, at=at)


def test_a_token_of_a_retired_key_is_taken_until_it_ends() -> None:
    token = issue(make_tokens(OLD_KEY, "old"))
    after = make_tokens(retired={"old": retired()})
    assert after.verify(token, now=NOW + 299).key_id == "old"
    assert refused(token, now=NOW + 300, tokens=make_tokens(retired={"old": retired()})) == "expired"
    assert refused(token) == "unknown-key"


@pytest.mark.parametrize(
    ("issued", "life_s", "is_taken"),
    [
        (-300, 600, True),
        (0, 300, True),
        (6, 300, True),
        (7, 60, False),
        (0, 307, False),
        (-1000, 9_000, False),
    ],
)
def test_what_a_retired_key_signs_after_it_was_retired_is_refused(
    issued: int, life_s: int, is_taken: bool
) -> None:
    """Also when whoever has the key gives the token an early start and a long life."""
    token = issue(make_tokens(OLD_KEY, "old", life_s=life_s), now=NOW + issued)
    after = make_tokens(retired={"old": retired()})
    if is_taken:
        assert after.verify(token, now=NOW + max(issued, 0))
    else:
        assert refused(token, now=NOW + max(issued, 0), tokens=after) == "unknown-key"


def test_a_listed_key_never_replaces_the_present_one() -> None:
    token = issue(make_tokens(OLD_KEY, "new"))
    assert refused(token, tokens=make_tokens(retired={"new": retired()})) == "signature"


def test_keys_are_published_before_they_sign_and_until_their_last_token_has_ended() -> None:
    coming = keys.SigningKey(b"\x03" * 32).public
    tokens = make_tokens(retired={"old": retired()}, coming={"next": coming})
    assert tokens.publics(now=NOW) == {"new": KEY.public, "next": coming, "old": OLD_KEY.public}
    assert "old" in tokens.publics(now=NOW + 306)
    assert "old" not in tokens.publics(now=NOW + 307)
    assert tokens.accepts("old")
    assert not any(tokens.accepts(key_id) for key_id in ("next", "else", None))
    assert refused(issue(make_tokens(OLD_KEY, "next")), tokens=tokens) == "unknown-key"


@pytest.mark.parametrize("cached", [False, True])
def test_a_token_ends(cached: bool) -> None:
    tokens = make_tokens()
    token = issue(tokens)
    if cached:
        tokens.verify(token, now=NOW)
    assert refused(token, now=NOW + 300, tokens=tokens) == "expired"


@pytest.mark.parametrize(
    ("header", "claims", "reason"),
    [
        ({"alg": "none"}, {}, "malformed"),
        ({"alg": "HS256"}, {}, "malformed"),
        ({"alg": "EdDSA"}, {}, "malformed"),
        ({"typ": "JWT"}, {}, "malformed"),
        ({"crit": ["x"]}, {}, "malformed"),
        ({"kid": "old"}, {}, "unknown-key"),
        ({"kid": ["new"]}, {}, "unknown-key"),
        ({}, {"iss": "https://other.example.org"}, "foreign"),
        ({}, {"aud": "https://other.example.org"}, "foreign"),
        ({}, {"aud": [AUDIENCE]}, "foreign"),
        ({}, {"exp": NOW}, "expired"),
        ({}, {"exp": "never"}, "malformed"),
        ({}, {"exp": True}, "malformed"),
        ({}, {"iat": NOW + 6}, "not-yet"),
        ({}, {"iat": None}, "malformed"),
        ({}, {"sub": ids.text(bytes(16))}, "malformed"),
        ({}, {"client_id": "x", "sub": "x"}, "malformed"),
        ({}, {"scope": ["use"]}, "malformed"),
        ({}, {"organization": None}, "malformed"),
        ({}, {"generation": 1.5}, "malformed"),
    ],
)
def test_a_token_that_breaks_a_rule_is_refused(
    header: dict[str, Any], claims: dict[str, Any], reason: str
) -> None:
    assert refused(forged(header, claims)) == reason


def test_a_token_with_no_rule_broken_is_accepted() -> None:
    assert make_tokens().verify(forged(), now=NOW).scopes == {"use"}


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "..", "\ud800", "证.证.证", forged() + "=", "x" * 5_000])
def test_what_is_no_token_is_refused(token: str) -> None:
    assert refused(token) == "malformed"


@given(st.integers(0, len(forged()) - 1), st.characters(codec="ascii"))
def test_no_changed_character_passes(place: int, other: str) -> None:
    good = forged()
    if good[place] != other:
        refused(good[:place] + other + good[place + 1 :])


def test_the_cache_is_bounded_and_gives_way_to_what_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_CACHED_MAX", 2)
    verified: list[bytes] = []
    real = keys.verify

    def count(public: bytes, **said: bytes) -> None:
        verified.append(said["message"])
        real(public, **said)

    monkeypatch.setattr(keys, "verify", count)
    tokens = make_tokens()
    first, second, third = (issue(tokens) for _ in range(3))
    for token in (first, first, second, first, third, first, second):
        tokens.verify(token, now=NOW)
    assert len(verified) == 4


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic eDp5", "xBearer y"])
def test_a_header_without_a_token_says_so(header: str | None) -> None:
    with pytest.raises(errors.Unauthenticated) as caught:
        access.bearer(header)
    assert caught.value.extra["reason"] == "missing"


def test_the_scheme_is_read_in_any_case() -> None:
    assert access.bearer("bearer a.b.c") == access.bearer("Bearer a.b.c") == "a.b.c"
