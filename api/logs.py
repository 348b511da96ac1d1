"""The log: JSON lines that say what happened, where and how long, and nothing about anyone.

Gives `configure` for a process and `RequestLog` for an application. A line has the route's template,
never the path or query; the text of a message is its template, never its arguments; an exception is
its type and the places in the code, never its words, since those may repeat a value. What the code
wants to say goes into the fields of `FIELDS`.
"""

from __future__ import annotations

import asyncio
import collections
import contextvars
import functools
import json
import logging
import secrets
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, NamedTuple, Protocol, TextIO

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from signing import ids

FIELDS = (
    "method",
    "route",
    "status",
    "duration_ms",
    "client_id",
    "incident",
    "error",
    "error_type",
    "anchored_timeline",
    "found_timeline",
    "index",
    "size",
    "count",
    "partition",
    "projection",
    "job",
    "outsider",
    "log",
    "silent_s",
    "age_s",
    "reason",
)
"""The `extra` members that a line may carry; others are left out."""

FRAMES_MAX = 20
_IDS_DRAWN = 1_024
CAUSES_MAX = 5
TURNED_AWAY_EVERY_S = 1.0
REQUEST_ID_HEADER = b"request-id"

_OURS = ("api", "ledger", "projections", "signing")
_TRUSTED = (*_OURS, "uvicorn.error")
"""Loggers whose message templates are fixed text. Of others a line says only from where they spoke."""

_request_id: contextvars.ContextVar[str | None] = contextvars.ContextVar("request_id", default=None)
_log = logging.getLogger(__name__)


def configure(*, level: str = "INFO", stream: TextIO | None = None) -> logging.Handler:
    """The one handler of this process, which replaces all others; uvicorn runs with `log_config=None`."""
    handler = Lines(stream or sys.stdout)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    # Its lines have the raw path; RequestLog writes them instead.
    logging.getLogger("uvicorn.access").disabled = True
    logging.captureWarnings(True)
    return handler


class Lines(logging.StreamHandler[TextIO]):
    """Writes records, and lines of requests that need none: those of one turn of the loop at once."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._waiting: list[str] = []

    def request(self, line: str) -> None:
        """Write the line of a request, at the end of this turn of the event loop."""
        self.acquire()
        try:
            self._waiting.append(line)
            is_first = len(self._waiting) == 1
        finally:
            self.release()
        if is_first:
            asyncio.get_running_loop().call_soon(self.flush)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, after the lines that came before it."""
        self._write()
        super().emit(record)

    def flush(self) -> None:
        """Write what waits."""
        self._write()
        super().flush()

    def _write(self) -> None:
        self.acquire()
        try:
            lines, self._waiting = self._waiting, []
            if lines:
                self.stream.write("".join(lines))
        finally:
            self.release()


class JsonLines(logging.Formatter):
    """One JSON object per record."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
        }
        if _is_below(record.name, _TRUSTED) and isinstance(record.msg, str):
            line["event"] = record.msg
        else:
            line["place"] = _place(record.pathname, record.lineno, record.funcName)
        if (request_id := _request_id.get()) is not None:
            line["request_id"] = request_id
        line |= {name: record.__dict__[name] for name in FIELDS if record.__dict__.get(name) is not None}
        if record.exc_info and record.exc_info[1] is not None:
            line |= _described(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=_type_name)


class Counted(Protocol):
    """Who counts requests."""

    def request(self, *, method: str, route: str, status: int | None, seconds: float) -> None:
        """A request was answered, or broken off (no status)."""

    def problem(self, kind: str) -> None:
        """Its answer was a problem document of this type."""


class RequestLog:
    """One line per request but those turned away in crowds, and a `Request-Id` on every answer.

    The id is always made here: one that a caller sends could say anything. Who authenticates a request
    sets `request.state.client_id`, 26 characters of text.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        clock: Callable[[], float] = time.perf_counter,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
        counted: Counted | None = None,
    ) -> None:
        self._app = app
        self._counted = counted
        self._clock = clock
        self._ids = _ids(randomness)
        self._turned_away: collections.Counter[tuple[str, str | None]] = collections.Counter()
        """By route and client, since the last line."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the application behind it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = self.begin()
        status: int | None = None

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), begun.header]}
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            self.end(begun, scope, status)

    def begin(self) -> Begun:
        """A request has come."""
        request_id = ids.text(next(self._ids))
        return Begun(request_id, self._clock(), _request_id.set(request_id))

    def end(self, begun: Begun, scope: Scope, status: int | None) -> None:
        """It was answered, or broken off (no status): its line is written, and it is counted."""
        duration_s = self._clock() - begun.started_s
        method, route, state = _method(scope), route_template(scope), scope.get("state", {})
        _say(begun.request_id, method, route, status, round(duration_s * 1000, 3), state.get("client_id"))
        if self._counted is not None:
            self._counted.request(method=method, route=route, status=status, seconds=duration_s)
            if (problem := state.get("problem")) is not None:
                self._counted.problem(problem)
        _request_id.reset(begun.token)

    def turned_away(self, begun: Begun, scope: Scope, *, problem: str) -> None:
        """In place of `end`, for those who come in crowds: counted, and told by one line a second a client.

        The problem is the one that its answer, a 429, is going to tell.
        """
        route = route_template(scope)
        if self._counted is not None:
            seconds = self._clock() - begun.started_s
            self._counted.request(method=_method(scope), route=route, status=429, seconds=seconds)
            self._counted.problem(problem)
        if not self._turned_away:
            asyncio.get_running_loop().call_later(
                TURNED_AWAY_EVERY_S, self._say_turned_away, context=contextvars.Context()
            )
        self._turned_away[route, scope.get("state", {}).get("client_id")] += 1
        _request_id.reset(begun.token)

    def _say_turned_away(self) -> None:
        counts, self._turned_away = self._turned_away, collections.Counter()
        for (route, client_id), count in counts.items():
            _log.info(
                "requests turned away",
                extra={"route": route, "status": 429, "client_id": client_id, "count": count},
            )


class Begun(NamedTuple):
    """A request that is being answered."""

    request_id: str
    started_s: float
    token: contextvars.Token[str | None]

    @property
    def header(self) -> tuple[bytes, bytes]:
        """What its answer says of it."""
        return REQUEST_ID_HEADER, self.request_id.encode()


def _say(
    request_id: str, method: str, route: str, status: int | None, duration_ms: float, client_id: str | None
) -> None:
    """The line of a request, by hand where `Lines` takes it: a record would cost most of it."""
    if not _log.isEnabledFor(logging.INFO):
        return
    root = logging.getLogger()
    handler = root.handlers[0] if len(root.handlers) == 1 else None
    if not isinstance(handler, Lines):
        members = {"method": method, "route": route, "status": status, "duration_ms": duration_ms}
        _log.info("request", extra=members | {"client_id": client_id})
        return
    answered = "" if status is None else f', "status": {status}'
    client = "" if client_id is None else f', "client_id": "{client_id}"'
    handler.request(
        f'{{"time": "{_now()}", "level": "INFO", "logger": "{__name__}", "event": "request",'
        f' "request_id": "{request_id}", "method": "{method}", "route": {_quoted(route)}{answered},'
        f' "duration_ms": {duration_ms}{client}}}\n'
    )


def _now() -> str:
    """The time of a line, in milliseconds."""
    at_ms = time.time_ns() // 1_000_000
    return f"{_second(at_ms // 1000)}.{at_ms % 1000:03d}+00:00"


@functools.lru_cache(maxsize=2)
def _second(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@functools.lru_cache(maxsize=1024)
def _quoted(route: str) -> str:
    return json.dumps(route, ensure_ascii=False)


def _ids(randomness: Callable[[int], bytes]) -> Iterator[bytes]:
    """Random ids, drawn many at once: a draw of its own for each would give up the interpreter's lock."""
    while True:
        drawn = randomness(_IDS_DRAWN * ids.ID_BYTES)
        yield from (drawn[at : at + ids.ID_BYTES] for at in range(0, len(drawn), ids.ID_BYTES))


def request_id() -> str | None:
    """The id of the request being served, for what is handed to other threads."""
    return _request_id.get()


def route_template(scope: Scope) -> str:
    """`/v1/licenses/{license_ref}`, or `unmatched`."""
    context = scope.get("fastapi", {}).get("effective_route_context")
    for route in (context, scope.get("route")):
        template = getattr(route, "path", None)
        if isinstance(template, str):
            return template
    return "unmatched"


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _described(error: BaseException) -> dict[str, Any]:
    """Types and places of an error and what caused it."""
    causes: list[str] = []
    frames = _frames(error)
    cause = error.__cause__ or error.__context__
    while cause is not None and len(causes) < CAUSES_MAX:
        causes.append(_type_name(cause))
        # The place where it began is the one that helps.
        frames = _frames(cause) or frames
        cause = cause.__cause__ or cause.__context__
    described: dict[str, Any] = {"error": _type_name(error), "frames": frames}
    return {**described, "causes": causes} if causes else described


def _frames(error: BaseException) -> list[str]:
    found = traceback.extract_tb(error.__traceback__)[-FRAMES_MAX:]
    return [_place(frame.filename, frame.lineno, frame.name) for frame in found]


def _place(file: str, line: int | None, function: str | None) -> str:
    """`ledger/use.py:42 decide`: the last two parts of the path say enough."""
    return f"{'/'.join(PurePath(file).parts[-2:])}:{line} {function}"


def _type_name(item: object) -> str:
    return f"{type(item).__module__}.{type(item).__qualname__}"


def _is_below(name: str, parents: tuple[str, ...]) -> bool:
    return any(name == parent or name.startswith(parent + ".") for parent in parents)
