"""Routes of the face: who asks is known, and may, before a body is read.

Gives `router` for secured endpoints, `secured` and `public` for what a route's description says of its
security and errors, and `answer` which writes JSON. Scopes named here are those that the token must
have; that the client still has them is asked under the ledger's lock.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pydantic
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import access, edge, problems, service
from ledger import errors

BATCH_LIMITS = edge.Limits(body=4 * 1_048_576, members=50_000)
VERSION_LIMITS = edge.Limits(body=7 * 1_048_576, data=2_800_000)
"""Of a version with its attachments in base64."""
_JSON = msgspec.json.Encoder()
_ALWAYS = (errors.Unauthenticated, errors.TooManyRequests, errors.Unavailable)
_APPENDING = (
    errors.JsonInvalid,
    errors.IdempotencyKeyMissing,
    errors.ScopeMissing,
    errors.ClientSuspended,
    errors.TooLarge,
    errors.UnsupportedMediaType,
    errors.Invalid,
    errors.IdempotencyKeyReused,
    errors.QueueFull,
    errors.OutcomeUnknown,
)


class SecuredRoute(edge.StrictRoute):
    """A route that asks for an access token with the scopes of its description, then reads the body."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """The handler behind authentication."""
        inner = super().get_route_handler()
        scopes = needed(self.openapi_extra)

        async def handle(request: Request) -> Response:
            if scopes is not None:
                await admit(request, scopes)
            return await inner(request)

        return handle


class BatchRoute(SecuredRoute):
    """As SecuredRoute, for a body of many items."""

    limits = BATCH_LIMITS


class VersionRoute(SecuredRoute):
    """As SecuredRoute, for a body with attachments."""

    limits = VERSION_LIMITS


def router(*, batch: bool = False, versions: bool = False) -> APIRouter:
    """A router of secured, strict routes."""
    return APIRouter(route_class=BatchRoute if batch else VersionRoute if versions else SecuredRoute)


def secured(
    *scopes: str,
    model: type[pydantic.BaseModel] | None,
    refusals: tuple[type[errors.LedgerError], ...] = (),
    appends: bool = True,
    **extra: Any,
) -> dict[str, Any]:
    """What a route says of itself: any one of `scopes` is needed (none: any client)."""
    leaves = (*_ALWAYS, *(_APPENDING if appends else ()), *refusals)
    described: dict[int | str, dict[str, Any]] = problems.responses(*dict.fromkeys(leaves))
    if model is not None:
        described[200] = {"model": model, "description": "Done"}
    return {
        "responses": described,
        "openapi_extra": {"security": [{"client": [scope]} for scope in scopes] or [{"client": []}], **extra},
        "response_class": Response,
        "response_model": None,
    }


def listed(*scopes: str, model: type[pydantic.BaseModel]) -> dict[str, Any]:
    """`secured`, for a page of a list that a projection keeps."""
    return secured(*scopes, model=model, refusals=(errors.Invalid, errors.BehindIndex), appends=False)


def public(
    *,
    model: type[pydantic.BaseModel] | None,
    refusals: tuple[type[errors.LedgerError], ...] = (),
    **extra: Any,
) -> dict[str, Any]:
    """What a route says of itself that anyone may ask."""
    described: dict[int | str, dict[str, Any]] = problems.responses(*refusals)
    if model is not None:
        described[200] = {"model": model, "description": "Done"}
    return {
        "responses": described,
        "openapi_extra": {"security": [], **extra},
        "response_class": Response,
        "response_model": None,
    }


def asking(request: Request) -> access.Access:
    """Who sent `request`, after its route has let it in."""
    said: access.Access = request.state.access
    return said


async def admit(request: Request, scopes: tuple[str, ...]) -> None:
    """Let a request in whose token has one of `scopes`; raises Unauthenticated or ScopeMissing."""
    said = await service.of(request).authenticate(request)
    require_any(said, scopes)
    request.state.access = said


def require_any(said: access.Access, scopes: tuple[str, ...]) -> None:
    """Nothing when the token has one of `scopes`; raises ScopeMissing."""
    if scopes and not said.scopes & set(scopes):
        raise errors.ScopeMissing(needed_scope=scopes[0])


def answer(content: Any, *, status: int = 200) -> Response:
    """`content` as JSON, never kept by a cache."""
    return _Json(dumps(content), status)


class _Json(Response):
    """An answer whose headers are known."""

    media_type = "application/json"

    def __init__(self, body: bytes, status: int) -> None:
        self.body, self.status_code, self.background = body, status, None
        self.raw_headers = [
            (b"cache-control", b"no-store"),
            (b"content-length", b"%d" % len(body)),
            (b"content-type", b"application/json"),
        ]


def dumps(content: Any) -> bytes:
    """Compact JSON, members in order, characters as themselves."""
    return _JSON.encode(content)


def needed(extra: dict[str, Any] | None) -> tuple[str, ...] | None:
    """Scopes of which a token needs one; None for a public route."""
    security = (extra or {}).get("security", [])
    if not security:
        return None
    return tuple(scope for way in security for scope in way.get("client", ()))
