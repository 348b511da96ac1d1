"""Endorsements 年检签注 over HTTP: of one license, or of a list with a result for each row."""

from __future__ import annotations

import asyncio
from typing import Any

import pydantic
from starlette.requests import Request
from starlette.responses import Response

from api import (
    access,
    acts,
    answers,
    examples,
    models_answers_license,
    models_license,
    problems,
    routes,
    service,
)
from ledger import command, endorsement_commands, errors
from signing import ids

router = routes.router()
batch_router = routes.router(batch=True)


@router.post(
    "/v1/licenses/{license_ref}/endorse",
    summary="Endorse a license 年检签注",
    **routes.secured(
        "license:issue",
        model=models_answers_license.Endorsed,
        refusals=(
            errors.LicenseNotFound,
            errors.StatusConflict,
            errors.NotTheIssuer,
            errors.CaseNumberUnfit,
        ),
    ),
)
async def endorse(
    request: Request, license_ref: str, body: examples.EndorseBody, key: acts.IdempotencyKey = None
) -> Response:
    """Records who looked, at which period, with which result; the version stays."""
    served, asking = service.of(request), routes.asking(request)
    ref = acts.ref(license_ref, absent=errors.LicenseNotFound)
    repeat = await acts.repeat(request, asking, operation=f"endorse {license_ref}", key=key)
    asked = _command(acts.actor(asking, body), repeat, body, body, ref)
    (item,) = await served.record(asked)
    return routes.answer(answers.endorsed(item))


@batch_router.post(
    "/v1/endorsements/batch",
    summary="Endorse up to 1,000 licenses",
    **routes.secured(
        "license:issue", model=models_answers_license.EndorseListAnswer, refusals=(errors.CaseNumberUnfit,)
    ),
)
async def endorse_batch(request: Request, body: examples.EndorseListBody) -> Response:
    """Each item has its own key and its own answer or problem; one that fails costs no other."""
    served, asking = service.of(request), routes.asking(request)
    actor = acts.actor(asking, body)
    told = await asyncio.gather(*(_item(served, asking, actor, body, item) for item in body.items))
    indexes = [item["answer"]["index"] for item in told if "answer" in item]
    return routes.answer({"index": max(indexes, default=None), "items": told})


async def _item(
    served: service.Service,
    asking: access.Access,
    actor: command.Actor,
    body: models_license.EndorseList,
    said: Any,
) -> answers.Json:
    """One row's status, with its answer or its problem."""
    try:
        asked = _ITEM.validate_python(said)
        shared = body.model_dump(exclude={"items"})
        operation = f"endorse {asked.license_ref}"
        repeat = acts.repeat_of(
            served, asking, operation=operation, key=asked.idempotency_key, body=[shared, said]
        )
        (item,) = await served.record(_command(actor, repeat, body, asked, ids.parse(asked.license_ref)))
    except pydantic.ValidationError as error:
        return _problem(problems.invalid(error.errors()))
    except errors.LedgerError as error:
        if error.status == errors.LedgerError.status:
            raise
        return _problem(error)
    return {"status": 200, "answer": answers.endorsed(item)}


def _command(
    actor: command.Actor,
    repeat: command.Repeat,
    shared: models_license.Endorse | models_license.EndorseList,
    own: models_license.Endorse | models_license.EndorseItem,
    ref: bytes,
) -> endorsement_commands.EndorseLicense:
    return endorsement_commands.EndorseLicense(
        actor=actor,
        repeat=repeat,
        license_ref=ref,
        kind=shared.kind,
        period=shared.period,
        result=own.result,
        next_due=acts.day(own.next_due),
        effective_at=acts.instant(shared.effective_at),
    )


def _problem(error: errors.LedgerError) -> answers.Json:
    return {"status": error.status, "problem": problems.document(error)}


_ITEM = pydantic.TypeAdapter(models_license.EndorseItem)
