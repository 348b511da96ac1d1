"""Every error as a problem document (RFC 9457): one shape, a stable type, no value of the request.

Gives `install` for an application, `document` and `response` for one error, and `responses` for the
API description. An error that nobody foresaw becomes a 500 with a random incident id, which the log
carries beside the places in the code, never beside a value.
"""

from __future__ import annotations

import copy
import functools
import http
import json
import logging
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import edge
from ledger import errors

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:license-ledger:problem:"
VALUE_MISSING = "12"
"""National share status: 要求必填的输入参数值为空."""
RETRY_AFTER_S = 5
"""Where the error does not say how long."""

_log = logging.getLogger(__name__)

_LEAVES: dict[int, type[errors.LedgerError]] = {
    400: errors.Malformed,
    401: errors.Unauthenticated,
    403: errors.Forbidden,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    409: errors.Conflict,
    410: errors.Gone,
    413: errors.TooLarge,
    415: errors.UnsupportedMediaType,
    422: errors.Invalid,
    429: errors.TooManyRequests,
    503: errors.Unavailable,
}
"""What stands for an HTTPException of the framework."""


class Problem(pydantic.BaseModel):
    """A problem document; further members depend on the type."""

    model_config = pydantic.ConfigDict(extra="allow")

    type: str = pydantic.Field(examples=[TYPE_PREFIX + "invalid-holder-code"])
    title: str
    title_zh: str
    status: int
    detail: str
    field: str | None = pydantic.Field(None, description="The member at fault, as `holder.code`")
    national_code: str | None = pydantic.Field(
        None, description="The national share status 共享状态 that says the same, where one does"
    )


def document(error: errors.LedgerError) -> dict[str, Any]:
    """The members of `error`'s document; its extra members never replace a standard one."""
    standard = {
        "type": TYPE_PREFIX + error.type,
        "title": error.title,
        "title_zh": error.title_zh,
        "status": error.status,
        "detail": error.detail,
    }
    if error.field is not None:
        standard["field"] = error.field
    if error.national_code is not None:
        standard["national_code"] = error.national_code
    return {**standard, **{name: value for name, value in error.extra.items() if name not in standard}}


def response(error: errors.LedgerError, *, headers: Mapping[str, str] | None = None) -> Answer:
    """The answer that says `error`."""
    return Answer(
        json.dumps(document(error), ensure_ascii=False, default=str).encode(),
        error.status,
        {**_headers(error), **(headers or {})},
        MEDIA_TYPE,
        kind=error.type,
    )


class Answer(Response):
    """A problem document; `problem` of the request's state says its type to who counts."""

    def __init__(self, *args: Any, kind: str) -> None:
        super().__init__(*args)
        self._kind = kind

    def tell(self, scope: Scope) -> None:
        """Leave its type to who counts."""
        scope.setdefault("state", {})["problem"] = self._kind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it."""
        self.tell(scope)
        await super().__call__(scope, receive, send)


def responses(*leaves: type[errors.LedgerError]) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: each status with an example of each of its types."""
    described: dict[int | str, dict[str, Any]] = {}
    for leaf in leaves:
        if leaf.status not in described:
            content = {MEDIA_TYPE: {"schema": copy.deepcopy(_schema()), "examples": {}}}
            described[leaf.status] = {
                "description": http.HTTPStatus(leaf.status).phrase,
                "content": content,
            }
        told = described[leaf.status]["content"][MEDIA_TYPE]["examples"]
        told[leaf.type] = {"value": document(leaf())}
    return described


@functools.cache
def _schema() -> dict[str, Any]:
    """The schema of a problem document, which every status of every route has: it is made once."""
    return Problem.model_json_schema()


def install(app: FastAPI) -> None:
    """Every error of `app` answers with a problem document.

    Middleware added later lies outside: its own errors are not caught here.
    """
    app.add_exception_handler(errors.LedgerError, _ledger_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_middleware(Incidents)


class Incidents:
    """The outermost catch: what nobody foresaw becomes `internal` with an incident id.

    A handler for `Exception` would not do: Starlette raises the error again behind it, values and
    all, into the server's log.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the application behind it."""
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception as error:  # noqa: BLE001 - the last door; nothing is swallowed, see below
            answer = answered(error)
            if started or scope["type"] != "http":
                # Half an answer is out. Only breaking the connection tells the caller.
                raise AnswerBrokenOff from None
            await answer(scope, receive, send)


def answered(error: Exception) -> Answer:
    """The answer to whatever was raised."""
    known = _known(error)
    if known.status == http.HTTPStatus.INTERNAL_SERVER_ERROR:
        known.extra["incident"] = secrets.token_hex(8)
        _log.error("incident", exc_info=known, extra={"incident": known.extra["incident"]})
    return response(known)


class AnswerBrokenOff(RuntimeError):
    """An error after the answer had begun; the log has the incident."""


# --- from each kind of exception to its document ---


async def _ledger_error(_: Request | None, error: Exception) -> Response:
    return answered(error)


def _known(error: Exception) -> errors.LedgerError:
    """`error` itself, or `internal` with `error` as its cause."""
    if isinstance(error, errors.LedgerError):
        return error
    internal = errors.LedgerError()
    internal.__cause__ = error
    return internal


async def _validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError), "registered for RequestValidationError"
    return response(invalid(error.errors()))


def invalid(flaws: Sequence[Any]) -> errors.Invalid:
    """What pydantic found, without what it found it in."""
    found = [{"field": _field(flaw["loc"]), "message": _message(flaw)} for flaw in flaws]
    said = {"national_code": VALUE_MISSING} if any(flaw["type"] == "missing" for flaw in flaws) else {}
    return errors.Invalid(field=found[0]["field"] if found else None, errors=found, **said)


async def _http_exception(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "registered for HTTPException"
    leaf = _LEAVES.get(error.status_code)
    if leaf is not None:
        return response(leaf(), headers=error.headers)
    return _about_blank(error.status_code, error.headers)


def _about_blank(status: int, headers: Mapping[str, str] | None) -> Response:
    """A status without a problem type of ours (RFC 9457 §4.2.1)."""
    title = http.HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "title_zh": title, "status": status, "detail": title}
    return Answer(json.dumps(body).encode(), status, headers, MEDIA_TYPE, kind="about:blank")


def _headers(error: errors.LedgerError) -> dict[str, str]:
    headers = {"Cache-Control": "no-store", **retry_headers(error)}
    if error.status == http.HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = _challenge(error)
    return headers


def retry_headers(error: errors.LedgerError) -> dict[str, str]:
    """When to come back, where it is worth it."""
    if error.status not in (http.HTTPStatus.TOO_MANY_REQUESTS, http.HTTPStatus.SERVICE_UNAVAILABLE):
        return {}
    return {"Retry-After": str(getattr(error, "retry_after_s", RETRY_AFTER_S))}


def _challenge(error: errors.LedgerError) -> str:
    """RFC 6750 §3: with no token there is no error code, with a bad one it is `invalid_token`."""
    if isinstance(error, errors.ClientAssertionInvalid) or error.extra.get("reason") == "missing":
        return 'Bearer realm="license-ledger"'
    return 'Bearer realm="license-ledger", error="invalid_token"'


# --- a model's refusal, without what it refused ---

_SAFE_MESSAGES = frozenset(
    """
    missing extra_forbidden none_required
    string_type string_too_short string_too_long string_pattern_mismatch
    int_type int_parsing int_parsing_size int_from_float bool_type bool_parsing float_type float_parsing
    greater_than greater_than_equal less_than less_than_equal multiple_of finite_number
    literal_error enum dict_type list_type tuple_type set_type too_short too_long model_type
    model_attributes_type date_type date_parsing date_from_datetime_parsing date_past date_future
    datetime_type datetime_parsing datetime_from_date_parsing timezone_aware timezone_naive time_type
    decimal_type decimal_parsing decimal_max_digits decimal_max_places uuid_type url_type
    union_tag_not_found
    """.split()  # noqa: SIM905 - fifty quoted words read worse
)
"""Kinds of pydantic errors whose text comes from the model alone; others may repeat the value."""


def _message(flaw: Mapping[str, Any]) -> str:
    return str(flaw["msg"]) if flaw["type"] in _SAFE_MESSAGES else "The value is not acceptable here"


def _field(steps: Sequence[str | int]) -> str:
    """`holder.code` in a body; `query.as_of`, `path.…`, `header.…` elsewhere."""
    place, *rest = steps or ("body",)
    return edge.path(rest if place == "body" else [place, *rest]) or "body"
