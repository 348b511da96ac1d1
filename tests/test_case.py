"""Cases: given what was said of one, when another thing is said, then what is known of it; no database."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger import case, errors
from ledger.days import DAY_US
from ledger.state import CaseRow
from tests.history import FREE, HALL, HOLDER, ISSUER, NOON, OTHER, REF, STREAMS, History, begun, version

NUMBER = "2026-0301-0001"
MORNING = NOON - 4 * 3600 * 1_000_000


def told() -> History:
    """A history in which the hall says what becomes of its cases."""
    history = begun()
    history.record(version())
    client = history.rows[next(key for key in history.rows if key[1] == b"H" * 16)]
    history.rows[type(client), client.key] = _with_scope(client)
    return history


def _with_scope(row: Any) -> Any:
    return replace(row, scopes=(*row.scopes, "case:upload"))


def say(history: History, made: case.CaseFact, at: int = MORNING, **members: Any) -> None:
    values: dict[str, Any] = {"case_number": NUMBER, "effective_at": at, "issuer": None}
    stream, by = members.pop("stream", STREAMS[HALL]), members.pop("by", HALL)
    history.record(made, stream=stream, by=by, **values | members)


def opened(*parties: tuple[str, bytes], unknown: tuple[str, ...] = ()) -> case.CaseOpened:
    return case.CaseOpened(parties=parties, unknown=unknown)


def closed(outcome: str = "denied", **members: Any) -> case.CaseClosed:
    return case.CaseClosed(**{"outcome": outcome, "type_codes": (), "license_refs": ()} | members)


def known(history: History) -> list[tuple[int | None, int | None]]:
    """From when to when the case was open."""
    row = history.row(CaseRow, case.key(HALL, NUMBER))
    return [(one.opened_at, one.closed_at) for one in case.spans(row)]


def test_a_case_is_opened_closed_and_opened_again_later() -> None:
    history = told()
    say(history, opened(("applicant", HOLDER)), MORNING)
    say(history, closed(), MORNING + 1)
    say(history, opened(), MORNING + 5)
    assert known(history) == [(MORNING, MORNING + 1), (MORNING + 5, None)]
    row = history.row(CaseRow, case.key(HALL, NUMBER))
    assert (row.organization, row.case_number) == (HALL, NUMBER)
    assert case.spans(row)[0].parties == (HOLDER,)
    assert case.ended_at(case.spans(row)) is None


def test_what_closed_a_case_may_come_before_what_opened_it() -> None:
    history = told()
    say(history, closed(), MORNING + 5)
    assert known(history) == [(None, MORNING + 5)]
    assert not case.is_opened(case.spans(history.row(CaseRow, case.key(HALL, NUMBER))))
    say(history, opened(), MORNING)
    assert known(history) == [(MORNING, MORNING + 5)]
    say(history, opened(), MORNING + 5)
    assert known(history) == [(MORNING, MORNING + 5), (MORNING + 5, None)]


@pytest.mark.parametrize(
    ("before", "made", "at"),
    [
        ([(opened(), 2)], opened(), 3),
        ([(opened(), 2)], opened(), 2),
        ([(opened(), 2)], closed(), 1),
        ([(opened(), 2), (closed(), 4)], opened(), 3),
        ([(opened(), 2), (closed(), 4)], closed(), 5),
        ([(closed(), 4)], closed(), 5),
        ([(opened(), 2), (closed(), 2)], opened(), 2),
    ],
)
def test_what_does_not_follow_is_refused(before: list[Any], made: case.CaseFact, at: int) -> None:
    history = told()
    for said, offset in before:
        say(history, said, MORNING + offset)
    rows = dict(history.rows)
    with pytest.raises(errors.CaseConflict):
        say(history, made, MORNING + at)
    assert history.rows == rows


def test_a_case_belongs_to_the_organization_that_numbered_it() -> None:
    history = told()
    with pytest.raises(errors.ScopeMissing):
        say(history, opened(), by=OTHER, stream=STREAMS[OTHER])
    with pytest.raises(errors.Conflict):
        say(history, opened(), stream=STREAMS[ISSUER])
    assert case.key(HALL, NUMBER) != case.key(ISSUER, NUMBER)


@pytest.mark.parametrize(
    ("made", "members", "field"),
    [
        (opened(), {"case_number": None}, "case_number"),
        (opened(), {"service_item": None}, "service_item_code"),
        (opened(), {"effective_at": NOON + 1}, "opened_at"),
        (closed(), {"effective_at": NOON + 1}, "closed_at"),
        (opened(("applicant", STREAMS[HALL])), {}, "parties"),
        (opened(("applicant", b"nobody".ljust(16))), {}, "parties"),
        (opened(("boss", HOLDER)), {}, "parties"),
        (opened(unknown=("applicant",) * (case.PARTIES_MAX + 1)), {}, "parties"),
        (closed("perhaps"), {}, "outcome"),
        (closed(type_codes=(FREE,)), {}, "license_types"),
        (closed("approved", type_codes=(FREE, FREE)), {}, "license_types"),
        (closed("approved", type_codes=("11100000MB0143028R999",)), {}, "license_types"),
        (closed("approved", license_refs=(b"none".ljust(16),)), {}, "license_refs"),
    ],
)
def test_a_wrong_value_is_named_and_changes_nothing(
    made: case.CaseFact, members: dict[str, Any], field: str
) -> None:
    history = told()
    rows = dict(history.rows)
    with pytest.raises(errors.LedgerError) as refused:
        say(history, made, members.pop("effective_at", MORNING), **members)
    assert refused.value.field == field
    assert history.rows == rows


def test_an_approved_case_names_what_it_results_in() -> None:
    history = told()
    say(history, closed("approved", type_codes=(FREE,), license_refs=(REF,)))
    assert known(history) == [(None, MORNING)]


def test_a_case_is_opened_no_more_than_so_many_times() -> None:
    history = told()
    for number in range(case.SPANS_MAX):
        say(history, opened(), MORNING + 2 * number)
        say(history, closed(), MORNING + 2 * number + 1)
    with pytest.raises(errors.CaseConflict):
        say(history, opened(), MORNING + DAY_US // 10)


def test_a_span_reads_as_it_was_written() -> None:
    full = case.Span(1, 2, "aa", 3, 4, "bb", 5, (b"1" * 16, b"2" * 16))
    for one in (full, case.Span(), case.Span(closed_at=7, closed_index=8, closing="cc")):
        row = CaseRow(case_key=b"", organization="", case_number="", spans=(one.text,))
        assert case.spans(row) == [one]


def test_two_openings_are_the_same_whoever_the_parties_are_that_the_ledger_knows() -> None:
    def opening(*parties: tuple[str, bytes], unknown: tuple[str, ...] = (), item: str = "i") -> case.Span:
        return opened(*parties, unknown=unknown).span_of(1, item=item, channel="web")

    one = opening(("agent", HOLDER), unknown=("applicant",))
    for other in (
        opening(("applicant", HOLDER), unknown=("agent",)),
        opening(("applicant", HOLDER), ("agent", HOLDER)),
        opening(unknown=("agent", "applicant")),
    ):
        assert (one.opening, one.named) == (other.opening, other.named)
    assert one.opening != opening(unknown=("agent",)).opening
    assert one.opening != opening(unknown=("agent", "interested")).opening
    assert one.opening != opening(unknown=("agent", "applicant"), item="j").opening
