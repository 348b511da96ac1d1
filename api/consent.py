"""Consent of further parties over HTTP 共同授权: who holds a license with others joins an authorization."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api import acts, answers, authorization, examples, models_authorization, routes, service
from ledger import consent_commands, errors

router = routes.router()


@router.post(
    "/v1/authorizations/{authorization_ref}/join",
    summary="Join a holder's authorization 共同授权",
    **routes.secured(
        "consent:attest",
        model=models_authorization.AuthorizationChanged,
        refusals=(
            errors.AuthorizationNotFound,
            errors.AuthorizationWithdrawnConflict,
            errors.InvalidHolderCode,
            errors.NotFound,
            errors.Conflict,
            errors.OwnOrganization,
            errors.CaseNumberUnfit,
            errors.HolderErasedConflict,
            errors.HolderContestedConflict,
            errors.NotTheRepresentative,
            errors.NoMandate,
            errors.GuardianNeeded,
        ),
    ),
)
async def join(
    request: Request, authorization_ref: str, body: examples.JoinBody, key: acts.IdempotencyKey = None
) -> Response:
    """A further party of the license consents to what the authorization allows, on evidence."""
    served, asking = service.of(request), routes.asking(request)
    asked = consent_commands.JoinConsent(
        actor=acts.actor(asking, body),
        repeat=await acts.repeat(request, asking, operation=f"join {authorization_ref}", key=key),
        authorization_ref=acts.ref(authorization_ref, absent=errors.AuthorizationNotFound),
        holder=acts.holder(body.holder),
        evidence=body.evidence,
        representative=authorization.representative(body.representative),
        acting=authorization.acting(body.acting),
    )
    (item,) = await served.record(asked)
    return routes.answer(answers.authorization_changed(item))
