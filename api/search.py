"""Search for a license over HTTP: by identifier, or by type and printed number.

Both can contain a citizen ID: they come in the body and are looked up by key. What is found is told as
`GET /v1/licenses/{license_ref}` tells it, to the issuers of the type and to auditors; nothing is recorded.
Whoever would use a license by its number does so, and is recorded (`POST /v1/uses`).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Body
from starlette.requests import Request
from starlette.responses import Response

from api import access, answers, examples, models_search, routes, service, standing
from ledger import coverage, days, errors, license_id, number, power, state, stock

router = routes.router()
CHOICES_MAX = 100
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
    """The license of this identifier or number as it is now: that of any version; several of one number."""
    served, asking = service.of(request), routes.asking(request)
    if (body.license_id is None) == (body.number is None) or (body.number is None) != (
        body.license_type is None
    ):
        raise errors.Invalid("name an identifier, or a type and a number", field="license_id")

    def look() -> answers.Json:
        served.require_current(asking)
        at = served.moment()
        refs = _by_identifier(served, body) if body.license_id else _by_number(served, asking, body)
        rows = [row for ref in refs if (row := _known(served, asking, ref, at=at)) is not None]
        shown = [answers.license_now(served, row, at=at) for row in _fitting(rows, body)[:CHOICES_MAX]]
        return {"license": shown[0] if len(shown) == 1 else None, "choices": shown if len(shown) > 1 else []}

    return routes.answer(await served.read(look))


def _by_identifier(served: service.Service, said: models_search.SearchLicense) -> tuple[bytes, ...]:
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
    return () if entry is None or entry.target is None else (entry.target,)


def _by_number(
    served: service.Service, asking: access.Access, said: models_search.SearchLicense
) -> tuple[bytes, ...]:
    """What has the number where the type says that numbers are unique, else what is filed under it."""
    assert said.number is not None, "asked by number"
    assert said.license_type is not None, "a number comes with a type"
    if served.reader.row(state.TypeRow, said.license_type) is None:
        raise errors.LicenseTypeUnknown(field="license_type")
    rules = served.reader.row(state.TypeRulesRow, said.license_type)
    scope = "nowhere" if rules is None else rules.number_scope
    is_one = scope in ("type", "type-issuer") or (scope == "type-area-year" and said.issued_in is not None)
    filed = served.reader.filed(said.number, (said.license_type,)).refs
    if not is_one or (filed and said.issued_in is None):
        return filed
    printed = number.Printed(
        number=said.number,
        type_code=said.license_type,
        issuer=said.issuer or asking.organization,
        area_code=said.area_code,
        issued_on=days.parse(f"{said.issued_in or 2000}-01-01"),
    )
    entry = served.reader.find(number.KIND, *printed.content(scope))
    return () if entry is None or entry.target is None else (entry.target,)


def _known(served: service.Service, asking: access.Access, ref: bytes, *, at: int) -> state.LicenseRow | None:
    """The license, where the caller may know of it."""
    try:
        return standing.visible(served, asking, ref, at=at)
    except errors.LicenseNotFound:
        return None


def _fitting(rows: list[state.LicenseRow], said: models_search.SearchLicense) -> list[state.LicenseRow]:
    """Those of the type, issuer and area that were said; of an identifier, all."""
    return [
        row
        for row in rows
        if said.license_type in (None, row.type_code)
        and said.issuer in (None, row.issuer)
        and (
            said.area_code is None
            or coverage.is_within(power.area_of(row.area_code, row.issuer), said.area_code)
        )
    ]
