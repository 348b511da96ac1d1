"""Validity rules: every token of the catalog is understood, and dates are held against it."""

from __future__ import annotations

import pytest

from ledger import catalog, days, validity
from tests.history import OPERATOR


def codes(rule: str, begins: str, ends: str | None) -> list[str]:
    valid_to = None if ends is None else days.parse(ends)
    found = validity.findings(rule, valid_from=days.parse(begins), valid_to=valid_to)
    return [finding.code for finding in found]


def test_every_token_of_the_shipped_catalog_is_understood() -> None:
    rules = {fact.validity_rule for fact in catalog.national_catalog(OPERATOR)}
    assert len(rules) > 20
    assert {validity.parse(rule).kind for rule in rules} == {
        *("fixed", "max", "registration", "lapse-if-unused", "open", "as-printed", "steps")
    }


@pytest.mark.parametrize(
    "text", ["", "P0Y", "P5", "5Y", "P5Y3M", "fixed-", "max-5Y", "P5W", "forever", "p5y"]
)
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a validity rule"):
        validity.parse(text)


@pytest.mark.parametrize(
    ("rule", "begins", "ends", "expected"),
    [
        ("P5Y", "2026-01-31", "2031-01-30", []),
        ("P5Y", "2026-01-31", "2031-01-31", []),
        ("fixed-P5Y", "2026-01-31", "2031-01-31", []),
        ("P5Y", "2026-01-31", "2031-02-01", ["term-longer"]),
        ("P5Y", "2026-01-31", "2031-01-29", ["term-shorter"]),
        ("P5Y", "2026-01-31", None, ["end-missing"]),
        ("P1Y", "2024-02-29", "2025-02-28", []),
        ("P1Y", "2024-02-29", "2025-03-01", ["term-longer"]),
        ("P3M", "2025-11-30", "2026-02-28", []),
        ("P90D", "2026-01-01", "2026-04-01", []),
        ("max-P10Y", "2026-01-01", "2026-06-30", []),
        ("max-P10Y", "2026-01-01", "2036-01-02", ["term-longer"]),
        ("max-P10Y", "2026-01-01", None, ["end-missing"]),
        ("registration-P5Y", "2026-01-01", None, []),
        ("registration-P5Y", "2026-01-01", "2032-01-01", ["term-longer"]),
        ("long-term", "2026-01-01", None, []),
        ("long-term", "2026-01-01", "2030-01-01", ["end-unexpected"]),
        ("until-sold-out", "2026-01-01", "2030-01-01", ["end-unexpected"]),
        ("by-certificate", "2026-01-01", "2099-01-01", []),
        ("lapse-if-unused-P3M", "2026-01-01", None, []),
        ("by-age", "2026-01-01", "2046-01-01", []),
        ("by-age", "2026-01-01", None, []),
        ("by-age", "2026-01-01", "2033-01-01", ["term-unusual"]),
        ("stepped", "2026-01-01", "2031-12-31", []),
        ("stepped", "2026-01-01", "2031-01-01", ["term-unusual"]),
    ],
)
def test_dates_are_held_against_the_rule(
    rule: str, begins: str, ends: str | None, expected: list[str]
) -> None:
    assert codes(rule, begins, ends) == expected


@pytest.mark.parametrize(
    ("rule", "cycle"),
    [("annual-review", "P1Y"), ("annual-endorsement", "P1Y"), ("registration-P5Y", "P5Y"), ("P5Y", None)],
)
def test_yearly_reviews_and_registrations_bring_their_cycle(rule: str, cycle: str | None) -> None:
    assert validity.cycle(rule) == cycle
