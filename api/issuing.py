"""Entrusted issuing over HTTP 委托/下放: entrust, end it, and who issues for whom on a day."""

from __future__ import annotations

import secrets

from starlette.requests import Request
from starlette.responses import Response

from api import acts, answers, catalog, examples_issuing, models_issuing, routes, service
from ledger import days, errors, fact, issuing
from projections import catalog as projected
from signing import ids

router = routes.router()
_REFUSALS = (errors.CaseNumberUnfit, errors.NotTheIssuer, errors.LicenseTypeUnknown, errors.Conflict)


@router.get(
    "/v1/issuing-entrustments",
    summary="Who issues for whom",
    **routes.listed(model=models_issuing.Entrustments),
)
async def list_entrustments(
    request: Request,
    limit: catalog.Limit = 20,
    cursor: catalog.Cursor = None,
    on: catalog.On = None,
    at_least: acts.AtLeast = None,
) -> Response:
    """What the organization acted for gave and got, in the order of recording; operator, auditors: all.

    With `on`, those that were in force on that day.
    """
    served, asking = service.of(request), routes.asking(request)
    wanted, day = acts.at_least(at_least), catalog.day_of(on)
    sees_all = asking.organization == served.ledger.vault.ring.operator or "audit:read" in asking.scopes

    def look() -> answers.Json:
        served.require_current(asking)
        served.views.wait_for(wanted, name="catalog")
        page = served.views.types.entrustments(
            organization=None if sees_all else asking.organization, day=day, limit=limit, cursor=cursor
        )
        return {
            "entrustments": [_shown(row) for row in page.rows],
            "through": page.through,
            "cursor": page.cursor,
        }

    return routes.answer(await served.read(look))


def _shown(row: projected.EntrustmentRow) -> answers.Json:
    return {
        "entrustment_ref": ids.text(row.entrustment_ref),
        "delegator": row.delegator,
        "delegate": row.delegate,
        "license_types": list(row.type_codes),
        "areas": list(row.areas),
        "valid_from": days.text(row.valid_from),
        "valid_until": None if row.valid_until is None else days.text(row.valid_until),
        "entrusted_index": row.entrusted_index,
        "ended_index": row.ended_index,
        "ended_on": None if row.ended_on is None else days.text(row.ended_on),
    }


@router.post(
    "/v1/issuing-entrustments",
    summary="Entrust issuing 委托",
    **routes.secured(
        "issuing:entrust",
        model=models_issuing.Entrusted,
        refusals=_REFUSALS,
        **examples_issuing.LINKS,
    ),
)
async def entrust_issuing(
    request: Request, body: examples_issuing.EntrustBody, key: acts.IdempotencyKey = None
) -> Response:
    """Another organization may issue, amend and change the status of licenses for the one acted for.

    Its clients name the delegator as `issuer`, and their registrations name the types.
    """
    asking = routes.asking(request)
    made = issuing.IssuingEntrusted(
        entrustment_ref=secrets.token_bytes(ids.ID_BYTES),
        delegator=asking.organization,
        delegate=body.delegate,
        type_codes=tuple(sorted(set(body.license_types))),
        areas=tuple(sorted(set(body.areas))),
        valid_from=days.parse(body.valid_from),
        valid_until=None if body.valid_until is None else days.parse(body.valid_until),
    )
    return await _record(request, body, key, made, operation="entrust issuing")


@router.post(
    "/v1/issuing-entrustments/{entrustment_ref}/end",
    summary="End an entrustment",
    **routes.secured(
        "issuing:entrust",
        model=models_issuing.Entrusted,
        refusals=(errors.CaseNumberUnfit, errors.NotFound),
    ),
)
async def end_entrustment(
    request: Request,
    entrustment_ref: str,
    body: examples_issuing.EndBody,
    key: acts.IdempotencyKey = None,
) -> Response:
    """Either of the two ends it; what was issued under it stands."""
    asking = routes.asking(request)
    made = issuing.IssuingEntrustmentEnded(
        entrustment_ref=acts.ref(entrustment_ref, absent=errors.NotFound),
        delegator=body.delegator or asking.organization,
        delegate=body.delegate or asking.organization,
    )
    return await _record(request, body, key, made, operation=f"end entrustment {entrustment_ref}")


async def _record(
    request: Request,
    body: models_issuing.Entrust | models_issuing.End,
    key: str | None,
    made: fact.Fact,
    *,
    operation: str,
) -> Response:
    item = await acts.in_registry(request, body, key, made, operation=operation)
    said = item.event.fact
    return routes.answer(
        {
            **answers.proven(item),
            "entrustment_ref": ids.text(said["entrustment_ref"]),
            "delegator": said["delegator"],
            "delegate": said["delegate"],
        }
    )
