"""Tasks of issuers over HTTP: what the registering organs' facts leave to do (docs/tasks.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from api import access, acts, answers, models_tasks, routes, service
from ledger import days, license, power, quality, state, version
from projections import tasks
from signing import ids

router = routes.router()
Limit = Annotated[int, Query(ge=1, le=1000)]
Finding = Annotated[Literal[quality.FINDINGS] | None, Query(description="Only of this kind")]  # type: ignore[valid-type]
Kind = Annotated[tasks.Reminded, Query(description="The last valid day, or the last for an endorsement 年检")]
Ahead = Annotated[
    int | None,
    Query(
        ge=0,
        le=366,
        description="So many days from the first on: 90, 60, 30. When absent: by each type's renewal window"
        " 延续办理期限, or else 90",
    ),
]
First = Annotated[
    str | None,
    Query(
        description="First Beijing day, also one that is past, for endorsements that are overdue; today",
        json_schema_extra={"pattern": "^(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])$"},
    ),
]
Cursor = Annotated[str | None, Query(pattern=r"^[a-z2-7]{1,400}$", description="As the page before gave it")]


@router.get(
    "/v1/tasks/endings",
    summary="Licenses that remain of holders who have ended",
    **routes.listed("license:issue", model=models_tasks.Endings),
)
async def endings(
    request: Request, limit: Limit = 100, cursor: Cursor = None, at_least: acts.AtLeast = None
) -> Response:
    """Of the caller's organization and those it succeeded, in the order of their issue; no code, no name."""
    return await _page(request, "endings", _ending, limit=limit, cursor=cursor, at_least=at_least)


@router.get(
    "/v1/tasks/stale-names",
    summary="Licenses that print a former name of their holder or its representative",
    **routes.listed("license:issue", model=models_tasks.StaleNames),
)
async def stale_names(
    request: Request, limit: Limit = 100, cursor: Cursor = None, at_least: acts.AtLeast = None
) -> Response:
    """Of the caller's organization and those it succeeded, in the order of their issue; no code, no name."""
    return await _page(request, "stale_names", _stale, limit=limit, cursor=cursor, at_least=at_least)


async def _page(
    request: Request,
    name: str,
    shown: Callable[[service.Service, tasks.LicenseRow, int], answers.Json],
    *,
    limit: int,
    cursor: str | None,
    at_least: str | None,
) -> Response:
    """A page of one list of tasks, each as `shown` says it."""
    served, asking = service.of(request), routes.asking(request)
    wanted = acts.at_least(at_least)

    def look() -> answers.Json:
        served.require_current(asking)
        served.views.wait_for(wanted, name="tasks")
        at = served.moment()
        pages = {"endings": served.views.tasks.endings, "stale_names": served.views.tasks.stale_names}
        page = pages[name](asking.organization, reach=reach(served, asking, at), limit=limit, cursor=cursor)
        rows = [shown(served, row, at) for row in page.rows]
        return {"through": page.through, name: rows, "cursor": page.cursor}

    return routes.answer(await served.read(look))


@router.get(
    "/v1/tasks/quality",
    summary="Licenses about which something is doubtful 质量问题",
    **routes.listed("license:issue", model=models_tasks.QualityFindings),
)
async def quality_findings(
    request: Request,
    finding: Finding = None,
    limit: Limit = 100,
    cursor: Cursor = None,
    at_least: acts.AtLeast = None,
) -> Response:
    """What imports found about licenses of the caller's organization and those it succeeded, in their order:
    identifiers, numbers, fields, dates, names; until a next version settles it, or the license ends."""
    served, asking = service.of(request), routes.asking(request)
    wanted = acts.at_least(at_least)

    def look() -> answers.Json:
        served.require_current(asking)
        served.views.wait_for(wanted, name="tasks")
        at = served.moment()
        page = served.views.tasks.findings(
            asking.organization,
            finding=finding,
            reach=reach(served, asking, at),
            limit=limit,
            cursor=cursor,
        )
        shown = [_finding(served, row, at) for row in page.rows]
        return {"through": page.through, "findings": shown, "cursor": page.cursor}

    return routes.answer(await served.read(look))


@router.get(
    "/v1/tasks/reminders",
    summary="Licenses that expire or must be endorsed soon 到期提醒",
    **routes.listed("license:issue", model=models_tasks.Reminders),
)
async def reminders(
    request: Request,
    kind: Kind = "expiry",
    first: First = None,
    ahead_days: Ahead = None,
    limit: Limit = 100,
    cursor: Cursor = None,
    at_least: acts.AtLeast = None,
) -> Response:
    """Of the caller's organization and those it succeeded, the nearest first; a cursor is of one `first`."""
    served, asking = service.of(request), routes.asking(request)
    wanted = acts.at_least(at_least)
    asked_first = acts.asked_day(first, field="first")

    def look() -> answers.Json:
        served.require_current(asking)
        served.views.wait_for(wanted, name="tasks")
        at = served.moment()
        begins = days.of_instant(at) if asked_first is None else asked_first
        last = None if ahead_days is None else begins + ahead_days
        page = served.views.tasks.reminders(
            asking.organization,
            kind,
            first=begins,
            last=last,
            reach=reach(served, asking, at),
            limit=limit,
            cursor=cursor,
        )
        shown = [_reminder(served, row, kind, at) for row in page.rows]
        ends = served.views.tasks.last_reminded(kind, begins) if last is None else last
        said = {"kind": kind, "first": days.text(begins), "last": days.text(ends)}
        return {"through": page.through, **said, "reminders": shown, "cursor": page.cursor}

    return routes.answer(await served.read(look))


def reach(served: service.Service, asking: access.Access, at: int) -> power.Reach:
    """Whose licenses the caller's organization answers for beside its own, and for which no more."""
    row = served.reader.row(state.OrganizationRow, asking.organization)
    return power.reach(row, day=days.of_instant(at))


def _license(served: service.Service, row: tasks.LicenseRow | tasks.FindingRow, at: int) -> answers.Json:
    held = served.reader.row(state.LicenseRow, row.license_ref)
    assert held is not None, "a license of the list is there"
    return {
        "license_ref": ids.text(row.license_ref),
        "license_type": held.type_code,
        "status": license.status(held, at),
    }


def _finding(served: service.Service, row: tasks.FindingRow, at: int) -> answers.Json:
    return {
        **_license(served, row, at),
        "finding": row.finding,
        "other_license_ref": None if row.other_ref is None else ids.text(row.other_ref),
        "raised_index": row.raised_index,
    }


def _reminder(served: service.Service, row: tasks.LicenseRow, kind: str, at: int) -> answers.Json:
    day = row.expires_on if kind == "expiry" else row.endorsement_due
    assert day is not None, "a license of the list has the day"
    left, first = day - days.of_instant(at), None
    if kind == "expiry":
        first = version.renewable_from(served.reader.row(state.TypeRulesRow, row.type_code), day)
    told = {"day": days.text(day), "days_left": left}
    return {
        **_license(served, row, at),
        **told,
        "renewable_from": None if first is None else days.text(first),
    }


def _ending(served: service.Service, row: tasks.LicenseRow, at: int) -> answers.Json:
    rules = served.reader.row(state.TypeRulesRow, row.type_code)
    assert row.ended_at is not None, "its holder has ended"
    return {
        **_license(served, row, at),
        "holder_end": "cancel" if rules is None else rules.holder_end,
        "kind": row.end_kind,
        "ended_at": days.instant_text(row.ended_at),
        "ended_index": row.ended_index,
    }


def _stale(served: service.Service, row: tasks.LicenseRow, at: int) -> answers.Json:
    """With whose former name it prints, and which event says so last."""
    named = {"holder": row.stale_index, "representative": row.represented_index}
    changed = {name: index for name, index in named.items() if index is not None}
    told = {"changed_index": max(changed.values()), "former_names": list(changed)}
    return {**_license(served, row, at), **told}
