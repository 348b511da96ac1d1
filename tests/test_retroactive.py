"""Facts of earlier effect: the uses made in between are listed exactly, and their receipts verify."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ledger import bundle, days, retroactive
from tests import api_world, world
from tests.api_world import Caller, Face, grant_body, issue_body, use_body
from tests.conftest import Cluster
from tests.test_api_use import trust_of

CHANGE = api_world.example("ChangeBody")


@pytest.fixture(scope="module")
def face(cluster: Cluster) -> Iterator[Face]:
    with api_world.fresh(cluster) as running:
        running.cover()
        yield running


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    return face.register(world.ISSUER, "license:issue", "authorization:grant")


@pytest.fixture(scope="module")
def hall(face: Face, issuer: Caller) -> Caller:
    issuer.done("/v1/authorizations", grant_body(to=world.HALL))
    return face.register(world.HALL, "license:use")


def use(hall: Caller, number: int) -> dict[str, Any]:
    told: dict[str, Any] = hall.done("/v1/uses", use_body(number))
    assert {one["decision"] for one in told["uses"]} == {"granted"}
    return told


def recorded_at(face: Face, told: dict[str, Any]) -> str:
    (proven,) = bundle.judge(api_world.dumps(told), trusted=trust_of(face))
    return days.instant_text(proven.recorded_at)


def test_a_retroactive_annulment_lists_exactly_the_uses_in_between(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    ref = issuer.done("/v1/licenses", issue_body(1))["license_ref"]
    early, *late = (use(hall, 1) for _ in range(4))
    issuer.done("/v1/licenses", issue_body(2))
    use(hall, 2)
    since = recorded_at(face, late[0])
    made = issuer.done(f"/v1/licenses/{ref}/annul", {**CHANGE, "effective_at": since})
    told = made["uses_between"]
    assert (told["through"], told["count"], told["is_complete"]) == (made["index"] - 1, 3, True)
    assert [one["index"] for one in told["uses"]] == [one["index"] for one in late]
    assert {one["requester"] for one in told["uses"]} == {world.HALL}
    assert told["uses"][0]["recorded_at"] == since
    for answer in (early, *late):
        (proven,) = bundle.judge(api_world.dumps(answer), trusted=trust_of(face))
        assert proven.decision == "granted"
        receipt = hall.get(f"/v1/receipts/0/{answer['index']}")
        assert receipt.status_code == 200
    (refused,) = hall.done("/v1/uses", use_body(1))["uses"]
    assert refused["reason"] == "license-annulled"


def test_a_change_of_present_effect_finds_no_use(issuer: Caller, hall: Caller) -> None:
    ref = issuer.done("/v1/licenses", issue_body(3))["license_ref"]
    use(hall, 3)
    made = issuer.done(f"/v1/licenses/{ref}/suspend", CHANGE)
    assert (made["uses_between"]["count"], made["uses_between"]["uses"]) == (0, [])


def test_an_amendment_and_a_loss_of_earlier_effect_list_them_too_and_a_repeat_the_same(
    issuer: Caller, hall: Caller
) -> None:
    ref = issuer.done("/v1/licenses", issue_body(4))["license_ref"]
    use(hall, 4)
    body = {**issue_body(4), "reason": "更正", "effective_at": "2026-01-01T00:00:00Z"}
    del body["license_type"]
    amended = issuer.done(f"/v1/licenses/{ref}/amend", body)
    assert amended["uses_between"]["count"] == 1
    lost = {**CHANGE, "effective_at": "2026-01-01T00:00:00Z"}
    first = issuer.done(f"/v1/licenses/{ref}/report-lost", lost, key="lost-4")
    again = issuer.done(f"/v1/licenses/{ref}/report-lost", lost, key="lost-4")
    assert first["uses_between"] == again["uses_between"]
    assert first["uses_between"]["count"] == 1


def correct(issuer: Caller, ref: str, number: int, **members: Any) -> dict[str, Any]:
    """The license is synthetic citizen `number`'s."""
    body = {**issue_body(number), "reason": "更正", **members}
    del body["license_type"]
    made: dict[str, Any] = issuer.done(f"/v1/licenses/{ref}/correct-holder", body)
    return made


def test_uses_from_before_the_holder_was_corrected_are_listed_with_those_after(
    issuer: Caller, hall: Caller
) -> None:
    since = {"effective_at": "2026-01-01T00:00:00Z"}
    ref = issuer.done("/v1/licenses", issue_body(6))["license_ref"]
    used = [use(hall, 6)["index"]]
    made = correct(issuer, ref, 7, **since)
    assert [one["index"] for one in made["uses_between"]["uses"]] == used
    used.append(use(hall, 7)["index"])
    correct(issuer, ref, 6)
    used.append(use(hall, 6)["index"])
    made = correct(issuer, ref, 8)
    assert made["uses_between"]["count"] == 0
    used.append(use(hall, 8)["index"])
    told = issuer.done(f"/v1/licenses/{ref}/annul", {**CHANGE, **since})["uses_between"]
    assert (told["count"], told["is_complete"]) == (4, True)
    assert [one["index"] for one in told["uses"]] == used


def test_a_list_that_is_too_long_says_so(
    issuer: Caller, hall: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = issuer.done("/v1/licenses", issue_body(5))["license_ref"]
    used = [use(hall, 5)["index"] for _ in range(4)]
    monkeypatch.setattr(retroactive, "_PAGE", 2)
    monkeypatch.setattr(retroactive, "LISTED_MAX", 1)
    since = {**CHANGE, "effective_at": "2026-01-01T00:00:00Z"}
    told = issuer.done(f"/v1/licenses/{ref}/suspend", since)["uses_between"]
    assert (told["count"], told["is_complete"], len(told["uses"])) == (4, True, 1)
    monkeypatch.setattr(retroactive, "SCANNED_MAX", 3)
    told = issuer.done(f"/v1/licenses/{ref}/reinstate", since)["uses_between"]
    assert (told["count"], told["is_complete"], told["through"]) == (3, False, used[2])
