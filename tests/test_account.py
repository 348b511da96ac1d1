"""Accounts of operators: spellings that are one, accounts that are not, and one person who is no second."""

from __future__ import annotations

import pytest

from ledger import account, errors
from projections import trail_pages
from signing import event, ids
from tests import api_world, world
from tests.api_world import Caller, Face, issue_body, problem

REVIEW = api_world.example("ReviewDraftBody")
CHEN = {"organization": world.ISSUER, "account": "chen"}
CYRILLIC_I, GREEK_OMICRON, DOTLESS_I = "\u0456", "\u03bf", "\u0131"
SPELLINGS = (
    "LI",
    " li ",
    "l i",
    "\uff2c\uff29",
    "l" + CYRILLIC_I,
    "l" + DOTLESS_I,
    "\uff4ci",
    "L\u0406",
)


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    return face.register(world.ISSUER, "license:issue")


@pytest.mark.parametrize("spelled", SPELLINGS)
def test_spellings_of_one_account_have_one_normal_form(spelled: str) -> None:
    assert account.normal(spelled) == "li"


def test_accounts_that_differ_stay_different_and_a_normal_form_is_its_own() -> None:
    known = ("li", "l1", "1i", "li2", "lì", "李", "window-7", "win_dow.7", "li@a", "z" + GREEK_OMICRON)
    assert len({account.normal(one) for one in known}) == len(known)
    for one in (*known, *SPELLINGS, "Straße", "ΣΑΣ", "ﬁle"):
        assert account.normal(account.normal(one)) == account.normal(one)


@pytest.mark.parametrize(
    "hidden", ["li\u200b", "\u202eli", "li\ufe0f", "\u3164", "  ", "li\u0007", "li\ue000", "l\u034fi"]
)
def test_an_account_that_nobody_can_read_is_refused(issuer: Caller, hidden: str) -> None:
    with pytest.raises(errors.Invalid):
        account.refuse_unfit(hidden, field="operator.account")
    body = issue_body(1, operator={"account": hidden, "name": "李某"})
    answer = issuer.post("/v1/drafts", body)
    assert problem(answer) == (422, "invalid-value", "operator.account")


@pytest.mark.parametrize("spelled", SPELLINGS)
def test_one_person_under_two_spellings_is_no_second_operator(
    face: Face, issuer: Caller, spelled: str
) -> None:
    body = issue_body(2, operator={"account": "li", "name": "李某"})
    ref = issuer.done("/v1/drafts", body)["draft_ref"]
    other_client = face.register(world.ISSUER, "license:issue")
    for who in (issuer, other_client):
        again = {**REVIEW, "operator": {"account": spelled, "name": "李某"}}
        refused = who.post(f"/v1/drafts/{ref}/review", again)
        assert problem(refused) == (403, "forbidden", "operator")
    namesake = {**REVIEW, "operator": {"account": "l3", "name": "李 某"}}
    refused = other_client.post(f"/v1/drafts/{ref}/review", namesake)
    assert problem(refused) == (403, "forbidden", "operator")
    second = {**REVIEW, "operator": {"account": "li2", "name": "李二"}}
    assert issuer.done(f"/v1/drafts/{ref}/review", second)["status"] == "approved"


def test_the_trail_of_an_operator_has_all_spellings_and_each_as_it_was_given(
    face: Face, issuer: Caller
) -> None:
    auditor = face.register(world.AUDITOR, "audit:read")
    made = [
        issuer.done("/v1/licenses", issue_body(3, operator={"account": given, "name": "王某"}))
        for given in ("Wang", "ＷＡＮＧ", "wang ")
    ]
    whose = {"organization": world.ISSUER, "account": "WANG"}
    asked = {**api_world.example("TrailBody", "of_everything"), "filter": {"operator": whose}}
    page = auditor.done("/v1/audit/trail", asked, **{"Ledger-At-Least": str(made[-1]["index"])})
    indexes = [one["index"] for one in made]
    assert {*indexes} <= {one["index"] for one in page["events"]}
    abouts = [event.parse(data) for data in face.served.reader.events(indexes)]
    parts = [face.served.disclosure.part(about, "request") for about in abouts]
    assert [part["operator_account"] for part in parts if part] == ["Wang", "ＷＡＮＧ", "wang "]
    assert len({about.operator_ref for about in abouts}) == 1


def test_an_account_of_two_clients_is_two_operators_and_one_person_in_the_trail(
    face: Face, issuer: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    auditor, second = face.register(world.AUDITOR, "audit:read"), face.register(world.ISSUER, "license:issue")
    chen = {"account": "chen", "name": "陈某"}
    made = [
        who.done("/v1/licenses", issue_body(4, operator=chen))["index"] for who in (issuer, second, issuer)
    ]

    def told(**members: str) -> list[tuple[int, str]]:
        whose = {**CHEN, **members}
        asked = {**api_world.example("TrailBody", "of_everything"), "limit": 2}
        asked["filter"] = {"operator": whose, "issuer": world.ISSUER, "channel": "window"}
        found: list[tuple[int, str]] = []
        while True:
            page = auditor.done("/v1/audit/trail", asked, **{"Ledger-At-Least": str(made[-1])})
            found += [(one["index"], one["operator_ref"]) for one in page["events"]]
            if page["cursor"] is None:
                return found[::-1]
            asked = {**asked, "cursor": page["cursor"]}

    whole = told()
    assert [index for index, _ in whole] == made
    assert whole[0][1] == whole[2][1] != whole[1][1]
    assert told(client_id=ids.text(second.client_id)) == [whole[1]]
    assert told(client_id=ids.text(issuer.client_id)) == [whole[0], whole[2]]
    monkeypatch.setitem(trail_pages.VALUES_MAX, "operator", 2)
    asked = {**api_world.example("TrailBody", "of_everything"), "filter": {"operator": CHEN}}
    refused = auditor.post("/v1/audit/trail", asked)
    assert problem(refused) == (422, "invalid-value", "filter.operator.client_id")
