"""Attachments 附件 of licenses: photos, drawings and scans, which stand beside the events that name them.

An attachment is a field of its license, `@attachment_` and its name, whose value says media type, length and
digests; so it is sealed, disclosed, proven and erased as every field is. The bytes are sealed under a key of
their own, which stands with the value, and lie in a table of their own under the digest of what is sealed.
A fact names these digests in clear. Does no I/O (`attachment_store.py` does).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ledger import errors
from ledger.state import BlobRow, State
from ledger.vault import Vault
from signing import attachment, picture

PREFIX = "@attachment_"
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
FIELD = re.compile(PREFIX + NAME.pattern)
BYTES_MAX = 2 * 1_048_576
"""Of one attachment."""
BYTES_TOGETHER_MAX = 4 * 1_048_576
"""Of all that one request brings."""
PER_LICENSE_MAX = 10
PHOTO = "photo"
"""The holder's photo 照片, where it is a picture: it stands on the page of documents."""
PHOTO_FIELD = PREFIX + PHOTO
PHOTO_BYTES_MAX = 524_288
PHOTO_SIDE_MAX = 4_096
"""Pixels."""
PICTURES = ("image/jpeg", "image/png")
KEY_PLACE, PARTY_PLACE = 2, 3
"""Of an attachment's sealed field [salt, value, key]; the party follows where it is a further one."""
MEDIA_TYPES: dict[str, tuple[bytes, ...]] = {
    "application/ofd": (b"PK\x03\x04",),
    "application/pdf": (b"%PDF-",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/tiff": (b"II*\0", b"MM\0*"),
}
"""Media type to what its bytes begin with; OFD is the layout format of GB/T 33190, in a ZIP container."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """An attachment as a request brings it."""

    name: str
    media_type: str
    data: bytes
    position: int = 0
    """0: the holder's; else that of the party whose it is."""


@dataclass(frozen=True, kw_only=True)
class Attached:
    """An attachment as a command carries it: sealed already, or kept from the version before."""

    name: str
    value: Mapping[str, str]
    """What the field says: media type, length, digest of the data and of the sealed bytes."""
    key: bytes
    """Opens the sealed bytes."""
    party: int = 0
    """Position of the party whose it is, under whosever key it is sealed; 0: the holder's."""

    @property
    def sealed_items(self) -> list[Any]:
        """What stands with the field's salt and value."""
        return [self.key, self.party] if self.party else [self.key]

    @property
    def field_name(self) -> str:
        """The license's field."""
        return PREFIX + self.name

    @property
    def digest(self) -> bytes:
        """The name of the sealed bytes."""
        return bytes.fromhex(self.value["sealed_digest"])


def is_name(field_name: str) -> bool:
    """Whether a field is an attachment."""
    return field_name.startswith(PREFIX)


def refuse_unfit(given: Sequence[Given]) -> None:
    """Nothing when every attachment is one that the ledger keeps; raises Invalid with `fault`."""
    if len(given) > PER_LICENSE_MAX:
        raise errors.Invalid(f"at most {PER_LICENSE_MAX} attachments", field="attachments", fault="too-many")
    for number, one in enumerate(given):
        fault = _fault(one, {other.name for other in given[:number]})
        if fault is not None:
            member, name, detail = fault
            raise errors.Invalid(detail, field=f"attachments[{number}].{member}", fault=name)
    if sum(len(one.data) for one in given) > BYTES_TOGETHER_MAX:
        detail = f"the attachments of one request have at most {BYTES_TOGETHER_MAX} bytes"
        raise errors.Invalid(detail, field="attachments", fault="too-large")


def _fault(one: Given, before: set[str]) -> tuple[str, str, str] | None:
    """Member, fault and detail of what is wrong with one attachment."""
    if not NAME.fullmatch(one.name):
        return "name", "not-a-name", "an attachment's name is snake_case of up to 32 characters"
    if one.name in before:
        return "name", "duplicate-name", "an attachment's name stands once"
    if one.media_type not in MEDIA_TYPES:
        return "media_type", "media-type-unknown", f"a media type is one of {', '.join(MEDIA_TYPES)}"
    if not one.data:
        return "data", "empty", "an attachment is not empty"
    if len(one.data) > BYTES_MAX:
        return "data", "too-large", f"an attachment has at most {BYTES_MAX} bytes"
    if not one.data.startswith(MEDIA_TYPES[one.media_type]):
        return "data", "media-type-differs", "the data does not begin as its media type does"
    return _picture_fault(one) if one.media_type in PICTURES else None


def _picture_fault(one: Given) -> tuple[str, str, str] | None:
    """What is wrong with a picture by its own word: whoever opens it later would pay for it."""
    is_photo = one.name == PHOTO and one.position == 0
    if is_photo and len(one.data) > PHOTO_BYTES_MAX:
        return "data", "photo-too-large", f"the holder's photo has at most {PHOTO_BYTES_MAX} bytes"
    try:
        said = picture.require_fit(one.data, side_max=PHOTO_SIDE_MAX if is_photo else picture.SIDE_MAX)
    except picture.PictureInvalid as error:
        return "data", "picture-unfit", str(error)
    if is_photo and said.channels not in (None, 1, 3):
        return "data", "picture-unfit", "a photo is gray or in colors, not in inks of a press"
    return None


def seal(one: Given, *, vault: Vault) -> tuple[Attached, bytes]:
    """The attachment for a command, and its sealed bytes."""
    suite, key = vault.suite, secrets.token_bytes(attachment.KEY_BYTES)
    nonce = secrets.token_bytes(suite.nonce_bytes)
    sealed = attachment.seal(one.data, key=key, nonce=nonce, ledger_id=vault.ring.ledger_id, suite=suite)
    value = {
        "digest": suite.digest(one.data).hex(),
        "length": str(len(one.data)),
        "media_type": one.media_type,
        "sealed_digest": attachment.name(sealed, suite=suite).hex(),
    }
    return Attached(name=one.name, value=value, key=key, party=one.position), sealed


def unseal(kept: Attached, sealed: bytes, *, vault: Vault) -> bytes:
    """The data of an attachment; raises HistoryBroken when the sealed bytes are not its own."""
    try:
        return attachment.unseal(
            sealed, key=kept.key, named=kept.digest, ledger_id=vault.ring.ledger_id, suite=vault.suite
        )
    except attachment.AttachmentInvalid as error:
        raise errors.HistoryBroken("an attachment does not open") from error


def opened(said: Mapping[str, Sequence[Any]]) -> dict[str, Attached]:
    """The attachments among the opened fields of a version, by field: those that have a key."""
    return {
        name: Attached(
            name=name.removeprefix(PREFIX),
            value=item[1],
            key=item[KEY_PLACE],
            party=item[PARTY_PLACE] if len(item) > PARTY_PLACE else 0,
        )
        for name, item in said.items()
        if len(item) > KEY_PLACE
    }


def kept(
    present: Mapping[str, Attached], given: Iterable[Given], removed: Iterable[str]
) -> dict[str, Attached]:
    """What the next version keeps of the present one's attachments, by field; raises Invalid.

    Whether those to be removed are there is asked under the lock (`require_removable`): a request that comes
    again removed them before.
    """
    gone = {PREFIX + name for name in removed}
    replaced = {PREFIX + one.name for one in given}
    if gone & replaced:
        raise errors.Invalid("an attachment is replaced or removed", field="removed_attachments")
    return {name: one for name, one in present.items() if name not in gone | replaced}


def require_removable(removed: Iterable[str], field_names: Collection[str]) -> None:
    """Nothing when a license has every attachment that its next version is to lack; raises Invalid."""
    if any(PREFIX + name not in field_names for name in removed):
        raise errors.Invalid("the license has no such attachment", field="removed_attachments")


def blobs(attached: Iterable[Attached], owned: Mapping[str, int]) -> tuple[tuple[int, bytes], ...]:
    """(position of the party whose key seals it, digest) of each, as a fact names them."""
    return tuple(sorted((owned.get(one.field_name, 0), one.digest) for one in attached))


class Version(Protocol):
    """What a version of a license says of its attachments."""

    @property
    def license_ref(self) -> bytes: ...
    @property
    def field_names(self) -> tuple[str, ...]: ...
    @property
    def party_fields(self) -> tuple[tuple[int, str], ...]: ...
    @property
    def blobs(self) -> tuple[tuple[int, bytes], ...]: ...


def check(version: Version, state: State) -> None:
    """Nothing when a version names sealed bytes for each attachment, all its own; raises what it lacks."""
    positions = {name: position for position, name in version.party_fields}
    wanted = sorted(positions.get(name, 0) for name in version.field_names if is_name(name))
    named = version.blobs
    if [position for position, _ in named] != wanted or list(named) != sorted(set(named)):
        raise errors.Invalid("not the sealed bytes of its attachments", field="attachments")
    _check_digests([digest for _, digest in named])
    for _, digest in named:
        row = state.get(BlobRow, digest)
        if row is not None and row.license_ref != version.license_ref:
            raise errors.Conflict("the sealed bytes are another's")


def check_drafted(named: Sequence[bytes], state: State) -> None:
    """As `check`, for a draft."""
    _check_digests(named)
    if list(named) != sorted(named) or any(state.get(BlobRow, digest) is not None for digest in named):
        raise errors.Invalid("not the sealed bytes of its attachments", field="attachments")


def _check_digests(named: Sequence[bytes]) -> None:
    if len(named) > PER_LICENSE_MAX or len(set(named)) != len(named):
        raise errors.Invalid(f"at most {PER_LICENSE_MAX} different attachments", field="attachments")


def put(
    named: Iterable[tuple[int, bytes]],
    parties: Sequence[tuple[str, bytes]],
    *,
    license_ref: bytes,
    state: State,
) -> None:
    """The sealed bytes are the license's from here on, each under its party's key."""
    for position, digest in named:
        stream_id = parties[position][1]
        state.put(BlobRow(digest=digest, license_ref=license_ref, draft_ref=None, stream_id=stream_id))


def put_drafted(named: Iterable[bytes], *, draft_ref: bytes, stream_id: bytes, state: State) -> None:
    """The sealed bytes are the draft's."""
    for digest in named:
        state.put(BlobRow(digest=digest, license_ref=None, draft_ref=draft_ref, stream_id=stream_id))


def rows(named: Iterable[bytes]) -> Iterator[tuple[type[BlobRow], bytes]]:
    """Keys of the rows of some sealed bytes."""
    return ((BlobRow, digest) for digest in named)
