"""Masked names: one can recognize them beside the paper, and not read them off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import masking


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("张三", "张*"),
        ("李小明", "李*明"),
        ("欧阳小明", "欧**明"),
        ("张", "*"),
        ("", "*"),
        ("阿卜杜拉·艾哈迈德", "阿****德"),
        (" 张三 ", "张*"),
    ],
)
def test_a_person_keeps_the_ends_of_the_name(name: str, expected: str) -> None:
    assert masking.person(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("榕城示例有限公司", "榕城****公司"), ("示例行", "示*行"), ("示例商行", "示**行"), ("甲", "*")],
)
def test_a_body_keeps_two_characters_at_either_end(name: str, expected: str) -> None:
    assert masking.body(name) == expected


@given(st.text(st.characters(exclude_characters="*", exclude_categories=["Z", "C"]), min_size=1, max_size=60))
def test_something_of_every_name_is_hidden(name: str) -> None:
    for masked in (masking.person(name), masking.body(name)):
        shown = masked.replace("*", "")
        assert "*" in masked
        assert len(shown) < len(name)
        assert len(shown) <= 4
