"""A file of working days that an operator keeps: next year's notice, before the library has it.

Gives `read`, the official calendar with what the file says beside it and against it. Every fault names
file and line.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from ledger import days, errors, workdays

HEADER = ["day", "kind"]
KINDS = ("off", "work")
LINES_MAX = 2_000


def calendar(file: Path | None) -> workdays.Calendar:
    """The official calendar, or what `read` gives where there is a file."""
    return workdays.official() if file is None else read(file)


@functools.lru_cache(maxsize=4)
def read(file: Path) -> workdays.Calendar:
    """The official calendar as a file amends it; known until the last year that the file tells whole.

    The file is read once a process. Raises Invalid.
    """
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise errors.Invalid("cannot be read as UTF-8", field=file.name) from error
    said = dict(_rows(lines, file.name))
    known = workdays.official()
    off = {day for day, kind in said.items() if kind == "off"}
    return replace(
        known,
        known_until=_known_until(off, known, file.name),
        holidays=(known.holidays - said.keys()) | off,
        workdays=(known.workdays - said.keys()) | (said.keys() - off),
    )


def _rows(lines: list[str], name: str) -> Iterator[tuple[int, str]]:
    """(day, kind) of each line; blank ones and those that begin with # say nothing."""
    told = [(number, line) for number, line in enumerate(lines, start=1) if line and not line.startswith("#")]
    cells = [[cell.strip() for cell in line.split(",")] for _, line in told]
    if not cells or cells[0] != HEADER or len(cells) > LINES_MAX:
        raise errors.Invalid(f"a head line day,kind and at most {LINES_MAX} days", field=name)
    seen = set()
    for (number, _), row in zip(told[1:], cells[1:], strict=True):
        day = _day(row)
        if day is None or row[1] not in KINDS or day in seen:
            raise errors.Invalid(f"line {number}: another day, YYYY-MM-DD, and off or work", field=name)
        seen.add(day)
        yield day, row[1]


def _day(row: list[str]) -> int | None:
    try:
        return days.parse(row[0]) if len(row) == len(HEADER) else None
    except ValueError:
        return None


def _known_until(off: Iterable[int], known: workdays.Calendar, name: str) -> int:
    """Year after year from the official calendar on, as long as New Year's Day is told to be off."""
    told = {days.text(day) for day in off}
    last = known_years = int(days.text(known.known_until)[:4])
    while f"{last + 1}-01-01" in told:
        last += 1
    beyond = {day[:4] for day in told if int(day[:4]) > last}
    if beyond:
        raise errors.Invalid(f"{min(beyond)} comes before {last + 1} is told: 1 January is off", field=name)
    return known.known_until if last == known_years else workdays.known_through(last)
