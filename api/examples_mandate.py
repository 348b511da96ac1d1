"""Examples of requests about guardians and agents; on the ledger that `api/examples.py` asks for."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body

from api import examples, models_mandate

_EVIDENCE = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_ACT = {"operator": examples.OPERATOR, "case_number": "2026-0202-0042", "channel": "window"}
WARD = {"code_type": "414", "code": "E00000019"}
PERSON = {"code_type": "414", "code": "E00000027"}


def _examples(**values: Any) -> dict[str, Any]:
    return {name: {"summary": name.replace("_", " "), "value": value} for name, value in values.items()}


GuardianshipBody = Annotated[
    models_mandate.RegisterGuardianship,
    Body(
        openapi_examples=_examples(
            a_child_known_by_its_passport={
                **_ACT,
                "reason": "监护登记",
                "evidence": _EVIDENCE,
                "holder": WARD,
                "guardian": PERSON,
                "kind": "minor",
                "basis": "parent",
                "born_on": "2024-12-31",
            },
        )
    ),
]
EndGuardianshipBody = Annotated[
    models_mandate.EndMandate,
    Body(
        openapi_examples=_examples(by_a_court={**_ACT, "reason": "法院撤销监护人资格", "evidence": _EVIDENCE})
    ),
]
AppointBody = Annotated[
    models_mandate.AppointAgent,
    Body(
        openapi_examples=_examples(
            for_one_type={
                **_ACT,
                "holder": examples.HOLDER,
                "agent": PERSON,
                "evidence": _EVIDENCE,
                "license_types": [examples.LICENSE_TYPE],
                "valid_until": "2099-12-31T16:00:00Z",
            },
        )
    ),
]
DismissBody = Annotated[
    models_mandate.EndMandate,
    Body(openapi_examples=_examples(by_the_holder={**_ACT, "reason": "委托解除", "evidence": _EVIDENCE})),
]
SearchBody = Annotated[
    models_mandate.SearchMandates,
    Body(
        openapi_examples=_examples(
            of_one_person={"holder": examples.HOLDER, "person": PERSON}, everybody={"holder": WARD}
        )
    ),
]
