"""Examples of requests about the catalog; on the ledger that `api/examples.py` asks for.

The client's organization defines the types whose code begins with its own credit code.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body

from api import examples, models_catalog

TYPE_CODE = f"{examples.ORGANIZATION}901"
_ACT = {"operator": examples.OPERATOR, "case_number": "2026-0202-0042", "reason": "目录调整"}
_SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 100},
        "permit_number": {"type": "string", "pattern": "^[A-Z]{2}[0-9]{8}$"},
        "area_m2": {"type": "number", "minimum": 0},
    },
    "required": ["name", "permit_number"],
    "additionalProperties": False,
}
_DEFINITION: dict[str, Any] = {
    "name_zh": "示例经营许可证",
    "name_en": "Sample Business Permit",
    "later_names": [
        {"since": "2030-01-01", "name_zh": "示例经营备案证", "name_en": "Sample Business Record"}
    ],
    "defining_authority": "示例市行政审批局",
    "area": "350100",
    "issuer_level": {"code": "3", "text": "地市级"},
    "holder_kind": "legal",
    "validity_rule": "P5Y",
    "validity_check": "warn",
    "sharing_class": "conditional",
    "fields": [
        {"name": "name", "label": "名称", "short_name": "MC", "is_public": True},
        {"name": "permit_number", "label": "许可证号", "short_name": "XKZH"},
        {"name": "area_m2", "label": "经营面积"},
    ],
    "field_schema": _SCHEMA,
    "number_scope": "type-issuer",
    "parties": [
        {"role": "legal-representative", "file": "not-in-file", "key": "own", "consent": "none"},
    ],
    "endorsement": {"cycle": "P1Y", "grace": "P30D", "past_due": "overdue"},
    "holder_end": "cancel",
    "renewal_window_days": 90,
    "is_household_page": False,
}


def _examples(**values: Any) -> dict[str, Any]:
    return {name: {"summary": name.replace("_", " "), "value": value} for name, value in values.items()}


RegisterBody = Annotated[
    models_catalog.Register,
    Body(
        openapi_examples=_examples(local_permit={**_ACT, "type_code": TYPE_CODE, "definition": _DEFINITION})
    ),
]
ReviseBody = Annotated[
    models_catalog.Revise,
    Body(
        openapi_examples=_examples(
            dates_are_refused={**_ACT, "definition": {**_DEFINITION, "validity_check": "refuse"}}
        )
    ),
]
MapBody = Annotated[
    models_catalog.Map,
    Body(
        openapi_examples=_examples(
            stands_for_the_business_license={
                **_ACT,
                "national_type": examples.LICENSE_TYPE,
                "since": "2026-01-01",
                "fields": [{"local": "name", "national": "name"}],
            }
        )
    ),
]
RetireBody = Annotated[
    models_catalog.Retire,
    Body(openapi_examples=_examples(with_a_successor={**_ACT, "successor": examples.LICENSE_TYPE})),
]
_LINKED = ("get_license_type", "revise_license_type", "map_license_type", "retire_license_type")
LINKS: dict[str, Any] = {
    "x-links": {
        name: {"operationId": name, "parameters": {"type_code": "$response.body#/type_code"}}
        for name in _LINKED
    }
}
