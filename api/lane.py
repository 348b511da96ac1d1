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


_MISSING = {"type": "missing", "loc": ("body",), "msg": "Field required"}
"""As the framework says it of a body that is not there."""


class Lane:
    """The direct routes of some routers, by method and path, with what is around every answer."""

    def __init__(
        self, routers: Iterable[APIRouter], *, secured: headers.SecurityHeaders, log: logs.RequestLog
    ) -> None:
        self._secured, self._log = secured, log
        self._overload = overload.Overload()
        self._direct: dict[tuple[str, str], tuple[DirectRoute, Handler]] = {
            (method, route.path): (route, route.get_route_handler())
            for router in routers
            for route in router.routes
            if isinstance(route, DirectRoute)
            for method in route.methods or ()
        }

    def serves(self, scope: Scope) -> bool:
        """Whether a request goes the short way."""
        return scope["type"] == "http" and (scope["method"], scope["path"]) in self._direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the endpoint; its answer is whole before a byte of it is sent."""
        begun, status, is_turned_away = self._log.begin(), None, False
        scope["route"], handle = self._direct[scope["method"], scope["path"]]
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
        if self._lane is not None and self._lane.serves(scope):
            scope["app"] = self
            await self._lane(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
