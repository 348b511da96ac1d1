"""The normal form of docs/comparison.md, its verdicts, and comparisons on the append path."""

from __future__ import annotations

import datetime as dt
import itertools
import unicodedata
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import assume, example, given

from ledger import comparison, comparison_commands, comparison_dates, days, errors, identifiers
from ledger.comparison import compare
from ledger.pen import Recorded
from ledger.state import AuthorizationRow, LicenseRow, MissRow
from tests.history import HALL, HOLDER, NOON, OTHER, REF, STREAMS, History, begun, granted, version
from tests.world import BUSINESS_LICENSE, CITIZEN_CARD, ENTERPRISE, World, citizen

LONG_NAME = "·".join(
    ["阿不都热合曼", "买买提艾力", "伊布拉音江", "吐尔逊尼亚孜", "阿卜杜赛买提", "努尔麦麦提", "玉素甫江"] * 2
)

# --- names ---


@pytest.mark.parametrize(
    "dot", ["·", "•", "‧", "∙", "⋅", "・", "･", "●", "․", "﹒", "．", "。", "ㆍ", ".", " · ", " ."]
)
def test_every_separator_seen_in_practice_is_the_same(dot: str) -> None:
    claimed, held = f"买买提{dot}艾力", "买买提·艾力"
    assert compare("name", claimed=claimed, held=held) == "match"
    assert compare("@holder_name", claimed=held, held=claimed) == "match"


def test_a_full_stop_between_digits_is_no_separator() -> None:
    assert comparison.name("A1.2B") == "A1.2B"
    assert comparison.name("J.F.Kennedy") == "J·F·KENNEDY"


@pytest.mark.parametrize(
    ("claimed", "held"),
    [
        ("张 三", "张三"),
        ("张\u3000三", "张三"),
        ("张三\u200b", "张三"),
        ("ＪＯＨＮ　ＳＭＩＴＨ", "John Smith"),
        ("榕城示例（福州）有限公司", "榕城示例(福州)有限公司"),
        ("Ame\u0301lie", "AMÉLIE"),
        ("\uf9e3", "\u6ce5"),
        ("\u2f00\u2f9d", "一身"),
    ],
)
def test_ways_to_write_one_name_match(claimed: str, held: str) -> None:
    assert compare("name", claimed=claimed, held=held) == "match"


def test_words_of_an_alphabet_stay_apart() -> None:
    assert compare("name", claimed="MARY ANN", held="MARYANN") == "mismatch"


def test_a_name_of_more_than_fifty_characters_is_compared_whole() -> None:
    assert len(LONG_NAME) > 50
    assert compare("name", claimed=LONG_NAME.replace("·", "•"), held=LONG_NAME) == "match"
    assert compare("name", claimed=LONG_NAME[:-1], held=LONG_NAME) == "mismatch"


def test_a_former_name_matches_as_such_and_only_for_names() -> None:
    said: dict[str, Any] = {"held": "榕城示例有限公司", "names": ("榕城旧名有限公司", "榕城示例有限公司")}
    assert compare("unit_name", claimed="榕城旧名有限公司", **said) == "matches-former-name"
    printed_before = said | {"held": "榕城旧名有限公司"}
    assert compare("unit_name", claimed="榕城示例有限公司", **printed_before) == "matches-former-name"
    of_another = said | {"held": "另一人"}
    assert compare("unit_name", claimed="榕城示例有限公司", **of_another) == "mismatch"
    assert compare("unit_name", claimed="榕城另名有限公司", **said) == "mismatch"
    assert compare("domicile", claimed="榕城旧名有限公司", **said) == "mismatch"


# --- characters that machines lose ---


@pytest.mark.parametrize(
    ("claimed", "held"),
    [
        ("王㛃", "王洁"),
        ("王洁", "王㛃"),
        ("王□", "王㛃"),
        ("王?", "王㛃"),
        ("王？", "王㛃"),
        ("王〓", "王㛃"),
        ("王\ufffd", "王㛃"),
        ("王\ue123", "王㛃"),
        ("王\U0002b7a9", "王㛃"),
        ("張三", "张三"),
        ("张*", "张三"),
        ("李四", "王㛃"),
    ],
)
def test_a_rare_character_asks_for_eyes_and_never_mismatches(claimed: str, held: str) -> None:
    assert compare("name", claimed=claimed, held=held) == "needs-eyes"


def test_known_private_code_points_are_the_characters_that_they_stood_for() -> None:
    assert compare("name", claimed="王\ue81e", held="王\u9fb4") == "match"
    assert compare("name", claimed="王\ue863", held="王\u4dae") == "match"
    assert compare("name", claimed="王\ue816", held="王\U00020087") == "match"


def test_the_table_of_private_code_points_is_that_of_the_standard() -> None:
    """GB 18030 keeps these at FE50 to FEA0; where the codec has them, it says the same."""
    places = [place for place in range(0x50, 0xA1) if place != 0x7F]
    agreed = 0
    for point, place in zip(range(0xE815, 0xE865), places, strict=True):
        known = bytes([0xFE, place]).decode("gb18030")
        mapped = comparison.text(chr(point))
        assert not 0xE000 <= ord(mapped) <= 0xF8FF
        if known != chr(point):
            assert mapped == unicodedata.normalize("NFC", known)
            agreed += 1
    assert agreed == 66


@given(st.text(max_size=60), st.text(max_size=60), st.characters(min_codepoint=0x3400, max_codepoint=0x4DBF))
def test_with_a_rare_character_there_is_never_a_mismatch(before: str, held: str, rare: str) -> None:
    assert compare("name", claimed=before + rare, held=held) != "mismatch"


# --- codes, dates, numbers ---


def test_both_lengths_of_a_citizen_id_match() -> None:
    long = citizen(3).code
    short = long[:6] + long[8:17]
    assert compare("@holder_code", claimed=short, held=long) == "match"
    assert compare("citizen_id", claimed=long, held=short) == "match"
    assert compare("citizen_id", claimed=long.lower(), held=f" {long} ") == "match"
    assert compare("citizen_id", claimed=citizen(4).code, held=long) == "mismatch"


DAY = [
    "2026-03-01",
    "2026/3/1",
    "2026.3.1",
    "20260301",
    "2026年3月1日",
    "2026年03月01日",
    "二〇二六年三月一日",
]
DAY += ["2026-03-01T00:00:00+08:00", "2026-03-01 00:00:00", "２０２６－０３－０１", "20260301000000"]


@pytest.mark.parametrize(("claimed", "held"), list(itertools.product(DAY, DAY[:3])))
def test_every_way_to_write_a_day_is_that_day(claimed: str, held: str) -> None:
    assert compare("birth_date", claimed=claimed, held=held) == "match"


def test_other_days_and_no_days_are_other() -> None:
    assert compare("birth_date", claimed="2026-03-02", held="2026-03-01") == "mismatch"
    assert compare("birth_date", claimed="2026-02-30", held="2026-03-02") == "mismatch"
    assert compare("valid_to", claimed="长期", held="9999-12-31") == "match"
    assert comparison_dates.normal("二〇二六年十二月三十一日") == "2026-12-31"
    assert comparison_dates.normal("二〇二六年十月二十日") == "2026-10-20"
    assert comparison_dates.normal("二〇二六年十十月一日") is None


@given(st.dates(min_value=dt.date(1000, 1, 1)))
def test_a_day_reads_back(day: Any) -> None:
    for written in (day.isoformat(), f"{day:%Y%m%d}", f"{day.year:04}年{day.month}月{day.day}日"):
        assert comparison_dates.normal(written) == day.isoformat()


def test_numbers_are_compared_by_value_and_codes_with_zeros_as_written() -> None:
    assert compare("registered_capital", claimed="1000000", held="1000000.00") == "match"
    assert compare("registered_capital", claimed="-0.0", held="0") == "match"
    assert compare("room", claimed="007", held="7") == "mismatch"
    assert compare("serial_number", claimed="1.0", held="1") == "mismatch"


def test_what_is_no_single_value_is_for_eyes() -> None:
    assert compare("scope", claimed="a", held=["a"]) == "needs-eyes"
    assert compare("scope", claimed="a", held=None) == "needs-eyes"
    assert compare("is_open", claimed="true", held=True) == "match"


# --- the form itself ---

FORMS = (comparison.text, comparison.name, comparison.code, comparison.date)
written = st.text(
    st.characters(codec="utf-8") | st.sampled_from("··•．.。 \u3000\u200b０9a王㛃\ue81e年月日-/1?")
)


@given(written)
@example("\u0339\u200b\u0334")
@example("\u0339 \u0334")
@example("a\u0339 \u0334")
def test_a_normal_form_is_its_own_normal_form(said: str) -> None:
    for form in FORMS:
        assert form(form(said)) == form(said)


@given(written)
def test_a_value_always_matches_itself(said: str) -> None:
    for field in ("name", "citizen_id", "birth_date", "domicile"):
        assert compare(field, claimed=said, held=said) == "match"


@given(written, written)
def test_verdicts_do_not_depend_on_who_claims(one: str, other: str) -> None:
    for field in ("name", "citizen_id", "birth_date", "domicile"):
        assert compare(field, claimed=one, held=other) == compare(field, claimed=other, held=one)


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=1, max_size=4))
def test_common_names_that_differ_mismatch(said: str) -> None:
    try:
        said.encode("gb2312")
    except UnicodeEncodeError:
        assume(False)
    assert compare("name", claimed=said, held=said + "甲") == "mismatch"


# --- the fact ---


def compared(history: History, *verdicts: tuple[str, str], **members: Any) -> comparison.LicenseCompared:
    row = history.row(LicenseRow, REF)
    values: dict[str, Any] = {
        "license_ref": REF,
        "version": row.version,
        "license_index": row.version_index,
        "authorization_ref": REF,
        "mode": "holder",
        "verdicts": verdicts or (("name", "match"),),
    }
    return comparison.LicenseCompared(**values | members)


def with_grant(**members: Any) -> History:
    history = begun()
    history.record(version())
    history.record(granted(**members))
    return history


def test_a_comparison_spends_a_use_and_needs_an_authorization_as_a_use_does() -> None:
    history = with_grant(uses_max=2, field_names=("name",))
    history.record(compared(history), by=HALL)
    assert history.row(AuthorizationRow, REF).uses == 1
    for made, members in (
        (compared(history, ("domicile", "match")), {}),
        (compared(history, ("name", "not-held")), {}),
        (compared(history, ("name", "maybe")), {}),
        (compared(history, ("name", "match"), ("name", "match")), {}),
        (compared(history, version=2), {}),
        (compared(history), {"by": OTHER}),
        (compared(history), {"stream": STREAMS[HALL]}),
    ):
        with pytest.raises(errors.Forbidden):
            history.record(made, **{"by": HALL} | members)
    history.record(compared(history), by=HALL)
    with pytest.raises(errors.Forbidden, match="authorization-exhausted"):
        history.record(compared(history), by=HALL)


def test_after_ten_misses_a_day_nothing_more_is_compared_until_midnight_in_beijing() -> None:
    history = with_grant()
    miss = compared(history, ("name", "mismatch"))
    for _ in range(comparison.MISSES_MAX):
        history.record(miss, by=HALL)
    for made in (miss, compared(history)):
        with pytest.raises(errors.ComparisonLimit):
            history.record(made, by=HALL)
    midnight = days.start(days.of_instant(NOON) + 1)
    with pytest.raises(errors.ComparisonLimit):
        history.record(miss, by=HALL, at=midnight - 1)
    history.record(miss, by=HALL, at=midnight)
    assert history.row(MissRow, comparison.miss_key(HOLDER, HALL)).misses == 1


def test_what_matches_is_no_miss() -> None:
    history = with_grant()
    for verdict in ("match", "matches-former-name"):
        history.record(compared(history, ("name", verdict)), by=HALL)
    assert (MissRow, comparison.miss_key(HOLDER, HALL)) not in history.rows


# --- on the append path ---


def ask(world: World, **claims: str) -> Recorded:
    """Claims about the enterprise's business license, as the face asks for them."""
    asked = command(world, claims)
    try:
        return world.do(asked).recorded[0]
    except errors.VersionMoved as moved:
        known = {moved.extra["version_index"]: comparison_commands.verdicts({"name": "甲公司"}, claims)}
        return world.do(replace(asked, known=known)).recorded[0]


def command(
    world: World, claims: dict[str, str], holder: identifiers.HolderCode = ENTERPRISE
) -> comparison_commands.CompareLicense:
    return comparison_commands.CompareLicense(
        actor=world.hall,
        holder=holder,
        type_code=BUSINESS_LICENSE,
        field_names=tuple(sorted(claims)),
        claims=claims,
    )


def test_a_comparison_is_an_event_of_its_own_that_discloses_nothing(world: World) -> None:
    world.issue(name="甲公司")
    world.grant(uses_max=2)
    told = ask(world, name="乙公司", domicile="福州")
    assert told.event.topic == "LicenseCompared"
    assert told.event.fact["verdicts"] == [["domicile", "not-held"], ["name", "mismatch"]]
    assert set(told.event.sealed) == {"claimed", "request"}
    assert "乙公司".encode() not in told.data
    assert ask(world, name="甲公司").event.fact["verdicts"] == [["name", "match"]]
    refused = ask(world, name="甲公司")
    assert (refused.event.fact["reason"], refused.event.fact["act"]) == (
        "authorization-exhausted",
        "comparison",
    )


def test_who_has_no_authorization_is_refused_before_anything_is_opened(world: World) -> None:
    world.issue(name="甲公司")
    for holder in (ENTERPRISE, citizen(5)):
        (told,) = world.do(command(world, {"name": "甲公司"}, holder)).recorded
        assert (told.event.topic, told.event.fact["reason"]) == ("UseRefused", "not-authorized")


def test_several_licenses_are_to_be_named(world: World) -> None:
    refs = {world.issue(name="甲公司") for _ in range(3)}
    world.grant()
    told = ask(world, name="甲公司")
    assert (told.event.fact["reason"], set(told.event.fact["choices"])) == ("ambiguous", refs)


def test_verdicts_on_a_version_that_is_replaced_are_not_recorded(world: World) -> None:
    world.issue(name="甲公司")
    world.grant()
    with pytest.raises(errors.VersionMoved):
        world.do(replace(command(world, {"name": "甲公司"}), known={0: (("name", "match"),)}))


def test_the_limit_holds_however_many_come_at_once(world: World) -> None:
    world.issue(name="甲公司")
    world.grant()
    asked = command(world, {"name": "乙公司"})
    with pytest.raises(errors.VersionMoved) as moved:
        world.do(asked)
    index = moved.value.extra["version_index"]
    asked = replace(asked, known={index: (("name", "mismatch"),)})
    futures = [world.appender.submit(asked) for _ in range(40)]
    outcomes = [future.exception(timeout=60) for future in futures]
    assert [one for one in outcomes if one is None] == [None] * comparison.MISSES_MAX
    assert {type(one) for one in outcomes if one is not None} == {errors.ComparisonLimit}
    assert world.use()[0].event.topic == "LicenseUsed"
    world.issue(citizen(6), type_code=CITIZEN_CARD)
