"""The right holder of a license over HTTP 持证主体更正: by its issuer, as the license's next version."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from api import acts, answers, attachment, examples, license, models_answers, routes, service
from ledger import correction_commands, disclosure, errors, license_commands

router = routes.router(versions=True)
_REFUSALS = (
    errors.LicenseNotFound,
    errors.NotTheIssuer,
    errors.InvalidHolderCode,
    errors.CaseNumberUnfit,
    errors.FieldUnknown,
    errors.Conflict,
    errors.HolderErasedConflict,
)


@router.post(
    "/v1/licenses/{license_ref}/correct-holder",
    summary="Correct the holder of a license 持证主体更正",
    **routes.secured("license:issue", model=models_answers.Issued, refusals=_REFUSALS),
)
async def correct_holder(
    request: Request, license_ref: str, body: examples.CorrectHolderBody, key: acts.IdempotencyKey = None
) -> Response:
    """The license was another's: its next version, every field again, stands with its right holder."""
    served, asking = service.of(request), routes.asking(request)
    ref = acts.ref(license_ref, absent=errors.LicenseNotFound)
    actor = acts.actor(asking, body)
    repeat = await acts.repeat(request, asking, operation=f"correct-holder {license_ref}", key=key)
    row, version = await served.read(license.present, served, ref, actor, repeat)
    serial = disclosure.serial(row, version) or body.serial or license_commands.draw_serial()
    if body.serial not in (None, serial):
        raise errors.Invalid("a license keeps its serial", field="serial")
    content = acts.content(body, serial=serial, area_code=row.area_code)
    brought, parties = attachment.given(body.attachments, parties=len(body.parties)), acts.parties(body)
    left = attachment.kept(version, brought, body.removed_attachments, parties)
    asked = correction_commands.CorrectHolder(
        actor=actor,
        repeat=repeat,
        license_ref=ref,
        holder=acts.holder(body.holder),
        parties=attachment.owned(parties, brought, left),
        looked_at=row.version_index,
        removed=tuple(body.removed_attachments),
        content=await served.read(license.judged, served, row.type_code, content),
        type_and_issuer=(row.type_code, row.issuer),
        effective_at=acts.instant(body.effective_at),
        endorsement_due=acts.day(body.endorsement_due),
        serial_version=row.serial_version,
    )
    async with attachment.stored(served, brought, left) as attached:
        item, *_ = await served.record(replace(asked, attachments=attached))
    return routes.answer(await served.read(answers.issued, served, item))
