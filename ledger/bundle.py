"""Judging a proof bundle: a use answer kept as a file, against a trust file and nothing else.

`judge` proves every member of the bundle or raises BundleInvalid naming the first that does not hold;
`judge_license` does the same with the data that is attached to an issuer's signed document.
It opens no database, no network and no home; keys come from the trust file alone
(`docs/formats/proof-bundle.md`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from ledger import advice, days, errors, fact, license, mapping, power, refusal, use
from signing import event, fields, ids, receipt, spelling, trust

BUNDLE_BYTES_MAX = 16 * 1024 * 1024
_USE = {"index", "decision", "code", "reason", "license", "proof"}
_LICENSE = {
    "license_ref",
    "license_id",
    "type_code",
    "version",
    "status",
    "valid_from",
    "valid_to",
    "issuer",
    "fields",
}
_NAMED = {"license_ref", "type_code", "choices"}
_PROOF_GRANTED = {"event", "receipt", "license_event", "license_receipt", "field_siblings"}
_PROOF_REFUSED = {"event", "receipt"}
_DOCUMENT = {
    "license_ref",
    "license_id",
    "type_code",
    "version",
    "piece",
    "issuer",
    "valid_from",
    "valid_to",
    "issued_on",
    "fields",
}


class BundleInvalid(ValueError):
    """A bundle of which something is not proven."""


@dataclass(frozen=True, kw_only=True)
class Issued:
    """Who issued a license's version, and by what it is told who took over from it."""

    issuer: str
    type_code: str
    area: str
    """The division that it lies in."""


@dataclass(frozen=True, kw_only=True)
class ProvenUse:
    """One use of the bundle, every member of it proven."""

    index: int
    decision: str
    reason: str | None
    requester: str
    recorded_at: int
    origin: str
    is_demonstration: bool
    values: Mapping[str, Any]
    """The disclosed field values, by name; empty for a refusal."""
    license_ref: str | None
    issued: Issued | None
    """None for a refusal."""
    made: fact.Fact
    """The fact of the use, as its event says it."""


@dataclass(frozen=True, kw_only=True)
class ProvenLicense:
    """The license in a document, every member of it proven but the piece, which its QR code names."""

    license_ref: bytes
    version: int
    piece: int
    issued: Issued
    index: int
    recorded_at: int
    origin: str
    values: Mapping[str, Any]
    """The field values, by name."""


@dataclass(frozen=True, kw_only=True)
class _Proven:
    """An event whose receipt holds."""

    index: int
    about: event.Event
    ledger: trust.Ledger
    origin: str


def judge(data: bytes, *, trusted: trust.TrustFile) -> tuple[ProvenUse, ...]:
    """What a proof bundle proves, use by use; raises BundleInvalid.

    1. The file is JSON of exactly the members of a bundle.
    2. Each use event's receipt holds under a trusted key of the ledger that the event names.
    3. Decision, reason, code and index are those of the event, and so is what a refusal names.
    4. For a granted use, the license event's receipt holds, in the same ledger, at the index and for
       the license and version that the use event names.
    5. The fields are exactly those the use event says it disclosed; with their salts and the sibling
       digests they lead to the license event's root.
    6. Everything else the bundle says of the license is what its event says.
    """
    answer = _members(_json(data), {"index", "uses"}, "the bundle")  # 1
    uses = _list(answer["uses"], "uses")
    if not uses:
        _refuse("uses", "is empty")
    proven = tuple(_judge_use(item, trusted, f"uses[{number}]") for number, item in enumerate(uses))
    _require(answer["index"] == proven[-1].index and type(answer["index"]) is int, "index")
    return proven


def with_receipts(data: bytes, *, stored: Callable[[int], bytes], fresh: Callable[[int], str]) -> bytes:
    """The bundle with fresh receipts of the same events; raises BundleInvalid when an event is not stored.

    `stored` gives the bytes at an index, `fresh` a receipt.
    """
    answer = _members(_json(data), {"index", "uses"}, "the bundle")
    for number, item in enumerate(_list(answer["uses"], "uses")):
        path = f"uses[{number}].proof"
        proof = item.get("proof") if isinstance(item, dict) else None
        if not isinstance(proof, dict) or proof.keys() not in (_PROOF_GRANTED, _PROOF_REFUSED):
            _refuse(path, "has not the members of a proof")
        for prefix in ("", "license_") if "license_event" in proof else ("",):
            index = _index(proof[f"{prefix}receipt"], f"{path}.{prefix}receipt")
            if stored(index) != _bytes(proof[f"{prefix}event"], f"{path}.{prefix}event"):
                _refuse(f"{path}.{prefix}event", "is not what the ledger has at its index")
            proof[f"{prefix}receipt"] = fresh(index)
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()


def _index(text: Any, path: str) -> int:
    """The index that a receipt names."""
    if not isinstance(text, str):
        _refuse(path, "is not text")
    try:
        return receipt.parse(text).index
    except receipt.ReceiptInvalid as error:
        raise BundleInvalid(f"{path}: {error}") from error


def judge_license(data: bytes, *, proven_by: str, trusted: trust.TrustFile) -> ProvenLicense:
    """What the data attached to an issuer's document proves; raises BundleInvalid.

    1. The data is JSON of exactly its members.
    2. The license event's receipt holds under a trusted key of the ledger that the event names.
    3. The fields, with their salts and the sibling digests, lead to the event's root.
    4. Everything else is what the event says.
    """
    answer = _members(_json(data), {"license", "proof"}, "the license")  # 1
    proof = _members(answer["proof"], {"license_event", "field_siblings"}, "proof")
    said = _members(answer["license"], _DOCUMENT, "license")
    shown = _prove(proof["license_event"], proven_by, trusted, "the receipt")  # 2
    version = _fact(shown, "proof.license_event")
    if not isinstance(version, license.VersionFact):
        _refuse("proof.license_event", "is not a license's version")
    values = _open_fields(said["fields"], proof["field_siblings"], version, shown, "license.fields")  # 3
    expected = {  # 4
        "license_ref": ids.text(version.license_ref),
        "license_id": values.get("@license_id"),
        "type_code": version.type_code,
        "version": version.version,
        "issuer": shown.about.issuer,
        "valid_from": days.text(version.valid_from),
        "valid_to": None if version.valid_to is None else days.text(version.valid_to),
        "issued_on": days.text(version.issued_on),
    }
    for name, value in expected.items():
        _require(type(said[name]) is type(value) and said[name] == value, f"license.{name}")
    _require(type(said["piece"]) is int and said["piece"] >= 0, "license.piece")
    return ProvenLicense(
        license_ref=version.license_ref,
        version=version.version,
        piece=said["piece"],
        issued=_issued(shown, version),
        index=shown.index,
        recorded_at=shown.about.recorded_at,
        origin=shown.origin,
        values=values,
    )


def _judge_use(item: Any, trusted: trust.TrustFile, path: str) -> ProvenUse:
    has_help = isinstance(item, dict) and "help" in item
    said = _members(item, _USE | {"help"} if has_help else _USE, path)
    is_granted = said["decision"] == "granted"
    names = _PROOF_GRANTED if is_granted else _PROOF_REFUSED
    proof = _members(said["proof"], names, f"{path}.proof")
    shown = _prove(proof["event"], proof["receipt"], trusted, f"{path}.proof.receipt")  # 2
    made = _fact(shown, path)
    _require(type(said["index"]) is int and said["index"] == shown.index, f"{path}.index")  # 3
    values: Mapping[str, Any] = {}
    license_ref = issued = None
    if is_granted:
        if not isinstance(made, use.LicenseUsed) or has_help:
            _refuse(f"{path}.decision", "is not what the event records")
        _require(said["reason"] is None and said["code"] == use.GRANTED_CODE, f"{path}.code")
        values, issued = _judge_license(said["license"], proof, shown, made, trusted, path)
        license_ref = ids.text(made.license_ref)
    else:
        if not isinstance(made, refusal.UseRefused) or said["decision"] != "refused":
            _refuse(f"{path}.decision", "is not what the event records")
        _require(said["reason"] == made.reason, f"{path}.reason")
        _require(said["code"] == made.code, f"{path}.code")
        _judge_named(said["license"], made, f"{path}.license")
        if has_help:
            _require(said["help"] == advice.help_of(made), f"{path}.help")
        license_ref = None if made.license_ref is None else ids.text(made.license_ref)
    return ProvenUse(
        index=shown.index,
        decision=said["decision"],
        reason=said["reason"],
        requester=shown.about.organization,
        recorded_at=shown.about.recorded_at,
        origin=shown.origin,
        is_demonstration=shown.ledger.is_demonstration,
        values=values,
        license_ref=license_ref,
        issued=issued,
        made=made,
    )


def _prove(encoded: Any, text: Any, trusted: trust.TrustFile, path: str) -> _Proven:
    """The event in base64 with its receipt, proven in the ledger that it names."""
    data = _bytes(encoded, f"{path} (event)")
    try:
        about = event.parse_strictly(data)
    except event.EventInvalid as error:
        raise BundleInvalid(f"{path}: {error}") from error
    for ledger in trusted.ledgers:
        if ledger.ledger_id == about.ledger_id and ledger.suite.name == about.suite:
            break
    else:
        _refuse(path, "is of a ledger that is not trusted")
    if not isinstance(text, str):
        _refuse(path, "is not text")
    try:
        proven = trust.prove(ledger, text, event=data)
    except receipt.ReceiptInvalid as error:
        raise BundleInvalid(f"{path}: {error}") from error
    return _Proven(index=proven.index, about=about, ledger=ledger, origin=proven.checkpoint.origin)


def _judge_named(item: Any, made: refusal.UseRefused, path: str) -> None:
    """What a refusal names must be what its event names."""
    if made.license_ref is None and not made.choices:
        _require(item is None, path)
        return
    said = _members(item, _NAMED, path)
    expected_ref = None if made.license_ref is None else ids.text(made.license_ref)
    _require(said["license_ref"] == expected_ref, f"{path}.license_ref")
    _require(said["type_code"] == made.type_code, f"{path}.type_code")
    _require(said["choices"] == [ids.text(ref) for ref in made.choices], f"{path}.choices")


def _fact(shown: _Proven, path: str) -> fact.Fact:
    try:
        return fact.from_event(shown.about)
    except errors.HistoryBroken as error:
        raise BundleInvalid(f"{path}: {error}") from error


def _judge_license(
    item: Any,
    proof: Mapping[str, Any],
    shown: _Proven,
    made: use.LicenseUsed,
    trusted: trust.TrustFile,
    path: str,
) -> tuple[Mapping[str, Any], Issued]:
    version_event = _prove(
        proof["license_event"], proof["license_receipt"], trusted, f"{path}.proof.license_receipt"
    )  # 4
    version = _fact(version_event, f"{path}.proof.license_event")
    if not isinstance(version, license.VersionFact):
        _refuse(f"{path}.proof.license_event", "is not a license's version")
    same = (
        version_event.ledger.ledger_id == shown.ledger.ledger_id
        and version_event.index == made.license_index
        and version_event.about.stream_id == shown.about.stream_id
        and (version.license_ref, version.version) == (made.license_ref, made.version)
    )
    _require(same, f"{path}.proof.license_event")
    asked_as = mapping.asked_as(made.asked_type, made.named_as)
    said = _members(item, _LICENSE | asked_as.keys(), f"{path}.license")
    values = _judge_fields(said["fields"], proof["field_siblings"], made, version, shown, path)
    expected = {  # 6
        "license_ref": ids.text(made.license_ref),
        "license_id": values.get("@license_id"),
        "type_code": version.type_code,
        "version": made.version,
        "status": made.status,
        "valid_from": days.text(version.valid_from),
        "valid_to": None if version.valid_to is None else days.text(version.valid_to),
        "issuer": version_event.about.issuer,
        **asked_as,
    }
    for name, value in expected.items():
        _require(type(said[name]) is type(value) and said[name] == value, f"{path}.license.{name}")
    return values, _issued(version_event, version)


def _issued(shown: _Proven, version: license.VersionFact) -> Issued:
    issuer = shown.about.issuer
    assert issuer is not None, "a version has an issuer"
    area = power.area_of(version.area_code, issuer)
    return Issued(issuer=issuer, type_code=version.type_code, area=area)


def _judge_fields(
    item: Any,
    siblings: Any,
    made: use.LicenseUsed,
    version: license.VersionFact,
    shown: _Proven,
    path: str,
) -> Mapping[str, Any]:
    if not isinstance(item, dict) or tuple(sorted(item)) != made.fields:  # 5
        _refuse(f"{path}.license.fields", "are not the fields that the event says were disclosed")
    return _open_fields(item, siblings, version, shown, f"{path}.license.fields")


def _open_fields(
    item: Any, siblings: Any, version: license.VersionFact, shown: _Proven, path: str
) -> Mapping[str, Any]:
    """The values of some fields, proven against the root that the license's event says."""
    if not isinstance(item, dict):
        _refuse(path, "is not an object")
    disclosed = {}
    for name, pair in item.items():
        members = _members(pair, {"value", "salt"}, f"{path}.{name}")
        disclosed[name] = (_bytes(members["salt"], f"{path}.{name}.salt"), members["value"])
    others = [_bytes(one, f"{path} (siblings)") for one in _list(siblings, f"{path} (siblings)")]
    try:
        fields.verify(disclosed, siblings=others, root_=version.fields_root, suite=shown.ledger.suite)
    except fields.FieldsInvalid as error:
        raise BundleInvalid(f"{path}: {error}") from error
    if len(disclosed) + len(others) != len(version.field_names):
        _refuse(f"{path} (siblings)", "are not as many as the license has fields")
    return {name: value for name, (_, value) in disclosed.items()}


def _json(data: bytes) -> Any:
    if len(data) > BUNDLE_BYTES_MAX:
        _refuse("the bundle", f"is larger than {BUNDLE_BYTES_MAX} bytes")
    try:
        return json.loads(
            data.decode(), object_pairs_hook=_object, parse_float=_no_number, parse_constant=_no_number
        )
    except (ValueError, RecursionError) as error:
        raise BundleInvalid(f"the bundle is not JSON of a use answer: {type(error).__name__}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BundleInvalid("a member appears twice")
    return members


def _no_number(text: str) -> NoReturn:
    raise BundleInvalid("a number that no bundle has")


def _members(item: Any, names: set[str], path: str) -> dict[str, Any]:
    if not isinstance(item, dict) or item.keys() != names:
        _refuse(path, f"has not exactly the members {', '.join(sorted(names))}")
    return item


def _list(item: Any, path: str) -> list[Any]:
    if not isinstance(item, list):
        _refuse(path, "is not an array")
    return item


def _bytes(text: Any, path: str) -> bytes:
    if not isinstance(text, str):
        _refuse(path, "is not base64 text")
    try:
        return spelling.from_base64(text)
    except ValueError as error:
        raise BundleInvalid(f"{path}: {error}") from error


def _require(holds: bool, path: str) -> None:
    if not holds:
        _refuse(path, "is not what the proven event says")


def _refuse(path: str, why: str) -> NoReturn:
    raise BundleInvalid(f"{path} {why}")
