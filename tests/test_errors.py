"""The tree of errors and its page, `docs/errors.md`, say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from api import edge
from ledger import errors

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "errors.md").read_text(encoding="utf-8")


def tree(error: type[errors.LedgerError] = errors.LedgerError) -> Iterator[type[errors.LedgerError]]:
    if error.__module__.startswith(errors.__name__):
        yield error
    for below in error.__subclasses__():
        yield from tree(below)


ALL = list(tree())
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| `")
]


def test_every_error_is_listed_once_and_none_more() -> None:
    assert sorted(row[0].strip("`") for row in ROWS) == sorted(error.type for error in ALL)


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.type)
def test_the_page_says_what_the_code_says(error: type[errors.LedgerError]) -> None:
    row = next(row for row in ROWS if row[0] == f"`{error.type}`")
    assert row[1:5] == [str(error.status), error.national_code or "—", error.title, error.title_zh]
    assert len(row) == 7
    assert all(cell.endswith(".") for cell in row[5:])


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.type)
def test_an_error_has_a_type_a_title_and_a_status_of_its_branch(error: type[errors.LedgerError]) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", error.type)
    assert error.title == error.title.strip().rstrip(".")
    assert re.search(r"[\u4e00-\u9fff]", error.title_zh)
    assert 400 <= error.status <= 599
    parent = error.__mro__[1]
    if issubclass(parent, errors.LedgerError) and parent is not errors.LedgerError:
        assert error.status == parent.status


def test_types_are_unique_and_titles_are_their_own() -> None:
    assert len({error.type for error in ALL}) == len(ALL)
    assert len({error.title for error in ALL}) == len(ALL)
    assert len({error.title_zh for error in ALL}) == len(ALL)


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.type)
def test_an_error_carries_values_in_fields_only(error: type[errors.LedgerError]) -> None:
    raised = error("Said so", field="holder.code", index=3)
    assert (raised.detail, raised.field, raised.extra) == ("Said so", "holder.code", {"index": 3})
    assert str(error()) == error.title


def test_the_page_names_the_limits_of_a_body() -> None:
    limits = edge.DEFAULT
    for number in (limits.body, limits.depth, limits.members, limits.string, limits.number):
        assert f"{number:,} " in PAGE
    assert set(edge.REASONS) <= set(re.findall("`([a-z0-9-]+)`", PAGE))
