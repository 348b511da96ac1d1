"""The holder's file over HTTP 一人一档/一企一档: a page is recorded before it is opened.

Until holders log in, an operator attests for them; the event names the operator and the evidence.
"""

from __future__ import annotations

import secrets

from starlette.requests import Request
from starlette.responses import Response

from api import acts, answers, examples, models_answers, routes, service
from ledger import (
    authorization_commands,
    command,
    errors,
    fact,
    identifiers,
    state,
    use_commands,
)
from ledger import holder as holders
from projections import holder as files
from projections import paging

router = routes.router()
_REFUSALS = (
    errors.NotFound,
    errors.InvalidHolderCode,
    errors.CaseNumberUnfit,
    errors.HolderErasedConflict,
    errors.BehindIndex,
)


@router.post(
    "/v1/holders/search",
    summary="A page of a holder's file 一人一档",
    **routes.secured("file:attest", model=models_answers.HolderFile, refusals=_REFUSALS),
)
async def search(
    request: Request,
    body: examples.SearchBody,
    key: acts.IdempotencyKey = None,
    at_least: acts.AtLeast = None,
) -> Response:
    """What the holder of this code holds, fields opened; every page is a fact in the holder's stream."""
    served, asking = service.of(request), routes.asking(request)
    actor, code = acts.actor(asking, body), acts.holder(body.holder)
    repeat = await acts.repeat(request, asking, operation="search", key=key)
    wanted = acts.at_least(at_least)

    def find() -> paging.Page[files.Held]:
        served.require_current(asking)
        served.views.wait_for(wanted, name="holder")
        stream_id = _stream(served, code)
        return served.views.files.licenses(stream_id, limit=body.limit, cursor=body.cursor)

    page = await served.read(find)
    asked = _command(actor, repeat, code, body.evidence, page)
    (item,) = await served.record(asked)
    return routes.answer(await served.read(_answer, served, item, page, body.limit))


def _command(
    actor: command.Actor,
    repeat: command.Repeat,
    code: identifiers.HolderCode,
    evidence: str,
    page: paging.Page[files.Held],
) -> use_commands.ReadHolderFile:
    return use_commands.ReadHolderFile(
        actor=actor,
        repeat=repeat,
        holder=code,
        evidence=evidence,
        license_refs=tuple(held.license.license_ref for held in page.rows),
        salt=secrets.token_bytes(authorization_commands.EVIDENCE_SALT_BYTES),
    )


def _stream(served: service.Service, code: identifiers.HolderCode) -> bytes:
    """The holder's stream; raises NotFound."""
    found = served.reader.find("holder", code.code_type, code.code)
    if found is None:
        raise errors.NotFound("no file under this code")
    return found.stream_id


def _answer(
    served: service.Service, item: service.Recorded, page: paging.Page[files.Held], limit: int
) -> answers.Json:
    """The page as it was recorded: of a repeat, what the first one showed and no more."""
    made = fact.from_event(item.event)
    assert isinstance(made, holders.HolderFileRead), "a file read"
    at = served.moment()
    shown = [held for held in page.rows if held.license.license_ref in made.license_refs]
    is_same = len(shown) == len(page.rows) and len(made.license_refs) == limit
    return {
        "index": item.index,
        "receipt": item.receipt,
        "through": page.through,
        "licenses": [_license(served, held, item.event.stream_id, at) for held in shown],
        "cursor": page.cursor if is_same else None,
    }


def _license(served: service.Service, held: files.Held, stream_id: bytes, at: int) -> answers.Json:
    """A license with the fields that still open; null where none does, since their parties were erased."""
    row = served.reader.row(state.LicenseRow, held.license.license_ref)
    assert row is not None, "what a projection shows is in decision state"
    version = None if row.is_orphaned else served.disclosure.version(row.version_index)
    if version is None:
        opened = served.disclosure.own_fields(row.version_index, stream_id)
    else:
        # A version that was opened before may hold what an erased party's was.
        opened = {name: version.salted[name][1] for name in row.field_names if name in version.salted}
    return {
        **answers.license_now(served, row, at=at),
        "roles": list(held.roles),
        "license_id": None if version is None else version.license_id,
        "fields": opened or None,
    }
