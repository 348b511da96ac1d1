"""The rule of a use: what the ledger decides is what docs/rules.md says, over every combination.

The page is interpreted by `rules_table.py`, which shares no code with the ledger. No database.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from ledger import advice, authorization, client, coverage, days, license, mark, party, use, use_choice
from ledger.state import AuthorizationRow, LicenseRow, StreamRow, TypeRow
from signing import ids
from tests import rules_table
from tests.rules_table import Held, Permission, Request

RULES = rules_table.read()
AT = days.parse_instant("2026-03-01T12:00:00+08:00")
ISSUER, OTHER_ISSUER = "11350000000000019H", "12350100000000027E"
HALL, OTHER_HALL = "12350100000000027E", "513500000000000353"
HOLDER, STRANGER, HALL_STREAM = b"h" * 16, b"s" * 16, b"o" * 16
TYPE, OTHER_TYPE = "11100000MB0143028R001", "11100000000013127D001"
RECORDED = ("suspended", "annulled", "recalled", "revoked", "cancelled", "void", "transferred-out")
MARKS = ("frozen", "lost", "restricted")


def held(number: int, status: str = "effective", *, type_code: str = TYPE, holder: bytes = HOLDER) -> Held:
    """A license of a status; those with greater numbers begin later."""
    first, last = f"2020-01-{number + 1:02}", None
    if status == "not-yet-effective":
        first = f"2027-01-{number + 1:02}"
    if status == "expired":
        last = "2026-02-28"
    ref = bytes([number]) * 16
    recorded = status if status in RECORDED else "active"
    marks = {status} & set(MARKS)
    standing = status if status.startswith("holder-") else None
    return Held(ref, ids.text(ref), holder.hex(), type_code, recorded, first, last, marks, standing)


def permission(number: int, mode: str, **members: object) -> Permission:
    """An authorization of the hall for the type, but for `members`."""
    standing = {"types": frozenset({TYPE})}
    owner = HOLDER.hex() if mode == "holder" else None
    made = Permission(bytes([number]) * 16, mode, HALL, owner, **standing)  # type: ignore[arg-type]
    made.entrusted_by = ISSUER if mode == "entrusted" else None
    for name, value in members.items():
        assert hasattr(made, name)
        setattr(made, name, value)
    return made


def license_row(item: Held) -> LicenseRow:
    return LicenseRow(
        license_ref=item.ref,
        stream_id=bytes.fromhex(item.holder),
        type_code=item.type,
        issuer=item.issuer,
        status=item.status,
        status_since=0,
        status_index=7,
        version=1,
        version_index=7,
        valid_from=days.parse(item.first_day),
        valid_to=None if item.last_day is None else days.parse(item.last_day),
        field_names=("@license_id", "domicile", "name"),
        parties=tuple(
            party.Party(bytes.fromhex(holder), consent, ()).text for holder, consent in item.parties.items()
        ),
        **{license.MARKS[mark]: 7 for mark in item.marks},
    )


def homes(licenses: Sequence[Held]) -> dict[bytes, StreamRow]:
    """The streams of the holders of some licenses."""
    found = {
        bytes.fromhex(item.holder): StreamRow(
            stream_id=bytes.fromhex(item.holder),
            kind="holder",
            is_erased=False,
            is_contested=item.standing == "holder-contested",
            ended_at=5 if item.standing == "holder-ended" else None,
        )
        for item in licenses
    }
    for item in licenses:
        for name in item.parties.keys() - {item.holder}:
            stream_id, is_gone = bytes.fromhex(name), name in item.gone
            found[stream_id] = StreamRow(
                stream_id=stream_id, kind="holder", is_erased=False, is_contested=is_gone
            )
    return found


def authorization_row(item: Permission) -> AuthorizationRow:
    return AuthorizationRow(
        authorization_ref=item.ref,
        stream_id=HALL_STREAM if item.holder is None else bytes.fromhex(item.holder),
        mode=item.mode,
        requester=item.requester,
        grantor=ISSUER,
        license_refs=tuple(sorted(item.licenses)),
        type_codes=tuple(sorted(item.types)),
        field_names=None if item.fields is None else tuple(sorted(item.fields)),
        service_items=None if item.items is None else tuple(sorted(item.items)),
        valid_from=item.begins,
        valid_until=item.ends,
        uses_max=item.count,
        uses=item.spent,
        is_withdrawn=item.is_withdrawn or item.is_unrepresented or item.is_unmandated,
        is_unrepresented=item.is_unrepresented,
        is_unmandated=item.is_unmandated,
        use_code_digest=None,
        joined=tuple(ids.text(bytes.fromhex(holder)) for holder in sorted(item.joined)),
        uses_per_day=item.a_day,
        case_numbers=None if item.cases is None else tuple(sorted(item.cases)),
        entrusted_by=item.entrusted_by,
        uses_day=days.parse(max(item.spent_on, default="1970-01-01")),
        uses_today=item.spent_on.get(max(item.spent_on, default=""), 0),
    )


ALL = coverage.Declaration(bytes(16), "all", None, None, None, None)


def type_row(type_code: str, nothing: str) -> TypeRow:
    """A type of which finding nothing means what the word says."""
    return TypeRow(
        type_code=type_code,
        name_zh="类型",
        name_en="Type",
        holder_kind="either",
        sharing_class="conditional",
        field_names=(),
        public_fields=(),
        is_retired=False,
        coverage=() if nothing == "uncovered" else (ALL.text(),),
        source="down" if nothing == "unreachable" else None,
    )


def agree(permissions: Sequence[Permission], licenses: Sequence[Held], asked: Request) -> str:
    """The outcome, on which the ledger and the page agree in every respect."""
    said = RULES.judge(permissions, licenses, asked, at=AT)
    decided = use_choice.decide(
        [authorization_row(item) for item in permissions],
        [license_row(item) for item in licenses],
        use.Asked(
            requester=asked.requester,
            service_item=asked.item,
            field_names=None if asked.fields is None else tuple(sorted(asked.fields)),
            case_number=asked.case,
        ),
        type_code=asked.type,
        types=[type_row(*item) for item in asked.finding_nothing.items()],
        homes=homes(licenses),
        contested=HOLDER if asked.is_contested else None,
        kept=frozenset(item.ref for item in licenses if item.is_kept and item.standing == "holder-ended"),
        at=AT,
    )
    assert (decided.reason or "granted") == said.outcome
    named = decided.authorization and decided.authorization.authorization_ref
    assert named == (said.permission and said.permission.ref)
    assert {row.license_ref for row in decided.licenses} == {item.ref for item in said.used}
    streams = {
        "requester": None,
        "authorization": decided.authorization and decided.authorization.stream_id,
        "holder": decided.licenses[0].stream_id if decided.licenses else HOLDER,
    }
    assert decided.stream_id == streams[said.rule.recorded_in]
    if decided.reason is not None:
        assert use.NATIONAL_CODES[decided.reason] == said.rule.code
    return said.outcome


def shared(number: int, own: str, other: str, *, home: bytes = HOLDER, status: str = "effective") -> Held:
    """A license of the holder and of a stranger, whose roles ask for consent as said."""
    made = held(number, status, holder=home)
    made.parties = {HOLDER.hex(): own, STRANGER.hex(): other}
    return made


def gone(made: Held) -> Held:
    """The license after the end of its further party."""
    made.gone = {STRANGER.hex()}
    return made


LICENSES: dict[str, list[Held]] = {
    "none": [],
    "one of another type": [held(1, type_code=OTHER_TYPE)],
    **{
        status: [held(1, status)]
        for status in ("effective", "not-yet-effective", "expired", *RECORDED, *MARKS)
    },
    "contested": [held(1, "holder-contested")],
    "ended": [held(1, "holder-ended")],
    "ended, of a kept type": [replace(held(1, "holder-ended"), is_kept=True)],
    "ended, two of a kept type": [replace(held(n, "holder-ended"), is_kept=True) for n in (1, 2)],
    "two of a contested code": [held(1, "holder-contested"), held(2, "holder-contested")],
    "two": [held(1), held(2)],
    "one with another, all asked": [shared(1, "all", "all")],
    "one with another, any asked": [shared(1, "any", "any")],
    "one with another who alone is asked": [shared(1, "none", "all")],
    "one of another's, any asked": [shared(1, "any", "any", home=STRANGER)],
    "an expired one with another": [shared(1, "all", "all", status="expired")],
    "one with another who is gone": [gone(shared(1, "any", "all"))],
    "one of a contested code with another": [shared(1, "any", "any", status="holder-contested")],
    "one with another and one alone": [shared(1, "all", "all"), held(2)],
    "twenty": [held(number) for number in range(20)],
    "twenty-one": [held(number) for number in range(21)],
    "one effective among ended ones": [held(1, "revoked"), held(2), held(3, "expired")],
    "a revoked one after an expired one": [held(1, "expired"), held(2, "revoked")],
    "an expired one after a revoked one": [held(1, "revoked"), held(2, "expired")],
}
TIMES = {"runs": (0, None), "later": (AT + 1, None), "ends now": (0, AT), "ends soon": (AT, AT + 1)}
A_DAY = {
    "none used": (3, {}),
    "used up today": (3, {"2026-03-01": 3}),
    "one left today": (3, {"2026-03-01": 2}),
    "used up yesterday": (3, {"2026-02-28": 3}),
    "no cap any more": (None, {"2026-03-01": 3}),
}
COUNTS = {"no limit": (None, 9), "used up": (3, 3), "one left": (3, 2), "twenty left": (20, 0)}
HELD, OTHER_HELD = {TYPE: "none"}, {OTHER_TYPE: "none"}
CLOSED = frozenset({"domicile"})
ASKED = {
    "everything": Request(HALL, TYPE, "item-1", None, "case-1", HELD),
    "everything of a type that is not covered": Request(
        HALL, TYPE, "item-1", None, "case-1", {TYPE: "uncovered"}
    ),
    "everything while the source is down": Request(
        HALL, TYPE, "item-1", None, "case-1", {TYPE: "unreachable"}
    ),
    "an open field": Request(HALL, TYPE, "item-1", frozenset({"name", "@license_id"}), "case-1", HELD),
    "a closed field": Request(HALL, TYPE, "item-1", CLOSED, "case-1", HELD),
    "another item": Request(HALL, TYPE, "item-2", None, "case-1", HELD),
    "another case": Request(HALL, TYPE, "item-1", None, "case-2", HELD),
    "another case and a closed field": Request(HALL, TYPE, "item-1", CLOSED, "case-2", HELD),
    "another item and a closed field": Request(HALL, TYPE, "item-2", CLOSED, "case-1", HELD),
    "by another hall": Request(OTHER_HALL, TYPE, "item-1", None, "case-1", HELD),
    "another type": Request(HALL, OTHER_TYPE, "item-1", None, "case-1", OTHER_HELD),
}


def single() -> Iterator[tuple[str, Permission]]:
    """Every kind of authorization."""
    for mode, withdrawn, time, count in itertools.product(
        rules_table.MODES_TRIED, (False, True), TIMES, COUNTS
    ):
        begins, ends = TIMES[time]
        limit, spent = COUNTS[count]
        for is_limited in (False, True):
            yield (
                mode,
                permission(
                    1,
                    mode,
                    is_withdrawn=withdrawn,
                    begins=begins,
                    ends=ends,
                    count=limit,
                    spent=spent,
                    fields=frozenset({"name"}) if is_limited else None,
                    items=frozenset({"item-1"}) if is_limited else None,
                ),
            )
    for mode, day, cases in itertools.product(rules_table.MODES_TRIED, A_DAY, (None, frozenset({"case-1"}))):
        a_day, spent_on = A_DAY[day]
        yield mode, permission(1, mode, a_day=a_day, spent_on=spent_on, cases=cases)
    yield "entrusted", permission(1, "entrusted", entrusted_by=OTHER_ISSUER)
    yield "holder", permission(1, "holder", is_unrepresented=True)
    yield "holder", permission(1, "holder", is_unmandated=True)


@pytest.mark.parametrize("asked", ASKED)
def test_the_ledger_decides_what_the_page_says_for_one_authorization(asked: str) -> None:
    seen = {agree([made], licenses, ASKED[asked]) for _, made in single() for licenses in LICENSES.values()}
    assert "not-authorized" in seen or asked not in ("by another hall", "another type")


def test_every_row_of_the_page_is_reached() -> None:
    reached = set()
    for _, made in single():
        for licenses in LICENSES.values():
            for asked in ASKED.values():
                reached.add(RULES.judge([made], licenses, asked, at=AT).rule.row)
    assert reached == {rule.row for rule in RULES.table}


@pytest.mark.faults
def test_the_ledger_decides_what_the_page_says_for_two_and_three_authorizations() -> None:
    """Long, so that it runs with the campaigns; every single authorization is tried with the tests."""
    kinds: list[dict[str, object]] = [
        {},
        {"is_withdrawn": True},
        {"is_unrepresented": True},
        {"is_unmandated": True},
        {"count": 1},
        {"count": 1, "spent": 1},
        {"a_day": 1, "spent_on": {"2026-03-01": 1}},
        {"items": frozenset({"item-9"})},
        {"fields": frozenset({"name"})},
        {"types": frozenset(), "licenses": frozenset({held(1).name})},
        {"requester": OTHER_HALL},
    ]
    made = [
        (mode, kind)
        for mode, kind in itertools.product(rules_table.MODES_TRIED, kinds)
        if mode == "holder" or not kind.keys() & {"licenses", "is_unrepresented", "is_unmandated"}
    ]
    asked = ASKED["a closed field"]
    outcomes = set()
    for chosen in itertools.combinations(made, 2):
        permissions = [permission(5 - at, mode, **kind) for at, (mode, kind) in enumerate(chosen)]
        for licenses in LICENSES.values():
            outcomes.add(agree(permissions, licenses, asked))
            outcomes.add(agree(permissions[::-1], licenses, ASKED["everything"]))
    for chosen in itertools.combinations(made[::3], 3):
        permissions = [permission(5 - at, mode, **kind) for at, (mode, kind) in enumerate(chosen)]
        outcomes |= {agree(permissions, licenses, asked) for licenses in LICENSES.values()}
    assert {"granted", "not-authorized", "fields-not-covered", "license-expired", "ambiguous"} <= outcomes


def test_a_consent_is_not_spent_where_law_permits() -> None:
    consent = permission(1, "holder", count=1)
    law = permission(9, "statutory", count=1)
    decided = use_choice.decide(
        [authorization_row(consent), authorization_row(law)],
        [license_row(held(1))],
        use.Asked(requester=HALL, service_item="item-1", field_names=None),
        type_code=TYPE,
        homes=homes([held(1)]),
        at=AT,
    )
    assert decided.authorization is not None
    assert decided.authorization.mode == "statutory"


@pytest.mark.parametrize("own", ["any", "all", "none"])
@pytest.mark.parametrize("other", ["any", "all", "none"])
@pytest.mark.parametrize("joined", [set(), {STRANGER.hex()}])
@pytest.mark.parametrize("home", [HOLDER, STRANGER])
def test_the_consent_of_parties_is_asked_as_the_page_says(
    own: str, other: str, joined: set[str], home: bytes
) -> None:
    consent = permission(1, "holder", joined=joined)
    outcome = agree([consent], [shared(1, own, other, home=home)], ASKED["everything"])
    if own == "none":
        assert outcome == "not-held"
    else:
        is_missing = other == "all" and not joined
        assert outcome == ("consent-missing" if is_missing else "granted")
    left = shared(1, own, other)
    if own != "none":
        is_missing = other == "all"
        assert agree([consent], [gone(left)], ASKED["everything"]) == (
            "consent-missing" if is_missing else "granted"
        )
    law = permission(2, "statutory")
    assert agree([law], [shared(1, own, other, home=home)], ASKED["everything"]) == "granted"


def test_a_consent_covers_no_other_holder() -> None:
    consent = permission(1, "holder", holder=STRANGER.hex())
    assert agree([consent], [held(1)], Request(HALL, None, "item-1")) == "not-authorized"


def test_an_authorization_that_does_not_permit_tells_nothing_of_what_is_held() -> None:
    """Rows 2 to 11: the outcome is the same whatever the holder has, but for the count of several."""
    for mode, made in single():
        alone = RULES.judge([made], [], ASKED["everything"], at=AT)
        if alone.outcome in (*coverage.NOTHING_FOUND, "granted"):
            continue
        for licenses in LICENSES.values():
            asked = ASKED["everything"]
            decided = use_choice.decide(
                [authorization_row(made)],
                [license_row(item) for item in licenses],
                use.Asked(
                    requester=HALL,
                    service_item=asked.item,
                    field_names=None,
                    case_number=asked.case,
                ),
                type_code=TYPE,
                homes=homes(licenses),
                at=AT,
            )
            assert decided.reason == alone.outcome
            assert decided.licenses == ()
            assert decided.stream_id == (HOLDER if mode == "holder" else HALL_STREAM)


def test_the_codes_and_the_order_of_the_page_are_the_ledgers() -> None:
    outcomes = list(dict.fromkeys(rule.outcome for rule in RULES.table))
    assert [*use.NATIONAL_CODES, "granted"] == outcomes
    assert {rule.outcome: rule.code for rule in RULES.table} == {
        **use.NATIONAL_CODES,
        "granted": use.GRANTED_CODE,
    }
    assert [rule.row for rule in RULES.table] == list(range(1, len(RULES.table) + 1))


def test_the_other_tables_of_the_page_are_the_ledgers() -> None:
    assert set(RULES.scopes) == set(client.SCOPES)
    assert {mode: frozenset(classes) for mode, classes in authorization.SHARING_CLASSES.items()} == (
        RULES.sharing_classes
    )
    assert RULES.status_changes == {
        verb: (frozenset(cls.before), cls.after) for verb, cls in license.STATUS_CHANGES.items()
    }
    assert RULES.while_frozen == {verb: cls.while_frozen for verb, cls in license.STATUS_CHANGES.items()}
    assert RULES.mark_changes == {verb: (cls.mark, cls.is_set) for verb, cls in mark.MARK_CHANGES.items()}
    assert rules_table.TOGETHER == use.TOGETHER_MAX
    assert rules_table.MODES_TRIED == authorization.MODES


@pytest.mark.parametrize("status", ["active", *RECORDED])
@pytest.mark.parametrize("dates", ["effective", "expired"])
def test_what_stands_together_is_said_in_the_order_of_the_page(status: str, dates: str) -> None:
    for count in range(len(MARKS) + 1):
        for marks in itertools.combinations(MARKS, count):
            item = held(1, dates)
            item.status, item.marks = status, set(marks)
            assert license.status(license_row(item), AT) == rules_table.status_word(item, AT)


def test_each_row_says_what_the_officer_sees_in_both_languages() -> None:
    for rule in RULES.table:
        chinese, english = rule.shown.split(" · ")
        assert any("\u4e00" <= character <= "\u9fff" for character in chinese)
        assert english.isascii()


def test_every_refusal_belongs_to_a_situation_of_the_page_with_its_advice() -> None:
    rows = rules_table.rows_under(rules_table.PAGE.read_text("utf-8"), "What the officer does")
    assert [row[0].strip("`") for row in rows] == list(advice.SITUATIONS)
    reasons = []
    for name, name_zh, listed, told in rows:
        zh, en = told.split(" · ")
        assert advice.SITUATIONS[name.strip("`")] == (name.strip("`"), name_zh, zh, en)
        for reason in listed.replace("`", "").split(", "):
            assert advice.situation(reason).name == name.strip("`")
            reasons.append(reason)
    assert sorted(reasons) == sorted(use.NATIONAL_CODES)
