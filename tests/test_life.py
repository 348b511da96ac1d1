"""Long lives of licenses and authorizations go as docs/rules.md says, at every instant; and the rules of
domain practice about uses, each told once by name. No database."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from ledger import days, ending, errors, license, use
from ledger.state import LicenseRow
from tests.history import HALL, HOLDER, OPERATOR_REF, REF, STREAMS, History, begun, granted, version
from tests.life_drafts import Drafts

STEPS = 10_000


def run(*, examples: int, steps: int) -> tuple[set[str], int]:
    """The outcomes that were met, and how many steps it took."""
    met: set[str] = set()
    walked = 0

    class Watched(Drafts):
        def teardown(self) -> None:
            nonlocal walked
            met.update(self.outcomes)
            walked += self.steps
            super().teardown()

    run_state_machine_as_test(
        Watched,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
    return met, walked


def test_lives_go_as_the_page_says() -> None:
    met, walked = run(examples=25, steps=40)
    assert {"granted", "not-authorized"} <= met
    assert walked >= 25


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_ten_thousand_steps_of_lives_go_as_the_page_says() -> None:
    """The seed is `--hypothesis-seed`, which `make faults` prints."""
    met, walked = run(examples=200, steps=80)
    assert walked >= STEPS
    assert {
        "granted",
        "not-authorized",
        "authorization-ended",
        "authorization-exhausted",
        "authorization-exhausted-today",
        "holder-ended",
        "license-expired",
        "license-suspended",
        "not-covered",
    } <= met, sorted(met)


# --- rules of practice ---


def used(history: History, *, mode: str = "statutory") -> use.LicenseUsed:
    row = history.row(LicenseRow, REF)
    return use.LicenseUsed(
        license_ref=REF,
        version=row.version,
        license_index=row.version_index,
        authorization_ref=REF,
        mode=mode,
        fields=("name",),
        status="effective",
    )


def with_statute(**members: Any) -> History:
    history = begun()
    history.record(version(**members))
    history.record(granted("statutory"), stream=STREAMS[HALL])
    return history


def test_a_license_is_used_to_the_last_second_of_its_last_day_in_beijing_and_not_one_later() -> None:
    history = with_statute(valid_to=days.parse("2026-03-01"))
    history.record(used(history), by=HALL, at=days.parse_instant("2026-03-01T15:59:59Z"))
    with pytest.raises(errors.Forbidden, match="license-expired"):
        history.record(used(history), by=HALL, at=days.parse_instant("2026-03-01T16:00:00Z"))


def test_nothing_is_used_after_the_holder_has_ended_and_all_of_it_after_the_reversal() -> None:
    history = with_statute()
    ended = ending.HolderEnded(kind="death", evidence_digest=bytes(32))
    history.record(ended, stream=HOLDER, by=None, operator_ref=OPERATOR_REF)
    with pytest.raises(errors.Forbidden, match="holder-ended"):
        history.record(used(history), by=HALL)
    reversal = ending.HolderEndReversed(evidence_digest=bytes(32))
    history.record(reversal, stream=HOLDER, by=None, operator_ref=OPERATOR_REF)
    history.record(used(history), by=HALL)


def test_an_annulment_of_earlier_effect_forbids_from_its_recording_on_and_not_before() -> None:
    history = with_statute()
    recorded_at = days.parse_instant("2026-03-05T12:00:00+08:00")
    effective_at = days.parse_instant("2026-03-01T00:00:00+08:00")
    history.record(used(history), by=HALL, at=days.parse_instant("2026-03-03T12:00:00+08:00"))
    annulled = license.LicenseAnnulled(license_ref=REF)
    history.record(annulled, at=recorded_at, effective_at=effective_at)
    row = history.row(LicenseRow, REF)
    assert (row.status, row.status_since) == ("annulled", effective_at)
    with pytest.raises(errors.Forbidden, match="license-annulled"):
        history.record(used(history), by=HALL, at=recorded_at)
