"""What answers about keys hold, for the description of the face."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api import models_answers


class Key(models_answers.Answer):
    """A verification key of the ledger."""

    purpose: Literal["log", "token", "access"] = Field(
        description="log: checkpoints; token: QR codes; access: access tokens"
    )
    key_id: str
    public: str = Field(description="Base64")
    status: Literal["active", "prepared", "retired", "compromised"]
    introduced_index: int | None = Field(description="Where the log introduces it; null: not yet")
    last_size: int | None = Field(description="Size of the largest tree that it can have signed")
    compromised_since: int | None = Field(description="Size from which on it was not the ledger's alone")


class Keys(models_answers.Answer):
    """Every key, in the order in which they came."""

    keys: list[Key]


class Jwk(models_answers.Answer):
    """RFC 8037 §2."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str
    kid: str
    alg: Literal["Ed25519"]
    use: Literal["sig"]


class JwkSet(models_answers.Answer):
    """RFC 7517 §5."""

    keys: list[Jwk]
