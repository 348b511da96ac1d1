"""Keys over HTTP: the history of every verification key, and those of access tokens as a JWK set.

Public keys are public. Whoever trusts them has them out of band, in a trust file; what stands here tells
operators and monitors what is, and gateways whether an access token is the ledger's.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api import access, compact, models_keys, routes, service
from ledger import errors, key_history
from signing import spelling

router = routes.router()
_FRESH_S = 60


@router.get(
    "/v1/keys",
    summary="The history of the ledger's keys 密钥沿革",
    **routes.public(model=models_keys.Keys, refusals=(errors.TooManyRequests, errors.Unavailable)),
)
async def list_keys(request: Request) -> Response:
    """Every key that signs or signed for the ledger: since when, up to which size, and whether believed."""
    served = service.of(request)
    served.within_rate(request)
    return routes.answer({"keys": await served.read(_records, served)})


@router.get(
    "/oauth/jwks",
    summary="The keys of access tokens",
    **routes.public(model=models_keys.JwkSet, refusals=(errors.TooManyRequests, errors.Unavailable)),
)
async def jwks(request: Request) -> Response:
    """Keys under which access tokens are good now or will be soon, as a JWK set (RFC 7517)."""
    served = service.of(request)
    served.within_rate(request)
    await served.read(served.moment)
    published = served.tokens.publics(now=served.now_s())
    content = {"keys": [_jwk(key_id, public) for key_id, public in published.items()]}
    headers = {"Cache-Control": f"max-age={_FRESH_S}"}
    return Response(routes.dumps(content), 200, headers, "application/json")


def _records(served: service.Service) -> list[dict[str, Any]]:
    served.moment()
    return [_shown(one) for one in key_history.records(served.reader.run, served.ledger.vault.ring)]


def _shown(known: key_history.KeyRecord) -> dict[str, Any]:
    return {
        "purpose": known.purpose,
        "key_id": known.key_id.hex(),
        "public": spelling.to_base64(known.public),
        "status": "prepared" if known.is_prepared else known.status,
        "introduced_index": known.introduced_index,
        "last_size": known.last_size,
        "compromised_since": known.compromised_since,
    }


def _jwk(key_id: str, public: bytes) -> dict[str, str]:
    """RFC 8037 §2."""
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": compact.encode(public).decode(),
        "kid": key_id,
        "alg": access.ALGORITHM,
        "use": "sig",
    }
