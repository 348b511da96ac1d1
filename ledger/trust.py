"""The trust file of a ledger and its status lists, made and signed; kept fresh beside the request path.

`made` gives both as they are now. `Publisher` keeps the newest in memory for a service: a thread of its own
makes them anew, at most a tenth of the time, while anybody asks for them; nobody who asks waits for more
than the first. Of several processes one makes them, and all give out the same. Who may have them is
everybody: there is nothing in them that a QR code or the log does not say. Rests on `keeping` for keys, on
`status_list` for statuses, on `trust_shared` for other processes, on `signing.trust` for bytes.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from ledger import (
    clock,
    days,
    errors,
    issuer_seal_register,
    keeping,
    log,
    power,
    status_list,
    store,
    trust_shared,
)
from ledger.opening import Ledger
from ledger.reading import Reader
from ledger.trust_shared import Published
from signing import cbor, note, trust
from signing import status_list as lists

FRESH_S = 86_400
"""How long after it was made a trust file may be asked for a status."""
TTL_S = 3_600
"""How long a copy of a status list is kept before a fresh one is fetched."""
EVERY_S = 300.0
BUSY_SHARE = 10
"""The publisher rests so many times as long as it works, at least."""
IDLE_S = 3_600.0
"""After so long without a question nothing is made anew until the next."""
RETRY_S = 5.0
FAILING_S = 900
"""After so long of failing a line of the log is an error."""
YIELD_S, YIELD_POLL_S = 60.0, 0.25
"""How long another process may take that is making the next, and how often it is looked whether it has."""
WAITING_MAX = 1_000
"""So many wait for the first at once; more are told to come back."""
_BEING_MADE = "the trust file is being made"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How publishing stands in one process."""

    age_s: int | None
    """Since what is handed out was made; None: nothing is, for nobody asked, or making it fails."""
    failing_s: int
    """Since making it fails; 0: it does not."""
    problem: str
    """The type of the error, or empty."""


def made(
    ledger: Ledger, reader: Reader, *, fresh_s: int = FRESH_S, before: Published | None = None
) -> Published:
    """Trust file and lists as decision state is now; statuses of `before` serve while nothing has changed."""
    at = clock.now(reader.run, ledger.vault)
    checkpoint = reader.checkpoint()
    # Read before the statuses: what is recorded meanwhile is seen now, and looked for again next time.
    head = ledger.vault.suite.digest(note.taken_apart(checkpoint)[0].encode())
    state = (head, days.of_instant(at), ledger.vault.ring.version)
    if before is not None and before.state == state:
        arrays = before.arrays
    else:
        found = status_list.Lists(reader.run)
        arrays = {number: found.compressed(number, at=at) for number in found.numbers()}
    signed_lists = _signed(ledger, arrays, at=at, fresh_s=fresh_s)
    told = reader.cosigned() or checkpoint
    file = _file(ledger, reader, told, signed_lists, at=at, fresh_s=fresh_s)
    return Published(at=at, trust=_written(ledger, file), lists=signed_lists, arrays=arrays, state=state)


def _signed(ledger: Ledger, arrays: Mapping[int, bytes], *, at: int, fresh_s: int) -> dict[int, bytes]:
    vault, issued_at = ledger.vault, at // 1_000_000
    return {
        number: lists.sign(
            lists.StatusList(
                uri=lists.uri(ledger.config.public_url, number),
                issued_at=issued_at,
                expires_at=issued_at + fresh_s,
                ttl_s=min(TTL_S, fresh_s),
                compressed=compressed,
            ),
            key=vault.token_key,
            suite=vault.suite,
        )
        for number, compressed in arrays.items()
    }


def _file(
    ledger: Ledger,
    reader: Reader,
    checkpoint: str,
    signed_lists: Mapping[int, bytes],
    *,
    at: int,
    fresh_s: int,
) -> trust.TrustFile:
    base = keeping.trust_file(ledger, made_at=_second(at))
    (described,) = base.ledgers
    origin = checkpoint.partition("\n")[0]
    described = replace(
        described,
        origins=tuple(
            replace(one, checkpoint=checkpoint if one.origin == origin else None) for one in described.origins
        ),
        witnesses=tuple(key.text for key in ledger.config.outsiders.keys),
        quorum=ledger.config.outsiders.quorum,
        documents=_documents(ledger, reader, at=at),
        status_lists=signed_lists,
    )
    return replace(base, ledgers=(described,), fresh_s=fresh_s)


def _documents(ledger: Ledger, reader: Reader, *, at: int) -> trust.Documents:
    known = issuer_seal_register.document_trust(ledger, at=at)
    return trust.Documents(
        roots=known.roots,
        time_stamp_roots=known.time_stamp_roots,
        certificates=tuple(
            trust.IssuerCertificate(
                issuer=row.organization,
                certificate=row.certificate,
                revoked_at=None if row.revoked_at is None else _second(row.revoked_at),
                reason=row.revocation,
            )
            for row in known.seals
        ),
        revocation_lists=known.revocation_lists,
        successions=tuple(_successions(reader, {row.organization for row in known.seals})),
    )


def _successions(reader: Reader, sealed: set[str]) -> Iterator[trust.Succession]:
    """For whom organizations that have a seal sign beside themselves, and for what they sign no more."""
    for row in reader.successors():
        for one in power.handovers(row.took_over):
            if sealed.isdisjoint((row.organization, one.organization)):
                continue
            yield trust.Succession(
                successor=row.organization,
                predecessor=one.organization,
                since=date.fromisoformat(days.text(one.since)),
                type_codes=one.type_codes,
                areas=one.areas,
            )


def _second(at: int) -> datetime:
    """The whole second in which an instant falls."""
    return datetime.fromtimestamp(at // 1_000_000, UTC)


def _written(ledger: Ledger, file: trust.TrustFile) -> bytes:
    vault = ledger.vault
    newest = max(file.ledgers[0].origins, key=lambda one: one.generation)
    name = log.origin_line(vault.ring.origin, partition=keeping.PARTITION, generation=newest.generation)
    return trust.write(file, signers=[(name, vault.log_key)])


class Publisher:
    """Keeps what is published fresh while anybody asks for it; all of a ledger give out the same."""

    def __init__(
        self,
        ledger: Ledger,
        reader: Reader,
        *,
        fresh_s: int = FRESH_S,
        every_s: float = EVERY_S,
        now: Callable[[], int] = store.wall_clock,
    ) -> None:
        self._ledger = ledger
        self._reader = reader
        self._fresh_s = fresh_s
        self._now = now
        # A file that calls itself too old is not handed out: the next is there before.
        self._every_s = min(every_s, fresh_s / 2)
        self._shared = trust_shared.Shared(
            ledger.config.data, ledger.vault, configured=_configured(ledger, fresh_s)
        )
        self._changed = threading.Condition()
        self._making = threading.Lock()
        self._published: Published | None = None
        self._waiting: set[Future[Published]] = set()
        self._made_s = self._asked_s = 0.0
        self._failing: tuple[float, str] | None = None
        self._yielding_since: float | None = None
        self._thread: threading.Thread | None = None
        self._is_stopping = False

    async def current(self, *, wait_s: float) -> Published:
        """What was published last, while it is fresh; raises Unavailable when none is after `wait_s`.

        Who waits does so on the event loop and holds no thread.
        """
        coming: Future[Published] = Future()
        if self._shared.is_changed():
            await asyncio.to_thread(self._take)
        with self._changed:
            self._asked_s = time.monotonic()
            self._keep_working()
            if (found := self._fresh()) is not None:
                return found
            if self._is_stopping or len(self._waiting) >= WAITING_MAX:
                raise errors.Unavailable(_BEING_MADE)
            self._waiting.add(coming)
        try:
            async with asyncio.timeout(wait_s):
                return await asyncio.wrap_future(coming)
        except TimeoutError:
            raise errors.Unavailable(_BEING_MADE) from None
        finally:
            with self._changed:
                self._waiting.discard(coming)

    @property
    def standing(self) -> Standing:
        """How old what is handed out is, and whether making the next one fails."""
        with self._changed:
            now, found, failing = time.monotonic(), self._fresh(), self._failing
            return Standing(
                age_s=None if found is None else max(0, int(now - self._made_s)),
                failing_s=0 if failing is None else int(now - failing[0]),
                problem="" if failing is None else failing[1],
            )

    def refresh(self) -> Published:
        """Made anew now, for those who cannot wait for the next time."""
        with self._making:
            begun = time.monotonic()
            made_ = made(self._ledger, self._reader, fresh_s=self._fresh_s, before=self._published)
            fresh = replace(made_, took_ms=int((time.monotonic() - begun) * 1000))
            try:
                self._shared.put(fresh)
            except OSError as error:
                # Everybody who asks here is given it all the same; other processes make their own.
                _log.warning("trust file not shared", extra={"error_type": type(error).__name__})
            self._keep(fresh, begun)
            self._failing = None
            return fresh

    def stop(self) -> None:
        """Make nothing any more."""
        with self._changed:
            self._is_stopping = True
            waiting, self._waiting = self._waiting, set()
            self._changed.notify_all()
            thread = self._thread
        for one in waiting:
            if one.set_running_or_notify_cancel():
                one.set_exception(errors.Unavailable(_BEING_MADE))
        if thread is not None:
            thread.join()

    def _fresh(self) -> Published | None:
        """What was published last, until as long after it was made as it says itself."""
        return self._published if time.monotonic() < self._made_s + self._fresh_s else None

    def _keep(self, fresh: Published, made_s: float) -> None:
        """Hand it out from here on."""
        with self._changed:
            self._published, self._made_s = fresh, made_s
            waiting, self._waiting = self._waiting, set()
            self._changed.notify_all()
        for one in waiting:
            if one.set_running_or_notify_cancel():
                one.set_result(fresh)

    def _take(self, *, old_s: float | None = None) -> None:
        """What another process published, where it is newer and not older than `old_s`: twice the rest."""
        found = self._shared.newest()
        if found is None or (self._published is not None and self._published.at >= found.at):
            return
        age_s = max(0.0, (self._now() - found.at) / 1_000_000)
        if age_s <= (2 * self._rest_s(found) if old_s is None else old_s):
            self._keep(found, time.monotonic() - age_s)
            self._failing = None if old_s is None else self._failing

    def _rest_s(self, made_: Published) -> float:
        return max(self._every_s, BUSY_SHARE * made_.took_ms / 1000)

    def _keep_working(self) -> None:
        """Begin a thread where none works: none was asked for, it rested, or it ended of whatever."""
        if self._is_stopping or (self._thread is not None and self._thread.is_alive()):
            return
        if time.monotonic() > self._made_s + 2 * self._every_s:
            self._published = None
        thread = threading.Thread(target=self._work, name="publisher", daemon=True)
        thread.start()
        self._thread = thread

    def _work(self) -> None:
        while True:
            try:
                rest_s = self._renew()
            except Exception as error:  # noqa: BLE001
                # The database is away, a key was rotated amid the making, a seal's key does not open: it may
                # pass. What stands says how old it is, and is handed out no longer than it says.
                self._fail(error)
                rest_s = RETRY_S
            with self._changed:
                self._changed.wait_for(lambda: self._is_stopping, timeout=rest_s)
                if self._is_stopping or time.monotonic() > self._asked_s + IDLE_S:
                    self._thread = None
                    return

    def _renew(self) -> float:
        """Have the newest, made here where no other process made or makes it; how long to rest then."""
        with self._shared.alone() as is_alone:
            self._take()
            left_s = self._left_s()
            if left_s <= 0 and not is_alone:
                # Who has it may be stopped amid the making: then it is made here too.
                now = time.monotonic()
                self._yielding_since = self._yielding_since or now
                if now < self._yielding_since + YIELD_S:
                    return YIELD_POLL_S
            self._yielding_since = None
            if left_s <= 0:
                self.refresh()
                left_s = self._left_s()
        return left_s

    def _left_s(self) -> float:
        """Until the next is to be made."""
        found = self._published
        return 0.0 if found is None else self._made_s + self._rest_s(found) - time.monotonic()

    def _fail(self, error: Exception) -> None:
        kind = type(error).__name__
        with self._changed:
            since = time.monotonic() if self._failing is None else self._failing[0]
            self._failing = since, kind
        stands = self.standing
        level = logging.ERROR if stands.failing_s > FAILING_S else logging.WARNING
        _log.log(level, "trust file not made", extra={"error_type": kind, "age_s": stands.age_s})
        if stands.age_s is None:
            # Another process's is better than none while it is what it says.
            self._take(old_s=self._fresh_s)


def _configured(ledger: Ledger, fresh_s: int) -> bytes:
    """What else than the ledger decides what is published: processes told otherwise publish apart."""
    config, outsiders = ledger.config, ledger.config.outsiders
    said = [config.public_url, fresh_s, [key.text for key in outsiders.keys], outsiders.quorum]
    return ledger.vault.suite.digest(cbor.encode(said))
