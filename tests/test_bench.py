"""The benchmarks as one command: what can be run is named, and the exit status is told on."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest

from benchmarks import __main__, probe, result
from tests import console


def test_bench_names_the_benchmarks_and_what_is_unknown_is_wrong_usage() -> None:
    done = console.run("bench", "no-such-benchmark", status=2)
    assert all(name in done.stderr for name in __main__.NAMES)
    assert "--quick" in console.run("bench", "growth", "--", "--help").stdout


def test_without_the_load_generator_bench_ends_with_a_clear_error() -> None:
    only_ours = str(Path(sys.executable).parent)
    done = console.run("bench", "sharing", "--quick", "--json", status=2, PATH=only_ours)
    assert "apt-get install wrk" in done.stderr
    assert (done.stdout, "Traceback" in done.stderr) == ("", False)


def test_a_raw_result_says_how_it_came_about_and_names_no_place(tmp_path: Path) -> None:
    path = result.save("sample", {"ratio": 2.0}, settings={"rounds": 3}, folder=tmp_path / "results")
    text = path.read_text(encoding="utf-8")
    said = json.loads(text)
    assert (said["benchmark"], said["figures"], said["settings"]) == ("sample", {"ratio": 2.0}, {"rounds": 3})
    assert said["commit"]
    assert {"python", "psycopg", "fastapi"} <= said["versions"].keys()
    assert said["machine"].keys() == {"processor", "cores", "memory_gib", "system"}
    assert not re.search(r"(?<![\w.])/[a-z]+/", text)
    assert os.uname().nodename not in text.split('"')


def test_a_spread_has_median_least_and_greatest() -> None:
    told = result.spread([3.0, 1.0, 20.12345])
    assert (told["median"], told["least"], told["greatest"]) == (3.0, 1.0, 20.1)
    assert told["rounds"] == [3.0, 1.0, 20.1]


@pytest.mark.parametrize(("value", "shown"), [(1234.5, 1230.0), (0.012345, 0.0123), (0.0, 0.0)])
def test_a_figure_says_no_more_digits_than_it_knows(value: float, shown: float) -> None:
    assert result.rounded(value, 3) == shown


def test_figures_for_people_are_a_line_each() -> None:
    assert result.lines({"ratio": 2.0, "rates": {"ours": 7}}) == [
        f"{'ratio':<36} 2.0",
        "rates",
        f"  {'ours':<34} 7",
    ]


def test_a_histogram_counts_each_batch_under_its_bound() -> None:
    told = probe.histogram([1, 2, 3, 4, 5, 64, 65, 999])
    assert told["mean"] == 143
    assert {bound: count for bound, count in told["at_most"].items() if count} == {
        "1": 1, "2": 1, "4": 2, "8": 1, "64": 1, "128": 1, "256": 1
    }  # fmt: skip
