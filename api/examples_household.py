"""Examples of requests about households; on the ledger that `api/examples.py` asks for.

A household is of licenses: `PAGES` issues some of two people. Put the `license_ref` of each answer in the
place of the reference that stands for it in `REFS`.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body

from api import examples, models_household

TYPE = "11350000000000019H900"
"""居民户口簿 of the national list, which has no code of its own: local to the operator of the ledger."""
NUMBER = "H00000001"
HEAD = {"code_type": "414", "code": "E00000035"}
SPOUSE = {"code_type": "414", "code": "E00000043"}
HEADS_PAGE, FIRST_PAGE, SPOUSES_PAGE, SPOUSES_FIRST = (place * 26 for place in "aeim")
REFS = (HEADS_PAGE, FIRST_PAGE, SPOUSES_PAGE, SPOUSES_FIRST)
"""What stands in the examples for the references of the licenses in `PAGES`, in their order."""
_ACT = {
    "operator": examples.OPERATOR,
    "case_number": "2026-0202-0042",
    "channel": "window",
    "reason": "户口登记",
}


def _examples(**values: Any) -> dict[str, Any]:
    return {name: {"summary": name.replace("_", " "), "value": value} for name, value in values.items()}


def _page(holder: dict[str, str], name: str, number: str, **fields: str) -> dict[str, Any]:
    return {
        **_ACT,
        "license_type": TYPE,
        "holder": {**holder, "name": name},
        "number": number,
        "fields": {"name": name, **fields},
        "valid_from": "2026-01-31",
        "valid_to": None,
        "issued_on": "2026-01-31",
    }


_FIRST = {"household_kind": "家庭户", "address": "福州市示例路1号"}
PAGES = (
    _page(HEAD, "合成户主", "H00000001-1"),
    _page(HEAD, "合成户主", NUMBER, household_number=NUMBER, **_FIRST),
    _page(SPOUSE, "合成配偶", "H00000001-2"),
    _page(SPOUSE, "合成配偶", "H00000002", household_number="H00000002", **_FIRST),
)
RegisterBody = Annotated[
    models_household.RegisterHousehold,
    Body(
        openapi_examples=_examples(
            of_one_person={**_ACT, "head": HEADS_PAGE, "first_page": FIRST_PAGE, "pages": []}
        )
    ),
]
AddPageBody = Annotated[
    models_household.AddPage, Body(openapi_examples=_examples(a_spouse={**_ACT, "page": SPOUSES_PAGE}))
]
RemovePageBody = Annotated[
    models_household.RemovePage,
    Body(openapi_examples=_examples(moved_out={**_ACT, "page": SPOUSES_PAGE, "cause": "moved-out"})),
]
ChangeHeadBody = Annotated[
    models_household.ChangeHead,
    Body(
        openapi_examples=_examples(
            the_spouse={**_ACT, "head": SPOUSES_PAGE, "first_page": SPOUSES_FIRST},
        )
    ),
]
SplitBody = Annotated[
    models_household.SplitHousehold,
    Body(
        openapi_examples=_examples(
            the_former_head={**_ACT, "head": HEADS_PAGE, "first_page": FIRST_PAGE, "pages": []}
        )
    ),
]
MoveBody = Annotated[
    models_household.MoveHousehold,
    Body(openapi_examples=_examples(to_another_division={**_ACT, "first_page": SPOUSES_FIRST})),
]
UsePagesBody = Annotated[
    models_household.UsePages,
    Body(
        openapi_examples=_examples(
            first_own_and_the_spouses={
                "holder": HEAD,
                "license_type": TYPE,
                "pages": [{"page": "first"}, {"page": "own"}, {"page": "member", "holder": SPOUSE}],
                "fields": ["name"],
                "purpose": {
                    "service_item_code": examples.ITEM,
                    "service_item_name": "义务教育入学登记",
                    "case_number": "2026-0202-0042",
                    "reason": "核验户籍",
                },
                "operator": examples.OPERATOR,
            }
        )
    ),
]
SearchBody = Annotated[
    models_household.SearchHousehold,
    Body(
        openapi_examples=_examples(
            by_number={"license_type": TYPE, "number": NUMBER}, by_somebody_in_it={"holder": HEAD}
        )
    ),
]
