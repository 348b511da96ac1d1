"""Disclosure: sealed parts of stored events opened for those who may read them.

Gives `Disclosure.version`, the event behind a version of a license with its values, salts and digests,
and `Disclosure.part` for any other sealed part. Whoever calls has appended the fact that allows it:
a use, a file read, a trail read. What cannot be opened any more, because its holder was erased, is
None, never an error. Rests on `Reader` for bytes and wraps, on `Vault` for keys.
"""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ledger import attachment, days, errors, license, license_id, place, reading
from ledger import fact as facts
from ledger.state import LicenseRow, StreamRow
from ledger.vault import Vault
from signing import event, fields, keyring, keys, seal, spelling, token

VERSIONS_MAX = 8_192


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version of a license as its event says it, opened."""

    index: int
    about: event.Event
    data: bytes
    """The stored bytes."""
    fact: license.VersionFact
    salted: Mapping[str, tuple[bytes, Any]]
    """Field name to (salt, value)."""
    digests: Mapping[str, bytes]
    attachments: Mapping[str, attachment.Attached] = field(default_factory=dict)
    """Field name to what opens its sealed bytes."""
    receipt: str | None = None
    """A receipt of the event, where it was asked for."""
    told: dict[tuple[str, ...], Any] = field(default_factory=dict, compare=False, repr=False)
    """What was put together for uses of some fields, by the fields; whoever puts it in bounds it."""

    @property
    def license_id(self) -> str:
        """The GB/T 36904 identifier."""
        return str(self.salted["@license_id"][1])

    @functools.cached_property
    def text(self) -> str:
        """The stored bytes in base64."""
        return spelling.to_base64(self.data)

    def fields(self, names: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Values and salts of some fields, as a proof bundle has them."""
        return {
            name: {"value": self.salted[name][1], "salt": spelling.to_base64(self.salted[name][0])}
            for name in names
        }

    def siblings(self, names: Iterable[str]) -> list[str]:
        """Digests of the fields that are not in `names`, in byte order, in base64."""
        hidden = self.digests.keys() - set(names)
        return [spelling.to_base64(item) for item in sorted(self.digests[name] for name in hidden)]

    def valid_days(self) -> dict[str, str | None]:
        """The first and last valid day and the day of issue."""
        to = self.fact.valid_to
        return {
            "valid_from": days.text(self.fact.valid_from),
            "valid_to": None if to is None else days.text(to),
            "issued_on": days.text(self.fact.issued_on),
        }


class Disclosure:
    """Opens sealed parts; keeps the versions opened last until the vault reads its keys again."""

    def __init__(self, reader: reading.Reader, vault: Vault, *, versions_max: int = VERSIONS_MAX) -> None:
        self._reader = reader
        self._vault = vault
        self._versions_max = versions_max
        self._versions: OrderedDict[int, Version] = OrderedDict()
        self._keks: keyring.KekSet = vault.keks
        self._guard = threading.Lock()

    def known(self, index: int) -> Version | None:
        """The version when it was opened before; never waits."""
        with self._guard:
            if self._keks is not self._vault.keks:
                # A bucket may have been renewed because somebody was erased.
                self._versions.clear()
                self._keks = self._vault.keks
            found = self._versions.get(index)
            if found is not None:
                self._versions.move_to_end(index)
            return found

    def version(self, index: int) -> Version | None:
        """The version that the event at `index` holds, with a receipt; None when it opens no more."""
        return self.versions([index])[index]

    def versions(self, indexes: Iterable[int]) -> dict[int, Version | None]:
        """As `version`, for many: what has to be read for them is read at once."""
        found = {index: self.known(index) for index in indexes}
        missing = [index for index, version in found.items() if version is None]
        if not missing:
            return found
        stored = dict(zip(missing, self._reader.events(missing), strict=True))
        abouts = {index: event.parse(data) for index, data in stored.items()}
        parts = (part for about in abouts.values() for part in about.sealed.values())
        self._reader.prepare_keys({seal.owner(part) for part in parts})
        opened = {index: self.open_version(index, stored[index], about) for index, about in abouts.items()}
        live = [index for index, version in opened.items() if version is not None]
        receipts = dict(zip(live, self._reader.receipts(live), strict=True)) if live else {}
        for index, version in opened.items():
            found[index] = None if version is None else self._keep(version, receipts[index])
        return found

    def _keep(self, opened: Version, receipt: str) -> Version:
        version = replace(opened, receipt=receipt)
        with self._guard:
            self._versions[version.index] = version
            if len(self._versions) > self._versions_max:
                self._versions.popitem(last=False)
        return version

    def opened(self, index: int, data: bytes | None = None) -> Version | None:
        """As `version`, without a receipt, and not remembered; `data` where it is at hand."""
        if data is None:
            (data,) = self._reader.events([index])
        return self.open_version(index, data, event.parse(data))

    def open_version(self, index: int, data: bytes, about: event.Event) -> Version | None:
        """As `version`, for an event that is at hand."""
        made = facts.from_event(about)
        if not isinstance(made, license.VersionFact):
            raise errors.HistoryBroken("not the event of a license's version")
        content = self.part(about, "fields")
        if content is None:
            return None
        # What is sealed under a further party's key stands in the first party's part as its digest alone.
        said = {name: item for name, item in content.items() if len(item) > 1}
        known = {name: item[0] for name, item in content.items() if len(item) == 1}
        for position in sorted({position for position, _ in made.party_fields}):
            said |= self.part(about, f"fields/{position}") or {}
        salted = {name: (item[0], item[1]) for name, item in said.items()}
        digests = {**known, **fields.digests(salted, suite=self._vault.suite)}
        return Version(
            index=index,
            about=about,
            data=data,
            fact=made,
            salted=salted,
            digests=digests,
            attachments=attachment.opened(said),
        )

    def own_fields(self, index: int, stream_id: bytes) -> dict[str, Any]:
        """What a version says of one further party, where the first party was erased: name to value."""
        (data,) = self._reader.events([index])
        about = event.parse(data)
        made = facts.from_event(about)
        assert isinstance(made, license.VersionFact), "a version"
        found: dict[str, Any] = {}
        for position, (_, one) in enumerate(made.parties):
            own = self.part(about, f"fields/{position}") if one == stream_id and position else None
            found |= {name: item[1] for name, item in (own or {}).items()}
        return found

    def part(self, about: event.Event, name: str) -> Any | None:
        """The content of one sealed part; None when the event has none or it opens no more."""
        part = about.sealed.get(name)
        if part is None:
            return None
        owner, number = seal.owner(part)
        key = self._reader.data_key(owner, number)
        return None if key is None else seal.unseal(part, key=key, place=about.place(name))

    def names(self, stream_id: bytes) -> frozenset[str]:
        """The names that a holder has and had, as far as its changes of name say and still open."""
        row = self._reader.row(StreamRow, stream_id)
        indexes = [] if row is None else [int(text) for text in row.name_changes]
        abouts = [event.parse(data) for data in self._reader.events(indexes)]
        return frozenset(name for about in abouts for name in self.part(about, "names") or ())

    def forget_erased(self, stream_id: bytes) -> bool:
        """Whether the stream's holder was erased; then nothing of it stays in memory."""
        row = self._reader.row(StreamRow, stream_id)
        if row is None or not row.is_erased:
            return False
        self._vault.forget(stream_id)
        with self._guard:
            for index in [n for n, item in self._versions.items() if item.about.stream_id == stream_id]:
                del self._versions[index]
        return True


def qr_url(version: Version, vault: Vault, *, host: str, piece: place.Piece | None = None) -> str | None:
    """The URL in the QR code of a printed piece of `version`; None when the host is too long for it."""
    content = qr_content(version, vault, piece=piece)
    try:
        return token.url(token.sign(content, key=vault.token_key, suite=vault.suite), host=host)
    except token.TokenInvalid:
        return None


def qr_content(version: Version, vault: Vault, *, piece: place.Piece | None = None) -> token.Token:
    """What the QR code of a printed piece of `version` says.

    The piece is the original unless `piece` is another. The paper's salt comes from the sealed salt of
    the printed number, so that the same piece gets the same token whenever it is asked for.
    """
    shown = place.Piece(*version.fact.pieces[0]) if piece is None else piece
    number_salt, number = version.salted["@license_number"]
    _, name = version.salted["@holder_name"]
    salt = vault.suite.mac(number_salt, b"paper")[: token.PAPER_SALT_BYTES]
    return token.Token(
        license_ref=version.fact.license_ref,
        version=version.fact.version,
        piece=shown.piece,
        valid_from=version.fact.valid_from,
        valid_to=version.fact.valid_to,
        issued_on=version.fact.issued_on,
        status_list=shown.status_list,
        status_index=shown.status_index,
        paper_digest=token.paper_digest(salt=salt, number=number, names=[name], suite=vault.suite),
        paper_salt=salt,
    )


def token_keys(vault: Vault) -> dict[bytes, bytes]:
    """The ledger's own token keys, retired ones too: key id to public key."""
    held = (item for item in vault.ring.signing if item.purpose == token.PURPOSE)
    return {item.key_id: keys.SigningKey(item.seed).public for item in held}


def serial(row: LicenseRow, version: Version) -> str | None:
    """The serial in a version's identifier, which a license keeps; None: no version can follow under it."""
    read = license_id.classify(version.license_id).license_id
    return None if read is None or license.serial_number(row) == 0 else read.serial
