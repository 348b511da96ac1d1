"""The strict JSON of trust files: what stands in them, item by item, or TrustInvalid.

Gives readers for members, arrays, texts, numbers, times and bytes, each with its one spelling. Knows the
shape of JSON and nothing of keys.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NoReturn

from signing import spelling

_TIME = "%Y-%m-%dT%H:%M:%SZ"


class TrustInvalid(ValueError):
    """A trust file that is not of a known format, that contradicts itself, or that nobody trusted signed."""


def load(data: bytes, *, bytes_max: int) -> Any:
    """The JSON of `data`, whole numbers only and no member twice."""
    if len(data) > bytes_max:
        raise TrustInvalid(f"a trust file has at most {bytes_max} bytes")
    try:
        return json.loads(
            data.decode(),
            object_pairs_hook=_object,
            parse_int=spelling.from_decimal,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
    except TrustInvalid:
        raise
    except (ValueError, RecursionError) as error:
        raise TrustInvalid("not JSON, or not JSON that a trust file has") from error


def dump(content: Any) -> bytes:
    """Compact JSON, members in order, characters as themselves."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")


def members(item: Any, *names: str) -> dict[str, Any]:
    """An object with exactly the members `names`."""
    if not isinstance(item, dict) or item.keys() != set(names):
        raise TrustInvalid(f"an object with exactly {', '.join(names)} is missing")
    return item


def array(item: Any) -> list[Any]:
    """An array."""
    if not isinstance(item, list):
        raise TrustInvalid("an array is missing")
    return item


def text(item: Any) -> str:
    """A text."""
    if not isinstance(item, str):
        raise TrustInvalid("a text is missing")
    return item


def blob(item: Any) -> bytes:
    """Bytes in base64."""
    return spelling.from_base64(text(item))


def flag(item: Any, name: str) -> bool:
    """True or false."""
    if type(item) is not bool:
        raise TrustInvalid(f"{name} is true or false")
    return item


def number(item: Any, name: str) -> int:
    """A whole number from 0."""
    if type(item) is not int or item < 0:
        raise TrustInvalid(f"{name} is a whole number from 0")
    return item


def time(item: Any, name: str) -> datetime:
    """A UTC time in whole seconds, like 2026-01-31T08:00:00Z."""
    try:
        read = datetime.strptime(text(item), _TIME).replace(tzinfo=UTC)
    except ValueError as error:
        if isinstance(error, TrustInvalid):
            raise
        raise TrustInvalid(f"{name} is a UTC time like 2026-01-31T08:00:00Z") from error
    if time_text(read) != item:
        raise TrustInvalid(f"{name} has another spelling")
    return read


def time_text(when: datetime) -> str:
    """The spelling of a time."""
    return when.astimezone(UTC).strftime(_TIME)


def require_once(items: list[Any]) -> None:
    """Nothing when no item stands twice."""
    if len(set(items)) != len(items):
        raise TrustInvalid("a ledger, an origin, a key or a list stands twice")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise TrustInvalid("a member stands twice")
    return content


def _refuse_number(text_: str) -> NoReturn:
    raise TrustInvalid(f"not a whole number: {text_[:20]}")
