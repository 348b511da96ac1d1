"""Examples of the API description; each works when pasted on a ledger prepared like this:

1. `license-ledger init` with the national catalog.
2. A client with every scope and every license type, registered for 12350100000000027E; its access
   token is in the header Authorization.
3. The examples of a path that names a license or an authorization follow the one that made it: put
   the `license_ref` or `authorization_ref` of its answer into the path.

All codes are synthetic. A test posts every example to a live ledger (`tests/test_openapi.py`).
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body

from api import models, models_comparison, models_coverage, models_license

ORGANIZATION = "12350100000000027E"
"""Whom the example client acts for."""
REQUESTER = "513500000000000353"
LICENSE_TYPE = "11100000MB0143028R001"
HOLDER = {"code_type": "001", "code": "91350100MA0000007A"}
ITEM = "113501000000000351C4000112001000"
OPERATOR = {"account": "window-7", "name": "李某"}
_ACT = {"operator": OPERATOR, "case_number": "2026-0202-0042", "channel": "window"}
_CHANGE = {**_ACT, "reason": "检查发现问题", "legal_basis": "行政许可法第六十九条"}

_ISSUE = {
    **_ACT,
    "license_type": LICENSE_TYPE,
    "holder": {**HOLDER, "name": "榕城示例有限公司"},
    "number": "91350100MA0000007A",
    "fields": {"name": "榕城示例有限公司", "registered_capital": 1000000.00},
    "valid_from": "2026-01-31",
    "valid_to": None,
    "issued_on": "2026-01-31",
}
_AMEND = {
    **{name: value for name, value in _ISSUE.items() if name != "license_type"},
    "fields": {"name": "榕城示例有限公司", "registered_capital": 2000000.00},
    "reason": "注册资本变更",
}
_TRANSFER_IN = {
    **_ISSUE,
    "origin": {
        "license_id": "1.2.156.3005.2.11100000MB0143028R001.11350000000000019H.2026000001.001.P",
        "number": "350000000001",
    },
}
_PURPOSE = {
    "service_item_code": ITEM,
    "service_item_name": "投标报名",
    "case_number": "2026-0202-0042",
    "reason": "招标资格核验",
}
_USE = {"holder": HOLDER, "license_type": LICENSE_TYPE, "purpose": _PURPOSE, "operator": OPERATOR}
_EVIDENCE = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def _examples(**values: Any) -> dict[str, Any]:
    return {name: {"summary": name.replace("_", " "), "value": value} for name, value in values.items()}


_SPOUSE = {"code_type": "001", "code": "513500000000000353", "name": "示例协会", "role": "co-owner"}
_PHOTO = {
    "name": "photo",
    "media_type": "image/png",
    "data": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg==",
}
"""One white pixel."""
ATTACHMENT_PARAMETERS: dict[str, Any] = {"x-examples": {"name": "photo"}}
IssueBody = Annotated[
    models.Issue,
    Body(
        openapi_examples=_examples(
            business_license=_ISSUE,
            of_two_owners={
                **_ISSUE,
                "fields": {"registered_capital": 1000000.00},
                "parties": [{**_SPOUSE, "fields": {"name": "榕城示例有限公司"}}],
            },
            with_a_photo={**_ISSUE, "attachments": [_PHOTO]},
        )
    ),
]
AmendBody = Annotated[models.Amend, Body(openapi_examples=_examples(new_capital=_AMEND))]
CorrectHolderBody = Annotated[
    models.Amend,
    Body(
        openapi_examples=_examples(
            of_the_other_person={
                **_AMEND,
                "holder": {"code_type": "414", "code": "E00000000", "name": "合成居民"},
                "reason": "重号更正",
            }
        )
    ),
]
ChangeBody = Annotated[
    models_license.ChangeStatus, Body(openapi_examples=_examples(after_an_inspection=_CHANGE))
]
RenewBody = Annotated[
    models_license.Renew,
    Body(
        openapi_examples=_examples(
            five_more_years={
                **_ACT,
                "reason": "期满延续",
                "valid_from": "2026-01-31",
                "valid_to": "2199-12-31",
                "issued_on": "2026-01-31",
            }
        )
    ),
]
ReplaceBody = Annotated[
    models_license.Replace,
    Body(
        openapi_examples=_examples(
            lost={**_ACT, "reason": "遗失补发", "cause": "lost", "issued_on": "2026-02-02"}
        )
    ),
]
_ENDORSE = {**_ACT, "kind": "annual-review", "period": "2026"}
_PASSED = {"result": "passed", "next_due": "2199-06-30"}
EndorseBody = Annotated[
    models_license.Endorse, Body(openapi_examples=_examples(passed={**_ENDORSE, **_PASSED}))
]
EndorseListBody = Annotated[
    models_license.EndorseList,
    Body(
        openapi_examples=_examples(
            two_rows={
                **_ENDORSE,
                "items": [
                    {"license_ref": "a" * 26, **_PASSED, "idempotency_key": "review-2026-row-1"},
                    {"license_ref": "a" * 26, "result": "failed", "idempotency_key": "review-2026-row-2"},
                ],
            }
        )
    ),
]
IssueCounterpartsBody = Annotated[
    models_license.IssueCounterparts,
    Body(openapi_examples=_examples(two_more={**_ACT, "reason": "增领副本", "count": 2})),
]
CancelCounterpartBody = Annotated[
    models_license.CancelCounterpart,
    Body(openapi_examples=_examples(lost={**_ACT, "reason": "副本遗失", "cause": "lost"})),
]
CourtOrderBody = Annotated[
    models_license.CourtOrder,
    Body(openapi_examples=_examples(by_order={**_CHANGE, "document_number": "（2026）闽01执1号"})),
]
TransferOutBody = Annotated[
    models_license.TransferOut,
    Body(openapi_examples=_examples(to_another_city={**_CHANGE, "area_code": "350200"})),
]
TransferInBody = Annotated[
    models_license.TransferIn, Body(openapi_examples=_examples(from_elsewhere=_TRANSFER_IN))
]
GrantBody = Annotated[
    models.Grant,
    Body(
        openapi_examples=_examples(
            unconditional={
                **_ACT,
                "mode": "unconditional",
                "requester": ORGANIZATION,
                "scope": {"license_types": [LICENSE_TYPE]},
            },
            consent_of_the_holder={
                **_ACT,
                "mode": "holder",
                "requester": REQUESTER,
                "holder": HOLDER,
                "evidence": _EVIDENCE,
                "scope": {
                    "license_types": [LICENSE_TYPE],
                    "fields": ["name"],
                    "service_items": [ITEM],
                    "valid_until": "2199-12-31T16:00:00Z",
                    "uses_max": 10,
                },
            },
        )
    ),
]
DraftBody = Annotated[
    models_license.Draft,
    Body(
        openapi_examples=_examples(business_license=_ISSUE, with_a_photo={**_ISSUE, "attachments": [_PHOTO]})
    ),
]
ReviewDraftBody = Annotated[
    models_license.ReviewDraft,
    Body(
        openapi_examples=_examples(
            approved={
                **_ACT,
                "operator": {"account": "review-3", "name": "陈某"},
                "decision": "approve",
                "reason": "材料齐全",
            }
        )
    ),
]
IssueDraftBody = Annotated[models_license.IssueDraft, Body(openapi_examples=_examples(approved=_ACT))]
JoinBody = Annotated[
    models.Join,
    Body(
        openapi_examples=_examples(
            by_the_other_owner={
                **_ACT,
                "holder": {"code_type": "001", "code": "513500000000000353"},
                "evidence": _EVIDENCE,
            }
        )
    ),
]
SearchAuthorizationsBody = Annotated[
    models.SearchAuthorizations,
    Body(
        openapi_examples=_examples(
            of_a_requester={"requester": ORGANIZATION, "limit": 20}, of_a_holder={"holder": HOLDER}
        )
    ),
]
NarrowBody = Annotated[
    models.Narrow, Body(openapi_examples=_examples(fewer_uses={**_ACT, "scope": {"uses_max": 5}}))
]
WithdrawBody = Annotated[models.Act, Body(openapi_examples=_examples(at_the_holders_wish=_ACT))]
UseBody = Annotated[
    models.Use,
    Body(
        openapi_examples=_examples(
            by_holder_and_type=_USE,
            some_fields={**_USE, "fields": ["name"], "channel": "web"},
            by_number={
                "license_type": LICENSE_TYPE,
                "number": "350100000000001",
                "expected": {"issuer": ORGANIZATION},
                "purpose": _PURPOSE,
                "operator": OPERATOR,
            },
            by_reference={
                "license_ref": "a" * 26,
                "purpose": _PURPOSE,
                "operator": OPERATOR,
            },
        )
    ),
]
_CLAIMED = {"name": "榕城示例有限公司", "registered_capital": "2000000"}
CompareBody = Annotated[
    models_comparison.Compare,
    Body(openapi_examples=_examples(name_and_capital={**_USE, "claims": _CLAIMED})),
]
BatchBody = Annotated[
    models.Batch,
    Body(
        openapi_examples=_examples(
            two_uses={
                "items": [
                    {**_USE, "idempotency_key": "batch-1-row-1"},
                    {**_USE, "fields": ["name"], "idempotency_key": "batch-1-row-2"},
                ]
            }
        )
    ),
]
VerifyBody = Annotated[
    models.Verify,
    Body(
        openapi_examples=_examples(
            by_reference={**_ACT, "license_ref": "a" * 26},
            by_token={**_ACT, "token": "HTTPS://V.LICENSE-LEDGER.EXAMPLE/V/AAAA"},
        )
    ),
]
SearchBody = Annotated[
    models.SearchHolder,
    Body(
        openapi_examples=_examples(
            first_page={
                **_ACT,
                "reason": "本人申请查询",
                "holder": HOLDER,
                "evidence": _EVIDENCE,
                "limit": 20,
            }
        )
    ),
]
CoverageBody = Annotated[
    models_coverage.Declare,
    Body(
        openapi_examples=_examples(
            of_one_issuer={
                **_ACT,
                "issuer": ORGANIZATION,
                "area": "350100",
                "issued_from": "2015-01-01",
                "holds": "all",
            }
        )
    ),
]
WithdrawCoverageBody = Annotated[models.Act, Body(openapi_examples=_examples(after_a_finding=_ACT))]
SourceBody = Annotated[
    models_coverage.DeclareSource, Body(openapi_examples=_examples(planned_work={**_ACT, "source": "down"}))
]
_REGISTRATION = {**_ACT, "reason": "登记机关核定", "evidence": _EVIDENCE}
_INTERIM = {"code_type": "099", "code": "ZZ3501020000000017"}
PairBody = Annotated[
    models.Pair,
    Body(
        openapi_examples=_examples(
            interim_code={**_REGISTRATION, "holder": HOLDER, "linked": _INTERIM},
        )
    ),
]
NameBody = Annotated[
    models.ChangeName,
    Body(
        openapi_examples=_examples(
            of_an_enterprise={
                **_REGISTRATION,
                "holder": HOLDER,
                "former_name": "榕城示例有限公司",
                "new_name": "榕城样例有限公司",
                "changed_on": "2026-01-31",
            },
        )
    ),
]
EndBody = Annotated[
    models.EndHolder,
    Body(
        openapi_examples=_examples(
            dissolved={**_REGISTRATION, "holder": HOLDER, "kind": "deregistration"},
        )
    ),
]
RegistrationBody = Annotated[
    models.Registration,
    Body(openapi_examples=_examples(by_the_registering_organ={**_REGISTRATION, "holder": HOLDER})),
]
TrailBody = Annotated[
    models.ReadTrail,
    Body(
        openapi_examples=_examples(
            of_a_requester={
                "operator": OPERATOR,
                "reason": "年度审计",
                "filter": {"requester": ORGANIZATION},
                "limit": 20,
            },
            of_a_holder={"operator": OPERATOR, "reason": "信访核查", "filter": {"holder": HOLDER}},
            of_an_item_in_a_year={
                "operator": OPERATOR,
                "reason": "效能监察",
                "filter": {
                    "requester": ORGANIZATION,
                    "service_item_code": ITEM,
                    "recorded_from": "2026-01-01T00:00:00+08:00",
                    "recorded_until": "2027-01-01T00:00:00+08:00",
                },
            },
            of_a_reason={
                "operator": OPERATOR,
                "reason": "效能监察",
                "filter": {"requester": ORGANIZATION, "reason": "not-authorized"},
            },
            of_everything={"operator": OPERATOR, "reason": "年度审计"},
        )
    ),
]


def _link(operation: str, parameter: str) -> dict[str, Any]:
    return {"operationId": operation, "parameters": {parameter: f"$response.body#/{parameter}"}}


_OF_LICENSE = (
    *("get_license", "amend", "suspend", "reinstate", "freeze", "release", "report_lost", "found"),
    *("restrict", "lift_restriction", "correct_holder", "annul", "recall", "revoke", "cancel", "void"),
    *("transfer_out", "cancel_transfer", "renew", "replace", "endorse", "get_pieces", "issue_counterparts"),
)
LICENSE_LINKS: dict[str, Any] = {"x-links": {name: _link(name, "license_ref") for name in _OF_LICENSE}}
DRAFT_LINKS: dict[str, Any] = {
    "x-links": {name: _link(name, "draft_ref") for name in ("get_draft", "review_draft", "issue_draft")}
}
AUTHORIZATION_LINKS: dict[str, Any] = {
    "x-links": {
        name: _link(name, "authorization_ref") for name in ("get_authorization", "join", "narrow", "withdraw")
    }
}
TYPE_PARAMETERS: dict[str, Any] = {"x-examples": {"type_code": LICENSE_TYPE}}
COVERAGE_LINKS: dict[str, Any] = {
    **TYPE_PARAMETERS,
    "x-links": {"withdraw_coverage": _link("withdraw_coverage", "coverage_ref")},
}
PIECE_PARAMETERS: dict[str, Any] = {"x-examples": {"piece": "1"}}
RECEIPT_PARAMETERS: dict[str, Any] = {"x-examples": {"partition": "0", "index": "0"}}
LOG_PARAMETERS: dict[str, Any] = {"x-examples": {"partition": "0"}}
TILE_PARAMETERS: dict[str, Any] = {"x-examples": {"partition": "0", "path": "0/000.p/1"}}
BUNDLE_PARAMETERS: dict[str, Any] = {"x-examples": {"partition": "0", "path": "000.p/1"}}
CONSISTENCY_PARAMETERS: dict[str, Any] = {"x-examples": {"partition": "0", "old": "1", "new": "2"}}
INCLUSION_PARAMETERS: dict[str, Any] = {"x-examples": {"partition": "0", "index": "0", "size": "2"}}
TOKEN_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["grant_type", "client_assertion_type", "client_assertion"],
                    "properties": {
                        "grant_type": {"const": "client_credentials"},
                        "client_assertion_type": {
                            "const": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
                        },
                        "client_assertion": {
                            "type": "string",
                            "description": "A JWT signed by the client, good for once and at most 60 s",
                        },
                        "scope": {"type": "string", "description": "Some of the registered scopes"},
                        "organization": {
                            "type": "string",
                            "description": "Credit code of the organization to act for, one of those in the "
                            "registration; the client's own when absent",
                        },
                    },
                }
            }
        },
    }
}
