"""Trust files: the origins and public keys that a verifier trusts, brought to it out of band.

`parse` reads one and refuses any other shape, `write` makes one, and `verifier_keys` and `token_keys`
give what `receipt.verify` and `token.parse` ask for. Nothing outside the file is trusted. Nothing here
says who may hand one over. Format: `docs/formats/trust-file.md`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from signing import ids, note, spelling, suites, token

FORMAT = 1
TRUST_BYTES_MAX = 1_000_000
_STATUSES = {"active": False, "retired": True}


class TrustInvalid(ValueError):
    """A trust file that is not of this format, or that contradicts itself."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """One partition's log, in one generation, and the keys that sign its checkpoints."""

    origin: str
    """HOST/PATH/<partition>, and `.<generation>` from the first declared loss on."""
    generation: int
    keys: tuple[note.VerifierKey, ...]


@dataclass(frozen=True, kw_only=True)
class TokenKey:
    """A public key of QR tokens; a retired one signs no more, and what it signed stays good."""

    key_id: bytes
    public: bytes
    is_retired: bool


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """One trusted ledger."""

    ledger_id: bytes
    suite: suites.Suite
    is_demonstration: bool
    """Its licenses mean nothing in law."""
    origins: tuple[Origin, ...]
    token_keys: tuple[TokenKey, ...]


@dataclass(frozen=True, kw_only=True)
class TrustFile:
    """All that a verifier trusts."""

    ledgers: tuple[Ledger, ...]
    made_at: datetime
    """Aware, UTC, whole seconds."""


def verifier_keys(ledger: Ledger) -> tuple[note.VerifierKey, ...]:
    """The keys that sign the ledger's checkpoints, for every origin."""
    return tuple(key for origin in ledger.origins for key in origin.keys)


def token_keys(ledger: Ledger) -> Mapping[bytes, bytes]:
    """The ledger's token keys, retired ones too: key id to public key."""
    return {key.key_id: key.public for key in ledger.token_keys}


def parse(data: bytes) -> TrustFile:
    """What a trust file says; raises TrustInvalid.

    1. The file is small JSON without repeated members, fractions or numbers of many digits.
    2. Every object has exactly the members of the format, of the right types.
    3. Every text has the one spelling that `write` gives it.
    4. Keys carry their origin's name or their own id; no ledger, origin or key stands twice.
    """
    content = _members(_json(data), "format", "ledgers", "made_at")  # 1
    if type(content["format"]) is not int or content["format"] != FORMAT:
        raise TrustInvalid("an unknown format")
    try:
        file = TrustFile(  # 2, 3
            ledgers=tuple(_ledger(item) for item in _array(content["ledgers"])),
            made_at=_time(_text(content["made_at"])),
        )
    except (ids.IdInvalid, note.NoteInvalid, spelling.SpellingInvalid, suites.SuiteUnknown) as error:
        raise TrustInvalid(str(error)) from error
    _require_once([ledger.ledger_id for ledger in file.ledgers])  # 4
    _require_once([origin.origin for ledger in file.ledgers for origin in ledger.origins])
    return file


def write(file: TrustFile) -> bytes:
    """The trust file's bytes; raises TrustInvalid when `parse` would refuse them."""
    content = {
        "format": FORMAT,
        "ledgers": [_ledger_members(ledger) for ledger in file.ledgers],
        "made_at": file.made_at.astimezone(UTC).strftime(_TIME),
    }
    data = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")
    if parse(data) != file:
        raise TrustInvalid("times are whole seconds in UTC")
    return data


def _ledger_members(ledger: Ledger) -> dict[str, Any]:
    return {
        "ledger_id": ids.text(ledger.ledger_id),
        "suite": ledger.suite.name,
        "is_demonstration": ledger.is_demonstration,
        "origins": [
            {
                "origin": origin.origin,
                "generation": origin.generation,
                "keys": [key.text for key in origin.keys],
            }
            for origin in ledger.origins
        ],
        "token_keys": [
            {
                "key_id": key.key_id.hex(),
                "public": spelling.to_base64(key.public),
                "status": "retired" if key.is_retired else "active",
            }
            for key in ledger.token_keys
        ],
    }


def _ledger(item: Any) -> Ledger:
    content = _members(item, "ledger_id", "suite", "is_demonstration", "origins", "token_keys")
    if type(content["is_demonstration"]) is not bool:
        raise TrustInvalid("is_demonstration is true or false")
    suite = suites.suite(_text(content["suite"]))
    origins = tuple(_origin(origin) for origin in _array(content["origins"]))
    if not origins:
        raise TrustInvalid("a ledger has an origin")
    held = tuple(_token_key(key, suite) for key in _array(content["token_keys"]))
    _require_once([key.key_id for key in held])
    return Ledger(
        ledger_id=ids.parse(_text(content["ledger_id"])),
        suite=suite,
        is_demonstration=content["is_demonstration"],
        origins=origins,
        token_keys=held,
    )


def _origin(item: Any) -> Origin:
    content = _members(item, "origin", "generation", "keys")
    origin, generation = _text(content["origin"]), content["generation"]
    if type(generation) is not int or generation < 0:
        raise TrustInvalid("a generation is a whole number from 0")
    base, _, log = origin.rpartition("/")
    partition = log.partition(".")[0]
    spelling.from_decimal(partition)
    if not base or log != (f"{partition}.{generation}" if generation else partition):
        raise TrustInvalid("an origin ends in its partition and, after a declared loss, its generation")
    held = tuple(note.VerifierKey.parse(_text(key)) for key in _array(content["keys"]))
    if not held or any(key.name != origin for key in held):
        raise TrustInvalid("an origin has keys, and they carry its name")
    _require_once([key.hash for key in held])
    return Origin(origin=origin, generation=generation, keys=held)


def _token_key(item: Any, suite: suites.Suite) -> TokenKey:
    content = _members(item, "key_id", "public", "status")
    public = spelling.from_base64(_text(content["public"]))
    key_id = suites.key_id(suite, purpose=token.PURPOSE, public=public)
    if len(public) != suite.public_bytes or content["key_id"] != key_id.hex():
        raise TrustInvalid("a token key's id or length is not that of the key")
    status = _text(content["status"])
    if status not in _STATUSES:
        raise TrustInvalid("a token key is active or retired")
    return TokenKey(key_id=key_id, public=public, is_retired=_STATUSES[status])


_TIME = "%Y-%m-%dT%H:%M:%SZ"


def _time(text: str) -> datetime:
    try:
        time = datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError as error:
        raise TrustInvalid("made_at is a UTC time like 2026-01-31T08:00:00Z") from error
    if time.strftime(_TIME) != text:
        raise TrustInvalid("made_at has another spelling")
    return time


def _json(data: bytes) -> Any:
    if len(data) > TRUST_BYTES_MAX:
        raise TrustInvalid(f"a trust file has at most {TRUST_BYTES_MAX} bytes")
    try:
        text = data.decode()
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
    except TrustInvalid:
        raise
    except (ValueError, RecursionError) as error:
        raise TrustInvalid("not JSON, or not JSON that a trust file has") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise TrustInvalid("a member stands twice")
    return content


def _integer(text: str) -> int:
    return spelling.from_decimal(text)


def _refuse_number(text: str) -> NoReturn:
    raise TrustInvalid(f"not a whole number: {text[:20]}")


def _members(item: Any, *names: str) -> dict[str, Any]:
    if not isinstance(item, dict) or item.keys() != set(names):
        raise TrustInvalid(f"an object with exactly {', '.join(names)} is missing")
    return item


def _array(item: Any) -> list[Any]:
    if not isinstance(item, list):
        raise TrustInvalid("an array is missing")
    return item


def _text(item: Any) -> str:
    if not isinstance(item, str):
        raise TrustInvalid("a text is missing")
    return item


def _require_once(items: list[Any]) -> None:
    if len(set(items)) != len(items):
        raise TrustInvalid("a ledger, an origin or a key stands twice")
