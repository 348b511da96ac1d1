"""Drafts over HTTP 制证草稿: entered by one operator, reviewed by another, then issued."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api import (
    acts,
    answers,
    examples,
    license,
    models,
    models_answers,
    models_answers_license,
    routes,
    service,
)
from ledger import days, draft_commands, errors, state
from ledger import draft as drafts
from signing import event

router = routes.router()
_REFUSALS = (
    errors.InvalidHolderCode,
    errors.CaseNumberUnfit,
    errors.LicenseTypeUnknown,
    errors.FieldUnknown,
    errors.FieldsUnfit,
)
_CHANGES = (errors.NotFound, errors.Conflict, errors.CaseNumberUnfit)


@router.post(
    "/v1/drafts",
    summary="Draft a license 起草",
    **routes.secured(
        "license:issue", model=models_answers_license.Drafted, refusals=_REFUSALS, **examples.DRAFT_LINKS
    ),
)
async def draft(request: Request, body: examples.DraftBody, key: acts.IdempotencyKey = None) -> Response:
    """Keeps what is to be issued, sealed, for another operator's review; it grants nothing."""
    served, asking = service.of(request), routes.asking(request)
    repeat = await acts.repeat(request, asking, operation="draft", key=key)
    actor = acts.actor(asking, body)
    # A draft is as right as an issue would be, but for what only the lock knows.
    await license.issue_command(served, body, actor=actor, repeat=repeat)
    asked = draft_commands.DraftLicense(
        actor=actor, repeat=repeat, type_code=body.license_type, content=body.model_dump(exclude_unset=True)
    )
    (item,) = await served.record(asked)
    return routes.answer(answers.drafted(item))


@router.get(
    "/v1/drafts/{draft_ref}",
    summary="A draft now",
    **routes.secured(
        "license:issue", model=models_answers_license.DraftNow, refusals=(errors.NotFound,), appends=False
    ),
)
async def get_draft(request: Request, draft_ref: str) -> Response:
    """Where the draft stands, and what is to be issued, for its own organization."""
    served, asking = service.of(request), routes.asking(request)

    def look() -> answers.Json:
        served.require_current(asking)
        row = _row(served, draft_ref, asking.organization)
        at = served.moment()
        status = drafts.status(row, at)
        return {
            "draft_ref": draft_ref,
            "license_type": row.type_code,
            "status": status,
            "drafted_at": days.instant_text(row.drafted_at),
            "expires_at": days.instant_text(drafts.expires_at(row)),
            # What was issued is the license's; what never will be is nobody's business any more.
            "content": _content(served, row) if status in drafts.OPEN else None,
            "at": days.instant_text(at),
        }

    return routes.answer(await served.read(look))


@router.post(
    "/v1/drafts/{draft_ref}/review",
    summary="Review a draft 审核",
    **routes.secured(
        "license:issue", model=models_answers_license.Drafted, refusals=(*_CHANGES, errors.Forbidden)
    ),
)
async def review_draft(
    request: Request, draft_ref: str, body: examples.ReviewDraftBody, key: acts.IdempotencyKey = None
) -> Response:
    """Approved, it can be issued; returned, it is drafted anew."""
    served, asking = service.of(request), routes.asking(request)
    asked = draft_commands.ReviewDraft(
        actor=acts.actor(asking, body),
        repeat=await acts.repeat(request, asking, operation=f"review {draft_ref}", key=key),
        draft_ref=acts.ref(draft_ref, absent=errors.NotFound),
        decision=body.decision,
    )
    (item,) = await served.record(asked)
    return routes.answer(answers.drafted(item))


@router.post(
    "/v1/drafts/{draft_ref}/issue",
    summary="Issue an approved draft 颁发",
    **routes.secured(
        "license:issue",
        model=models_answers.Issued,
        refusals=(
            *_CHANGES,
            *_REFUSALS,
            errors.NotTheIssuer,
            errors.AlreadyExists,
            errors.NumberTaken,
            errors.ValidityUnfit,
            errors.LicenseTypeRetiredConflict,
            errors.HolderErasedConflict,
        ),
    ),
)
async def issue_draft(
    request: Request, draft_ref: str, body: examples.IssueDraftBody, key: acts.IdempotencyKey = None
) -> Response:
    """Issues exactly what was drafted and approved."""
    served, asking = service.of(request), routes.asking(request)
    ref = acts.ref(draft_ref, absent=errors.NotFound)
    repeat = await acts.repeat(request, asking, operation=f"issue draft {draft_ref}", key=key)

    def opened() -> Any:
        return _content(served, _row(served, draft_ref, asking.organization))

    content = await served.read(opened)
    said = models.Issue.model_validate({**content, **body.model_dump(exclude_none=True)})
    asked = await license.issue_command(
        served, said, actor=acts.actor(asking, said), repeat=repeat, draft_ref=ref
    )
    (item,) = await served.record(asked)
    return routes.answer(await served.read(answers.issued, served, item))


def _row(served: service.Service, draft_ref: str, organization: str) -> state.DraftRow:
    """The draft as committed now, of one's own organization; raises DraftNotFound."""
    row = served.reader.row(state.DraftRow, acts.ref(draft_ref, absent=errors.NotFound))
    if row is None or row.organization != organization:
        raise errors.NotFound("no such draft")
    return row


def _content(served: service.Service, row: state.DraftRow) -> Any:
    """What is to be issued, as it was asked."""
    (data,) = served.reader.events([row.draft_index])
    opened = served.disclosure.part(event.parse(data), "draft")
    assert opened is not None, "an organization's key is not destroyed"
    return opened[1]
