"""Field schemas of license types: a bounded subset of JSON Schema 2020-12, and what does not fit one.

Gives `faults_of` over a schema's text, `parse`, and `Schema.faults` over the fields of a license, all
faults at once. There are no references, no combinators and no backtracking patterns, so that judging
takes time in proportion to schema and value. Numbers in license fields are decimal text exactly as
written; `number` and `integer` are asked of that text (decision 0015). Messages repeat no value. Pure.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from ledger import days, field_pattern
from ledger.errors import Fault

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TEXT_BYTES_MAX = 16_000
DEPTH_MAX = 5
PROPERTIES_MAX = 300
ENUM_MAX = 200
FAULTS_MAX = 100
COUNT_MAX = 10_000
CHARACTERS_MAX = 60_000
"""Of the fields of a license in all: an event has no more bytes, and judging takes its time from them."""
MATCHED_LENGTH_MAX = 1_000
"""Longer texts fit no pattern."""
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NUMBER_LENGTH_MAX = 40
_BOUND = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,6})?")
_ANNOTATIONS = {"title", "description"}
_KEYWORDS = {
    "string": {"minLength", "maxLength", "pattern", "format", "enum", "const"},
    "number": {"minimum", "maximum"},
    "integer": {"minimum", "maximum"},
    "boolean": set[str](),
    "null": set[str](),
    "array": {"items", "minItems", "maxItems"},
    "object": {"properties", "required", "additionalProperties"},
}
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems")


@dataclass(frozen=True)
class Schema:
    """A schema that has no faults."""

    document: Mapping[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        """The fields it defines, sorted."""
        return tuple(sorted(self.document.get("properties", {})))

    @property
    def required(self) -> tuple[str, ...]:
        """The fields that every license has, sorted."""
        return tuple(sorted(self.document.get("required", ())))

    def faults(self, values: Mapping[str, Any]) -> list[Fault]:
        """Everything in `values` that does not fit, at most 100; paths begin with `fields`."""
        if _characters(values) > CHARACTERS_MAX:
            return [Fault("fields", f"has at most {CHARACTERS_MAX} characters in all")]
        found: list[Fault] = []
        for fault in _object(self.document, values, "fields"):
            found.append(fault)
            if len(found) == FAULTS_MAX:
                break
        return found


@functools.lru_cache(maxsize=512)
def parse(text: str) -> Schema:
    """The schema that `text` writes; raises ValueError when it has faults."""
    found = faults_of(text)
    if found:
        raise ValueError(found[0].message)
    return Schema(_read(text))


def write(document: Any) -> str:
    """The one text of a document: members sorted, no white space, numbers as they are."""
    if isinstance(document, dict):
        members = (
            f"{json.dumps(name, ensure_ascii=False)}:{write(document[name])}" for name in sorted(document)
        )
        return "{" + ",".join(members) + "}"
    if isinstance(document, list):
        return "[" + ",".join(map(write, document)) + "]"
    if isinstance(document, Decimal):
        return str(document)
    return json.dumps(document, ensure_ascii=False)


def faults_of(text: str) -> list[Fault]:
    """All that keeps `text` from being a field schema, at most 100; paths begin with `field_schema`."""
    if len(text.encode()) > TEXT_BYTES_MAX:
        return [Fault("field_schema", f"a schema has at most {TEXT_BYTES_MAX} bytes")]
    try:
        document = _read(text)
    except (ValueError, RecursionError):
        return [Fault("field_schema", "a schema is JSON, no member twice")]
    if not isinstance(document, dict) or document.get("type") != "object":
        return [Fault("field_schema.type", "a field schema describes an object")]
    found = list(_Inspection().schema(document))
    if not found and write(document) != text:
        found.append(Fault("field_schema", "a schema is written sorted and without white space"))
    return found[:FAULTS_MAX]


def _read(text: str) -> Any:
    return json.loads(
        text, parse_int=Decimal, parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=_members
    )


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _refuse(_: str) -> None:
    raise ValueError("not a number of JSON")


class _Inspection:
    """Goes once through a schema and counts its properties."""

    def __init__(self) -> None:
        self._properties = 0

    def schema(self, document: dict[str, Any]) -> Iterator[Fault]:
        """The faults of the whole."""
        if document.get("$schema", DIALECT) != DIALECT:
            yield Fault("field_schema.$schema", "the dialect is JSON Schema 2020-12")
        if document.get("additionalProperties") is not False:
            yield Fault("field_schema.additionalProperties", "a license has no other fields: false")
        inner = {name: value for name, value in document.items() if name != "$schema"}
        yield from self._node(inner, "field_schema", 1)

    def _node(self, node: Any, path: str, depth: int) -> Iterator[Fault]:
        if not isinstance(node, dict):
            yield Fault(path, "a schema is an object")
            return
        if depth > DEPTH_MAX:
            yield Fault(path, f"a schema is at most {DEPTH_MAX} deep")
            return
        kinds = _kinds(node)
        if kinds is None:
            yield Fault(f"{path}.type", f"a type is one or more of {', '.join(_KEYWORDS)}")
            return
        known = _ANNOTATIONS.union({"type"}, *(_KEYWORDS[kind] for kind in kinds))
        for name in sorted(node.keys() - known):
            safe = name if name.isidentifier() or name.startswith("$") else "*"
            yield Fault(f"{path}.{safe[:40]}", "not a keyword of this subset for this type")
        for name in sorted(node.keys() & known - {"type"}):
            yield from self._keyword(name, node[name], f"{path}.{name}", depth)
        yield from _bounds(node, path)

    def _keyword(self, name: str, value: Any, path: str, depth: int) -> Iterator[Fault]:
        if name == "properties":
            yield from self._properties_of(value, path, depth)
        elif name == "items":
            yield from self._node(value, path, depth + 1)
        else:
            message = _KEYWORD_FAULTS[name](value)
            if message is not None:
                yield Fault(path, message)

    def _properties_of(self, value: Any, path: str, depth: int) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield Fault(path, "properties are an object")
            return
        self._properties += len(value)
        if self._properties > PROPERTIES_MAX:
            yield Fault(path, f"a schema has at most {PROPERTIES_MAX} properties")
            return
        for name, node in value.items():
            if NAME.fullmatch(name):
                yield from self._node(node, f"{path}.{name}", depth + 1)
            else:
                yield Fault(path, "a property's name is snake_case")


def _kinds(node: Mapping[str, Any]) -> tuple[str, ...] | None:
    said = node.get("type")
    kinds: list[Any] = said if isinstance(said, list) else [said]
    if not kinds or any(not isinstance(kind, str) or kind not in _KEYWORDS for kind in kinds):
        return None
    return tuple(kinds) if len(set(kinds)) == len(kinds) else None


def _count_fault(value: Any) -> str | None:
    is_count = isinstance(value, Decimal) and value == value.to_integral_value()
    return None if is_count and 0 <= value <= COUNT_MAX else f"a whole number from 0 to {COUNT_MAX}"


def _bound_fault(value: Any) -> str | None:
    is_bound = isinstance(value, Decimal) and _BOUND.fullmatch(str(value))
    return None if is_bound else "a number of at most 15 digits and 6 decimals"


def _pattern_fault(value: Any) -> str | None:
    try:
        _pattern(value)
    except (TypeError, ValueError) as error:
        return str(error)
    return None


def _texts_fault(value: Any) -> str | None:
    is_list = isinstance(value, list) and 0 < len(value) <= ENUM_MAX
    if not is_list or not all(isinstance(item, str) for item in value) or len(set(value)) != len(value):
        return f"one to {ENUM_MAX} different texts"
    return None


def _required_fault(value: Any) -> str | None:
    is_list = isinstance(value, list) and len(value) <= PROPERTIES_MAX
    if not is_list or not all(isinstance(item, str) and NAME.fullmatch(item) for item in value):
        return "required lists names of properties"
    return None if len(set(value)) == len(value) else "required lists a name once"


def _text_fault(value: Any) -> str | None:
    return None if isinstance(value, str) and len(value) <= 1_000 else "a text of at most 1000 characters"


_KEYWORD_FAULTS: dict[str, Callable[[Any], str | None]] = {
    **dict.fromkeys(_COUNTS, _count_fault),
    "minimum": _bound_fault,
    "maximum": _bound_fault,
    "pattern": _pattern_fault,
    "format": lambda value: None if value == "date" else "the formats of this subset: date",
    "enum": _texts_fault,
    "const": _text_fault,
    "required": _required_fault,
    "additionalProperties": lambda value: None if isinstance(value, bool) else "true or false",
    "title": _text_fault,
    "description": _text_fault,
}


def _bounds(node: Mapping[str, Any], path: str) -> Iterator[Fault]:
    """Bounds that nothing fits, and names that are required and not there."""
    for low, high in (("minLength", "maxLength"), ("minItems", "maxItems"), ("minimum", "maximum")):
        bounds = node.get(low), node.get(high)
        if all(isinstance(bound, Decimal) for bound in bounds) and bounds > bounds[::-1]:
            yield Fault(f"{path}.{high}", f"{high} is not below {low}")
    required, properties = node.get("required"), node.get("properties", {})
    if isinstance(required, list) and isinstance(properties, dict):
        for name in required:
            if isinstance(name, str) and NAME.fullmatch(name) and name not in properties:
                yield Fault(f"{path}.required", "a required property is not described")


@functools.lru_cache(maxsize=2_048)
def _pattern(text: str) -> field_pattern.Pattern:
    if not isinstance(text, str):
        raise TypeError("a pattern is text")
    return field_pattern.parse(text)


# --- values ---


def _characters(value: Any) -> int:
    """The characters of all texts and names within."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(len(name) + _characters(item) for name, item in value.items())
    return sum(map(_characters, value)) if isinstance(value, list) else 1


def _object(node: Mapping[str, Any], value: Mapping[str, Any], path: str) -> Iterator[Fault]:
    properties = node.get("properties", {})
    for name in node.get("required", ()):
        if name not in value:
            yield Fault(f"{path}.{name}", "the field is missing")
    for name, item in value.items():
        if name in properties:
            yield from _value(properties[name], item, f"{path}.{name}")
        elif node.get("additionalProperties", True) is False:
            safe = name if NAME.fullmatch(name) and not re.search(r"[0-9]{6}", name) else "*"
            yield Fault(f"{path}.{safe}", "the type has no such field")


def _value(node: Mapping[str, Any], value: Any, path: str) -> Iterator[Fault]:
    kinds = _kinds(node) or ()
    kind = next((kind for kind in kinds if _IS_KIND[kind](value)), None)
    if kind is None:
        yield Fault(path, f"must be of type {' or '.join(kinds)}")
    elif kind == "string":
        yield from (Fault(path, message) for message in _string(node, value))
    elif kind in ("number", "integer"):
        yield from (Fault(path, message) for message in _number(node, Decimal(value)))
    elif kind == "array":
        yield from _array(node, value, path)
    elif kind == "object":
        yield from _object(node, value, path)


def _string(node: Mapping[str, Any], value: str) -> Iterator[str]:
    if len(value) < node.get("minLength", 0):
        yield f"has at least {node['minLength']} characters"
    if "maxLength" in node and len(value) > node["maxLength"]:
        yield f"has at most {node['maxLength']} characters"
        return
    if "pattern" in node:
        is_long = len(value) > MATCHED_LENGTH_MAX
        if is_long or not _pattern(node["pattern"]).matches(value):
            yield "does not fit the pattern"
    if "enum" in node and value not in node["enum"]:
        yield "is none of the values of the type"
    if "const" in node and value != node["const"]:
        yield "is not the value of the type"
    if node.get("format") == "date" and not _is_date(value):
        yield "is not a date YYYY-MM-DD"


def _number(node: Mapping[str, Any], value: Decimal) -> Iterator[str]:
    if "minimum" in node and value < node["minimum"]:
        yield f"is at least {node['minimum']}"
    if "maximum" in node and value > node["maximum"]:
        yield f"is at most {node['maximum']}"


def _array(node: Mapping[str, Any], value: list[Any], path: str) -> Iterator[Fault]:
    if len(value) < node.get("minItems", 0):
        yield Fault(path, f"has at least {node['minItems']} items")
    if "maxItems" in node and len(value) > node["maxItems"]:
        yield Fault(path, f"has at most {node['maxItems']} items")
    if "items" in node:
        for number, item in enumerate(value):
            yield from _value(node["items"], item, f"{path}[{number}]")


def _is_number(value: Any) -> bool:
    if not isinstance(value, str) or len(value) > _NUMBER_LENGTH_MAX or not _NUMBER.fullmatch(value):
        return False
    try:
        return Decimal(value).is_finite()
    except InvalidOperation:
        return False


def _is_integer(value: Any) -> bool:
    return _is_number(value) and Decimal(value) == Decimal(value).to_integral_value()


def _is_date(value: str) -> bool:
    try:
        days.parse(value)
    except ValueError:
        return False
    return True


_IS_KIND: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": _is_number,
    "integer": _is_integer,
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
