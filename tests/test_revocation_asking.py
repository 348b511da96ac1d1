"""Revocations asked for the archive: of configured responders and lists (certomancer), and of nobody else."""

from __future__ import annotations

import contextlib
import functools
import socketserver
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ledger import config, errors, revocation_asking
from signing import document, document_judge, revocation
from signing.document_judge import Reason, Remark
from tests import document_services as services
from tests import documents, tsa_world
from tests.document_services import LATER, STAMP_ROOT
from tests.documents import AT, der, key, made, root, sealed

ABOVE = "示例根"
OCSP = "application/ocsp-response"
Sources = revocation_asking.Sources


@contextlib.contextmanager
def addresses(*answers: Callable[[bytes], bytes], media_type: str = OCSP) -> Iterator[tuple[str, ...]]:
    with contextlib.ExitStack() as stack:
        yield tuple(
            stack.enter_context(tsa_world.answering(answer, media_type=media_type)) for answer in answers
        )


@contextlib.contextmanager
def served(handler: type[socketserver.BaseRequestHandler]) -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/named"
        finally:
            server.shutdown()


@contextlib.contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    """An address, and who came."""
    came: list[str] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            came.append("somebody")

    with served(Handler) as url:
        yield url, came


def stamped(naming: str | None = None) -> bytes:
    """A B-T license under an authority that is not ours, in whose certificate an address may stand."""
    own = made("颁证机关", key(), issuer=ABOVE, by=key(ABOVE), naming=naming)
    return document.sign(
        documents.rendered(),
        seal=sealed(own, key(), root()),
        at=AT,
        time_stamper=services.time_stamper(AT + timedelta(seconds=2)),
    )


def archived(pdf: bytes, sources: Sources, *, at: datetime = LATER) -> bytes:
    return document.archive(
        pdf,
        time_stamper=services.time_stamper(at),
        at=at,
        roots=[der(root())],
        time_stamp_roots=[services.authority_root()],
        evidence=revocation_asking.evidence(sources, at=at),
    )


def judged(pdf: bytes) -> document_judge.Verdict:
    return services.judge(pdf, roots=[der(root())], at=services.TWO_DAYS)


def test_what_responders_say_is_embedded_and_suffices_for_years() -> None:
    with addresses(services.responder(ABOVE), services.responder(STAMP_ROOT)) as responders:
        pdf = archived(stamped(), Sources(responders=responders))
    said = judged(pdf)
    assert (said.reasons, said.level, said.is_time_proven) == ((), "B-LTA", True)
    assert Remark.REVOCATION_UNKNOWN not in said.remarks


def test_lists_at_configured_addresses_do_as_well() -> None:
    lists = [services.revocation_list(name, at=LATER) for name in (ABOVE, STAMP_ROOT)]
    with addresses(*(lambda _, data=data: data for data in lists), media_type="application/pkix-crl") as urls:
        said = judged(archived(stamped(), Sources(lists=urls)))
    assert (said.reasons, said.level) == ((), "B-LTA")
    assert Remark.REVOCATION_UNKNOWN not in said.remarks


def test_what_is_revoked_is_not_archived() -> None:
    revoked = services.responder(ABOVE, revoked_at=AT)
    with (
        addresses(revoked, services.responder(STAMP_ROOT)) as responders,
        pytest.raises(document.DocumentInvalid),
    ):
        archived(stamped(), Sources(responders=responders))


def test_silence_strangers_and_old_answers_are_passed_over() -> None:
    old = services.responder(ABOVE, at=LATER - timedelta(days=2))
    bad = (old, services.responder("另一根"), lambda _: b"", lambda _: bytes(1 << 18))
    with addresses(*bad, services.responder(ABOVE)) as responders:
        silent = "http://127.0.0.1:1/none"
        lists = (silent, *responders[2:4])
        assert found(Sources(responders=(silent, *responders[:-1]), lists=lists)) == ([], [])
        none, (answer,) = found(Sources(responders=(silent, *responders)))
    assert (none, revocation.is_current(answer, links()[0], at=LATER)) == ([], True)
    assert revocation_asking.evidence(Sources(), at=LATER) is None


def found(sources: Sources) -> tuple[Sequence[bytes], Sequence[bytes]]:
    find = revocation_asking.evidence(sources, at=LATER)
    assert find is not None
    return find(links())


def test_addresses_that_certificates_name_are_never_asked() -> None:
    with listening() as (named, came):
        pdf = stamped(naming=named)
        with addresses(services.responder(STAMP_ROOT)) as responders:
            with pytest.raises(document.DocumentInvalid):
                archived(pdf, Sources(responders=responders))
            assert Reason.UNREADABLE not in judged(pdf).reasons
        assert came == []


def test_a_configured_address_does_not_lead_to_another() -> None:
    with listening() as (elsewhere, came):

        class Moved(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while self.rfile.readline().strip():
                    pass
                head = f"HTTP/1.1 302 Found\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n"
                self.wfile.write(head.encode())

        with served(Moved) as url:
            assert found(Sources(responders=(url,), lists=(url,))) == ([], [])
            with pytest.raises(document.TimeStampFailed):
                document.authority_at(url)(b"asked")
    assert came == []


@functools.cache
def links() -> Sequence[revocation.Link]:
    own = made("颁证机关", key(), issuer=ABOVE, by=key(ABOVE))
    return [revocation.Link(der(own), der(root()))]


def test_an_answer_counts_from_when_it_was_made_until_there_is_a_newer_one() -> None:
    (link,) = links()
    answer = services.responder(ABOVE, at=AT)(revocation.request(link))
    minute = timedelta(minutes=1)
    for at, is_current in (
        (AT, True),
        (AT - 4 * minute, True),
        (AT - 6 * minute, False),
        (AT + 14 * minute, True),
        (AT + 16 * minute, False),
    ):
        assert revocation.is_current(answer, link, at=at) is is_current
    assert not revocation.is_current(answer, replace_issuer(link), at=AT)
    assert not revocation.is_current(b"no answer", link, at=AT)


def replace_issuer(link: revocation.Link) -> revocation.Link:
    return link._replace(issuer=der(root("另一根")))


@pytest.mark.parametrize("name", ["LEDGER_OCSP_URLS", "LEDGER_CRL_URLS"])
def test_addresses_are_configured_and_nothing_else_is_taken_for_one(name: str, tmp_path: Path) -> None:
    two = "http://ocsp.example/a https://ocsp.example/b/"
    found = config.from_environment({name: two}, data=tmp_path).revocation_sources
    assert {found.responders, found.lists} == {("http://ocsp.example/a", "https://ocsp.example/b"), ()}
    for text in ("ocsp.example", "file:///etc/passwd", "http://user@ocsp.example", two * 8):
        with pytest.raises(errors.Invalid) as caught:
            config.from_environment({name: text}, data=tmp_path)
        assert caught.value.field == name
