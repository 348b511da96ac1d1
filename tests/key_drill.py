"""A drill of keys: two services under load, every purpose rotated again and again, nobody turned away.

`Drill` has callers that use, verify, read and sign in at two services of one ledger until it ends, and keeps
everything that they were given: bundles, receipts, QR tokens, checkpoints, and where papers are drilled too
documents and copies. `Drill.judge` verifies all of it offline, with nothing but the trust file of the end.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from api import cli_export, cli_verdicts, examples
from ledger import bundle, issuer_seal_register, keeping, opening, store
from ledger.state_document import SealRow
from signing import note, spelling, token, trust
from tests import api_world
from tests.api_world import Caller, Face, grant_body, issue_body, use_body

LIVE_MAX_S = 60.0
HOLDERS = 2
Act = Callable[[Caller, Face], None]


@dataclass(kw_only=True)
class Given:
    """What callers were given; appended to from many threads."""

    bundles: list[bytes] = field(default_factory=list)
    receipts: list[tuple[bytes, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)
    documents: list[bytes] = field(default_factory=list)
    copies: list[bytes] = field(default_factory=list)

    def counts(self, *, with_papers: bool = False) -> tuple[int, ...]:
        plain = len(self.bundles), len(self.receipts), len(self.tokens), len(self.checkpoints)
        return (*plain, len(self.documents), len(self.copies)) if with_papers else plain


def trust_bytes(ledger: opening.Ledger) -> bytes:
    """A trust file of now, without status lists."""
    made = replace(keeping.trust_file(ledger, made_at=datetime.now(UTC)), fresh_s=86_400)
    newest = max(made.ledgers[0].origins, key=lambda origin: origin.generation)
    return trust.write(made, signers=[(newest.origin, ledger.vault.log_key)])


class Drill:
    """Two services, callers at both, and an operator."""

    def __init__(self, first: Face, second: Face, *, with_papers: bool = False) -> None:
        """`with_papers`: documents and copies are asked for too, and the issuer has a seal."""
        self.faces = first, second
        self.with_papers = with_papers
        self._refs: list[str] = []
        self.config = first.served.ledger.config
        self.given = Given()
        self.failures: list[str] = []
        self._ended = threading.Event()
        self._numbers = itertools.count(HOLDERS + 1)
        self._caller = first.register()
        if with_papers:
            self.renew_seal()
        for number in range(1, HOLDERS + 1):
            self._issue(self._caller, number)
        self._caller.done("/v1/authorizations", grant_body())

    @contextlib.contextmanager
    def load(self) -> Iterator[None]:
        """Callers at both services, as long as the block lasts."""
        papers: tuple[Act, ...] = (self._document, self._copy) if self.with_papers else ()
        acts = ((self._use, self._issue_another), (self._verify, self._read, *papers))
        for face in self.faces:
            # Once in turn: what a route makes at its first request, two threads of one process make badly.
            for act in itertools.chain(*acts):
                act(self._at(face), face)
        threads = [
            threading.Thread(target=self._go_on, args=(some, self._at(face), face))
            for face in self.faces
            for some in acts
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in threads:
                thread.join(LIVE_MAX_S)

    def await_more(self) -> None:
        """Until callers were given some more of everything; raises AssertionError when they are not."""
        before = self.counts()
        waited = threading.Event()
        for _ in range(int(LIVE_MAX_S / 0.01)):
            if self.failures or all(now > then + 1 for now, then in zip(self.counts(), before, strict=True)):
                break
            waited.wait(0.01)
        assert not self.failures, self.failures[:3]
        assert all(now > then for now, then in zip(self.counts(), before, strict=True))

    def counts(self) -> tuple[int, ...]:
        """How much was given of what is asked for."""
        return self.given.counts(with_papers=self.with_papers)

    def rotate(self, purpose: str, *, prepared: bool = False) -> bytes:
        """A rotation by the operator's own process; the services are told nothing."""
        with opening.opened(replace(self.config), migrate=False) as ledger, ledger.appending() as appender:
            if prepared:
                keeping.prepare_signing_key(ledger, appender, purpose)
            return keeping.rotate_signing_key(ledger, appender, purpose)

    def renew_seal(self) -> SealRow:
        """The issuer's next seal, by the operator's own process; nothing is revoked."""
        with opening.opened(replace(self.config), migrate=False) as ledger, ledger.appending() as appender:
            return issuer_seal_register.demonstrate(
                ledger,
                appender,
                organization=examples.ORGANIZATION,
                name="示例市行政审批局",
                at=store.wall_clock(),
            )

    def trust_file(self) -> bytes:
        """The trust file of now."""
        with opening.opened(replace(self.config), migrate=False) as ledger:
            return cli_export.published(ledger).trust

    def judge(self, trusted: bytes) -> None:
        """Everything that was given verifies offline with one trust file."""
        assert not self.failures, self.failures[:3]
        file = trust.parse(trusted)
        (known,) = file.ledgers
        for answer in self.given.bundles:
            assert bundle.judge(answer, trusted=file)[0].decision == "granted"
        for event, receipt in self.given.receipts:
            trust.prove(known, receipt, event=event)
        for text in self.given.tokens:
            token.parse(text, trusted=trust.token_keys(known), suite=known.suite)
        last_sizes = {held.key: held.last_size for held in known.origins[0].keys}
        for text in self.given.checkpoints:
            body, signer = note.verify(text, trusted=trust.verifier_keys(known))
            last_size = last_sizes[signer]
            assert last_size is None or note.parse_checkpoint(body).size <= last_size
        now = datetime.now(UTC)
        for made in (*self.given.documents, *self.given.copies):
            verdict = cli_verdicts.judge(made, trusted=trusted, now=now)
            assert verdict.is_good, verdict.lines
            assert verdict.word.startswith("valid as of"), verdict.word

    def signers(self) -> set[bytes]:
        """The ids of the keys that signed the checkpoints that were given."""
        return {line.key_hash for text in self.given.checkpoints for line in note.taken_apart(text)[1]}

    def _at(self, face: Face) -> Caller:
        return replace(self._caller, http=face.http).sign_in()

    def _go_on(self, acts: tuple[Act, ...], caller: Caller, face: Face) -> None:
        try:
            for number in itertools.count():
                if self._ended.is_set():
                    return
                if number % 8 == 7:
                    caller.sign_in()
                for act in acts:
                    act(caller, face)
        except BaseException as error:  # noqa: BLE001
            self.failures.append(f"{type(error).__name__}: {error}")

    def _use(self, caller: Caller, face: Face) -> None:
        answer = caller.done("/v1/uses", use_body(1))
        assert answer["uses"][0]["decision"] == "granted"
        self.given.bundles.append(json.dumps(answer, ensure_ascii=False).encode())

    def _issue_another(self, caller: Caller, face: Face) -> None:
        self._issue(caller, HOLDERS + 1 + next(self._numbers) % 800)

    def _issue(self, caller: Caller, number: int) -> None:
        answer = caller.done("/v1/licenses", issue_body(number))
        self.given.tokens.append(answer["qr"])
        self.given.receipts.append((spelling.from_base64(answer["event"]), answer["receipt"]))
        self._refs.append(answer["license_ref"])

    def _document(self, caller: Caller, face: Face) -> None:
        answer = caller.get(f"/v1/licenses/{self._refs[-1]}/document")
        assert answer.status_code == 200, answer.text
        self.given.documents.append(answer.content)

    def _copy(self, caller: Caller, face: Face) -> None:
        (one,) = caller.done("/v1/copies", use_body(1))["copies"]
        answer = face.http.post(f"/C/{one['url'].rpartition('/C/')[2]}")
        assert answer.status_code == 200, answer.text
        self.given.copies.append(answer.content)

    def _verify(self, caller: Caller, face: Face) -> None:
        token = self.given.tokens[-1]
        answer = caller.done(
            "/v1/verifications", {**api_world.example("VerifyBody", "by_token"), "token": token}
        )
        assert answer["result"] == "effective", answer
        self.given.receipts.append((spelling.from_base64(answer["event"]), answer["receipt"]))

    def _read(self, caller: Caller, face: Face) -> None:
        answer = face.http.get("/log/0/checkpoint")
        assert answer.status_code == 200, answer.text
        self.given.checkpoints.append(answer.text)
        event, old = self.given.receipts[0]
        fresh = caller.get(f"/v1/receipts/0/{old.splitlines()[1].removeprefix('index ')}")
        assert fresh.status_code == 200, fresh.text
        self.given.receipts.append((event, fresh.text))


@contextlib.contextmanager
def drilled(cluster: Any, *, with_papers: bool = False) -> Iterator[Drill]:
    """Two services on one fresh ledger."""
    with api_world.fresh(cluster) as first, api_world.running(first.served.ledger.config) as second:
        yield Drill(first, second, with_papers=with_papers)
