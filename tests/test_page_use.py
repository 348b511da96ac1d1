"""Pages of a household in uses: each under its own holder's consent, and what is told of the household."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import booklet, days, errors, page_use
from ledger.state import LicenseRow
from ledger.state_household import HouseholdRow
from tests.history import HALL, NOON, STREAMS, History, granted
from tests.test_household import (
    CHILD,
    DAY,
    FATHER,
    FIRST,
    GROUP,
    ISSUER,
    MOTHER,
    PAGE,
    SECOND_FIRST,
    TYPE,
    added,
    family,
    headed,
    recorded,
    removed,
)

STANDING = b"9" * 16
TODAY = days.of_instant(NOON)


def permitted() -> History:
    """A family of three, since noon, and a hall that may use pages by law."""
    history = family()
    recorded(history, added(), effective_at=NOON)
    made = granted("statutory", authorization_ref=STANDING, type_codes=(TYPE,))
    history.record(made, stream=STREAMS[HALL], by=ISSUER)
    return history


def used(history: History, ref: bytes, person: bytes, *, at: int = NOON + 9 * DAY, **members: Any) -> None:
    """The hall uses a page; what it is told is what the household says, unless said otherwise."""
    day = members.get("day", TODAY)
    told = booklet.told(history.row(HouseholdRow, GROUP), ref, person, day=day) or (None, None)
    values: dict[str, Any] = {
        "license_ref": ref,
        "version": 1,
        "license_index": history.row(LicenseRow, ref).version_index,
        "authorization_ref": STANDING,
        "mode": "statutory",
        "fields": ("name",),
        "status": "effective",
        "household_ref": GROUP,
        "day": day,
        "since": told[0],
        "until": told[1],
    }
    history.record(page_use.PageUsed(**values | members), stream=person, by=HALL, at=at)


def told(history: History, ref: bytes, person: bytes, *, day: int = TODAY) -> tuple[int, int | None] | None:
    return booklet.told(history.row(HouseholdRow, GROUP), ref, person, day=day)


def test_what_is_told_of_a_page_is_whether_it_was_there_on_the_day() -> None:
    history = permitted()
    recorded(history, removed(CHILD), at=NOON + 2 * DAY)
    for day, expected in ((-1, None), (0, (NOON, NOON + 2 * DAY)), (2, (NOON, NOON + 2 * DAY)), (3, None)):
        assert told(history, PAGE[CHILD], CHILD, day=TODAY + day) == expected
        used(history, PAGE[CHILD], CHILD, day=TODAY + day)
    assert told(history, FIRST, FATHER) == (NOON, None)
    recorded(history, headed(), at=NOON + 4 * DAY)
    assert told(history, FIRST, FATHER) is None
    assert told(history, SECOND_FIRST, MOTHER) is None
    assert told(history, SECOND_FIRST, MOTHER, day=TODAY + 4) == (NOON + 4 * DAY, None)
    assert told(history, PAGE[CHILD], MOTHER) is None
    recorded(history, removed(FATHER), at=NOON + 5 * DAY)
    recorded(history, removed(MOTHER, "death", SECOND_FIRST), at=NOON + 6 * DAY)
    assert told(history, SECOND_FIRST, MOTHER, day=TODAY + 4) == (NOON + 4 * DAY, NOON + 6 * DAY)


@pytest.mark.parametrize(
    "members",
    [
        {"since": None, "until": None},
        {"since": NOON - 1},
        {"until": NOON + DAY},
        {"household_ref": b"0" * 16},
        {"household_ref": None},
        {"day": TODAY + 10, "since": NOON},
        {"authorization_ref": b"0" * 16},
        {"mode": "unconditional"},
    ],
)
def test_nothing_else_is_told_and_nothing_without_a_use_that_is_permitted(members: dict[str, Any]) -> None:
    history = permitted()
    used(history, PAGE[CHILD], CHILD)
    with pytest.raises(errors.Forbidden):
        used(history, PAGE[CHILD], CHILD, **members)
