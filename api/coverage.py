"""Coverage over HTTP: what the ledger holds of a type, declared, withdrawn and listed; and its source."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api import access, acts, answers, examples, models_coverage, routes, service
from ledger import coverage as coverages
from ledger import coverage_commands, days, errors, state
from signing import ids

router = routes.router()
_REFUSALS = (errors.LicenseTypeUnknown, errors.NotTheIssuer, errors.CaseNumberUnfit, errors.Conflict)


@router.post(
    "/v1/license-types/{type_code}/coverage",
    summary="Declare coverage 归集声明",
    **routes.secured(
        "coverage:declare",
        model=models_coverage.CoverageDeclared,
        refusals=_REFUSALS,
        **examples.COVERAGE_LINKS,
    ),
)
async def declare_coverage(
    request: Request, type_code: str, body: examples.CoverageBody, key: acts.IdempotencyKey = None
) -> Response:
    """Inside declared coverage a use is told `not-held`, outside it `not-covered`: accept paper."""
    served, asking, type_code = service.of(request), routes.asking(request), acts.type_code(type_code)
    asked = coverage_commands.DeclareCoverage(
        actor=acts.actor(asking, body),
        repeat=await acts.repeat(request, asking, operation=f"coverage {type_code}", key=key),
        type_code=type_code,
        issuer=None if body.issuer is None else acts.organization(body.issuer, field="issuer"),
        area=body.area,
        issued_from=None if body.issued_from is None else days.parse(body.issued_from),
        issued_to=None if body.issued_to is None else days.parse(body.issued_to),
        holds=body.holds,
    )
    (item,) = await served.record(asked)
    return routes.answer(_declared(item))


@router.get(
    "/v1/license-types/{type_code}/coverage",
    summary="What the ledger holds of a type",
    **routes.secured(
        model=models_coverage.Coverage,
        refusals=(errors.LicenseTypeUnknown,),
        appends=False,
        **examples.TYPE_PARAMETERS,
    ),
)
async def get_coverage(request: Request, type_code: str) -> Response:
    """The declarations in force and the state of the type's source."""
    served, asking, type_code = service.of(request), routes.asking(request), acts.type_code(type_code)
    row = await served.read(_row, served, asking, type_code)
    return routes.answer(_now(row, at=await served.read(served.moment)))


@router.post(
    "/v1/license-types/{type_code}/coverage/{coverage_ref}/withdraw",
    summary="Withdraw a declaration of coverage",
    **routes.secured(
        "coverage:declare",
        model=models_coverage.CoverageWithdrawn,
        refusals=(*_REFUSALS, errors.NotFound),
        **examples.TYPE_PARAMETERS,
    ),
)
async def withdraw_coverage(
    request: Request,
    type_code: str,
    coverage_ref: str,
    body: examples.WithdrawCoverageBody,
    key: acts.IdempotencyKey = None,
) -> Response:
    """The declaration counts no more once this is answered."""
    served, asking, type_code = service.of(request), routes.asking(request), acts.type_code(type_code)
    asked = coverage_commands.WithdrawCoverage(
        actor=acts.actor(asking, body),
        repeat=await acts.repeat(request, asking, operation=f"uncover {type_code} {coverage_ref}", key=key),
        type_code=type_code,
        coverage_ref=acts.ref(coverage_ref, absent=errors.NotFound),
    )
    (item,) = await served.record(asked)
    return routes.answer({**answers.proven(item), "coverage_ref": ids.text(asked.coverage_ref)})


@router.post(
    "/v1/license-types/{type_code}/source",
    summary="Declare a type's source up or down",
    **routes.secured(
        "coverage:declare",
        model=models_coverage.SourceDeclared,
        refusals=_REFUSALS,
        **examples.TYPE_PARAMETERS,
    ),
)
async def declare_source(
    request: Request, type_code: str, body: examples.SourceBody, key: acts.IdempotencyKey = None
) -> Response:
    """While the source of a type held by reference is down, finding nothing is `source-unavailable`."""
    served, asking, type_code = service.of(request), routes.asking(request), acts.type_code(type_code)
    asked = coverage_commands.DeclareSource(
        actor=acts.actor(asking, body),
        repeat=await acts.repeat(request, asking, operation=f"source {type_code}", key=key),
        type_code=type_code,
        source=body.source,
    )
    (item,) = await served.record(asked)
    return routes.answer({**answers.proven(item), "license_type": type_code, "source": body.source})


def _row(served: service.Service, asking: access.Access, type_code: str) -> state.TypeRow:
    """The type as committed now; raises LicenseTypeUnknown."""
    served.require_current(asking)
    row = served.reader.row(state.TypeRow, type_code)
    if row is None:
        raise errors.LicenseTypeUnknown(field="path.type_code")
    return row


def _declared(item: service.Recorded) -> answers.Json:
    """The answer to a declaration; derived from its event, so that a repeat is told the same."""
    made = item.fact
    assert isinstance(made, coverages.CoverageDeclared), "a declaration"
    return {
        **answers.proven(item),
        "license_type": made.type_code,
        "coverage_ref": ids.text(made.coverage_ref),
    }


def _now(row: state.TypeRow, *, at: int) -> answers.Json:
    return {
        "license_type": row.type_code,
        "source": row.source or "ledger",
        "declarations": [
            {
                "coverage_ref": ids.text(item.ref),
                "holds": item.holds,
                "issuer": item.issuer,
                "area": item.area,
                "issued_from": None if item.issued_from is None else days.text(item.issued_from),
                "issued_to": None if item.issued_to is None else days.text(item.issued_to),
            }
            for item in coverages.declarations(row)
        ],
        "without_hints": coverages.judge(row, coverages.Expected(), at=at)[0],
        "at": days.instant_text(at),
    }
