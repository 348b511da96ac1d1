"""The list of rejected rows of a client's sources 退回数据, the oldest first, until they are put right."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from api import answers, models, models_rejects, models_stock, routes, service
from ledger import collection_rejects, days, errors
from signing import spelling

router = routes.router()
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[models.Cursor | None, Query(description="As the page before gave it")]
Source = Annotated[models_stock.BatchName | None, Query(description="Rows of this source alone")]
_MOMENT_BYTES = 8


@router.get(
    "/v1/tasks/rejected-rows",
    summary="Rejected rows of sources that nobody put right yet 退回数据",
    **routes.secured(
        "license:issue",
        model=models_rejects.RejectedRows,
        refusals=(errors.ScopeMissing, errors.ClientSuspended, errors.Invalid),
        appends=False,
    ),
)
async def rejected_rows(
    request: Request, source: Source = None, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """Of the organization acted for, whoever sent them; a row leaves the list when one as new is applied."""
    served, asking = service.of(request), routes.asking(request)
    after = _place(cursor)

    def look() -> answers.Json:
        served.require_current(asking)
        organization, at = asking.organization, served.moment()
        found = collection_rejects.waiting(
            served.reader, organization, source=source, after=after, limit=limit + 1
        )
        backlogs = collection_rejects.backlogs(served.reader, organization)
        return {
            "sources": [
                {
                    "source": one.source,
                    "rows": one.rows,
                    "oldest_at": days.instant_text(one.oldest_at),
                    "newest_at": days.instant_text(one.newest_at),
                }
                for one in backlogs
            ],
            "rows": [shown(row, at) for row in found[:limit]],
            "cursor": _cursor(found[limit - 1]) if len(found) > limit else None,
        }

    return routes.answer(await served.read(look))


def shown(row: collection_rejects.Open, at: int) -> answers.Json:
    """A row as it is told."""
    return {
        "source": row.source.partition(" ")[2],
        "batch": row.number,
        "line": row.line,
        "error_remark": row.remark,
        "license_type": row.type_code,
        "operation": row.operation,
        "operated_at": None if row.operated_at is None else days.instant_text(row.operated_at),
        "first_rejected_at": days.instant_text(row.first_at),
        "rejected_at": days.instant_text(row.rejected_at),
        "age_days": days.of_instant(at) - days.of_instant(row.first_at),
        "times": row.times,
    }


def _cursor(row: collection_rejects.Open) -> str:
    return spelling.to_base32(row.first_at.to_bytes(_MOMENT_BYTES, "big") + row.row_key).lower()


def _place(cursor: str | None) -> tuple[int, bytes] | None:
    if cursor is None:
        return None
    try:
        data = spelling.from_base32(cursor.upper())
    except spelling.SpellingInvalid as error:
        raise errors.Invalid("not a cursor of this list", field="query.cursor") from error
    if len(data) <= _MOMENT_BYTES or data[0] > 0x7F:
        raise errors.Invalid("not a cursor of this list", field="query.cursor")
    return int.from_bytes(data[:_MOMENT_BYTES], "big"), data[_MOMENT_BYTES:]
