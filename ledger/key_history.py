"""Key history: every verification key of a ledger, when it came and went, and whether it is believed.

Gives `records` from decision state and the key ring, and what trust files say of them: `origins` and
`token_key`. The ring is asked too, since a crash amid a change of keys can leave a key that signs, or one
that is believed no more, before the log says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger import sql, tables
from ledger.state import GenerationRow, KeyRow, R
from ledger.store import Session
from signing import event, keyring, keys, note, trust

PARTITION = 0
ROWS_MAX = 10_000
Run = Callable[[str, Sequence[Any]], list[Any]]
"""run(statement, params): the rows."""


@dataclass(frozen=True, kw_only=True)
class KeyRecord:
    """What is known of one verification key."""

    purpose: str
    key_id: bytes
    public: bytes
    status: trust.Status
    is_prepared: bool
    """Known already, and signs from the next rotation on."""
    introduced_index: int | None
    """None: the log does not say so yet."""
    last_size: int | None
    """The size of the largest tree that it can have signed; None while it signs."""
    compromised_since: int | None


def records(run: Run, ring: keyring.KeyRing) -> tuple[KeyRecord, ...]:
    """Every key, in the order in which they came."""
    held = {one.key_id: one for one in ring.signing}
    told = sorted(_rows(run, KeyRow), key=lambda row: row.introduced_index)
    known = {row.key_id: row for row in told}
    untold = [_record(None, one) for key_id, one in held.items() if key_id not in known]
    return (*(_record(row, held.get(row.key_id)) for row in told), *untold)


def origins(run: Run, known: Sequence[KeyRecord]) -> tuple[trust.Origin, ...]:
    """Every origin of the ledger with its log keys, each with the last size that it can have signed there."""
    rows = sorted(_rows(run, GenerationRow), key=lambda row: row.generation)
    found = []
    for row, following in zip(rows, (*rows[1:], None), strict=True):
        bound = None if following is None else _bound(run, row, following)
        log_keys = [_log_key(row, following, one, bound) for one in known if one.purpose == "log"]
        found.append(trust.Origin(origin=row.origin, generation=row.generation, keys=tuple(log_keys)))
    return tuple(found)


def token_key(known: KeyRecord) -> trust.TokenKey:
    """A token key as trust files have it."""
    return trust.TokenKey(
        key_id=known.key_id,
        public=known.public,
        status=known.status,
        last_size=known.last_size,
        compromised_since=known.compromised_since,
    )


def running(session: Session) -> Run:
    """Statements in the open transaction of a session."""
    return lambda statement, params: session.run(statement, *params)


def size_at(run: Run, at: int) -> int:
    """How many events the log had before `at`, in microseconds UTC."""
    ((size,),) = run(sql.load("keeping")["size_before"], (PARTITION, at))
    return int(size)


def _record(row: KeyRow | None, held: keyring.HeldKey | None) -> KeyRecord:
    assert row is not None or held is not None, "a key is known to the log or to the ring"
    doubts = [one.compromised_since for one in (row, held) if one is not None]
    since = min((one for one in doubts if one is not None), default=None)
    is_retired = (row is not None and row.retired_index is not None) or (held is not None and held.is_retired)
    status: trust.Status = "retired" if is_retired else "active"
    return KeyRecord(
        **_named(row, held),
        status="compromised" if since is not None else status,
        is_prepared=held is not None and held.is_prepared,
        introduced_index=None if row is None else row.introduced_index,
        last_size=None if row is None else row.retired_index,
        compromised_since=since,
    )


def _named(row: KeyRow | None, held: keyring.HeldKey | None) -> Mapping[str, Any]:
    if row is not None:
        return {"purpose": row.purpose, "key_id": row.key_id, "public": row.public}
    assert held is not None, "a key of the ring"
    public = keys.SigningKey(held.seed).public
    return {"purpose": held.purpose, "key_id": held.key_id, "public": public}


def _log_key(
    row: GenerationRow, following: GenerationRow | None, known: KeyRecord, bound: int | None
) -> trust.LogKey:
    """A log key under one origin; one that went after the origin had ended signed there up to its end."""
    last_size = known.last_size
    if following is not None and (last_size is None or last_size >= following.from_size):
        last_size = bound
    return trust.LogKey(
        key=note.VerifierKey(name=row.origin, public=known.public),
        status=known.status,
        last_size=last_size,
        compromised_since=known.compromised_since,
    )


def _bound(run: Run, row: GenerationRow, following: GenerationRow) -> int | None:
    """The size of the largest tree that was signed under an origin that a declared loss ended.

    None where that loss was itself lost, and the next to be declared was of another origin.
    """
    if following.generation != row.generation + 1:
        return None
    position = following.from_size + 1
    ((_, data),) = run(sql.load("append")["event_states"], (PARTITION, position, position))
    return int(event.parse(data).fact["anchored_size"])


def _rows(run: Run, cls: type[R]) -> list[R]:
    """The rows of a small table."""
    table = tables.table(cls)
    found: list[Any] = [table.row(row) for row in run(table.scan_first, (PARTITION, ROWS_MAX))]
    return found
