"""The pipeline packs values as PostgreSQL reads them, tells faults apart and never waits for ever."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import opening
from ledger.store_pipeline import Pipeline, TooLate
from tests.conftest import Cluster

WAIT_S = 20.0
BIGINT = st.integers(-(2**63), 2**63 - 1)
INTEGER = st.integers(-(2**31), 2**31 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50)


@pytest.fixture(scope="module")
def pipeline(cluster: Cluster) -> Iterator[Pipeline]:
    with psycopg.connect(cluster.server_url, autocommit=True) as conn:
        yield Pipeline(conn)


def echoed(pipeline: Pipeline, kind: str, value: Any) -> Any:
    answer = pipeline.ask(f"SELECT %b::{kind}", value)
    pipeline.gather(within_s=WAIT_S)
    ((told,),) = answer.rows
    return told


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("bigint", BIGINT),
        ("integer", INTEGER),
        ("text", TEXT),
        ("bytea", st.binary(max_size=300)),
        ("boolean", st.booleans()),
        ("bigint[]", st.lists(st.none() | BIGINT, max_size=8)),
        ("integer[]", st.lists(INTEGER, max_size=8)),
        ("text[]", st.lists(st.none() | TEXT, max_size=8)),
        ("bytea[]", st.lists(st.none() | st.binary(max_size=300), max_size=8)),
        ("uuid[]", st.lists(st.uuids(), max_size=8)),
        ("boolean[]", st.lists(st.none() | st.booleans(), max_size=8)),
    ],
)
def test_what_is_packed_comes_back(pipeline: Pipeline, kind: str, values: Any) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(values)
    def holds(value: Any) -> None:
        assert echoed(pipeline, kind, value) == value

    holds()


def test_nothing_is_null_in_every_type(pipeline: Pipeline) -> None:
    for kind in ("bigint", "text", "bytea", "boolean", "uuid[]"):
        assert echoed(pipeline, kind, None) is None
    assert echoed(pipeline, "uuid[]", [uuid.UUID(int=7)] * 2) == [uuid.UUID(int=7)] * 2


def test_answers_come_in_their_order_and_what_is_larger_than_every_buffer_comes_through(
    pipeline: Pipeline,
) -> None:
    large = [bytes([number]) * 300_000 for number in range(20)]
    answers = [pipeline.ask("SELECT %b::bytea, %b::integer", item, n) for n, item in enumerate(large)]
    pipeline.gather(within_s=WAIT_S)
    assert [answer.rows for answer in answers] == [[(item, n)] for n, item in enumerate(large)]


def test_after_a_fault_what_stood_behind_it_is_not_done_and_the_pipeline_goes_on(
    pipeline: Pipeline,
) -> None:
    pipeline.ask("SELECT 1 / %b::integer", 0)
    behind = pipeline.ask("SELECT %b::integer", 5)
    with pytest.raises(psycopg.errors.DivisionByZero) as caught:
        pipeline.gather(within_s=WAIT_S)
    assert str(caught.value) == "", "the server's text may quote a value"
    assert behind.rows == []
    again = pipeline.ask("SELECT %b::integer", 5)
    pipeline.gather(within_s=WAIT_S)
    assert again.rows == [(5,)]


def test_an_answer_that_does_not_come_in_time_ends_the_connection(ledger: opening.Ledger) -> None:
    with contextlib.closing(psycopg.connect(ledger.ways.service, autocommit=True)) as conn:
        pipeline = Pipeline(conn)
        pipeline.ask("SELECT pg_sleep(30)")
        with pytest.raises(TooLate):
            pipeline.gather(within_s=0.1)
        for _ in range(2):
            pipeline.ask("SELECT 1")
            with pytest.raises(psycopg.OperationalError):
                pipeline.gather(within_s=WAIT_S)


def test_a_parameter_without_a_type_is_a_mistake_of_ours(pipeline: Pipeline) -> None:
    with pytest.raises(AssertionError):
        pipeline.ask("SELECT %b", 1)
