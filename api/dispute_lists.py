"""Lists of disputes over HTTP: what waits for an issuer, what an organization raised, all for auditors.

Only what is in clear is told: never what is claimed or answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from api import acts, answers, dispute, models_dispute, routes, service, tasks
from ledger import days
from ledger import dispute as rules
from projections import dispute as lists
from projections import paging

router = routes.router()
Overdue = Annotated[bool, Query(description="Only those whose last day is past")]
Issuer = Annotated[
    str | None,
    Query(description="About licenses of this issuer", json_schema_extra={"pattern": "^[0-9A-Z]{18}$"}),
]
WhichStatus = Annotated[Literal[lists.STATUSES] | None, Query(description="Only of this status")]  # type: ignore[valid-type]


@router.get(
    "/v1/tasks/corrections",
    summary="Disputes that wait for the issuer's decision",
    **routes.listed("license:issue", model=models_dispute.Disputes),
)
async def waiting_disputes(
    request: Request,
    overdue: Overdue = False,
    limit: tasks.Limit = 100,
    cursor: tasks.Cursor = None,
    at_least: acts.AtLeast = None,
) -> Response:
    """About licenses of the caller's organization and those it succeeded, the nearest last day first."""
    served, asking = service.of(request), routes.asking(request)

    def page(at: int) -> paging.Page[lists.FiledRow]:
        reach = tasks.reach(served, asking, at)
        return served.views.disputes.waiting(
            asking.organization, before=_before(overdue, at), reach=reach, limit=limit, cursor=cursor
        )

    return await _listed(request, page, at_least=at_least, overdue=overdue)


@router.get(
    "/v1/corrections",
    summary="Disputes that the caller's organization raised",
    **routes.listed(*dispute.RAISERS, model=models_dispute.Disputes),
)
async def list_disputes(
    request: Request,
    status: WhichStatus = None,
    limit: tasks.Limit = 100,
    cursor: tasks.Cursor = None,
    at_least: acts.AtLeast = None,
) -> Response:
    """For itself and for holders, as far as the client may raise such; in the order in which they came."""
    served, asking = service.of(request), routes.asking(request)
    whose = [one for one in (rules.HOLDER, rules.OFFICE) if rules.raising_scope(one) in asking.scopes]

    def page(at: int) -> paging.Page[lists.FiledRow]:
        return served.views.disputes.raised(
            asking.organization, raised_by=whose, status=status, limit=limit, cursor=cursor
        )

    return await _listed(request, page, at_least=at_least)


@router.get(
    "/v1/audit/corrections",
    summary="Disputes that wait for a decision, of every issuer or of one",
    **routes.listed("audit:read", model=models_dispute.Disputes),
)
async def audit_disputes(
    request: Request,
    overdue: Overdue = False,
    issuer: Issuer = None,
    limit: tasks.Limit = 100,
    cursor: tasks.Cursor = None,
    at_least: acts.AtLeast = None,
) -> Response:
    """The nearest last day first; with `overdue` those alone that are past it."""
    served = service.of(request)
    whose = acts.asked_text(issuer, field="issuer", pattern="[0-9A-Z]{18}")

    def page(at: int) -> paging.Page[lists.FiledRow]:
        return served.views.disputes.all_waiting(
            issuer=whose, before=_before(overdue, at), limit=limit, cursor=cursor
        )

    return await _listed(request, page, at_least=at_least, overdue=overdue)


def _before(overdue: bool, at: int) -> int | None:
    """The day before which the last day of all in a list lies."""
    return days.of_instant(at) if overdue else None


async def _listed(
    request: Request,
    page: Callable[[int], paging.Page[lists.FiledRow]],
    *,
    at_least: str | None,
    overdue: bool = False,
) -> Response:
    """A page of a list as it is told; one of what is overdue can be short and still have a cursor."""
    served, asking = service.of(request), routes.asking(request)
    wanted = acts.at_least(at_least)

    def look() -> answers.Json:
        served.require_current(asking)
        served.views.wait_for(wanted, name="dispute")
        at = served.moment()
        found = page(at)
        shown = [dispute.told(served, row, row.status, at=at) for row in found.rows]
        told = [one for one in shown if one["is_overdue"] or not overdue]
        return {"through": found.through, "disputes": told, "cursor": found.cursor}

    return routes.answer(await served.read(look))
