"""Cells of a row of the stock read: days, moments and JSON, as files spell them.

Gives a value or None; what a fault is called is said by whoever reads the row. Pure.
"""

from __future__ import annotations

import functools
import re
from datetime import date
from typing import Any

from ledger import days, identifiers, stock_file, version

_DATE = re.compile(
    r"([0-9]{4})(?:([-/.])([0-9]{1,2})\2([0-9]{1,2})|年([0-9]{1,2})月([0-9]{1,2})日|([0-9]{2})([0-9]{2}))"
)
_MOMENT = re.compile(
    r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})(?:[T ]?)([0-9]{2}):?([0-9]{2}):?([0-9]{2})(\.[0-9]{1,6})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})?"
)
BEIJING = "+08:00"


def day(text: str) -> int | None:
    """The day that a date of the stock says: 20150601, 2015-06-01, 2015/6/1, 2015.6.1 or 2015年6月1日."""
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day_ = (int(part) for number, part in enumerate(found.groups()) if part and number != 1)
    try:
        made = days.parse(date(year, month, day_).isoformat())
    except ValueError:
        return None
    return made if version.DAY_MIN <= made <= version.DAY_MAX else None


def moment(text: str) -> int | None:
    """The instant that a time of a source says: 2026-11-25 17:03:22, in Beijing time unless it has an offset.

    Also with T, without separators, and with up to six digits of a second.
    """
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    year, month, day_, hour, minute, second, fraction, offset = found.groups()
    fraction = (fraction or ".0")[1:].ljust(6, "0")
    written = f"{year}-{month}-{day_}T{hour}:{minute}:{second}.{fraction}{offset or BEIJING}"
    try:
        return days.parse_instant(written.replace("Z", "+00:00"))
    except ValueError:
        return None


@functools.lru_cache(maxsize=1024)
def issuer(code: str) -> tuple[str | None, str | None]:
    """An issuer's credit code as it is written properly, or what is wrong with it; few stand in a file."""
    if identifiers.is_citizen_id(code):
        return None, "citizen-id"
    try:
        return identifiers.credit_code(code).code, None
    except identifiers.IdentifierError as error:
        return None, error.fault


@functools.lru_cache(maxsize=4096)
def is_field_name(name: str) -> bool:
    """Whether a field may have this name."""
    return version.FIELD_NAME.fullmatch(name) is not None and not identifiers.contains_citizen_id(name)


def parsed(value: Any, kind: type[Any]) -> Any:
    """A cell that holds JSON: as it is in NDJSON, or its text in CSV; raises ValueError with a fault."""
    if value in (None, ""):
        return kind()
    made = stock_file.parse_json(value) if isinstance(value, str) else value
    if not isinstance(made, kind):
        raise ValueError("json-object" if kind is dict else "json-array")
    return made
