"""Old licenses are taken into the ledger once, as they are printed, with their faults and findings told."""

from __future__ import annotations

import contextlib
import json
import stat
from concurrent.futures import Future
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from ledger import (
    catalog,
    client,
    days,
    disclosure,
    errors,
    keeping,
    license,
    license_commands,
    license_id,
    quality,
    reading,
    registry_commands,
    stock,
    stock_commands,
    stock_results,
    stock_row,
    stock_run,
)
from ledger import fact as facts
from ledger.state import LicenseRow, RepresentationRow
from signing import ids
from tests import stock_world
from tests.stock_world import BAD_ID, GOOD_ID, LEGACY_ID, SHAPELESS_ID, Import, business, imported, row
from tests.world import BUSINESS_LICENSE, ENTERPRISE, HALL, OPERATOR, World, citizen


def opened(world: World, ref: bytes) -> tuple[LicenseRow, disclosure.Version]:
    """A license with its present version."""
    reader = reading.Reader(world.ledger.ways.service, world.ledger.vault)
    try:
        known = reader.row(LicenseRow, ref)
        assert known is not None
        version = disclosure.Disclosure(reader, world.ledger.vault).version(known.version_index)
        assert version is not None
        return known, version
    finally:
        reader.close()


def ref_of(outcome: dict[str, Any]) -> bytes:
    return ids.parse(outcome["license_ref"])


def unique_numbers(world: World, scope: str = "type") -> None:
    """From here on printed business licenses have numbers of their own."""
    (registered,) = (one for one in catalog.national_catalog(OPERATOR) if one.type_code == BUSINESS_LICENSE)
    members = {one.name: getattr(registered, one.name) for one in fields(registered)}
    revised = catalog.LicenseTypeRevised(**members | {"number_scope": scope})
    world.do(registry_commands.RecordInRegistry(actor=world.ledger.console, facts=(revised,)))


def test_rows_become_licenses_with_their_printed_words(world: World, tmp_path: Path) -> None:
    done = imported(world, [row(1), business(2, license_id=GOOD_ID, trust_level="B")], tmp_path / "r")
    first, second = done.outcomes
    assert (first["line"], first["outcome"], second["outcome"]) == (2, "issued", "issued")
    known, version = opened(world, ref_of(second))
    assert version.license_id == GOOD_ID
    assert version.salted["@license_number"][1] == "NO-2"
    assert (known.valid_from, known.valid_to) == (days.parse("2015-06-01"), None)
    issued = version.fact
    assert isinstance(issued, license.LicenseIssued)
    assert (issued.origin, issued.trust_level, issued.serial_number) == ("from-database", "B", 1)
    assert version.about.effective_at == days.start(days.parse("2015-06-01"))
    assert second["index"] == version.index


def test_a_license_without_an_identifier_gets_one_by_the_standard(world: World, tmp_path: Path) -> None:
    (outcome,) = imported(world, [business(1)], tmp_path / "r").outcomes
    _, version = opened(world, ref_of(outcome))
    assert stock_world.OWN in version.license_id


@pytest.mark.parametrize(
    ("text", "finding_", "serial_number"),
    [
        (GOOD_ID, [], 1),
        (LEGACY_ID, ["license-id-legacy-variant"], 1),
        (BAD_ID, ["license-id-bad"], 1),
        (SHAPELESS_ID, ["license-id-bad"], 0),
        ("1.2.156.3005.2.11100000MB03271699022.340100.000000016.001.9", [], 0),
        (f"{stock_world.OWN}.2026000001.007.{{}}", None, 7),
    ],
)
def test_an_identifier_stays_as_it_is_printed_and_is_judged(
    world: World, tmp_path: Path, text: str, finding_: list[str] | None, serial_number: int
) -> None:
    if "{}" in text:
        body = f"{BUSINESS_LICENSE}{OPERATOR}2026000001007"
        text, finding_ = text.format(license_id.check_character(body)), []
    (outcome,) = imported(world, [business(1, license_id=text)], tmp_path / "r").outcomes
    assert outcome["outcome"] == "issued"
    assert outcome.get("findings", []) == finding_
    known, version = opened(world, ref_of(outcome))
    assert version.license_id == text
    assert license.serial_number(known) == serial_number


def test_two_licenses_with_one_printed_number_both_stay(world: World, tmp_path: Path) -> None:
    unique_numbers(world)
    rows = [business(1, number="A-1"), business(2, number="A-1"), business(3, number="A-2")]
    first, second, third = imported(world, rows, tmp_path / "r").outcomes
    assert "findings" not in first
    assert "findings" not in third
    assert second["findings"] == [quality.NUMBER_CLASH]
    ((_, stored),) = world.facts(after=second["index"], limit=1)
    raised = facts.from_event(stored.event)
    assert raised == quality.QualityFindingRaised(
        license_ref=ref_of(second), finding=quality.NUMBER_CLASH, other_ref=ref_of(first)
    )
    with pytest.raises(errors.NumberTaken):
        world.do(_issued(world, number="A-1"))


def _issued(world: World, *, number: str) -> Any:
    content = license_commands.Content(
        serial="9",
        number=number,
        holder_name="合成",
        values={"name": "合成"},
        valid_from=days.parse("2020-01-01"),
        valid_to=None,
        issued_on=days.parse("2020-01-01"),
    )
    return license_commands.IssueLicense(
        actor=world.issuer, type_code=BUSINESS_LICENSE, holder=citizen(1), content=content
    )


def test_a_second_run_adds_nothing_whatever_else_the_rows_say(world: World, tmp_path: Path) -> None:
    rows = [row(1), row(2), row(3, source_id=None)]
    first = imported(world, rows, tmp_path / "one").outcomes
    size = world.ledger.recorder.newest_index()
    again = imported(world, [row(1, number="other"), row(2), row(3, source_id=None)], tmp_path / "two")
    assert [one["outcome"] for one in again.outcomes] == ["exists"] * 3
    assert [one["license_ref"] for one in again.outcomes] == [one["license_ref"] for one in first]
    assert world.ledger.recorder.newest_index() == size
    keeping.rotate_pepper(world.ledger)
    later = imported(world, rows, tmp_path / "three")
    assert [one["outcome"] for one in later.outcomes] == ["exists"] * 3


def test_a_row_stays_known_when_its_holder_is_erased(world: World, tmp_path: Path) -> None:
    imported(world, [row(1)], tmp_path / "one")
    keeping.erase_holder(world.ledger, world.appender, citizen(1), world.ledger.console)
    size = world.ledger.recorder.newest_index()
    (outcome,) = imported(world, [row(1)], tmp_path / "two").outcomes
    assert outcome["outcome"] == "exists"
    assert world.ledger.recorder.newest_index() == size


def test_a_row_that_stands_twice_in_a_file_is_issued_once(world: World, tmp_path: Path) -> None:
    first, second = imported(world, [row(1), row(1)], tmp_path / "r").outcomes
    assert (first["outcome"], second["outcome"]) == ("issued", "exists")
    assert first["license_ref"] == second["license_ref"]


def test_holders_joined_by_a_caret_hold_the_license_together(world: World, tmp_path: Path) -> None:
    one, two = citizen(1), citizen(2)
    joint = {
        "holder_code_type": "111^111",
        "holder_code": f"{one.code}^{two.code}",
        "holder_name": "合成甲^合成乙",
    }
    (outcome,) = imported(world, [row(1, **joint)], tmp_path / "r").outcomes
    known, version = opened(world, ref_of(outcome))
    assert len(known.parties) == 2
    assert [role for role, _ in version.fact.parties] == ["holder", "co-owner"]


def test_an_old_license_says_who_represents_its_holder(world: World, tmp_path: Path) -> None:
    person = {
        "role": "legal-representative",
        "code_type": "111",
        "code": citizen(3).code,
        "name": "合成代表人",
    }
    (outcome,) = imported(world, [row(1, parties=json.dumps([person]))], tmp_path / "r").outcomes
    assert (outcome["outcome"], outcome.get("findings", [])) == ("issued", [])
    with contextlib.closing(reading.Reader(world.ledger.ways.service, world.ledger.vault)) as reader:
        known = reader.row(RepresentationRow, ref_of(outcome))
    assert known is not None
    assert len(known.representatives) == 1


def test_rejected_rows_come_back_in_their_columns_with_every_fault(world: World, tmp_path: Path) -> None:
    bad = row(
        2,
        holder_code=citizen(2).code[:-1] + "?",
        valid_to="2010-01-01",
        issued_on="2015-02-30",
        fields='{"unheard": "1"}',
    )
    done = imported(world, [row(1), bad, row(3)], tmp_path / "r")
    issued, rejected, _ = done.outcomes
    assert issued["outcome"] == "issued"
    told = {(fault["column"], fault["rule"]) for fault in rejected["faults"]}
    assert told == {("holder_code", "charset"), ("issued_on", "date"), ("fields", "field-unknown")}
    header, returned = done.rejected.splitlines()
    assert header.endswith(",error_remark")
    assert returned.startswith("S2,")
    assert "issued_on: date" in returned
    text = (done.folder / stock_results.RESULTS).read_text("utf-8")
    assert citizen(1).code not in text
    assert "合成" not in text
    corrected = done.rejected.replace("2015-02-30", "2015-02-28").replace("?", citizen(2).code[-1])
    corrected = corrected.replace("unheard", "name").replace("2010-01-01", "2030-01-01")
    again = Import(world, corrected.encode(), tmp_path / "again")
    assert again.run().issued == 1


def test_what_the_ledger_refuses_under_the_lock_is_a_fault_of_the_row(world: World, tmp_path: Path) -> None:
    rows = [business(1, license_id=GOOD_ID), business(2, license_id=GOOD_ID)]
    _, second = imported(world, rows, tmp_path / "r").outcomes
    assert second["faults"] == [{"column": "license_id", "rule": "already-exists"}]


def test_an_importer_has_the_powers_of_its_client_and_no_more(world: World, tmp_path: Path) -> None:
    other = business(1, issuer=HALL)
    (outcome,) = imported(world, [other], tmp_path / "r").outcomes
    assert outcome["faults"] == [{"column": "issuer", "rule": "not-the-issuer"}]
    (outcome,) = imported(world, [other], tmp_path / "s", actor=world.hall).outcomes
    assert outcome["outcome"] == "rejected", "the client may issue nothing"
    assert world.issuer.client_id is not None
    suspended = client.ClientSuspended(client_id=world.issuer.client_id)
    world.do(registry_commands.RecordInRegistry(actor=world.ledger.console, facts=(suspended,)))
    with pytest.raises(errors.ClientSuspended):
        imported(world, [row(1), row(2)], tmp_path / "t")
    state = stock_results.read_state(tmp_path / "t")
    assert state is not None
    assert state.rows == 0, "what refuses every row alike is no fault of one"


def test_a_run_that_dies_anywhere_ends_as_one_that_did_not(world: World, tmp_path: Path) -> None:
    """The process stops amid rows that are committed and not told; the next run tells them as its own."""
    rows = [row(number) for number in range(1, 41)] + [row(3)]
    told: list[Any] = []

    def dying(asked: Any) -> Any:
        if len(told) == 25:
            raise KeyboardInterrupt
        told.append(world.appender.submit(asked))
        return told[-1]

    data = stock_world.csv_text(rows).encode()
    with pytest.raises(KeyboardInterrupt):
        Import(world, data, tmp_path / "r", submit=dying).run()
    for future in told:
        future.result(timeout=60)
    # As after a kill: what was written behind the state is there, and is not believed.
    with (tmp_path / "r" / stock_results.RESULTS).open("ab") as results:
        results.write(b'{"line":')
    done = Import(world, data, tmp_path / "r")
    state = done.run()
    assert (state.issued, state.existing, state.rejected, state.is_done) == (40, 1, 0, True)
    assert [one["outcome"] for one in done.outcomes] == ["issued"] * 40 + ["exists"]
    assert [one["line"] for one in done.outcomes] == list(range(2, 43))
    assert len({one["license_ref"] for one in done.outcomes}) == 40
    assert done.run() == state, "a run that is done stays so"


def test_findings_are_told_again_after_a_crash(world: World, tmp_path: Path) -> None:
    unique_numbers(world)
    rows = [business(1, number="A-1"), business(2, number="A-1", license_id=LEGACY_ID)]
    imported(world, rows, tmp_path / "one")
    state = stock_results.State(file="a file")
    (tmp_path / "two").mkdir(mode=0o700)
    stock_results.write_state(tmp_path / "two", state)
    _, second = imported(world, rows, tmp_path / "two").outcomes
    assert second["findings"] == ["license-id-legacy-variant", quality.NUMBER_CLASH]


def test_results_are_their_owners_alone_and_of_one_file(world: World, tmp_path: Path) -> None:
    done = imported(world, [row(1)], tmp_path / "r")
    assert stat.S_IMODE(done.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in done.folder.iterdir()} == {0o600}
    state = stock_results.read_state(done.folder)
    assert state is not None
    stock_results.write_state(done.folder, replace(state, file="another"))
    with pytest.raises(errors.Invalid):
        done.run()
    (tmp_path / "open").mkdir(mode=0o755)
    with pytest.raises(errors.Invalid):
        imported(world, [row(1)], tmp_path / "open")


def test_types_that_are_revised_meanwhile_are_judged_anew(world: World, tmp_path: Path) -> None:
    def revising(asked: Any) -> Any:
        if asked.content.number == "NO-2" and asked.number_scope == "nowhere":
            unique_numbers(world)
        return world.appender.submit(asked)

    done = imported(world, [business(1), business(2), business(3)], tmp_path / "r", submit=revising)
    assert [one["outcome"] for one in done.outcomes] == ["issued"] * 3


def test_a_row_whose_type_is_revised_again_and_again_is_refused_and_stops_nobody(
    world: World, tmp_path: Path
) -> None:
    def revised(asked: Any) -> Any:
        if asked.content.number != "NO-2":
            return world.appender.submit(asked)
        future: Future[Any] = Future()
        future.set_exception(errors.Conflict("revised", reason=stock_commands.REVISED))
        return future

    done = imported(world, [business(1), business(2), business(3)], tmp_path / "r", submit=revised)
    assert [one["outcome"] for one in done.outcomes] == ["issued", "rejected", "issued"]
    assert done.outcomes[1]["faults"] == [{"column": "*", "rule": "conflict"}]


def test_the_window_is_narrow_while_others_append() -> None:
    now = [100.0]
    pace = stock_run.Pace(lambda: now[0])
    assert pace.window == stock_run.WINDOW_MAX
    pace.told((7, 8))
    pace.told((9,))
    assert pace.window == stock_run.WINDOW_MAX
    pace.told((12,))
    assert pace.window == stock_run.WINDOW_MIN
    now[0] += stock_run.QUIET_S
    assert pace.window == stock_run.WINDOW_MAX


def test_an_issue_that_is_no_import_says_nothing_of_the_stock(world: World) -> None:
    for members in ({"trust_level": "A"}, {"serial_number": 2}, {"origin": "rumor"}):
        with pytest.raises(errors.Invalid):
            stock.check(*{"origin": None, "trust_level": None, "serial_number": 1, **members}.values())


def test_defaults_speak_for_rows_that_are_silent(world: World, tmp_path: Path) -> None:
    defaults = stock_row.Defaults(origin="scanned", trust_level="D")
    rows = [row(1), row(2, origin="scanned-and-checked")]
    done = imported(world, rows, tmp_path / "r", defaults=defaults)
    said = [opened(world, ref_of(one))[1].fact for one in done.outcomes]
    assert [getattr(one, "origin", None) for one in said] == ["scanned", "scanned-and-checked"]
    assert [getattr(one, "trust_level", None) for one in said] == ["D", "D"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LEGACY_ID, f"{stock_world.OWN}.2026000001.002."),
        (SHAPELESS_ID, f"{stock_world.OWN}.7777.001."),
    ],
)
def test_the_next_version_has_an_identifier_by_the_standard(
    world: World, tmp_path: Path, text: str, expected: str
) -> None:
    (outcome,) = imported(world, [business(1, license_id=text)], tmp_path / "r").outcomes
    known, version = opened(world, ref_of(outcome))
    serial = disclosure.serial(known, version)
    asked = license_commands.AmendLicense(
        actor=world.issuer,
        license_ref=known.license_ref,
        holder=ENTERPRISE,
        content=replace(_issued(world, number="NO-1").content, serial=serial or "7777"),
        type_and_issuer=(known.type_code, known.issuer),
        previous=text if serial is None else None,
    )
    world.do(asked)
    row_now, version = opened(world, known.license_ref)
    assert version.license_id.startswith(expected)
    license_id.parse(version.license_id)
    assert license.serial_number(row_now) == int(expected.split(".")[-2])
    assert (version.salted.get(license.PREVIOUS_ID) is None) == (serial is not None)
    with pytest.raises(errors.Conflict):
        world.do(replace(asked, previous="another" if serial is not None else "other", places=(1, 2, 3)))
