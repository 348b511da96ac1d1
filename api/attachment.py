"""Attachments 附件 over HTTP: what a version brings, keeps and gives up, and the road on which bytes leave.

A request brings the data in base64; it is sealed and stored before the command is submitted, and goes again
when no fact came to name it. Bytes leave to whom an event told of them, and for a short time: the requester
of a use that named the attachment, who was shown a page of the holder's file, who recorded the version.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from starlette.requests import Request
from starlette.responses import Response

from api import access, acts, examples, models, routes, service
from ledger import (
    attachment,
    attachment_store,
    disclosure,
    errors,
    fact,
    license,
    license_commands,
    state,
    use,
)
from ledger import holder as holders
from signing import event, spelling

router = routes.router()
READ_FOR_US = 15 * 60 * 1_000_000
"""How long after an event its attachments may be read by whom it told of them."""
_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What the next version keeps of the present one's attachments."""

    attached: tuple[attachment.Attached, ...] = ()
    positions: Mapping[str, int] = field(default_factory=dict)
    """Field name to the position of the party whose it is, in the next version."""


NOTHING = Kept()


def given(said: Sequence[models.Attachment], *, parties: int = 0) -> list[attachment.Given]:
    """What a request brings; raises Invalid for what the ledger does not keep."""
    found = []
    for number, one in enumerate(said):
        if one.party is not None and one.party > parties:
            raise errors.Invalid("no such party", field=f"attachments[{number}].party")
        try:
            data = spelling.from_base64(one.data)
        except ValueError as error:
            detail, field = "the data is base64, padded", f"attachments[{number}].data"
            raise errors.Invalid(detail, field=field, fault="not-base64") from error
        found.append(
            attachment.Given(name=one.name, media_type=one.media_type, data=data, position=one.party or 0)
        )
    attachment.refuse_unfit(found)
    return found


def kept(
    version: disclosure.Version,
    brought: Iterable[attachment.Given],
    removed: Iterable[str],
    parties: Sequence[license_commands.Party],
) -> Kept:
    """What is kept of the present version: all that is not replaced, removed, or of a party who goes."""
    left = attachment.kept(version.attachments, brought, removed)
    before = _owners(version)
    now = {(one.code_type, one.code): position for position, one in enumerate(parties, start=1)}
    positions: dict[str, int | None] = dict.fromkeys(left, 0)
    for name in left.keys() & before.keys():
        said = (version.salted.get(f"@party_{before[name]}_{member}") for member in ("code_type", "code"))
        code_type, code = (str(pair[1]) if pair else "" for pair in said)
        positions[name] = now.get((code_type, code))
    return Kept(
        attached=_placed(left, positions),
        positions={name: position for name, position in positions.items() if position is not None},
    )


def _owners(version: disclosure.Version) -> dict[str, int]:
    """Attachments of further parties, by field name, to the position of the party."""
    sealed = {name: position for position, name in version.fact.party_fields}
    found = {name: sealed.get(name, one.party) for name, one in version.attachments.items()}
    return {name: position for name, position in found.items() if position}


def _placed(
    left: Mapping[str, attachment.Attached], positions: Mapping[str, int | None]
) -> tuple[attachment.Attached, ...]:
    """Those whose party stays, at its place in the next version."""
    placed = ((one, positions[name]) for name, one in left.items())
    return tuple(replace(one, party=position) for one, position in placed if position is not None)


def kept_with_parties(
    version: disclosure.Version,
    brought: Iterable[attachment.Given],
    removed: Iterable[str],
    remaining: Sequence[int],
) -> Kept:
    """As `kept`, for a version that takes its remaining parties over, and with them what is theirs."""
    left, owners = attachment.kept(version.attachments, brought, removed), _owners(version)
    places = {0: 0} | {before: now for now, before in enumerate(remaining, start=1)}
    return Kept(attached=_placed(left, {name: places.get(owners.get(name, 0)) for name in left}))


def in_place(
    version: disclosure.Version, brought: Iterable[attachment.Given], remaining: Sequence[int]
) -> list[attachment.Given]:
    """What is brought, where it replaces a remaining party's as that party's."""
    owners = _owners(version)
    places = {before: now for now, before in enumerate(remaining, start=1)}
    return [
        replace(one, position=places.get(owners.get(attachment.PREFIX + one.name, 0), 0)) for one in brought
    ]


def without(
    parties: Iterable[license_commands.Party], removed: Iterable[str]
) -> tuple[license_commands.Party, ...]:
    """The parties without attachments that are removed."""
    gone = {attachment.PREFIX + name for name in removed}
    return tuple(
        replace(one, field_names=tuple(name for name in one.field_names if name not in gone))
        for one in parties
    )


def owned(
    parties: Sequence[license_commands.Party],
    brought: Iterable[attachment.Given],
    remaining: Kept = NOTHING,
) -> tuple[license_commands.Party, ...]:
    """The parties with the attachments that are theirs."""
    positions = {**remaining.positions, **{attachment.PREFIX + one.name: one.position for one in brought}}
    return tuple(
        replace(
            one,
            field_names=(
                *one.field_names,
                *(name for name, position in positions.items() if position == number),
            ),
        )
        for number, one in enumerate(parties, start=1)
    )


@contextlib.asynccontextmanager
async def stored(
    served: service.Service, brought: Sequence[attachment.Given], remaining: Kept = NOTHING
) -> AsyncIterator[tuple[attachment.Attached, ...]]:
    """The attachments of a command, those brought sealed and stored while the block submits it."""
    if not brought:
        yield remaining.attached
        return
    attached = await served.read(_store, served, brought)
    try:
        yield (*remaining.attached, *attached)
    except errors.Unavailable:
        # Whether a fact names them is not known: what none names is collected later.
        raise
    except errors.LedgerError:
        await served.read(_drop, served, attached)
        raise
    # A repeat named those of the first request.
    await served.read(_drop, served, attached)


def _store(served: service.Service, brought: Sequence[attachment.Given]) -> tuple[attachment.Attached, ...]:
    sealed = [attachment.seal(one, vault=served.ledger.vault) for one in brought]
    attachment_store.store(served.reader, {one.digest: data for one, data in sealed})
    return tuple(one for one, _ in sealed)


def _drop(served: service.Service, attached: Iterable[attachment.Attached]) -> None:
    attachment_store.drop_unnamed(served.reader, [one.digest for one in attached])


@router.get(
    "/v1/attachments/{index}/{license_ref}/{name}",
    summary="Read an attachment 附件",
    **routes.secured(
        "license:use",
        "file:attest",
        "license:issue",
        model=None,
        refusals=(errors.NotFound, errors.RangeUnfit),
        appends=False,
        **examples.ATTACHMENT_PARAMETERS,
    ),
)
async def read_attachment(request: Request, index: str, license_ref: str, name: str) -> Response:
    """The bytes, whole or by range, for 15 minutes after the event at `index` told the client of them: its
    own use that named the attachment, a page of the holder's file, or the version that it recorded."""
    served, asking = service.of(request), routes.asking(request)
    ref = acts.ref(license_ref, absent=errors.NotFound)
    told = await served.read(_told, served, asking, index, ref, attachment.PREFIX + name)
    data = await served.read(data_of, served, told)
    return ranged(request, data, told)


def _told(
    served: service.Service, asking: access.Access, text: str, ref: bytes, field_name: str
) -> attachment.Attached:
    """The attachment of which an event told this client; raises NotFound for whatever else is asked."""
    served.require_current(asking)
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise errors.NotFound("no such attachment")
    index = int(text)
    try:
        (data,) = served.reader.events([index])
    except errors.EventNotFound as error:
        raise errors.NotFound("no such attachment") from error
    about = event.parse(data)
    is_own = (about.client, about.organization) == (asking.client_id, asking.organization)
    if not is_own or served.moment() >= about.recorded_at + READ_FOR_US:
        raise errors.NotFound("no such attachment")
    version = _version(served, index, about, ref, field_name)
    found = None if version is None else version.attachments.get(field_name)
    if found is None:
        raise errors.NotFound("no such attachment")
    # A version that was opened before may hold what an erased party's was.
    row = served.reader.row(state.BlobRow, found.digest)
    if row is None or served.is_erased(row.stream_id):
        raise errors.NotFound("no such attachment")
    return found


def _version(
    served: service.Service, index: int, about: event.Event, ref: bytes, field_name: str
) -> disclosure.Version | None:
    """The version of which the event told, as far as it opened the attachment."""
    made = fact.from_event(about)
    if isinstance(made, use.LicenseUsed):
        is_told = made.license_ref == ref and field_name in made.fields
        return served.disclosure.version(made.license_index) if is_told else None
    if isinstance(made, license.VersionFact):
        return served.disclosure.version(index) if made.license_ref == ref else None
    if isinstance(made, holders.HolderFileRead) and ref in made.license_refs:
        return _shown(served, index, ref)
    return None


def _shown(served: service.Service, index: int, ref: bytes) -> disclosure.Version | None:
    """The version of a license that a page of a holder's file showed."""
    served.views.wait_for(index, name="trail")
    _, happened = served.views.trail.changes(ref)
    versions = [
        one.index for one in happened if one.index < index and isinstance(one.fact, license.VersionFact)
    ]
    return served.disclosure.version(versions[-1]) if versions else None


def data_of(served: service.Service, one: attachment.Attached) -> bytes:
    """The bytes of an attachment; raises NotFound when they were collected."""
    sealed = attachment_store.fetch(served.reader, one.digest)
    return attachment.unseal(one, sealed, vault=served.ledger.vault)


def ranged(request: Request, data: bytes, one: attachment.Attached) -> Response:
    """The bytes asked for (RFC 9110 §14): one range, or all where no range or several are asked for."""
    tag = f'"{one.value["digest"]}"'
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{one.name}"',
        "ETag": tag,
    }
    media_type = one.value["media_type"]
    if tag in [text.strip() for text in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    is_same = request.headers.get("if-range", tag) == tag
    if asked is None or not is_same or not any(asked.groups()):
        return Response(data, headers=headers, media_type=media_type)
    first, last = _bounds(asked[1], asked[2], len(data))
    headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
    return Response(data[first : last + 1], 206, headers, media_type)


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """First and last place of a range, both included; raises RangeUnfit when it begins beyond the end."""
    if not first:
        begin, end = max(0, size - int(last)), size - 1
    else:
        begin, end = int(first), min(int(last), size - 1) if last else size - 1
    if begin > end:
        raise errors.RangeUnfit(field="header.Range", length=size)
    return begin, end
