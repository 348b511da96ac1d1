"""Copies 加注件 over HTTP: a use that asks for one, the page behind its link, and the one download.

A copy is asked for as a use is, and answered as one, with a link beside each license that was granted.
Whoever has the link has the copy: it is random, in no log, and dead after ten minutes or a minute after the
download.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import acts, answers, copy_page, document, examples, models_copy, routes, service, use
from ledger import (
    catalog,
    command,
    copy,
    copy_commands,
    days,
    disclosure,
    document_content,
    errors,
    fact,
    issuer_seal,
    issuer_seal_register,
    number_commands,
    opening,
    state,
    state_document,
)
from signing import document_page, event, ids

router = routes.router()
link_router = APIRouter()
"""Of what a link opens for whoever has it."""
_REFUSALS = (
    errors.InvalidHolderCode,
    errors.CaseNumberUnfit,
    errors.LicenseTypeUnknown,
    errors.RefusalQuota,
    errors.SealUnfit,
    errors.CharacterMissing,
)
_OVER = (errors.NotFound, errors.CopyOver, errors.TooManyRequests, errors.Unavailable)
_LINK_CHARACTERS = 52
_LOOKS_MAX = 3
"""How often it is looked who signs what a request would be granted, before it is told to come again."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A copy whose link opens, and the use that asked for it."""

    row: state_document.CopyRow
    about: event.Event
    data: bytes
    made: copy.LicenseCopied


@router.post(
    "/v1/copies",
    summary="Use a license and get a copy 加注件",
    **routes.secured("license:use", model=models_copy.Copied, refusals=_REFUSALS),
)
async def use_copy(request: Request, body: examples.UseBody, key: acts.IdempotencyKey = None) -> Response:
    """As a use, and recorded as one; for each license that is granted a link to a document with reason,
    requester and date across the page. The link opens for 600 s and gives the file once. Where one could not
    be made, since the issuer has no seal or the font lacks a character, nothing is recorded."""
    served, asking = service.of(request), routes.asking(request)
    repeat = await acts.repeat(request, asking, operation="copy", key=key)
    used = use.command(asking, body, repeat, found=await use.filed(served, body.number, body.license_type))
    is_by_number = isinstance(used, number_commands.UseByNumber)
    kind = copy_commands.CopyByNumber if is_by_number else copy_commands.CopyLicense
    async with use.counted(served, asking) as seen:
        recorded = await _recorded(served, kind(**vars(used)))
        seen.extend(recorded)
    told = await answers.used(served, recorded)
    links = [await served.read(_told, served, item) for item in recorded]
    return routes.answer({**told, "copies": [one for one in links if one is not None]})


async def _recorded(served: service.Service, asked: copy_commands.CopyLicense) -> list[service.Recorded]:
    """The facts of a request, recorded once it is known that each of its copies can be made.

    Which licenses it is granted is decided under the lock, and who signs them is looked up outside of it.
    """
    for looks_left in reversed(range(_LOOKS_MAX)):
        try:
            return await served.record(asked)
        except copy_commands.SignersUnread as unread:
            if not looks_left:
                raise
            found = [await served.read(_signer, served, asked.actor, one) for one in unread.wanted]
            asked = replace(asked, signers=(*asked.signers, *found))
    raise AssertionError("the last look raises")


def _signer(
    served: service.Service, actor: command.Actor, wanted: copy_commands.Wanted
) -> copy_commands.Signer:
    """Whose seal can sign a copy now; raises SealUnfit, or CharacterMissing where the page cannot be made."""
    row, version = _shown(served, wanted.license_ref, wanted.license_index)
    at = served.moment()
    ready = _page(
        served,
        row,
        version,
        at=at,
        license_data=b"{}",
        receipt=b"-",
        names=wanted.fields,
        copy=document_page.Copy(
            reason=_reason(actor.service_item_name, actor.reason),
            requester=_requester(served, actor.client_id, actor.organization),
            made_at=issuer_seal_register.moment(at),
            expires_at=issuer_seal_register.moment(at + copy.LASTS_US),
        ),
    )
    return copy_commands.Signer(wanted.license_ref, ready.signer, ready.fingerprint)


def _told(served: service.Service, item: service.Recorded) -> answers.Json | None:
    """Where the copy of one use waits; null once its requester's words open no more."""
    made = item.fact
    link = served.disclosure.part(item.event, "copy-link")
    if not isinstance(made, copy.LicenseCopied) or link is None:
        return None
    return {
        "index": item.index,
        "license_ref": ids.text(made.license_ref),
        "url": f"{served.ledger.config.public_url}/C/{link}",
        "expires_at": days.instant_text(made.expires_at),
    }


@link_router.get(
    "/C/{link}",
    summary="The page behind a copy's link",
    **routes.public(model=None, refusals=_OVER),
)
async def show_copy(request: Request, link: str) -> Response:
    """What waits behind the link and until when, with a button that downloads it; nothing of the holder."""
    served = service.of(request)
    try:
        served.within_rate(request, served.copy_limits)
        return copy_page.waiting(await served.read(_waiting, served, link))
    except errors.LedgerError as error:
        return _refused(request, error)


@link_router.post(
    "/C/{link}",
    summary="Download a copy",
    **routes.public(model=None, refusals=(*_OVER, errors.SealUnfit, errors.CharacterMissing)),
)
async def download_copy(request: Request, link: str) -> Response:
    """The file, once; what broke off is given again for 60 s."""
    served = service.of(request)
    try:
        served.within_rate(request, served.copy_limits)
        return await _downloaded(served, link)
    except errors.LedgerError as error:
        return _refused(request, error)


async def _downloaded(served: service.Service, link: str) -> Response:
    found = await served.read(_found, served, link)
    bundle = await served.read(_proven, served, found)
    used = document_content.dumps(await answers.used(served, [bundle]))
    ready = await served.read(_ready, served, found, used, bundle.receipt)
    made = await document.pressed(served, ready)
    asked = copy_commands.DownloadCopy(
        actor=command.Actor(client_id=None, organization=served.ledger.vault.ring.operator, channel="web"),
        link_digest=found.row.link_digest,
        license_ref=found.row.license_ref,
        signer=ready.signer,
        fingerprint=ready.fingerprint,
    )
    await served.do(asked)
    return document.file(made, name="copy.pdf")


def _refused(request: Request, error: errors.LedgerError) -> Response:
    """The refusal as a page for who has a browser, as a problem document for any other."""
    if error.status >= errors.LedgerError.status and not isinstance(error, errors.Unavailable):
        raise error
    if "text/html" not in request.headers.get("accept", ""):
        raise error
    return copy_page.refused(error)


def _found(served: service.Service, link: str) -> Found:
    """The copy behind a link; raises NotFound, alike for whatever is none, or CopyOver."""
    if len(link) != _LINK_CHARACTERS or not link.isascii():
        raise errors.NotFound("no such copy")
    digest = copy.link_digest(link, suite=served.ledger.vault.suite)
    row = copy.require_open(served.reader.row(state_document.CopyRow, digest), at=served.moment())
    (data,) = served.reader.events([row.use_index])
    about = event.parse(data)
    made = fact.from_event(about)
    assert isinstance(made, copy.LicenseCopied), "a copy comes from a use"
    if served.disclosure.forget_erased(about.stream_id):
        raise errors.NotFound("no such copy")
    return Found(row=row, about=about, data=data, made=made)


def _waiting(served: service.Service, link: str) -> copy_page.Waiting:
    found = _found(served, link)
    row = served.reader.row(state.LicenseRow, found.made.license_ref)
    assert row is not None, "a license that was used is there"
    name_zh, name_en = _names(served, row.type_code)
    return copy_page.Waiting(
        type_zh=name_zh,
        type_en=name_en,
        requester=_requester(served, found.about.client, found.about.organization),
        expires_at=issuer_seal_register.moment(_until(found.row)),
        is_demonstration=opening.is_demonstration(served.ledger.vault.ring.origin),
    )


def _until(row: state_document.CopyRow) -> int:
    """Until when the link opens."""
    return row.expires_at if row.downloaded_at is None else row.downloaded_at + copy.REPEAT_US


def _names(served: service.Service, type_code: str) -> tuple[str, str]:
    _, found = served.views.types.entry(type_code)
    if found is not None:
        return catalog.name_on(found.defined(), days.of_instant(served.clock()))
    row = served.reader.row(state.TypeRow, type_code)
    assert row is not None, "a license is of a type"
    return row.name_zh, row.name_en


def _requester(served: service.Service, client_id: bytes | None, organization: str) -> str:
    """Who asked, as far as it is public: the client system's name and the organization's code."""
    client = None if client_id is None else served.reader.row(state.ClientRow, client_id)
    return organization if client is None else f"{client.name}（{organization}）"


def _reason(service_item_name: str | None, reason: str | None) -> str:
    """What the copy is for, in the requester's words."""
    return "：".join(text for text in (service_item_name, reason) if text) or "用证"


def _proven(served: service.Service, found: Found) -> service.Recorded:
    """The use, with a receipt of now."""
    index = found.row.use_index
    return service.Recorded(
        index=index,
        event=found.about,
        data=found.data,
        fact=found.made,
        receipt=served.reader.receipt(index),
        is_repeat=True,
    )


def _ready(served: service.Service, found: Found, used: bytes, receipt: str) -> document.Made:
    """The page of a copy: what its use disclosed, and what the license is now."""
    row, version = _shown(served, found.made.license_ref, found.made.license_index)
    said = served.disclosure.part(found.about, "request") or {}
    return _page(
        served,
        row,
        version,
        at=served.moment(),
        license_data=used,
        receipt=receipt.encode(),
        names=found.made.fields,
        copy=document_page.Copy(
            reason=_reason(said.get("service_item_name"), said.get("reason")),
            requester=_requester(served, found.about.client, found.about.organization),
            made_at=issuer_seal_register.moment(found.about.recorded_at),
            expires_at=issuer_seal_register.moment(found.made.expires_at),
        ),
        known_as=found.row.link_digest,
    )


def _shown(
    served: service.Service, license_ref: bytes, license_index: int
) -> tuple[state.LicenseRow, disclosure.Version]:
    """A license and the version of it that a copy shows; raises NotFound where it is erased."""
    row = served.reader.row(state.LicenseRow, license_ref)
    version = served.disclosure.version(license_index)
    if row is None or version is None:
        raise errors.NotFound("no such copy")
    return row, version


def _page(
    served: service.Service,
    row: state.LicenseRow,
    version: disclosure.Version,
    *,
    at: int,
    license_data: bytes,
    receipt: bytes,
    names: tuple[str, ...],
    copy: document_page.Copy,
    known_as: bytes | None = None,
) -> document.Made:
    """The page of a copy, ready to be made under the seal of who answers for the license at `at`."""
    return document.prepared(
        served,
        row,
        version,
        signer=issuer_seal.responsible(row, served.reader.row, at=at),
        at=at,
        level=document.levels(served, None),
        place=document.original_place(version),
        license_data=license_data,
        receipt=receipt,
        names=names,
        copy=copy,
        known_as=known_as,
    )
