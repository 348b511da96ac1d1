"""Examples of requests about entrusted issuing; on the ledger that `api/examples.py` asks for."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body

from api import examples, models_issuing

_ACT = {"operator": examples.OPERATOR, "case_number": "2026-0202-0042", "reason": "审批权限下放"}


def _examples(**values: Any) -> dict[str, Any]:
    return {name: {"summary": name.replace("_", " "), "value": value} for name, value in values.items()}


EntrustBody = Annotated[
    models_issuing.Entrust,
    Body(
        openapi_examples=_examples(
            one_type_in_one_district={
                **_ACT,
                "delegate": examples.REQUESTER,
                "license_types": [examples.LICENSE_TYPE],
                "areas": ["350102"],
                "valid_from": "2026-01-01",
                "valid_until": "2099-12-31",
                "legal_basis": "行政许可法第二十四条",
            }
        )
    ),
]
EndBody = Annotated[
    models_issuing.End,
    Body(openapi_examples=_examples(by_the_delegator={**_ACT, "delegate": examples.REQUESTER})),
]
LINKS: dict[str, Any] = {
    "x-links": {
        "end_entrustment": {
            "operationId": "end_entrustment",
            "parameters": {"entrustment_ref": "$response.body#/entrustment_ref"},
        }
    }
}
