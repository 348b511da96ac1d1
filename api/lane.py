"""The short way of the sharing path: a request goes from the middleware to its endpoint, past the framework.

Finding a route, resolving what an endpoint depends on and wrapping it in context managers costs more than
what a use itself does. A `DirectRoute` is described like any other, asks for the same token, reads the same
strict body into the same model, and calls the same endpoint; an `Application` finds it by method and path
alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pydantic
from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api import edge, headers, logs, overload, problems, routes, service
from ledger import errors
from signing import ids

Handler = Callable[[Request], Awaitable[Response]]


class DirectRoute(routes.SecuredRoute):
    """A secured route of a fixed path, whose endpoint takes the request, its body and its key."""

    def get_route_handler(self) -> Handler:  # type: ignore[override]
        """The endpoint behind authentication, strict body and model."""
        taken = inspect.signature(self.endpoint, eval_str=True).parameters
        assert taken.keys() <= {"request", "body", "key"}, "nothing else is resolved here"
        annotation: Any = taken["body"].annotation
        model: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(annotation)
        needed, limits = routes.needed(self.openapi_extra) or (), self.limits
        endpoint, takes_key = self.endpoint, "key" in taken

        async def handle(request: Request) -> Response:
            queue = service.of(request).appender
            # Full for everybody: that is told to anyone, and costs no look at a token.
            queue.require_place()
            await routes.admit(request, needed)
            queue.require_place(routes.asking(request).client_id)
            strict = request
            if not isinstance(strict, edge.StrictRequest):
                strict = edge.StrictRequest(request.scope, request.receive)
            strict.limits = limits
            said = await strict.json() if await strict.body() else None
            if said is None:
                raise problems.invalid([_MISSING])
            try:
                body = model.validate_python(said)
            except pydantic.ValidationError as error:
                raise problems.invalid(
                    [{**flaw, "loc": ("body", *flaw["loc"])} for flaw in error.errors()]
                ) from None
            if not takes_key:
                return await endpoint(strict, body)  # type: ignore[no-any-return]
            return await endpoint(strict, body, request.headers.get("idempotency-key"))  # type: ignore[no-any-return]

        return handle


class DirectBatchRoute(DirectRoute):
    """As DirectRoute, for a body of many items."""

    limits = routes.BATCH_LIMITS


class DirectRead(routes.SecuredRoute):
    """A secured read whose path ends with a reference; without a query it goes the short way.

    The endpoint takes the request and the reference; what else it takes has a default.
    """

    def direct(self) -> Handler:
        """The endpoint behind authentication."""
        needed, endpoint = routes.needed(self.openapi_extra) or (), self.endpoint

        async def handle(request: Request) -> Response:
            await routes.admit(request, needed)
            return await endpoint(request, request.scope["path"].rpartition("/")[2])  # type: ignore[no-any-return]

        return handle


Found = tuple[DirectRoute | DirectRead, Handler]
"""A route, and its endpoint."""
_MISSING = {"type": "missing", "loc": ("body",), "msg": "Field required"}
"""As the framework says it of a body that is not there."""


class Lane:
    """The direct routes of some routers, by method and path, with what is around every answer."""

    def __init__(
        self, routers: Iterable[APIRouter], *, secured: headers.SecurityHeaders, log: logs.RequestLog
    ) -> None:
        self._secured, self._log = secured, log
        self._overload = overload.Overload()
        self._direct: dict[tuple[str, str], Found] = {
            (method, route.path): (route, route.get_route_handler())
            for router in routers
            for route in router.routes
            if isinstance(route, DirectRoute)
            for method in route.methods or ()
        }
        self._reads: dict[tuple[str, str], Found] = {
            (method, route.path.rpartition("/")[0]): (route, route.direct())
            for router in routers
            for route in router.routes
            if isinstance(route, DirectRead)
            for method in route.methods or ()
        }

    def found(self, scope: Scope) -> Found | None:
        """The route by which a request goes the short way, if it does.

        What a query or an odd reference asks for, the framework says.
        """
        if scope["type"] != "http":
            return None
        method, path = scope["method"], scope["path"]
        direct = self._direct.get((method, path))
        if direct is not None:
            return direct
        start, _, ref = path.rpartition("/")
        is_plain = len(ref) == ids.TEXT_LENGTH and not scope["query_string"]
        return self._reads.get((method, start)) if is_plain else None

    async def serve(self, found: Found, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the endpoint of a route; its answer is whole before a byte of it is sent."""
        begun, status, is_turned_away = self._log.begin(), None, False
        scope["route"], handle = found
        try:
            try:
                answer = await handle(edge.StrictRequest(scope, receive))
            except errors.QueueFull as full:
                is_turned_away = True
                self._log.turned_away(begun, scope, problem=full.type)
                answer = await self._overload.answer(full)
            except Exception as error:  # noqa: BLE001 - the last door; nothing is swallowed
                answer = problem = problems.answered(error)
                problem.tell(scope)
            head = [*self._secured.completed(answer.raw_headers), begun.header]
            status = answer.status_code
            await send({"type": "http.response.start", "status": status, "headers": head})
            await send({"type": "http.response.body", "body": answer.body})
        finally:
            if not is_turned_away:
                self._log.end(begun, scope, status)


class Application(FastAPI):
    """An application whose direct routes are served past the framework, once it is told so."""

    _lane: Lane | None = None

    def go_short(self, lane: Lane) -> None:
        """Serve the direct routes past the framework."""
        self._lane = lane

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the endpoint of a direct route, or the framework."""
        found = None if self._lane is None else self._lane.found(scope)
        if self._lane is None or found is None:
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        await self._lane.serve(found, scope, receive, send)
