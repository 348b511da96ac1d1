"""The report: drawn from raw results alone, ratios first, the same for the same results."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from benchmarks import drawing, report


def spread(median: float) -> dict[str, Any]:
    return {"median": median, "least": median * 0.9, "greatest": median * 1.1, "rounds": [median]}


def raw(name: str, figures: dict[str, Any]) -> dict[str, Any]:
    return {
        "benchmark": name,
        "commit": "0123456789ab",
        "day": "2026-01-01",
        "versions": {"python": "3.11.2"},
        "machine": {"processor": "Sample CPU", "cores": 2, "memory_gib": 7.8, "system": "Linux x86_64"},
        "settings": {"rounds": 7, "quick": False},
        "figures": figures,
    }


SHARING = raw(
    "sharing",
    {
        "ratios": {"ordinary": spread(14.0), "http_floor": spread(0.3), "hot_to_spread": spread(0.97)},
        "rates": {"ours": spread(4200.0), "http_floor": spread(13000.0)},
        "batch_sizes": {"mean": 40.0, "at_most": {"1": 2, "64": 30, "256": 5}},
        "p50_ms": 6.1,
        "p99_ms": 19.0,
        "p999_ms": 33.0,
        "cpu_us_per_use": {"server": 180.0, "database": 90.0},
        "bytes_per_use": 1310,
        "fsync_us": 71,
        "follower_lag": {"median": 12, "greatest": 310},
        "receipts_verified": 500,
        "errors": 0,
    },
)
GROWTH = raw("growth", {"ratios": {"large_to_small": spread(0.96)}, "rates": {"small": spread(15000.0)}})


SEEN = {"calls": 40, "p50_ms": 4.0, "p99_ms": None, "asked_again": 2, "wrong": 0}
SCENARIO = raw(
    "scenario",
    {
        "scenarios": {
            "night-batch": {
                "p99_ratio": 1.5,
                "undecided": 1,
                "wrong": 0,
                "recorded_twice": 0,
                "phases": {"phase 1": {"kinds": {"use": SEEN}}},
            },
            "collect-night": {"sheet_s_per_100k_rows": 11.0},
        }
    },
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for one in (SHARING, GROWTH):
        (tmp_path / f"{one['benchmark']}.json").write_text(json.dumps(one), encoding="utf-8")
    return tmp_path


def test_ratios_come_first_with_what_is_wanted_of_them(folder: Path) -> None:
    text = report.files(report.read(folder))[report.REPORT]
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert "| single uses against an ordinary service | 12 | 20 | **14** | 12.6 to 15.4 |" in rows[1]
    assert "| single uses against the HTTP floor | 0.35 | 0.5 | **0.3** (not met) |" in rows[2]
    assert text.index("**14**") < text.index("4200")


def test_scenarios_are_told_with_what_is_wanted_and_by_kind(folder: Path) -> None:
    (folder / "scenario.json").write_text(json.dumps(SCENARIO), encoding="utf-8")
    text = report.files(report.read(folder))[report.REPORT]
    assert "| 1.3 | **1.5** (not met) |" in text
    assert "| 30 | **11** |" in text
    assert "| night-batch | phase 1 | use | 40 | 4 ms |  | 2 | 0 |" in text
    assert "Calls without an answer: 1;" in text
    assert "## Method and limits" in text


def test_what_uses_notice_of_an_import_is_told(folder: Path) -> None:
    uses = {"p50_ms_ratio": spread(1.5), "p99_ms_ratio": spread(2.4)}
    kept = raw("imports", {"ratios": spread(0.3), "uses": uses})
    (folder / "imports.json").write_text(json.dumps(kept), encoding="utf-8")
    text = report.files(report.read(folder))[report.REPORT]
    assert "| import against the database floor | 0.2 | 0.35 | **0.3** |" in text
    assert "| median | 2 | **1.5** | 1.35 to 1.65 |" in text
    assert "| 99th percentile | 2 | **2.4** (not met) |" in text


def test_overload_and_growth_are_told(folder: Path) -> None:
    crowd = {"accepted_p99_ms": 240.0, "with_waiting_p99_ms": 1500.0, "undecided": 0, "after_to_peak": 1.0}
    kept = raw(
        "overload", {"ratios": {"accepted_to_peak": spread(0.9)}, "share_refused": spread(0.5), **crowd}
    )
    (folder / "overload.json").write_text(json.dumps(kept), encoding="utf-8")
    ratios = {"large_to_small": spread(0.9), "snapshot_to_small": spread(0.8)}
    memory = {"before": 190.0, "after": 191.0}
    sizes = {"large_events": 1_000_000, "small_events": 10_000, "bytes_per_use": 1200, "memory_mib": memory}
    grown = raw("growth", {"ratios": ratios, "ratios_by_processor": ratios, **sizes})
    (folder / "growth.json").write_text(json.dumps(grown), encoding="utf-8")
    text = report.files(report.read(folder))[report.REPORT]
    assert "| 50% | 240 ms | 1500 ms | 0 | 1 of before |" in text
    assert "1,000,000 events against 10,000" in text
    assert "| with a long snapshot open | 0.8 | **0.8** | 0.72 to 0.88 |" in text
    assert "190 MiB before these rounds, 191 MiB after" in text


def test_no_label_of_a_bar_is_cut() -> None:
    row = drawing.Bar(label="w" * 60, value=1.0, least=1.0, greatest=1.0)
    place = re.search(r'<text x="([0-9.]+)"[^>]*text-anchor="end"', drawing.bars("title", [row]))
    assert place is not None
    assert float(place[1]) >= 60 * 7.5


def test_what_was_not_measured_is_left_out(folder: Path) -> None:
    (folder / "sharing.json").unlink()
    made = report.files(report.read(folder))
    assert made.keys() == {report.REPORT, "shares.svg"}
    assert "ordinary" not in made[report.REPORT]
    assert "the large ledger against the small" in made[report.REPORT]


def test_the_same_results_give_the_same_report(folder: Path) -> None:
    assert report.files(report.read(folder)) == report.files(report.read(folder))


def test_every_picture_is_shown_and_is_well_formed(folder: Path) -> None:
    made = report.files(report.read(folder))
    shown = re.findall(r"!\[[^\]]+\]\(([a-z]+\.svg)\)", made[report.REPORT])
    assert set(shown) == made.keys() - {report.REPORT} == {"multiples.svg", "shares.svg", "batches.svg"}
    for name in shown:
        assert ET.fromstring(made[name]).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own


def test_a_bar_below_what_is_wanted_has_another_color() -> None:
    def colors(value: float) -> set[str]:
        row = drawing.Bar(label="a & b", value=value, least=value, greatest=value, wanted=0.5)
        return set(re.findall(r'<rect [^>]*fill="(#[0-9a-f]+)"', drawing.bars("title", [row])))

    assert colors(0.4) != colors(0.6)


def test_bars_are_as_long_as_their_values() -> None:
    rows = [
        drawing.Bar(label=name, value=value, least=value, greatest=value)
        for name, value in (("a", 1.0), ("b", 4.0))
    ]
    widths = [float(width) for width in re.findall(r'<rect [^>]*width="([0-9.]+)"', drawing.bars("t", rows))]
    assert widths[1] == pytest.approx(4 * widths[0], rel=0.01)
