"""Exports of the trail over HTTP 审计导出: one signed file that says which query it answers.

What is found is listed first, and the manifest over it recorded as an event; then the file is sent, event by
event, from the stored bytes. Only the part `request` is opened, as on a page of the trail. At no time are
more than some hundred events in memory.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api import acts, audit, examples_audit, models_audit, routes, service
from ledger import audit_commands, audit_export, command, errors
from projections import trail_pages
from signing import event, merkle, receipt, seal, tiles

router = routes.router()
MEDIA_TYPE = "application/x-ndjson"
PAGE_EVENTS, CHUNK_EVENTS = 500, 100
PAGES_MAX = 256
"""Searches of one export; a query that finds next to nothing ends there, and is gone on with."""


@router.post(
    "/v1/audit/exports",
    summary="An export of the trail 审计导出",
    **routes.secured(
        "audit:read",
        model=None,
        refusals=(errors.InvalidHolderCode, errors.CaseNumberUnfit, errors.Conflict, errors.BehindIndex),
    ),
)
async def export_trail(
    request: Request,
    body: examples_audit.ExportBody,
    key: acts.IdempotencyKey = None,
    at_least: acts.AtLeast = None,
) -> Response:
    """All that a query of the trail, or of a list of findings, finds over a range of indexes, the oldest
    first: each event with its proof, behind a manifest that is itself recorded. One file has up to 10,000
    events; where it ends sooner than the query, `is_all` is false and the next is asked for with
    `since_index`. `license-ledger verify` judges it offline."""
    served, asking = service.of(request), routes.asking(request)
    actor = acts.actor(asking, body)
    repeat = await acts.repeat(request, asking, operation="export", key=key)
    wanted = acts.at_least(at_least)
    if served.exports.locked():
        raise errors.QueueFull("other exports are being made")
    async with served.exports:

        def find() -> Found:
            served.require_current(asking)
            served.views.wait_for(wanted or 0, name="trail")
            return found(served, body)

        listed = await served.read(find)
        asked = recording(actor, body, listed, repeat=repeat)
        (item,) = await served.record(asked)
        if item.is_repeat:
            listed = await served.read(found_again, served, body, item)
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="trail-{item.index}.export"',
    }
    return StreamingResponse(told(served, listed, item), headers=headers, media_type=MEDIA_TYPE)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What an export has."""

    manifest: audit_export.Manifest
    subject: str
    indexes: tuple[int, ...]


@dataclass(frozen=True)
class _Opened:
    """One event, with what opens of it."""

    index: int
    data: bytes
    request_key: bytes | None
    request: Any | None


def found(
    served: service.Service, body: models_audit.ExportTrail, *, before: audit_export.Manifest | None = None
) -> Found:
    """What the query finds now; or within the bounds and the tree of a manifest of `before`."""
    through, until, checkpoint = (
        _bounds(served, body) if before is None else (before.through, before.until_index, before.checkpoint)
    )
    asked = replace(audit.query(served, body.filter, body.finding, until=until), is_newest_first=False)
    indexes, reached = _listed(served, asked, limit=body.limit)
    digests = audit_export.Digests(served.reader.suite)
    for one in _opened(served, indexes):
        leaf = merkle.leaf_hash(one.data, digest=served.reader.suite.digest)
        digests.add(one.index, leaf, one.request_key)
    manifest = audit_export.Manifest(
        ledger_id=served.ledger.vault.ring.ledger_id,
        origin=checkpoint.partition("\n")[0],
        partition=served.reader.partition,
        query=_said(body),
        resolved={
            name: tuple(one for one in asked.subjects[name] if isinstance(one, bytes))
            for name in ("holder", "operator")
            if name in asked.subjects
        },
        since_index=body.filter.since_index,
        until_index=until if reached is None else reached,
        is_all=(reached is None) if before is None else before.is_all,
        through=through,
        checkpoint=checkpoint,
        events=len(indexes),
        list_digest=digests.listed,
        keys_digest=digests.keys,
    )
    return Found(manifest=manifest, subject=audit.subject(asked), indexes=indexes)


def recording(
    actor: command.Actor,
    body: models_audit.ExportTrail,
    listed: Found,
    *,
    repeat: command.Repeat | None = None,
) -> audit_commands.ReadTrail:
    """The command that records an export."""
    return audit_commands.ReadTrail(
        actor=actor,
        repeat=repeat,
        subject=listed.subject,
        about=json.dumps(_said(body), ensure_ascii=False),
        events=listed.manifest.events,
        through=listed.manifest.through,
        manifest=listed.manifest.text,
    )


def found_again(served: service.Service, body: models_audit.ExportTrail, item: service.Recorded) -> Found:
    """What an export of before had; raises Conflict when the query finds something else by now."""
    said = served.disclosure.part(item.event, "manifest")
    if said is not None:
        before = audit_export.Manifest.parse(said[1])
        listed = found(served, body, before=before)
        if listed.manifest.text == before.text:
            return listed
    raise errors.Conflict("the query finds something else since the export was made: ask for a new one")


def told(served: service.Service, listed: Found, item: service.Recorded) -> Iterator[bytes]:
    """The file, some lines at a time."""
    reader, said = served.reader, served.disclosure.part(item.event, "manifest")
    assert said is not None, "it was sealed a moment ago, or opened"
    trees = [
        audit_export.tree_size(text)
        for text in (listed.manifest.checkpoint, receipt.parse(item.receipt).checkpoint)
    ]
    key, request = _request(served, item.event)
    head = audit_export.Head(
        salt=said[0],
        manifest=listed.manifest,
        event=item.data,
        request_key=key,
        request=request,
        receipt=item.receipt,
        consistency=tuple(reader.consistency_proof(trees[0], trees[1])),
    )
    yield head.write()
    size = trees[0]
    node = functools.partial(reader.node, size=size)
    frontier, digest = tiles.frontier(size, node), reader.suite.digest
    for start in range(0, len(listed.indexes), CHUNK_EVENTS):
        lines = [
            audit_export.Line(
                index=one.index,
                event=one.data,
                proof=tuple(
                    merkle.inclusion_proof(one.index, size, frontier=frontier, node=node, digest=digest)
                ),
                request_key=one.request_key,
                request=one.request,
            ).write()
            for one in _opened(served, listed.indexes[start : start + CHUNK_EVENTS])
        ]
        yield b"".join(lines)


def _bounds(served: service.Service, body: models_audit.ExportTrail) -> tuple[int, int, str]:
    """The index that the trail has come to, the last that is asked about, and the tree for it.

    The tree is the newest that witnesses cosigned where it has that index, else the newest of all.
    """
    through = served.views.through("trail")
    newest = served.reader.checkpoint()
    through = min(through, audit_export.tree_size(newest) - 1)
    assert through >= 0, "the trail has the first event"
    until = audit.graced(served, body.finding, through, grace_days=body.grace_days)
    if body.filter.until_index is not None:
        until = min(until, body.filter.until_index)
    recorded_until = acts.instant(body.filter.recorded_until)
    if recorded_until is not None:
        until = max(0, min(until, served.views.trail.first_recorded_from(recorded_until) - 1))
    cosigned = served.reader.cosigned()
    is_cosigned = cosigned is not None and audit_export.tree_size(cosigned) > until
    return through, until, cosigned if cosigned is not None and is_cosigned else newest


def _listed(
    served: service.Service, asked: trail_pages.Query, *, limit: int
) -> tuple[tuple[int, ...], int | None]:
    """Indexes that a query finds, the oldest first, and the last that was looked at; None: all there are."""
    indexes: list[int] = []
    for _ in range(PAGES_MAX):
        page = served.views.trail.page(asked, limit=min(PAGE_EVENTS, limit - len(indexes)))
        indexes += [row.index for row in page.rows]
        if page.rest is None or page.rest.since > page.rest.until:
            return tuple(indexes), None
        asked = replace(asked, since_index=page.rest.since)
        if len(indexes) == limit:
            break
    return tuple(indexes), asked.since_index - 1


def _opened(served: service.Service, indexes: Sequence[int]) -> Iterator[_Opened]:
    """The events at some indexes, with what their clients wrote as far as it opens."""
    for start in range(0, len(indexes), CHUNK_EVENTS):
        some = indexes[start : start + CHUNK_EVENTS]
        stored = served.reader.events(some)
        abouts = [event.parse(data) for data in stored]
        parts = [about.sealed["request"] for about in abouts if "request" in about.sealed]
        served.reader.prepare_keys({seal.owner(part) for part in parts})
        for index, data, about in zip(some, stored, abouts, strict=True):
            yield _Opened(index, data, *_request(served, about))


def _request(served: service.Service, about: event.Event) -> tuple[bytes | None, Any | None]:
    """The key of an event's part `request`, and what it opens to; nothing where it opens no more."""
    part = about.sealed.get("request")
    if part is None:
        return None, None
    data_key = served.reader.data_key(*seal.owner(part))
    if data_key is None:
        return None, None
    place = about.place("request")
    key = seal.part_key(data_key, place)
    return key, seal.unseal_alone(part, part_key=key, place=place)


def _said(body: models_audit.ExportTrail) -> dict[str, Any]:
    """The query as it was asked."""
    said: dict[str, Any] = body.filter.model_dump(exclude_defaults=True)
    if body.finding is not None:
        said |= {"finding": body.finding, "grace_days": body.grace_days}
    return said
