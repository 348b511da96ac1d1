"""Key keeping: peppers and signing keys change, a bucket's key is renewed, a holder is erased.

Everything here runs beside a ledger in use, in short transactions under the partition's lock, and can
be run again after a crash at any point: each step looks at what is there and goes on from it. A key
file is always saved before the database makes its version everyone's, and an old key is destroyed only
when nothing needs it. A database behind its anchor keeps its keys as they are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from ledger import attachment_store, directory, errors, key_commands, key_history, registry_commands, sql
from ledger.appender import Appender
from ledger.command import Actor
from ledger.identifiers import HolderCode
from ledger.opening import Ledger, is_demonstration
from ledger.pen import Result, require_anchored
from ledger.store import Look, Lost, Session, Unknown
from ledger.vault import Vault
from signing import keyring, keys, trust

PARTITION = 0
ROWS_PER_LOCK = 250
TRIES = 5
Progress = Callable[[int], None]
"""Told after each transaction how many rows were moved so far."""


def no_progress(moved: int) -> None:
    """Tell nobody."""


def rotate_pepper(ledger: Ledger, *, progress: Progress = no_progress) -> int:
    """Every lookup of the directory under a new pepper, the old one destroyed; returns how many moved.

    A rotation that a crash cut short is finished, and no other begun.
    """
    with contextlib.closing(ledger.recorder.session()) as session:
        with locked(ledger, session) as vault:
            if len(vault.ring.peppers) == 1:
                vault.save_ring(vault.ring.add_pepper())
        # From here every new row is under the new pepper, and every appender looks under both.
        moved = 0
        while count := _move_lookups(ledger, session):
            moved += count
            progress(moved)
        with locked(ledger, session) as vault:
            vault.save_ring(vault.ring.drop_old_peppers())
    return moved


def erase_holder(ledger: Ledger, appender: Appender, holder: HolderCode, actor: Actor) -> Result:
    """The holder is erased: the fact, and with it link and keys, inside and outside the database.

    The old key of the holder's bucket is destroyed, so that no copy of a wrap, in a backup, in WAL or
    on a disk, opens again. After a crash, `finish_erasures` does what is left.
    """
    while True:
        result = appender.submit(registry_commands.EraseHolder(actor=actor, holder=holder)).result()
        if registry_commands.is_erased(result):
            break
    # From here the holder is erased, and not before: the same command goes on after a crash amid the parts.
    for item in result.recorded:
        stream_id = item.event.stream_id
        ledger.vault.forget(stream_id)
        renew_bucket(ledger, keyring.bucket(stream_id))
        ledger.vault.wraps.forget(stream_id)
    attachment_store.drop_erased(ledger, [item.event.stream_id for item in result.recorded])
    return result


def finish_erasures(ledger: Ledger) -> tuple[int, ...]:
    """The buckets renewed because a crash had cut an erasure or a renewal short."""
    vault = ledger.vault
    vault.reload()
    outside = {stream_id for stream_id, _ in vault.wraps.load()}
    with contextlib.closing(ledger.recorder.session()) as session:
        left = [stream_id for stream_id in _erased_streams(session) if stream_id in outside]
    halfway = {number for number, held in enumerate(vault.keks.keks) if len(held) > 1}
    buckets = sorted(halfway | {keyring.bucket(stream_id) for stream_id in left})
    for number in buckets:
        renew_bucket(ledger, number)
    for stream_id in left:
        vault.wraps.forget(stream_id)
    attachment_store.drop_erased(ledger, left)
    return tuple(buckets)


def renew_bucket(ledger: Ledger, bucket: int, *, progress: Progress = no_progress) -> int:
    """Every data key of `bucket` wrapped under a new key, the old one destroyed; returns how many.

    A renewal that a crash cut short is finished, and no other begun.
    """
    if not 0 <= bucket < keyring.BUCKETS:
        raise errors.Invalid(f"a bucket is a number from 0 to {keyring.BUCKETS - 1}", field="bucket")
    with contextlib.closing(ledger.recorder.session()) as session:
        with locked(ledger, session) as vault:
            if len(vault.keks.keks[bucket]) == 1:
                vault.save_keks(vault.keks.renew(bucket))
            _next_version(vault)
        # From here every new wrap is under the new key, and every process reads both.
        moved = 0
        while count := _move_wraps(ledger, session, bucket):
            moved += count
            progress(moved)
        with locked(ledger, session) as vault:
            vault.save_keks(vault.keks.drop_old(bucket))
            _next_version(vault)
        # From here the old key is gone, and with it every wrap that was not moved.
    with contextlib.suppress(errors.Unavailable, OSError):
        # All is done but this: where others work on the wraps, or the disk is full, the next renewal does it.
        ledger.vault.wraps.compact()
    return moved


def rotate_signing_key(ledger: Ledger, appender: Appender, purpose: str) -> bytes:
    """The id of the new active key of `purpose`; the log says which came and which went."""
    fresh = _fresh(ledger, purpose)
    ledger.vault.reload()
    before = ledger.vault.ring.active(purpose).key_id
    appender.submit(key_commands.RotateSigningKey(actor=ledger.console, fresh=fresh, before=before)).result()
    return ledger.vault.ring.active(purpose).key_id


def prepare_signing_key(ledger: Ledger, appender: Appender, purpose: str) -> bytes:
    """The id of the key that signs for `purpose` after the next rotation; the log and trust files know it."""
    fresh = _fresh(ledger, purpose)
    appender.submit(key_commands.PrepareSigningKey(actor=ledger.console, fresh=fresh)).result()
    known = key_commands.prepared(ledger.vault.ring, purpose)
    return fresh.key_id if known is None else known.key_id


def compromise_signing_key(
    ledger: Ledger, appender: Appender, key_id: bytes, *, since: int | None, actor: Actor
) -> Result:
    """The facts by which a key is believed no more; if it signed until now, another one does from here on.

    `since` is a size of the log; None: nobody knows, and so since the key came. Raises NotFound, Conflict
    when it is known to be compromised since then, Invalid when the log has not come to `since`.
    """
    ledger.vault.reload()
    purpose = next((held.purpose for held in ledger.vault.ring.signing if held.key_id == key_id), None)
    if purpose is None:
        raise errors.NotFound("no such key")
    fresh = keyring.new_key(ledger.vault.suite, purpose)
    return appender.submit(
        key_commands.CompromiseSigningKey(actor=actor, fresh=fresh, key_id=key_id, since=since)
    ).result()


def _fresh(ledger: Ledger, purpose: str) -> keyring.HeldKey:
    if purpose not in keyring.PURPOSES:
        raise errors.Invalid(f"a purpose is one of {', '.join(keyring.PURPOSES)}", field="purpose")
    return keyring.new_key(ledger.vault.suite, purpose)


def trust_file(ledger: Ledger, *, made_at: datetime) -> trust.TrustFile:
    """What verifiers of this ledger trust: every origin with every log key, and the keys of QR tokens."""
    ring = ledger.vault.ring
    with contextlib.closing(ledger.recorder.session()) as session:
        known = key_history.records(key_history.running(session), ring)
        origins = key_history.origins(key_history.running(session), known)
    described = trust.Ledger(
        ledger_id=ring.ledger_id,
        suite=ring.suite,
        is_demonstration=is_demonstration(ring.origin),
        origins=origins,
        token_keys=tuple(key_history.token_key(one) for one in known if one.purpose == "token"),
    )
    return trust.TrustFile(ledgers=(described,), made_at=made_at.replace(microsecond=0))


@contextlib.contextmanager
def locked(ledger: Ledger, session: Session) -> Iterator[Vault]:
    """The vault as its files are, while the partition is locked; committed when the block ends.

    A ring that the block saved becomes everyone's with the commit. Raises HistoryBehindAnchor when the
    history lacks what the anchor has, Unavailable when the lock is not to be had.
    """
    vault = ledger.vault
    mark = vault.anchor.read()
    look = _begin(session, mark.size)
    try:
        require_anchored(vault, mark, look)
        vault.reload()
        vault.require_version(look.ring_version or 0)
        yield vault
        if vault.ring.version > (look.ring_version or 0):
            session.run(sql.load("append")["set_ring_version"], vault.ring.version, PARTITION)
    except BaseException:
        with contextlib.suppress(Lost):
            session.rollback()
        raise
    commit(session)


def commit(session: Session) -> None:
    """COMMIT; raises OutcomeUnknown, and then the command is to be run again."""
    try:
        session.commit()
    except Unknown as unknown:
        raise errors.OutcomeUnknown("run the command again: it goes on where it was") from unknown


def _begin(session: Session, anchor_size: int) -> Look:
    """The look right after the lock, waited for again while others hold it for long."""
    for _ in range(TRIES):
        try:
            return session.begin(anchor_size=anchor_size)
        except Lost:
            with contextlib.suppress(Lost):
                session.rollback()
    raise errors.Unavailable("the partition's lock was not to be had")


def _next_version(vault: Vault) -> None:
    """Buckets changed: every process must read the files again."""
    vault.save_ring(replace(vault.ring, version=vault.ring.version + 1))


def _move_lookups(ledger: Ledger, session: Session) -> int:
    """How many rows one transaction moved to the active pepper."""
    with locked(ledger, session) as vault:
        texts = sql.load("keeping")
        active = vault.ring.peppers[-1][0]
        rows = session.run(texts["old_lookups"], PARTITION, active, ROWS_PER_LOCK)
        if rows:
            moved = move_lookups(vault, rows, read_wraps(session.run, {row[2] for row in rows}))
            session.run(texts["move_lookups"], active, [row[0] for row in rows], moved, PARTITION)
    return len(rows)


def move_lookups(
    vault: Vault, rows: list[tuple[bytes, str, bytes, bytes]], wraps: list[keyring.WrappedKey]
) -> list[bytes]:
    """The lookups under the active pepper of directory rows (lookup, kind, stream, sealed)."""
    data_keys = vault.unwrap(wraps)
    moved = []
    for _, kind, stream_id, sealed in rows:
        if stream_id not in data_keys:
            raise errors.HistoryBroken("a directory row's data key is missing or does not unwrap")
        content: Any = vault.unseal_entry(data_keys[stream_id], kind=kind, sealed=sealed)
        moved.append(directory.entry_lookup(vault, kind, content).digests[0])
    return moved


def read_wraps(run: Callable[..., list[Any]], stream_ids: set[bytes]) -> list[keyring.WrappedKey]:
    """The wrapped data keys of some streams."""
    rows = run(sql.load("append")["data_keys"], PARTITION, list(stream_ids))
    return [wrap_of(row) for row in rows]


def _move_wraps(ledger: Ledger, session: Session, bucket: int) -> int:
    """How many data keys one transaction wrapped under the bucket's newest key, inside and outside."""
    with locked(ledger, session) as vault:
        texts = sql.load("keeping")
        newest = vault.keks.keks[bucket][-1][0]
        rows = session.run(texts["old_wraps"], PARTITION, bucket, newest, ROWS_PER_LOCK)
        if rows:
            moved = [_rewrapped(vault, wrap_of(row)) for row in rows]
            vault.wraps.append(moved)
            columns = [(w.stream_id, w.number, w.generation, w.wrapped) for w in moved]
            session.run(texts["move_wraps"], *map(list, zip(*columns, strict=True)), PARTITION)
    return len(rows)


def _rewrapped(vault: Vault, wrap: keyring.WrappedKey) -> keyring.WrappedKey:
    try:
        return vault.wrap(vault.keks.unwrap(wrap, ledger_id=vault.ring.ledger_id))
    except keys.SealBroken as error:
        raise errors.HistoryBroken("a data key does not unwrap: its bucket's keys stay") from error


def _erased_streams(session: Session) -> Iterator[bytes]:
    text, after = sql.load("keeping")["erased_streams"], b""
    while rows := session.run(text, PARTITION, after, ROWS_PER_LOCK):
        yield from (stream_id for (stream_id,) in rows)
        after = rows[-1][0]


def wrap_of(row: Any) -> keyring.WrappedKey:
    """The wrap in a row (stream, number, bucket, generation, wrapped)."""
    return keyring.WrappedKey(
        stream_id=row[0], number=row[1], bucket=row[2], generation=row[3], wrapped=row[4]
    )
