"""The trail over HTTP 审计: a page is recorded before what clients wrote is opened for the auditor.

What was asked about is sealed under the auditor's own key. Only the part `request` is opened here:
operator, reason, legal basis. Fields of licenses are not an auditor's business.
"""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api import acts, answers, examples, examples_case, models, models_answers, models_case, routes, service
from api import finding as findings
from ledger import account, audit, audit_commands, days, errors
from projections import finding as finding_lists
from projections import paging, trail, trail_pages
from signing import ids

router = routes.router()
_NOBODY = bytes(ids.ID_BYTES)
"""No stream and no operator has this id."""
_GRACED = (finding_lists.WITHOUT_CASE, finding_lists.WITHOUT_RESULT)
"""What a feed that comes at night, or a license that is still being made, may explain yet."""
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
    """Events about a license, holder, requester, case, operator, issuer, service item, channel, reason, or
    several of these at once, of a period; newest first. A page can be short and still have a cursor."""
    return await _read(request, body, key=key, at_least=at_least, found=None)


@router.post(
    "/v1/audit/findings/{finding}",
    summary="A page of what auditors look for 疑点",
    **routes.secured(
        "audit:read",
        model=models_case.Findings,
        refusals=(*_REFUSALS, errors.NotFound),
        **examples_case.FINDING_PARAMETERS,
    ),
)
async def read_findings(
    request: Request,
    finding: str,
    body: examples_case.FindingsBody,
    key: acts.IdempotencyKey = None,
    at_least: acts.AtLeast = None,
) -> Response:
    """Uses that no case explains, closed cases whose license never came, and uses in the delay of a change;
    of a period, an organization (`requester`) and all else that the trail can be asked for; newest first."""
    if finding not in finding_lists.NAMES:
        raise errors.NotFound("no such list of findings")
    return await _read(request, body, key=key, at_least=at_least, found=finding)


async def _read(
    request: Request, body: models.ReadTrail, *, key: str | None, at_least: str | None, found: str | None
) -> Response:
    """A page of the trail, or of a list of findings, which is recorded before anything of it is told."""
    served, asking = service.of(request), routes.asking(request)
    actor = acts.actor(asking, body)
    operation = "trail" if found is None else f"findings {found}"
    repeat = await acts.repeat(request, asking, operation=operation, key=key)
    wanted = acts.at_least(at_least)

    def find() -> tuple[int, paging.Page[trail.TrailRow]]:
        served.require_current(asking)
        served.views.wait_for(wanted, name="trail")
        return _page(served, body, found, None)

    until, page = await served.read(find)
    about = body.filter.model_dump(exclude_defaults=True) | ({} if found is None else {"finding": found})
    asked = audit_commands.ReadTrail(
        actor=actor,
        repeat=repeat,
        subject=subject(query(served, body.filter, found)),
        about=json.dumps(about, ensure_ascii=False),
        events=len(page.rows),
        through=until,
    )
    (item,) = await served.record(asked)

    def told() -> answers.Json:
        shown = _page(served, body, found, _through(item)) if item.is_repeat else (until, page)
        return _answer(served, item, *shown, is_finding=found is not None)

    return routes.answer(await served.read(told))


def _page(
    served: service.Service, body: models.ReadTrail, found: str | None, until: int | None
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
        if isinstance(body, models.ReadFindings):
            until = graced(served, found, until, grace_days=body.grace_days)
    asked = query(served, body.filter, found, until=until)
    return until, served.views.trail.page(asked, limit=body.limit, cursor=inner)


def graced(served: service.Service, found: str | None, until: int, *, grace_days: int) -> int:
    """Where a listing ends that leaves out what may be explained yet."""
    if found not in _GRACED or not grace_days:
        return until
    since = served.moment() - grace_days * days.DAY_US
    return max(0, min(until, served.views.trail.first_recorded_from(since) - 1))


def query(
    served: service.Service,
    said: models.TrailFilter,
    found: str | None,
    *,
    until: int = paging.INDEX_MAX,
) -> trail_pages.Query:
    """Everything that is asked about."""
    asked: dict[trail_pages.Subject, bytes | str | None] = {
        "license": None if said.license_ref is None else ids.parse(said.license_ref),
        "requester": said.requester,
        "case": said.case_number,
        "issuer": said.issuer,
        "item": said.service_item_code,
        "channel": said.channel,
        "reason": said.reason,
        "finding": found,
    }
    subjects: dict[trail_pages.Subject, tuple[bytes | str, ...]] = {
        subject: (value,) for subject, value in asked.items() if value is not None
    }
    if said.operator is not None:
        subjects["operator"] = tuple(_operators(served, said.operator))
    if said.holder is not None:
        subjects["holder"] = served.streams(_stream(served, said.holder))
    return trail_pages.Query(
        subjects=subjects,
        since_index=said.since_index,
        until_index=until,
        recorded_from=acts.instant(said.recorded_from),
        recorded_until=acts.instant(said.recorded_until),
        accepts=findings.Strangers(served).is_one if found == finding_lists.OF_NO_PARTY else None,
    )


def subject(asked: trail_pages.Query) -> str:
    """What a page is about, as its event says it: the subjects in alphabetical order, or `all`."""
    return "+".join(sorted(asked.subjects)) or "all"


def _stream(served: service.Service, said: models.Holder) -> bytes:
    """The holder's stream, or one that nobody has."""
    code = acts.holder(said, field="filter.holder")
    found = served.reader.find("holder", code.code_type, code.code)
    return found.stream_id if found is not None else _NOBODY


def _operators(served: service.Service, said: models.OperatorOf) -> list[bytes]:
    """References of who has an account, as operator of one client or of each; or one that nobody has."""
    found = served.reader.find("operator", said.organization, account.normal(said.account))
    if found is None or found.target is None:
        return [_NOBODY]
    person, suite = found.target, served.ledger.vault.suite.name
    if said.client_id is not None:
        return [account.operator_ref(person, ids.parse(said.client_id), suite=suite)]
    clients = served.reader.clients()
    refs = [account.operator_ref(person, client_id, suite=suite) for client_id in clients]
    known = served.views.trail.operators(refs)
    if len(known) >= trail_pages.VALUES_MAX["operator"]:
        raise errors.Invalid("known to too many clients: name one", field="filter.operator.client_id")
    # What was recorded before operators were their clients' own, and at the console, is under the person's.
    return [person, *known]


def _through(item: service.Recorded) -> int:
    made = item.fact
    assert isinstance(made, audit.TrailRead), "a trail read"
    return made.through


def _answer(
    served: service.Service,
    item: service.Recorded,
    until: int,
    page: paging.Page[trail.TrailRow],
    *,
    is_finding: bool,
) -> answers.Json:
    return {
        "index": item.index,
        "receipt": item.receipt,
        "through": until,
        "events": [
            {**_entry(served, row), **(findings.shown(row) if is_finding else {})} for row in page.rows
        ],
        "cursor": None if page.cursor is None else f"{until}-{page.cursor}",
    }


def _entry(served: service.Service, row: trail.TrailRow) -> answers.Json:
    """One event in clear, and what its client wrote when that still opens."""
    about = row.about
    return {
        "index": row.index,
        "topic": about.topic,
        "recorded_at": days.instant_text(about.recorded_at),
        "effective_at": days.instant_text(about.effective_at),
        "client": None if about.client is None else ids.text(about.client),
        "organization": about.organization,
        "operator_ref": None if about.operator_ref is None else ids.text(about.operator_ref),
        "case_number": about.case_number,
        "service_item_code": about.service_item,
        "channel": about.channel,
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
