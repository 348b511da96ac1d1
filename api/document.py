"""Documents 电子证照文件 over HTTP: the signed file of a license, for its issuer.

The page is made apart from the event loop (`press`), and the fact that it leaves is recorded before it does:
a seal that was revoked meanwhile signs nothing that anybody gets. Others get copies through a use (`copy`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from api import access, acts, routes, service
from api import attachment as attachments
from ledger import (
    attachment,
    catalog,
    command,
    disclosure,
    document,
    document_commands,
    document_content,
    document_press,
    errors,
    issuer_seal,
    issuer_seal_register,
    power,
    state,
    verification,
)
from ledger import place as places
from signing import certificate, document_page

router = routes.router()
MEDIA_TYPE = "application/pdf"
Level = Annotated[
    str | None,
    Query(
        description="`b-b`, `b-t` or `b-lta`; not said: `b-t` where a time-stamp authority is configured",
        json_schema_extra={"enum": list(document.LEVELS)},
    ),
]
PieceNumber = Annotated[
    str | None,
    Query(
        description="0, the original 正本, unless said; 1 … a counterpart 副本",
        json_schema_extra={"pattern": "^[0-9]{1,2}$"},
    ),
]
_REFUSALS = (
    errors.ScopeMissing,
    errors.ClientSuspended,
    errors.LicenseNotFound,
    errors.PieceNotFound,
    errors.HolderErasedConflict,
    errors.SealUnfit,
    errors.VersionMoved,
    errors.Invalid,
    errors.CharacterMissing,
    errors.QueueFull,
)


@dataclass(frozen=True, kw_only=True)
class Made:
    """A page that is ready to be made, and by whom it is signed."""

    row: state.LicenseRow
    shown: document_content.Shown
    work: document_press.Work
    signer: str
    digest: bytes

    @property
    def fingerprint(self) -> bytes:
        """Of the certificate that signs."""
        return issuer_seal.fingerprint(self.work.seal.certificate)

    @property
    def tag(self) -> str:
        """Weak: the same page is signed anew when nobody has kept it."""
        return f'W/"{self.digest.hex()[:32]}"'


@router.get(
    "/v1/licenses/{license_ref}/document",
    summary="The signed document 电子证照文件",
    **routes.secured(
        "license:issue",
        model=None,
        refusals=_REFUSALS,
        appends=False,
    ),
)
async def get_document(
    request: Request, license_ref: str, level: Level = None, piece: PieceNumber = None
) -> Response:
    """The present version as a PDF/A-3b file under its issuer's seal, for the issuer, its delegate or its
    successor. The license as data and its receipt are attached. What the license is no more stands across the
    page. That a document left is recorded, but not where `If-None-Match` says that it is there already.
    """
    served, asking = service.of(request), routes.asking(request)
    ref = acts.ref(license_ref, absent=errors.LicenseNotFound)
    asked = levels(served, level), _number(piece)
    ready, acting = await served.read(_original, served, asking, ref, *asked)
    if ready.tag in [text.strip() for text in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers={"ETag": ready.tag})
    made = await pressed(served, ready)
    given = document_commands.GiveDocument(
        actor=command.Actor(
            client_id=asking.client_id,
            organization=asking.organization,
            generation=asking.generation,
            access_key=asking.key_id,
            channel="batch",
            issuer=None if acting == asking.organization else acting,
        ),
        made=document.DocumentGiven(
            license_ref=ref,
            version=ready.row.version,
            license_index=ready.row.version_index,
            piece=ready.shown.piece,
            level=ready.work.level,
            signer=ready.signer,
            fingerprint=ready.fingerprint,
        ),
    )
    await served.do(given)
    name = f"{license_ref}-{ready.row.version}.pdf"
    return file(made, name=name, tag=ready.tag)


def levels(served: service.Service, asked: str | None) -> str:
    """The level of a document; raises Invalid for one that this service does not make."""
    has_authority = served.ledger.config.timestamp_url is not None
    if asked is None:
        return "b-t" if has_authority else "b-b"
    if asked not in document.LEVELS:
        raise errors.Invalid(f"one of {', '.join(document.LEVELS)}", field="query.level")
    if asked != "b-b" and not has_authority:
        raise errors.Invalid("no time-stamp authority is configured here", field="query.level")
    return asked


def _number(text: str | None) -> int:
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 3):
        raise errors.Invalid("a piece is a number from 0", field="query.piece")
    return int(text)


def _original(
    served: service.Service, asking: access.Access, ref: bytes, level: str, piece: int
) -> tuple[Made, str]:
    """What is to be made for an issuer's client, and the issuer it acts as; raises LicenseNotFound."""
    served.require_current(asking)
    row, at = served.reader.row(state.LicenseRow, ref), served.moment()
    if row is None or served.is_erased(row.stream_id):
        raise errors.LicenseNotFound
    acting = _acting(served, asking, row, at=at)
    version = served.disclosure.version(row.version_index)
    if version is None:
        raise errors.HolderErasedConflict
    place = _place(served, row, version, piece)
    assert version.receipt is not None, "a version is opened with its receipt"
    ready = prepared(
        served,
        row,
        version,
        signer=acting,
        at=at,
        level=level,
        place=place,
        license_data=document_content.license_data(version, piece=piece),
        receipt=version.receipt.encode(),
    )
    return ready, acting


def _acting(served: service.Service, asking: access.Access, row: state.LicenseRow, *, at: int) -> str:
    """The issuer as which a client gets the document; raises LicenseNotFound where it is none's."""
    known = state.State(served.reader.row)
    client = served.reader.row(state.ClientRow, asking.client_id)
    if client is None or row.type_code not in client.license_types:
        raise errors.LicenseNotFound
    acting = power.acting(
        known,
        organization=asking.organization,
        issuer=row.issuer,
        type_code=row.type_code,
        area_code=row.area_code,
        at=at,
    )
    if acting is None:
        raise errors.LicenseNotFound
    return acting


def _place(
    served: service.Service, row: state.LicenseRow, version: disclosure.Version, piece: int
) -> places.Piece:
    """Where a printed piece of the present version stands; raises PieceNotFound."""
    for number, key, _ in served.reader.pieces(row.license_ref, row.version):
        if number == piece:
            return places.Piece(number, key // state.STATUS_LIST_SIZE, key % state.STATUS_LIST_SIZE)
    raise errors.PieceNotFound


def original_place(version: disclosure.Version) -> places.Piece:
    """Where the original of a version stands."""
    return places.Piece(*version.fact.pieces[0])


def prepared(
    served: service.Service,
    row: state.LicenseRow,
    version: disclosure.Version,
    *,
    signer: str,
    at: int,
    level: str,
    place: places.Piece,
    license_data: bytes,
    receipt: bytes,
    names: tuple[str, ...] | None = None,
    copy: document_page.Copy | None = None,
    known_as: bytes | None = None,
) -> Made:
    """A page that is ready to be made; raises SealUnfit, CharacterMissing or Unavailable. Reads only.

    `known_as` tells a copy from others in place of its content, whose proof grows with the log.
    """
    vault = served.ledger.vault
    seal = issuer_seal_register.signing_seal(served.reader, vault, signer, at=at)
    qr = disclosure.qr_url(version, vault, host=served.ledger.config.qr_host, piece=place)
    if qr is None:
        raise errors.Unavailable("the host of QR codes is too long for one")
    said = certificate.describe(seal.certificate)
    shown = document_content.Shown(
        version=version,
        wording=_wording(served, version),
        names=names,
        issuer_name=said.name,
        is_demonstration=said.is_demonstration,
        piece=place.piece,
        qr=qr,
        result=_result(served, row, version, place, at=at),
        license_data=license_data,
        receipt=receipt,
        copy=copy,
        photo=_photo(served, version, names),
    )
    page = document_content.page(shown)
    work = _work(served, page, seal, level, at=at)
    content = _content_digest(shown, page)
    if known_as is not None:
        content = known_as + shown.result.encode()
    digest = document_content.digest(content, issuer_seal.fingerprint(seal.certificate), level)
    return Made(row=row, shown=shown, work=work, signer=signer, digest=digest)


def _photo(
    served: service.Service, version: disclosure.Version, names: tuple[str, ...] | None
) -> bytes | None:
    """The holder's photo, where the license has one as a picture and it is disclosed."""
    found = version.attachments.get(attachment.PHOTO_FIELD)
    if found is None or found.party or found.value["media_type"] not in attachment.PICTURES:
        return None
    if names is not None and attachment.PHOTO_FIELD not in names:
        return None
    return attachments.data_of(served, found)


def _content_digest(shown: document_content.Shown, page: document_page.Page) -> bytes:
    """What tells one page from another: all but the receipt, which any tree of the log gives as well."""
    try:
        return document_page.content_digest(replace(page, receipt=b"-"))
    except document_page.PageInvalid as error:
        raise _refusal(shown, _unmade(error)) from error


def _unmade(error: document_page.PageInvalid) -> document_press.Unmade:
    character = error.character if isinstance(error, document_page.CharacterMissing) else ""
    return document_press.Unmade(
        reason="character" if character else "page", place=error.field, character=character
    )


async def pressed(served: service.Service, ready: Made) -> bytes:
    """The document; raises CharacterMissing, Invalid, QueueFull or Unavailable."""
    made = await served.press.make(ready.work, digest=ready.digest)
    if isinstance(made, document_press.Unmade):
        raise _refusal(ready.shown, made)
    return made


def _refusal(shown: document_content.Shown, unmade: document_press.Unmade) -> errors.LedgerError:
    """What whoever asked is told of a document that was not made."""
    if unmade.reason == "character":
        field = f"fields.{document_content.field_of(shown, unmade.place)}"
        return errors.CharacterMissing(field=field, character=f"U+{ord(unmade.character):04X}")
    if unmade.reason == "page":
        field = f"fields.{document_content.field_of(shown, unmade.place)}"
        return errors.Invalid("the page of a document cannot hold this", field=field)
    if unmade.reason == "time-stamp":
        return errors.Unavailable("the time-stamp authority did not answer")
    return errors.Unavailable("what is known of revocations does not suffice for this level")


def file(made: bytes, *, name: str, tag: str | None = None) -> Response:
    """The file, kept by no cache on the way."""
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{name}"',
        **({} if tag is None else {"ETag": tag}),
    }
    return Response(made, headers=headers, media_type=MEDIA_TYPE)


def _wording(served: service.Service, version: disclosure.Version) -> document_content.Wording:
    """The type in the words of the day of issue."""
    code = version.fact.type_code
    _, found = served.views.types.entry(code)
    if found is None:
        # The catalog is a projection, which has not come so far yet.
        row = served.reader.row(state.TypeRow, code)
        assert row is not None, "a license is of a type"
        labels = {name: name for name in row.field_names}
        return document_content.Wording(name_zh=row.name_zh, name_en=row.name_en, labels=labels)
    defined = found.defined()
    name_zh, name_en = catalog.name_on(defined, version.fact.issued_on)
    return document_content.Wording(name_zh=name_zh, name_en=name_en, labels=dict(defined.fields))


def _result(
    served: service.Service,
    row: state.LicenseRow,
    version: disclosure.Version,
    place: places.Piece,
    *,
    at: int,
) -> str:
    """What a verification of the piece says now."""
    home = served.reader.row(state.StreamRow, row.stream_id)
    assert home is not None, "a license stands in a stream"
    printed = served.reader.row(state.PieceRow, place.key)
    rules = None if home.ended_at is None else served.reader.row(state.TypeRulesRow, row.type_code)
    said = verification.result(row, version=version.fact.version, at=at, place=printed)
    return verification.of_holder(said, home, rules)


def _work(
    served: service.Service, page: document_page.Page, seal: certificate.Seal, level: str, *, at: int
) -> document_press.Work:
    """The work for the press, with what its level needs."""
    work = document_press.Work(page=page, seal=seal, at=issuer_seal_register.moment(at), level=level)
    if level != "b-b":
        work = replace(work, timestamp_url=served.ledger.config.timestamp_url)
    if level != "b-lta":
        return work
    trust = issuer_seal_register.document_trust(served.ledger, at=at)
    return replace(
        work,
        roots=trust.roots,
        time_stamp_roots=trust.time_stamp_roots,
        revocation_lists=trust.revocation_lists,
        sources=served.ledger.config.revocation_sources,
    )
