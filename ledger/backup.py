"""Backup and restore: the history, its tree and the directory as files that hold no key.

`backup` takes one consistent snapshot while the ledger works. `restore` puts it into an empty database:
wraps of data keys come from the file beside the anchor, never from a backup, so that whoever was erased
stays erased; decision state is derived again from the events. Key files, secrets and the anchor are the
operator's to keep elsewhere (`docs/decisions/0008-backup-without-keys.md`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from ledger import check, errors, log, migration, opening, rebuilding, rekeying, sql
from ledger.config import Config
from ledger.vault import Vault
from signing import ids, keyring, keys, note

FORMAT = 1
MANIFEST = "manifest.json"
LATER = {
    "blobs": "migration_011",
    "cosignatures": "migration_025",
    "cosigned_checkpoints": "migration_025",
    "time_stamps": "migration_025",
}
"""Tables that a backup has from a migration on."""
TABLES = ("checkpoints", "events", "tiles", "directory", "idempotency", *LATER)
"""In the order in which they are loaded."""
PARTITION = 0
_COPY_BYTES = 1 << 20
Progress = Callable[[str], None]
"""Told the name of each step that is done."""


def no_progress(step: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a backup holds."""

    format: int
    made_at: str
    """UTC, RFC 3339."""
    ledger_id: str
    origin: str
    """Origin line of the newest tree head."""
    schema: int
    size: int
    root: str
    """Hexadecimal."""
    checkpoint: str
    """The signed checkpoint that the anchor had when the snapshot was taken; empty for an empty log."""
    files: dict[str, str]
    """File name to SHA-256 in hexadecimal."""


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What a restore found and did."""

    size: int
    anchored_size: int
    """Above `size`: what came between is lost, and `recover --declare-loss` says so."""
    streams_without_key: int
    """Streams that the restored history does not call erased and whose keys are gone: erased since."""


def backup(
    ledger: opening.Ledger, folder: Path, *, made_at: datetime, progress: Progress = no_progress
) -> Manifest:
    """Write a backup to `folder`, which must be new or empty; raises HistoryBehindAnchor, AlreadyExists.

    The manifest is written last: a folder without one is no backup.
    """
    _make_empty(folder)
    mark = ledger.vault.anchor.read()
    texts = sql.load("backup")
    files = {}
    with psycopg.connect(ledger.ways.service, autocommit=True) as conn:
        conn.execute(texts["begin"])
        size, generation, root = _row(conn, texts["head"], PARTITION) or (0, 0, b"")
        checkpoint = ""
        if mark.size:
            anchored = _row(conn, texts["checkpoint_at"], PARTITION, mark.size)
            if anchored is None or anchored[1].hex() != mark.root:
                raise errors.HistoryBehindAnchor(anchored_size=mark.size, found_size=size)
            # No key signs a tree that holds its own retirement.
            ledger.vault.require_version(_row(conn, sql.load("keeping")["ring_version"], PARTITION)[0])
            head = note.Checkpoint(origin=mark.origin, size=mark.size, root=anchored[1])
            vault = ledger.vault
            checkpoint = note.sign(head.text, name=mark.origin, key=vault.log_key, suite=vault.suite)
        for table in TABLES:
            files[f"{table}.copy"] = _save(conn, texts[f"save_{table}"], folder / f"{table}.copy")
            progress(table)
    manifest = Manifest(
        format=FORMAT,
        made_at=made_at.astimezone(UTC).isoformat(timespec="seconds"),
        ledger_id=ids.text(ledger.vault.ring.ledger_id),
        origin=log.origin_line(ledger.vault.ring.origin, partition=PARTITION, generation=generation),
        schema=len(migration.VERSIONS),
        size=size,
        root=root.hex(),
        checkpoint=checkpoint,
        files=files,
    )
    text = json.dumps(asdict(manifest), ensure_ascii=False, indent=2) + "\n"
    keyring.write_private(text.encode(), folder / MANIFEST)
    # From here the backup exists.
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup whose files are all there and unchanged; raises Invalid."""
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST).read_bytes()))
    except (OSError, TypeError, ValueError) as error:
        raise errors.Invalid("no backup, or its manifest cannot be read", field=MANIFEST) from error
    if manifest.format != FORMAT or manifest.schema > len(migration.VERSIONS):
        raise errors.Invalid("a backup of a newer version of this program", field=MANIFEST)
    if manifest.files.keys() != {f"{table}.copy" for table in _tables(manifest)}:
        raise errors.Invalid("the manifest does not name the files of a backup", field=MANIFEST)
    for name, digest in manifest.files.items():
        try:
            with (folder / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise errors.Invalid("a file of the backup cannot be read", field=name) from error
        if found != digest:
            raise errors.Invalid("a file of the backup is damaged or was changed", field=name)
    return manifest


def restore(config: Config, folder: Path, *, progress: Progress = no_progress) -> Restored:
    """Put a backup into the empty database of `config`, whose data folder holds keys, secrets and anchor.

    1. Every file has its digest, and the backup is of the ledger whose keys are here.
    2. The database is empty; everything is loaded in one transaction.
    3. The tree over the events has the manifest's root, and its anchored head was signed by our keys.
    4. Data keys come from the wraps outside; entries of streams without one are dropped.
    5. Lookups under a pepper that was replaced since are moved to the active one.
    6. The facts are checked once more as they lie in the database.
    """
    manifest = read_manifest(folder)  # 1
    vault = _vault(config, manifest)
    anchored = vault.anchor.read()
    with opening.database(config) as (ways, _):
        if ways.owner is None:
            raise errors.Invalid("the owner's database URL is needed", field="LEDGER_OWNER_DATABASE_URL")
        with psycopg.connect(ways.owner) as conn:
            conn.execute(sql.load("rebuild")["be_patient"])
            left = _load(conn, vault, manifest, folder, progress)
        # From here the history exists in this database.
        report = check.check(ways.owner, identity=check.identity_of(vault.ring), facts_only=True)  # 6
        if report.findings or not report.is_complete:
            raise errors.HistoryBroken("the restored history does not check")
        progress("check")
    return Restored(size=manifest.size, anchored_size=anchored.size, streams_without_key=left)


def _vault(config: Config, manifest: Manifest) -> Vault:
    if not (config.data / "keys" / "ring").exists():
        raise errors.NotFound("put the folders keys, secrets and anchor of this ledger back first")
    vault = Vault(config.data, secret=opening.file_secret(config))
    if ids.text(vault.ring.ledger_id) != manifest.ledger_id:
        raise errors.Conflict("the backup is of another ledger")
    return vault


def _load(
    conn: psycopg.Connection[Any], vault: Vault, manifest: Manifest, folder: Path, progress: Progress
) -> int:
    """How many streams are without a key after everything is loaded; nothing is committed here."""
    texts = sql.load("backup")
    if not _row(conn, texts["is_empty"])[0]:  # 2
        raise errors.Conflict("the database holds a ledger: restore needs an empty one")
    for table in _tables(manifest):
        is_early = table == "checkpoints" and manifest.schema <= migration.VERSIONS.index("migration_008")
        name = f"load_{table}_without_mac" if is_early else f"load_{table}"
        _copy_in(conn, texts[name], folder / f"{table}.copy")
        if table == "checkpoints":
            migration.add_ranges(conn)
        progress(table)
    replayed = rebuilding.replay(conn, suite=vault.suite)  # 3
    if (replayed.size, replayed.root.hex()) != (manifest.size, manifest.root):
        raise errors.HistoryBroken("the events do not have the manifest's root")
    _require_signed(conn, vault, manifest)
    progress("state")
    rekeying.rekey(_running(conn), vault)  # 4, 5
    conn.execute(sql.load("maintenance")["ring_state"], (vault.ring.ledger_id, vault.ring.version))
    conn.execute(texts["file_numbers_again"])
    progress("keys")
    count: int = _row(conn, texts["keyless_streams"])[0]
    return count


def _tables(manifest: Manifest) -> tuple[str, ...]:
    """The tables of a backup: of an earlier one, those that there were."""
    known = migration.VERSIONS[: manifest.schema]
    return tuple(table for table in TABLES if LATER.get(table, known[0]) in known)


def _copy_in(conn: psycopg.Connection[Any], statement: str, path: Path) -> None:
    with path.open("rb") as file, conn.cursor() as cursor, cursor.copy(statement) as copy:
        while data := file.read(_COPY_BYTES):
            copy.write(data)


def _require_signed(conn: psycopg.Connection[Any], vault: Vault, manifest: Manifest) -> None:
    """The restored tree contains the head that one of our own log keys signed."""
    if not manifest.checkpoint:
        return
    origin = manifest.checkpoint.partition("\n")[0]
    trusted = [
        note.VerifierKey(name=origin, public=keys.SigningKey(held.seed).public)
        for held in vault.ring.signing
        if held.purpose == "log"
    ]
    try:
        head = note.parse_checkpoint(note.verify(manifest.checkpoint, trusted=trusted)[0])
    except note.NoteInvalid as error:
        raise errors.HistoryBroken("the manifest's checkpoint was not signed by this ledger") from error
    found = _row(conn, sql.load("backup")["checkpoint_at"], PARTITION, head.size)
    if found is None or found[1] != head.root:
        raise errors.HistoryBroken("the backup does not contain its own signed checkpoint")


def _running(conn: psycopg.Connection[Any]) -> rekeying.Run:
    def run(statement: str, *params: Any) -> list[Any]:
        cursor = conn.execute(statement, params, binary=True)
        return cursor.fetchall() if cursor.description else []

    return run


def _save(conn: psycopg.Connection[Any], statement: str, path: Path) -> str:
    """The SHA-256 of a new file of mode 0600 with what a COPY gives, synced."""
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file, conn.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for block in copy:
                digest.update(block)
                file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _make_empty(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise errors.AlreadyExists("the folder for the backup is not empty")


def _row(conn: psycopg.Connection[Any], statement: str, *params: Any) -> Any:
    return conn.execute(statement, params).fetchone()
