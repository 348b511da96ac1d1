"""The closed loop: what wrk printed is read, and its absence is said clearly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import closed_loop, workload

PRINTED = """Running 2s test
  1 threads and 128 connections

RESULT {"requests":1000,"duration_us":2000000,"bytes":5,"status_errors":40,"socket_errors":2,"item_errors":3}
"""


def test_errors_are_left_out_of_the_rate() -> None:
    run = closed_loop.read(PRINTED)
    assert (run.requests, run.errors, run.item_errors, run.rate) == (1000, 42, 3, 479.0)


def test_output_without_a_result_is_refused() -> None:
    with pytest.raises(ValueError, match="no result"):
        closed_loop.read("unable to connect")


def test_a_missing_load_generator_is_said_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(closed_loop.WrkMissing, match="apt-get install wrk"):
        closed_loop.require_wrk()


def test_what_is_sent_once_lasts_for_all_rounds() -> None:
    def told(left: int, rounds_left: int) -> float:
        return closed_loop.seconds_for(left, rounds_left, rate=1_000, seconds=8)

    assert told(1_000_000, 7) == 8
    assert told(30_000, 5) == 4
    assert told(4_000, 5) == 0


def test_prepared_requests_are_a_line_each(tmp_path: Path) -> None:
    asked = [
        workload.Asked(requester=1, body={"reason": "核验\t一\n二"}),
        workload.Asked(requester=0, body=None, path="/v1/licenses/a"),
    ]
    closed_loop.write(tmp_path / "requests", asked)
    line, other = (tmp_path / "requests").read_text(encoding="utf-8").splitlines()
    number, path, body = line.split("\t", 2)
    assert (number, path, json.loads(body)) == ("1", "/v1/uses", asked[0].body)
    assert other == "0\t/v1/licenses/a\t"
