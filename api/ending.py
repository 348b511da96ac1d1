"""The end of a holder over HTTP: recorded and reversed by the registering organ."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api import acts, answers, examples, models_answers, routes, service
from ledger import ending_commands, errors

router = routes.router()
_REFUSALS = (
    errors.NotFound,
    errors.InvalidHolderCode,
    errors.CaseNumberUnfit,
    errors.Conflict,
    errors.HolderContestedConflict,
    errors.HolderEndedConflict,
    errors.HolderErasedConflict,
)


@router.post(
    "/v1/holders/end",
    summary="Record the end of a holder 持证主体消亡",
    **routes.secured("holder:register", model=models_answers.Registered, refusals=_REFUSALS),
)
async def end(request: Request, body: examples.EndBody, key: acts.IdempotencyKey = None) -> Response:
    """Nothing of the holder is used any more, but kept licenses by law; their issuers find what remains."""
    served, asking = service.of(request), routes.asking(request)
    asked = ending_commands.EndHolder(
        actor=acts.actor(asking, body),
        repeat=await acts.repeat(request, asking, operation="end holder", key=key),
        holder=acts.holder(body.holder),
        kind=body.kind,
        evidence=body.evidence,
        effective_at=acts.instant(body.effective_at),
    )
    item, *_ = await served.record(asked)
    return routes.answer(answers.registered(item))


@router.post(
    "/v1/holders/reverse-end",
    summary="Reverse an end that was reported wrongly 误报更正",
    **routes.secured("holder:register", model=models_answers.Registered, refusals=_REFUSALS),
)
async def reverse_end(
    request: Request, body: examples.RegistrationBody, key: acts.IdempotencyKey = None
) -> Response:
    """The holder has not ended: licenses, consents and use codes are as they were before."""
    served, asking = service.of(request), routes.asking(request)
    asked = ending_commands.ReverseEnd(
        actor=acts.actor(asking, body),
        repeat=await acts.repeat(request, asking, operation="reverse end", key=key),
        holder=acts.holder(body.holder),
        evidence=body.evidence,
        effective_at=acts.instant(body.effective_at),
    )
    item, *_ = await served.record(asked)
    return routes.answer(answers.registered(item))
