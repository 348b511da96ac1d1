"""Renewal 延续 and replacement 补发/换发 over HTTP: the next version, from what the present one says."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api import acts, answers, attachment, examples, license, models_answers, routes, service
from ledger import days, disclosure, errors, license_commands, renewal_commands, state

router = routes.router(versions=True)
_REFUSALS = (
    errors.LicenseNotFound,
    errors.StatusConflict,
    errors.RenewalTooEarly,
    errors.Conflict,
    errors.NotTheIssuer,
    errors.CaseNumberUnfit,
    errors.FieldUnknown,
    errors.AlreadyExists,
    errors.HolderErasedConflict,
)


@router.post(
    "/v1/licenses/{license_ref}/renew",
    summary="Renew a license 延续",
    **routes.secured("license:issue", model=models_answers.Issued, refusals=_REFUSALS),
)
async def renew(
    request: Request, license_ref: str, body: examples.RenewBody, key: acts.IdempotencyKey = None
) -> Response:
    """A new term under a new serial; the identifier before leads to the license still."""
    served, asking = service.of(request), routes.asking(request)
    ref, actor = acts.ref(license_ref, absent=errors.LicenseNotFound), acts.actor(asking, body)
    repeat = await acts.repeat(request, asking, operation=f"renew {license_ref}", key=key)
    if body.fields is not None:
        acts.check_names(body.fields)
    row, version = await served.read(license.present, served, ref, actor, repeat)
    remaining = _remaining(version)
    brought = attachment.in_place(version, attachment.given(body.attachments), remaining)
    asked = renewal_commands.RenewLicense(
        actor=actor,
        repeat=repeat,
        license_ref=ref,
        content=await _judged(
            served,
            row.type_code,
            serial=body.serial or license_commands.draw_serial(),
            number=body.number or _value(version, "@license_number"),
            holder_name=_value(version, "@holder_name"),
            values=_values(version) if body.fields is None else body.fields,
            valid_from=days.parse(body.valid_from),
            valid_to=acts.day(body.valid_to),
            issued_on=days.parse(body.issued_on),
            area_code=version.fact.area_code,
        ),
        effective_at=acts.instant(body.effective_at),
        **acts.counterparts(body.counterparts),
        endorsement_due=acts.day(body.endorsement_due),
        **_follows(row, version, body.removed_attachments),
    )
    left = attachment.kept_with_parties(version, brought, body.removed_attachments, remaining)
    async with attachment.stored(served, brought, left) as attached:
        item, *_ = await served.record(dataclasses.replace(asked, attachments=attached))
    return routes.answer(await served.read(answers.issued, served, item))


@router.post(
    "/v1/licenses/{license_ref}/replace",
    summary="Replace a printed license 补发/换发",
    **routes.secured("license:issue", model=models_answers.Issued, refusals=_REFUSALS),
)
async def replace(
    request: Request, license_ref: str, body: examples.ReplaceBody, key: acts.IdempotencyKey = None
) -> Response:
    """The next version for the same term: the QR code of the paper before is superseded."""
    served, asking = service.of(request), routes.asking(request)
    ref, actor = acts.ref(license_ref, absent=errors.LicenseNotFound), acts.actor(asking, body)
    repeat = await acts.repeat(request, asking, operation=f"replace {license_ref}", key=key)
    row, version = await served.read(license.present, served, ref, actor, repeat)
    remaining = _remaining(version)
    brought = attachment.in_place(version, attachment.given(body.attachments), remaining)
    asked = renewal_commands.ReplaceLicense(
        actor=actor,
        repeat=repeat,
        license_ref=ref,
        cause=body.cause,
        content=await _judged(
            served,
            row.type_code,
            serial=disclosure.serial(row, version) or license_commands.draw_serial(),
            number=body.number or _value(version, "@license_number"),
            holder_name=_value(version, "@holder_name"),
            values=_values(version),
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            issued_on=days.parse(body.issued_on),
            area_code=version.fact.area_code,
        ),
        effective_at=acts.instant(body.effective_at),
        **acts.counterparts(body.counterparts),
        **_follows(row, version, body.removed_attachments),
    )
    left = attachment.kept_with_parties(version, brought, body.removed_attachments, remaining)
    async with attachment.stored(served, brought, left) as attached:
        item, *_ = await served.record(dataclasses.replace(asked, attachments=attached))
    return routes.answer(await served.read(answers.issued, served, item))


def _follows(row: state.LicenseRow, version: disclosure.Version, removed: list[str]) -> dict[str, Any]:
    """What the command takes over from the version before."""
    holder = (_value(version, "@holder_code_type"), _value(version, "@holder_code"))
    return {
        "follows": version.index,
        "issuer": row.issuer,
        "previous": version.license_id,
        "holder": holder,
        "type_code": version.fact.type_code,
        "parties": attachment.without(_parties(version), removed),
        "removed": tuple(removed),
    }


def _parties(version: disclosure.Version) -> tuple[license_commands.Party, ...]:
    """The further parties as the version has them, but for those that were erased since."""
    made = []
    for position in _remaining(version):
        (role, stream_id), names = version.fact.parties[position], _names(version, position)
        given = f"@party_{position}_"
        made.append(
            license_commands.Party(
                role=role,
                stream_id=stream_id,
                code_type=_value(version, f"{given}code_type"),
                code=_value(version, f"{given}code"),
                name=_value(version, f"{given}name"),
                field_names=tuple(name for name in names if not name.startswith(given)),
            )
        )
    return tuple(made)


def _remaining(version: disclosure.Version) -> list[int]:
    """Positions of the further parties who were not erased since."""
    return [
        position
        for position in range(1, len(version.fact.parties))
        if version.salted.keys() >= {f"@party_{position}_code", *_names(version, position)}
    ]


def _names(version: disclosure.Version, position: int) -> list[str]:
    """The fields that are sealed under a party's own key."""
    return [name for number, name in version.fact.party_fields if number == position]


async def _judged(served: service.Service, type_code: str, **said: Any) -> license_commands.Content:
    """The content, with what the type's schema says of it."""
    content = license_commands.Content(**said)
    return await served.read(license.judged, served, type_code, content)


def _value(version: disclosure.Version, name: str) -> str:
    return str(version.salted[name][1])


def _values(version: disclosure.Version) -> Mapping[str, Any]:
    """The fields of the license's type, as the version has them."""
    return {name: value for name, (_, value) in version.salted.items() if not name.startswith("@")}
