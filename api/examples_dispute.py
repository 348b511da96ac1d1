"""Examples of requests about disputes; on the ledger that `api/examples.py` asks for."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body

from api import examples, models_dispute

_EVIDENCE = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_ACT = {"operator": examples.OPERATOR, "case_number": "2026-0202-0042", "channel": "window"}
_WRONG = {
    **_ACT,
    "kind": "wrong",
    "fields": ["registered_capital"],
    "values": {"registered_capital": 2000000.00},
    "statement": "注册资本应为二百万元",
    "evidence": _EVIDENCE,
}


def _examples(**values: Any) -> dict[str, Any]:
    return {name: {"summary": name.replace("_", " "), "value": value} for name, value in values.items()}


DisputeBody = Annotated[
    models_dispute.DisputeLicense,
    Body(
        openapi_examples=_examples(
            by_a_using_office={**_WRONG, "raised_by": "office"},
            by_the_holder={**_WRONG, "raised_by": "holder", "holder": examples.HOLDER},
        )
    ),
]
MissingBody = Annotated[
    models_dispute.ReportMissing,
    Body(
        openapi_examples=_examples(
            by_a_using_office={
                **_ACT,
                "raised_by": "office",
                "license_type": examples.LICENSE_TYPE,
                "should_be_issued_by": examples.ORGANIZATION,
                "holder": {"code_type": "001", "code": "513500000000000353"},
                "statement": "窗口已核对纸质证照，账本中查无此证",
                "evidence": _EVIDENCE,
            }
        )
    ),
]
DecideBody = Annotated[
    models_dispute.DecideDispute,
    Body(
        openapi_examples=_examples(
            rejected={
                **_ACT,
                "outcome": "rejected",
                "reason": "与登记档案核对一致",
                "legal_basis": "政务数据共享条例",
                "feedback": "登记档案记载的注册资本与证照一致，不予更正",
            }
        )
    ),
]
WithdrawDisputeBody = Annotated[
    models_dispute.WithdrawDispute, Body(openapi_examples=_examples(by_the_office=_ACT))
]
LINKS: dict[str, Any] = {
    "x-links": {
        name: {"operationId": name, "parameters": {"dispute_ref": "$response.body#/dispute_ref"}}
        for name in ("get_dispute", "decide_dispute", "withdraw_dispute")
    }
}
