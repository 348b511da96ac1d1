"""Counters without network: what is said of a code by a trust file, as of a time. Pure, no database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger import days, offline
from ledger.offline import Outcome
from signing import keys, status_list, suites, token, trust
from tests import test_trust, test_trust_signed
from tests.test_trust import COMPROMISED, RETIRED, token_key

NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)
"""Noon in Beijing."""
TODAY = days.of_instant(int(NOW.timestamp()) * 1_000_000)
ISSUED_AT = int(NOW.timestamp()) - 3_600
ACTIVE, OLD, STOLEN, STRANGER = (keys.SigningKey(bytes([number]) * 32) for number in (4, 3, 8, 9))
STATUSES = {10: status_list.INVALID, 11: status_list.SUSPENDED, 12: status_list.REPLACED}
NUMBER, NAME = "913500000000000274", "榕城示例有限公司"
PAPER = offline.Paper(number=NUMBER, name=NAME)
SALT = bytes(8)


def signed_list(number: int, *, key: keys.SigningKey = ACTIVE, **changes: Any) -> bytes:
    listed = status_list.StatusList(
        uri=f"https://ledger.example/v1/status-lists/{number}",
        issued_at=ISSUED_AT,
        expires_at=ISSUED_AT + 86_400,
        ttl_s=3_600,
        compressed=status_list.pack((status, [place]) for place, status in STATUSES.items()),
    )
    return status_list.sign(replace(listed, **changes), key=key, suite=suites.INTL)


LEDGER = replace(
    test_trust_signed.LEDGER,
    token_keys=(token_key(3, **RETIRED), token_key(4), token_key(8, **COMPROMISED)),
    status_lists={0: signed_list(0)},
)
FILE = trust.TrustFile(ledgers=(LEDGER,), made_at=datetime.fromtimestamp(ISSUED_AT, UTC), fresh_s=86_400)


def code(*, key: keys.SigningKey = ACTIVE, **changes: Any) -> str:
    """The QR text of a good piece, or of one that differs."""
    said: dict[str, Any] = {
        "license_ref": b"license reference"[:16],
        "version": 1,
        "piece": 0,
        "valid_from": TODAY - 10,
        "valid_to": TODAY + 10,
        "issued_on": TODAY - 10,
        "status_list": 0,
        "status_index": 4711,
        "paper_digest": token.paper_digest(salt=SALT, number=NUMBER, names=[NAME], suite=suites.INTL),
        "paper_salt": SALT,
    }
    return token.url(token.sign(token.Token(**said | changes), key=key, suite=suites.INTL), host="qr.example")


def altered(text: str) -> str:
    """The code with another signature."""
    return text[:-20] + ("A" if text[-20] != "A" else "B") + text[-19:]


def judged(
    text: str,
    *,
    file: trust.TrustFile = FILE,
    at: datetime = NOW,
    now: datetime = NOW,
    paper: offline.Paper | None = PAPER,
) -> offline.Judged:
    return offline.Verifier(file, now=now).code(text, at=at, paper=paper)


def with_list(data: bytes | None, **changes: Any) -> trust.TrustFile:
    lists = {} if data is None else {0: data}
    return replace(FILE, ledgers=(replace(LEDGER, status_lists=lists, **changes),))


def test_a_good_piece_is_valid_as_of_the_time_of_its_list() -> None:
    said = judged(code())
    assert (said.outcome, said.is_good) == (Outcome.VALID, True)
    assert said.word == "valid as of 2026-03-01T03:00:00Z"
    assert said.said is not None
    assert said.said.license_ref == b"license referenc"
    assert judged(code(key=OLD)).outcome is Outcome.VALID, "what a retired key signed stays good"
    assert judged(code(valid_to=None)).outcome is Outcome.VALID


@pytest.mark.parametrize(
    ("place", "outcome", "word"),
    [
        (10, Outcome.REVOKED, "revoked"),
        (11, Outcome.SUSPENDED, "suspended"),
        (12, Outcome.REPLACED, "replaced"),
    ],
)
def test_what_the_list_says_is_said(place: int, outcome: Outcome, word: str) -> None:
    said = judged(code(status_index=place))
    assert (said.outcome, said.word, said.is_good) == (outcome, word, False)
    assert said.why


def test_a_paper_that_was_not_compared_is_said_to_be_so_and_a_wrong_one_does_not_match() -> None:
    said = judged(code(), paper=None)
    assert (said.word, said.is_good) == ("valid token, paper not compared", True)
    assert said.as_of == datetime.fromtimestamp(ISSUED_AT, UTC), "the status is known all the same"
    assert judged(code(), paper=offline.Paper(number=f" {NUMBER} ", name=NAME)).outcome is Outcome.VALID
    for paper in (offline.Paper(number=NUMBER, name="别人"), offline.Paper(number="1", name=NAME)):
        said = judged(code(), paper=paper)
        assert (said.outcome, said.is_good) == (Outcome.PAPER_DIFFERS, False)


def test_dates_are_whole_days_in_beijing() -> None:
    last = datetime(2026, 3, 1, 15, 59, 59, tzinfo=UTC)
    for said, at, outcome in (
        ({"valid_to": TODAY}, last, Outcome.VALID),
        ({"valid_to": TODAY}, last + timedelta(seconds=1), Outcome.EXPIRED),
        ({"valid_from": TODAY + 1}, last, Outcome.NOT_YET_EFFECTIVE),
        ({"valid_from": TODAY + 1}, last + timedelta(seconds=1), Outcome.VALID),
    ):
        assert judged(code(**said), at=at, now=at).outcome is outcome


def test_a_file_is_asked_for_a_status_until_its_limit_and_not_after() -> None:
    limit = datetime.fromtimestamp(ISSUED_AT + 86_400, UTC)
    assert judged(code(), at=limit, now=limit).outcome is Outcome.VALID
    late = limit + timedelta(seconds=1)
    for text, outcome in (
        (code(), Outcome.TOO_OLD),
        (code(status_index=11), Outcome.TOO_OLD),
        (code(status_index=10), Outcome.REVOKED),
        (code(status_index=12), Outcome.REPLACED),
        (code(status_list=7), Outcome.TOO_OLD),
        (code(key=STRANGER), Outcome.REFUSED),
        (code(key=STOLEN), Outcome.CHECK_ONLINE),
    ):
        assert judged(text, at=late, now=late).outcome is outcome
    assert judged(code(), at=late, now=late).word == "trust file too old"


def test_what_the_file_cannot_know_is_unknown() -> None:
    unknown = {
        "a list that it lacks": (code(status_list=7), FILE, NOW),
        "a place that no list has": (code(status_index=1 << 20), FILE, NOW),
        "a piece made after the list": (code(issued_on=TODAY + 1), FILE, NOW),
        "a time before the file": (code(), FILE, NOW - timedelta(hours=2)),
        "an ending told for a time before": (code(status_index=10), FILE, NOW - timedelta(hours=2)),
        "a list of a stranger": (code(), with_list(signed_list(0, key=STRANGER)), NOW),
        "a list under a stolen key": (code(), with_list(signed_list(0, key=STOLEN)), NOW),
        "a list of the future": (code(), with_list(signed_list(0, issued_at=ISSUED_AT + 7_200)), NOW),
        "a list that expired": (code(), with_list(signed_list(0, expires_at=ISSUED_AT + 60)), NOW),
        "a list that does not open": (code(), with_list(signed_list(0, compressed=b"x")), NOW),
    }
    reasons = set()
    for name, (text, file, at) in unknown.items():
        said = judged(text, file=file, at=at)
        assert (said.outcome, said.is_good) == (Outcome.UNKNOWN, False), name
        reasons.add(said.why)
    assert len(reasons) == len(unknown) - 2, "two are of a time before, two are under no believed key"


def test_a_code_that_nobody_trusted_signed_is_refused_with_its_reason() -> None:
    good = code()
    refused = {
        "signed by a key": code(key=STRANGER),
        "the signature does not match": altered(good),
        "base32": "HTTPS://QR.EXAMPLE/V/1189",
        "COSE_Sign1": "HTTPS://QR.EXAMPLE/V/AAAA",
        "too long": good + "A" * 10_000,
        "ASCII": good + "证",
    }
    for why, text in refused.items():
        said = judged(text)
        assert (said.outcome, said.said) == (Outcome.REFUSED, None), why
        assert why in said.why


def test_a_code_under_a_compromised_key_is_to_be_checked_online() -> None:
    said = judged(code(key=STOLEN))
    assert (said.word, said.is_good) == ("check online", False)
    assert judged(altered(code(key=STOLEN))).outcome is Outcome.REFUSED


def test_a_file_of_format_1_answers_no_question_for_a_status() -> None:
    first = trust.parse(trust.write(test_trust.parsed_first()))
    assert judged(code(), file=first).word == "valid token, status not known"
    assert judged(code(), file=first, paper=None).word == "valid token, paper not compared"
    assert judged(code(status_index=10), file=first).is_good, "it has no lists"
    assert judged(code(valid_to=TODAY - 1), file=first).outcome is Outcome.EXPIRED


def test_a_trust_file_from_the_future_is_not_used() -> None:
    with pytest.raises(offline.TrustUnfit, match="in the future"):
        offline.Verifier(replace(FILE, made_at=NOW + timedelta(minutes=6)), now=NOW)
    offline.Verifier(replace(FILE, made_at=NOW + timedelta(minutes=4)), now=NOW)


def test_a_list_by_itself_is_judged_too() -> None:
    verifier = offline.Verifier(FILE, now=NOW)
    assert verifier.listed(signed_list(3), at=NOW).number == 3
    for why, data in {
        "not trusted": signed_list(3, key=STRANGER),
        "compromised": signed_list(3, key=STOLEN),
        "in the future": signed_list(3, issued_at=ISSUED_AT + 7_200),
        "expired": signed_list(3, expires_at=ISSUED_AT + 60),
        "decompress": signed_list(3, compressed=b"not zlib"),
        "COSE_Sign1": b"\xd2\x00",
    }.items():
        with pytest.raises(status_list.StatusListInvalid, match=why):
            verifier.listed(data, at=NOW)


def test_every_outcome_has_a_word_of_its_own() -> None:
    words = {offline.Judged(outcome=one, why="", as_of=NOW).word for one in Outcome}
    assert len(words) == len(Outcome)
