"""Trust files: the origins and public keys that a verifier trusts, brought to it out of band.

`parse` reads one and refuses any other shape, `write` makes one, `prove` judges a receipt by a ledger's
keys and their history, and `token_keys` and `doubted_token_keys` give what `token.parse` asks for. Nothing
outside the file is trusted. Nothing here says who may hand one over. Format: `docs/formats/trust-file.md`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NoReturn

from signing import ids, note, receipt, spelling, suites, token

FORMAT = 1
TRUST_BYTES_MAX = 1_000_000
Status = Literal["active", "retired", "compromised"]
"""Signs; signs no more, and what it signed stays good; was in other hands, and proves nothing alone."""
_STATUSES: dict[str, Status] = {"active": "active", "retired": "retired", "compromised": "compromised"}


class TrustInvalid(ValueError):
    """A trust file that is not of this format, or that contradicts itself."""


class KeyCompromised(receipt.ReceiptInvalid):
    """A receipt under a compromised key alone: whoever has the key can make one of any size and any tree."""


@dataclass(frozen=True, kw_only=True)
class LogKey:
    """A key of checkpoints with its history."""

    key: note.VerifierKey
    status: Status = "active"
    last_size: int | None = None
    """The size of the largest tree that it can have signed; None: it still signs, or nobody can say."""
    compromised_since: int | None = None
    """The size from which on the key was not the ledger's alone, as the operator says."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """One partition's log, in one generation, and the keys that sign its checkpoints."""

    origin: str
    """HOST/PATH/<partition>, and `.<generation>` from the first declared loss on."""
    generation: int
    keys: tuple[LogKey, ...]


@dataclass(frozen=True, kw_only=True)
class TokenKey:
    """A public key of QR tokens with its history."""

    key_id: bytes
    public: bytes
    status: Status = "active"
    last_size: int | None = None
    """The size of the log when it was retired."""
    compromised_since: int | None = None


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
    """The keys of the ledger's checkpoints that are believed, for every origin; retired ones too."""
    return tuple(held.key for held in _log_keys(ledger) if held.status != "compromised")


def token_keys(ledger: Ledger) -> Mapping[bytes, bytes]:
    """The ledger's token keys that are believed, retired ones too: key id to public key."""
    return {key.key_id: key.public for key in ledger.token_keys if key.status != "compromised"}


def doubted_token_keys(ledger: Ledger) -> Mapping[bytes, bytes]:
    """The ledger's compromised token keys: what they sign is to be asked of the ledger."""
    return {key.key_id: key.public for key in ledger.token_keys if key.status == "compromised"}


def prove(ledger: Ledger, text: str, *, event: bytes) -> receipt.Proven:
    """What a receipt proves of the stored bytes `event`; raises ReceiptInvalid, KeyCompromised.

    1. The receipt holds under a key that is believed.
    2. The tree is not larger than the largest that this key can have signed.
    """
    try:
        proven = receipt.verify(text, event=event, trusted=verifier_keys(ledger), suite=ledger.suite)  # 1
    except receipt.ReceiptInvalid as error:
        _tell_compromised(ledger, text, event)
        raise error
    last_size = next(held.last_size for held in _log_keys(ledger) if held.key == proven.signer)
    size = proven.checkpoint.size
    if last_size is not None and size > last_size:  # 2
        raise receipt.ReceiptInvalid(f"its key was retired at size {last_size} and signed no tree of {size}")
    return proven


def _tell_compromised(ledger: Ledger, text: str, event: bytes) -> None:
    """Nothing when the receipt does not hold under compromised keys either; raises KeyCompromised."""
    doubted = [held.key for held in _log_keys(ledger) if held.status == "compromised"]
    try:
        proven = receipt.verify(text, event=event, trusted=doubted, suite=ledger.suite)
    except receipt.ReceiptInvalid:
        return
    raise KeyCompromised(
        f"its key {proven.signer.hash.hex()} was compromised: it needs a witness, or a fresh receipt of the "
        "ledger under a later key"
    )


def _log_keys(ledger: Ledger) -> tuple[LogKey, ...]:
    return tuple(held for origin in ledger.origins for held in origin.keys)


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
                "keys": [{"key": held.key.text, **_history(held)} for held in origin.keys],
            }
            for origin in ledger.origins
        ],
        "token_keys": [
            {
                "key_id": key.key_id.hex(),
                "public": spelling.to_base64(key.public),
                **_history(key),
            }
            for key in ledger.token_keys
        ],
    }


def _history(held: LogKey | TokenKey) -> dict[str, Any]:
    return {name: getattr(held, name) for name in _HISTORY}


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
    held = tuple(_log_key(key) for key in _array(content["keys"]))
    if not held or any(one.key.name != origin for one in held):
        raise TrustInvalid("an origin has keys, and they carry its name")
    _require_once([one.key.hash for one in held])
    return Origin(origin=origin, generation=generation, keys=held)


def _log_key(item: Any) -> LogKey:
    content = _members(item, "key", *_HISTORY)
    return LogKey(key=note.VerifierKey.parse(_text(content["key"])), **_read_history(content))


def _token_key(item: Any, suite: suites.Suite) -> TokenKey:
    content = _members(item, "key_id", "public", *_HISTORY)
    public = spelling.from_base64(_text(content["public"]))
    key_id = suites.key_id(suite, purpose=token.PURPOSE, public=public)
    if len(public) != suite.public_bytes or content["key_id"] != key_id.hex():
        raise TrustInvalid("a token key's id or length is not that of the key")
    return TokenKey(key_id=key_id, public=public, **_read_history(content))


_HISTORY = ("status", "last_size", "compromised_since")


def _read_history(content: dict[str, Any]) -> dict[str, Any]:
    """Status and sizes of a key, which go together."""
    status, last_size, since = _text(content["status"]), content["last_size"], content["compromised_since"]
    if status not in _STATUSES:
        raise TrustInvalid("a key is active, retired or compromised")
    if any(size is not None and (type(size) is not int or size < 0) for size in (last_size, since)):
        raise TrustInvalid("a size is a whole number from 0, or null")
    if (since is not None) != (status == "compromised"):
        raise TrustInvalid("compromised_since is of compromised keys, and of each")
    return {"status": status, "last_size": last_size, "compromised_since": since}


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
