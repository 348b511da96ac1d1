"""Examples of exports of the trail, on the ledger that `examples.py` describes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body

from api import examples, models_audit


def _examples(**values: Any) -> dict[str, Any]:
    return {name: {"summary": name.replace("_", " "), "value": value} for name, value in values.items()}


_ACT = {"operator": examples.OPERATOR, "reason": "年度审计"}
ExportBody = Annotated[
    models_audit.ExportTrail,
    Body(
        openapi_examples=_examples(
            of_a_requester_in_a_year={
                **_ACT,
                "filter": {
                    "requester": examples.ORGANIZATION,
                    "recorded_from": "2026-01-01T00:00:00+08:00",
                    "recorded_until": "2027-01-01T00:00:00+08:00",
                },
            },
            of_a_holder={**_ACT, "reason": "信访核查", "filter": {"holder": examples.HOLDER}},
            of_uses_without_case={
                **_ACT,
                "filter": {"requester": examples.ORGANIZATION},
                "finding": "uses-without-case",
                "grace_days": 0,
            },
            the_next_events_of_everything={**_ACT, "filter": {"since_index": 4}, "limit": 1000},
        )
    ),
]
