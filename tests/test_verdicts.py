"""`verify`: every kind of file, good or bad, gets its verdict from a trust file and nothing else."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from api import cli_verdicts
from ledger import errors, offline
from signing import keys, qr, trust
from tests import (
    campaign,
    documents,
    format_examples,
    format_examples_trust,
    test_offline,
    test_qr_image,
    test_trust,
    test_trust_signed,
)
from tests.test_offline import FILE, LEDGER, NOW, PAPER, code, signed_list

SIGNERS = test_trust_signed.SIGNERS
TRUST = trust.write(FILE, signers=SIGNERS)
LATER = replace(FILE, made_at=FILE.made_at + timedelta(minutes=30))


def judged(
    data: bytes | str, *, trusted: bytes = TRUST, at: str | None = None, paper: offline.Paper | None = PAPER
) -> cli_verdicts.Verdict:
    sent = data.encode() if isinstance(data, str) else data
    return cli_verdicts.judge(sent, trusted=trusted, at=at, now=NOW, paper=paper)


def refusal(data: bytes | str, *, trusted: bytes = TRUST) -> str:
    said = judged(data, trusted=trusted)
    assert (said.word, said.is_good) == ("refused", False)
    (why,) = said.lines
    return why


def test_a_text_and_a_picture_of_it_have_one_verdict() -> None:
    text = code()
    said = judged(text + "\n")
    assert said.word == "valid as of 2026-03-01T03:00:00Z"
    assert said.details["outcome"] == "valid"
    assert "DEMONSTRATION" in said.lines[-1]
    assert judged(qr.png(text)) == said
    assert judged(text.lower()) == said
    assert judged(qr.png(code(status_index=10))).word == "revoked"


def test_a_time_is_asked_for_by_day_or_instant() -> None:
    for at, word in (
        (None, "valid as of 2026-03-01T03:00:00Z"),
        ("2026-03-01", "valid as of 2026-03-01T03:00:00Z"),
        ("2026-03-01T11:30:00+08:00", "valid as of 2026-03-01T03:00:00Z"),
        ("2026-02-28", "unknown"),
        ("2026-02-01", "valid token, license not yet effective"),
        ("2026-03-03", "trust file too old"),
        ("2027-01-01", "valid token, license expired"),
    ):
        assert judged(code(), at=at).word == word, at
    for wrong in ("2026-3-1", "tomorrow", "2026-03-01T11:30:00", "9999-99-99", "2026-03-01Tx"):
        with pytest.raises(errors.Invalid) as refused:
            judged(code(), at=wrong)
        assert refused.value.field == "--at"


def test_a_list_is_judged_by_itself() -> None:
    said = judged(signed_list(3))
    assert (said.word, said.details["number"], said.details["invalid"]) == ("proven", 3, 1)
    assert "in the future" in refusal(signed_list(3, issued_at=test_offline.ISSUED_AT + 7_200))
    assert "not trusted" in refusal(signed_list(3, key=test_offline.STRANGER))


def test_a_later_trust_file_is_vouched_for_or_refused() -> None:
    later = trust.write(LATER, signers=SIGNERS)
    said = judged(later)
    assert (said.word, said.details["status_lists"]) == ("vouched for", [0])
    stranger = replace(LATER, ledgers=(replace(LEDGER, origins=(test_trust.origin(0, 9),)),))
    by_stranger = trust.write(stranger, signers=[(f"{test_trust.BASE}/0", keys.SigningKey(bytes([9]) * 32))])
    refused = {
        "no key that is active": by_stranger,
        "altered": later.replace(b'"fresh_s":86400', b'"fresh_s":86401'),
        "unknown format": later.replace(b'{"format":2', b'{"format":3'),
        "older": trust.write(replace(FILE, made_at=FILE.made_at - timedelta(1)), signers=SIGNERS),
        "in the future": trust.write(replace(FILE, made_at=NOW + timedelta(1)), signers=SIGNERS),
        "not JSON": later[:-1],
        "format 1": trust.write(replace(FILE, ledgers=(first_ledger(),), fresh_s=None)),
    }
    for why, data in refused.items():
        assert why in refusal(data), why
    assert "unknown" not in judged(code(), trusted=later).word


def first_ledger() -> trust.Ledger:
    """The ledger as a file of format 1 has it."""
    return replace(test_trust.LEDGER, ledger_id=LEDGER.ledger_id)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "trust file: not JSON"),
        (TRUST.replace(b"revoked_at", b"revoked_on"), "trust file"),
        (TRUST.replace(b'"status":"compromised"', b'"status":"retired"'), "trust file"),
        (TRUST.replace(b'{"format":2', b'{"format":9'), "unknown format"),
        (trust.write(replace(FILE, made_at=NOW + timedelta(1)), signers=SIGNERS), "in the future"),
    ],
    ids=["nothing", "another shape", "altered", "another version", "of the future"],
)
def test_a_trust_file_that_cannot_be_used_is_no_verdict(data: bytes, why: str) -> None:
    with pytest.raises(errors.Invalid, match=why):
        judged(code(), trusted=data)


def test_what_is_no_file_of_ours_is_refused_for_its_own_reason() -> None:
    reasons = {
        refusal("A" * 10_000): "longer than a QR code",
        refusal(code() + "A"): "base32",
        refusal(b"\x00\x01\xff"): "nothing that is verified here",
        refusal(test_qr_image.black(30_000, 30_000)): "30000 × 30000 pixels",
        refusal(test_qr_image.black(100, 100)): "no QR code",
        refusal("{}"): "bundle",
        refusal(code(key=test_offline.STRANGER)): "not trusted here",
    }
    for said, expected in reasons.items():
        assert expected in said
    with pytest.raises(errors.Invalid) as refused:
        judged(format_examples.RECEIPTS[1])
    assert refused.value.field == "--event"


def test_the_examples_of_the_documents_are_judged_by_their_trust_file() -> None:
    file = format_examples_trust.signed(
        format_examples.TRUST,
        format_examples.CHECKPOINT,
        log_key=format_examples.LOG_KEY,
        key=format_examples.TOKEN_KEY,
    ).encode()
    now = datetime(2026, 2, 1, 6, tzinfo=UTC)
    paper = offline.Paper(number=format_examples.NUMBER, name=format_examples.NAME)
    said = cli_verdicts.judge(format_examples.URL.encode(), trusted=file, now=now, paper=paper)
    assert said.word == "valid as of 2026-02-01T00:00:00Z"
    bundle = json.dumps(format_examples.bundle()).encode()
    assert cli_verdicts.judge(bundle, trusted=file, now=now).word == "proven"
    receipt = format_examples.RECEIPTS[1].encode()
    proven = cli_verdicts.judge(receipt, trusted=file, event=format_examples.STORED[1], now=now)
    assert (proven.word, proven.details["index"]) == ("proven", 1)
    other = cli_verdicts.judge(receipt, trusted=TRUST, event=format_examples.STORED[1], now=NOW)
    assert other.word == "refused"


# --- documents; those of a ledger are in test_verdicts_document ---

SIGNED_AT = documents.AT + timedelta(hours=1)


def judged_pdf(pdf: bytes) -> cli_verdicts.Verdict:
    """The verdict an hour after the sample documents were signed, by their authority and certificate."""
    issuer = trust.IssuerCertificate(
        issuer=documents.CREDIT_CODE, certificate=documents.seal().certificate, revoked_at=None
    )
    known = trust.Documents(roots=(documents.authority().certificate,), certificates=(issuer,))
    ledger = replace(LEDGER, documents=known)
    made_at = documents.AT.replace(microsecond=0)
    file = trust.write(replace(FILE, ledgers=(ledger,), made_at=made_at), signers=SIGNERS)
    return cli_verdicts.judge(pdf, trusted=file, now=SIGNED_AT)


def test_a_signature_alone_proves_nothing_of_a_license() -> None:
    said = judged_pdf(documents.signed())
    assert (said.word, said.is_good) == ("refused", False)
    assert "has not exactly the members" in said.lines[0], "its data are of no license"


def require_no_other_verdict(seed: int, count: int) -> None:
    """No spoiled document is taken for what was signed."""
    drawn = random.Random(seed)
    for _ in range(count):
        said = judged_pdf(test_qr_image.spoiled(documents.signed(), drawn))
        assert said.word == "refused"
        assert said.lines[0]


def test_a_spoiled_document_is_refused() -> None:
    require_no_other_verdict(8, 4)


# --- whatever comes, there is a verdict ---


def strange(seed: int, count: int) -> Iterator[bytes]:
    """Files of every kind with bytes changed, cut, doubled; and bytes that are nothing."""
    drawn = random.Random(seed)
    good = (
        code().encode(),
        signed_list(0),
        trust.write(LATER, signers=SIGNERS),
        format_examples.RECEIPTS[1].encode(),
        json.dumps(format_examples.bundle()).encode(),
    )
    for _ in range(count):
        yield test_qr_image.spoiled(drawn.choice(good), drawn)
        yield drawn.randbytes(drawn.randrange(200))


def require_verdicts(files: Iterator[bytes]) -> None:
    event = format_examples.STORED[1]
    for data in files:
        said = cli_verdicts.judge(data, trusted=TRUST, event=event, now=NOW, paper=PAPER)
        assert said.word
        json.dumps(said.as_dict())


def test_a_strange_file_has_a_verdict() -> None:
    require_verdicts(strange(5, 60))


def test_a_strange_trust_file_is_used_as_it_was_or_not_at_all() -> None:
    drawn = random.Random(6)
    for _ in range(60):
        with pytest.raises(errors.Invalid):
            cli_verdicts.judge(b"x", trusted=test_qr_image.spoiled(TRUST, drawn), now=NOW)


@pytest.mark.faults
def test_campaign_strange_files_and_pictures_have_a_verdict() -> None:
    seed = campaign.seed()
    require_verdicts(strange(seed, 4_000))
    test_qr_image.require_handled(seed, 25)
    require_no_other_verdict(seed, 100)
