"""Licenses over HTTP: issue, amend, change of status, and what is true of one now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api import acts, answers, attachment, examples, models, models_answers, models_license, routes, service
from ledger import attachment as attachments
from ledger import (
    catalog_rules,
    command,
    disclosure,
    errors,
    license_commands,
    mark,
    power,
    state,
    status_commands,
)

router = routes.router()
version_router = routes.router(versions=True)
_REFUSALS = (
    errors.InvalidHolderCode,
    errors.CaseNumberUnfit,
    errors.LicenseTypeUnknown,
    errors.FieldUnknown,
    errors.FieldsUnfit,
    errors.ValidityUnfit,
    errors.NumberTaken,
    errors.LicenseTypeRetiredConflict,
    errors.NotTheIssuer,
    errors.AlreadyExists,
    errors.HolderErasedConflict,
)
_CHANGES = (errors.LicenseNotFound, errors.StatusConflict, errors.NotTheIssuer, errors.CaseNumberUnfit)


@version_router.post(
    "/v1/licenses",
    summary="Issue a license 颁发",
    **routes.secured(
        "license:issue", model=models_answers.Issued, refusals=_REFUSALS, **examples.LICENSE_LINKS
    ),
)
async def issue(request: Request, body: examples.IssueBody, key: acts.IdempotencyKey = None) -> Response:
    """Issues a license of a registered type to a holder, in its first version."""
    return await _issue(request, body, key, operation="issue")


@version_router.post(
    "/v1/licenses/transfer-in",
    summary="Transfer a license in 转入",
    **routes.secured("license:issue", model=models_answers.Issued, refusals=_REFUSALS),
)
async def transfer_in(
    request: Request, body: examples.TransferInBody, key: acts.IdempotencyKey = None
) -> Response:
    """Issues a license that goes on with one from elsewhere, whose identifier and receipt it seals."""
    return await _issue(request, body, key, operation="transfer in", origin=acts.origin(body.origin))


async def _issue(
    request: Request,
    body: models.Issue,
    key: str | None,
    *,
    operation: str,
    origin: license_commands.Origin | None = None,
) -> Response:
    served, asking = service.of(request), routes.asking(request)
    repeat = await acts.repeat(request, asking, operation=operation, key=key)
    actor = acts.actor(asking, body)
    brought = attachment.given(body.attachments, parties=len(body.parties))
    asked = await issue_command(served, body, brought, actor=actor, repeat=repeat, origin=origin)
    async with attachment.stored(served, brought) as attached:
        item, *_ = await served.record(replace(asked, attachments=attached))
    return routes.answer(await served.read(answers.issued, served, item))


async def issue_command(
    served: service.Service,
    body: models.Issue,
    brought: Sequence[attachments.Given],
    *,
    actor: command.Actor,
    repeat: command.Repeat,
    origin: license_commands.Origin | None = None,
    draft_ref: bytes | None = None,
) -> license_commands.IssueLicense:
    """The command behind an issue, still without attachments; raises what is wrong with the request."""
    content = acts.content(body, serial=body.serial or license_commands.draw_serial())
    return license_commands.IssueLicense(
        actor=actor,
        repeat=repeat,
        type_code=body.license_type,
        holder=acts.holder(body.holder),
        parties=attachment.owned(acts.parties(body), brought),
        content=await served.read(judged, served, body.license_type, content),
        effective_at=acts.instant(body.effective_at),
        **acts.counterparts(body.counterparts),
        endorsement_due=acts.day(body.endorsement_due),
        origin=origin,
        draft_ref=draft_ref,
    )


@version_router.post(
    "/v1/licenses/{license_ref}/amend",
    summary="Amend a license 变更",
    **routes.secured("license:issue", model=models_answers.Issued, refusals=(*_CHANGES, *_REFUSALS)),
)
async def amend(
    request: Request, license_ref: str, body: examples.AmendBody, key: acts.IdempotencyKey = None
) -> Response:
    """Records the next version: every field again, under the same serial."""
    served, asking = service.of(request), routes.asking(request)
    ref = acts.ref(license_ref, absent=errors.LicenseNotFound)
    actor = acts.actor(asking, body)
    repeat = await acts.repeat(request, asking, operation=f"amend {license_ref}", key=key)
    row, version = await served.read(present, served, ref, actor, repeat)
    kept = disclosure.serial(row, version)
    serial = kept or body.serial or license_commands.draw_serial()
    if body.serial not in (None, serial):
        raise errors.Invalid("a license keeps its serial", field="serial")
    known = await served.read(_known, served, ref)
    content = acts.content(body, serial=serial, area_code=row.area_code)
    if known is not None:
        content = await served.read(judged, served, known[0], content)
    brought, parties = attachment.given(body.attachments, parties=len(body.parties)), acts.parties(body)
    left = attachment.kept(version, brought, body.removed_attachments, parties)
    asked = license_commands.AmendLicense(
        actor=actor,
        repeat=repeat,
        license_ref=ref,
        holder=acts.holder(body.holder),
        parties=attachment.owned(parties, brought, left),
        content=content,
        looked_at=row.version_index,
        removed=tuple(body.removed_attachments),
        type_and_issuer=known,
        effective_at=acts.instant(body.effective_at),
        **acts.counterparts(body.counterparts),
        endorsement_due=acts.day(body.endorsement_due),
        serial_version=row.serial_version,
        previous=version.license_id if kept is None else None,
    )
    async with attachment.stored(served, brought, left) as attached:
        item, *_ = await served.record(replace(asked, attachments=attached))
    return routes.answer(await served.read(answers.issued, served, item))


def judged(
    served: service.Service, type_code: str, content: license_commands.Content
) -> license_commands.Content:
    """`content` with what the type's schema, as it is committed now, says of it.

    A repeated request is answered as before, so that the lock refuses and not we.
    """
    rules = served.reader.row(state.TypeRulesRow, type_code)
    return replace(content, judged=catalog_rules.judge(rules, content.values))


def _known(served: service.Service, ref: bytes) -> tuple[str, str] | None:
    """Type and issuer of a license, which never change."""
    row = served.reader.row(state.LicenseRow, ref)
    return None if row is None else (row.type_code, row.issuer)


def present(
    served: service.Service, ref: bytes, actor: command.Actor, repeat: command.Repeat
) -> tuple[state.LicenseRow, disclosure.Version]:
    """A license with its present version opened, for whoever may change it, or did so by this request."""
    row = served.reader.row(state.LicenseRow, ref)
    if row is None:
        raise errors.LicenseNotFound
    try:
        power.require_issuer(
            state.State(served.reader.row),
            organization=actor.organization,
            acting=actor.responsible,
            issuer=row.issuer,
            type_code=row.type_code,
            area_code=row.area_code,
            at=served.moment(),
        )
    except errors.NotTheIssuer:
        if not served.was_answered(repeat):
            raise
    version = served.disclosure.version(row.version_index)
    if version is None:
        raise errors.HolderErasedConflict
    # A version that was opened before may hold what an erased party's was.
    live = {name: pair for name, pair in version.salted.items() if name in row.field_names}
    attached = {name: one for name, one in version.attachments.items() if name in live}
    return row, replace(version, salted=live, attachments=attached)


async def _change(
    request: Request, license_ref: str, body: models_license.ChangeStatus, key: str | None, verb: str
) -> Response:
    served, asking = service.of(request), routes.asking(request)
    asked = status_commands.ChangeStatus(
        actor=acts.actor(asking, body),
        repeat=await acts.repeat(request, asking, operation=f"{verb} {license_ref}", key=key),
        license_ref=acts.ref(license_ref, absent=errors.LicenseNotFound),
        verb=verb,
        effective_at=acts.instant(body.effective_at),
        document=body.document_number if isinstance(body, models_license.CourtOrder) else None,
        area_code=body.area_code if isinstance(body, models_license.TransferOut) else None,
    )
    (item,) = await served.record(asked)
    return routes.answer(await served.read(answers.changed, served, item))


def _add_change(verb: str, title: str, body_of: Any) -> None:
    async def change(
        request: Request, license_ref: str, body: examples.ChangeBody, key: acts.IdempotencyKey = None
    ) -> Response:
        return await _change(request, license_ref, body, key, verb)

    change.__annotations__["body"] = body_of
    is_mark = verb in mark.MARK_CHANGES
    model = models_answers.MarkChanged if is_mark else models_answers.StatusChanged
    router.add_api_route(
        f"/v1/licenses/{{license_ref}}/{verb}",
        change,
        methods=["POST"],
        name=verb.replace("-", "_"),
        summary=f"{verb.replace('-', ' ').capitalize()}: a license {title}",
        description=status_commands.CHANGES[verb].__doc__ or "",
        **routes.secured("license:issue", model=model, refusals=_CHANGES),
    )


for _verb, _title, _body in (
    ("suspend", "暂扣", examples.ChangeBody),
    ("reinstate", "发还", examples.ChangeBody),
    ("freeze", "查封", examples.CourtOrderBody),
    ("release", "解除查封", examples.CourtOrderBody),
    ("report-lost", "挂失", examples.ChangeBody),
    ("found", "解除挂失", examples.ChangeBody),
    ("restrict", "受限使用", examples.ChangeBody),
    ("lift-restriction", "解除受限", examples.ChangeBody),
    ("annul", "撤销", examples.ChangeBody),
    ("recall", "撤回", examples.ChangeBody),
    ("revoke", "吊销", examples.ChangeBody),
    ("cancel", "注销", examples.ChangeBody),
    ("void", "制证错误作废", examples.ChangeBody),
    ("transfer-out", "转出", examples.TransferOutBody),
    ("cancel-transfer", "取消转出", examples.ChangeBody),
):
    _add_change(_verb, _title, _body)
