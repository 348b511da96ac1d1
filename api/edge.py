"""Strict JSON at the edge: a body is read within limits, parsed once, and means one thing only.

Gives `parse` and `read_body`, `StrictRoute` which puts both before any pydantic model, and
`as_field_value` for license fields. Rests on RFC 8259 and the narrower I-JSON (RFC 7493): UTF-8
without BOM, no duplicate names, no lone surrogates; U+0000 is refused too, PostgreSQL has no place
for it. Names and strings are kept exactly as given; no refusal repeats a value.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from email.message import Message
from typing import Annotated, Any, ClassVar, NoReturn

import pydantic
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from ledger import errors

_INT_DIGITS_MAX = 18
_NAME_LENGTH_MAX = 64


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one document may bring."""

    body: int = 1_048_576
    """Bytes."""
    depth: int = 16
    """Objects and arrays inside each other."""
    members: int = 5_000
    """Members and items in all."""
    string: int = 10_000
    """Characters of one string or name."""
    data: int | None = None
    """Characters of the `data` of one of the `attachments`, where it may have more than other strings."""
    number: int = 40
    """Characters of one number."""


DEFAULT = Limits()


class WrittenInt(int):
    """A JSON integer of at most 18 digits, which remembers how it was written (`-0`)."""

    text: str

    def __new__(cls, text: str) -> WrittenInt:
        """The integer that `text` writes."""
        self = super().__new__(cls, text)
        self.text = text
        return self


@dataclass(frozen=True, slots=True)
class DecimalText:
    """Any other JSON number, as written; no `str`, so that no string member accepts it."""

    text: str


class _Duplicated(dict[str, Any]):
    """An object in which `name` stands twice."""

    name: str


@dataclass(frozen=True, slots=True)
class _NoNumber:
    """NaN or an infinity, which `json` would accept."""


def parse(body: bytes, *, limits: Limits = DEFAULT) -> Any:
    """The one document in `body`: dict, list, str, bool, None, WrittenInt or DecimalText.

    Raises errors.JsonInvalid with `field` where known, and a `reason` that a program can read.
    """
    text = _decode(body)
    _refuse_members(text, limits.members)
    _refuse_depth(text, limits.depth)
    if _is_plain(text, limits):
        with contextlib.suppress(ValueError):
            return _STRICT_DECODER.decode(text)
    try:
        document = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _refusal("syntax", line=error.lineno, column=error.colno) from error
    try:
        _Inspection(limits).item(document)
    except _Flaw as flaw:
        raise _refusal(flaw.reason, field=path(reversed(flaw.steps)) or None) from None
    return document


def number_text(item: Any) -> str:
    """A parsed number as decimal text, exactly as written."""
    assert isinstance(item, WrittenInt | DecimalText), "an item comes from parse"
    return item.text


def as_field_value(item: Any) -> Any:
    """A parsed item as a license field value: every number is decimal text exactly as written."""
    if isinstance(item, WrittenInt | DecimalText):
        return item.text
    if isinstance(item, dict):
        return {name: as_field_value(value) for name, value in item.items()}
    if isinstance(item, list):
        return [as_field_value(value) for value in item]
    assert item is None or isinstance(item, bool | str), "an item comes from parse"
    return item


FieldValue = Annotated[Any, pydantic.BeforeValidator(as_field_value)]
"""For pydantic models: `fields: dict[str, FieldValue]`."""


def path(steps: Iterable[str | int]) -> str:
    """Steps into a document as `uses[3].holder.code`; what cannot be a member's name is `*`."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += ("." if text else "") + (step if _is_name(step) else "*")
    return text


async def read_body(request: Request, *, limit: int) -> bytes:
    """The body, of at most `limit` bytes whatever Content-Length says; raises errors.TooLarge."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > _INT_DIGITS_MAX or int(declared) > limit):
        raise errors.TooLarge(limit_bytes=limit)
    chunks, length, is_more = [], 0, True
    while is_more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise errors.Malformed("The connection ended before the body did")
        chunk = message.get("body", b"")
        length += len(chunk)
        if length > limit:
            raise errors.TooLarge(limit_bytes=limit)
        chunks.append(chunk)
        is_more = message.get("more_body", False)
    return b"".join(chunks)


def require_json(request: Request) -> None:
    """Nothing when the body is sent as plain JSON; raises errors.UnsupportedMediaType."""
    said = request.headers.get("content-type", "")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if said == "application/json" and encoding == "identity":
        return
    message = Message()
    message["content-type"] = said
    charset = message.get_param("charset", "utf-8")
    is_utf8 = isinstance(charset, str) and charset.lower() == "utf-8"
    # An unreadable type counts as text/plain there (RFC 2045 §5.2), and is refused with it.
    if message.get_content_type() != "application/json" or not is_utf8 or encoding != "identity":
        raise errors.UnsupportedMediaType


class StrictRequest(Request):
    """A request whose body is bounded and whose JSON is strict."""

    limits: Limits = DEFAULT

    async def body(self) -> bytes:
        """The bounded body, read once."""
        if not hasattr(self, "_body"):
            self._body = await read_body(self, limit=self.limits.body)
        return self._body

    async def json(self) -> Any:
        """The parsed body, parsed once."""
        if not hasattr(self, "_json"):
            body = await self.body()
            require_json(self)
            self._json = parse(body, limits=self.limits)
        return self._json


class StrictRoute(APIRoute):
    """A route that reads and parses the body before any model sees it.

    FastAPI hides an error of `json()` behind its own 400; here it rises as what it is. An empty
    body is left to the model, which says what is missing.
    """

    limits: ClassVar[Limits] = DEFAULT

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """The handler of FastAPI behind the strict request."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            strict.limits = self.limits
            if self.body_field is not None and await strict.body():
                await strict.json()
            return await handler(strict)

        return handle


def strict_route(limits: Limits) -> type[StrictRoute]:
    """A route class with other limits: `APIRouter(route_class=strict_route(Limits(...)))`."""
    return type("StrictRoute", (StrictRoute,), {"limits": limits})


# --- from bytes to a document ---


def _decode(body: bytes) -> str:
    if body.startswith(b"\xef\xbb\xbf"):
        raise _refusal("byte-order-mark")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise _refusal("not-utf-8", byte=error.start) from error


_UNCOUNTED = 65_536
"""Characters of a text that may be parsed before its members are counted."""
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


def _refuse_members(text: str, members_max: int) -> None:
    """Before parsing: a number takes some hundred bytes, and building millions takes a minute.

    A member stands behind a comma or is the first of its container; each container but one is a member.
    """
    if len(text) <= _UNCOUNTED or _marks(text) <= members_max:
        return
    if _marks(_STRING.sub("", text)) > 2 * members_max + 1:
        raise _refusal("too-many-members")


def _marks(text: str) -> int:
    return text.count(",") + text.count("{") + text.count("[")


_BRACKET = re.compile(
    r"""[^\[\]{}"]*+ (?: "[^"\\]*+(?:\\.[^"\\]*+)*+"? [^\[\]{}"]*+ )*+ ([\[\]{}]|\Z)""",
    re.DOTALL | re.VERBOSE,
)
"""The next bracket outside strings, or the end; never backtracks, so that the scan is linear."""


def _refuse_depth(text: str, depth_max: int) -> None:
    """Before parsing, so that no recursion below is deeper than the limit."""
    if text.count("[") + text.count("{") <= depth_max:
        return
    depth = 0
    for bracket in _BRACKET.finditer(text):
        if bracket[1] in ("[", "{"):
            depth += 1
            if depth > depth_max:
                raise _refusal("too-deep")
        else:
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    seen: set[str] = set()
    duplicated = _Duplicated(members)
    duplicated.name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    return duplicated


def _integer(text: str) -> WrittenInt | DecimalText:
    return WrittenInt(text) if len(text.lstrip("-")) <= _INT_DIGITS_MAX else DecimalText(text)


def _constant(_: str) -> _NoNumber:
    return _NoNumber()


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=DecimalText, parse_constant=_constant
)


# --- the short way: a document in which nothing can be amiss but what the decoder meets ---


class _Unfit(ValueError):
    """Something to be refused; the long way says what and where."""


def _is_plain(text: str, limits: Limits) -> bool:
    """Whether no string and no count can be beyond its limit, and no escape can write what is refused."""
    return (
        limits.number > _INT_DIGITS_MAX
        and _marks(text) <= limits.members
        and (
            "\\u" not in text
            if len(text) <= limits.string
            else "\\" not in text and max(map(len, text.split('"'))) <= limits.string
        )
    )


def _strict_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Unfit
    return members


def _strict_integer(text: str) -> WrittenInt:
    if len(text.lstrip("-")) > _INT_DIGITS_MAX:
        raise _Unfit
    return WrittenInt(text)


def _strict_rest(_: str) -> NoReturn:
    raise _Unfit


_STRICT_DECODER = json.JSONDecoder(
    object_pairs_hook=_strict_object,
    parse_int=_strict_integer,
    parse_float=_strict_rest,
    parse_constant=_strict_rest,
)


# --- what json accepts and this ledger does not ---


class _Flaw(Exception):
    """A refusal on its way up; each level adds its step."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps: list[str | int] = []


class _Inspection:
    """One walk over a parsed document; raises _Flaw."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._members = 0
        self._way: list[str | int] = []
        """Steps to what is looked at."""

    def item(self, item: Any) -> None:
        """One item with all below it."""
        if isinstance(item, str):
            self._string(item, length_max=self._length_max())
        elif isinstance(item, dict):
            self._object(item)
        elif isinstance(item, list):
            self._count(item)
            for index, value in enumerate(item):
                self._below(index, value)
        elif isinstance(item, WrittenInt | DecimalText):
            self._number(item.text)
        elif isinstance(item, _NoNumber):
            raise _Flaw("not-a-number")

    def _object(self, item: dict[str, Any]) -> None:
        self._count(item)
        if isinstance(item, _Duplicated):
            self._step(item.name, _Flaw("duplicate-name"))
        for name, value in item.items():
            self._string(name, length_max=self._limits.string)
            self._below(name, value)

    def _below(self, step: str | int, item: Any) -> None:
        self._way.append(step)
        try:
            self.item(item)
        except _Flaw as flaw:
            self._step(step, flaw)
        self._way.pop()

    def _step(self, step: str | int, flaw: _Flaw) -> NoReturn:
        flaw.steps.append(step)
        raise flaw

    def _count(self, item: dict[str, Any] | list[Any]) -> None:
        self._members += len(item)
        if self._members > self._limits.members:
            raise _Flaw("too-many-members")

    def _length_max(self) -> int:
        match self._way:
            case ["attachments", int(), "data"] if self._limits.data is not None:
                return self._limits.data
        return self._limits.string

    def _string(self, text: str, *, length_max: int) -> None:
        if len(text) > length_max:
            raise _Flaw("string-too-long")
        if "\0" in text:
            raise _Flaw("null-character")
        if not text.isascii() and _SURROGATE.search(text):
            raise _Flaw("lone-surrogate")

    def _number(self, text: str) -> None:
        if len(text) > self._limits.number:
            raise _Flaw("number-too-long")


_SURROGATE = re.compile("[\ud800-\udfff]")

REASONS = {
    "byte-order-mark": "The body begins with a byte order mark",
    "not-utf-8": "The body is not UTF-8",
    "syntax": "The body is not JSON (RFC 8259)",
    "too-deep": "Objects and arrays are nested too deeply",
    "too-many-members": "There are too many members and items",
    "duplicate-name": "A name stands twice in one object",
    "not-a-number": "NaN and infinities are not JSON numbers",
    "number-too-long": "A number has too many characters",
    "string-too-long": "A string or name is too long",
    "null-character": "A string or name contains U+0000",
    "lone-surrogate": "A string or name contains half of a surrogate pair",
}
"""What each `reason` of a refusal means."""


def _refusal(reason: str, *, field: str | None = None, **extra: Any) -> errors.JsonInvalid:
    return errors.JsonInvalid(REASONS[reason], field=field, reason=reason, **extra)


def _is_name(step: str) -> bool:
    return len(step) <= _NAME_LENGTH_MAX and step.replace("-", "_").isidentifier()
