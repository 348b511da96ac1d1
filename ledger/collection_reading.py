"""What many rows of a batch ask of the ledger before its lock, each kind in one look for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ledger import comparison, number, sql
from ledger.reading import Reader
from ledger.stock_commands import Source
from ledger.vault import Vault
from signing import ids

PARTITION = 0
FILED_MAX = 20
"""Licenses of one number at which is looked."""


def targets(reader: Reader, vault: Vault, sources: Iterable[Source]) -> dict[Source, bytes]:
    """The licenses that some keys lead to; those that lead nowhere are left out."""
    wanted = {digest: source for source in sources for digest in source.lookup(vault).digests}
    if not wanted:
        return {}
    found = reader.run(sql.load("append")["directory_entries"], (PARTITION, list(wanted)))
    return {wanted[lookup]: target for lookup, _, target in found if target is not None}


def events(reader: Reader, indexes: Iterable[int]) -> dict[int, bytes]:
    """Stored bytes by leaf index."""
    positions = [index + 1 for index in indexes]
    if not positions:
        return {}
    found = reader.run(sql.load("collection")["events_at"], (PARTITION, positions))
    return {position - 1: state for position, state in found}


def filed(
    reader: Reader, vault: Vault, asked: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], list[bytes]]:
    """Licenses filed under each (type, printed number), at most so many of each."""
    firsts, ends, whose = [], [], []
    for type_code, printed in asked:
        for digest in number.filed_under(vault, comparison.code(printed), type_code).digests:
            firsts.append(digest)
            ends.append(digest + b"\xff" * (ids.ID_BYTES + 1))
            whose.append((type_code, printed))
    made: dict[tuple[str, str], list[bytes]] = {pair: [] for pair in asked}
    if firsts:
        statement = sql.load("collection")["filed_many"]
        for place, target in reader.run(statement, (firsts, ends, PARTITION, FILED_MAX)):
            made[whose[place - 1]].append(target)
    return made
