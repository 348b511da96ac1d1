"""The token endpoint: client credentials by private_key_jwt (RFC 6749 §4.4, RFC 7521 §4.2, RFC 7523 §2.2).

An assertion is verified against the registration in decision state and spent once, for all processes.
A client that is unknown or suspended is refused as one whose key is not registered. The reasons are for
whoever integrates a client: ids are random, so that strangers cannot go through them.
"""

from __future__ import annotations

import hashlib
import json
import time
import urllib.parse
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api import auth, edge, examples, limits, models_answers, routes, service
from ledger import errors, sql, state
from signing import cbor, ids

router = routes.router()
FORM_TYPE = "application/x-www-form-urlencoded"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_FORM_BYTES_MAX = 32_768
_FORM_FIELDS_MAX = 10
_REFUSALS = (errors.Malformed, errors.ClientAssertionInvalid, errors.TooManyRequests, errors.Unavailable)


@router.post(
    "/oauth/token",
    summary="Get an access token",
    **routes.public(model=models_answers.Token, refusals=_REFUSALS, **examples.TOKEN_FORM),
)
async def token(request: Request) -> Response:
    """A short-lived access token for a registered client that signs for itself."""
    served = service.of(request)
    address = limits.remote(request)
    served.token_limits.before_reading(address, now_s=time.monotonic())
    form = _form(request, await edge.read_body(request, limit=_FORM_BYTES_MAX))
    content = await served.read(_token, served, form)
    headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    return Response(routes.dumps(content), 200, headers, "application/json")


def _token(served: service.Service, form: Mapping[str, str]) -> dict[str, Any]:
    """The answer of RFC 6749 §5.1; raises ClientAssertionInvalid or Malformed."""
    assertion = _assertion(form)
    client_id = auth.peek_client_id(assertion)
    if form.get("client_id", client_id) != client_id:
        raise auth.refusal("client")
    row = served.reader.row(state.ClientRow, ids.parse(client_id))
    if row is None or row.is_suspended:
        # As for a key that is not registered: whether the client exists is nobody's business.
        raise auth.refusal("unknown-key")
    audience = f"{served.ledger.config.public_url}/oauth/token"
    now = served.now_s()
    jti = auth.verify_assertion(assertion, client=_registered(row), audience=audience, now=now)
    scopes, organization = _scopes(form, row), _organization(form, row)
    auth.spend(Spent(served, now), client_id=client_id, jti=jti, now=now)
    # Asked of what was not used before: else whoever caught an assertion could use up its client's tokens.
    served.token_limits.once_spent(client_id, now_s=time.monotonic())
    served.renew_ring()  # no token under a key that another process has retired
    tokens = served.tokens
    text = tokens.issue(
        client_id=row.client_id,
        organization=organization,
        is_further=organization != row.organization,
        scopes=scopes,
        generation=row.generation,
        now=now,
    )
    return {
        "access_token": text,
        "token_type": "Bearer",
        "expires_in": tokens.life_s,
        "scope": " ".join(sorted(scopes)),
        "organization": organization,
    }


class Spent:
    """Assertions that were used, in the database, for every process of the ledger."""

    def __init__(self, served: service.Service, now: int) -> None:
        self._reader, self._now = served.reader, now

    def spend(self, client_id: str, jti_digest: bytes, expires_at: int) -> bool:
        """True the first time."""
        texts = sql.load("append")
        digest = hashlib.sha256(cbor.encode([client_id, jti_digest])).digest()
        is_first = bool(self._reader.run(texts["spend_assertion"], (digest, expires_at)))
        self._reader.run(texts["sweep_assertions"], (self._now,))
        return is_first


def _form(request: Request, body: bytes) -> dict[str, str]:
    """The form's fields, each once; raises Malformed."""
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared != FORM_TYPE:
        raise _malformed(f"the body is sent as {FORM_TYPE}")
    try:
        pairs = urllib.parse.parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_FORM_FIELDS_MAX,
        )
    except ValueError as error:
        raise _malformed("the form cannot be read") from error
    form = dict(pairs)
    if len(form) != len(pairs):
        raise _malformed("a field stands twice")
    return form


def _assertion(form: Mapping[str, str]) -> str:
    if not form.get("grant_type"):
        raise _malformed("grant_type is missing")
    if form["grant_type"] != "client_credentials":
        raise _malformed("grant_type is client_credentials", error="unsupported_grant_type")
    if form.get("client_assertion_type") != ASSERTION_TYPE or not form.get("client_assertion"):
        raise _malformed("client_assertion_type and client_assertion are missing")
    return form["client_assertion"]


def _scopes(form: Mapping[str, str], row: state.ClientRow) -> tuple[str, ...]:
    """The scopes asked for, all of them by default; raises Malformed for one that is not registered."""
    asked = tuple(form["scope"].split()) if form.get("scope") else row.scopes
    if not set(asked) <= set(row.scopes):
        raise _malformed("a scope is not registered for this client", error="invalid_scope")
    return asked


def _organization(form: Mapping[str, str], row: state.ClientRow) -> str:
    """The organization to act for, the client's own by default; raises Malformed for any other."""
    asked = form.get("organization") or row.organization
    if asked not in (row.organization, *row.acts_for):
        raise _malformed("the client does not act for this organization", error="invalid_target")
    return asked


def _registered(row: state.ClientRow) -> auth.ClientKeys:
    return auth.ClientKeys(
        client_id=ids.text(row.client_id),
        algorithm=row.algorithm,
        keys=tuple(json.loads(key) for key in row.keys),
    )


def _malformed(detail: str, *, error: str = "invalid_request") -> errors.Malformed:
    """`error` is what an OAuth client looks for (RFC 6749 §5.2)."""
    return errors.Malformed(detail, error=error)
