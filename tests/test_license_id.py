"""License identifiers by GB/T 36904: published and synthetic vectors, and what must be noticed."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ledger import license_id
from ledger.identifiers import IdentifierError
from ledger.license_id import Classification, LicenseId, Verdict

ROOT = "1.2.156.3005.2."
ISSUER = "11350000000000019H"
PUBLISHED = [
    ROOT + "11100000000013338W011.11430000006122244L.20230000403.001.U",
    ROOT + "11100000000013338W011.11430000006122244L.20230000403.002.S",
    ROOT + "11100000000013338W009.11330105002500287C.2025052201.002.0",
    ROOT + "11100000000013338W087.11370800MB28559184.37080001202411010001.001.3",
]
ISSUER_OF_2019 = ROOT + "11100000MB03271699022.340100.000000016.001.9"
SYNTHETIC = [
    ("11100000MB0143028R001.11350000000000019H.2026000001.001", "P", "G", "C"),
    ("11100000000013127D001.11350000000000019H.0001.001", "7", "M", "J"),
    ("11100000MB03271699001.11350000000000019H.350000000000000001.002", "Z", "E", "Y"),
    ("11100000000019713D013.11350000000000019H.A1B2C3D4E5F60718293A4B5C6D7E8F90.001", "1", "4", "5"),
    ("11100000000013338W032.11350000000000019H.2600599.001", "X", "W", "P"),
]
TYPE_CODES = [body[:21] for body, *_ in SYNTHETIC]
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

serials = st.text(alphabet=ALPHABET, min_size=1, max_size=license_id.SERIAL_LENGTH_MAX)


@st.composite
def license_ids(draw: st.DrawFn) -> LicenseId:
    return license_id.build(
        type_code=draw(st.sampled_from(TYPE_CODES)),
        issuer_code=ISSUER,
        serial=draw(serials),
        version=draw(st.integers(1, license_id.VERSION_MAX)),
    )


def fault_of_parse(text: str) -> str:
    with pytest.raises(IdentifierError) as caught:
        license_id.parse(text)
    assert caught.value.kind == "license-id"
    assert str(caught.value) == f"license-id: {caught.value.fault}"
    return caught.value.fault


@pytest.mark.parametrize("text", PUBLISHED)
def test_a_published_identifier_parses_and_prints_itself(text: str) -> None:
    read = license_id.parse(text)
    assert read.text == text
    made = license_id.build(
        type_code=read.type_code, issuer_code=read.issuer_code, serial=read.serial, version=read.version
    )
    assert made == read
    assert license_id.classify(text).verdict is Verdict.OK


def test_an_issuer_that_is_no_credit_code_is_a_warning_on_import_and_refused_when_strict() -> None:
    found = license_id.classify(ISSUER_OF_2019)
    assert found.verdict is Verdict.OK
    assert found.warnings == ("issuer-not-credit-code",)
    assert fault_of_parse(ISSUER_OF_2019) == "issuer-code"


@pytest.mark.parametrize(("body", "standard", "legacy", "root_included"), SYNTHETIC)
def test_the_standard_check_character_is_ok(
    body: str, standard: str, legacy: str, root_included: str
) -> None:
    text = f"{ROOT}{body}.{standard}"
    assert license_id.check_character(body.replace(".", "")) == standard
    assert license_id.classify(text) == Classification(
        text=text,
        verdict=Verdict.OK,
        license_id=license_id.parse(text),
        check_found=standard,
        check_standard=standard,
        check_legacy=legacy,
    )


@pytest.mark.parametrize(("body", "standard", "legacy", "root_included"), SYNTHETIC)
def test_the_legacy_check_character_is_a_legacy_variant_and_refused_when_strict(
    body: str, standard: str, legacy: str, root_included: str
) -> None:
    text = f"{ROOT}{body}.{legacy}"
    found = license_id.classify(text)
    assert license_id.legacy_check_character(body.replace(".", "")) == legacy
    assert (found.verdict, found.fault, found.text) == (Verdict.LEGACY_VARIANT, "check-character", text)
    assert (found.check_found, found.check_standard, found.check_legacy) == (legacy, standard, legacy)
    assert fault_of_parse(text) == "check-character"


@pytest.mark.parametrize(("body", "standard", "legacy", "root_included"), SYNTHETIC)
def test_a_check_character_over_the_root_is_bad(
    body: str, standard: str, legacy: str, root_included: str
) -> None:
    with_root = (ROOT + body).replace(".", "")
    assert license_id.check_character(with_root) == root_included
    found = license_id.classify(f"{ROOT}{body}.{root_included}")
    assert (found.verdict, found.fault) == (Verdict.BAD, "check-character")


BODY = "11100000MB0143028R001.11350000000000019H.2026000001.001"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param(PUBLISHED[0][:-1] + "7", "check-character", id="root-included-in-the-published"),
        pytest.param(f"{ROOT}{BODY}.PP", "check-character", id="two-check-characters"),
        pytest.param(f"{ROOT}{BODY}.", "check-character", id="no-check-character"),
        pytest.param(f"{ROOT}{BODY.replace('2026000001', '2026_00001')}.P", "charset", id="underscore"),
        pytest.param(f"{ROOT}{BODY.lower()}.P", "charset", id="lower-case"),
        pytest.param(f"{ROOT}{BODY}.p", "charset", id="lower-case-check"),
        pytest.param(f"{ROOT}{BODY}.Ｐ", "charset", id="full-width-check"),
        pytest.param(f"{ROOT}{BODY}", "part-count", id="check-missing"),
        pytest.param(f"{ROOT}{BODY.replace('2026', '2026.')}.P", "part-count", id="serial-with-a-stop"),
        pytest.param(f"1.2.156.3005.1.{BODY}.P", "root", id="other-root"),
        pytest.param(f"{BODY}.P", "root", id="root-missing"),
        pytest.param(f"{ROOT}{BODY}.P\n", "blank", id="newline-behind"),
        pytest.param("", "blank", id="empty"),
        pytest.param(f"{ROOT}{BODY.replace('R001', 'R01')}.P", "type-code", id="type-code-of-20"),
        pytest.param(f"{ROOT}{BODY.replace('R001', 'R0A1')}.P", "type-code", id="type-serial-with-letter"),
        pytest.param(f"{ROOT}{BODY.replace('R001', 'Q001')}.P", "type-code", id="definer-check"),
        pytest.param(f"{ROOT}{BODY.replace(ISSUER, '')}.P", "issuer-code", id="issuer-missing"),
        pytest.param(f"{ROOT}{BODY.replace(ISSUER, ISSUER + '0')}.P", "issuer-code", id="issuer-of-19"),
        pytest.param(f"{ROOT}{BODY.replace('2026000001', '')}.P", "serial", id="serial-missing"),
        pytest.param(f"{ROOT}{BODY.replace('2026000001', 'A' * 65)}.P", "serial", id="serial-of-65"),
        pytest.param(f"{ROOT}{BODY.replace('2026000001', 'A' * 70)}.P", "length", id="129-and-more"),
        pytest.param(f"{ROOT}{BODY[:-3]}000.P", "version", id="version-zero"),
        pytest.param(f"{ROOT}{BODY[:-3]}01.P", "version", id="version-of-two-digits"),
        pytest.param(f"{ROOT}{BODY[:-3]}00A.P", "version", id="version-with-letter"),
    ],
)
def test_a_flawed_identifier_is_bad_and_refused_by_the_name_of_the_flaw(text: str, fault: str) -> None:
    found = license_id.classify(text)
    assert (found.verdict, found.fault, found.text) == (Verdict.BAD, fault, text)
    assert fault_of_parse(text) == fault


@pytest.mark.parametrize("body", [BODY, "", "a", "A_1", "\u0661"])
def test_neither_check_is_computed_over_separators_or_foreign_characters(body: str) -> None:
    for compute in (license_id.check_character, license_id.legacy_check_character):
        with pytest.raises(IdentifierError, match=r"^license-id: charset$"):
            compute(body)


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"type_code": "11100000MB0143028Q001"}, "type-code"),
        ({"type_code": "11100000mb0143028r001"}, "type-code"),
        ({"type_code": "11100000MB0143028R1"}, "type-code"),
        ({"issuer_code": "340100"}, "issuer-code"),
        ({"issuer_code": ISSUER.lower()}, "issuer-code"),
        ({"serial": ""}, "serial"),
        ({"serial": "0624_001"}, "serial"),
        ({"serial": "a1"}, "serial"),
        ({"serial": "1" * 65}, "serial"),
        ({"version": 0}, "version"),
        ({"version": 1000}, "version"),
    ],
)
def test_what_cannot_be_printed_right_is_not_built(changed: dict[str, str | int], fault: str) -> None:
    parts = {"type_code": TYPE_CODES[0], "issuer_code": ISSUER, "serial": "1", "version": 1} | changed
    with pytest.raises(IdentifierError, match=rf"^license-id: {fault}$"):
        license_id.build(**parts)  # type: ignore[arg-type]


def test_subject_code_checks_of_issuer_and_definer_are_warnings() -> None:
    odd = "91350100MA0000001P"
    made = license_id.build(type_code=odd + "001", issuer_code=odd, serial="1", version=1)
    warnings = license_id.classify(made.text).warnings
    assert warnings == ("issuer-subject-code-check", "type-subject-code-check")


def test_the_longest_identifier_has_126_characters() -> None:
    made = license_id.build(type_code=TYPE_CODES[0], issuer_code=ISSUER, serial="Z" * 64, version=999)
    assert len(made.text) == 126


def test_no_repr_shows_the_serial() -> None:
    made = license_id.build(
        type_code=TYPE_CODES[0], issuer_code=ISSUER, serial="350102190001010015", version=1
    )
    assert made.serial not in repr(made) + repr(license_id.classify(made.text))


@given(license_ids())
def test_what_is_built_parses_to_itself(made: LicenseId) -> None:
    assert license_id.parse(made.text) == made
    assert license_id.classify(made.text).license_id == made


@given(license_ids(), st.data())
def test_any_substitution_in_an_identifier_is_noticed(made: LicenseId, data: st.DataObject) -> None:
    text = made.text
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from(ALPHABET + ALPHABET.lower() + "._-"))
    assume(text[at] != other)
    changed = text[:at] + other + text[at + 1 :]
    fault_of_parse(changed)
    assert license_id.classify(changed).verdict is not Verdict.OK


@given(st.text(alphabet=ALPHABET, min_size=1, max_size=80), st.data())
def test_any_substitution_in_a_body_changes_the_check_character(body: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(body) - 1))
    other = data.draw(st.sampled_from(ALPHABET))
    assume(body[at] != other)
    changed = body[:at] + other + body[at + 1 :]
    assert license_id.check_character(changed) != license_id.check_character(body)


@given(st.text(alphabet="0123456789", min_size=1, max_size=80))
def test_the_legacy_routine_never_agrees_over_digits_alone(body: str) -> None:
    assert license_id.legacy_check_character(body) != license_id.check_character(body)


@given(st.text())
def test_any_text_is_classified(text: str) -> None:
    found = license_id.classify(ROOT + text)
    assert found.text == ROOT + text
    assert (found.fault is None) is (found.verdict is Verdict.OK)
