"""What a trust file says to and from the members of its JSON, for both formats."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any, get_args

from signing import ids, note, spelling, status_list, suites, token, trust_json
from signing.trust_json import TrustInvalid, array, blob, members, require_once, text
from signing.trust_parts import (
    Documents,
    IssuerCertificate,
    Ledger,
    LogKey,
    Origin,
    Signature,
    Status,
    Succession,
    TokenKey,
    TrustFile,
)

_HISTORY = ("status", "last_size", "compromised_since")
FRESH_S_MAX = 366 * 86_400
YEAR_MAX = 9_997
"""Of a file: until it is too old, years can be written."""
_WITNESS_NAME = re.compile(r"[^\s+]{1,255}")
_KEY_HASH = re.compile(r"[0-9a-f]{8}")


def content(file: TrustFile) -> dict[str, Any]:
    made_at = trust_json.time_text(file.made_at)
    if file.fresh_s is None:
        return {"format": 1, "ledgers": [_ledger_1(one) for one in file.ledgers], "made_at": made_at}
    ledgers = [_ledger_2(one) for one in file.ledgers]
    return {"format": 2, "ledgers": ledgers, "made_at": made_at, "fresh_s": file.fresh_s}


def _ledger_1(ledger: Ledger) -> dict[str, Any]:
    return {
        "ledger_id": ids.text(ledger.ledger_id),
        "suite": ledger.suite.name,
        "is_demonstration": ledger.is_demonstration,
        "origins": [
            {"origin": one.origin, "generation": one.generation, "keys": [held.key.text for held in one.keys]}
            for one in ledger.origins
        ],
        "token_keys": [
            {
                "key_id": key.key_id.hex(),
                "public": spelling.to_base64(key.public),
                "status": "active" if key.status == "active" else "retired",
            }
            for key in ledger.token_keys
        ],
    }


def _ledger_2(ledger: Ledger) -> dict[str, Any]:
    documents = ledger.documents
    return {
        **_ledger_1(ledger),
        "origins": [
            {
                "origin": one.origin,
                "generation": one.generation,
                "keys": [{"key": held.key.text, **_history(held)} for held in one.keys],
                "checkpoint": one.checkpoint,
            }
            for one in ledger.origins
        ],
        "token_keys": [
            {"key_id": key.key_id.hex(), "public": spelling.to_base64(key.public), **_history(key)}
            for key in ledger.token_keys
        ],
        "witnesses": list(ledger.witnesses),
        "quorum": ledger.quorum,
        "documents": {
            "roots": _base64(documents.roots),
            "time_stamp_roots": _base64(documents.time_stamp_roots),
            "certificates": [_certificate_said(one) for one in documents.certificates],
            "revocation_lists": _base64(documents.revocation_lists),
            **_successions(documents),
        },
        "status_lists": _base64(ledger.status_lists.values()),
    }


def _certificate_said(one: IssuerCertificate) -> dict[str, Any]:
    said = {
        "issuer": one.issuer,
        "certificate": spelling.to_base64(one.certificate),
        "revoked_at": None if one.revoked_at is None else trust_json.time_text(one.revoked_at),
    }
    return said if one.reason is None else {**said, "reason": one.reason}


def _successions(documents: Documents) -> dict[str, Any]:
    """Nothing is said where nobody took over: files of before the member are read as they were written."""
    said = [
        {
            "successor": one.successor,
            "predecessor": one.predecessor,
            "since": one.since.isoformat(),
            "license_types": list(one.type_codes),
            "areas": list(one.areas),
        }
        for one in documents.successions
    ]
    return {"successions": said} if said else {}


def _history(held: LogKey | TokenKey) -> dict[str, Any]:
    return {name: getattr(held, name) for name in _HISTORY}


def _base64(items: Iterable[bytes]) -> list[str]:
    return [spelling.to_base64(item) for item in items]


def file(content: dict[str, Any]) -> TrustFile:
    """What the members say; raises TrustInvalid, or the error of the item that is wrong."""
    form = content["format"]
    if form == 1:
        members(content, "format", "ledgers", "made_at")
        return TrustFile(
            ledgers=tuple(_ledger(item, form) for item in array(content["ledgers"])),
            made_at=trust_json.time(content["made_at"], "made_at"),
        )
    members(content, "format", "ledgers", "made_at", "fresh_s", "signatures")
    ledgers = tuple(_ledger(item, form) for item in array(content["ledgers"]))
    if len(ledgers) != 1:
        raise TrustInvalid("a trust file of format 2 is of one ledger")
    fresh_s = trust_json.number(content["fresh_s"], "fresh_s")
    if fresh_s > FRESH_S_MAX:
        raise TrustInvalid(f"fresh_s is at most {FRESH_S_MAX}")
    made_at = trust_json.time(content["made_at"], "made_at")
    if made_at.year > YEAR_MAX:
        raise TrustInvalid(f"made_at is of the year {YEAR_MAX} at the latest")
    return TrustFile(
        ledgers=ledgers,
        made_at=made_at,
        fresh_s=fresh_s,
        signatures=tuple(_signature(item) for item in array(content["signatures"])),
    )


def _ledger(item: Any, form: int) -> Ledger:
    names = ("ledger_id", "suite", "is_demonstration", "origins", "token_keys")
    said = members(item, *names, *(() if form == 1 else ("witnesses", "quorum", "documents", "status_lists")))
    suite = suites.suite(text(said["suite"]))
    origins = tuple(_origin(origin, form) for origin in array(said["origins"]))
    if not origins:
        raise TrustInvalid("a ledger has an origin")
    held = tuple(_token_key(key, suite, form) for key in array(said["token_keys"]))
    require_once([key.key_id for key in held])
    ledger = Ledger(
        ledger_id=ids.parse(text(said["ledger_id"])),
        suite=suite,
        is_demonstration=trust_json.flag(said["is_demonstration"], "is_demonstration"),
        origins=origins,
        token_keys=held,
    )
    if form == 1:
        return ledger
    witnesses = tuple(_witness(key) for key in array(said["witnesses"]))
    require_once(list(witnesses))
    quorum = trust_json.number(said["quorum"], "quorum")
    if quorum > len(witnesses):
        raise TrustInvalid("a quorum is of the witnesses")
    return replace(
        ledger,
        witnesses=witnesses,
        quorum=quorum,
        documents=_documents(said["documents"]),
        status_lists=_lists(said["status_lists"]),
    )


def _origin(item: Any, form: int) -> Origin:
    said = members(item, "origin", "generation", "keys", *(() if form == 1 else ("checkpoint",)))
    origin = text(said["origin"])
    generation = trust_json.number(said["generation"], "a generation")
    base, _, log = origin.rpartition("/")
    partition = log.partition(".")[0]
    spelling.from_decimal(partition)
    if not base or log != (f"{partition}.{generation}" if generation else partition):
        raise TrustInvalid("an origin ends in its partition and, after a declared loss, its generation")
    held = tuple(_log_key(key, form) for key in array(said["keys"]))
    if not held or any(one.key.name != origin for one in held):
        raise TrustInvalid("an origin has keys, and they carry its name")
    require_once([one.key.hash for one in held])
    checkpoint = None if form == 1 else said["checkpoint"]
    if checkpoint is not None:
        signed, _ = note.verify(text(checkpoint), trusted=[one.key for one in held])
        if note.parse_checkpoint(signed).origin != origin:
            raise TrustInvalid("a checkpoint is of its own origin")
    return Origin(origin=origin, generation=generation, keys=held, checkpoint=checkpoint)


def _log_key(item: Any, form: int) -> LogKey:
    if form == 1:
        return LogKey(key=note.VerifierKey.parse(text(item)))
    said = members(item, "key", *_HISTORY)
    return LogKey(key=note.VerifierKey.parse(text(said["key"])), **_read_history(said))


def _token_key(item: Any, suite: suites.Suite, form: int) -> TokenKey:
    said = members(item, "key_id", "public", *(("status",) if form == 1 else _HISTORY))
    public = blob(said["public"])
    key_id = suites.key_id(suite, purpose=token.PURPOSE, public=public)
    if len(public) != suite.public_bytes or said["key_id"] != key_id.hex():
        raise TrustInvalid("a token key's id or length is not that of the key")
    if form == 1:
        if said["status"] not in ("active", "retired"):
            raise TrustInvalid("a token key is active or retired")
        return TokenKey(key_id=key_id, public=public, status=said["status"])
    return TokenKey(key_id=key_id, public=public, **_read_history(said))


def _read_history(said: dict[str, Any]) -> dict[str, Any]:
    """Status and sizes of a key, which go together."""
    status, last_size, since = text(said["status"]), said["last_size"], said["compromised_since"]
    if status not in get_args(Status):
        raise TrustInvalid("a key is active, retired or compromised")
    if any(size is not None and (type(size) is not int or size < 0) for size in (last_size, since)):
        raise TrustInvalid("a size is a whole number from 0, or null")
    if (since is not None) != (status == "compromised"):
        raise TrustInvalid("compromised_since is of compromised keys, and of each")
    return {"status": status, "last_size": last_size, "compromised_since": since}


def _witness(item: Any) -> str:
    """A witness's verifier key, whose type this reader need not know."""
    parts = text(item).split("+", 2)
    if len(parts) != 3 or not _WITNESS_NAME.fullmatch(parts[0]) or not _KEY_HASH.fullmatch(parts[1]):
        raise TrustInvalid("a witness's key is written name+hash+key")
    spelling.from_base64(parts[2])
    return text(item)


def _documents(item: Any) -> Documents:
    more = ("successions",) if isinstance(item, dict) and "successions" in item else ()
    said = members(item, "roots", "time_stamp_roots", "certificates", "revocation_lists", *more)
    return Documents(
        roots=tuple(map(blob, array(said["roots"]))),
        time_stamp_roots=tuple(map(blob, array(said["time_stamp_roots"]))),
        certificates=tuple(_certificate(one) for one in array(said["certificates"])),
        revocation_lists=tuple(map(blob, array(said["revocation_lists"]))),
        successions=tuple(_succession(one) for one in array(said.get("successions", []))),
    )


def _succession(item: Any) -> Succession:
    said = members(item, "successor", "predecessor", "since", "license_types", "areas")
    try:
        since = date.fromisoformat(text(said["since"]))
    except ValueError as error:
        raise TrustInvalid("a succession is since a day like 2026-01-31") from error
    return Succession(
        successor=text(said["successor"]),
        predecessor=text(said["predecessor"]),
        since=since,
        type_codes=tuple(map(text, array(said["license_types"]))),
        areas=tuple(map(text, array(said["areas"]))),
    )


def _certificate(item: Any) -> IssuerCertificate:
    more = ("reason",) if isinstance(item, dict) and "reason" in item else ()
    said = members(item, "issuer", "certificate", "revoked_at", *more)
    revoked_at = said["revoked_at"]
    if more and revoked_at is None:
        raise TrustInvalid("a certificate that stands has no reason of its revocation")
    return IssuerCertificate(
        issuer=text(said["issuer"]),
        certificate=blob(said["certificate"]),
        revoked_at=None if revoked_at is None else trust_json.time(revoked_at, "revoked_at"),
        reason=text(said["reason"]) if more else None,
    )


def _lists(item: Any) -> dict[int, bytes]:
    """Signed lists by number; their signatures are judged when they are asked."""
    listed = [blob(one) for one in array(item)]
    numbers = [status_list.number(one) for one in listed]
    if numbers != sorted(set(numbers)):
        raise TrustInvalid("status lists stand in the order of their numbers, each once")
    return dict(zip(numbers, listed, strict=True))


def _signature(item: Any) -> Signature:
    said = members(item, "key", "signature")
    return Signature(key=note.VerifierKey.parse(text(said["key"])), signature=blob(said["signature"]))
