"""Guardians and agents over HTTP 监护, 委托代办: who may consent for a holder, since when and until when.

A person is told by a reference that stays the same for one person here, as representatives are.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api import access, acts, answers, authorization, examples_mandate, models_mandate, routes, service
from ledger import days, errors, mandate, mandate_commands, state_mandate
from signing import ids

router = routes.router()
_REFUSALS = (
    errors.InvalidHolderCode,
    errors.CaseNumberUnfit,
    errors.NotFound,
    errors.HolderContestedConflict,
    errors.HolderEndedConflict,
    errors.HolderErasedConflict,
)
_PLAIN_BODY = (errors.JsonInvalid, errors.TooLarge, errors.UnsupportedMediaType)
_ENDS = (errors.NotFound, errors.Conflict, errors.CaseNumberUnfit, errors.HolderErasedConflict)


@router.post(
    "/v1/guardianships",
    summary="Register a guardianship 监护登记",
    **routes.secured("holder:register", model=models_mandate.GuardianshipRecorded, refusals=_REFUSALS),
)
async def register_guardianship(
    request: Request, body: examples_mandate.GuardianshipBody, key: acts.IdempotencyKey = None
) -> Response:
    """The guardian may consent for the ward; for a minor until the 18th birthday begins, in Beijing."""
    served, asking = service.of(request), routes.asking(request)
    asked = mandate_commands.RegisterGuardianship(
        actor=acts.actor(asking, body),
        repeat=await acts.repeat(request, asking, operation="register guardianship", key=key),
        holder=acts.holder(body.holder),
        person=acts.holder(body.guardian, field="guardian"),
        kind=body.kind,
        basis=body.basis,
        born_on=acts.day(body.born_on),
        ends_on=acts.day(body.ends_on),
        evidence=body.evidence,
        effective_at=acts.instant(body.effective_at),
    )
    (item,) = await served.record(asked)
    made = item.fact
    assert isinstance(made, mandate.GuardianshipRegistered), "a guardianship"
    ends_at = None if made.ends_on is None else days.instant_text(days.start(made.ends_on))
    return routes.answer({**_recorded(item, made.mandate_ref), "ends_at": ends_at})


@router.post(
    "/v1/guardianships/{mandate_ref}/end",
    summary="End a guardianship 监护终止",
    **routes.secured("holder:register", model=models_mandate.MandateEnded, refusals=_ENDS),
)
async def end_guardianship(
    request: Request,
    mandate_ref: str,
    body: examples_mandate.EndGuardianshipBody,
    key: acts.IdempotencyKey = None,
) -> Response:
    """What the guardian consented to is over with it."""
    kind = mandate_commands.EndGuardianship
    return await _end(request, mandate_ref, body, key, kind, operation="end guardianship")


@router.post(
    "/v1/entrustments",
    summary="Appoint an agent 委托代办",
    **routes.secured(
        "consent:attest",
        model=models_mandate.MandateRecorded,
        refusals=(
            *_REFUSALS,
            errors.LicenseTypeUnknown,
            errors.NotTheRepresentative,
            errors.GuardianNeeded,
        ),
    ),
)
async def appoint_agent(
    request: Request, body: examples_mandate.AppointBody, key: acts.IdempotencyKey = None
) -> Response:
    """The agent may consent for the holder until then; a body appoints by its representative."""
    served, asking = service.of(request), routes.asking(request)
    asked = mandate_commands.AppointAgent(
        actor=acts.actor(asking, body),
        repeat=await acts.repeat(request, asking, operation="appoint agent", key=key),
        holder=acts.holder(body.holder),
        person=acts.holder(body.agent, field="agent"),
        evidence=body.evidence,
        representative=authorization.representative(body.representative),
        type_codes=tuple(sorted(set(body.license_types))),
        valid_until=days.parse_instant(body.valid_until),
    )
    (item,) = await served.record(asked)
    made = item.fact
    assert isinstance(made, mandate.AgentAppointed), "an agency"
    return routes.answer(_recorded(item, made.mandate_ref))


@router.post(
    "/v1/entrustments/{mandate_ref}/end",
    summary="Dismiss an agent 解除委托",
    **routes.secured("consent:attest", model=models_mandate.MandateEnded, refusals=_ENDS),
)
async def dismiss_agent(
    request: Request,
    mandate_ref: str,
    body: examples_mandate.DismissBody,
    key: acts.IdempotencyKey = None,
) -> Response:
    """What the agent consented to is over with it."""
    kind = mandate_commands.DismissAgent
    return await _end(request, mandate_ref, body, key, kind, operation="dismiss agent")


@router.post(
    "/v1/mandates/search",
    summary="Who may act for a holder",
    **routes.secured(
        "holder:register",
        "consent:attest",
        "audit:read",
        model=models_mandate.Mandates,
        refusals=(errors.InvalidHolderCode, errors.ScopeMissing, errors.Invalid, *_PLAIN_BODY),
        appends=False,
    ),
)
async def search_mandates(request: Request, body: examples_mandate.SearchBody) -> Response:
    """Those in force on a day, also where they were ended later; of an unknown holder there are none."""
    served, asking = service.of(request), routes.asking(request)
    routes.require_any(asking, ("holder:register", "consent:attest", "audit:read"))
    _require_person(asking, body)
    code = acts.holder(body.holder)
    person = None if body.person is None else acts.holder(body.person, field="person")

    def look() -> answers.Json:
        served.require_current(asking)
        day = days.of_instant(served.moment()) if body.on is None else days.parse(body.on)
        found = served.reader.find("holder", code.code_type, code.code)
        who = None if person is None else served.reader.find("holder", person.code_type, person.code)
        if found is None or (person is not None and who is None) or served.is_erased(found.stream_id):
            return {"on": days.text(day), "mandates": []}
        persons = None if who is None else served.streams(who.stream_id)
        rows = served.reader.mandates(served.streams(found.stream_id), persons=persons, day=day)
        return {"on": days.text(day), "mandates": [_shown(row) for row in rows]}

    return routes.answer(await served.read(look))


def _require_person(asking: access.Access, body: models_mandate.SearchMandates) -> None:
    """Nothing unless who attests consent asks for everybody; raises Invalid."""
    sees_all = {"holder:register", "audit:read"} & {*asking.scopes}
    if not sees_all and body.person is None:
        raise errors.Invalid("name the person who wants to act", field="person")


def _shown(row: state_mandate.MandateRow) -> answers.Json:
    return {
        "mandate_ref": ids.text(row.mandate_ref),
        "kind": row.kind,
        "person": ids.text(row.person),
        "since": days.instant_text(row.since),
        "until": None if row.until is None else days.instant_text(row.until),
        "ended_at": None if row.over_at is None else days.instant_text(row.over_at),
        "license_types": list(row.type_codes),
        "is_by_representative": row.represents_by is not None,
    }


def _recorded(item: service.Recorded, mandate_ref: bytes) -> answers.Json:
    return {**answers.proven(item), "mandate_ref": ids.text(mandate_ref)}


async def _end(
    request: Request,
    mandate_ref: str,
    body: models_mandate.EndMandate,
    key: str | None,
    kind: type[mandate_commands.EndGuardianship | mandate_commands.DismissAgent],
    *,
    operation: str,
) -> Response:
    """The end of a mandate, recorded."""
    served, asking = service.of(request), routes.asking(request)
    asked = kind(
        actor=acts.actor(asking, body),
        repeat=await acts.repeat(request, asking, operation=f"{operation} {mandate_ref}", key=key),
        mandate_ref=acts.ref(mandate_ref, absent=errors.NotFound),
        evidence=body.evidence,
        effective_at=acts.instant(body.effective_at),
    )
    (item,) = await served.record(asked)
    made = item.fact
    assert isinstance(made, mandate.GuardianshipEnded | mandate.AgentDismissed), "an end"
    return routes.answer({**_recorded(item, made.mandate_ref), "ended_authorizations": len(made.ended)})
