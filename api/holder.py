"""The holder's file over HTTP 一人一档/一企一档: a page is recorded before it is opened.

Until holders log in, an operator attests for them; the event names the operator and the evidence.
"""

from __future__ import annotations

import secrets

from starlette.requests import Request
from starlette.responses import Response

from api import acts, answers, dispute, examples, models, models_holder, routes, service, use
from ledger import (
    authorization_commands,
    command,
    days,
    errors,
    holder_commands,
    identifiers,
    license,
    reminder,
    standing,
    state,
)
from ledger import holder as holders
from projections import holder as files
from projections import paging

router = routes.router()
_REFUSALS = (
    errors.InvalidHolderCode,
    errors.CaseNumberUnfit,
    errors.HolderErasedConflict,
    errors.RefusalQuota,
    errors.BehindIndex,
)


@router.post(
    "/v1/holders/search",
    summary="A page of a holder's file 一人一档",
    **routes.secured("file:attest", model=models_holder.HolderFile, refusals=_REFUSALS),
)
async def search(
    request: Request,
    body: examples.SearchBody,
    key: acts.IdempotencyKey = None,
    at_least: acts.AtLeast = None,
) -> Response:
    """What the holder of this code holds, fields opened; every page is a fact in the holder's stream, and
    one in the asking organization's when nobody here has the code: then the file is empty."""
    served, asking = service.of(request), routes.asking(request)
    actor, code = acts.actor(asking, body), acts.holder(body.holder)
    repeat = await acts.repeat(request, asking, operation="search", key=key)
    wanted = acts.at_least(at_least)

    def find() -> paging.Page[files.Held] | None:
        served.require_current(asking)
        served.views.wait_for(wanted, name="holder")
        found = served.reader.find("holder", code.code_type, code.code)
        if found is None:
            return None
        streams = served.streams(found.stream_id)
        return served.views.files.licenses(*streams, limit=body.limit, cursor=body.cursor)

    async with use.counted(served, asking) as recorded:
        asked = _command(actor, repeat, code, body.evidence, await served.read(find))
        recorded.extend(await served.record(asked))
    (item,) = recorded
    made = item.fact
    if not isinstance(made, holders.HolderFileRead):
        # Told as a file with nothing in it: whether the ledger knows the code is not told.
        nothing: answers.Json = {"licenses": [], "cursor": None}
        return routes.answer({"index": item.index, "receipt": item.receipt, "through": item.index, **nothing})
    return routes.answer(await served.read(_answer, served, item, made, body))


def _command(
    actor: command.Actor,
    repeat: command.Repeat,
    code: identifiers.HolderCode,
    evidence: str,
    page: paging.Page[files.Held] | None,
) -> holder_commands.ReadHolderFile:
    shown = () if page is None else page.rows
    return holder_commands.ReadHolderFile(
        actor=actor,
        repeat=repeat,
        holder=code,
        evidence=evidence,
        license_refs=tuple(held.license.license_ref for held in shown),
        salt=secrets.token_bytes(authorization_commands.EVIDENCE_SALT_BYTES),
        through=-1 if page is None else page.through,
    )


def _answer(
    served: service.Service,
    item: service.Recorded,
    made: holders.HolderFileRead,
    body: models.SearchHolder,
) -> answers.Json:
    """The page as it was recorded: a repeat shows what the first one showed, as it stood then."""
    stream_id = item.event.stream_id
    streams = served.streams(stream_id)
    page = served.views.files.licenses(*streams, limit=body.limit, cursor=body.cursor, until=made.through)
    if item.is_repeat:
        served.views.wait_for(item.index, name="trail")
        shown = [
            _license(served, *_then(served, ref, item, streams), item, streams) for ref in made.license_refs
        ]
    else:
        at = item.event.recorded_at
        roles = {held.license.license_ref: held.roles for held in page.rows}
        rows = [served.reader.row(state.LicenseRow, ref) for ref in made.license_refs]
        shown = [
            _license(served, row, roles.get(row.license_ref, ()), at, item, streams) for row in rows if row
        ]
    return {
        "index": item.index,
        "receipt": item.receipt,
        "through": made.through,
        "licenses": shown,
        "cursor": page.cursor,
    }


def _then(
    served: service.Service, ref: bytes, item: service.Recorded, streams: tuple[bytes, ...]
) -> tuple[state.LicenseRow, tuple[str, ...], int]:
    """A license as it stood when the page was recorded, and the roles in it of whose streams these are."""
    _, happened = served.views.trail.changes(ref)
    changes = [(one.index, one.about, one.fact) for one in happened if one.index < item.index]
    row = standing.standing(changes, find=served.reader.row)
    assert row is not None, "what a page shows had been issued"
    made = {index: change for index, _, change in changes}[row.version_index]
    assert isinstance(made, license.VersionFact), "the event of a version"
    roles = tuple(role for role, stream_id in made.parties if stream_id in streams)
    return row, roles, item.event.recorded_at


def _license(
    served: service.Service,
    row: state.LicenseRow,
    roles: tuple[str, ...],
    at: int,
    item: service.Recorded,
    streams: tuple[bytes, ...],
) -> answers.Json:
    """A license with the fields that still open; null where none does, since their parties were erased."""
    now = served.reader.row(state.LicenseRow, row.license_ref)
    assert now is not None, "what a projection shows is in decision state"
    version = None if now.is_orphaned else served.disclosure.version(row.version_index)
    if version is None:
        opened = served.disclosure.own_fields(row.version_index, item.event.stream_id)
    else:
        # A version that was opened before may hold what an erased party's was.
        told = now.field_names if now.version_index == row.version_index else row.field_names
        opened = {name: version.salted[name][1] for name in told if name in version.salted}
    rules = served.reader.row(state.TypeRulesRow, row.type_code)
    disputes = dispute.of_license(
        served,
        row.license_ref,
        streams,
        before=item.index,
        is_erased=served.is_erased(row.stream_id),
    )
    return {
        **answers.license_now(served, row, at=at),
        "roles": list(roles),
        "license_id": None if version is None else version.license_id,
        "fields": opened or None,
        "reminders": [
            {"kind": one.kind, "day": days.text(one.day), "days_left": one.days_left}
            for one in reminder.reminders(row, rules, at=at)
        ],
        "disputes": disputes,
    }
