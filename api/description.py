"""The API description: OpenAPI 3.1 with security, required headers, links and examples; and its page.

The page at `/docs` is made here from the description, in plain HTML without scripts, so that it needs
no other host.
"""

from __future__ import annotations

import html
import json
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api import models, models_case, models_license, problems
from projections import finding

TITLE = "License Ledger 电子证照账本"
SUMMARY = "Issue licenses, authorize and use them, and prove every answer."
SCOPES = {
    "license:issue": "Issue, amend and change the status of licenses of the client's types",
    "license:use": "Use licenses under authorizations",
    "license:verify": "Verify licenses, with a receipt",
    "authorization:grant": "Grant and change statutory and unconditional authorizations",
    "consent:attest": "Attest holders' consent",
    "file:attest": "Read a holder's file on an operator's attestation",
    "coverage:declare": "Declare what the ledger holds of a type, and whether a type's source answers",
    "holder:register": "Register what becomes of holders and their codes, as their registering organ",
    "catalog:write": "Write license types of the client's organization; the operator's: any",
    "issuing:entrust": "Entrust issuing of the client's types to other organizations, and end that",
    "case:upload": "Say which cases of the client's organization were opened and closed",
    "audit:read": "Read the trail, and statistics to the last figure",
    "statistics:read": "Read statistics without small figures",
    "bulletin:close": "Close a month's bulletin, and correct it",
}
_ROWS = (models.BatchItem, models_license.EndorseItem, models_case.OpenedCase, models_case.ClosedCase)
"""Rows of lists, which are read one by one."""
_KEY = {"type": "string", "pattern": "^[!-~]{1,255}$"}
_REF = {"type": "string", "pattern": "^[a-z2-7]{25}[aeimquy4]$"}
_TYPE = {"type": "string", "pattern": "^[0-9A-Z]{18}[0-9]{3}$"}
_PATTERNS = {
    "Idempotency-Key": _KEY,
    "license_ref": _REF,
    "authorization_ref": _REF,
    "entrustment_ref": _REF,
    "household_ref": _REF,
    "import_ref": _REF,
    "coverage_ref": _REF,
    "dispute_ref": _REF,
    "type_code": _TYPE,
    "finding": {"type": "string", "enum": list(finding.NAMES)},
    "month": {"type": "string", "pattern": "^(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])$"},
}
_FILES = {
    ("/v1/licenses/{license_ref}/document", "get"): "application/pdf",
    ("/C/{link}", "get"): "text/html",
    ("/C/{link}", "post"): "application/pdf",
    ("/v1/audit/exports", "post"): "application/x-ndjson",
}
"""What answers that are no JSON are."""
_TEXTS = (
    *("/v1/receipts/{partition}/{index}", "/log/{partition}/checkpoint"),
    *("/log/{partition}/time-stamps/newest", "/log/{partition}/time-stamps/{index}"),
)
_OCTETS = ("/log/{partition}/tile/entries/{path}", "/log/{partition}/tile/{path}")


def install(app: FastAPI) -> None:
    """`app.openapi()` gives the whole description, made once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = describe(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def describe(app: FastAPI) -> dict[str, Any]:
    """The description of `app`."""
    said = get_openapi(
        title=TITLE, version=app.version, summary=SUMMARY, routes=app.routes, openapi_version="3.1.0"
    )
    schemas = said["components"]["schemas"]
    for model in (
        models.BatchItem,
        models_license.EndorseItem,
        models_case.OpenedCase,
        models_case.ClosedCase,
    ):
        item = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= {**item.pop("$defs", {}), model.__name__: item}
    schemas["Problem"] = problems.Problem.model_json_schema()
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    said["components"]["securitySchemes"] = {
        "client": {
            "type": "oauth2",
            "description": "private_key_jwt (RFC 7523) at the token endpoint",
            "flows": {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": SCOPES}},
        }
    }
    for path, methods in said["paths"].items():
        for method, operation in methods.items():
            _complete(path, operation)
            if (media_type := _FILES.get((path, method))) is not None:
                content = {media_type: {"schema": {"type": "string"}}}
                operation["responses"]["200"] = {"description": "Done", "content": content}
    return said


def _complete(path: str, operation: dict[str, Any]) -> None:
    """What the framework does not say of an operation."""
    examples = operation.pop("x-examples", {})
    for parameter in operation.get("parameters", ()):
        name = parameter["name"]
        if name in _PATTERNS:
            parameter["schema"] = _PATTERNS[name]
        if name == "Idempotency-Key":
            parameter["required"] = True
            parameter["description"] = "Fresh for each intended act; the same when it is repeated"
            parameter["example"] = "3f6c1b52-6c36-4c1e-9d0c-2f1c7d1f2a10"
        if name in examples:
            parameter["example"] = examples[name]
    if "application/json" in operation["responses"].get("422", {}).get("content", {}):
        # What the framework adds where a parameter could be refused: here each is any text.
        del operation["responses"]["422"]
    for described in operation["responses"].values():
        if (problem := described.get("content", {}).get(problems.MEDIA_TYPE)) is not None:
            problem["schema"] = {"$ref": "#/components/schemas/Problem"}
    links = operation.pop("x-links", None)
    if links:
        operation["responses"]["200"]["links"] = links
    if path in _TEXTS or path in _OCTETS:
        media_type = "text/plain" if path in _TEXTS else "application/octet-stream"
        content = {media_type: {"schema": {"type": "string"}}}
        operation["responses"]["200"] = {"description": "Done", "content": content}


def page(said: dict[str, Any]) -> str:
    """The description as one HTML page."""
    operations = [
        (path, method, operation)
        for path, methods in said["paths"].items()
        for method, operation in methods.items()
    ]
    contents = "".join(
        f'<li><a href="#{operation["operationId"]}"><code>{method.upper()} {html.escape(path)}</code></a> '
        f"{html.escape(operation['summary'])}</li>"
        for path, method, operation in operations
    )
    body = "".join(_section(path, method, operation) for path, method, operation in operations)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>{html.escape(TITLE)}</title><h1>{html.escape(TITLE)}</h1>"
        f"<p>{html.escape(SUMMARY)} The machine-readable description is at "
        f'<a href="openapi.json">openapi.json</a>.</p><ul>{contents}</ul>{body}</html>'
    )


def _section(path: str, method: str, operation: dict[str, Any]) -> str:
    scopes = [scope for way in operation.get("security", ()) for scope in way.get("client", ())]
    needed = f"<p>Scope: <code>{html.escape(' or '.join(scopes))}</code></p>" if scopes else ""
    statuses = ", ".join(sorted(operation["responses"]))
    return (
        f'<h2 id="{operation["operationId"]}"><code>{method.upper()} {html.escape(path)}</code></h2>'
        f"<p><b>{html.escape(operation['summary'])}</b>. {html.escape(operation.get('description', ''))}</p>"
        f"{needed}<p>Answers: {statuses}</p>{_bodies(operation)}"
    )


def _bodies(operation: dict[str, Any]) -> str:
    """The example bodies."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return "".join(
        f"<p>{html.escape(example['summary'])}</p>"
        f"<pre>{html.escape(json.dumps(example['value'], ensure_ascii=False, indent=2))}</pre>"
        for example in content.get("examples", {}).values()
    )
