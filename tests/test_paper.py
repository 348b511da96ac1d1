"""The paper in hand: number and name are those of the code, whatever keyboard they were typed on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger import paper
from signing import suites, token
from tests.test_token import TOKEN

NUMBER, NAME = "NO-0042", "阿卜杜拉·Ahmad"
SAID = replace(
    TOKEN,
    paper_digest=token.paper_digest(salt=TOKEN.paper_salt, number=NUMBER, names=[NAME], suite=suites.INTL),
)


@pytest.mark.parametrize(
    ("number", "name", "expected"),
    [
        (NUMBER, NAME, True),
        ("\u3000no-0042", f" {NAME}\n", True),
        ("ＮＯ-００４２", NAME, True),
        (NUMBER, "阿卜杜拉•Ahmad", False),
        (NUMBER.replace("2", "3"), NAME, False),
        (NUMBER, NAME[:-1], False),
        (NAME, NUMBER, False),
        ("", "", False),
    ],
)
def test_a_paper_matches_when_number_and_name_do(number: str, name: str, expected: bool) -> None:
    assert paper.matches(SAID, number=number, name=name, suite=suites.INTL) is expected


def test_a_name_in_capitals_or_chinese_is_found_from_its_normal_form() -> None:
    for printed, typed in (
        ("榕城示例有限公司", "榕城 示例有限公司"),
        ("AHMAD", "Ａhmad"),
        ("阿·卜", "阿•卜"),
    ):
        digest = token.paper_digest(salt=TOKEN.paper_salt, number=NUMBER, names=[printed], suite=suites.INTL)
        said = replace(TOKEN, paper_digest=digest)
        assert paper.matches(said, number=NUMBER, name=typed, suite=suites.INTL)
