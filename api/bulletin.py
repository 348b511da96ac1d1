"""The monthly bulletin over HTTP 通报: read, closed, corrected (docs/statistics.md).

Who may not read the trail gets every figure at a multiple of five, so that no small one can be told.
"""

from __future__ import annotations

from typing import Annotated, get_args

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from api import acts, answers, examples_bulletin, models_bulletin, routes, service
from ledger import bulletin, days, errors, fact
from projections import bulletin as bulletins
from projections import statistics

router = routes.router()
_GROUPS = "|".join(get_args(bulletins.Group))
_EDITIONS_MAX = 240
_REFUSALS = (errors.Invalid, errors.Conflict, errors.CaseNumberUnfit)
GroupBy = Annotated[
    str,
    Query(
        description="Some of type, department, region, by commas; nothing: one line",
        json_schema_extra={"pattern": f"^(({_GROUPS})(,({_GROUPS}))*)?$"},
    ),
]
Edition = Annotated[int | None, Query(ge=1, le=1000, description="The newest when absent")]
_COUNTED = ("issued", "imported", "changed", "issued_late", "changed_late")
_ASKED = ("used", "compared", "verified", "cases_closed")


@router.get(
    "/v1/bulletins",
    summary="Closed months",
    **routes.secured(
        "statistics:read",
        "audit:read",
        model=models_bulletin.Editions,
        refusals=(errors.ScopeMissing, errors.ClientSuspended, errors.BehindIndex),
        appends=False,
    ),
)
async def list_bulletins(request: Request, at_least: acts.AtLeast = None) -> Response:
    """Every edition of every month, the newest first; at most 240."""
    served, asking = service.of(request), routes.asking(request)
    wanted = acts.at_least(at_least)

    def look() -> answers.Json:
        served.require_current(asking)
        served.views.wait_for(wanted, name="statistics")
        through, found = bulletins.Bulletins(served.views.database).editions(limit=_EDITIONS_MAX)
        return {"editions": [_edition(one) for one in found], "through": through}

    return routes.answer(await served.read(look))


@router.get(
    "/v1/bulletins/{month}",
    summary="The bulletin of a month 通报",
    **routes.secured(
        "statistics:read",
        "audit:read",
        model=models_bulletin.Bulletin,
        refusals=(
            errors.ScopeMissing,
            errors.ClientSuspended,
            errors.Invalid,
            errors.NotFound,
            errors.BehindIndex,
        ),
        appends=False,
        **examples_bulletin.PARAMETERS,
    ),
)
async def read_bulletin(
    request: Request,
    month: str,
    group_by: GroupBy = "",
    edition: Edition = None,
    at_least: acts.AtLeast = None,
) -> Response:
    """Of a closed month always the same, edition by edition; of another what is counted so far."""
    served, asking = service.of(request), routes.asking(request)
    wanted, asked_month, groups = acts.at_least(at_least), bulletin.parse(month), groups_of(group_by)
    masks = "audit:read" not in asking.scopes

    def look() -> answers.Json:
        served.require_current(asking)
        served.views.wait_for(wanted, name="statistics")
        seed = served.ledger.vault.seed("statistics")
        asked = bulletins.Query(month=asked_month, edition=edition, groups=groups, seed=seed)
        return shown(asked_month, bulletins.Bulletins(served.views.database).of_month(asked), masks=masks)

    return routes.answer(await served.read(look))


@router.post(
    "/v1/bulletins/{month}/close",
    summary="Close a month 关账",
    **routes.secured(
        "bulletin:close",
        model=models_bulletin.MonthClosed,
        refusals=(*_REFUSALS, errors.AlreadyExists),
        **examples_bulletin.PARAMETERS,
    ),
)
async def close_month(
    request: Request, month: str, body: examples_bulletin.CloseBody, key: acts.IdempotencyKey = None
) -> Response:
    """Its figures are those of everything recorded before this, and stay so."""
    made = bulletin.MonthClosed(month=bulletin.parse(month))
    return await _record(request, body, key, made, operation=f"close month {month}")


@router.post(
    "/v1/bulletins/{month}/correct",
    summary="Correct a closed month 更正",
    **routes.secured(
        "bulletin:close",
        model=models_bulletin.MonthClosed,
        refusals=_REFUSALS,
        **examples_bulletin.PARAMETERS,
    ),
)
async def correct_month(
    request: Request, month: str, body: examples_bulletin.CorrectBody, key: acts.IdempotencyKey = None
) -> Response:
    """A next edition has what was recorded since; the editions before stay what they were."""
    made = bulletin.MonthCorrected(month=bulletin.parse(month))
    return await _record(request, body, key, made, operation=f"correct month {month}")


def groups_of(said: str) -> tuple[bulletins.Group, ...]:
    """The groups that are named, by commas; raises Invalid."""
    named = tuple(said.split(",")) if said else ()
    if len(set(named)) != len(named) or not set(named) <= set(get_args(bulletins.Group)):
        raise errors.Invalid(f"some of {_GROUPS}, each once", field="query.group_by")
    return tuple(group for group in get_args(bulletins.Group) if group in named)


def shown(month: int, found: bulletins.Bulletin, *, masks: bool) -> answers.Json:
    """A month's bulletin; what is not there did not happen."""
    edition = found.edition
    return {
        "month": bulletin.text(month),
        "edition": None if edition is None else edition.edition,
        "closed_index": None if edition is None else edition.closed_index,
        "closed_at": None if edition is None else days.instant_text(edition.closed_at),
        "through": found.through,
        "lines": [_line(line, masks=masks) for line in found.lines],
    }


def _line(line: bulletins.Line, *, masks: bool) -> answers.Json:
    def told(figure: bulletins.Sum) -> int | None:
        return (figure.rounded or None) if masks else figure.count

    measures = {name: one for name, one in line.measures.items() if one.count}
    counted = (*_COUNTED, *_ASKED)
    plain = {name: told(measures[name]) if name in measures else 0 for name in counted}
    refused = {
        name.removeprefix(statistics.REFUSED): told(figure)
        for name, figure in sorted(measures.items())
        if name.startswith(statistics.REFUSED)
    }
    late = {name: one.late for name, one in sorted(line.measures.items()) if one.late}
    return {
        "license_type": line.type_code,
        "department": line.department,
        "region": line.region,
        **plain,
        "refused": refused,
        "since_closing": None if masks else late,
    }


def _edition(one: bulletins.Edition) -> answers.Json:
    return {
        "month": bulletin.text(one.month),
        "edition": one.edition,
        "closed_index": one.closed_index,
        "closed_at": days.instant_text(one.closed_at),
    }


async def _record(
    request: Request,
    body: models_bulletin.CloseMonth | models_bulletin.CorrectMonth,
    key: str | None,
    made: fact.Fact,
    *,
    operation: str,
) -> Response:
    item = await acts.in_registry(request, body, key, made, operation=operation)
    return routes.answer({**answers.proven(item), "month": bulletin.text(item.event.fact["month"])})
