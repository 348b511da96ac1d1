"""What an export of the trail proves, and why one is refused: without a ledger, on the formats' example."""

from __future__ import annotations

import io
import json
import random
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from api import cli_verdicts, verdicts_export
from ledger import audit_export, errors
from signing import cosignature, keys, seal, suites, trust
from tests import campaign, format_examples, format_examples_export, format_examples_log

EXAMPLE = format_examples.EXPORT
DATA = EXAMPLE.export()
TRUST = trust.write(format_examples.TRUST)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
Lines = list[audit_export.Line]


def judged(data: bytes, *, against: bytes | None = None, trusted: bytes = TRUST) -> cli_verdicts.Verdict:
    return cli_verdicts.judge_export(io.BytesIO(data), trusted=trusted, now=NOW, against=against)


def fault(data: bytes) -> Any:
    """Why an export is refused."""
    said = judged(data)
    assert (said.word, said.is_good) == ("refused", False), said.lines
    return said.details["fault"]


def written(lines: Lines, **changes: Any) -> bytes:
    """A file of some lines under the manifest that fits them but for `changes`."""
    return format_examples_export.written(EXAMPLE.head(EXAMPLE.manifest(lines, **changes)), lines)


def test_the_example_is_proven() -> None:
    said = judged(DATA)
    assert said.is_good
    assert said.details["topics"] == {"LicenseUsed": 1, "UseRefused": 1}
    assert said.details["request"] == format_examples_export.REQUEST
    assert said.details["index"] == 3
    assert cli_verdicts.judge(DATA, trusted=TRUST, now=NOW) == said


def test_an_export_of_nothing_says_that_there_is_nothing() -> None:
    said = judged(EXAMPLE.export((), query={"requester": format_examples_export.AUDITOR}))
    assert (said.word, said.details["events"], said.details["topics"]) == ("proven", 0, {})


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda lines: lines[:1], "count"),
        (lambda lines: [*lines, *EXAMPLE.lines((2,))], "order"),
        (lambda lines: lines[::-1], "order"),
        (lambda lines: [*EXAMPLE.lines((0,)), *lines], "count"),
        (lambda lines: [replace(lines[0], request_key=None, request=None), lines[1]], "keys"),
        (lambda lines: [replace(lines[0], request_key=None), lines[1]], "request"),
        (lambda lines: [replace(lines[0], request={"reason": "另一"}), lines[1]], "request"),
        (lambda lines: [replace(lines[0], request_key=bytes(32)), lines[1]], "request"),
        (lambda lines: [replace(lines[0], proof=lines[0].proof[:-1]), lines[1]], "proof"),
        (lambda lines: [replace(lines[0], event=lines[1].event), lines[1]], "proof"),
        (lambda lines: [replace(lines[0], index=0), lines[1]], "proof"),
    ],
)  # fmt: skip
def test_a_list_that_is_not_the_recorded_one_is_refused(spoil: Callable[[Any], Lines], why: str) -> None:
    """The manifest is the ledger's; who has the file alone changes lines."""
    lines = EXAMPLE.lines((1, 2))
    head = EXAMPLE.head(EXAMPLE.manifest(lines))
    assert fault(format_examples_export.written(head, spoil(lines))) == why


def test_events_that_are_not_those_listed_are_refused() -> None:
    lines = EXAMPLE.lines((1, 2))
    manifest = EXAMPLE.manifest(lines, query={}, events=2)
    assert fault(format_examples_export.written(EXAMPLE.head(manifest), EXAMPLE.lines((0, 2)))) == "list"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"events": 3}, "count"),
        ({"events": audit_export.EVENTS_MAX + 1}, "count"),
        ({"since_index": 2}, "order"),
        ({"until_index": 1, "is_all": False}, "range"),
        ({"until_index": 1}, "query"),
        ({"since_index": 1}, "query"),
        ({"through": 1}, "query"),
        ({"query": {"until_index": 1}}, "query"),
        ({"query": {"requester": "11350100000000035C", "until_index": "2"}}, "query"),
        ({"query": {"requester": "11350100000000035C", "region": "350100"}}, "query"),
        ({"until_index": 3}, "checkpoint"),
        ({"origin": "ledger.example/demo/1"}, "origin"),
        ({"partition": 1}, "origin"),
        ({"ledger_id": bytes(16)}, "ledger"),
        ({"list_digest": bytes(32)}, "list"),
        ({"keys_digest": bytes(32)}, "keys"),
        ({"query": {"requester": "11350100000000035C", "case_number": "2026-0202-0043"}}, "query"),
        ({"query": {"recorded_until": "2026-02-02T09:30:00+08:00"}}, "query"),
        ({"query": {"recorded_from": "2026-02-02T09:31:00+08:00"}}, "query"),
        ({"query": {"holder": {"code_type": "111", "code": "1"}}}, "query"),
        ({"query": {"license_ref": 7}}, "query"),
        ({"checkpoint": EXAMPLE.checkpoint.replace("\n3\n", "\n4\n")}, "checkpoint"),
    ],
)
def test_what_a_ledger_cannot_rightly_say_is_refused_although_it_said_it(
    changes: dict[str, Any], why: str
) -> None:
    assert fault(written(EXAMPLE.lines((1, 2)), **changes)) == why


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"manifest_digest": bytes(32)}, "manifest"),
        ({"manifest_digest": None}, "manifest"),
        ({"events": 1}, "manifest"),
        ({"subject": "all"}, "manifest"),
        ({"through": 1}, "manifest"),
    ],
)
def test_a_manifest_that_was_not_recorded_is_refused(changes: dict[str, Any], why: str) -> None:
    lines = EXAMPLE.lines((1, 2))
    head = EXAMPLE.head(EXAMPLE.manifest(lines), **changes)
    assert fault(format_examples_export.written(head, lines)) == why


def test_a_first_line_of_another_making_is_refused() -> None:
    lines = EXAMPLE.lines((1, 2))
    head = EXAMPLE.head(EXAMPLE.manifest(lines))
    other = EXAMPLE.head(EXAMPLE.manifest(EXAMPLE.lines((1,))))
    for spoiled, why in (
        (replace(head, salt=bytes(16)), "manifest"),
        (replace(head, receipt=other.receipt), "receipt"),
        (replace(head, event=EXAMPLE.stored[1]), "receipt"),
        (replace(head, event=EXAMPLE.stored[0], request_key=None, request=None), "receipt"),
        (replace(head, consistency=head.consistency[1:]), "consistency"),
        (replace(head, request=None, request_key=bytes(32)), "request"),
    ):
        assert fault(format_examples_export.written(spoiled, lines)) == why, why
    for text in (b'{"trail_export":1}\n', DATA[:200], b'{"trail_export":' + b"[" * 100_000 + b"\n"):
        assert fault(text) == "head"
    assert fault(DATA.replace(b'{"trail_export":1', b'{"trail_export":2', 1)) == "head"
    assert fault(DATA.removesuffix(b"\n")) == "line"
    assert fault(DATA + b"\n") == "line"
    assert fault(DATA.replace(b'{"index":1,', b'{"index": 1,')) == "line"


def test_an_export_of_another_ledger_or_key_is_refused() -> None:
    stranger = replace(EXAMPLE, log_key=keys.SigningKey(bytes([0x09]) * 32))
    assert fault(stranger.export()) == "receipt"
    (known,) = format_examples.TRUST.ledgers
    elsewhere = trust.TrustFile(
        ledgers=(replace(known, ledger_id=bytes(16)),), made_at=format_examples.TRUST.made_at
    )
    assert judged(DATA, trusted=trust.write(elsewhere)).details["fault"] == "ledger"


def test_an_export_under_a_compromised_key_needs_a_fresh_receipt() -> None:
    (known,) = format_examples.TRUST.ledgers
    (origin,) = known.origins
    doubted = replace(origin.keys[0], status="compromised", compromised_since=0)
    file = replace(
        format_examples.TRUST, ledgers=(replace(known, origins=(replace(origin, keys=(doubted,)),)),)
    )
    said = verdicts_export.of_export(DATA.splitlines(keepends=True), file)
    assert (said.word, said.details["fault"]) == ("needs a fresh receipt", "compromised")
    later = keys.SigningKey(bytes([0x09]) * 32)
    active = trust.LogKey(key=replace(origin.keys[0].key, public=later.public))
    file = replace(file, ledgers=(replace(known, origins=(replace(origin, keys=(doubted, active)),)),))
    fresh = replace(EXAMPLE, receipt_key=later).export().splitlines(keepends=True)
    assert fresh[1:] == DATA.splitlines(keepends=True)[1:]
    assert verdicts_export.of_export(fresh, file).word == "proven"
    forged = replace(EXAMPLE, events=[EXAMPLE.events[1], *EXAMPLE.events[1:]])
    head = replace(forged, receipt_key=later).head(forged.manifest(forged.lines((1, 2))))
    split = replace(EXAMPLE.head(EXAMPLE.manifest(EXAMPLE.lines((1, 2)))), receipt=head.receipt)
    said = verdicts_export.of_export([split.write(), *fresh[1:]], file)
    assert said.details["fault"] == "receipt", "another tree has not the event"


def test_witnesses_of_the_tree_are_told_and_a_wrong_one_refuses_the_export() -> None:
    text = EXAMPLE.checkpoint.partition("\n\n")[0] + "\n"
    name, key = format_examples_log.NAME, format_examples_log.KEY
    line = cosignature.sign(text, name=name, key=key, at_s=format_examples_log.AT_S)
    wrong = cosignature.sign(text.replace("\n3\n", "\n2\n"), name=name, key=key, at_s=1)
    (known,) = format_examples.TRUST.ledgers
    witnesses = (cosignature.CosignerKey(name=name, public=key.public).text,)
    file = replace(format_examples.TRUST, ledgers=(replace(known, witnesses=witnesses, quorum=1),))
    for checkpoint, word in (
        (cosignature.added(EXAMPLE.checkpoint, [line]), "proven"),
        (EXAMPLE.checkpoint, "needs witnesses"),
        (cosignature.added(EXAMPLE.checkpoint, [wrong]), "refused"),
    ):
        data = EXAMPLE.export(checkpoint=checkpoint).splitlines(keepends=True)
        assert verdicts_export.of_export(data, file, is_witnessed=True).word == word


def spoiled(rng: random.Random) -> bytes:
    """The example with one bit or byte changed, gone or more."""
    place, data = rng.randrange(len(DATA)), bytearray(DATA)
    match rng.randrange(4):
        case 0:
            data[place] ^= 1 << rng.randrange(8)
        case 1:
            data[place] ^= rng.randrange(1, 256)
        case 2:
            del data[place]
        case _:
            data.insert(place, rng.randrange(256))
    return bytes(data)


def require_refused(data: bytes) -> None:
    """Whatever was changed, the file is refused, or is no export any more."""
    said = cli_verdicts.judge(data, trusted=TRUST, now=NOW) if data != DATA else None
    assert said is None or not said.is_good, said.lines


def test_no_bit_of_an_export_can_be_changed() -> None:
    rng = random.Random(7)
    for _ in range(150):
        require_refused(spoiled(rng))


@pytest.mark.faults
def test_no_bit_of_an_export_can_be_changed_in_many_ways() -> None:
    rng = random.Random(campaign.seed())
    for place in range(0, len(DATA), 3):
        data = bytearray(DATA)
        data[place] ^= 1 << rng.randrange(8)
        require_refused(bytes(data))
    for _ in range(3_000):
        require_refused(spoiled(rng))
    for end in range(0, len(DATA), 97):
        require_refused(DATA[:end])


def test_what_is_kept_back_is_shown_by_another_file() -> None:
    lying = EXAMPLE.export((1,))
    assert judged(lying).is_good
    said = judged(lying, against=DATA)
    assert (said.word, said.is_good, said.details["omitted"]) == ("omits events", False, [2])
    bundle = format_examples.compact(format_examples.bundle()).encode()
    assert judged(lying, against=bundle).details["omitted"] == [2]
    assert judged(DATA, against=bundle).details["compared"] == 2
    other = EXAMPLE.export((1, 2), query={})
    assert judged(DATA, against=other).is_good
    asked = {"requester": EXAMPLE.events[1].organization, "since_index": 2}
    narrow = EXAMPLE.export((2,), since_index=2, query=asked)
    assert judged(narrow, against=other).details["compared"] == 1


def test_who_says_that_it_is_all_answers_for_every_index_of_the_trail() -> None:
    """An export that looked less far than it was asked to says so, or is shown to keep back what follows."""
    mine = {"requester": EXAMPLE.events[1].organization}
    until = {**mine, "recorded_until": "2199-01-01T00:00:00Z"}
    lying = EXAMPLE.export((1,), until_index=1, query=until)
    assert judged(lying).is_good
    assert judged(lying, against=DATA).details["omitted"] == [2]
    for honest in (
        EXAMPLE.export((1,), until_index=1, query={**mine, "until_index": 1}),
        EXAMPLE.export((1,), until_index=1, is_all=False),
    ):
        assert judged(honest, against=DATA).details["omitted"] == []


@pytest.mark.parametrize(
    "said", [["reason"], "reason", {"reason": b"x"}, {"reason": {"a": 1}}, {1: "x"}, None]
)
def test_a_request_that_no_ledger_writes_is_refused_and_not_told(said: Any) -> None:
    """Only who holds the ledger's keys can seal one: what reads it must not break on it."""
    about, key = EXAMPLE.events[2], EXAMPLE.request_key
    part = seal.seal(said, key=key, place=about.place("request"), nonce=bytes(12), suite=suites.INTL)
    odd = replace(about, sealed={"request": part})
    made = replace(EXAMPLE, events=[*EXAMPLE.events[:2], odd])
    lines = made.lines((1, 2))
    shown = said if json.loads(json.dumps(said, default=str)) == said else {"reason": "x"}
    lines[1] = replace(lines[1], request=shown)
    assert fault(format_examples_export.written(made.head(made.manifest(lines)), lines)) == "request"


def test_two_histories_that_a_ledger_has_signed_are_shown_by_two_files() -> None:
    first, *rest = EXAMPLE.events
    other = replace(EXAMPLE, events=[first, replace(rest[0], case_number="2026-0202-0043"), rest[1]])
    said = judged(DATA, against=other.export(query={}, indexes=(0, 1)))
    assert (said.word, said.is_good, said.details["contradicted"]) == ("split view", False, [1])


def test_what_cannot_be_compared_is_said() -> None:
    for against in (DATA[:-2], b"{}", EXAMPLE.export((1, 2), events=3)):
        with pytest.raises(errors.Invalid) as refused:
            judged(DATA, against=against)
        assert refused.value.field == "--against"
    of_findings = EXAMPLE.export((1,), query={"finding": "uses-without-case", "grace_days": 3})
    assert judged(of_findings).is_good
    with pytest.raises(errors.Invalid, match="finding"):
        judged(of_findings, against=DATA)


def test_a_long_file_is_judged_line_by_line() -> None:
    """What is kept of a line is its index: a file of any length needs no more memory than a few lines."""
    line, asked = EXAMPLE.lines((1,))[0].write(), 0

    def lines() -> Any:
        nonlocal asked
        yield EXAMPLE.head(EXAMPLE.manifest(EXAMPLE.lines((1, 2)))).write()
        for _ in range(10**6):
            asked += 1
            yield line

    said = verdicts_export.of_export(lines(), format_examples.TRUST)
    assert (said.details["fault"], asked) == ("order", 2)
    endless = io.BytesIO(DATA.split(b"\n")[0] + b"\n" + b"x" * (8 * audit_export.LINE_BYTES_MAX))
    tracemalloc.start()
    assert cli_verdicts.judge_export(endless, trusted=TRUST, now=NOW).details["fault"] == "line"
    assert tracemalloc.get_traced_memory()[1] < 8 * audit_export.LINE_BYTES_MAX
    tracemalloc.stop()


def test_members_in_another_order_are_another_spelling() -> None:
    first, *rest = DATA.splitlines(keepends=True)
    request = json.dumps(format_examples.REQUEST, ensure_ascii=False, separators=(",", ":"))
    kept = next(line for line in rest if b'"index":1' in line).decode()
    begin = kept.index('"request":') + len('"request":')
    turned = kept[:begin] + request + "}\n"
    assert json.loads(turned) == json.loads(kept)
    assert turned != kept
    assert fault(b"".join([first, turned.encode(), *rest[1:]])) == "request"
