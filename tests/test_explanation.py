"""What `license-ledger id check` says of a code."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import explanation

ROOT = "1.2.156.3005.2."
BODY = ROOT + "11100000MB0143028R001.11350000000000019H.2026000001.001."


@pytest.mark.parametrize(
    ("code", "verdict", "kind", "normalized"),
    [
        ("11010519491231002x", "ok", "citizen-id", "11010519491231002X"),
        ("350102000101001", "ok", "citizen-id", "350102190001010015"),
        ("350102000101996", "warning", "citizen-id", "350102190001019968"),
        ("810000190001010018", "ok", "citizen-id", "810000190001010018"),
        ("11350000000000019h", "ok", "credit-code", "11350000000000019H"),
        ("111000000000131433", "ok", "credit-code", "111000000000131433"),
        ("513500000000000353", "ok", "credit-code", "513500000000000353"),
        ("91350100MA0000001P", "warning", "credit-code", "91350100MA0000001P"),
        ("911840190001010017", "ok", "permanent-resident-card", "911840190001010017"),
        ("usa110100010114", "ok", "permanent-resident-card", "USA110100010114"),
        (BODY + "P", "ok", "license-id", BODY + "P"),
        (f" {BODY}P\n", "ok", "license-id", BODY + "P"),
        (BODY + "G", "legacy-variant", "license-id", BODY + "G"),
        (ROOT + "11100000MB03271699022.340100.000000016.001.9", "warning", "license-id", None),
    ],
)
def test_a_code_is_recognized_by_its_shape(
    code: str, verdict: str, kind: str, normalized: str | None
) -> None:
    found = explanation.explain(code)
    assert (found.verdict, found.kind) == (verdict, kind)
    assert found.normalized == (normalized or code)


@pytest.mark.parametrize(
    ("code", "kind", "fault"),
    [
        ("110105194912310021", "citizen-id", "check-character"),
        ("350102190001010025", "citizen-id", "check-character"),
        ("350102190002290012", "citizen-id", "birth-date"),
        ("35010219000101001", "citizen-id", "length"),
        ("350102000229001", "citizen-id", "birth-date"),
        ("91350100MA0000007B", "credit-code", "check-character"),
        ("91350100MA0000001A", "credit-code", "check-character"),
        ("9135010OMA0000007A", "credit-code", "charset"),
        ("91350100MA000000", "credit-code", "length"),
        ("513500000000000354", "credit-code", "check-character"),
        ("353500000000000354", "credit-code", "check-character"),
        ("663500000000000354", "citizen-id", "birth-date"),
        ("911840190001010018", "permanent-resident-card", "check-character"),
        ("USA110100010115", "permanent-resident-card", "check-character"),
        (BODY + "C", "license-id", "check-character"),
        (BODY + "p", "license-id", "charset"),
        ("hello", "unknown", "shape-unknown"),
        ("", "unknown", "shape-unknown"),
    ],
)
def test_a_bad_code_is_named_by_kind_and_fault_and_has_no_normalized_form(
    code: str, kind: str, fault: str
) -> None:
    found = explanation.explain(code)
    assert (found.verdict, found.kind, found.fault) == ("bad", kind, fault)
    assert found.normalized is None


def test_a_credit_code_shows_both_check_characters() -> None:
    assert explanation.explain("91350100MA0000001A").lines == (
        "check character (GB 32100): found A, expected P",
        "subject code check (GB 11714): found 1, expected 7",
        "fault: check-character",
    )


def test_a_license_identifier_shows_the_standard_and_the_legacy_character() -> None:
    assert explanation.explain(BODY + "G").lines == (
        "check character found: G",
        "standard (GB/T 36904, MOD 37,36): P",
        "legacy variant: G",
        "fault: check-character",
    )


def test_an_explanation_is_ready_for_json() -> None:
    found = explanation.explain("91350100MA0000001P").as_dict()
    assert json.loads(json.dumps(found)) == found
    assert found["warnings"] == ["subject-code-check"]
    assert found["lines"][-1:] == ["warning: subject-code-check"]  # type: ignore[index]


@given(st.one_of(st.text(), st.from_regex("[0-9A-Za-z]{14,20}", fullmatch=True)))
def test_any_text_is_explained_and_no_line_repeats_it(text: str) -> None:
    found = explanation.explain(text)
    assert (found.normalized is None) is (found.verdict == "bad")
    if len(text.strip()) > 13:
        assert all(text.strip() not in line for line in found.lines)
