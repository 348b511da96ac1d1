"""Disputes over HTTP 异议/纠错: raised for a holder or by a using office, decided by the issuer, withdrawn.

What is claimed, and what is answered, is told to who raised it and who decides, and to nobody else.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api import access, acts, answers, examples_dispute, models_dispute, routes, service, standing
from ledger import days, dispute, dispute_commands, disputed, errors, power, state, state_dispute
from projections import dispute as lists
from signing import event, ids

router = routes.router()
RAISERS = ("license:use", "consent:attest")
_REFUSALS = (
    errors.LicenseNotFound,
    errors.LicenseTypeUnknown,
    errors.FieldUnknown,
    errors.InvalidHolderCode,
    errors.CaseNumberUnfit,
    errors.AlreadyExists,
    errors.HolderContestedConflict,
    errors.HolderEndedConflict,
    errors.HolderErasedConflict,
)
_SETTLES = (errors.NotFound, errors.Conflict, errors.CaseNumberUnfit, errors.HolderErasedConflict)


@router.post(
    "/v1/licenses/{license_ref}/corrections",
    summary="Dispute what a license says 异议/纠错",
    **routes.secured(
        *RAISERS, model=models_dispute.DisputeRaised, refusals=_REFUSALS, **examples_dispute.LINKS
    ),
)
async def dispute_license(
    request: Request, license_ref: str, body: examples_dispute.DisputeBody, key: acts.IdempotencyKey = None
) -> Response:
    """The issuer decides within so many working days; the license is used as ever meanwhile."""
    served, asking = service.of(request), routes.asking(request)
    ref = acts.ref(license_ref, absent=errors.LicenseNotFound)
    is_holders = body.raised_by == dispute.HOLDER
    routes.require_any(asking, (dispute.raising_scope(body.raised_by),))
    if is_holders != (body.holder is not None):
        raise errors.Invalid("a holder who raises it is named, and nobody else", field="holder")
    if not body.values.keys() <= {*body.fields}:
        raise errors.Invalid("only fields that are disputed have other values", field="values")
    # Names stand in clear; what the ledger gives every license begins with @.
    acts.check_names(name for name in body.fields if not name.startswith("@"))
    repeat = await acts.repeat(request, asking, operation=f"dispute {license_ref}", key=key)

    def look() -> None:
        if not is_holders and not served.was_answered(repeat):
            standing.visible(served, asking, ref, at=served.moment())

    await served.read(look)
    asked = dispute_commands.FileDispute(
        actor=acts.actor(asking, body),
        repeat=repeat,
        kind=body.kind,
        raised_by=body.raised_by,
        evidence=body.evidence,
        statement=body.statement,
        values=body.values,
        field_names=tuple(sorted(set(body.fields))),
        license_ref=ref,
        holder=None if body.holder is None else acts.holder(body.holder),
        **_term(served),
    )
    return await _raised(served, asked)


@router.post(
    "/v1/corrections",
    summary="Report a license that is missing 缺证",
    **routes.secured(
        *RAISERS, model=models_dispute.DisputeRaised, refusals=_REFUSALS, **examples_dispute.LINKS
    ),
)
async def report_missing(
    request: Request, body: examples_dispute.MissingBody, key: acts.IdempotencyKey = None
) -> Response:
    """Whether the ledger knows the holder is not told; who should have issued the license decides."""
    served, asking = service.of(request), routes.asking(request)
    routes.require_any(asking, (dispute.raising_scope(body.raised_by),))
    issuer = acts.organization(body.should_be_issued_by, field="should_be_issued_by")
    asked = dispute_commands.FileDispute(
        actor=acts.actor(asking, body),
        repeat=await acts.repeat(request, asking, operation="report missing", key=key),
        kind=dispute.MISSING,
        raised_by=body.raised_by,
        evidence=body.evidence,
        statement=body.statement,
        values={},
        holder=acts.holder(body.holder),
        missing=(body.license_type, issuer),
        **_term(served),
    )
    return await _raised(served, asked)


def _term(served: service.Service) -> dict[str, Any]:
    """Within how many working days a dispute is decided, and by which calendar."""
    return {"working_days": served.ledger.config.dispute_days, "calendar": served.calendar}


async def _raised(served: service.Service, asked: dispute_commands.FileDispute) -> Response:
    (item,) = await served.record(asked)
    made = item.fact
    assert isinstance(made, dispute.DisputeFiled), "a dispute"
    told = {
        "dispute_ref": ids.text(made.dispute_ref),
        "working_days": made.working_days,
        "due_on": days.text(made.due_on),
        "is_provisional": made.due_on > made.known_until,
    }
    return routes.answer({**answers.proven(item), **told})


@router.get(
    "/v1/corrections/{dispute_ref}",
    summary="A dispute",
    **routes.secured(
        *RAISERS,
        "license:issue",
        "audit:read",
        model=models_dispute.DisputeShown,
        refusals=(errors.NotFound,),
        appends=False,
    ),
)
async def get_dispute(request: Request, dispute_ref: str) -> Response:
    """To who raised it, who decides and auditors; the last are not told what is claimed."""
    served, asking = service.of(request), routes.asking(request)
    ref = acts.ref(dispute_ref, absent=errors.NotFound)

    def look() -> answers.Json:
        served.require_current(asking)
        row = served.reader.row(state_dispute.DisputeRow, ref)
        if row is None:
            raise errors.NotFound("no such dispute")
        at = served.moment()
        is_party = _raised_it(served, asking, row, at) or _decides(served, asking, row, at)
        if not is_party and "audit:read" not in asking.scopes:
            raise errors.NotFound("no such dispute")
        return {**_row(served, row, at), **_content(served, row, is_told=is_party)}

    return routes.answer(await served.read(look))


@router.post(
    "/v1/corrections/{dispute_ref}/decide",
    summary="Decide a dispute 异议处理",
    **routes.secured(
        "license:issue",
        model=models_dispute.DisputeSettled,
        refusals=(*_SETTLES, errors.NotTheIssuer, errors.LicenseNotFound),
    ),
)
async def decide_dispute(
    request: Request, dispute_ref: str, body: examples_dispute.DecideBody, key: acts.IdempotencyKey = None
) -> Response:
    """Upheld once the license is mended, or rejected; with feedback for who raised it."""
    served, asking = service.of(request), routes.asking(request)
    asked = dispute_commands.DecideDispute(
        actor=acts.actor(asking, body),
        repeat=await acts.repeat(request, asking, operation=f"decide dispute {dispute_ref}", key=key),
        dispute_ref=acts.ref(dispute_ref, absent=errors.NotFound),
        outcome=body.outcome,
        feedback=body.feedback,
        license_ref=None if body.license_ref is None else ids.parse(body.license_ref),
    )
    (item,) = await served.record(asked)
    made = item.fact
    assert isinstance(made, dispute.DisputeDecided), "a decision"
    return _settled(item, made, status=made.outcome, mended=made.mended_index)


@router.post(
    "/v1/corrections/{dispute_ref}/withdraw",
    summary="Withdraw a dispute 撤回异议",
    **routes.secured(
        *RAISERS,
        model=models_dispute.DisputeSettled,
        refusals=(*_SETTLES, errors.InvalidHolderCode),
    ),
)
async def withdraw_dispute(
    request: Request,
    dispute_ref: str,
    body: examples_dispute.WithdrawDisputeBody,
    key: acts.IdempotencyKey = None,
) -> Response:
    """By the organization that raised it, or by the holder on evidence, through any client that attests."""
    served, asking = service.of(request), routes.asking(request)
    if body.holder is not None:
        routes.require_any(asking, (dispute.raising_scope(dispute.HOLDER),))
    asked = dispute_commands.WithdrawDispute(
        actor=acts.actor(asking, body),
        repeat=await acts.repeat(request, asking, operation=f"withdraw dispute {dispute_ref}", key=key),
        dispute_ref=acts.ref(dispute_ref, absent=errors.NotFound),
        holder=None if body.holder is None else acts.holder(body.holder),
        evidence=body.evidence,
    )
    (item,) = await served.record(asked)
    made = item.fact
    assert isinstance(made, dispute.DisputeWithdrawn), "a withdrawal"
    return _settled(item, made, status=dispute.WITHDRAWN, mended=None)


def _settled(
    item: service.Recorded,
    made: dispute.DisputeDecided | dispute.DisputeWithdrawn,
    *,
    status: str,
    mended: int | None,
) -> Response:
    told = {"dispute_ref": ids.text(made.dispute_ref), "status": status, "mended_index": mended}
    return routes.answer({**answers.proven(item), **told})


def told(
    served: service.Service, row: lists.FiledRow | state_dispute.DisputeRow, status: str, *, at: int
) -> answers.Json:
    """A dispute, as far as it is in clear."""
    due_on, is_provisional = dispute.due(row, served.calendar)
    is_open = status == disputed.OPEN
    until = at if is_open else row.settled_at
    return {
        "dispute_ref": ids.text(row.dispute_ref),
        "license_ref": None if row.license_ref is None else ids.text(row.license_ref),
        "license_type": row.type_code,
        "issuer": row.issuer,
        "kind": row.kind,
        "raised_by": row.raised_by,
        "organization": row.organization,
        "status": status,
        "filed_at": days.instant_text(row.filed_at),
        "filed_index": row.filed_index,
        "due_on": days.text(due_on),
        "is_provisional": is_provisional,
        "is_overdue": until is not None and days.of_instant(until) > due_on,
    }


def _row(served: service.Service, row: state_dispute.DisputeRow, at: int) -> answers.Json:
    home = dispute.home(row, state.State(served.reader.row))
    status = disputed.status(row, is_erased=served.is_erased(home))
    return told(served, row, status, at=at)


def _content(served: service.Service, row: state_dispute.DisputeRow, *, is_told: bool) -> answers.Json:
    """What is claimed and what was answered, where it may be told and still opens; and the rest."""
    claim = _part(served, row.filed_index, "claim") if is_told else None
    holder = None if claim is None or "holder" not in claim else claim["holder"]
    said = None if claim is None else {"statement": claim["statement"], "values": claim["values"]}
    if said is not None:
        said["holder"] = None if holder is None else {"code_type": holder[0], "code": holder[1]}
    return {
        "fields": list(row.field_names),
        "working_days": row.working_days,
        "promised_on": days.text(row.due_on),
        "settled_at": None if row.settled_at is None else days.instant_text(row.settled_at),
        "settled_index": row.settled_index,
        "mended_index": row.mended_index,
        "claim": said,
        "feedback": _part(served, row.settled_index, "feedback") if is_told else None,
    }


def _part(served: service.Service, index: int | None, name: str) -> Any:
    if index is None:
        return None
    (data,) = served.reader.events([index])
    return served.disclosure.part(event.parse(data), name)


def of_license(
    served: service.Service, license_ref: bytes, streams: tuple[bytes, ...], *, before: int, is_erased: bool
) -> list[answers.Json]:
    """The newest disputes about a license as its holder's file shows them, as they stood before an index.

    What was answered is opened where one of the holder's streams raised it.
    """
    return [
        {
            "dispute_ref": ids.text(row.dispute_ref),
            "kind": row.kind,
            "raised_by": row.raised_by,
            "fields": list(row.field_names),
            "status": disputed.status(row, is_erased=is_erased),
            "filed_at": days.instant_text(row.filed_at),
            "due_on": days.text(dispute.due(row, served.calendar)[0]),
            "settled_at": None if row.settled_at is None else days.instant_text(row.settled_at),
            "feedback": _part(served, row.settled_index, "feedback") if row.party in streams else None,
        }
        for row in disputed.of_license(served.reader, license_ref, before=before)
    ]


def _raised_it(
    served: service.Service, asking: access.Access, row: state_dispute.DisputeRow, at: int
) -> bool:
    """Whether the dispute came through the organization that is acted for, or one that it succeeded, and the
    client may raise such a one: who only uses licenses does not read what was attested for a holder."""
    if dispute.raising_scope(row.raised_by) not in asking.scopes:
        return False
    own = served.reader.row(state.OrganizationRow, asking.organization)
    return asking.organization == row.organization or power.has_succeeded(
        own, row.organization, day=days.of_instant(at)
    )


def _decides(served: service.Service, asking: access.Access, row: state_dispute.DisputeRow, at: int) -> bool:
    """Whether the organization that is acted for may decide it, for itself or as the issuer's delegate."""
    client = served.reader.row(state.ClientRow, asking.client_id)
    if "license:issue" not in asking.scopes or client is None or row.type_code not in client.license_types:
        return False
    held = None if row.license_ref is None else served.reader.row(state.LicenseRow, row.license_ref)
    acting = power.acting(
        state.State(served.reader.row),
        organization=asking.organization,
        issuer=row.issuer,
        type_code=row.type_code,
        area_code=None if held is None else held.area_code,
        at=at,
    )
    return acting is not None
