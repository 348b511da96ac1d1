"""The directory held against its own sealed contents: does every code lead where it was made to lead.

The directory is not in the log. What binds a row is its seal: the content opens under its stream's
data key alone and says which code, identifier or operator the keyed lookup stands for. A row that was
moved to another stream does not open; one under another's lookup says another code.
"""

from __future__ import annotations

from ledger import check_source, directory
from ledger.check_report import Findings
from ledger.check_source import DirectoryColumns, Source
from ledger.vault import Vault
from signing import keyring, keys


def compare(source: Source, vault: Vault, findings: Findings) -> None:
    """Open every row in turn and name those that lie; raises Unreadable."""
    after: bytes | None = None
    while True:
        page = source.directory(after)
        for row in page:
            text = _lie(vault, row)
            if text is not None:
                vault.reload()  # peppers or buckets may have changed meanwhile
                text = _lie(vault, row)
            if text is not None:
                findings.add("directory", f"directory row {row[0].hex()[:16]} ({row[1]}): {text}")
        if len(page) < check_source.ROWS_MAX:
            return
        after = page[-1][0]


def _lie(vault: Vault, row: DirectoryColumns) -> str | None:
    """What is wrong with a row; None when it holds."""
    lookup, kind, stream_id, sealed, number, bucket, generation, wrapped = row
    if number is None or bucket is None or generation is None or wrapped is None:
        return None  # a stream without its key is named elsewhere
    wrap = keyring.WrappedKey(
        stream_id=stream_id, number=number, bucket=bucket, generation=generation, wrapped=wrapped
    )
    try:
        key = vault.keks.unwrap(wrap, ledger_id=vault.ring.ledger_id)
        content = vault.unseal_entry(key, kind=kind, sealed=sealed)
    except (keys.SealBroken, IndexError, ValueError):
        return "it does not open under its stream's data key"
    try:
        known = directory.entry_lookup(vault, kind, content).digests  # type: ignore[arg-type]
    except (LookupError, TypeError, ValueError):
        return "its content says nothing of this kind"
    return None if lookup in known else "its content is of another lookup"
