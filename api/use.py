"""Uses over HTTP: the sharing path, one use or up to a thousand in one request.

A use is decided and recorded under the ledger's lock; a refusal is an answer, not an error. The event
loop awaits the appender and opens a license from memory when it was opened before.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pydantic
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import access, acts, answers, bulk, examples, lane, models, models_answers, problems, routes, service
from ledger import command as ledger_command
from ledger import errors, number, number_commands, state, use_commands
from signing import ids

router = APIRouter(route_class=lane.DirectRoute)
batch_router = APIRouter(route_class=lane.DirectBatchRoute)
_NONE_FILED = number.Filed()
_REFUSALS = (
    errors.InvalidHolderCode,
    errors.CaseNumberUnfit,
    errors.LicenseTypeUnknown,
    errors.RefusalQuota,
)


@router.post(
    "/v1/uses",
    summary="Use a license 用证",
    **routes.secured("license:use", model=models_answers.Used, refusals=_REFUSALS),
)
async def use(request: Request, body: examples.UseBody, key: acts.IdempotencyKey = None) -> Response:
    """Reads a license under an authorization; granted or refused, the answer is recorded and proven."""
    said, served = await request.json(), service.of(request)
    served.bulk.others_ask()
    return routes.answer(await decided(served, routes.asking(request), body, key=key, said=said))


@batch_router.post(
    "/v1/uses/batch",
    summary="Use up to 1,000 licenses",
    **routes.secured("license:use", model=models_answers.BatchAnswer),
)
async def use_batch(request: Request, body: examples.BatchBody) -> Response:
    """Each item has its own key and its own answer or problem; one that fails costs no other."""
    served, asking = service.of(request), routes.asking(request)
    told: list[answers.Json] = [{}] * len(body.items)
    left = iter(enumerate(body.items))

    async def enter() -> None:
        for place, item in left:
            async with served.bulk:
                told[place] = await _item(served, asking, item)

    await asyncio.gather(*(enter() for _ in range(min(len(told), bulk.ALONE))))
    indexes = [item["answer"]["index"] for item in told if "answer" in item]
    return routes.answer({"index": max(indexes, default=None), "items": told})


async def decided(
    served: service.Service, asking: access.Access, asked: models.Use, *, key: str | None, said: Any
) -> answers.Json:
    """The answer to one use; raises what keeps it from being decided."""
    repeat = acts.repeat_of(served, asking, operation="use", key=key, body=said)
    made = command(asking, asked, repeat, found=await filed(served, asked.number, asked.license_type))
    recorded: list[service.Recorded] = []
    await served.refusals.admit(asking, now_s=served.now_s)
    try:
        recorded = await served.record(made)
    finally:
        _settle(served, asking, recorded)
    return await answers.used(served, recorded)


_REFUSED = ("UseRefused", "HolderFileRefused")


@contextlib.asynccontextmanager
async def counted(served: service.Service, asking: access.Access) -> AsyncIterator[list[service.Recorded]]:
    """A list for the facts of one request, which counts against the client's quota when it was refused."""
    recorded: list[service.Recorded] = []
    await served.refusals.admit(asking, now_s=served.now_s)
    try:
        yield recorded
    finally:
        _settle(served, asking, recorded)


def _settle(served: service.Service, asking: access.Access, recorded: Sequence[service.Recorded]) -> None:
    was_refused = any(not item.is_repeat and item.event.topic in _REFUSED for item in recorded)
    served.refusals.settle(asking, now_s=served.now_s(), was_refused=was_refused)


def command(
    asking: access.Access,
    asked: models.Use,
    repeat: ledger_command.Repeat,
    *,
    found: number.Filed = _NONE_FILED,
) -> use_commands.UseLicense:
    """The command; raises Invalid unless exactly one way to name a license is taken.

    `found` is what is filed under the number, where the license is named by one.
    """
    ways = (asked.use_code, asked.license_ref, asked.holder, asked.number)
    if sum(way is not None for way in ways) != 1:
        raise errors.Invalid(
            "name one of use_code, license_ref, or license_type with holder or number", field="body"
        )
    if (asked.holder is None and asked.number is None) != (asked.license_type is None):
        raise errors.Invalid(
            "a holder or a number comes with a license_type, and nothing else", field="license_type"
        )
    members: dict[str, Any] = {
        "actor": acts.using(asking, asked),
        "repeat": repeat,
        "type_code": asked.license_type,
        "expected": acts.expected(asked.expected),
        "field_names": None if asked.fields is None else tuple(sorted(set(asked.fields))),
    }
    if asked.number is not None:
        return number_commands.UseByNumber(number=asked.number, found=found, **members)
    return use_commands.UseLicense(
        use_code=asked.use_code,
        license_ref=None if asked.license_ref is None else ids.parse(asked.license_ref),
        holder=None if asked.holder is None else acts.holder(asked.holder),
        **members,
    )


async def filed(served: service.Service, printed: str | None, type_code: str | None) -> number.Filed:
    """What is filed under a printed number of a type and of those that stand for it."""
    if printed is None or type_code is None:
        return _NONE_FILED
    return await served.read(_filed, served, printed, type_code)


def _filed(served: service.Service, printed: str, type_code: str) -> number.Filed:
    row = served.reader.row(state.TypeRow, type_code)
    return served.reader.filed(printed, (type_code, *(() if row is None else row.local_types)))


async def _item(served: service.Service, asking: access.Access, said: Any) -> answers.Json:
    """One item's status, with its answer or its problem."""
    try:
        asked = _ITEM.validate_python(said)
        body = {name: value for name, value in said.items() if name != "idempotency_key"}
        answer = await decided(served, asking, asked, key=asked.idempotency_key, said=body)
    except pydantic.ValidationError as error:
        return _problem(problems.invalid(error.errors()))
    except errors.LedgerError as error:
        if error.status == errors.LedgerError.status:
            raise
        return _problem(error)
    return {"status": 200, "answer": answer}


def _problem(error: errors.LedgerError) -> answers.Json:
    return {"status": error.status, "problem": problems.document(error)}


_ITEM = pydantic.TypeAdapter(models.BatchItem)
