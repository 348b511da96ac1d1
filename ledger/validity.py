"""Validity rules of license types: what a rule's token asks of the dates of a license.

Gives `parse` for every token of the catalog and `findings`, which compares dates with a rule. Whether a
finding warns or refuses is the type's own choice (`ledger/catalog.py`). Pure.
"""

from __future__ import annotations

import calendar
import functools
import re
from datetime import date, timedelta
from typing import NamedTuple

from ledger import days

_DURATION = re.compile(r"P(0|[1-9][0-9]{0,2})([DMY])")
_TERM = re.compile(r"(fixed-|max-|registration-|lapse-if-unused-)?(P[1-9][0-9]{0,2}[DMY])")
_OPEN = ("long-term", "until-cancelled", "until-sold-out")
_AS_PRINTED = ("by-certificate", "by-inspection", "annual-review", "annual-endorsement")
_STEPS = {"by-age": ("P5Y", "P10Y", "P20Y"), "stepped": ("P6Y", "P10Y")}
_CYCLES = {"annual-review": "P1Y", "annual-endorsement": "P1Y"}


class Duration(NamedTuple):
    """A whole number of days, months or years (ISO 8601)."""

    number: int
    unit: str


class Rule(NamedTuple):
    """A parsed validity rule."""

    kind: str
    """`fixed`, `max`, `registration`, `lapse-if-unused`, `open`, `as-printed` or `steps`."""
    terms: tuple[Duration, ...]


class Finding(NamedTuple):
    """One way in which a license's dates do not fit its type's rule."""

    code: str
    message: str


def duration(text: str) -> Duration:
    """The duration written `P5Y`, `P3M` or `P30D`; raises ValueError."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError("a duration is written P5Y, P3M or P30D")
    return Duration(int(found[1]), found[2])


@functools.lru_cache(maxsize=1_024)
def parse(text: str) -> Rule:
    """The rule that a token says; raises ValueError."""
    if text in _OPEN:
        return Rule("open", ())
    if text in _AS_PRINTED:
        return Rule("as-printed", ())
    if text in _STEPS:
        return Rule("steps", tuple(duration(step) for step in _STEPS[text]))
    found = _TERM.fullmatch(text)
    if found is None:
        raise ValueError("not a validity rule")
    return Rule((found[1] or "fixed-").removesuffix("-"), (duration(found[2]),))


def cycle(text: str) -> str | None:
    """The endorsement cycle that a rule brings with it: yearly reviews and periodic registration."""
    rule = parse(text)
    return text.removeprefix("registration-") if rule.kind == "registration" else _CYCLES.get(text)


def after(day: int, length: Duration) -> int:
    """The day that lies `length` after `day`; of a month that is too short, its last day."""
    if length.unit == "D":
        return day + length.number
    begun = date(1970, 1, 1) + timedelta(days=day)
    months = begun.month - 1 + length.number * (12 if length.unit == "Y" else 1)
    year, month = begun.year + months // 12, months % 12 + 1
    last = calendar.monthrange(year, month)[1]
    return days.parse(date(year, month, min(begun.day, last)).isoformat())


def findings(text: str, *, valid_from: int, valid_to: int | None) -> tuple[Finding, ...]:
    """What does not fit the rule `text`; both ways of counting a term's last day are accepted."""
    rule = parse(text)
    if rule.kind in ("fixed", "max"):
        return _term(rule, valid_from, valid_to)
    if rule.kind == "open" and valid_to is not None:
        return (Finding("end-unexpected", "licenses of this type have no end date"),)
    if rule.kind == "registration" and valid_to is not None:
        return _not_longer(rule.terms[0], valid_from, valid_to)
    if rule.kind == "steps" and valid_to is not None and not _is_a_step(rule, valid_from, valid_to):
        return (Finding("term-unusual", "the term is none of those that this type has"),)
    return ()


def _term(rule: Rule, valid_from: int, valid_to: int | None) -> tuple[Finding, ...]:
    if valid_to is None:
        return (Finding("end-missing", "licenses of this type have an end date"),)
    found = _not_longer(rule.terms[0], valid_from, valid_to)
    if not found and rule.kind == "fixed" and valid_to < after(valid_from, rule.terms[0]) - 1:
        return (Finding("term-shorter", "the term is shorter than the type's"),)
    return found


def _not_longer(term: Duration, valid_from: int, valid_to: int) -> tuple[Finding, ...]:
    if valid_to <= after(valid_from, term):
        return ()
    return (Finding("term-longer", "the term is longer than the type's"),)


def _is_a_step(rule: Rule, valid_from: int, valid_to: int) -> bool:
    ends = [after(valid_from, step) for step in rule.terms]
    return any(end - 1 <= valid_to <= end for end in ends)
