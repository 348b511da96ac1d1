"""Workloads: made again from their seed, of valid synthetic codes, and refused when they say the unknown."""

from __future__ import annotations

import collections
import itertools
from pathlib import Path

import pytest

from benchmarks import workload
from ledger import identifiers


def held(chosen: workload.Workload) -> list[workload.Held]:
    return [
        workload.Held(holding=one, license_ref=f"{number:026}")
        for number, one in enumerate(chosen.holdings())
    ]


@pytest.mark.parametrize("name", workload.names())
def test_a_workload_is_the_same_each_time(name: str) -> None:
    chosen = workload.load(name).scaled(holders=60)
    licenses = held(chosen)
    assert licenses == held(chosen)
    ask = chosen.batches if chosen.uses.items is not None else chosen.requests
    first, again = (list(itertools.islice(ask(licenses), 20)) for _ in range(2))
    assert first == again
    assert first


@pytest.mark.parametrize("name", workload.names())
def test_everybody_in_a_workload_was_born_on_the_first_day_of_1900(name: str) -> None:
    for one in workload.load(name).scaled(holders=60).holdings():
        holder = one.holder
        assert not holder.is_natural_person or holder.code[6:14] == "19000101"
        assert identifiers.holder_code(holder.code_type, holder.code) == holder


def test_many_people_have_many_codes() -> None:
    codes = {workload.citizen(number).code for number in range(0, 60_000, 7)}
    assert len(codes) == len(range(0, 60_000, 7))
    assert len({workload.enterprise(number).code for number in range(1_000)}) == 1_000


def test_few_licenses_are_used_much_and_most_are_not_used() -> None:
    chosen = workload.load("morning-peak").scaled(holders=900)
    licenses = held(chosen)
    asked = itertools.islice(chosen.requests(licenses), 5_000)
    bodies = [one.body or {} for one in asked]
    counts = collections.Counter(str(body.get("holder") or body["license_ref"]) for body in bodies)
    assert len(counts) < 0.6 * len(licenses)
    assert counts.most_common(1)[0][1] > 5_000 / len(licenses) * 10


def test_a_holder_of_very_many_licenses_holds_several_of_a_type_and_is_asked_by_reference() -> None:
    chosen = workload.load("whale-holder").scaled(holders=1, licenses=50)
    licenses = held(chosen)
    assert len(licenses) == 50
    assert {one.holding.holder.code for one in licenses} == {licenses[0].holding.holder.code}
    assert len({one.holding.type_code for one in licenses}) <= 10
    asked = itertools.islice(chosen.requests(licenses), 100)
    assert all("license_ref" in (one.body or {}) for one in asked)


def test_where_each_is_asked_for_once_the_requests_end() -> None:
    chosen = workload.load("enrollment-opening").scaled(holders=50)
    licenses = held(chosen)
    asked = list(chosen.requests(licenses))
    assert len({(one.body or {})["holder"]["code"] for one in asked}) == len(asked) == len(licenses) == 50


def test_a_batch_has_items_with_keys_of_their_own() -> None:
    chosen = workload.load("night-batch").scaled(holders=60)
    calls = list(itertools.islice(chosen.batches(held(chosen)), 30))
    bodies = [one.body or {} for one in calls]
    sizes = [len(body["items"]) for body in bodies]
    assert max(sizes) <= 1_000
    assert len(set(sizes)) > 10
    keys = [item["idempotency_key"] for item in bodies[0]["items"]]
    assert len(set(keys)) == len(keys)
    assert all(key.startswith("@KEY@-") for key in keys)


def test_an_unknown_member_of_a_workload_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (workload.FOLDER / "morning-peak.toml").read_text(encoding="utf-8")
    (tmp_path / "wrong.toml").write_text(text.replace("operators = 400", "clerks = 400"), encoding="utf-8")
    monkeypatch.setattr(workload, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"wrong\.uses: unknown or missing: clerks, operators"):
        workload.load("wrong")
    with pytest.raises(ValueError, match="no workload other: there are wrong"):
        workload.load("other")
