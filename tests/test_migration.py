"""Tables of idempotency keys are there for every day ahead, and gone once no repeat can be of their days."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from ledger import migration, opening, sql
from ledger.migration import DAYS_AHEAD, DAYS_PER_TABLE
from ledger.store import IDEMPOTENCY_DAYS

TEXTS = sql.load("maintenance")


@contextmanager
def turning(ledger: opening.Ledger) -> Iterator[psycopg.Connection[Any]]:
    """The database as its owner, nothing of it kept."""
    with psycopg.connect(str(ledger.ways.owner)) as conn:
        yield conn
        conn.rollback()


def tables(conn: psycopg.Connection[Any]) -> list[tuple[int, int]]:
    return conn.execute(TEXTS["key_tables"]).fetchall()


def covered(conn: psycopg.Connection[Any]) -> list[int]:
    return [day for first, end in tables(conn) for day in range(first, end)]


@pytest.mark.parametrize("step", [1, 3, 30, 400])
def test_day_after_day_every_day_of_a_promise_has_one_table(ledger: opening.Ledger, step: int) -> None:
    with turning(ledger) as conn:
        first = min(covered(conn)) + IDEMPOTENCY_DAYS
        for today in range(first, first + 4 * step, step):
            migration._turn_days(conn, TEXTS, today)
            days = covered(conn)
            assert len(days) == len(set(days))
            assert set(range(today - IDEMPOTENCY_DAYS, today + DAYS_AHEAD)) <= set(days)
            assert min(days) > today - 2 * IDEMPOTENCY_DAYS - DAYS_PER_TABLE
            assert all(end - first <= DAYS_PER_TABLE for first, end in tables(conn))


def test_tables_of_single_days_stay_and_gaps_between_them_are_filled(ledger: opening.Ledger) -> None:
    with turning(ledger) as conn:
        today = min(covered(conn)) + 1_000
        for first in (today - 3, today, today + 2):
            conn.execute(TEXTS["add_key_table"].format(first=first, end=first + 1))
        migration._turn_days(conn, TEXTS, today)
        assert {(today - 3, today - 2), (today, today + 1), (today + 2, today + 3)} <= set(tables(conn))
        days = covered(conn)
        assert len(days) == len(set(days))
        assert set(range(today - IDEMPOTENCY_DAYS, today + DAYS_AHEAD)) <= set(days)


def test_days_whose_keys_went_to_the_default_table_get_none(ledger: opening.Ledger) -> None:
    with turning(ledger) as conn:
        today = max(covered(conn)) + 100
        conn.execute("INSERT INTO idempotency VALUES (0, %s, %s, %s, 1, 1)", (today, b"key", b"body"))
        migration._turn_days(conn, TEXTS, today)
        assert today not in covered(conn)
        assert today + DAYS_PER_TABLE in covered(conn)
