"""Backups hold no key, are restored as they were but for the erased, and state is rebuilt from events."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import stat
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo as conninfos

from ledger import (
    attachment,
    attachment_store,
    backup,
    check,
    config,
    disclosure,
    errors,
    keeping,
    migration,
    opening,
    reading,
    rebuilding,
    recovery,
    sql,
)
from signing import event, note, receipt, trust
from tests.conftest import Cluster
from tests.world import CITIZEN_CARD, World, citizen

PNG = b"\x89PNG\r\n\x1a\n"
MADE_AT = datetime(2026, 1, 31, 8, 0, 0, tzinfo=UTC)


@pytest.fixture
def empty(cluster: Cluster, configured: config.Config) -> Iterator[config.Config]:
    """A new database and a data folder without keys, to restore into."""
    name = f"restored_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(cluster.server_url, autocommit=True) as conn:
        conn.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')  # type: ignore[arg-type]
    made = replace(
        configured,
        data=cluster.folder / name,
        database_url=conninfos.make_conninfo(str(configured.database_url), dbname=name),
        owner_database_url=conninfos.make_conninfo(str(configured.owner_database_url), dbname=name),
    )
    yield made
    cluster.drop(made)


def bring_keys(source: config.Config, target: config.Config) -> None:
    """What the operator keeps elsewhere: keys, secrets and anchor as they are now."""
    for name in ("keys", "secrets", "anchor"):
        shutil.copytree(source.data / name, target.data / name)


def require_sound(ledger: opening.Ledger) -> None:
    report = check.check(
        str(ledger.ways.owner),
        identity=check.identity_of(ledger.vault.ring),
        anchor=ledger.vault.anchor,
    )
    assert report.is_complete
    assert report.findings == ()


def topics(world: World, number: int) -> list[str]:
    return [item.event.topic for item in world.use(holder=citizen(number), type_code=CITIZEN_CARD)]


def rows(ledger: opening.Ledger, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(str(ledger.ways.owner)) as conn:
        return conn.execute(statement).fetchall()  # type: ignore[arg-type]


def test_a_restored_backup_opens_everyone_but_the_erased(
    world: World, empty: config.Config, tmp_path: Path
) -> None:
    ledger = world.ledger
    refs = {number: world.issue(citizen(number), type_code=CITIZEN_CARD, name="合成") for number in range(12)}
    world.grant(type_codes=(CITIZEN_CARD,))
    (used,) = world.use(holder=citizen(4), type_code=CITIZEN_CARD)
    backup.backup(ledger, tmp_path / "backup", made_at=MADE_AT)
    (erased,) = keeping.erase_holder(ledger, world.appender, citizen(4), ledger.console).recorded
    keeping.rotate_pepper(ledger)
    keeping.rotate_signing_key(ledger, world.appender, "log")
    bring_keys(ledger.config, empty)

    restored = backup.restore(empty, tmp_path / "backup")
    assert restored.streams_without_key == 1
    assert restored.anchored_size > restored.size

    with opening.opened(empty) as opened:
        stream_id = erased.event.stream_id
        assert rows(opened, "SELECT count(*) FROM events") == [(restored.size,)]
        for table in ("directory", "data_keys"):
            text = f"SELECT count(*) FROM {table} WHERE stream_id = '\\x{stream_id.hex()}'"
            assert rows(opened, text) == [(0,)], table
        opened.vault.unwrap(opened.vault.wraps.load().values())
        assert opened.vault.cached(stream_id) is None
        reported = recovery.recover(opened, declare_loss=True)
        assert [item.event.topic for item in reported.declared] == [
            "LossDeclared",
            "SigningKeyRetired",
            "SigningKeyIntroduced",
            "HolderErased",
        ]
        with opened.appending() as appender:
            again = World(opened, appender)
            for number, ref in refs.items():
                (item,) = again.use(holder=citizen(number), type_code=CITIZEN_CARD)
                granted = item.event.topic == "LicenseUsed" and item.event.fact["license_ref"] == ref
                assert granted == (number != 4), number
        require_sound(opened)
        (trusted,) = keeping.trust_file(opened, made_at=MADE_AT).ledgers
        receipt.verify(used.receipt, event=used.data, trusted=trust.verifier_keys(trusted))


def test_attachments_are_restored_and_those_of_the_erased_open_no_more(
    world: World, empty: config.Config, tmp_path: Path
) -> None:
    ledger = world.ledger
    kept = {}
    with contextlib.closing(reading.Reader(ledger.ways.service, ledger.vault)) as reader:
        for number in (1, 2):
            said = attachment.Given(name="photo", media_type="image/png", data=PNG + bytes([number]))
            kept[number], sealed = attachment.seal(said, vault=ledger.vault)
            attachment_store.store(reader, {kept[number].digest: sealed})
            world.issue(citizen(number), type_code=CITIZEN_CARD, attachments=(kept[number],), name="合成")
    backup.backup(ledger, tmp_path / "backup", made_at=MADE_AT)
    keeping.erase_holder(ledger, world.appender, citizen(2), ledger.console)
    assert rows(ledger, "SELECT digest FROM blobs") == [(kept[1].digest,)]
    bring_keys(ledger.config, empty)
    backup.restore(empty, tmp_path / "backup")
    with opening.opened(empty) as opened:
        recovery.recover(opened, declare_loss=True)
        with contextlib.closing(reading.Reader(opened.ways.service, opened.vault)) as reader:
            disclosed = disclosure.Disclosure(reader, opened.vault)
            issued = [event.parse(data) for data in reader.events(range(reader_size(opened)))]
            found = [about for about in issued if about.topic == "LicenseIssued"]
            assert [disclosed.part(about, "fields") is None for about in found] == [False, True]
            data = attachment_store.fetch(reader, kept[1].digest)
            assert attachment.unseal(kept[1], data, vault=opened.vault) == PNG + b"\1"
        migration.migrate(str(opened.ways.owner))
        assert rows(opened, "SELECT digest FROM blobs") == [(kept[1].digest,)]
        require_sound(opened)


HEAD = "(SELECT * FROM checkpoints ORDER BY size LIMIT 1) AS h"
NOTE = "concat_ws(E'\\n', 'o', size, encode(root, 'base64'), '')"
ATTESTED = (
    f"INSERT INTO cosignatures SELECT partition, 'w', generation, size, root, 'line', 1 FROM {HEAD}",
    f"INSERT INTO cosigned_checkpoints SELECT partition, generation, size, root, {NOTE}, 1 FROM {HEAD}",
    f"INSERT INTO time_stamps SELECT partition, generation, size, root, {NOTE}, 'x', 1, 1 FROM {HEAD}",
)


def test_what_outsiders_attested_is_restored_too(world: World, empty: config.Config, tmp_path: Path) -> None:
    with psycopg.connect(str(world.ledger.ways.owner)) as conn:
        for statement in ATTESTED:
            conn.execute(statement)  # type: ignore[arg-type]
    backup.backup(world.ledger, tmp_path / "backup", made_at=MADE_AT)
    bring_keys(world.ledger.config, empty)
    backup.restore(empty, tmp_path / "backup")
    with opening.opened(empty) as opened:
        for table in ("cosignatures", "cosigned_checkpoints", "time_stamps"):
            kept = rows(world.ledger, f"SELECT * FROM {table}")
            assert kept == rows(opened, f"SELECT * FROM {table}")
            assert len(kept) == 1
        require_sound(opened)


def reader_size(ledger: opening.Ledger) -> int:
    return ledger.recorder.newest_index() + 1


def test_a_backup_from_before_heads_had_a_mac_is_restored_and_gone_on_with(
    world: World, empty: config.Config, tmp_path: Path
) -> None:
    world.issue()
    folder = tmp_path / "backup"
    backup.backup(world.ledger, folder, made_at=MADE_AT)
    text = sql.load("backup")["save_checkpoints"].replace(", mac", "")
    with (
        psycopg.connect(str(world.ledger.ways.owner)) as conn,
        conn.cursor().copy(text) as copy,  # type: ignore[arg-type]
    ):
        heads = b"".join(bytes(block) for block in copy)
    (folder / "checkpoints.copy").write_bytes(heads)
    manifest = json.loads((folder / backup.MANIFEST).read_bytes())
    manifest["schema"] = migration.VERSIONS.index("migration_008")
    for table in backup.LATER:
        (folder / f"{table}.copy").unlink()
        del manifest["files"][f"{table}.copy"]
    manifest["files"]["checkpoints.copy"] = hashlib.sha256(heads).hexdigest()
    (folder / backup.MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    bring_keys(world.ledger.config, empty)
    backup.restore(empty, folder)
    with opening.opened(empty) as opened:
        assert rows(opened, "SELECT count(mac) FROM checkpoints") == [(0,)]
        with opened.appending() as appender:
            World(opened, appender).issue(citizen(1))
        require_sound(opened)


def test_a_backup_is_private_holds_no_key_and_names_its_signed_head(world: World, tmp_path: Path) -> None:
    world.issue()
    folder = tmp_path / "backup"
    steps: list[str] = []
    manifest = backup.backup(world.ledger, folder, made_at=MADE_AT, progress=steps.append)
    assert steps == list(backup.TABLES)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    names = {path.name for path in folder.iterdir()}
    assert names == {backup.MANIFEST, *(f"{table}.copy" for table in backup.TABLES)}
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert backup.read_manifest(folder) == manifest
    (trusted,) = keeping.trust_file(world.ledger, made_at=MADE_AT).ledgers
    head = note.parse_checkpoint(note.verify(manifest.checkpoint, trusted=trust.verifier_keys(trusted))[0])
    assert (head.size, head.root.hex()) == (manifest.size, manifest.root)
    wrapped = [row[0] for row in rows(world.ledger, "SELECT wrapped FROM data_keys")]
    kept = b"".join(path.read_bytes() for path in folder.iterdir())
    assert wrapped
    assert not any(wrap in kept for wrap in wrapped if isinstance(wrap, bytes))


def test_a_restore_that_lost_nothing_goes_on_under_its_origin(
    world: World, empty: config.Config, tmp_path: Path
) -> None:
    ref = world.issue()
    world.grant()
    backup.backup(world.ledger, tmp_path / "backup", made_at=MADE_AT)
    bring_keys(world.ledger.config, empty)
    restored = backup.restore(empty, tmp_path / "backup")
    assert restored == backup.Restored(size=restored.size, anchored_size=restored.size, streams_without_key=0)
    with opening.opened(empty) as opened, opened.appending() as appender:
        assert recovery.recover(opened).is_contained
        (used,) = World(opened, appender).use()
        assert used.event.fact["license_ref"] == ref
        require_sound(opened)


def test_a_damaged_backup_is_refused(world: World, empty: config.Config, tmp_path: Path) -> None:
    world.issue()
    folder = tmp_path / "backup"
    backup.backup(world.ledger, folder, made_at=MADE_AT)
    bring_keys(world.ledger.config, empty)
    events = folder / "events.copy"
    whole = events.read_bytes()
    events.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    with pytest.raises(errors.Invalid, match="damaged"):
        backup.restore(empty, folder)
    events.write_bytes(whole)
    content = json.loads((folder / backup.MANIFEST).read_text())
    content["root"] = "00" * 32
    (folder / backup.MANIFEST).write_text(json.dumps(content))
    with pytest.raises(errors.HistoryBroken):
        backup.restore(empty, folder)
    with psycopg.connect(str(empty.owner_database_url)) as conn:
        assert conn.execute("SELECT count(*) FROM events").fetchone() == (0,)
    (folder / backup.MANIFEST).unlink()
    with pytest.raises(errors.Invalid, match="no backup"):
        backup.restore(empty, folder)


def test_a_backup_goes_only_where_nothing_is(world: World, tmp_path: Path) -> None:
    backup.backup(world.ledger, tmp_path / "backup", made_at=MADE_AT)
    with pytest.raises(errors.AlreadyExists):
        backup.backup(world.ledger, tmp_path / "backup", made_at=MADE_AT)
    with pytest.raises(errors.Conflict):
        backup.restore(world.ledger.config, tmp_path / "backup")


def test_a_backup_needs_the_keys_of_its_ledger(
    world: World, cluster: Cluster, empty: config.Config, tmp_path: Path
) -> None:
    backup.backup(world.ledger, tmp_path / "backup", made_at=MADE_AT)
    with pytest.raises(errors.NotFound):
        backup.restore(empty, tmp_path / "backup")
    bring_keys(world.ledger.config, empty)
    (empty.data / "anchor" / "wraps").unlink()
    with pytest.raises(errors.NotFound):
        backup.restore(empty, tmp_path / "backup")


def test_a_rebuild_puts_changed_state_right_and_says_what_was_wrong(world: World) -> None:
    ledger = world.ledger
    ref = world.issue()
    world.issue(citizen(1), type_code=CITIZEN_CARD)
    world.grant(uses_max=5)
    world.use()
    world.status(ref, "suspend")
    told: list[int] = []
    clean = rebuilding.rebuild(ledger, progress=told.append)
    assert clean == rebuilding.Rebuilt(events=told[-1], changed={})
    with psycopg.connect(str(ledger.ways.owner)) as conn:
        conn.execute("UPDATE licenses SET status = 'active'")
        conn.execute("UPDATE authorizations SET uses = 0")
        conn.execute("DELETE FROM organizations")
    found = rebuilding.rebuild(ledger).changed
    assert found.keys() == {"licenses", "authorizations", "organizations"}
    assert (found["licenses"], found["authorizations"]) == (1, 1)
    (refused,) = world.use()
    assert refused.event.topic == "UseRefused"
    require_sound(ledger)
