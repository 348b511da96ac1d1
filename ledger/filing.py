"""Filing: licenses recorded before numbers were filed come to be found by their printed numbers too.

Goes through the history once, from its beginning, beside a ledger in use, in short transactions under the
partition's lock, and can be run again after a crash at any point. Every number that a license ever printed is
read from the sealed part of its version; what opens no more stays unfiled, as its holder was erased. Until
all is filed, a use by number that finds nothing is told `not-covered`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from ledger import correction, keeping, license, number, sql, tables
from ledger.opening import Ledger
from ledger.state import LicenseRow
from ledger.store import Session
from ledger.vault import Lookup, Vault
from signing import event, seal

PARTITION = 0
POSITIONS_PER_LOCK = 50_000
VERSIONS = (
    license.LicenseIssued,
    license.LicenseAmended,
    license.LicenseRenewed,
    license.LicenseReplaced,
    correction.LicenseHolderCorrected,
)
"""Facts that print a number."""
Entries = dict[Lookup, tuple[bytes, bytes, list[str]]]
"""Lookup to stream, license and content."""


def file_numbers(ledger: Ledger, *, progress: keeping.Progress = keeping.no_progress) -> int:
    """How many rows came to the directory; none where all were filed before."""
    filed = 0
    with contextlib.closing(ledger.recorder.session()) as session:
        # Nearly always all is filed: then nobody is kept from appending, and nothing needs to be in order.
        while session.run(sql.load("keeping")["filing"], PARTITION):
            with keeping.locked(ledger, session) as vault:
                filed += _step(session, vault)
            progress(filed)
    return filed


def _step(session: Session, vault: Vault) -> int:
    """How many rows one transaction filed."""
    texts = sql.load("keeping")
    found = session.run(texts["filing"], PARTITION)
    if not found:
        return 0  # another command did it meanwhile
    ((through, newest),) = found
    end, most = min(through + POSITIONS_PER_LOCK, newest), keeping.ROWS_PER_LOCK
    versions = session.run(
        texts["versions"], PARTITION, through, end, [cls.__name__ for cls in VERSIONS], most
    )
    filed = _missing(session, _filed(session, vault, [event.parse(state) for _, state in versions]))
    _insert(session, vault, filed)
    reached = versions[-1][0] if len(versions) == most else end
    session.run(texts["set_filing"], reached, reached == newest, PARTITION)
    return len(filed)


def _filed(session: Session, vault: Vault, versions: Sequence[event.Event]) -> Entries:
    """What some versions of licenses are to be filed under, where their licenses stand now."""
    table = tables.table(LicenseRow)
    refs = sorted({about.fact["license_ref"] for about in versions})
    homes: dict[bytes, Any] = {}
    for values in session.run(table.rows, PARTITION, refs) if refs else ():
        row = table.row(values)
        assert isinstance(row, LicenseRow), "a row of the table of licenses"
        homes[row.license_ref] = row
    made: Entries = {}
    for about, printed in _opened(session, vault, versions):
        row = homes[about.fact["license_ref"]]
        content = number.filed_content(printed, row.type_code, row.license_ref)
        made[number.filed_lookup(vault, *content)] = row.stream_id, row.license_ref, content
    return made


def _opened(
    session: Session, vault: Vault, versions: Sequence[event.Event]
) -> Iterator[tuple[event.Event, str]]:
    """The number of every version that opens."""
    parts = [(about, about.sealed["fields"]) for about in versions]
    owners = {seal.owner(part)[0] for _, part in parts}
    keys = vault.unwrap(keeping.read_wraps(session.run, owners))
    for about, part in parts:
        key = keys.get(seal.owner(part)[0])
        if key is not None:
            content: Any = seal.unseal(part, key=key, place=about.place("fields"))
            yield about, content[number.FIELD][1]


def _missing(session: Session, filed: Entries) -> Entries:
    """What is in the directory under no pepper."""
    digests = [digest for lookup in filed for digest in lookup.digests]
    rows = session.run(sql.load("append")["directory_entries"], PARTITION, digests)
    known = {lookup for lookup, _, _ in rows}
    return {lookup: item for lookup, item in filed.items() if known.isdisjoint(lookup.digests)}


def _insert(session: Session, vault: Vault, filed: Entries) -> None:
    keys = vault.unwrap(keeping.read_wraps(session.run, {stream_id for stream_id, _, _ in filed.values()}))
    rows = [
        (
            lookup.digests[0],
            lookup.kind,
            lookup.pepper_id,
            stream_id,
            ref,
            vault.seal_entry(keys[stream_id], kind=lookup.kind, content=content),
        )
        for lookup, (stream_id, ref, content) in filed.items()
        if stream_id in keys
    ]
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        session.run(sql.load("append")["insert_directory"], *columns, PARTITION)
