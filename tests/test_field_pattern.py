"""Patterns of license fields: the subset, agreement with another matcher, and bounded time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import field_pattern

GOOD = [
    (r"^[0-9]{17}[0-9X]$|^[0-9]{15}$", ["1" * 18, "1" * 17 + "X", "1" * 15], ["1" * 16, "x" * 15, ""]),
    (r"^JY\d{14}$", ["JY" + "0" * 14], ["JY" + "0" * 13, "jy" + "0" * 14]),
    (r"^[^0-9]+$", ["证照"], ["证照1", ""]),
    (r"^a*b?c{2,}$", ["cc", "aabccc"], ["abc", "abbcc"]),
    (r"^.{0,3}$", ["", "证照号"], ["证照编号", "a\nb"]),
    (r"^闽[A-Z][A-Z0-9]{5,6}$", ["闽A12345", "闽AD12345"], ["闽a12345"]),
    (r"^\(\d{4}\)[\-\/]$", ["(2026)-", "(2026)/"], ["2026-"]),
    (r"^$", [""], ["a"]),
]
BAD = [
    *("", "a", "^a", "a$", "^(a)$", "^a**$", "^[$", "^[]$", "^[z-a]$", "^a{2,1}$", "^\\w$", "^a|b$"),
    *("^a{999}$", "^{2}$", "^\\1$", "^(?=a)$", "^[a-\\d]$", "^a]$", "^" + "a" * 200 + "$"),
]


@pytest.mark.parametrize(("pattern", "fits", "fails"), GOOD)
def test_a_pattern_says_which_texts_fit(pattern: str, fits: list[str], fails: list[str]) -> None:
    parsed = field_pattern.parse(pattern)
    assert all(parsed.matches(text) for text in fits)
    assert not any(parsed.matches(text) for text in fails)


@pytest.mark.parametrize("pattern", BAD)
def test_what_is_outside_the_subset_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"pattern|class|range|quantifier"):
        field_pattern.parse(pattern)


ATOMS = st.sampled_from(["a", "b", "证", ".", "[ab]", "[^a]", r"\d", "[a-c1]"])
QUANTIFIERS = st.sampled_from(["", "?", "*", "+", "{2}", "{0,2}", "{1,}"])
ITEMS = st.lists(st.tuples(ATOMS, QUANTIFIERS).map("".join), max_size=5).map("".join)
PATTERNS = st.lists(ITEMS.map(lambda body: f"^{body}$"), min_size=1, max_size=2).map("|".join)


@settings(max_examples=300, deadline=None)
@given(PATTERNS, st.text(alphabet="abc1证\n", max_size=8))
def test_it_decides_as_a_backtracking_matcher_does(pattern: str, text: str) -> None:
    judge = re.compile(pattern.replace("$", r"\Z"), re.ASCII)
    assert field_pattern.parse(pattern).matches(text) is (judge.match(text) is not None)


def test_a_pattern_that_ruins_backtrackers_is_matched_in_one_pass() -> None:
    pattern = field_pattern.parse("^" + "a*" * 60 + "b$")
    assert not pattern.matches("a" * 10_000)
    assert pattern.matches("a" * 10_000 + "b")
