"""Statistics over HTTP: who sees which figures, and what is asked wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from api import statistics
from projections import statistics as projected
from tests import api_world, world
from tests.api_world import Caller, Face, grant_body, issue_body, problem, use_body
from tests.conftest import Cluster


@pytest.fixture(scope="module")
def face(cluster: Cluster) -> Iterator[Face]:
    with api_world.fresh(cluster) as running:
        made = running.register(world.OPERATOR)
        made.done("/v1/authorizations", grant_body(to=world.OPERATOR))
        for number in range(6):
            made.done("/v1/licenses", issue_body(number))
        for number in (0, 1, 899):
            made.done("/v1/uses", use_body(number))
        yield running


@pytest.fixture(scope="module")
def auditor(face: Face) -> Caller:
    return face.register(world.AUDITOR, "audit:read")


@pytest.fixture(scope="module")
def office(face: Face) -> Caller:
    return face.register(world.HALL, "statistics:read")


def read(face: Face, caller: Caller, query: str = "") -> dict[str, Any]:
    answer = caller.get(f"/v1/statistics{query}", **{"Ledger-At-Least": str(face.events() - 1)})
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def test_an_auditor_sees_every_figure(face: Face, auditor: Caller) -> None:
    said = read(face, auditor, "?group_by=type,issuer,region,day")
    of_cards = next(line for line in said["lines"] if line["issuer"] == world.OPERATOR)
    assert of_cards["license_type"] == world.CITIZEN_CARD
    assert (of_cards["issued"], of_cards["changed"], of_cards["used"], of_cards["verified"]) == (6, 0, 2, 0)
    assert of_cards["region"] == world.OPERATOR[2:8]
    assert of_cards["day"] == said["until"]
    refused = [line["refused"] for line in said["lines"] if line["refused"]]
    assert [sum(found.values()) for found in refused] == [1]
    assert said["through"] == face.events() - 1


def test_figures_are_of_an_item_or_a_channel_alone(face: Face, auditor: Caller) -> None:
    said = read(face, auditor, "?group_by=item,channel")["lines"]
    places = {(line["service_item_code"], line["channel"]) for line in said if line["used"]}
    ((item, channel),) = places
    (line,) = read(face, auditor, f"?service_item_code={item}&channel={channel}")["lines"]
    assert (line["used"], line["issued"]) == (2, 0)
    (others,) = read(face, auditor, "?channel=window&group_by=channel")["lines"]
    assert (others["issued"], others["channel"]) == (6, "window")
    assert read(face, auditor, "?channel=kiosk")["lines"] == []


def test_who_is_no_auditor_is_told_of_a_part_from_1_to_4_that_it_is_0_or_5(
    face: Face, office: Caller
) -> None:
    (line,) = read(face, office)["lines"]
    assert (line["issued"], line["changed"]) == (6, 0)
    assert line["used"] in (None, 5)
    assert set(line["refused"].values()) <= {None, 5}
    assert line["issued_delay_s"] is not None
    assert line["changed_delay_s"] is None


def test_a_mean_does_not_say_by_how_many_was_divided() -> None:
    figure = projected.Figure(count=3, delay_s=30, rounded=5)
    group = dict.fromkeys(("day", "type_code", "issuer", "region", "item", "channel"))
    line = projected.Line(**group, measures={"issued": figure})
    for masks, expected in ((True, (5, None)), (False, (3, 10))):
        said = statistics.shown(line, masks=masks)
        assert (said["issued"], said["issued_delay_s"]) == expected


def test_reading_statistics_records_nothing(face: Face, office: Caller) -> None:
    before = face.events()
    read(face, office, "?group_by=day")
    assert face.events() == before


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2026-02-30", "from"),
        ("until=tomorrow", "until"),
        ("until=2300-01-01", "until"),
        ("from=2020-01-01&until=2026-01-01", "until"),
        ("from=2026-01-02&until=2026-01-01", "until"),
        ("group_by=holder", "group_by"),
        ("group_by=day,day", "group_by"),
        ("group_by=", "group_by"),
        ("license_type=1", "license_type"),
        ("issuer=%27", "issuer"),
        ("region=350", "region"),
        ("service_item_code=%20", "service_item_code"),
        ("channel=post", "channel"),
    ],
)
def test_what_is_asked_wrongly_is_named(office: Caller, query: str, field: str) -> None:
    answer = office.get(f"/v1/statistics?{query}")
    assert problem(answer) == (422, "invalid-value", f"query.{field}")


def test_statistics_need_a_scope(face: Face) -> None:
    user = face.register(world.HALL, "license:use")
    assert problem(user.get("/v1/statistics"))[:2] == (403, "scope-missing")
