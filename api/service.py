"""The service: one open ledger with its appender, readers and limits, as the endpoints use it.

Gives ways to submit a command and await it with a deadline, to read fresh decision state, and to know
who asks. Blocking reads run in threads; the append path is awaited, never run here. Holds no truth.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from api import access, bulk, limits, look_counts, press, quota, together, views
from ledger import (
    attestations,
    attesting,
    audit_commands,
    clock,
    command,
    days,
    disclosure,
    errors,
    fact,
    joining,
    mirroring,
    opening,
    pen,
    present,
    queueing,
    reading,
    sql,
    state,
    stock_jobs,
    store,
    trust,
    workdays,
    workdays_file,
)
from signing import event, keyring, keys

P = ParamSpec("P")
T = TypeVar("T")
Versions = together.Together[int, disclosure.Version | None]
Presents = together.Together[present.Asked, present.Present]
RING_LOOKS_EVERY_S = 1.0
EXPORTS_AT_ONCE = 2
"""Exports of the trail that one process lists at a time: each is as much work as a hundred pages."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an operator may set about the face, beside the ledger's own configuration."""

    deadline_s: float = 30.0
    """How long a caller waits for its command; beyond it the outcome is unknown, never lost."""
    refusals_per_minute: int = 1_000
    """Refused uses of one client in one service process; beyond it the answer is 429."""
    token_life_s: int = 300
    metrics_ports: int = 1
    """Ports from the one that is configured on, of which a process takes the first that is free."""
    import_bytes_max: int = 2 << 30
    """Of one file of old licenses."""
    address_rate: limits.Rate = field(default_factory=lambda: limits.Rate(burst=60, per_s=10.0))
    copy_rate: limits.Rate = field(default_factory=lambda: limits.Rate(burst=30, per_s=1.0))
    """Looks at links of copies, of one address."""
    client_rate: limits.Rate = field(default_factory=lambda: limits.Rate(burst=20, per_s=1.0))
    log_rate: limits.Rate = field(default_factory=lambda: limits.Rate(burst=300, per_s=50.0))
    """Tiles, proofs, checkpoints and keys an address."""
    ready_rate: limits.Rate = field(default_factory=lambda: limits.Rate(burst=60, per_s=10.0))
    """Looks at readiness an address: whoever mirrors the log takes none from who watches the service."""
    look_rates: limits.LookRates = field(default_factory=limits.LookRates)
    trust_rate: limits.Rate = field(default_factory=lambda: limits.Rate(burst=120, per_s=2.0))
    """Trust files and status lists of one address; all counters of an office may share one."""


@dataclass(slots=True)
class Recorded:
    """A fact that answers a command, recorded now or when the request came first."""

    index: int
    event: event.Event
    data: bytes
    fact: fact.Fact
    receipt: str
    is_repeat: bool


@dataclass(kw_only=True)
class Service:
    """Everything an endpoint needs; lives as long as the application."""

    ledger: opening.Ledger
    appender: queueing.Appends
    reader: reading.Reader
    views: views.Views
    """The projections."""
    imports: stock_jobs.Jobs
    attesting: attesting.Attesting
    settings: Settings
    clock: Callable[[], int] = store.wall_clock
    """Microseconds UTC."""
    disclosure: disclosure.Disclosure = field(init=False)
    versions: Versions = field(init=False)
    """Versions of licenses by the index of their event, opened for many requests at once."""
    presents: Presents = field(init=False)
    """Clients and licenses as they are now, read for many requests at once."""
    refusals: quota.RefusalCounts = field(init=False)
    bulk: bulk.Bulk = field(init=False, default_factory=bulk.Bulk)
    copy_limits: limits.Buckets = field(init=False)
    press: press.Press = field(init=False)
    """Makes documents."""
    token_limits: limits.TokenLimits = field(init=False)
    log_limits: limits.Buckets = field(init=False)
    ready_limits: limits.Buckets = field(init=False)
    mirroring: mirroring.Mirroring = field(init=False)
    attestations: attestations.Attestations = field(init=False)
    look_limits: limits.LookLimits = field(init=False)
    looks: look_counts.Counts = field(init=False)
    trust_limits: limits.Buckets = field(init=False)
    publisher: trust.Publisher = field(init=False)
    calendar: workdays.Calendar = field(init=False)
    """Which days are worked."""
    exports: asyncio.Semaphore = field(init=False, default_factory=lambda: asyncio.Semaphore(EXPORTS_AT_ONCE))
    """Turns of those who have an export of the trail made."""
    _tokens: tuple[object, access.AccessTokens] | None = field(init=False, default=None)
    _ring_looked_at: float = field(init=False, default=-1.0)
    _looking: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        """What follows from the parts."""
        self.disclosure = disclosure.Disclosure(self.reader, self.ledger.vault)
        self.log_limits = limits.Buckets(self.settings.log_rate)
        self.ready_limits = limits.Buckets(self.settings.ready_rate)
        self.mirroring = mirroring.Mirroring(self.reader)
        self.versions = together.Together(self.disclosure.versions)
        self.presents = together.Together(self._present)
        self.copy_limits = limits.Buckets(self.settings.copy_rate)
        self.press = press.Press(vault=self.ledger.vault)
        self.attestations = attestations.Attestations(reader=self.reader)
        self.refusals = quota.RefusalCounts(self.settings.refusals_per_minute)
        self.token_limits = limits.TokenLimits(
            per_address=self.settings.address_rate, per_client=self.settings.client_rate
        )
        self.look_limits = limits.LookLimits(self.settings.look_rates)
        self.looks = look_counts.Counts(self.reader)
        self.trust_limits = limits.Buckets(self.settings.trust_rate)
        self.calendar = workdays_file.calendar(self.ledger.config.workdays_file)
        self.publisher = trust.Publisher(self.ledger, self.reader, fresh_s=self.ledger.config.trust_fresh_s)

    # --- who asks ---

    @property
    def tokens(self) -> access.AccessTokens:
        """Access tokens under the ring's keys; made anew when the ring was read again."""
        ring = self.ledger.vault.ring
        if self._tokens is None or self._tokens[0] is not ring:
            own = [held for held in ring.signing if held.purpose == "access"]
            public_url = self.ledger.config.public_url
            made = access.AccessTokens(
                ring.signing_key("access"),
                key_id=ring.active("access").key_id.hex(),
                issuer=public_url,
                audience=public_url,
                life_s=self.settings.token_life_s,
                retired={held.key_id.hex(): retired for held in own if (retired := ring_retired(held))},
                coming={held.key_id.hex(): ring_public(held) for held in own if held.is_prepared},
            )
            self._tokens = ring, made
        return self._tokens[1]

    async def authenticate(self, request: Request) -> access.Access:
        """Who sends `request`; raises Unauthenticated."""
        token = access.bearer(request.headers.get("authorization"))
        try:
            asking = self.tokens.verify(token, now=self.now_s())
        except errors.Unauthenticated as error:
            if error.extra.get("reason") != "unknown-key":
                raise
            # Another process may have introduced a key since this one read its ring.
            await self._look_at_ring()
            asking = self.tokens.verify(token, now=self.now_s())
        request.state.client_id = asking.client
        return asking

    async def _look_at_ring(self) -> None:
        """The key ring is as new as the ledger's was when this was asked.

        Strangers' made-up key ids cost one look a second, for which all who ask meanwhile wait.
        """
        asked_at = time.monotonic()
        async with self._looking:
            if self._ring_looked_at >= asked_at:
                return
            await asyncio.sleep(self._ring_looked_at + RING_LOOKS_EVERY_S - time.monotonic())
            self._ring_looked_at = time.monotonic()
            await self.read(self.renew_ring)

    def renew_ring(self) -> None:
        """Have the key ring that the database names, or a newer one.

        A process that crashed amid a rotation leaves one that some work with and the database does not name
        yet; the retired key in it is to sign nothing from then on.
        """
        self.moment()
        self.ledger.vault.refresh()

    def now_s(self) -> int:
        """This machine's clock in seconds since 1970."""
        return self.clock() // 1_000_000

    def within_rate(self, request: Request, buckets: limits.Buckets | None = None) -> None:
        """Nothing while an address may ask what is open to everybody, or has its own buckets; raises
        TooManyRequests."""
        key = limits.address_key(limits.remote(request))
        (self.log_limits if buckets is None else buckets).take(key, now_s=time.monotonic())

    # --- commands ---

    async def do(self, asked: command.Command) -> pen.Result:
        """What became of `asked`; raises what it was refused with, or OutcomeUnknown at the deadline.

        A caller that gives up does not cancel its command.
        """
        future = self.appender.submit_soon(asked)
        deadline = asyncio.get_running_loop().call_later(self.settings.deadline_s, _give_up, future)
        try:
            return await future
        finally:
            deadline.cancel()

    async def recorded(self, result: pen.Result) -> list[Recorded]:
        """The facts of a result; those of a repeat are read again, with receipts of now."""
        if result.recorded or not result.indexes:
            return [
                Recorded(item.index, item.event, item.data, item.fact, item.receipt, is_repeat=False)
                for item in result.recorded
            ]
        return await self.read(self._repeated, result.indexes)

    async def record(self, asked: command.Command) -> list[Recorded]:
        """The facts that `asked` led to, now or when it came first."""
        return await self.recorded(await self.do(asked))

    def _repeated(self, indexes: tuple[int, ...]) -> list[Recorded]:
        stored = zip(indexes, map(event.parse, datas := self.reader.events(indexes)), datas, strict=True)
        return [
            Recorded(index, about, data, fact.from_event(about), self.reader.receipt(index), is_repeat=True)
            for index, about, data in stored
        ]

    def was_answered(self, repeat: command.Repeat) -> bool:
        """Whether a request came before under this key, and was not refused."""
        today = days.of_instant(self.moment())
        asked = (self.reader.partition, today - store.IDEMPOTENCY_DAYS, today + 1, [repeat.key])
        return bool(self.reader.run(sql.load("append")["idempotency"], asked))

    # --- reads ---

    async def read(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a blocking read gives, run in a thread."""
        return await run_in_threadpool(function, *args, **kwargs)

    def moment(self) -> int:
        """The database's clock; on the way the key ring becomes as new as the ledger's."""
        return clock.now(self.reader.run, self.ledger.vault, partition=self.reader.partition)

    def _present(self, asked: Sequence[present.Asked]) -> dict[present.Asked, present.Present]:
        found = present.read(self.reader, asked)
        # On the way the key ring becomes as new as the ledger's, as in `moment`.
        self.ledger.vault.require_version(max(one.ring_version for one in found.values()))
        return found

    def streams(self, stream_id: bytes) -> tuple[bytes, ...]:
        """Every stream of the holder of one, which comes first."""
        row = self.reader.row(state.StreamRow, stream_id)
        return (stream_id,) if row is None else joining.streams(row)

    def is_erased(self, stream_id: bytes) -> bool:
        """Whether the holder of a stream was erased: then it is as if it had never been there."""
        row = self.reader.row(state.StreamRow, stream_id)
        return row is None or row.is_erased

    def require_current(self, asking: access.Access) -> None:
        """Nothing when the client may still call; raises ClientSuspended. For reads; appends ask by rule.

        Raises Unauthenticated when the key under which the access token is was compromised meanwhile.
        """
        self.moment()
        self.require_standing(asking, self.reader.row(state.ClientRow, asking.client_id))

    def require_standing(self, asking: access.Access, row: state.ClientRow | None) -> None:
        """As `require_current`, by the client's row and with the key ring as it is here."""
        if not self.tokens.accepts(asking.key_id):
            raise access.refusal("unknown-key")
        command.require_registered(asking, row)

    # --- what a minute left behind ---

    async def keep_counting(self, *, every_s: float = 5.0) -> None:
        """Append the counts of minutes that are over, until cancelled; a turn that fails is no end.

        It is told of once, until one succeeds again.
        """
        failed = ""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.append_counts()
            except errors.LedgerError as error:
                if error.type != failed:
                    _log.error("counts are not appended", extra={"error_type": error.type})
                failed = error.type
            else:
                failed = ""

    async def append_counts(self, *, all_: bool = False) -> None:
        """One event for each client that was turned away in a minute that is over (`all_`: or not).

        Looks behind QR codes are stored on the way, as counts.
        """
        with contextlib.suppress(errors.Unavailable):
            await self.read(self.looks.store)
        minute = self.now_s() // 60
        # Together: where nobody answers, a service that ends waits once.
        await asyncio.gather(*map(self._append_count, self.refusals.due(minute + 1 if all_ else minute)))

    async def _append_count(self, due: quota.Due) -> None:
        actor = command.Actor(
            client_id=due.client_id, organization=due.organization, generation=due.generation
        )
        asked = audit_commands.CountRefusals(actor=actor, count=due.count, minute=due.minute)
        # A client suspended since is counted no more; a busy ledger is not made busier.
        with contextlib.suppress(errors.Forbidden, errors.TooManyRequests, errors.Unavailable):
            await self.do(asked)


def _give_up(future: asyncio.Future[pen.Result]) -> None:
    """Whoever waits is told at the deadline that nobody knows yet."""
    if not future.done():
        future.set_exception(errors.OutcomeUnknown())


def ring_retired(held: keyring.HeldKey) -> access.Retired | None:
    """A retired access key whose tokens are taken until they end."""
    if held.retired_at is None or held.compromised_since is not None:
        return None
    return access.Retired(public=ring_public(held), at=held.retired_at // 1_000_000)


def ring_public(held: keyring.HeldKey) -> bytes:
    """The public half of a key of the ring."""
    return keys.SigningKey(held.seed).public


def of(request: Request) -> Service:
    """The service that `request` came to."""
    service: Service = request.app.state.service
    return service
