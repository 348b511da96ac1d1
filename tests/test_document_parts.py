"""Signatures found in bytes: every altered byte is noticed, and what is made to do harm does none."""

from __future__ import annotations

import functools
import os
import random
import resource
import secrets
import time
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from signing import document, document_parts
from signing.document_judge import Reason
from tests import document_services as services
from tests import documents
from tests.document_services import TWO_DAYS, judge
from tests.documents import AT, PAGE, flipped, rendered, signed


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    services.refuse_network(monkeypatch)


LEVELS: dict[str, Callable[[], bytes]] = {
    "B-B": signed,
    "B-T": services.stamped,
    "B-LTA": lambda: services.archived(services.stamped()),
}


def places(pdf: bytes, *, step: int, within: int) -> list[int]:
    """Some places of a file, and more of those where signatures stand."""
    chosen = set(range(step // 2, len(pdf), step))
    for signature in document_parts.signatures(pdf):
        chosen |= set(range(signature.gap[0] - 1, signature.gap[1] + 200, within))
    return sorted(place for place in chosen if place < len(pdf))


@pytest.mark.parametrize("level", LEVELS)
def test_an_altered_byte_is_noticed(level: str) -> None:
    pdf = LEVELS[level]()
    for place in places(pdf, step=4_001, within=997):
        assert not judge(flipped(pdf, place), at=TWO_DAYS).holds, place


def every_place(pdf: bytes) -> list[int]:
    """Every place that a digest does not cover, and of the others some: an update's all, a page's a few."""
    chosen = set(range(0, len(pdf), 997))
    for signature in document_parts.signatures(pdf):
        start, stop = signature.gap
        filled = start + len(pdf[start : stop - 1].rstrip(b"0"))
        chosen |= {*range(start - 300, filled + 2), *range(filled, stop, 101), *range(stop, stop + 400)}
    return sorted(place for place in chosen if place < len(pdf))


@pytest.mark.faults
@pytest.mark.parametrize("level", LEVELS)
def test_every_altered_byte_is_noticed(level: str) -> None:
    """In random order, as many as 20 seconds allow: all of B-B and B-T in less."""
    seed = int(os.environ.get("LEDGER_FAULTS_SEED") or secrets.randbits(32))
    print(f"seed {seed}: repeat with LEDGER_FAULTS_SEED={seed}")  # noqa: T201
    chance = random.Random(seed)
    pdf = bytearray(LEVELS[level]())
    where = every_place(bytes(pdf))
    until = time.monotonic() + 20
    for place in chance.sample(where, len(where)):
        if time.monotonic() > until:
            break
        old = pdf[place]
        pdf[place] = chance.choice([byte for byte in range(256) if byte != old])
        assert not judge(bytes(pdf), at=TWO_DAYS).holds, (place, pdf[place])
        pdf[place] = old


def test_a_signature_has_one_encoding() -> None:
    """Digits in the other case, and bytes after the signature, are no other file with the same signature."""
    (only,) = document_parts.signatures(signed())
    start, stop = only.gap
    digits = signed()[start + 1 : stop - 1]
    lower = signed()[: start + 1] + digits.lower() + signed()[stop - 1 :]
    spare = signed()[: stop - 3] + b"01" + signed()[stop - 1 :]
    for other in (lower, spare):
        assert judge(other).reasons == (Reason.ALTERED,)


# --- files made to do harm ---


@functools.cache
def bomb() -> bytes:
    """A PDF with a small stream that inflates a thousandfold, where a reader would look first."""
    packed = zlib.compress(bytes(256 << 20), 9)
    head = b"1 0 obj\n<</Type/ObjStm/N 1/First 4/Filter/FlateDecode/Length %d>>stream\n" % len(packed)
    return b"%PDF-1.7\n" + head + packed + b"\nendstream\nendobj\n"


NAMES_URLS = (
    b"%PDF-1.7\n1 0 obj\n<</Type/Catalog/OpenAction<</S/URI/URI(http://198.51.100.1/x)>>"
    b"/AF[<</FS/URL/F(http://198.51.100.1/y)>>]>>\nendobj\n"
)
CARRIERS: dict[str, Callable[[], bytes]] = {
    "object stream": bomb,
    "attachment": lambda: bomb().replace(b"/ObjStm/N 1/First 4", b"/EmbeddedFile"),
    "image": lambda: bomb().replace(
        b"/ObjStm/N 1/First 4", b"/XObject/Subtype/Image/Width 60000/Height 60000"
    ),
    "URLs": lambda: NAMES_URLS,
    "nothing but arrays": lambda: b"%PDF-1.7\n" + b"/ByteRange [0 1 2 3]" * 50_000,
    "nothing but names of attachments": lambda: b"%PDF-1.7\n" + b"/EmbeddedFile" * 100_000,
    "brackets": lambda: b"%PDF-1.7\n" + b"[" * 1_000_000,
    "deep CMS": lambda: b"%PDF-1.7\n<" + b"30" * 4_000 + b">/ByteRange [0 9 8011 20]%%EOF" + bytes(40),
}


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize(
    "tail", [b"%%EOF\n", b"sha256 of x.json=sha256:" + b"0" * 64 + b"/ByteRange %%EOF\n"]
)
def test_files_made_to_do_harm_are_refused_in_bounded_time_and_memory(carrier: str, tail: bytes) -> None:
    data = CARRIERS[carrier]() + tail
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    verdict = judge(data)
    assert not verdict.holds
    assert time.process_time() - begun < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 << 10


def test_an_attachment_is_found_among_thousands_of_names_of_which_the_first_are_looked_behind() -> None:
    declared = b"sha256 of x.json=sha256:" + b"0" * 64
    attached = b"/EmbeddedFile>>stream\nnobody's\nendstream\n"
    for names, is_found in ((0, True), (4_095, True), (4_096, False)):
        spoiled = declared + b"/EmbeddedFile;" * names + bytes(1) + attached
        assert document_parts.has_foreign_attachment(spoiled) is is_found


def test_an_appended_bomb_is_not_opened() -> None:
    """The file begins as a license of one who is trusted; what follows is still nobody's."""
    for carrier in CARRIERS.values():
        verdict = judge(signed() + carrier().removeprefix(b"%PDF-1.7\n") + b"startxref\n0\n%%EOF\n")
        assert Reason.APPENDED in verdict.reasons or Reason.ALTERED in verdict.reasons


def test_what_looks_like_a_signature_within_an_attachment_is_none() -> None:
    page = replace(PAGE, license_data=b'{"a": "/ByteRange [0 1 2 3]", "b": "/EmbeddedFile\\nstream\\n"}')
    assert judge(document.sign(rendered(page), seal=documents.seal(), at=AT)).reasons == ()
