"""Health: whether the process lives, and whether it can append, read and keep its projections up."""

from __future__ import annotations

import dataclasses
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import models_answers, routes, service
from ledger import errors

router = APIRouter()


@router.get("/healthz", summary="Whether the process lives", **routes.public(model=models_answers.Alive))
async def alive() -> Response:
    """Asks nothing of anyone."""
    return routes.answer({"status": "ok"})


@router.get(
    "/readyz",
    summary="Whether it can work",
    **routes.public(model=models_answers.Ready, refusals=(errors.TooManyRequests,)),
)
async def ready(request: Request) -> Response:
    """503 when facts cannot be appended or a projection has stopped; lag alone is no reason, nor is a
    witness that is silent or a trust file that cannot be made, which are told."""
    served = service.of(request)
    served.within_rate(request, served.ready_limits)
    content = await served.read(_ready, served)
    return routes.answer(content, status=200 if content["status"] == "ready" else 503)


def _ready(served: service.Service) -> dict[str, Any]:
    try:
        served.moment()
        size = int(served.reader.checkpoint().split("\n")[1])
        standing = served.views.positions.status()
    except errors.Unavailable as error:
        # The reason is the caller's business: it is why nothing is sent here.
        return {
            "status": "unready",
            "appending": False,
            "size": None,
            "projections": [],
            "reason": error.type,
        }
    projections = [
        {"name": one.name, "through": one.through, "lag": one.lag, "is_ready": one.is_ready}
        for one in standing
    ]
    is_appending = served.appender.is_running
    is_ready = is_appending and all(one.is_ready for one in standing)
    return {
        "status": "ready" if is_ready else "unready",
        "appending": is_appending,
        "size": size,
        "projections": projections,
        "trust_file": dataclasses.asdict(served.publisher.standing),
        "attested": dataclasses.asdict(served.attesting.attested),
        "outsiders": [
            {
                "name": one.name,
                "kind": one.kind,
                "silent_s": one.silent_s,
                "is_silent": one.is_silent,
                "problem": one.problem,
            }
            for one in served.attesting.standing
        ],
    }
