"""Drafts over HTTP 制证草稿: entered by one operator, reviewed by another, then issued."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from api import (
    acts,
    answers,
    attachment,
    examples,
    license,
    models,
    models_answers,
    models_answers_license,
    routes,
    service,
)
from ledger import attachment as attachments
from ledger import attachment_store, days, draft_commands, errors, state
from ledger import draft as drafts
from signing import event, ids

router = routes.router()
version_router = routes.router(versions=True)
_REFUSALS = (
    errors.InvalidHolderCode,
    errors.CaseNumberUnfit,
    errors.LicenseTypeUnknown,
    errors.FieldUnknown,
    errors.FieldsUnfit,
)
Status = Annotated[
    Literal["drafted", "approved"] | None, Query(description="Of one status; of both when absent")
]
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[str | None, Query(pattern=r"^[a-z2-7]{1,400}$", description="As the page before gave it")]
_CHANGES = (errors.NotFound, errors.Conflict, errors.CaseNumberUnfit)


@version_router.post(
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
    brought = attachment.given(body.attachments, parties=len(body.parties))
    # A draft is as right as an issue would be, but for what only the lock knows.
    await license.issue_command(served, body, brought, actor=actor, repeat=repeat)
    async with attachment.stored(served, brought) as attached:
        asked = draft_commands.DraftLicense(
            actor=actor,
            repeat=repeat,
            type_code=body.license_type,
            content=_drafted(body, attached),
            blobs=tuple(sorted(one.digest for one in attached)),
        )
        (item,) = await served.record(asked)
    return routes.answer(answers.drafted(item))


@router.get(
    "/v1/drafts",
    summary="Drafts that wait 待审核",
    **routes.listed("license:issue", model=models_answers_license.Drafts),
)
async def list_drafts(
    request: Request,
    status: Status = None,
    limit: Limit = 100,
    cursor: Cursor = None,
    at_least: acts.AtLeast = None,
) -> Response:
    """Drafts of the caller's organization that may still be issued, in the order in which they came; what
    is drafted is told one by one."""
    served, asking = service.of(request), routes.asking(request)
    wanted = acts.at_least(at_least)

    def look() -> answers.Json:
        served.require_current(asking)
        served.views.wait_for(wanted, name="draft")
        page = served.views.drafts.waiting(
            asking.organization, at=served.moment(), status=status, limit=limit, cursor=cursor
        )
        shown = [
            {
                "draft_ref": ids.text(row.draft_ref),
                "license_type": row.type_code,
                "status": row.status,
                "operator_ref": ids.text(row.drafter),
                "drafted_at": days.instant_text(row.drafted_at),
                "expires_at": days.instant_text(drafts.expires_at(row.drafted_at)),
                "drafted_index": row.draft_index,
            }
            for row in page.rows
        ]
        return {"through": page.through, "drafts": shown, "cursor": page.cursor}

    return routes.answer(await served.read(look))


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
            "expires_at": days.instant_text(drafts.expires_at(row.drafted_at)),
            # What was issued is the license's; what never will be is nobody's business any more.
            "content": _shown(_content(served, row)) if status in drafts.OPEN else None,
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
    if body.decision == "return":
        await served.read(attachment_store.drop_of_draft, served.reader, asked.draft_ref)
    return routes.answer(answers.drafted(item))


@router.get(
    "/v1/drafts/{draft_ref}/attachments/{name}",
    summary="An attachment of a draft",
    **routes.secured(
        "license:issue",
        model=None,
        refusals=(errors.NotFound, errors.RangeUnfit),
        appends=False,
        **examples.ATTACHMENT_PARAMETERS,
    ),
)
async def read_draft_attachment(request: Request, draft_ref: str, name: str) -> Response:
    """The bytes, whole or by range, for the draft's own organization while it may still be issued."""
    served, asking = service.of(request), routes.asking(request)

    def look() -> tuple[bytes, attachments.Attached]:
        served.require_current(asking)
        row = _row(served, draft_ref, asking.organization)
        if drafts.status(row, served.moment()) in drafts.OPEN:
            for said in _content(served, row).get("attachments", ()):
                if said["name"] == name:
                    one = _attached(said)
                    return attachment.data_of(served, one), one
        raise errors.NotFound("no such attachment")

    return attachment.ranged(request, *await served.read(look))


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

    def opened() -> tuple[Any, list[attachments.Given]]:
        row = _row(served, draft_ref, asking.organization)
        content = _content(served, row)
        kept = content.pop("attachments", ())
        # Those of a draft that is issued are gone; whatever is asked of it then brings none.
        is_open = drafts.status(row, served.moment()) in drafts.OPEN
        return content, [_given(served, said) for said in kept] if is_open else []

    content, brought = await served.read(opened)
    said = models.Issue.model_validate({**content, **body.model_dump(exclude_none=True)})
    asked = await license.issue_command(
        served, said, brought, actor=acts.actor(asking, said), repeat=repeat, draft_ref=ref
    )
    # Sealed anew: what opens them from here on is the holder's, and the organization's opens nothing.
    async with attachment.stored(served, brought) as attached:
        item, *_ = await served.record(replace(asked, attachments=attached))
    if brought:
        await served.read(attachment_store.drop_of_draft, served.reader, ref)
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


def _drafted(body: models.Issue, attached: tuple[attachments.Attached, ...]) -> dict[str, Any]:
    """What is to be issued, as it was asked, with what opens the attachments in place of their data."""
    content = body.model_dump(exclude_unset=True)
    if attached:
        keys = {one.name: {"value": dict(one.value), "key": one.key} for one in attached}
        content["attachments"] = [
            {"name": one.name, "media_type": one.media_type, "party": one.party, **keys[one.name]}
            for one in body.attachments
        ]
    return content


def _shown(content: dict[str, Any]) -> dict[str, Any]:
    """The content as its organization is told it."""
    kept = content.get("attachments")
    if not kept:
        return content
    shown = [
        {
            "name": said["name"],
            "media_type": said["media_type"],
            "party": said["party"],
            "length": said["value"]["length"],
            "digest": said["value"]["digest"],
        }
        for said in kept
    ]
    return {**content, "attachments": shown}


def _attached(said: dict[str, Any]) -> attachments.Attached:
    return attachments.Attached(name=said["name"], value=said["value"], key=said["key"])


def _given(served: service.Service, said: dict[str, Any]) -> attachments.Given:
    """An attachment of a draft, as a request to issue would bring it."""
    data, position = attachment.data_of(served, _attached(said)), said["party"] or 0
    return attachments.Given(name=said["name"], media_type=said["media_type"], data=data, position=position)
