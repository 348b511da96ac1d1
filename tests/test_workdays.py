"""Working days in China: breaks, make-up days, and where the calendar ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger import config, days, errors, workdays, workdays_file

OFFICIAL = workdays.official()


def due(start: str, count: int = 10) -> str:
    return days.text(OFFICIAL.due(days.parse(start), count))


@pytest.mark.parametrize(("year", "worked"), [(2024, 251), (2025, 248), (2026, 248)])
def test_a_year_has_the_working_days_of_its_notice(year: int, worked: int) -> None:
    all_days = range(days.parse(f"{year}-01-01"), days.parse(f"{year + 1}-01-01"))
    assert sum(map(OFFICIAL.is_workday, all_days)) == worked


@pytest.mark.parametrize(
    ("day", "is_worked"),
    [
        ("2026-02-14", True),  # a Saturday before Spring Festival, worked
        ("2026-02-15", False),
        ("2026-02-23", False),  # the last day of the break, a Monday
        ("2026-02-24", True),
        ("2026-02-28", True),  # a Saturday after it, worked
        ("2026-09-20", True),  # a Sunday before National Day, worked
        ("2026-10-01", False),
        ("2026-10-10", True),
        ("2026-03-07", False),  # an ordinary Saturday
        ("2026-03-09", True),
        ("2020-01-31", False),  # the break that was made longer
        ("2018-12-29", True),  # said by the notice for 2019
    ],
)
def test_a_day_is_worked_as_the_notice_says(day: str, is_worked: bool) -> None:
    assert OFFICIAL.is_workday(days.parse(day)) is is_worked


@pytest.mark.parametrize(
    ("start", "count", "last"),
    [
        ("2026-03-02", 10, "2026-03-16"),  # two ordinary weeks
        ("2026-03-02", 1, "2026-03-03"),
        ("2026-03-06", 1, "2026-03-09"),  # Friday to Monday
        ("2026-02-09", 10, "2026-02-28"),  # over Spring Festival, with both make-up Saturdays
        ("2026-02-13", 1, "2026-02-14"),
        ("2026-02-14", 1, "2026-02-24"),  # the eve of the break
        ("2026-02-16", 1, "2026-02-24"),  # begun amid the break
        ("2026-09-18", 10, "2026-10-09"),  # over Mid-Autumn and National Day
        ("2026-09-28", 10, "2026-10-16"),  # with the make-up Saturday after it
        ("2025-12-31", 3, "2026-01-06"),  # 1 to 3 January are off, the Sunday after is worked
    ],
)
def test_a_term_counts_working_days_after_its_first_day(start: str, count: int, last: str) -> None:
    assert due(start, count) == last


def test_a_term_never_ends_on_a_day_off() -> None:
    for start in range(days.parse("2025-01-01"), days.parse("2026-12-01")):
        last = OFFICIAL.due(start, 10)
        assert OFFICIAL.is_workday(last)
        assert sum(OFFICIAL.is_workday(day) for day in range(start + 1, last + 1)) == 10


def test_beyond_what_is_known_weekdays_are_worked_and_the_day_is_provisional() -> None:
    start, known = OFFICIAL.known_until - 3, OFFICIAL.known_until
    last = OFFICIAL.due(start, 10)
    assert last > known
    assert workdays.weekday(last) < 5
    far = days.parse("2150-01-03")
    assert OFFICIAL.is_workday(far) is (workdays.weekday(far) < 5)


def test_the_end_of_a_year_is_known_with_the_notice_of_the_next() -> None:
    assert days.text(OFFICIAL.known_until)[5:] == "12-28"


def written(folder: Path, *lines: str) -> Path:
    file = folder / "workdays.csv"
    file.write_text("\n".join(("# a notice", "day,kind", *lines)), "utf-8")
    return file


def test_a_file_tells_the_next_year_and_amends_this_one(tmp_path: Path) -> None:
    year = int(days.text(OFFICIAL.known_until)[:4]) + 1
    monday, saturday = (
        next(
            day
            for day in range(days.parse(f"{year}-03-01"), days.parse(f"{year}-03-09"))
            if workdays.weekday(day) == n
        )
        for n in (0, 5)
    )
    lines = (f"{year}-01-01,off", f"{days.text(monday)},off", f"{days.text(saturday)},work", "2026-10-08,off")
    told = workdays_file.calendar(written(tmp_path, *lines, "2026-02-23,work"))
    assert days.text(told.known_until) == f"{year}-12-28"
    assert not told.is_workday(monday)
    assert told.is_workday(saturday)
    assert told.due(days.parse("2026-09-28"), 10) == days.parse("2026-10-19")
    assert told.is_workday(days.parse("2026-02-23"))
    assert workdays_file.calendar(None) is OFFICIAL


def test_a_file_may_begin_as_spreadsheets_begin_theirs(tmp_path: Path) -> None:
    file = tmp_path / "saved.csv"
    file.write_text("day,kind\n2026-10-08,off\n", "utf-8-sig")
    assert not workdays_file.read(file).is_workday(days.parse("2026-10-08"))


@pytest.mark.parametrize(
    "lines",
    [
        ("2027-01-01",),
        ("2027-01-01,free",),
        ("01.01.2027,off",),
        ("2027-01-01,off", "2027-01-01,off"),
        ("2150-10-01,off",),
    ],
)
def test_a_file_with_a_fault_is_refused(tmp_path: Path, lines: tuple[str, ...]) -> None:
    with pytest.raises(errors.Invalid) as refused:
        workdays_file.read(written(tmp_path, *lines))
    assert refused.value.field == "workdays.csv"
    with pytest.raises(errors.Invalid):
        workdays_file.read(tmp_path / "nowhere.csv")


def test_a_term_is_configured_within_bounds() -> None:
    assert config.from_environment({}).dispute_days == 10
    assert config.from_environment({"LEDGER_DISPUTE_DAYS": "3"}).dispute_days == 3
    for text in ("0", "61", "-1", "ten", "٣"):
        with pytest.raises(errors.Invalid):
            config.from_environment({"LEDGER_DISPUTE_DAYS": text})
