"""Cases over HTTP 办件: opened and closed, one by one or in lists, as an organization's own feed says.

Nothing that is used waits for them: they are for audit. What was said before is told again from the event
that says it, whatever key it comes under.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pydantic
from starlette.requests import Request
from starlette.responses import Response

from api import access, acts, answers, examples_case, models, models_case, problems, routes, service
from ledger import case as cases
from ledger import case_commands, command, days, errors, identifiers, pen, state
from signing import ids

router = routes.router()
batch_router = routes.router(batch=True)
_REFUSALS = (
    errors.InvalidHolderCode,
    errors.CaseNumberUnfit,
    errors.CaseConflict,
    errors.LicenseTypeUnknown,
    errors.LicenseNotFound,
)


@router.post(
    "/v1/cases/open",
    summary="A case was opened 受理",
    **routes.secured("case:upload", model=models_case.CaseSaid, refusals=_REFUSALS),
)
async def open_case(
    request: Request, body: examples_case.OpenCaseBody, key: acts.IdempotencyKey = None
) -> Response:
    """Of the organization that the client acts for; its parties' codes are sealed."""
    served, asking = service.of(request), routes.asking(request)
    repeat = await acts.repeat(request, asking, operation="open case", key=key)
    return await _said(served, _opening(acts.actor(asking, body), body, repeat))


@router.post(
    "/v1/cases/close",
    summary="A case was closed 办结",
    **routes.secured("case:upload", model=models_case.CaseSaid, refusals=_REFUSALS),
)
async def close_case(
    request: Request, body: examples_case.CloseCaseBody, key: acts.IdempotencyKey = None
) -> Response:
    """With its outcome, and the licenses that it results in; what opened it may come later."""
    served, asking = service.of(request), routes.asking(request)
    repeat = await acts.repeat(request, asking, operation="close case", key=key)
    return await _said(served, _closing(acts.actor(asking, body), body, repeat))


@batch_router.post(
    "/v1/cases/batch",
    summary="Up to 1,000 rows of a feed of cases",
    **routes.secured("case:upload", model=models_case.RowAnswers),
)
async def upload_cases(request: Request, body: examples_case.CaseRowsBody) -> Response:
    """Each row has its own answer or problem; one that fails costs no other, and a row that comes again is
    recorded once."""
    served, asking = service.of(request), routes.asking(request)
    told = await asyncio.gather(*(_row(served, asking, body.operator, said) for said in body.rows))
    indexes = [item["answer"]["index"] for item in told if "answer" in item]
    return routes.answer({"index": max(indexes, default=None), "rows": told})


@router.post(
    "/v1/cases/search",
    summary="What is known of a case",
    **routes.secured(
        "case:upload", model=models_case.CaseNow, refusals=(errors.Invalid, errors.NotFound), appends=False
    ),
)
async def find_case(request: Request, body: examples_case.FindCaseBody) -> Response:
    """Of the organization that the client acts for, as committed now."""
    served, asking = service.of(request), routes.asking(request)

    def look() -> answers.Json:
        served.require_current(asking)
        row = served.reader.row(state.CaseRow, cases.key(asking.organization, body.case_number))
        if row is None:
            raise errors.NotFound("no such case")
        known = cases.spans(row)
        return {
            "case_number": row.case_number,
            "is_open": cases.ended_at(known) is None,
            "spans": [_span(one) for one in known],
        }

    return routes.answer(await served.read(look))


async def _said(served: service.Service, asked: case_commands.OpenCase | case_commands.CloseCase) -> Response:
    item, is_repeat = await _record(served, asked)
    said = {"case_number": item.event.case_number, "repeated": is_repeat}
    return routes.answer({**answers.witnessed(item), **said})


async def _record(
    served: service.Service, asked: case_commands.OpenCase | case_commands.CloseCase
) -> tuple[service.Recorded, bool]:
    """The event that says it, and whether it was said before."""
    result = await served.do(asked)
    is_repeat = result.is_repeat or not result.indexes
    if not result.indexes:
        index = await served.read(_index, served, asked)
        result = pen.Result(indexes=(index,), recorded=(), is_repeat=True)
    (item,) = await served.recorded(result)
    return item, is_repeat


def _index(served: service.Service, asked: case_commands.OpenCase | case_commands.CloseCase) -> int:
    """The leaf index at which the same was said before."""
    known = cases.spans(served.reader.row(state.CaseRow, asked.case_key))
    if isinstance(asked, case_commands.OpenCase):
        found = next(one.opened_index for one in known if one.opened_at == asked.at)
    else:
        found = next(one.closed_index for one in known if one.closed_at == asked.at)
    assert found is not None, "a time is said by an event"
    return found


async def _row(
    served: service.Service, asking: access.Access, operator: models.Operator, said: Any
) -> answers.Json:
    """One row's status, with its answer or its problem."""
    try:
        item, is_repeat = await _record(served, command_of(asking, operator, row_of(said)))
    except errors.LedgerError as error:
        if error.status == errors.LedgerError.status:
            raise
        return _problem(error)
    return {"status": 200, "answer": {"index": item.index, "repeated": is_repeat}}


def command_of(
    asking: access.Access, operator: models.Operator, row: models_case.OpenedCase | models_case.ClosedCase
) -> case_commands.OpenCase | case_commands.CloseCase:
    """What a row asks for; raises what its values break."""
    act = models.Act(
        operator=operator,
        case_number=row.case_number,
        service_item_code=row.service_item_code,
        channel=row.channel,
    )
    actor = acts.actor(asking, act)
    return _opening(actor, row) if isinstance(row, models_case.OpenedCase) else _closing(actor, row)


def _opening(
    actor: command.Actor,
    said: models_case.OpenCase | models_case.OpenedCase,
    repeat: command.Repeat | None = None,
) -> case_commands.OpenCase:
    return case_commands.OpenCase(
        actor=actor, repeat=repeat, at=days.parse_instant(said.opened_at), parties=parties(said.parties)
    )


def _closing(
    actor: command.Actor,
    said: models_case.CloseCase | models_case.ClosedCase,
    repeat: command.Repeat | None = None,
) -> case_commands.CloseCase:
    return case_commands.CloseCase(
        actor=actor,
        repeat=repeat,
        at=days.parse_instant(said.closed_at),
        outcome=said.outcome,
        type_codes=tuple(said.license_types),
        license_refs=tuple(ids.parse(text) for text in said.license_refs),
    )


def parties(said: list[models_case.CaseParty]) -> tuple[tuple[str, identifiers.HolderCode], ...]:
    """The parties of a case; raises InvalidHolderCode."""
    return tuple((one.role, acts.holder(one, field=f"parties[{number}]")) for number, one in enumerate(said))


def _span(one: cases.Span) -> answers.Json:
    return {
        "opened_at": None if one.opened_at is None else days.instant_text(one.opened_at),
        "opened_index": one.opened_index,
        "closed_at": None if one.closed_at is None else days.instant_text(one.closed_at),
        "closed_index": one.closed_index,
        "parties": one.named,
    }


def _problem(error: errors.LedgerError) -> answers.Json:
    return {"status": error.status, "problem": problems.document(error)}


_ROWS: dict[str, type[models_case.OpenedCase | models_case.ClosedCase]] = {
    "opened": models_case.OpenedCase,
    "closed": models_case.ClosedCase,
}


def row_of(said: Any) -> models_case.OpenedCase | models_case.ClosedCase:
    """A row of a feed; raises Invalid with all that is wrong with its shape."""
    kind = said.get("fact") if isinstance(said, dict) else None
    model = _ROWS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise errors.Invalid(f"a row is one of {', '.join(_ROWS)}", field="fact")
    try:
        return model.model_validate(said)
    except pydantic.ValidationError as error:
        raise problems.invalid(error.errors()) from None
