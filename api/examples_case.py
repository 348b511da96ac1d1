"""Examples of a feed of cases, on the ledger that `examples.py` describes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body

from api import examples, models, models_case
from projections import finding


def _examples(**values: Any) -> dict[str, Any]:
    return {name: {"summary": name.replace("_", " "), "value": value} for name, value in values.items()}


_CASE = {"operator": examples.OPERATOR, "case_number": "2026-0202-0042", "channel": "window"}
_OPENED = {"service_item_code": examples.ITEM, "opened_at": "2026-02-02T09:00:00+08:00"}
_PARTIES = {"parties": [{"role": "applicant", **examples.HOLDER}]}
_CLOSED = {"closed_at": "2026-02-03T17:00:00+08:00", "outcome": "approved"}
OpenCaseBody = Annotated[
    models_case.OpenCase,
    Body(openapi_examples=_examples(of_one_applicant={**_CASE, **_OPENED, **_PARTIES})),
]
CloseCaseBody = Annotated[
    models_case.CloseCase,
    Body(
        openapi_examples=_examples(
            with_a_license_to_come={**_CASE, **_CLOSED, "license_types": [examples.LICENSE_TYPE]}
        )
    ),
]
_NEXT = {"case_number": "2026-0202-0043"}
CaseRowsBody = Annotated[
    models_case.CaseRows,
    Body(
        openapi_examples=_examples(
            a_night={
                "operator": examples.OPERATOR,
                "rows": [
                    {"fact": "opened", **_NEXT, **_OPENED, **_PARTIES},
                    {"fact": "closed", **_NEXT, **_CLOSED, "outcome": "denied"},
                ],
            }
        )
    ),
]
FindCaseBody = Annotated[
    models_case.FindCase, Body(openapi_examples=_examples(one={"case_number": "2026-0202-0042"}))
]
FindingsBody = Annotated[
    models.ReadFindings,
    Body(
        openapi_examples=_examples(
            of_an_organization={
                "operator": examples.OPERATOR,
                "reason": "效能监察",
                "filter": {"requester": examples.ORGANIZATION, "recorded_from": "2026-01-01T00:00:00+08:00"},
                "grace_days": 0,
                "limit": 20,
            }
        )
    ),
]
FINDING_PARAMETERS: dict[str, Any] = {"x-examples": {"finding": finding.WITHOUT_CASE}}
