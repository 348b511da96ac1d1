"""Names of holders over HTTP: a change is recorded by the registering organ."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api import acts, answers, examples, models_answers, routes, service
from ledger import days, errors, naming_commands

router = routes.router()


@router.post(
    "/v1/holders/names",
    summary="Record a change of a holder's name 更名",
    **routes.secured(
        "holder:register",
        model=models_answers.Registered,
        refusals=(
            errors.NotFound,
            errors.InvalidHolderCode,
            errors.CaseNumberUnfit,
            errors.HolderErasedConflict,
        ),
    ),
)
async def change_name(request: Request, body: examples.NameBody, key: acts.IdempotencyKey = None) -> Response:
    """No license is rewritten; issuers find those that print the former name in their stale names."""
    served, asking = service.of(request), routes.asking(request)
    asked = naming_commands.ChangeName(
        actor=acts.actor(asking, body),
        repeat=await acts.repeat(request, asking, operation="change name", key=key),
        holder=acts.holder(body.holder),
        former_name=body.former_name,
        new_name=body.new_name,
        changed_on=days.parse(body.changed_on),
        evidence=body.evidence,
        effective_at=acts.instant(body.effective_at),
    )
    item, *_ = await served.record(asked)
    return routes.answer(answers.registered(item))
