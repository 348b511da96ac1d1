"""Search for a license over HTTP: by identifier, or by printed number where its type says it is unique.

Both can contain a citizen ID: they come in the body and are looked up by key. What is found is told as
`GET /v1/licenses/{license_ref}` tells it, to the issuers of the type and to auditors; nothing is recorded.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Body
from starlette.requests import Request
from starlette.responses import Response

from api import access, answers, examples, models_search, routes, service, standing
from ledger import days, errors, license_id, number, state, stock

router = routes.router()
EXAMPLE = {
    "license_id": license_id.build(
        type_code=examples.LICENSE_TYPE,
        issuer_code=examples.ORGANIZATION,
        serial="A0000000000000000001",
        version=1,
    ).text
}
SearchLicenseBody = Annotated[
    models_search.SearchLicense,
    Body(openapi_examples={"by_identifier": {"summary": "by identifier", "value": EXAMPLE}}),
]


@router.post(
    "/v1/licenses/search",
    summary="Find a license 按标识或编号查照",
    **routes.secured(
        "license:issue",
        "audit:read",
        model=models_search.FoundLicense,
        refusals=(
            errors.JsonInvalid,
            errors.ScopeMissing,
            errors.ClientSuspended,
            errors.TooLarge,
            errors.UnsupportedMediaType,
            errors.Invalid,
            errors.LicenseTypeUnknown,
        ),
        appends=False,
    ),
)
async def search_licenses(request: Request, body: SearchLicenseBody) -> Response:
    """The license of this identifier or number as it is now; every version's identifier finds it."""
    served, asking = service.of(request), routes.asking(request)
    if (body.license_id is None) == (body.number is None) or (body.number is None) != (
        body.license_type is None
    ):
        raise errors.Invalid("name an identifier, or a type and a number", field="license_id")

    def look() -> answers.Json:
        served.require_current(asking)
        at = served.moment()
        found = _by_identifier(served, body) if body.license_id else _by_number(served, asking, body)
        try:
            row = None if found is None else standing.visible(served, asking, found, at=at)
        except errors.LicenseNotFound:
            row = None
        return {"license": None if row is None else answers.license_now(served, row, at=at)}

    return routes.answer(await served.read(look))


def _by_identifier(served: service.Service, said: models_search.SearchLicense) -> bytes | None:
    assert said.license_id is not None, "asked by identifier"
    judged = license_id.classify(said.license_id)
    read, entry = judged.license_id, None
    if read is not None:
        entry = served.reader.find("license", read.type_code, read.issuer_code, read.serial)
    if entry is None and (judged.verdict is not license_id.Verdict.OK or judged.warnings):
        # Stock has identifiers that nobody could make by the standard; they are found as they are printed.
        entry = served.reader.find(stock.TEXT_KIND, said.license_id)
    if entry is None and judged.fault is not None:
        raise errors.Invalid("not an identifier of GB/T 36904", field="license_id", fault=judged.fault)
    return None if entry is None else entry.target


def _by_number(
    served: service.Service, asking: access.Access, said: models_search.SearchLicense
) -> bytes | None:
    assert said.number is not None, "asked by number"
    assert said.license_type is not None, "a number comes with a type"
    if served.reader.row(state.TypeRow, said.license_type) is None:
        raise errors.LicenseTypeUnknown(field="license_type")
    rules = served.reader.row(state.TypeRulesRow, said.license_type)
    scope = "nowhere" if rules is None else rules.number_scope
    if scope == "nowhere":
        raise errors.Invalid("the type says of no number that it is unique", field="number")
    if scope == "type-area-year" and said.issued_in is None:
        raise errors.Invalid("numbers of this type are unique for an area and a year", field="issued_in")
    printed = number.Printed(
        number=said.number,
        type_code=said.license_type,
        issuer=said.issuer or asking.organization,
        area_code=said.area_code,
        issued_on=days.parse(f"{said.issued_in or 2000}-01-01"),
    )
    entry = served.reader.find(number.KIND, *printed.content(scope))
    return None if entry is None else entry.target
