"""Access tokens: short-lived signed statements of this ledger about a client (RFC 9068, RFC 6750).

Gives `AccessTokens`, which issues and verifies them, and `bearer`, which finds one in a request. The
one algorithm is Ed25519 under keys that serve nothing else; what a retired key signed is good to its end.
Whether the client was suspended since is not in a token: the ledger compares `generation` under its lock.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from api import compact
from ledger import errors
from signing import ids, keys

ALGORITHM, TYPE = "Ed25519", "at+jwt"
LEEWAY_S = 5
"""How far another worker's clock may be ahead."""
CLOCK_OFF_S = 6
"""How far a worker's clock may be off the ledger's, whole seconds."""
_TOKEN_CHARS_MAX = 4_096
_CACHED_MAX = 4_096

REASONS = {
    "missing": "No access token was sent",
    "malformed": "The access token cannot be read",
    "unknown-key": "The access token is under a key that is not accepted",
    "signature": "The signature of the access token does not match",
    "foreign": "The access token is from another issuer or for another audience",
    "expired": "The access token has expired",
    "not-yet": "The access token is from the future",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """What a verified token says."""

    client_id: bytes
    client: str = field(init=False)
    """The client's id as text."""
    organization: str
    """Credit code of the organization acted for."""
    scopes: frozenset[str]
    generation: int
    """Counts changes of the client's keys and standing."""
    expires_at: int
    """Seconds since 1970."""
    is_further: bool = False
    """Whether the organization is another than the client's own."""
    key_id: str | None = None
    """Of the key that signed the token."""

    def __post_init__(self) -> None:
        """The text is written once for all requests under a token."""
        object.__setattr__(self, "client", ids.text(self.client_id))


@dataclass(frozen=True, kw_only=True)
class Retired:
    """A key that signs no more; its tokens are taken until they end."""

    public: bytes
    at: int
    """Seconds since 1970, by the ledger's clock."""

    def covers(self, *, issued_at: int, expires_at: int, life_s: int) -> bool:
        """Whether a token with these times can be from before the key was retired."""
        end = self.at + CLOCK_OFF_S
        return issued_at <= end and expires_at <= end + life_s


class AccessTokens:
    """Issues with one key, verifies with it and with those of `accepted`; safe between threads."""

    def __init__(
        self,
        signing_key: keys.SigningKey,
        *,
        key_id: str,
        issuer: str,
        audience: str,
        life_s: int = 300,
        accepted: Mapping[str, bytes] | None = None,
        retired: Mapping[str, Retired] | None = None,
        coming: Mapping[str, bytes] | None = None,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """Keys by their ids: `accepted` sign elsewhere, `retired` no more, `coming` from later on."""
        self._key = signing_key
        self._key_id = key_id
        self._issuer = issuer
        self._audience = audience
        self.life_s = life_s
        self._publics = {**(accepted or {}), key_id: signing_key.public}
        self._retired = {kid: held for kid, held in (retired or {}).items() if kid not in self._publics}
        self._coming = coming or {}
        self._randomness = randomness
        self._verified = _Verified(_CACHED_MAX)

    def issue(
        self,
        *,
        client_id: bytes,
        organization: str,
        scopes: Iterable[str],
        generation: int,
        now: int,
        is_further: bool = False,
    ) -> str:
        """A token that ends `life_s` after `now`."""
        client = ids.text(client_id)
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": client,
            "client_id": client,
            "iat": now,
            "exp": now + self.life_s,
            "jti": ids.text(self._randomness(ids.ID_BYTES)),
            "scope": " ".join(sorted(scopes)),
            "organization": organization,
            "generation": generation,
            **({"further": True} if is_further else {}),
        }
        header = {"alg": ALGORITHM, "typ": TYPE, "kid": self._key_id}
        signed = compact.signing_input(header, claims)
        return (signed + b"." + compact.encode(self._key.sign(signed))).decode()

    def verify(self, token: str, *, now: int) -> Access:
        """What `token` says; raises errors.Unauthenticated with a `reason`."""
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        known = self._verified.get(digest)
        if known is None:
            known = self._verify(token, now)
            self._verified.put(digest, known)
        elif now >= known.expires_at:
            raise refusal("expired")
        return known

    def accepts(self, key_id: str | None) -> bool:
        """Whether tokens under a key can be good."""
        return key_id is not None and (key_id in self._publics or key_id in self._retired)

    def publics(self, *, now: int) -> dict[str, bytes]:
        """Public keys by id that verify a token now or may soon: RFC 7517 §5."""
        last = now - self.life_s - CLOCK_OFF_S
        retired = {kid: held.public for kid, held in self._retired.items() if held.at >= last}
        return {**self._publics, **self._coming, **retired}

    def _verify(self, token: str, now: int) -> Access:
        """RFC 9068 §4, in its order: type and algorithm, signature, issuer and audience, time."""
        try:
            parts = compact.read(token, size_max=_TOKEN_CHARS_MAX)
        except compact.CompactInvalid as error:
            raise refusal("malformed") from error
        self._check_signature(parts)
        claims = parts.claims
        if (claims.get("iss"), claims.get("aud")) != (self._issuer, self._audience):
            raise refusal("foreign")
        try:
            access = _access(claims, key_id=parts.header["kid"])
            issued_at = _whole(claims, "iat")
        except (KeyError, TypeError, ValueError) as error:
            raise refusal("malformed") from error
        if now >= access.expires_at:
            raise refusal("expired")
        if issued_at > now + LEEWAY_S:
            raise refusal("not-yet")
        retired = self._retired.get(str(access.key_id))
        if retired is not None and not retired.covers(
            issued_at=issued_at, expires_at=access.expires_at, life_s=self.life_s
        ):
            raise refusal("unknown-key")
        return access

    def _check_signature(self, parts: compact.Compact) -> None:
        header = parts.header
        if header.keys() != {"alg", "typ", "kid"} or (header["alg"], header["typ"]) != (ALGORITHM, TYPE):
            raise refusal("malformed")
        key_id = header["kid"] if isinstance(header["kid"], str) else None
        if not self.accepts(key_id):
            raise refusal("unknown-key")
        retired = self._retired.get(str(key_id))
        public = self._publics[str(key_id)] if retired is None else retired.public
        try:
            keys.verify(public, signature=parts.signature, message=parts.signed)
        except keys.SignatureInvalid as error:
            raise refusal("signature") from error


class _Verified:
    """The tokens verified last, by digest; the least used gives way."""

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._entries: OrderedDict[bytes, Access] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: bytes) -> Access | None:
        with self._lock:
            entry = self._entries.get(digest)
            if entry is not None:
                self._entries.move_to_end(digest)
            return entry

    def put(self, digest: bytes, access: Access) -> None:
        with self._lock:
            self._entries[digest] = access
            if len(self._entries) > self._size_max:
                self._entries.popitem(last=False)


def bearer(authorization: str | None) -> str:
    """The token in an Authorization header (RFC 6750 §2.1); raises errors.Unauthenticated."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise refusal("missing")
    return token.strip()


def _access(claims: Mapping[str, Any], *, key_id: str) -> Access:
    client, organization, scope = (_string(claims, name) for name in ("client_id", "organization", "scope"))
    if claims["sub"] != client:
        raise ValueError("sub and client_id differ")
    return Access(
        client_id=ids.parse(client),
        organization=organization,
        scopes=frozenset(scope.split()),
        generation=_whole(claims, "generation"),
        expires_at=_whole(claims, "exp"),
        is_further=claims.get("further") is True,
        key_id=key_id,
    )


def _string(claims: Mapping[str, Any], name: str) -> str:
    if not isinstance(claims[name], str):
        raise TypeError("not a string")
    return str(claims[name])


def _whole(claims: Mapping[str, Any], name: str) -> int:
    if not isinstance(claims[name], int) or isinstance(claims[name], bool):
        raise TypeError("not a whole number")
    return int(claims[name])


def refusal(reason: str) -> errors.Unauthenticated:
    """As every refusal of a token is told."""
    return errors.Unauthenticated(REASONS[reason], reason=reason)
