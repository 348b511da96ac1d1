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
from ledger import attesting, check, opening, reading
from signing import cosignature, note, trust, trust_witness
from tests import api_world
from tests.attesting_world import Clock, Witnesses
from tests.conftest import Cluster


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
