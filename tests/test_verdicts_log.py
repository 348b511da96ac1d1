"""Checkpoints, witnesses and time-stamps, judged offline by a trust file."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from api import verdicts_log
from signing import cosignature, keys, note, suites, timestamp, trust
from tests import tsa_world
from tests.witness_world import Log

ORIGIN = "demo.ledger.example/log/0"
LOG = Log(ORIGIN)
FORK = LOG.forked(5)
SECRETS = [keys.SigningKey(bytes([number]) * 32) for number in (11, 12, 13)]
WITNESSES = tuple(
    cosignature.CosignerKey(name=f"witness.example/w{number}", public=key.public)
    for number, key in enumerate(SECRETS)
)
TSA = tsa_world.made()
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def file(**changes: Any) -> trust.TrustFile:
    held = {"status": "active", "last_size": None, "compromised_since": None} | changes.pop("key", {})
    origin = trust.Origin(
        origin=ORIGIN,
        generation=0,
        keys=(trust.LogKey(key=LOG.verifier, **held),),
        checkpoint=changes.pop("checkpoint", None),
    )
    ledger = trust.Ledger(
        ledger_id=bytes(16),
        suite=suites.INTL,
        is_demonstration=True,
        origins=(origin,),
        token_keys=(),
        witnesses=tuple(key.text for key in WITNESSES),
        quorum=2,
        documents=trust.Documents(time_stamp_roots=TSA.authority.roots),
    )
    return trust.TrustFile(ledgers=(replace(ledger, **changes),), made_at=NOW)


def cosigned(size: int, *who: int, log: Log = LOG) -> str:
    signed = log.checkpoint(size)
    text = note.taken_apart(signed)[0]
    lines = [
        cosignature.sign(text, name=WITNESSES[one].name, key=SECRETS[one], at_s=1_700_000_000) for one in who
    ]
    return cosignature.added(signed, lines)


def judged(text: str, trusted: trust.TrustFile) -> verdicts_log.Verdict:
    data = text.encode()
    assert verdicts_log.is_checkpoint(data)
    return verdicts_log.of_checkpoint(data, trusted)


def test_a_checkpoint_with_a_quorum_is_proven_and_names_who_cosigned() -> None:
    said = judged(cosigned(9, 0, 2), file())
    assert (said.is_good, said.word) == (True, "proven")
    assert [one["name"] for one in said.details["witnesses"]] == ["witness.example/w0", "witness.example/w2"]
    assert "2 of 3 witnesses, 2 are asked for" in said.lines
    assert judged(LOG.checkpoint(9), file(quorum=0)).is_good


def test_a_checkpoint_without_a_quorum_needs_witnesses() -> None:
    said = judged(cosigned(9, 1), file())
    assert (said.is_good, said.word) == (False, "needs witnesses")


@pytest.mark.parametrize(
    ("text", "trusted", "why"),
    [
        (cosigned(9, 0, 1, log=Log(ORIGIN, seed=3)), file(), "no trusted key"),
        (cosigned(9, 0, 1, log=Log("other.example/0")), file(), "not trusted"),
        (cosigned(9, 0, 1, log=FORK), file(checkpoint=LOG.checkpoint(9)), "split view"),
        (cosigned(9, 0, 1), file(key={"status": "retired", "last_size": 5}), "retired at size 5"),
        (cosigned(9, 0), file(key={"status": "compromised"}), "was compromised"),
        (cosigned(9, 0, 1).replace("\n9\n", "\n8\n"), file(), "does not verify"),
        (cosigned(9, 0, 1), file(witnesses=("w+00000000+AAAA",), quorum=1), "the quorum is larger"),
    ],
    ids=["a stranger", "another log", "split view", "retired", "compromised", "changed", "unknown witnesses"],
)
def test_what_does_not_hold_is_refused_with_its_reason(text: str, trusted: trust.TrustFile, why: str) -> None:
    said = judged(text, trusted)
    assert (said.is_good, said.word) == (False, "refused")
    assert why in said.lines[0]


def test_witnesses_stand_for_what_a_compromised_key_signed_before_the_mark() -> None:
    stolen = {"status": "compromised", "compromised_since": 9}
    assert judged(cosigned(9, 0, 1), file(key=stolen)).is_good
    for text, trusted in (
        (cosigned(9, 0), file(key=stolen)),
        (cosigned(10, 0, 1, 2), file(key=stolen)),
        (cosigned(9), file(key=stolen, quorum=0)),
        (cosigned(9, 0, 1), file(key=stolen, witnesses=(), quorum=0)),
    ):
        assert "was compromised" in judged(text, trusted).lines[0]


def stamped(checkpoint: str) -> timestamp.Stamped:
    asked = timestamp.Asked(note.taken_apart(checkpoint)[0], nonce=5)
    return timestamp.Stamped(checkpoint=checkpoint, response=TSA.answer(asked.body, at=NOW))


def test_a_stamp_proves_when_a_tree_was_there() -> None:
    data = timestamp.write(stamped(LOG.checkpoint(9))).encode()
    assert verdicts_log.is_stamped(data)
    said = verdicts_log.of_stamped(data, file())
    assert said.is_good
    assert said.details["stamped_at"] == "2026-03-04T05:06:07Z"


@pytest.mark.parametrize(
    ("held", "trusted"),
    [
        (stamped(LOG.checkpoint(9)), file(documents=trust.Documents())),
        (
            stamped(LOG.checkpoint(9)),
            file(documents=trust.Documents(time_stamp_roots=tsa_world.made().authority.roots)),
        ),
        (replace(stamped(LOG.checkpoint(9)), checkpoint=LOG.checkpoint(8)), file()),
        (stamped(Log(ORIGIN, seed=3).checkpoint(9)), file()),
    ],
    ids=["no authority", "another authority", "another tree", "a stranger's tree"],
)
def test_a_stamp_that_does_not_hold_proves_nothing(held: timestamp.Stamped, trusted: trust.TrustFile) -> None:
    said = verdicts_log.of_stamped(timestamp.write(held).encode(), trusted)
    assert (said.is_good, said.word) == (False, "refused")


def test_a_receipt_needs_witnesses_where_they_are_asked_for() -> None:
    (ledger,) = file().ledgers
    good = verdicts_log.Verdict(is_good=True, word="proven", lines=("first",))
    for signed, is_asked, word in (
        (cosigned(9, 0, 1), True, "proven"),
        (cosigned(9, 0), True, "needs witnesses"),
        (cosigned(9), False, "proven"),
    ):
        said = verdicts_log.with_witnesses(good, ledger, signed, is_asked=is_asked)
        assert (said.word, said.is_good) == (word, word == "proven")
        assert said.lines[0] == "first"
        assert said.lines[-1].endswith("2 are asked for")
    nobody = replace(ledger, witnesses=(), quorum=0)
    assert verdicts_log.with_witnesses(good, nobody, cosigned(9, 0), is_asked=False).lines == ("first",)
    assert not verdicts_log.with_witnesses(good, nobody, cosigned(9, 0), is_asked=True).is_good
