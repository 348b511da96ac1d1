"""Citizen IDs, credit codes, permanent resident cards and holder codes, by published vectors."""

import copy
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ledger import identifiers
from ledger.identifiers import IdentifierError

CITIZEN_IDS = [
    "11010519491231002X",
    "440524188001010014",
    "350102190001010015",
    "350102190001010023",
    "810000190001010018",
    "820000190001010028",
    "830000190001010038",
]
PUBLIC_BODIES = [
    "11100000000013338W",
    "11100000MB03271699",
    "11100000000013127D",
    "111000000000131433",
    "11100000000019713D",
    "11100000MB0143028R",
    "11430000006122244L",
    "91350100M000100Y43",
]
SYNTHETIC_BODIES = [
    "11350000000000019H",
    "12350100000000027E",
    "91350100MA0000007A",
    "92350102MA00000A9L",
    "93350122MA00000B7B",
    "513500000000000353",
    "52350100MJ000000X0",
    "54350102MF00000056",
    "55350102MF0000013X",
    "313500000000000430",
    "81350100000000051T",
    "N2350122MF0000021F",
    "Y135000000000006XN",
]
CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def fault_of(call: Callable[[], object]) -> str:
    with pytest.raises(IdentifierError) as caught:
        call()
    return caught.value.fault


def citizen_id_from(first17: str) -> str:
    return first17 + identifiers.citizen_id_check_character(first17)


@st.composite
def citizen_ids(draw: st.DrawFn) -> str:
    """Synthetic: always born on 1900-01-01."""
    address = draw(st.from_regex("[1-8][0-9]{5}", fullmatch=True))
    return citizen_id_from(f"{address}19000101{draw(st.integers(0, 999)):03}")


@pytest.mark.parametrize("text", CITIZEN_IDS)
def test_a_citizen_id_or_residence_permit_is_itself(text: str) -> None:
    assert identifiers.citizen_id(text) == text
    assert identifiers.is_citizen_id(text)
    assert identifiers.contains_citizen_id(text)


def test_a_lower_case_x_is_normalized() -> None:
    assert identifiers.citizen_id("11010519491231002x") == "11010519491231002X"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("110105194912310021", "check-character", id="check-of-the-standard-example"),
        pytest.param("350102190001010025", "check-character", id="check-of-a-synthetic"),
        pytest.param("350102190002290012", "birth-date", id="29-february-1900"),
        pytest.param(citizen_id_from("35010217990101001"), "birth-date", id="born-before-1800"),
        pytest.param(citizen_id_from("35010200000101001"), "birth-date", id="year-zero"),
        pytest.param("35010219000101001", "length", id="17-characters"),
        pytest.param("3501021900010100155", "length", id="19-characters"),
        pytest.param("35010219000101001Y", "charset", id="letter-y"),
        pytest.param("X50102190001010015", "charset", id="x-in-front"),
        pytest.param("35010219000101001\uff15", "charset", id="full-width-digit"),
        pytest.param("35010219000101001\u0665", "charset", id="arabic-digit"),
        pytest.param("911840190001010017", "address", id="permanent-resident-card"),
        pytest.param(citizen_id_from("05010219000101001"), "address", id="address-with-zero"),
        pytest.param("35010219000101001A\n", "blank", id="newline-behind"),
        pytest.param(" 350102190001010015", "blank", id="blank-in-front"),
        pytest.param("", "blank", id="empty"),
    ],
)
def test_a_flawed_citizen_id_is_refused_by_the_name_of_the_flaw(text: str, fault: str) -> None:
    assert fault_of(lambda: identifiers.citizen_id(text)) == fault
    assert not identifiers.is_citizen_id(text)


def test_a_15_digit_citizen_id_meets_its_18_digit_form() -> None:
    assert identifiers.citizen_id_from_15("350102000101001") == "350102190001010015"
    assert identifiers.citizen_id("350102000101001") == "350102190001010015"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("350102000229001", "birth-date"),
        ("35010200010100X", "charset"),
        ("950102000101001", "address"),
        ("350102190001010015", "length"),
    ],
)
def test_a_flawed_15_digit_citizen_id_is_refused(text: str, fault: str) -> None:
    assert fault_of(lambda: identifiers.citizen_id_from_15(text)) == fault


@given(citizen_ids(), st.integers(0, 17), st.sampled_from("0123456789X"))
def test_any_substitution_in_a_citizen_id_is_noticed(code: str, at: int, other: str) -> None:
    assume(code[at] != other)
    assert not identifiers.is_citizen_id(code[:at] + other + code[at + 1 :])


@given(citizen_ids(), st.text(max_size=5), st.text(max_size=5))
def test_a_citizen_id_is_found_wherever_it_stands(code: str, before: str, after: str) -> None:
    # A letter before a combining mark may compose with it, so the mark is kept off the code.
    assert identifiers.contains_citizen_id(f"{before}.{code}.{after}")


@pytest.mark.parametrize(
    "text",
    [
        "B11010519491231002x号",
        "00350102190001010015001",
        "３５０１０２１９０００１０１００１５",
        "1101051949123100２Ｘ",
        "11010519491231002ｘ",
    ],
)
def test_an_embedded_or_full_width_citizen_id_is_found(text: str) -> None:
    assert identifiers.contains_citizen_id(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("350102190001010025", id="wrong-check"),
        pytest.param("350102000101001", id="15-digit-form"),
        pytest.param("350102-19000101-0015", id="separated"),
        pytest.param("1.2.156.3005.2.11100000000013338W011.11430000006122244L.1.001.U", id="license"),
        pytest.param("", id="empty"),
    ],
)
def test_what_is_no_18_character_citizen_id_is_not_found(text: str) -> None:
    assert not identifiers.contains_citizen_id(text)


@pytest.mark.parametrize("text", PUBLIC_BODIES + SYNTHETIC_BODIES)
def test_a_credit_code_passes_both_checks_without_a_warning(text: str) -> None:
    assert identifiers.credit_code(text) == identifiers.CreditCode(code=text)
    assert identifiers.credit_code_check_character(text[:17]) == text[17]
    assert identifiers.subject_code_check_character(text[8:16]) == text[16]


def test_a_lower_case_credit_code_is_raised() -> None:
    assert identifiers.credit_code("11350000000000019h").code == "11350000000000019H"


def test_the_subject_code_example_of_gb_11714_ends_in_x() -> None:
    assert identifiers.subject_code_check_character("D2143569") == "X"


def test_a_wrong_subject_code_check_is_a_warning() -> None:
    assert identifiers.credit_code("91350100MA0000001P").warnings == ("subject-code-check",)


@pytest.mark.parametrize("first_two", ["94", "B1", "22"])
def test_an_unknown_kind_is_a_warning(first_two: str) -> None:
    first17 = first_two + "350100MA0000007"
    code = first17 + identifiers.credit_code_check_character(first17)
    assert identifiers.credit_code(code).warnings == ("kind-unknown",)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("91350100MA0000007B", "check-character", id="check"),
        pytest.param("91350100MA0000001A", "check-character", id="both-checks"),
        pytest.param("9135010OMA0000007A", "charset", id="letter-o"),
        pytest.param("91350100MA000000", "length", id="16-characters"),
        pytest.param("913501A0MA0000007A", "charset", id="letter-in-the-division"),
        pytest.param("91350100MA000000ſA", "charset", id="long-s"),
        pytest.param("91350100MA0000007A ", "blank", id="blank-behind"),
        pytest.param("", "blank", id="empty"),
    ],
)
def test_a_flawed_credit_code_is_refused_by_the_name_of_the_flaw(text: str, fault: str) -> None:
    assert fault_of(lambda: identifiers.credit_code(text)) == fault


@given(
    st.sampled_from(PUBLIC_BODIES + SYNTHETIC_BODIES), st.integers(0, 17), st.sampled_from(CREDIT_ALPHABET)
)
def test_any_substitution_in_a_credit_code_is_noticed(code: str, at: int, other: str) -> None:
    assume(code[at] != other)
    fault_of(lambda: identifiers.credit_code(code[:at] + other + code[at + 1 :]))


@pytest.mark.parametrize(
    "text", ["911124198108030024", "911840190001010017", "CAN110081080310", "USA110100010114"]
)
def test_a_permanent_resident_card_is_itself(text: str) -> None:
    assert identifiers.permanent_resident_card(text) == text
    assert identifiers.permanent_resident_card(text.lower()) == text


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("911840190001010018", "check-character", id="new-check"),
        pytest.param("USA110100010115", "check-character", id="old-check"),
        pytest.param("9USA11190001010017", "charset", id="letters-after-the-nine"),
        pytest.param("350102190001010015", "charset", id="no-nine"),
        pytest.param(citizen_id_from("91084019000101001"), "province", id="province-10"),
        pytest.param(citizen_id_from("96684019000101001"), "province", id="province-66"),
        pytest.param(citizen_id_from("91184019000229001"), "birth-date", id="new-birth-date"),
        pytest.param("USA110100130114", "birth-date", id="old-birth-date"),
        pytest.param("USA11010001011", "length", id="14-characters"),
        pytest.param("1SA110100010114", "charset", id="digit-in-the-nationality"),
        pytest.param(" USA110100010114", "blank", id="blank-in-front"),
    ],
)
def test_a_flawed_permanent_resident_card_is_refused(text: str, fault: str) -> None:
    assert fault_of(lambda: identifiers.permanent_resident_card(text)) == fault


def test_an_old_card_born_on_29_february_2000_is_accepted() -> None:
    first14 = "USA11010002291"
    digit = identifiers.permanent_resident_card_check_digit(first14)
    assert identifiers.permanent_resident_card(first14 + digit)


@pytest.mark.parametrize("serial", ["000000001", "123456789", "ABCDEFGHJ", "YYYYYYYYY"])
def test_an_interim_code_is_itself_in_either_case_and_travels_as_099(serial: str) -> None:
    code = identifiers.make_interim_code("350102", serial)
    assert len(code) == 18
    assert identifiers.interim_code(code) == identifiers.interim_code(code.lower()) == code
    assert identifiers.holder_code("099", code.lower()).code == code
    assert identifiers.holder_code("099", code).warnings == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "blank"),
        (" ZZ3501020000000017", "blank"),
        ("ZZ350102000000001", "length"),
        ("ZZ35010200000000177", "length"),
        ("ZX3501020000000017", "charset"),
        ("ZZ35010A0000000017", "charset"),
        ("ZZ350102O000000017", "charset"),
        ("ZZ3501020000000018", "check-character"),
        ("ZZ3501030000000017", "check-character"),
        ("91350100MA0000007A", "charset"),
    ],
)
def test_a_flawed_interim_code_is_refused_by_the_name_of_the_flaw(text: str, fault: str) -> None:
    with pytest.raises(IdentifierError) as caught:
        identifiers.interim_code(text)
    assert (caught.value.kind, caught.value.fault) == ("interim-code", fault)


@given(st.text(alphabet=identifiers.CREDIT_ALPHABET, min_size=9, max_size=9), st.data())
def test_any_substitution_in_an_interim_code_is_noticed(serial: str, data: st.DataObject) -> None:
    code = identifiers.make_interim_code("350102", serial)
    at = data.draw(st.integers(8, 15))
    other = data.draw(st.sampled_from(identifiers.CREDIT_ALPHABET))
    assume(code[at] != other)
    with pytest.raises(IdentifierError):
        identifiers.interim_code(code[:at] + other + code[at + 1 :])


def test_no_interim_code_is_a_credit_code() -> None:
    with pytest.raises(IdentifierError):
        identifiers.credit_code("ZZ3501020000000017")
    assert identifiers.holder_code("099", "ZZ3501020000000018").warnings == ("interim-code-check-character",)


def test_annex_a_has_sixteen_code_types_and_two_are_legal() -> None:
    types = identifiers.HOLDER_CODE_TYPES
    expected = "001 099 111 114 115 118 119 120 122 411 412 413 414 511 516 999"
    assert " ".join(types) == expected
    assert [code for code, row in types.items() if not row.is_natural_person] == ["001", "099"]
    assert types["111"].name_zh == "公民身份号码"
    assert all(row.code == code for code, row in types.items())


@pytest.mark.parametrize(
    ("code_type", "printed", "code"),
    [
        ("001", "11350000000000019h", "11350000000000019H"),
        ("099", "闽社证字第（12）号", "闽社证字第(12)号"),
        ("111", "11010519491231002x", "11010519491231002X"),
        ("111", "350102000101001", "350102190001010015"),
        ("114", "军字第００１２号", "军字第0012号"),
        ("122", "武文 0001", "武文 0001"),
        ("411", "de0000001", "DE0000001"),
        ("412", "S0000001", "S0000001"),
        ("413", "PE0000001", "PE0000001"),
        ("414", "EA0000001", "EA0000001"),
        ("414", "140000001", "140000001"),
        ("511", "00000001", "00000001"),
        ("511", "0000000001b", "0000000001B"),
        ("511", "0000000001（02）", "0000000001(02)"),
        ("516", "h00000001", "H00000001"),
        ("516", "M0000000102", "M0000000102"),
        ("999", "911840190001010017", "911840190001010017"),
        ("999", "usa110100010114", "USA110100010114"),
        ("999", "难民证001", "难民证001"),
    ],
)
def test_a_holder_code_is_normalized_and_keeps_its_printed_form(
    code_type: str, printed: str, code: str
) -> None:
    holder = identifiers.holder_code(code_type, printed)
    assert (holder.code_type, holder.code, holder.printed) == (code_type, code, printed)
    assert holder.warnings == ()
    assert holder.is_natural_person is (code_type not in ("001", "099"))


def test_two_printed_forms_of_one_citizen_are_one_holder_code() -> None:
    old = identifiers.holder_code("111", "350102000101001")
    assert old == identifiers.holder_code("111", "350102190001010015")


@pytest.mark.parametrize(
    ("code_type", "printed", "warnings"),
    [
        ("001", "91350100MA0000001P", ("subject-code-check",)),
        ("111", "350102000101996", ("centenarian-sequence",)),
        ("414", "X00000001", ("pattern",)),
        ("411", "E00000001", ("pattern",)),
        ("414", "EI0000001", ("pattern",)),
        ("999", "911840190001010018", ("permanent-resident-card-check-character",)),
        ("999", "9USA11190001010017", ("permanent-resident-card-charset",)),
        ("999", "USA110100130114", ("permanent-resident-card-birth-date",)),
    ],
)
def test_what_must_not_be_refused_is_a_warning(
    code_type: str, printed: str, warnings: tuple[str, ...]
) -> None:
    assert identifiers.holder_code(code_type, printed).warnings == warnings


@pytest.mark.parametrize(
    ("code_type", "printed", "kind", "fault"),
    [
        ("001", "91350100MA0000007B", "credit-code", "check-character"),
        ("111", "350102190001010025", "citizen-id", "check-character"),
        ("005", "350102190001010015", "holder-code", "code-type-unknown"),
        ("551", "810000190001010018", "holder-code", "code-type-unknown"),
        ("511", "0000001", "holder-code", "pattern"),
        ("516", "X00000001", "holder-code", "pattern"),
        ("516", "H000000012", "holder-code", "pattern"),
        ("414", "E001", "holder-code", "length"),
        ("414", "E" + "0" * 20, "holder-code", "length"),
        ("414", "E0000-0001", "holder-code", "charset"),
        ("114", "军" * 51, "holder-code", "length"),
        ("114", " 军字第1号", "holder-code", "blank"),
        ("114", "军字第1号\u3000", "holder-code", "blank"),
        ("099", "", "holder-code", "blank"),
        ("999", "A1^B2", "holder-code", "charset"),
        ("999", "A1＾B2", "holder-code", "charset"),
        ("999", "A1\u200bB2", "holder-code", "charset"),
    ],
)
def test_a_flawed_holder_code_is_refused(code_type: str, printed: str, kind: str, fault: str) -> None:
    with pytest.raises(IdentifierError) as caught:
        identifiers.holder_code(code_type, printed)
    assert (caught.value.kind, caught.value.fault) == (kind, fault)


@given(st.sampled_from(sorted(identifiers.HOLDER_CODE_TYPES)), st.text(max_size=60))
def test_a_refusal_says_kind_and_fault_alone(code_type: str, text: str) -> None:
    refused = None
    try:
        identifiers.holder_code(code_type, text)
    except IdentifierError as error:
        refused = error
    assume(refused is not None)
    assert refused is not None
    assert refused.kind in ("holder-code", "citizen-id", "credit-code")
    assert refused.fault in ("blank", "length", "charset", "pattern", "birth-date", "check-character")
    assert str(refused) == f"{refused.kind}: {refused.fault}"
    assert refused.__context__ is None


@given(st.sampled_from(["099", "114", "999"]), st.text(min_size=1, max_size=50))
def test_normalizing_twice_changes_nothing(code_type: str, text: str) -> None:
    try:
        holder = identifiers.holder_code(code_type, text)
    except IdentifierError:
        assume(False)
    assert identifiers.holder_code(code_type, holder.code) == holder


def test_no_message_repr_or_cause_contains_the_code() -> None:
    with pytest.raises(IdentifierError) as caught:
        identifiers.citizen_id("350102190002290012")
    assert "3501" not in f"{caught.value}{caught.value!r}{caught.value.__context__}"
    assert "3501" not in repr(identifiers.holder_code("111", "350102190001010015"))


def test_an_error_survives_copying_between_processes() -> None:
    error = copy.copy(IdentifierError("citizen-id", "length"))
    assert (error.kind, error.fault, str(error)) == ("citizen-id", "length", "citizen-id: length")
