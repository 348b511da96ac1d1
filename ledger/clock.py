"""The ledger's clock: that of its database, read together with what it says of the key ring.

Gives `read`, and `now` for whoever holds the keys. The append path reads the same clock under the lock, with
what else it looks at then (`append.sql`, `look`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ledger import sql
from ledger.vault import Vault

Run = Callable[[str, Sequence[Any]], list[Any]]
"""Runs a statement, as `Reader.run` does."""


class Moment(NamedTuple):
    """What the database said at one moment."""

    at: int
    """Microseconds UTC."""
    ring_version: int
    """The version of the key ring that readers must have; 0: none is asked yet."""


def read(run: Run, *, partition: int = 0) -> Moment:
    """The database's clock; raises Unavailable."""
    ((at, ring_version),) = run(sql.load("append")["clock"], (partition,))
    return Moment(int(at), ring_version or 0)


def now(run: Run, vault: Vault, *, partition: int = 0) -> int:
    """The same in microseconds UTC; on the way the key ring becomes as new as the ledger's."""
    said = read(run, partition=partition)
    vault.require_version(said.ring_version)
    return said.at
