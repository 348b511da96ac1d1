"""Examples of requests about the monthly bulletin; on the ledger that `api/examples.py` asks for."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body

from api import examples, models_bulletin

_ACT = {"operator": examples.OPERATOR, "channel": "window"}


def _examples(**values: Any) -> dict[str, Any]:
    return {name: {"summary": name.replace("_", " "), "value": value} for name, value in values.items()}


PARAMETERS: dict[str, Any] = {"x-examples": {"month": "2026-01"}}
CloseBody = Annotated[
    models_bulletin.CloseMonth, Body(openapi_examples=_examples(after_the_reconciliation=_ACT))
]
CorrectBody = Annotated[
    models_bulletin.CorrectMonth,
    Body(openapi_examples=_examples(a_late_batch={**_ACT, "reason": "补录延迟批次"})),
]
