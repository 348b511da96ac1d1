"""Households over HTTP: registered, changed and asked for again at every moment; to who keeps them alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from api import examples_household, examples_mandate
from ledger import bundle, days, keeping
from signing import event, spelling
from tests import api_world, world
from tests.api_world import Caller, Face, person, problem
from tests.conftest import Cluster

HOUSEHOLDS = "/v1/households"


@pytest.fixture(scope="module")
def face(cluster: Cluster) -> Iterator[Face]:
    with api_world.fresh(cluster) as running:
        running.cover(world.BOOKLET)
        yield running


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    return face.register(world.ISSUER, "license:issue", "consent:attest", "holder:register")


@pytest.fixture(scope="module")
def hall(face: Face) -> Caller:
    return face.register(world.HALL, "license:use")


@pytest.fixture(scope="module")
def other(face: Face) -> Caller:
    """The station of another district."""
    return face.register(world.HALL, "license:issue")


def page(caller: Caller, number: int, printed: str | None = None) -> str:
    """A page of synthetic citizen `number`."""
    said = api_world.issue_body(number, license_type=world.BOOKLET) | {"number": printed or f"H-{number}"}
    made: str = caller.done("/v1/licenses", {**said, "fields": {"name": f"合成居民{number}"}})["license_ref"]
    return made


def act(**members: Any) -> dict[str, Any]:
    said = api_world.example_of(examples_household.AddPageBody)
    return {**{name: value for name, value in said.items() if name != "page"}, **members}


def registered(caller: Caller, head: int, *others: int, printed: str | None = None) -> dict[str, Any]:
    """A household with its pages by the numbers of the people, and under `ref` its reference."""
    pages = {number: page(caller, number) for number in (head, *others)}
    first = page(caller, head, printed)
    said = act(head=pages[head], first_page=first, pages=[pages[number] for number in others])
    return {"ref": caller.done(HOUSEHOLDS, said)["household_ref"], "first": first, **pages}  # type: ignore[dict-item]


def shown(caller: Caller, ref: str, **asked: str) -> dict[str, Any]:
    answer = caller.get(f"{HOUSEHOLDS}/{ref}", params=asked)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def people(household: dict[str, Any]) -> list[str]:
    return [one["license_ref"] for one in household["pages"]]


def test_a_household_lives_and_is_told_of_any_moment(face: Face, issuer: Caller) -> None:
    made = registered(issuer, 1, 2, printed="户-0001")
    ref, born = made["ref"], page(issuer, 3)
    path = f"{HOUSEHOLDS}/{ref}"
    added = issuer.done(f"{path}/add-page", act(page=born))
    assert set(people(shown(issuer, ref))) == {made[1], made[2], born}
    before = added["recorded_at"]
    alone = issuer.post(f"{path}/remove-page", act(page=made[1], cause="death"))
    assert problem(alone) == (409, "household-conflict", "page")
    new = {"head": made[2], "first_page": page(issuer, 2, "户-0002")}
    changed = issuer.done(f"{path}/remove-page", act(page=made[1], cause="death", new_head=new))
    now = shown(issuer, ref)
    assert (now["head"], now["first_page"], set(people(now))) == (made[2], new["first_page"], {made[2], born})
    assert [one["license_ref"] for one in now["former_pages"]] == [made[1]]
    then = shown(issuer, ref, as_of=before)
    assert (then["head"], set(people(then)), then["former_pages"]) == (made[1], {made[1], made[2], born}, [])
    day = days.of_instant(days.parse_instant(changed["recorded_at"]))
    assert len(shown(issuer, ref, on=days.text(day))["heads"]) == 2
    assert problem(issuer.get(path, params={"on": "1999-12-31"}))[:2] == (404, "not-found")
    assert problem(issuer.get(path, params={"on": "2200-12-31"}))[2] == "query.on"
    assert problem(issuer.get(path, params={"as_of": "2100-01-01T00:00:00Z"}))[2] == "query.as_of"


def test_a_household_is_found_by_its_number_and_by_who_is_or_was_in_it(
    face: Face, issuer: Caller, other: Caller
) -> None:
    made = registered(issuer, 11, 12, printed="户-0011")
    by_number = {"license_type": world.BOOKLET, "number": "户-0011"}
    for asked in (by_number, {"holder": person(11)}, {"holder": person(12)}):
        (found,) = issuer.done(f"{HOUSEHOLDS}/search", asked)["households"]
        assert found["household_ref"] == made["ref"]
        assert other.done(f"{HOUSEHOLDS}/search", asked)["households"] == []
    split = act(head=made[12], first_page=page(issuer, 12, "户-0012"))
    new = issuer.done(f"{HOUSEHOLDS}/{made['ref']}/split", split)["new_household_ref"]
    households = issuer.done(f"{HOUSEHOLDS}/search", {"holder": person(12)})["households"]
    assert [one["household_ref"] for one in households] == [new, made["ref"]]
    assert issuer.done(f"{HOUSEHOLDS}/search", {"holder": person(99)})["households"] == []
    for wrong in ({}, {"number": "户-0011"}, {**by_number, "holder": person(11)}):
        assert problem(issuer.post(f"{HOUSEHOLDS}/search", wrong)) == (422, "invalid-value", "number")


def test_nobody_else_sees_or_changes_a_household_and_an_auditor_sees_all(
    face: Face, issuer: Caller, other: Caller, hall: Caller
) -> None:
    made = registered(issuer, 21)
    path = f"{HOUSEHOLDS}/{made['ref']}"
    auditor = face.register(world.AUDITOR, "audit:read")
    assert shown(auditor, made["ref"])["issuer"] == world.ISSUER
    assert problem(other.get(path))[:2] == (404, "not-found")
    assert problem(hall.get(path))[:2] == (403, "scope-missing")
    assert problem(auditor.post(f"{path}/add-page", act(page=made["first"])))[:2] == (403, "scope-missing")
    foreign, first = page(other, 22), {"head": made[21], "first_page": made["first"]}
    before = face.events()
    for change, members in (
        ("remove-page", {"page": made[21], "cause": "death"}),
        ("remove-page", {"page": foreign, "cause": "death"}),
        ("remove-page", {"page": foreign, "cause": "death", "new_head": first}),
        ("change-head", {"head": foreign, "first_page": foreign}),
        ("split", {**first, "pages": [foreign]}),
        ("move", {"first_page": foreign}),
    ):
        assert problem(other.post(f"{path}/{change}", act(**members)))[:2] == (403, "not-the-issuer")
    for guessed in (made[21], foreign):
        taken = act(first_page=foreign, pages=[{"former": guessed, "page": foreign}])
        assert problem(other.post(f"{path}/move", taken)) == (409, "household-conflict", "pages")
    assert problem(issuer.get(f"{HOUSEHOLDS}/{'a' * 26}"))[:2] == (404, "not-found")
    assert face.events() == before


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"head": "a" * 26}, (404, "license-not-found", "head")),
        ({"first_page": "card"}, (422, "invalid-value", "first_page")),
        ({"first_page": "own"}, (422, "invalid-value", "first_page")),
        ({"pages": ["first"]}, (409, "page-taken", "pages")),
        (
            {"area_code": "350199", "effective_at": "2100-01-01T00:00:00Z"},
            (422, "invalid-value", "effective_at"),
        ),
    ],
)
def test_what_is_wrong_with_a_household_is_named_and_nothing_is_stored(
    face: Face, issuer: Caller, wrong_pages: dict[str, str], members: dict[str, Any], expected: Any
) -> None:
    said = act(head=wrong_pages["own"], first_page=wrong_pages["first"], pages=[])
    for name, value in members.items():
        filled = [wrong_pages[one] for one in value] if isinstance(value, list) else value
        said[name] = wrong_pages.get(filled, filled) if isinstance(filled, str) else filled
    before = face.events()
    assert problem(issuer.post(HOUSEHOLDS, said)) == expected
    assert face.events() == before


@pytest.fixture(scope="module")
def wrong_pages(issuer: Caller) -> dict[str, str]:
    card = issuer.done("/v1/licenses", api_world.issue_body(31))["license_ref"]
    return {"own": page(issuer, 31), "first": page(issuer, 31), "card": card}


def test_of_two_splits_at_once_one_is_recorded(face: Face, issuer: Caller) -> None:
    made = registered(issuer, 41, 42)
    said = act(head=made[42], first_page=page(issuer, 42))
    pending = [
        api_world.in_background(lambda: issuer.post(f"{HOUSEHOLDS}/{made['ref']}/split", said)) for _ in "12"
    ]
    answers = [one.result(timeout=60) for one in pending]
    assert sorted(one.status_code for one in answers) == [200, 409]
    (refused,) = [one for one in answers if one.status_code == 409]
    assert problem(refused) == (409, "household-conflict", "pages")


def test_another_station_takes_a_household_over(issuer: Caller, other: Caller) -> None:
    made = registered(issuer, 51, 52)
    path = f"{HOUSEHOLDS}/{made['ref']}/move"
    anew = {number: page(other, number) for number in (51, 52)}
    taken = [{"former": made[number], "page": anew[number]} for number in (51, 52)]
    said = act(first_page=page(other, 51), area_code="350104", pages=taken)
    assert problem(other.post(path, said)) == (409, "household-conflict", "pages")
    out = {**api_world.example("TransferOutBody"), "area_code": "350104"}
    for ref in (made[51], made[52], made["first"]):
        issuer.done(f"/v1/licenses/{ref}/transfer-out", out)
    assert problem(other.post(path, {**said, "pages": taken[:1] * 2})) == (422, "invalid-value", "pages")
    other.done(path, said)
    now = shown(other, made["ref"])
    assert (now["issuer"], now["area_code"], now["head"]) == (world.HALL, "350104", anew[51])
    assert [one["issuer"] for one in now["seats"]] == [world.ISSUER, world.HALL]
    assert problem(issuer.get(f"{HOUSEHOLDS}/{made['ref']}"))[:2] == (404, "not-found")


def test_whoever_is_erased_leaves_the_others_pages_and_may_leave_the_household(
    face: Face, issuer: Caller
) -> None:
    made = registered(issuer, 61, 62)
    served = face.served
    keeping.erase_holder(served.ledger, served.appender, world.citizen(61), served.ledger.console)
    now = shown(issuer, made["ref"])
    assert [one["status"] for one in now["pages"] if one["license_ref"] == made[61]] == [None]
    assert [one["status"] for one in now["pages"] if one["license_ref"] == made[62]] == ["effective"]
    assert issuer.done(f"{HOUSEHOLDS}/search", {"holder": person(61)})["households"] == []
    new = {"head": made[62], "first_page": page(issuer, 62)}
    issuer.done(f"{HOUSEHOLDS}/{made['ref']}/remove-page", act(page=made[61], cause="death", new_head=new))
    assert people(shown(issuer, made["ref"])) == [made[62]]


def test_the_trail_of_a_page_has_what_became_of_it(face: Face, issuer: Caller) -> None:
    made = registered(issuer, 71, 72)
    auditor = face.register(world.AUDITOR, "audit:read")
    issuer.done(f"{HOUSEHOLDS}/{made['ref']}/remove-page", act(page=made[72], cause="moved-out"))
    asked = {**api_world.example("TrailBody"), "filter": {"license_ref": made[72]}}
    at_least = {"Ledger-At-Least": str(face.events() - 1)}
    topics = [one["topic"] for one in auditor.done("/v1/audit/trail", asked, **at_least)["events"]]
    assert {"LicenseIssued", "HouseholdRegistered", "PageRemoved"} <= set(topics)


@pytest.fixture(scope="module")
def household(issuer: Caller) -> dict[Any, Any]:
    """Of synthetic citizens 81, the head, and 82."""
    return registered(issuer, 81, 82)


def child_of(issuer: Caller, household: dict[Any, Any]) -> str:
    said = api_world.issue_body(
        3, license_type=world.BOOKLET, holder={**examples_mandate.WARD, "name": "合成儿童"}
    )
    ref: str = issuer.done("/v1/licenses", {**said, "fields": {"name": "合成儿童"}})["license_ref"]
    issuer.done(f"{HOUSEHOLDS}/{household['ref']}/add-page", act(page=ref))
    return ref


def consent(issuer: Caller, holder: dict[str, str], **members: Any) -> dict[str, Any]:
    said = api_world.example("GrantBody", "consent_of_the_holder")
    scope = {"license_types": [world.BOOKLET]}
    given = {**said, "requester": world.HALL, "scope": scope, "holder": holder, **members}
    return issuer.done("/v1/authorizations", given)


def asked(*pages: dict[str, Any], holder: dict[str, str] | None = None, **members: Any) -> dict[str, Any]:
    said = api_world.example_of(examples_household.UsePagesBody)
    return {**said, "holder": holder or person(81), "pages": list(pages), **members}


def told_of(answer: dict[str, Any]) -> list[tuple[str, bool | None]]:
    """Of each page its reason or `granted`, and whether it existed."""
    return [(one["answer"]["uses"][0]["reason"] or "granted", one["existed"]) for one in answer["pages"]]


OWN, FIRST_PAGE = {"page": "own"}, {"page": "first"}


def member(holder: dict[str, str]) -> dict[str, Any]:
    return {"page": "member", "holder": holder}


def test_pages_are_used_by_the_adults_own_consent_and_the_childs_guardians(
    face: Face, issuer: Caller, hall: Caller, household: dict[Any, Any]
) -> None:
    ward = child_of(issuer, household)
    pages = (FIRST_PAGE, OWN, member(examples_mandate.WARD), member(person(82)), member(person(99)))
    path = f"{HOUSEHOLDS}/uses"
    assert told_of(hall.done(path, asked(*pages))) == [("not-authorized", None)] * 5
    consent(issuer, person(81))
    said = api_world.example_of(examples_mandate.GuardianshipBody) | {"guardian": person(81)}
    mandate = issuer.done("/v1/guardianships", said)
    acting = {**person(81), "mandate_ref": mandate["mandate_ref"]}
    consent(issuer, examples_mandate.WARD, acting=acting)
    answer = hall.done(path, asked(*pages))
    grants, refusals = [("granted", True)] * 3, [("not-authorized", None)] * 2
    assert told_of(answer) == grants + refusals
    assert {one["household_ref"] for one in answer["pages"]} == {household["ref"], None}
    refs = [one["answer"]["uses"][0]["license"]["license_ref"] for one in answer["pages"][:3]]
    assert refs == [household["first"], household[81], ward]
    shown = [facts_of(one) for one in answer["pages"][3:]]
    assert shown[0] == shown[1] == {"reason": "not-authorized", "type_code": world.BOOKLET}
    trusted = api_world.trust_of(face)
    for one in answer["pages"]:
        assert bundle.judge(api_world.dumps(one["answer"]), trusted=trusted)
    before = hall.done(path, asked(OWN, member(examples_mandate.WARD), on="2020-01-01"))
    assert (before["on"], told_of(before)) == ("2020-01-01", [("granted", False)] * 2)
    assert before["pages"][0]["household_ref"] is None


def facts_of(answered: dict[str, Any]) -> dict[str, Any]:
    """What the event of a refusal says."""
    made = event.parse(spelling.from_base64(answered["answer"]["uses"][0]["proof"]["event"])).fact
    return {name: made[name] for name in ("reason", "type_code")}


def test_who_lives_with_somebody_is_told_under_that_ones_consent_too(issuer: Caller, hall: Caller) -> None:
    made, apart = registered(issuer, 111, 112, 113), registered(issuer, 114)
    for number in (111, 112):
        consent(issuer, person(number))
    path, pages = f"{HOUSEHOLDS}/uses", (FIRST_PAGE, OWN, member(person(112)))
    answers = [hall.done(path, asked(*pages, holder=person(number)))["pages"] for number in (113, 114)]
    for told in answers:
        assert [one["answer"]["uses"][0]["reason"] for one in told] == [
            "not-authorized",
            "not-authorized",
            None,
        ]
        assert told[2]["household_ref"] == made["ref"] != apart["ref"]
    beside = hall.done(path, asked(*pages[1:], FIRST_PAGE, holder=person(112)))
    assert told_of(beside) == [("granted", True)] * 3
    assert told_of(hall.done(path, asked(FIRST_PAGE, holder=person(111)))) == [("granted", True)]


def test_somebody_in_no_household_and_the_same_request_again(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    page(issuer, 85)
    consent(issuer, person(85))
    path, said = f"{HOUSEHOLDS}/uses", asked(OWN, FIRST_PAGE, holder=person(85))
    first = hall.done(path, said, key="again")
    assert told_of(first) == [("granted", False), ("not-authorized", None)]
    before = face.events()
    again = hall.done(path, said, key="again")
    assert (again["index"], told_of(again), face.events()) == (first["index"], told_of(first), before)


def test_a_page_that_was_found_to_be_anothers_is_told_of_nobody(face: Face, issuer: Caller) -> None:
    made, office = registered(issuer, 91, 92), face.register(world.AUDITOR, "license:use")
    grant = api_world.grant_body(to=world.AUDITOR, license_types=[world.BOOKLET])
    face.register(world.ISSUER, "authorization:grant").done("/v1/authorizations", grant)
    asked_for = asked(member(person(92)), OWN, holder=person(91))
    assert told_of(office.done(f"{HOUSEHOLDS}/uses", asked_for)) == [("granted", True)] * 2
    version = {**api_world.issue_body(93), "reason": "更正", "fields": {"name": "合成居民93"}}
    del version["license_type"]
    issuer.done(f"/v1/licenses/{made[92]}/correct-holder", version)
    assert told_of(office.done(f"{HOUSEHOLDS}/uses", asked_for)) == [("not-held", None), ("granted", True)]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"pages": []}, (422, "invalid-value", "pages")),
        ({"pages": [{"page": "member"}]}, (422, "invalid-value", "pages[0].holder")),
        ({"pages": [{"page": "own", "holder": person(81)}]}, (422, "invalid-value", "pages[0].holder")),
        ({"license_type": "0" * 21}, (422, "license-type-unknown", "license_type")),
        ({"on": "2199-01-01"}, (422, "invalid-value", "on")),
        ({"holder": {"code_type": "111", "code": "1"}}, (422, "invalid-holder-code", "holder.code")),
    ],
)
def test_what_is_wrong_with_a_use_of_pages_is_named_and_nothing_is_stored(
    face: Face, hall: Caller, members: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    before = face.events()
    assert problem(hall.post(f"{HOUSEHOLDS}/uses", asked(OWN, **members))) == expected
    assert face.events() == before
