"""The judges' own rule: absent is a visible skip, and a failure where judges are required."""

from __future__ import annotations

import pytest

from tests import judges

ABSENT = "no-such-judge"


def test_a_program_is_given_by_its_path() -> None:
    assert judges.need("sh").endswith("/sh")


def test_a_module_is_given_by_its_name() -> None:
    assert judges.need("hypothesis.stateful") == "hypothesis.stateful"


@pytest.mark.parametrize("name", [ABSENT, "no_such_module", "no_such_package.module"])
def test_an_absent_judge_skips_and_says_so(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEDGER_REQUIRE_JUDGES", raising=False)
    with pytest.raises(pytest.skip.Exception, match=name):
        judges.need(name)


def test_an_absent_judge_fails_where_judges_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_REQUIRE_JUDGES", "1")
    with pytest.raises(pytest.fail.Exception, match=ABSENT):
        judges.need(ABSENT)
