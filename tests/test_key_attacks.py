"""Stolen keys, rolled-back databases and crashes amid a change of keys: what is said of each."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from api import cli_keys, cli_verdicts
from ledger import bundle, check, config, errors, keeping, key_commands, key_history, opening, recovery
from ledger.command import Actor
from ledger.pen import Pen, Recorded, Stage
from ledger.reading import Reader
from signing import event, keyring, keys, merkle, note, receipt, token, trust
from tests import format_examples
from tests.conftest import Cluster
from tests.key_drill import trust_bytes
from tests.world import CITIZEN_CARD, World, citizen

STAGES: tuple[Stage, ...] = ("committing", "committed")
CHANGES = (("prepare", "log"), ("rotate", "log"), ("rotate", "access"), ("compromise", "log"))


class Crash(Exception):
    """The process ends here."""


def verdict(data: bytes | str, ledger: opening.Ledger, *, of: bytes | None = None) -> str:
    """What `verify` says of a file with the trust file of now."""
    text = data if isinstance(data, bytes) else data.encode()
    return cli_verdicts.judge(
        text, trusted=trust_bytes(ledger), event=of, at=None, now=datetime.now(UTC)
    ).word


def used(world: World) -> Recorded:
    (item,) = world.use(holder=citizen(1), type_code=CITIZEN_CARD)
    assert item.event.topic == "LicenseUsed"
    return item


@pytest.fixture
def ready(world: World) -> World:
    """A license that is used."""
    world.issue(citizen(1), type_code=CITIZEN_CARD, name="合成")
    world.grant(type_codes=(CITIZEN_CARD,))
    return world


def compromise(world: World, purpose: str, *, since: int | None = None) -> keyring.HeldKey:
    held = world.ledger.vault.ring.active(purpose)
    keeping.compromise_signing_key(
        world.ledger, world.appender, held.key_id, since=since, actor=world.ledger.console
    )
    return held


def forked(genuine: Recorded, *, size: int, seed: bytes) -> tuple[bytes, str]:
    """An event that never was, at the end of a tree of some size, with a checkpoint of a stolen key."""
    about = event.parse(genuine.data)
    data = event.encode(replace(about, event_id=bytes(16)))
    tree = merkle.Extension.of((), 0, [*(bytes(32) for _ in range(size - 1)), merkle.leaf_hash(data)])
    origin = receipt.parse(genuine.receipt).checkpoint.partition("\n")[0]
    text = note.Checkpoint(origin=origin, size=size, root=tree.root).text
    signed = note.sign(text, name=origin, key=keys.SigningKey(seed))
    return data, receipt.write(index=size - 1, proof=tree.proof(size - 1), checkpoint=signed)


def test_a_fork_signed_with_a_stolen_key_is_never_proven_whatever_size_it_names(ready: World) -> None:
    ledger, genuine = ready.ledger, used(ready)
    stolen = ledger.vault.ring.active("log").seed
    since = genuine.index + 1
    forks = [forked(genuine, size=size, seed=stolen) for size in (2, since, since + 1, since + 50)]
    assert {verdict(fork, ledger, of=data) for data, fork in forks} == {"proven"}, "a thief is not told apart"
    compromise(ready, "log", since=since)
    later = used(ready)
    for data, fork in [*forks, forked(later, size=later.index + 9, seed=stolen)]:
        assert verdict(fork, ledger, of=data) == "needs a fresh receipt"
    assert verdict(genuine.receipt, ledger, of=genuine.data) == "needs a fresh receipt"
    assert verdict(later.receipt, ledger, of=later.data) == "proven"
    with contextlib.closing(Reader(ledger.ways.service, ledger.vault)) as reader:
        fresh = cli_keys.refreshed(genuine.receipt.encode(), genuine.data, reader)
        assert verdict(fresh, ledger, of=genuine.data) == "proven"
        for data, fork in forks[1:2]:
            with pytest.raises(errors.Invalid, match="is not what the ledger has"):
                cli_keys.refreshed(fork.encode(), data, reader)
        for data, fork in forks[3:]:
            with pytest.raises(errors.EventNotFound):
                cli_keys.refreshed(fork.encode(), data, reader)


def test_a_kept_checkpoint_of_a_compromised_key_is_evidence_and_its_absence_is_told_with_the_doubt(
    ready: World,
) -> None:
    ledger, genuine = ready.ledger, used(ready)
    held = compromise(ready, "log")
    _, fork = forked(genuine, size=genuine.index, seed=held.seed)

    def found(since: str) -> list[str]:
        report = check.check(
            ledger.ways.service,
            identity=check.identity_of(ledger.vault.ring),
            anchor=ledger.vault.anchor,
            since=since,
        )
        return [one.text for one in report.findings]

    assert found(genuine.receipt) == []
    (text,) = found(fork)
    assert "may be forged" in text


def test_tokens_of_a_compromised_key_are_to_be_checked_online_and_those_of_a_retired_one_hold(
    ready: World,
) -> None:
    ledger = ready.ledger
    said = token.Token(
        license_ref=bytes(16),
        version=1,
        piece=0,
        valid_from=0,
        valid_to=None,
        issued_on=0,
        status_list=0,
        status_index=1,
        paper_digest=bytes(12),
        paper_salt=bytes(8),
    )
    texts = []
    for _ in range(3):
        signed = token.sign(said, key=ledger.vault.token_key, suite=ledger.vault.suite)
        texts.append(token.url(signed, host="ledger.example"))
        if len(texts) < 3:
            keeping.rotate_signing_key(ledger, ready.appender, "token")
    before = [verdict(text, ledger) for text in texts]
    assert before == ["unknown"] * 3, "signed, and in no status list"
    compromise(ready, "token")
    assert [verdict(text, ledger) for text in texts] == ["unknown", "unknown", "check online"]
    altered = texts[2][:-1] + ("A" if texts[2][-1] != "A" else "B")
    assert verdict(altered, ledger) == "refused"


def test_a_registry_set_back_to_before_the_mark_does_not_bring_a_key_back(
    cluster: Cluster, configured: config.Config
) -> None:
    with opening.opened(configured) as ledger, ledger.appending() as appender:
        world = World(ledger, appender)
        world.issue(citizen(1), type_code=CITIZEN_CARD, name="合成")
        world.grant(type_codes=(CITIZEN_CARD,))
    copy = cluster.clone(configured)
    with opening.opened(configured) as ledger, ledger.appending() as appender:
        world.ledger, world.appender = ledger, appender
        before = used(world)
        compromised = [compromise(world, purpose, since=before.index).key_id for purpose in keyring.PURPOSES]
    older = replace(configured, database_url=copy.database_url, owner_database_url=copy.owner_database_url)
    with opening.opened(older, migrate=False) as ledger:
        with ledger.appending() as appender, pytest.raises(errors.HistoryBehindAnchor):
            keeping.rotate_signing_key(ledger, appender, "log")
        require_compromised(ledger, compromised)
        assert verdict(before.receipt, ledger, of=before.data) == "needs a fresh receipt"
        recovery.recover(ledger, declare_loss=True)
        require_compromised(ledger, compromised)
        with ledger.appending() as appender:
            world.ledger, world.appender = ledger, appender
            after = used(world)
        assert verdict(after.receipt, ledger, of=after.data) == "proven"
        assert verdict(before.receipt, ledger, of=before.data) == "needs a fresh receipt"
        (known,) = trust.parse(trust_bytes(ledger)).ledgers
        # Nobody can say later than the loss what was signed under the origin that it ended.
        assert known.origins[0].keys[0].last_size == before.index + 1 + 3 * len(compromised)
        require_sound(ledger)
    cluster.drop(copy)


def require_compromised(ledger: opening.Ledger, key_ids: list[bytes]) -> None:
    with contextlib.closing(ledger.recorder.session()) as session:
        known = {
            one.key_id: one for one in key_history.records(key_history.running(session), ledger.vault.ring)
        }
    assert {known[key_id].status for key_id in key_ids} == {"compromised"}
    assert ledger.vault.compromised == {key_id.hex() for key_id in key_ids}


def require_sound(ledger: opening.Ledger) -> None:
    report = check.check(
        ledger.ways.service, identity=check.identity_of(ledger.vault.ring), anchor=ledger.vault.anchor
    )
    assert report.findings == ()


def change(kind: str, ledger: opening.Ledger, purpose: str) -> key_commands.ChangeKeys:
    """A command as `keeping` gives it."""
    signs = ledger.vault.ring.active(purpose).key_id
    said: dict[str, Any] = {
        "actor": Actor(client_id=None, organization=ledger.vault.ring.operator, channel="console"),
        "fresh": keyring.new_key(ledger.vault.suite, purpose),
    }
    if kind == "prepare":
        return key_commands.PrepareSigningKey(**said)
    if kind == "rotate":
        return key_commands.RotateSigningKey(**said, before=signs)
    return key_commands.CompromiseSigningKey(**said, key_id=signs, since=1)


def test_whoever_is_killed_amid_a_change_of_keys_leaves_a_ledger_that_serves_and_finishes_it(
    ready: World, configured: config.Config
) -> None:
    given = [used(ready)]
    compromised: set[str] = set()
    for stage in STAGES:
        for kind, purpose in CHANGES:
            with opening.opened(replace(configured), migrate=False) as dying:
                asked = change(kind, dying, purpose)
                crash_at(stage, dying, asked)
            given.append(used(ready))
            with opening.opened(replace(configured), migrate=False) as again, again.appending() as appender:
                finish(again, appender, asked)
                if isinstance(asked, key_commands.CompromiseSigningKey):
                    compromised.add(asked.key_id.hex())
                    assert again.vault.compromised == compromised
                require_told(again)
            given.append(used(ready))
    ledger = ready.ledger
    words = {verdict(item.receipt, ledger, of=item.data) for item in given}
    assert words == {"proven", "needs a fresh receipt"}
    assert verdict(given[-1].receipt, ledger, of=given[-1].data) == "proven"


def crash_at(stage: Stage, ledger: opening.Ledger, asked: key_commands.ChangeKeys) -> None:
    def reached(found: Stage) -> None:
        if found == stage:
            raise Crash

    pen = Pen(ledger.recorder, ledger.vault, reached=reached)
    with contextlib.closing(pen), pytest.raises(Crash):
        pen.append([asked])


def finish(ledger: opening.Ledger, appender: Any, asked: key_commands.ChangeKeys) -> None:
    """The operator gives the command again, and then the change is whole."""
    with contextlib.suppress(errors.Conflict):
        if isinstance(asked, key_commands.PrepareSigningKey):
            keeping.prepare_signing_key(ledger, appender, asked.fresh.purpose)
        elif isinstance(asked, key_commands.RotateSigningKey):
            keeping.rotate_signing_key(ledger, appender, asked.fresh.purpose)
        elif isinstance(asked, key_commands.CompromiseSigningKey):
            keeping.compromise_signing_key(
                ledger, appender, asked.key_id, since=asked.since, actor=ledger.console
            )


def require_told(ledger: opening.Ledger) -> None:
    """The log says of every key what the ring says."""
    with contextlib.closing(ledger.recorder.session()) as session:
        run = key_history.running(session)
        told = key_history.records(run, replace(ledger.vault.ring, signing=()))
        known = key_history.records(run, ledger.vault.ring)
    assert [(one.key_id, one.status) for one in told] == [(one.key_id, one.status) for one in known]
    signs = [one.purpose for one in known if one.status == "active" and not one.is_prepared]
    assert sorted(signs) == sorted(keyring.PURPOSES)


def test_a_bundle_is_written_again_with_fresh_receipts_and_no_other_event() -> None:
    stored = format_examples.STORED
    data = json.dumps(format_examples.bundle()).encode()
    asked: list[int] = []

    def fresh(index: int) -> str:
        asked.append(index)
        return format_examples.RECEIPTS[index]

    made = bundle.with_receipts(data, stored=lambda index: stored[index], fresh=fresh)
    assert json.loads(made) == format_examples.bundle()
    assert asked == [1, 0, 2]
    with pytest.raises(bundle.BundleInvalid, match="is not what the ledger has"):
        bundle.with_receipts(data, stored=lambda index: b"else", fresh=fresh)
    for wrong in (b"{}", b'{"index":1,"uses":[{}]}', b'{"index":1,"uses":[1]}', b"["):
        with pytest.raises(bundle.BundleInvalid):
            bundle.with_receipts(wrong, stored=lambda index: b"", fresh=fresh)
