"""The trail over HTTP 审计: a page is recorded before what clients wrote is opened for the auditor.

What was asked about is sealed under the auditor's own key. Only the part `request` is opened here:
operator, reason, legal basis. Fields of licenses are not an auditor's business.
"""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api import acts, answers, examples, models, models_answers, routes, service
from ledger import audit, days, errors, fact, use_commands
from projections import paging, trail
from signing import event, ids

router = routes.router()
_NOBODY = bytes(ids.ID_BYTES)
"""No stream and no operator has this id."""
_REFUSALS = (errors.InvalidHolderCode, errors.CaseNumberUnfit, errors.BehindIndex)


@router.post(
    "/v1/audit/trail",
    summary="A page of the trail 审计",
    **routes.secured("audit:read", model=models_answers.Trail, refusals=_REFUSALS),
)
async def read_trail(
    request: Request,
    body: examples.TrailBody,
    key: acts.IdempotencyKey = None,
    at_least: acts.AtLeast = None,
) -> Response:
    """Events about a license, holder, requester, case, operator or issuer; newest first."""
    served, asking = service.of(request), routes.asking(request)
    actor = acts.actor(asking, body)
    repeat = await acts.repeat(request, asking, operation="trail", key=key)
    wanted = acts.at_least(at_least)

    def find() -> tuple[int, paging.Page[trail.TrailRow]]:
        served.require_current(asking)
        served.views.wait_for(wanted, name="trail")
        return _page(served, body, None)

    until, page = await served.read(find)
    asked = use_commands.ReadTrail(
        actor=actor,
        repeat=repeat,
        subject=_query(served, body.filter).subject,
        about=json.dumps(body.filter.model_dump(exclude_defaults=True), ensure_ascii=False),
        events=len(page.rows),
        through=until,
    )
    (item,) = await served.record(asked)

    def told() -> answers.Json:
        shown = _page(served, body, _through(item)) if item.is_repeat else (until, page)
        return _answer(served, item, *shown)

    return routes.answer(await served.read(told))


def _page(
    served: service.Service, body: models.ReadTrail, until: int | None
) -> tuple[int, paging.Page[trail.TrailRow]]:
    """The page, of a listing that ends at the index returned with it.

    A cursor carries that index, so that later pages and repeats show the trail as it was then.
    """
    inner = None
    if body.cursor is not None:
        began, _, inner = body.cursor.partition("-")
        until = int(began)
    elif until is None:
        until = served.views.through("trail")
        if body.filter.until_index is not None:
            until = min(until, body.filter.until_index)
    query = _query(served, body.filter, until=until)
    return until, served.views.trail.page(query, limit=body.limit, cursor=inner)


def _query(
    served: service.Service, said: models.TrailFilter, *, until: int = paging.INDEX_MAX
) -> trail.Query:
    """The one subject asked about; raises Invalid when there are several."""
    values: dict[trail.Subject, bytes | str | None] = {
        "license": None if said.license_ref is None else ids.parse(said.license_ref),
        "holder": None if said.holder is None else _stream(served, said.holder),
        "requester": said.requester,
        "case": said.case_number,
        "operator": None if said.operator is None else _operator(served, said.operator),
        "issuer": said.issuer,
    }
    named = [(subject, value) for subject, value in values.items() if value is not None]
    if len(named) > 1:
        raise errors.Invalid("a trail is about one thing", field="filter")
    subject, value = named[0] if named else ("all", None)
    return trail.Query(
        subject=subject,  # type: ignore[arg-type]
        values=() if value is None else (value,),
        since_index=said.since_index,
        until_index=until,
        is_newest_first=True,
    )


def _stream(served: service.Service, said: models.Holder) -> bytes:
    """The holder's stream, or one that nobody has."""
    code = acts.holder(said, field="filter.holder")
    found = served.reader.find("holder", code.code_type, code.code)
    return found.stream_id if found is not None else _NOBODY


def _operator(served: service.Service, said: models.OperatorOf) -> bytes:
    """The operator's reference, or one that nobody has."""
    found = served.reader.find("operator", said.organization, said.account)
    return _NOBODY if found is None or found.target is None else found.target


def _through(item: service.Recorded) -> int:
    made = fact.from_event(item.event)
    assert isinstance(made, audit.TrailRead), "a trail read"
    return made.through


def _answer(
    served: service.Service, item: service.Recorded, until: int, page: paging.Page[trail.TrailRow]
) -> answers.Json:
    indexes = [row.index for row in page.rows]
    stored = served.reader.events(indexes)
    return {
        "index": item.index,
        "receipt": item.receipt,
        "through": until,
        "events": [
            _entry(served, row, event.parse(data)) for row, data in zip(page.rows, stored, strict=True)
        ],
        "cursor": None if page.cursor is None else f"{until}-{page.cursor}",
    }


def _entry(served: service.Service, row: trail.TrailRow, about: event.Event) -> answers.Json:
    """One event in clear, and what its client wrote when that still opens."""
    return {
        "index": row.index,
        "topic": row.topic,
        "recorded_at": days.instant_text(row.recorded_at),
        "effective_at": days.instant_text(row.effective_at),
        "client": None if row.client is None else ids.text(row.client),
        "organization": row.organization,
        "operator_ref": None if row.operator_ref is None else ids.text(row.operator_ref),
        "case_number": row.case_number,
        "service_item_code": row.service_item,
        "channel": row.channel,
        "outcome": row.outcome,
        "reason": row.reason,
        "fact": {name: _plain(value) for name, value in about.fact.items()},
        "request": served.disclosure.part(about, "request"),
    }


def _plain(value: Any) -> Any:
    """A member of a fact as JSON: ids as text, other bytes in hexadecimal."""
    if isinstance(value, bytes):
        return ids.text(value) if len(value) == ids.ID_BYTES else value.hex()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
