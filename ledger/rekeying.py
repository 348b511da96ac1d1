"""Rekeying: data keys and lookups of a history put back, as the key files and the wraps outside have them.

An older copy of the database brings back wraps under keys that were destroyed since, entries of holders
who were erased since, and lookups under peppers that were replaced since. `rekey` puts all three right
inside the caller's transaction: what the wraps beside the anchor do not open stays closed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger import errors, keeping, sql
from ledger.vault import Vault
from signing import keyring, keys

PARTITION = 0
ROWS_PER_STEP = 1_000
Run = Callable[..., list[Any]]
"""run(statement, *params): the rows, in the caller's transaction."""


def rekey(run: Run, vault: Vault) -> None:
    """Data keys from outside, no entry without its key, every lookup under the active pepper."""
    _take_wraps(run, vault)
    _move_lookups(run, vault)


def _take_wraps(run: Run, vault: Vault) -> None:
    """The wraps outside in place of those inside, as far as their buckets' keys still open them."""
    texts = sql.load("backup")
    living = [wrap for wrap in vault.wraps.load().values() if _opens(vault, wrap)]
    if not any(wrap.stream_id == vault.ring.registry for wrap in living):
        raise errors.NotFound("the wraps beside the anchor are missing: put anchor/wraps back first")
    run(texts["drop_data_keys"], PARTITION)
    for start in range(0, len(living), ROWS_PER_STEP):
        some = living[start : start + ROWS_PER_STEP]
        rows = [(w.stream_id, w.number, w.bucket, w.generation, w.wrapped) for w in some]
        columns = map(list, zip(*rows, strict=True))
        run(sql.load("append")["insert_data_keys"], *columns, PARTITION)
    run(texts["drop_stray_keys"])
    run(texts["drop_stray_entries"])


def _opens(vault: Vault, wrap: keyring.WrappedKey) -> bool:
    try:
        vault.keks.unwrap(wrap, ledger_id=vault.ring.ledger_id)
    except keys.SealBroken:
        return False
    return True


def _move_lookups(run: Run, vault: Vault) -> None:
    texts, active = sql.load("keeping"), vault.ring.peppers[-1][0]
    while rows := run(texts["old_lookups"], PARTITION, active, ROWS_PER_STEP):
        moved = keeping.move_lookups(vault, rows, keeping.read_wraps(run, {row[2] for row in rows}))
        run(texts["move_lookups"], active, [row[0] for row in rows], moved, PARTITION)
