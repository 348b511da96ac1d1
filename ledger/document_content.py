"""What stands on the page of a document: a version of a license in the words of its type, and its status now.

`Wording` is what the catalog says; `page` puts a version's opened values into the catalog's order, parties by
their roles, and says across the page what the license is no more. Of a copy only what its use disclosed is
shown. Opens nothing and decides nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ledger import attachment, party
from ledger.disclosure import Version
from signing import document_page, ids, spelling

UNSHOWN = "（未授权显示 not disclosed）"
HOLDING = {"holder": "持证人", "co-owner": "共有人", "spouse": "配偶"}
"""Roles whose names stand above the fields."""
ROLES = {
    "obligor": "义务人",
    "parent": "父母",
    "child": "子女",
    "guardian": "监护人",
    "legal-representative": "法定代表人",
    "specialist": "专业人员",
}
WATERMARKS = {
    "annulled": "已撤销 ANNULLED",
    "recalled": "已撤回 RECALLED",
    "revoked": "已吊销 REVOKED",
    "cancelled": "已注销 CANCELLED",
    "void": "已作废 VOID",
    "transferred-out": "已转出 TRANSFERRED OUT",
    "frozen": "已查封 FROZEN",
    "lost": "已挂失 REPORTED LOST",
    "suspended": "已暂扣 SUSPENDED",
    "restricted": "限制使用 RESTRICTED",
    "expired": "已过期 EXPIRED",
    "not-yet-effective": "尚未生效 NOT YET EFFECTIVE",
    "holder-ended": "持证主体已终止 HOLDER ENDED",
    "superseded": "已换发新版 SUPERSEDED",
    "piece-cancelled": "本副本已注销 COUNTERPART CANCELLED",
}
"""What a verification says of the license now, to what stands across the page."""


@dataclass(frozen=True, kw_only=True)
class Wording:
    """A type as its documents are worded."""

    name_zh: str
    name_en: str
    labels: Mapping[str, str]
    """Field to label, in the catalog's order."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What is shown of a version, and how."""

    version: Version
    wording: Wording
    names: Collection[str] | None
    """Fields that are disclosed; None: all."""
    issuer_name: str
    is_demonstration: bool
    piece: int
    qr: str
    result: str
    """What a verification says of the license now."""
    license_data: bytes
    receipt: bytes
    copy: document_page.Copy | None = None
    photo: bytes | None = None
    """Of the holder, where the page shows it."""


def page(shown: Shown) -> document_page.Page:
    """The page of a document."""
    version = shown.version
    return document_page.Page(
        type_zh=shown.wording.name_zh,
        type_en=shown.wording.name_en,
        issuer=shown.issuer_name,
        number=_value(shown, "@license_number") or UNSHOWN,
        identifier=_value(shown, "@license_id") or UNSHOWN,
        holders=tuple(name for name, _ in _holders(shown)) or (UNSHOWN,),
        fields=tuple((label, value) for _, label, value in rows(shown)),
        issued_on=_day(version.fact.issued_on),
        valid_from=_day(version.fact.valid_from),
        valid_to=None if version.fact.valid_to is None else _day(version.fact.valid_to),
        piece=shown.piece,
        qr=shown.qr,
        license_data=shown.license_data,
        receipt=shown.receipt,
        made_at=datetime.fromtimestamp(version.about.recorded_at // 1_000_000, UTC),
        status=WATERMARKS.get(shown.result),
        copy=shown.copy,
        is_demonstration=shown.is_demonstration,
        photo=shown.photo,
    )


def rows(shown: Shown) -> Iterator[tuple[str, str, str]]:
    """(field, label, value) of every row: fields in the catalog's order, then what it does not know, then
    the parties who do not hold the license, by role."""
    labels, held = shown.wording.labels, shown.version.salted
    for name in (*labels, *sorted(name for name in held if name not in labels and _is_plain(name))):
        value = _value(shown, name)
        if value:
            yield name, labels.get(name, name), value
    for position, (role, _) in enumerate(shown.version.fact.parties):
        value = _value(shown, f"@party_{position}_name") if position else ""
        if value and role not in HOLDING:
            yield f"@party_{position}_name", ROLES.get(role, role), value


def field_of(shown: Shown, place: str) -> str:
    """The license's field behind a label of the page, for who is told that it cannot be shown."""
    named = {label: name for name, label, _ in rows(shown)}
    known = {"number": "@license_number", "identifier": "@license_id", "holders": "@holder_name"}
    known["photo"] = attachment.PHOTO_FIELD
    return named.get(place) or known.get(place, place)


def license_data(version: Version, *, piece: int) -> bytes:
    """The license as data, with what proves every value of it: attached to the issuer's document."""
    made = version.fact
    return dumps(
        {
            "license": {
                "license_ref": ids.text(made.license_ref),
                "license_id": version.license_id,
                "type_code": made.type_code,
                "version": made.version,
                "piece": piece,
                "issuer": version.about.issuer,
                **version.valid_days(),
                "fields": version.fields(sorted(version.salted)),
            },
            "proof": {
                "license_event": spelling.to_base64(version.data),
                "field_siblings": version.siblings(version.salted),
            },
        }
    )


def digest(content: bytes, fingerprint: bytes, level: str) -> bytes:
    """What a document is known by: its content, whose seal, and how it is signed."""
    return hashlib.sha256(content + fingerprint + level.encode()).digest()


def dumps(content: Any) -> bytes:
    """Compact JSON, members in order, characters as themselves."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _holders(shown: Shown) -> Iterator[tuple[str, str]]:
    """(name, field) of the parties who hold the license."""
    for position, (role, _) in enumerate(shown.version.fact.parties):
        field = f"@party_{position}_name" if position else "@holder_name"
        name = _value(shown, field)
        if name and (role in HOLDING or not position):
            yield name, field


def _is_plain(name: str) -> bool:
    """Whether a field is one of the type's, and neither the ledger's own nor an attachment."""
    return not (name.startswith("@") or party.FIELD.fullmatch(name) or attachment.is_name(name))


def _value(shown: Shown, name: str) -> str:
    """A value in text; empty where there is none or it is not disclosed."""
    if shown.names is not None and name not in shown.names:
        return ""
    pair = shown.version.salted.get(name)
    return "" if pair is None else _text(pair[1])


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, list):
        return "\n".join(filter(None, map(_text, value)))
    if isinstance(value, dict):
        return "\n".join(f"{name}：{_text(one)}" for name, one in value.items())
    return str(value).replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")


def _day(day: int) -> date:
    return date(1970, 1, 1) + timedelta(days=day)
