"""A service with witnesses of its own: asked by itself, told in the trust file, verified offline, checked."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from api import cli_verdicts
from ledger import attesting, check, keeping, opening, reading
from signing import cosignature, note, receipt, trust, trust_witness, witness
from tests import api_world
from tests.attesting_world import Clock, Witnesses
from tests.conftest import Cluster
from tests.key_drill import trust_bytes


def test_a_service_that_is_told_of_witnesses_asks_them_by_itself(cluster: Cluster, tmp_path: Path) -> None:
    configured = cluster.clone()
    try:
        with api_world.running(configured) as bare, contextlib.ExitStack() as stack:
            pair = Witnesses(stack, tmp_path, bare, 2)
            named = replace(configured, outsiders=pair.named(every_s=1))
            with api_world.running(named) as face:
                asked = face.served.attesting
                until = time.monotonic() + 60
                while face.served.reader.cosigned() is None and time.monotonic() < until:
                    threading.Event().wait(0.05)
                assert asked.is_asking
                text = face.http.get("/log/0/checkpoint").text
                assert len(cosignature.require(text, policy=pair.policy)) == 2
                # Made before it is asked for: a machine with much to do takes longer than a caller waits.
                face.served.publisher.refresh()
                (ledger,) = trust.parse(face.http.get("/v1/trust").content).ledgers
                assert trust_witness.policy(ledger) == pair.policy
                (origin,) = ledger.origins
                assert origin.checkpoint is not None
                assert len(trust_witness.cosigned(ledger, origin.checkpoint)) == 2
                # What anyone fetches is verified offline, by the command's own judgment.
                trusted, now = face.http.get("/v1/trust").content, datetime.now(UTC)
                said = cli_verdicts.judge(text.encode(), trusted=trusted, now=now)
                assert (said.is_good, said.word) == (True, "proven"), said.lines
                body, lines = note.taken_apart(text)
                unseen = note.of(body, lines[:1]).encode()
                assert cli_verdicts.judge(unseen, trusted=trusted, now=now).word == "needs witnesses"
                # An export of what they have seen is proven in a tree that they cosigned.
                asking = {"operator": {"account": "a-1", "name": "审计员"}, "filter": {"until_index": 0}}
                made = face.register().post("/v1/audit/exports", asking).content
                said = cli_verdicts.judge(made, trusted=trusted, now=now, is_witnessed=True)
                assert (said.word, said.details["events"], len(said.details["witnesses"])) == ("proven", 1, 2)
    finally:
        cluster.drop(configured)


def test_a_check_names_attestations_of_another_tree(cluster: Cluster, tmp_path: Path) -> None:
    configured = cluster.clone()
    try:
        with api_world.running(configured) as face, contextlib.ExitStack() as stack:
            pair = Witnesses(stack, tmp_path, face, 1)
            reader = stack.enter_context(contextlib.closing(witnessed(face.served.ledger)))
            attesting.Attesting(reader, pair.named(), now=Clock()).round()
            assert reader.cosigned() is not None
            assert findings(face.served.ledger) == []
            with psycopg.connect(str(configured.owner_database_url)) as conn:
                conn.execute("UPDATE cosigned_checkpoints SET note = replace(note, E'\\n', E'\\n1')")
                conn.execute("UPDATE cosignatures SET root = decode(repeat('00', 32), 'hex')")
            (found,) = findings(face.served.ledger)
            assert "outsiders attested another tree" in found
    finally:
        cluster.drop(configured)


def test_what_is_told_is_never_under_a_compromised_key_however_long_witnesses_are_silent(
    cluster: Cluster, tmp_path: Path
) -> None:
    configured = cluster.clone()
    try:
        with api_world.running(configured) as face, contextlib.ExitStack() as stack:
            pair, ledger = Witnesses(stack, tmp_path, face, 1), face.served.ledger
            reader = stack.enter_context(contextlib.closing(witnessed(ledger)))
            attesting.Attesting(reader, pair.named(), now=Clock()).round()
            cosigned, stolen = reader.cosigned(), ledger.vault.ring.active("log").key_id
            assert cosigned is not None
            keeping.rotate_signing_key(ledger, face.served.appender, "log")
            assert reader.cosigned() == cosigned, "what a retired key signed stays good"
            keeping.compromise_signing_key(
                ledger, face.served.appender, stolen, since=1, actor=ledger.console
            )
            assert reader.cosigned() is None
            (stored,) = reader.events([0])
            said, trusted = reader.receipt(0), trust_bytes(ledger)
            verdict = cli_verdicts.judge(said.encode(), trusted=trusted, event=stored, now=datetime.now(UTC))
            assert verdict.word == "proven"
            later = note.VerifierKey(name=pair.log.name, public=ledger.vault.log_key.public)
            assert receipt.verify(said, event=stored, trusted=[later]).signer == later
            lane = attesting.Attesting(reader, pair.named(), now=Clock())
            lane.round()
            assert reader.cosigned() is None, "the witness does not know the new key"
            (folder,) = tmp_path.iterdir()
            witness.add_log(folder, later.text)
            lane.round()
            again = reader.cosigned()
            assert again is not None
            assert note.verify(again, trusted=[later])[1] == later
    finally:
        cluster.drop(configured)


def witnessed(ledger: opening.Ledger) -> reading.Reader:
    return reading.Reader(ledger.ways.service, ledger.vault, is_witnessed=True)


def findings(ledger: opening.Ledger) -> list[str]:
    report = check.check(
        ledger.ways.service,
        identity=check.identity_of(ledger.vault.ring),
        anchor=ledger.vault.anchor,
        vault=ledger.vault,
    )
    return [one.text for one in report.findings]
