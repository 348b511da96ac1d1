"""What a code says and what is true of its license now, for the page and for programs.

`judged` looks at the code alone: what no key of this ledger signed learns nothing of what is there. `seen`
reads decision state of one moment and says what a recorded verification would say. Both raise NotFound with
a `reason`, or Unavailable where nothing fresh can be read; neither records anything.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from typing import Any, Literal

from api import answers, service, verification
from ledger import attachment, catalog, days, disclosure, errors, identifiers, license, masking, pen, place
from ledger import state as states
from ledger import verification as verifications
from signing import certificate, token

NOT_A_TOKEN, KEY_UNKNOWN = "not-a-token", "key-unknown"
SIGNATURE_INVALID, LICENSE_UNKNOWN = "signature-invalid", "license-unknown"
KEY_COMPROMISED = "key-compromised"
KeyStatus = Literal["active", "retired", "compromised"]
REASONS = {
    NOT_A_TOKEN: "The text is no code of a license",
    KEY_UNKNOWN: "The code was signed with a key that is not of this ledger",
    SIGNATURE_INVALID: "The code names a key of this ledger, and the signature is not that key's",
    LICENSE_UNKNOWN: "The code was signed here, and this ledger has no such license now",
    KEY_COMPROMISED: "The code was signed with a compromised key, and this ledger has another of the piece",
}
"""Why there is nothing to be said of a code; only the last two look at what is there."""
_SHOWN_LENGTH_MAX = 500


@dataclass(frozen=True, kw_only=True)
class Field:
    """A public field as it is shown."""

    name: str
    label: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A genuine code and what is true of its license at one moment."""

    said: token.Token
    row: states.LicenseRow
    at: int
    result: str
    issuer_name: str | None
    """As the certificate of the issuer's seal has it; None: the issuer has none here."""
    type_zh: str
    type_en: str
    key_status: KeyStatus
    """Of a compromised key: the code was compared with the ledger's own record, and is the same."""
    replaced_on: str | None
    holder: str | None
    """Masked, unless the catalog publishes it; None: the paper is of another version."""
    fields: tuple[Field, ...]
    """What the catalog publishes, of a license that is valid."""

    @property
    def verdict(self) -> str:
        """The result in one glance."""
        return verifications.VERDICTS[self.result]

    @property
    def since(self) -> str | None:
        """The Beijing day from which the recorded status holds, where it is the result."""
        return days.text(days.of_instant(self.row.status_since)) if self.result == self.row.status else None


def judged(served: service.Service, text: str) -> token.Token:
    """What a code says that a key of this ledger signed; raises NotFound, or Unavailable."""
    vault = served.ledger.vault
    try:
        key_id = token.key_id(text, suite=vault.suite)
    except token.TokenInvalid as error:
        raise _unknown(NOT_A_TOKEN) from error
    trusted = disclosure.token_keys(vault)
    if key_id not in trusted:
        trusted = _keys_of_now(served)
    if key_id not in trusted:
        raise _unknown(KEY_UNKNOWN)
    try:
        return token.parse(text, trusted=trusted, suite=vault.suite)
    except token.TokenInvalid as error:
        raise _unknown(SIGNATURE_INVALID) from error


def seen(served: service.Service, said: token.Token, *, key_id: bytes) -> Seen:
    """What is true now of the license that a genuine code names; raises NotFound or Unavailable."""
    # A database that was restored or rolled back has an old truth: nothing is said from it.
    served.reader.checkpoint()
    with served.reader.at_once() as then:
        served.ledger.vault.require_version(then.ring_version)
        at = _moment(then.at, head=then.head_at(), own=served.clock())
        row = then.row(states.LicenseRow, said.license_ref)
        piece = then.row(states.PieceRow, piece_of(said).key)
        known = verifications.piece_is_known(
            piece, license_ref=said.license_ref, version=said.version, piece=said.piece
        )
        home = None if row is None else then.row(states.StreamRow, row.stream_id)
        if row is None or home is None or home.is_erased or not known:
            raise _unknown(LICENSE_UNKNOWN)
        rules = then.row(states.TypeRulesRow, row.type_code)
        type_row = then.row(states.TypeRow, row.type_code)
        key = then.row(states.KeyRow, key_id)
    key_status = _key_status(key)
    assert type_row is not None, "a license is of a type"
    result = verifications.result(row, version=said.version, at=at, place=piece)
    result = verifications.of_holder(result, home, rules)
    names = _names(served, type_row, day=said.issued_on)
    version = served.disclosure.version(row.version_index)
    is_current = said.version == row.version
    if key_status != "active" and is_current:
        _require_recorded(said, version, served)
    holder, fields = _shown(version, type_row, labels=names[1])
    is_valid = verifications.VERDICTS[result] in ("valid", "endorsement-overdue")
    return Seen(
        said=said,
        row=row,
        at=at,
        result=result,
        issuer_name=_issuer_name(served, row.issuer),
        type_zh=names[0][0],
        type_en=names[0][1],
        key_status=key_status,
        replaced_on=verification.replaced_on(served, result, said.license_ref, said.version),
        holder=holder if is_current else None,
        fields=fields if is_current and is_valid else (),
    )


def told(seen: Seen) -> answers.Json:
    """What programs are told."""
    return {
        **answers.looked_at(seen.said, result=seen.result, row=seen.row, at=seen.at),
        "replaced_on": seen.replaced_on,
        "issuer_name": seen.issuer_name,
        "type_name_zh": seen.type_zh,
        "type_name_en": seen.type_en,
        "status_since": seen.since,
        "holder_masked": seen.holder,
        "public_fields": {one.name: one.text for one in seen.fields},
        "key_status": seen.key_status,
    }


def piece_of(said: token.Token) -> place.Piece:
    """The place of the piece that a code stands on."""
    return place.Piece(said.piece, said.status_list, said.status_index)


def _unknown(reason: str) -> errors.NotFound:
    return errors.NotFound(REASONS[reason], reason=reason)


def _keys_of_now(served: service.Service) -> dict[bytes, bytes]:
    """The token keys after a look whether another process introduced one."""
    if served.look_limits.may_ask_for_keys(now_s=time.monotonic()):
        served.moment()
    return disclosure.token_keys(served.ledger.vault)


def _moment(clock: int, *, head: int, own: int) -> int:
    """The database's clock, never behind the head; raises ClockUnfit as the append path does."""
    if head - clock > pen.CLOCK_BACK_US or abs(own - clock) > pen.CLOCK_OFF_US:
        raise errors.ClockUnfit("a clock is off")
    return max(clock, head)


def _names(
    served: service.Service, row: states.TypeRow, *, day: int
) -> tuple[tuple[str, str], dict[str, str]]:
    """The type's names on a day and the labels of its fields; of a catalog that is behind, plain names."""
    try:
        _, entry = served.views.types.entry(row.type_code)
    except errors.Unavailable:
        entry = None
    if entry is None:
        return (row.name_zh, row.name_en), {}
    defined = entry.defined()
    return catalog.name_on(defined, day), dict(defined.fields)


def _issuer_name(served: service.Service, organization: str) -> str | None:
    """What the issuer is called by the authority that certified its newest seal."""
    for row in served.reader.seals(organization):
        if row.revoked_at is None:
            return _certified(row.certificate)
    return None


@functools.lru_cache(maxsize=1_024)
def _certified(data: bytes) -> str:
    return certificate.describe(data).name


def _key_status(key: states.KeyRow | None) -> KeyStatus:
    if key is not None and key.compromised_since is not None:
        return "compromised"
    return "retired" if key is not None and key.retired_index is not None else "active"


def _require_recorded(said: token.Token, version: disclosure.Version | None, served: service.Service) -> None:
    """Nothing when the ledger itself has it that the piece's code says this; raises NotFound.

    Whoever has a key that signs no more can sign anything, but not make the ledger have recorded it.
    """
    vault = served.ledger.vault
    if version is None or disclosure.qr_content(version, vault, piece=piece_of(said)) != said:
        raise _unknown(KEY_COMPROMISED)


def _shown(
    version: disclosure.Version | None, type_row: states.TypeRow, *, labels: dict[str, str]
) -> tuple[str | None, tuple[Field, ...]]:
    """The holder's name as strangers see it, and the public fields of the version that stands."""
    if version is None:
        return None, ()
    values = {name: value for name, (_, value) in version.salted.items()}
    names = [name for name in type_row.public_fields if name in values and _may_be_public(name)]
    shown = [Field(name=name, label=labels.get(name, name), text=_text(values[name])) for name in names]
    fields = tuple(one for one in shown if one.text)
    return _holder(values, {one.text for one in fields}), fields


def _may_be_public(name: str) -> bool:
    return name not in license.RESERVED_FIELDS and not attachment.is_name(name)


def _holder(values: dict[str, Any], published: set[str]) -> str | None:
    name = values.get("@holder_name")
    if not isinstance(name, str) or not name:
        return None
    kind = identifiers.HOLDER_CODE_TYPES.get(str(values.get("@holder_code_type")))
    if kind is None or kind.is_natural_person:
        return masking.person(name)
    return name if name in published else masking.body(name)


def _text(value: Any) -> str:
    """A field's value as one text, of bounded length."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, list | tuple):
        text = "、".join(filter(None, map(_text, value)))
    elif isinstance(value, dict):
        text = "；".join(f"{name}：{_text(item)}" for name, item in value.items())
    else:
        text = str(value)
    return text if len(text) <= _SHOWN_LENGTH_MAX else text[:_SHOWN_LENGTH_MAX] + "…"
