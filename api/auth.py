"""Who asks: client assertions by private_key_jwt (RFC 7523 §3, RFC 7521), and access tokens.

Gives `verify_assertion`, `spend` against replay, the making and reading of client keys, and
`make_assertion` for clients; `AccessTokens` comes from `api/access.py`. The only door to joserfc. What
an assertion's header says never chooses the algorithm nor brings a key: both come from the registration.
No refusal repeats a value, but says a `reason` that a program can read.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import joserfc.errors
from joserfc import jwk, jws

from api import compact, edge
from api.access import Access, AccessTokens, bearer
from ledger import errors
from signing import ids

__all__ = [
    "ALGORITHMS",
    "Access",
    "AccessTokens",
    "ClientKeys",
    "JtiStore",
    "bearer",
    "generate_client_key",
    "make_assertion",
    "peek_client_id",
    "public_jwk",
    "spend",
    "verify_assertion",
]

ALGORITHMS = {
    "Ed25519": ("OKP", "Ed25519"),
    "EdDSA": ("OKP", "Ed25519"),
    "ES256": ("EC", "P-256"),
    "PS256": ("RSA", None),
}
"""Algorithm of a registration to key type and curve. `EdDSA` is what older libraries call Ed25519."""

LIFE_S_MAX = 60
LEEWAY_S = 5
"""How far a client's clock may be ahead."""
RSA_BITS_MIN = 3_072
_ASSERTION_CHARS_MAX = 8_192
_JTI_CHARS = range(16, 129)
_PUBLIC_MEMBERS = {"OKP": ("crv", "x"), "EC": ("crv", "x", "y"), "RSA": ("n", "e")}
_SECRET_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

REASONS = {
    "malformed": "The assertion is not a compact JWS of strict JSON within 8,192 characters",
    "critical": "The assertion's header has a member that must be understood and is not",
    "algorithm": "The assertion's alg is not the registered algorithm",
    "unknown-key": "The assertion's kid names no registered key",
    "signature": "The assertion's signature does not match a registered key",
    "client": "The assertion's iss and sub are not both the client_id",
    "audience": "The assertion's aud is not this token endpoint alone",
    "time": "The assertion lacks exp or iat, or a time in it is not in whole seconds",
    "life": "The assertion lives longer than 60 seconds, or not at all",
    "expired": "The assertion has expired",
    "not-yet": "The assertion is from the future",
    "jti": "The assertion's jti is not 16 to 128 visible ASCII characters",
    "replayed": "The assertion was used before",
}


@dataclass(frozen=True, kw_only=True)
class ClientKeys:
    """What is registered for a client."""

    client_id: str
    """26 characters, as `ids.text` writes it."""
    algorithm: str
    """One of ALGORITHMS."""
    keys: tuple[Mapping[str, Any], ...]
    """Public JWKs as `public_jwk` gives them."""


class JtiStore(Protocol):
    """Remembers which assertions were used, for all processes of a ledger."""

    def spend(self, client_id: str, jti_digest: bytes, expires_at: int) -> bool:
        """True the first time; MUST be remembered until `expires_at`, in seconds since 1970."""


# --- assertions, verified ---


def peek_client_id(assertion: str) -> str:
    """The `sub` of an assertion, NOT verified: good for finding the registration and nothing else."""
    subject = _read(assertion).claims.get("sub")
    try:
        return ids.text(ids.parse(subject if isinstance(subject, str) else ""))
    except ids.IdInvalid as error:
        raise refusal("client") from error


def verify_assertion(assertion: str, *, client: ClientKeys, audience: str, now: int) -> str:
    """The `jti` of a good assertion of `client`; raises errors.ClientAssertionInvalid.

    1. a compact JWS of strict JSON; 2. no critical extension; 3. the registered algorithm;
    4. the signature of a registered key; 5. `iss` and `sub` are the client; 6. `aud` is `audience`;
    7. the times; 8. the form of `jti`. Its single use is for `spend`.
    """
    parts = _read(assertion)  # 1
    if "crit" in parts.header or "b64" in parts.header:  # 2: none is understood here
        raise refusal("critical")
    if parts.header.get("alg") != client.algorithm:  # 3
        raise refusal("algorithm")
    _check_signature(assertion, client, parts.header)  # 4
    # From here the client wrote what we read.
    if (parts.claims.get("iss"), parts.claims.get("sub")) != (client.client_id, client.client_id):  # 5
        raise refusal("client")
    if parts.claims.get("aud") not in (audience, [audience]):  # 6
        raise refusal("audience")
    _check_times(parts.claims, now)  # 7
    return _jti(parts.claims)  # 8


def spend(store: JtiStore, *, client_id: str, jti: str, now: int) -> None:
    """Nothing the first time that `client_id` brings `jti`; raises errors.ClientAssertionInvalid."""
    # No assertion accepted at `now` lives beyond this.
    expires_at = now + LIFE_S_MAX + LEEWAY_S
    if not store.spend(client_id, hashlib.sha256(jti.encode()).digest(), expires_at):
        raise refusal("replayed")


def _read(assertion: str) -> compact.Compact:
    try:
        return compact.read(assertion, size_max=_ASSERTION_CHARS_MAX)
    except compact.CompactInvalid as error:
        raise refusal("malformed") from error


def _check_signature(assertion: str, client: ClientKeys, header: Mapping[str, Any]) -> None:
    candidates = client.keys
    if "kid" in header:
        candidates = tuple(key for key in client.keys if key.get("kid") == header["kid"])
        if not candidates:
            raise refusal("unknown-key")
    if not any(_is_signed_by(assertion, key, client.algorithm) for key in candidates):
        raise refusal("signature")


def _is_signed_by(assertion: str, key: Mapping[str, Any], algorithm: str) -> bool:
    try:
        jws.deserialize_compact(assertion, _key(key, algorithm), registry=_registry(algorithm))
    except (joserfc.errors.JoseError, ValueError, TypeError):
        return False
    return True


def _check_times(claims: Mapping[str, Any], now: int) -> None:
    times = {name: claims[name] for name in ("exp", "iat", "nbf") if name in claims}
    if not {"exp", "iat"} <= times.keys() or not all(
        type(time) is edge.WrittenInt for time in times.values()
    ):
        raise refusal("time")
    if not 0 < times["exp"] - times["iat"] <= LIFE_S_MAX:
        raise refusal("life")
    if now >= times["exp"]:
        raise refusal("expired")
    if max(times["iat"], times.get("nbf", 0)) > now + LEEWAY_S:
        raise refusal("not-yet")


def _jti(claims: Mapping[str, Any]) -> str:
    jti = claims.get("jti")
    if not isinstance(jti, str) or len(jti) not in _JTI_CHARS or not all("!" <= char <= "~" for char in jti):
        raise refusal("jti")
    return jti


def refusal(reason: str) -> errors.ClientAssertionInvalid:
    """`error` is what an OAuth client looks for (RFC 6749 §5.2)."""
    return errors.ClientAssertionInvalid(REASONS[reason], reason=reason, error="invalid_client")


# --- assertions, made ---


def make_assertion(
    private_jwk: Mapping[str, Any],
    *,
    algorithm: str,
    client_id: str,
    audience: str,
    now: int,
    life_s: int = 55,
    jti: str | None = None,
) -> str:
    """An assertion of `client_id` for one request to the token endpoint `audience`."""
    header = {"alg": algorithm, "typ": "JWT"}
    if "kid" in private_jwk:
        header["kid"] = private_jwk["kid"]
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "iat": now,
        "exp": now + life_s,
        "jti": jti or secrets.token_urlsafe(24),
    }
    payload = compact.to_json(claims)
    return jws.serialize_compact(header, payload, _key(private_jwk, algorithm), registry=_registry(algorithm))


# --- keys of clients ---


def generate_client_key(algorithm: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A new key for `algorithm` as (private JWK, public JWK); `kid` is its thumbprint (RFC 7638)."""
    key_type, curve = _kind(algorithm)
    key = jwk.generate_key(key_type, curve or RSA_BITS_MIN)  # type: ignore[call-overload]
    public = _described(key, algorithm)
    return {**key.as_dict(private=True), **public}, public


def public_jwk(data: bytes, *, algorithm: str) -> dict[str, Any]:
    """The public JWK to register, from JSON or PEM; raises errors.Invalid, also for a private key."""
    key_type, curve = _kind(algorithm)
    said = _said_jwk(data)
    try:
        key = jwk.import_key(said if isinstance(said, bytes) else dict(said), key_type)  # type: ignore[call-overload]
        public = _described(key, algorithm)
    except (joserfc.errors.JoseError, ValueError, TypeError, KeyError) as error:
        raise _unfit("The key cannot be read as one for its algorithm") from error
    if public.get("crv") != curve:
        raise _unfit("The key's curve is not that of its algorithm")
    if key_type == "RSA" and key.raw_value.key_size < RSA_BITS_MIN:
        raise _unfit(f"An RSA key has at least {RSA_BITS_MIN} bits")
    if not isinstance(said, bytes) and isinstance(said.get("kid"), str) and said["kid"]:
        public["kid"] = said["kid"]
    return public


def _said_jwk(data: bytes) -> bytes | dict[str, Any]:
    """PEM of a public key as it is, or the members of a JWK that say a public key and its kid."""
    if b"PRIVATE" in data:
        raise _unfit("This is a private key: keep it, and register the public one")
    if data.lstrip().startswith(b"-----BEGIN PUBLIC KEY-----"):
        return data
    try:
        item = edge.parse(data)
    except errors.JsonInvalid as error:
        raise _unfit("The key is neither a JWK nor PEM that begins BEGIN PUBLIC KEY") from error
    if not isinstance(item, dict):
        raise _unfit("The key is not a JSON object")
    if _SECRET_MEMBERS & item.keys():
        raise _unfit("This is a private key: keep it, and register the public one")
    kept = {"kty", "kid", *_PUBLIC_MEMBERS.get(str(item.get("kty")), ())}
    return {name: value for name, value in item.items() if name in kept}


def _described(key: jwk.Key, algorithm: str) -> dict[str, Any]:
    said = key.as_dict(private=False)
    kept = {name: said[name] for name in ("kty", *_PUBLIC_MEMBERS[key.key_type])}
    return {**kept, "kid": key.thumbprint(), "use": "sig", "alg": algorithm}


def _kind(algorithm: str) -> tuple[str, str | None]:
    if algorithm not in ALGORITHMS:
        raise errors.Invalid(f"The algorithm is one of {', '.join(ALGORITHMS)}", field="algorithm")
    return ALGORITHMS[algorithm]


def _unfit(detail: str) -> errors.Invalid:
    return errors.Invalid(detail, field="jwk")


# --- joserfc, held to one algorithm ---


class _Registry(jws.JWSRegistry):
    """`EdDSA` is verified as Ed25519, so that no other curve hides behind the older name."""

    algorithms = {**jws.JWSRegistry.algorithms, "EdDSA": jws.JWSRegistry.algorithms["Ed25519"]}  # noqa: RUF012
    max_header_length = 4_096
    max_signature_length = 2_048


def _registry(algorithm: str) -> jws.JWSRegistry:
    return _Registry(algorithms=[algorithm], strict_check_header=False)


def _key(said: Mapping[str, Any], algorithm: str) -> jwk.Key:
    """The key in a JWK; its type is that of the algorithm, or joserfc refuses it."""
    key_type, curve = _kind(algorithm)
    members = {name: value for name, value in said.items() if name not in {"alg", "use", "key_ops"}}
    if members.get("kty") != key_type or members.get("crv") != curve:
        raise ValueError("a key of another type than its algorithm's")
    return jwk.import_key(members)
