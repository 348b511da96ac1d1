"""An appender in another process: what it is asked, told, and asked again when its process was lost."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import uvloop

from ledger import errors, queueing, remote_appender, remote_connection, use_commands
from ledger.appender import Appender
from ledger.command import Command, Repeat
from ledger.deciding import Result
from ledger.queueing import Load, Outcome, Times, Waiting
from signing import note, receipt
from tests.test_appender import lock_held
from tests.world import BUSINESS_LICENSE, ENTERPRISE, World

PATIENCE_S = 30.0


class Lossy:
    """An appender whose process dies, as often as is said, when it is asked: before or after it does it."""

    def __init__(self, appender: Appender) -> None:
        self._appender = appender
        self.dies, self.is_done_before = 0, False
        self.after_dying: Callable[[], None] = lambda: None
        self.spoils: int | None = None
        """By its number, the command whose outcome cannot be told to another process."""
        self.is_stopped = False
        self.held: list[Waiting] = []
        self.came = asyncio.Event()
        self.asked = 0

    @property
    def load(self) -> Load:
        return self._appender.load

    def take(self, many: Sequence[Waiting]) -> list[tuple[Waiting, errors.LedgerError]]:
        self.asked += len(many)
        self.came.set()
        if self.is_stopped:
            self.held += many
            return []
        if not self.dies:
            return self._appender.take(many if self.spoils is None else self._spoilt(many))
        self.dies -= 1
        if self.is_done_before:
            for one in many:
                self._appender.submit(one.asked).result(PATIENCE_S)
        for one in many:
            assert isinstance(one.reply_to, remote_connection.Connection)
            one.reply_to.channel.close()
        self.after_dying()
        return []

    def _spoilt(self, many: Sequence[Waiting]) -> list[Waiting]:
        spoiling = Spoiling(many[0].reply_to, self.spoils)
        return [one._replace(reply_to=spoiling) for one in many]

    def go_on(self) -> None:
        self._appender.take(self.held)


class Spoiling:
    """Is told an outcome of which no other process can be told."""

    def __init__(self, real: queueing.ReplyTo, number: int | None) -> None:
        self._real, self._number = real, number

    def tell(self, told: Sequence[tuple[Waiting, Outcome]], times: Times) -> None:
        spoilt: Any = [
            (waiting, Untold(outcome) if waiting.known_as == self._number else outcome)
            for waiting, outcome in told
        ]
        self._real.tell(spoilt, times)


class Untold:
    """An outcome that is not plain data."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome

    def __reduce__(self) -> Any:
        raise TypeError("an outcome is plain data")


class Place:
    """An appender, and where it is asked through a socket."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.path = world, folder / "appender"
        self.renewed: list[int] = []
        self.observed: list[Any] = []

    def appender(self) -> remote_appender.RemoteAppender:
        """One that asks here."""
        loop, renew = asyncio.get_running_loop(), self.renewed.append
        return remote_appender.RemoteAppender(
            self.path, loop=loop, observed=self.observed.append, renew=renew
        ).start()

    @contextlib.asynccontextmanager
    async def asking(self) -> AsyncIterator[tuple[remote_appender.RemoteAppender, Lossy]]:
        """One that asks, and is answered."""
        lossy, version = Lossy(self.world.appender), self.world.ledger.vault.ring.version
        connections = remote_connection.Connections(lossy, ring_version=lambda: version)  # type: ignore[arg-type]
        server = await asyncio.get_running_loop().create_unix_server(connections.another, str(self.path))
        asked = self.appender()
        try:
            yield asked, lossy
        finally:
            await asyncio.to_thread(asked.stop)
            server.close()
            await asyncio.wait_for(connections.nobody_asks.wait(), PATIENCE_S)

    def use(self, key: bytes | None = None, **changes: Any) -> use_commands.UseLicense:
        repeat = None if key is None else Repeat(key=key * 16, body_digest=b"d" * 16)
        named = {"holder": ENTERPRISE, "type_code": BUSINESS_LICENSE, **changes}
        return use_commands.UseLicense(actor=self.world.hall, repeat=repeat, **named)


@pytest.fixture
def place(world: World, tmp_path: Path) -> Place:
    world.issue()
    world.grant()
    return Place(world, tmp_path)


def runs(asked: remote_appender.RemoteAppender) -> bool:
    return asked.is_running


async def soon(future: asyncio.Future[Result]) -> Result:
    return await asyncio.wait_for(future, PATIENCE_S)


def test_what_is_asked_is_done_and_told_with_its_proof(place: Place) -> None:
    async def run() -> None:
        async with place.asking() as (asked, lossy):
            futures = [asked.submit_soon(place.use()) for _ in range(20)]
            results = [await soon(future) for future in futures]
            ring = place.world.ledger.vault.ring
            key = note.VerifierKey(name=f"{ring.origin}/0", public=place.world.ledger.vault.log_key.public)
            for result in results:
                (item,) = result.recorded
                assert item.fact.topic == "LicenseUsed"
                receipt.verify(item.receipt, event=item.data, trusted=[key])
            assert len({result.indexes for result in results}) == 20
            assert lossy.asked == 20
            with pytest.raises(errors.LicenseTypeUnknown) as raised:
                await soon(asked.submit_soon(place.use(type_code="11100000MB0143028R999")))
            assert raised.value.field == "license_type"
            threaded: Future[Result] = await asyncio.to_thread(asked.submit, place.use())
            assert (await asyncio.to_thread(threaded.result, PATIENCE_S)).recorded
        assert sum(len(batch.outcomes) for batch in place.observed) == 22

    uvloop.run(run())
    assert place.renewed == [place.world.ledger.vault.ring.version]


@pytest.mark.parametrize("is_done_before", [False, True])
def test_what_has_a_key_is_asked_again_of_the_next_process_and_done_once(
    place: Place, is_done_before: bool
) -> None:
    before = place.world.ledger.recorder.newest_index()

    async def run() -> Result:
        async with place.asking() as (asked, lossy):
            lossy.dies, lossy.is_done_before = 1, is_done_before
            return await soon(asked.submit_soon(place.use(b"k")))

    result = uvloop.run(run())
    assert result.indexes == (before + 1,)
    assert result.is_repeat == is_done_before
    assert place.world.ledger.recorder.newest_index() == before + 1


def test_what_has_no_key_has_an_unknown_outcome_when_its_process_was_lost(place: Place) -> None:
    async def run() -> None:
        async with place.asking() as (asked, lossy):
            lossy.dies = 1
            with pytest.raises(errors.OutcomeUnknown):
                await soon(asked.submit_soon(place.use()))
            assert (await soon(asked.submit_soon(place.use()))).recorded, "the next one is done"

    uvloop.run(run())


def test_what_kills_its_process_each_time_is_not_asked_for_ever(place: Place) -> None:
    async def run() -> None:
        async with place.asking() as (asked, lossy):
            lossy.dies = 10
            with pytest.raises(errors.OutcomeUnknown):
                await soon(asked.submit_soon(place.use(b"k")))
            assert lossy.asked == remote_appender.TIMES_SENT_MAX

    uvloop.run(run())


@pytest.mark.parametrize("is_there_a_socket", [False, True])
def test_where_nobody_appends_nothing_is_done_and_that_is_said(
    place: Place, monkeypatch: pytest.MonkeyPatch, is_there_a_socket: bool
) -> None:
    monkeypatch.setattr("ledger.remote_appender.RETRY_FOR_S", 0.2)

    async def run() -> None:
        asked = place.appender()
        assert not asked.is_running
        with pytest.raises(errors.Unavailable) as raised:
            await soon(asked.submit_soon(place.use(b"k")))
        assert type(raised.value) is errors.Unavailable, "nothing was sent"
        assert not asked.is_running
        with pytest.raises(errors.Unavailable):
            asked.submit_soon(place.use(b"k"))
        assert asked.waiting == 0
        await asyncio.to_thread(asked.stop)

    with socket.socket(socket.AF_UNIX) as listening:
        if is_there_a_socket:
            # It takes callers, as the service's does while its appender's process is away.
            listening.bind(str(place.path))
            listening.listen()
        uvloop.run(run())


def test_who_asks_before_anybody_listens_is_answered_once_somebody_does(place: Place) -> None:
    async def run() -> None:
        asked = place.appender()
        future = asked.submit_soon(place.use(b"k"))
        await asyncio.sleep(2 * remote_appender.CONNECT_EVERY_S)  # nobody was there
        async with place.asking():
            assert (await soon(future)).recorded
            await asyncio.to_thread(asked.stop)

    uvloop.run(run())


def test_who_runs_other_code_is_asked_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.remote_appender.RETRY_FOR_S", 0.2)
    monkeypatch.setattr("ledger.remote_connection.CODE_DIGEST", "of another release")

    async def run() -> None:
        async with place.asking() as (asked, lossy):
            with pytest.raises(errors.Unavailable) as raised:
                await soon(asked.submit_soon(place.use(b"k")))
            assert type(raised.value) is errors.Unavailable, "nothing was sent"
            assert not asked.is_running
            assert not lossy.asked

    uvloop.run(run())


def test_a_thread_does_not_wait_for_ever(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.remote_appender.THREADS_WAIT_S", 0.1)

    async def run() -> None:
        async with place.asking() as (asked, lossy):
            lossy.is_stopped = True
            future = await asyncio.to_thread(asked.submit, place.use())
            with pytest.raises(errors.OutcomeUnknown):
                await asyncio.to_thread(future.result, PATIENCE_S)
            await lossy.came.wait()
            lossy.go_on()

    uvloop.run(run())


def test_what_may_have_been_done_is_not_told_to_be_refused(place: Place) -> None:
    async def run() -> None:
        async with place.asking() as (asked, lossy):
            lossy.dies, lossy.is_done_before = 1, True
            place.world.appender._queue_max = 1
            lossy.after_dying = lambda: setattr(place.world.appender, "_queue_max", 0)
            with pytest.raises(errors.OutcomeUnknown):
                await soon(asked.submit_soon(place.use(b"k")))

    uvloop.run(run())


def test_an_outcome_that_cannot_be_told_costs_no_other(place: Place) -> None:
    async def run() -> None:
        async with place.asking() as (asked, lossy):
            lossy.spoils = 2
            # One batch, whose outcomes are told together.
            with lock_held(place.world.ledger):
                futures = [asked.submit_soon(place.use()) for _ in range(3)]
                await lossy.came.wait()
            assert (await soon(futures[0])).recorded
            with pytest.raises(errors.OutcomeUnknown):
                await soon(futures[1])
            assert (await soon(futures[2])).recorded

    uvloop.run(run())


def test_an_appender_that_owes_answers_and_says_nothing_does_not_run(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with place.asking() as (asked, lossy):
            await soon(asked.submit_soon(place.use()))
            assert runs(asked)
            lossy.is_stopped = True
            lossy.came.clear()
            monkeypatch.setattr("ledger.remote_appender.SILENT_S", -1.0)
            assert runs(asked), "it owes nothing"
            future = asked.submit_soon(place.use())
            assert not runs(asked)
            await lossy.came.wait()
            lossy.go_on()
            assert (await soon(future)).recorded
            assert runs(asked)

    uvloop.run(run())


def test_who_stops_waits_for_what_was_asked(place: Place) -> None:
    async def run() -> list[Result]:
        async with place.asking() as (asked, _):
            futures = [asked.submit_soon(place.use()) for _ in range(50)]
        with pytest.raises(errors.Unavailable):
            asked.submit_soon(place.use())
        assert all(future.done() for future in futures)
        return [future.result() for future in futures]

    assert all(result.recorded for result in uvloop.run(run()))


def test_who_halts_takes_nothing_until_it_may(place: Place) -> None:
    async def run() -> None:
        async with place.asking() as (asked, _):
            asked.halt(errors.Unavailable())
            assert not asked.is_running
            with pytest.raises(errors.Unavailable):
                asked.submit_soon(place.use())
            asked.halt(None)
            assert (await soon(asked.submit_soon(place.use()))).recorded

    uvloop.run(run())


def test_a_full_queue_is_told_with_the_time_to_come_back_and_forgotten_when_it_is_empty(place: Place) -> None:
    async def run() -> None:
        async with place.asking() as (asked, _):
            place.world.appender._queue_max = 0
            with pytest.raises(errors.QueueFull) as raised:
                await soon(asked.submit_soon(place.use()))
            assert raised.value.retry_after_s >= 1
            place.world.appender._queue_max = 100
            client_id = place.world.hall.client_id
            future = asked.submit_soon(place.use())
            asked._load = Load(waiting=10_000, others=10_000, clients=1, batch_s=10.0)
            with pytest.raises(errors.QueueFull):
                asked.require_place(client_id)
            with pytest.raises(errors.QueueFull):
                asked.submit_soon(place.use())
            assert (await soon(future)).recorded
            asked.require_place(client_id)  # nothing of ours waits: nobody would say that the crowd is gone
            assert (await soon(asked.submit_soon(place.use()))).recorded
            assert not asked._of_client

    uvloop.run(run())


class Unsendable(use_commands.UseLicense):
    """A command that no other process can be told of."""

    def __reduce__(self) -> Any:
        raise TypeError("a command is plain data")


def test_a_command_that_cannot_be_sent_costs_no_other(place: Place) -> None:
    async def run() -> None:
        async with place.asking() as (asked, _):
            named: Any = {"holder": ENTERPRISE, "type_code": BUSINESS_LICENSE}
            wrong: Command = Unsendable(actor=place.world.hall, repeat=None, **named)
            futures = [asked.submit_soon(one) for one in (place.use(), wrong, place.use())]
            assert (await soon(futures[0])).recorded
            with pytest.raises(errors.LedgerError):
                await soon(futures[1])
            assert (await soon(futures[2])).recorded

    uvloop.run(run())


def leaves(cls: type[errors.LedgerError]) -> Iterator[type[errors.LedgerError]]:
    yield cls
    for below in cls.__subclasses__():
        yield from leaves(below)


def test_every_error_is_told_as_it_is() -> None:
    for cls in leaves(errors.LedgerError):
        error = cls.__new__(cls, "told")
        errors.LedgerError.__init__(error, "what is wrong", field="holder.code", since=1)
        again = pickle.loads(pickle.dumps(error))  # noqa: S301
        assert type(again) is cls
        assert (again.args, again.detail, again.field, again.extra) == (
            error.args,
            "what is wrong",
            "holder.code",
            {"since": 1},
        )


@pytest.mark.parametrize("cut", [1, 3, 4, 5, 1_000])
def test_what_comes_in_pieces_is_heard_whole_and_in_order(cut: int) -> None:
    said: list[Any] = []
    written = bytearray()

    class Transport:
        def writelines(self, pieces: Sequence[bytes]) -> None:
            written.extend(b"".join(pieces))

    speaking, hearing = (
        remote_connection.Channel(heard=said.append),
        remote_connection.Channel(heard=said.append),
    )
    speaking.connection_made(Transport())  # type: ignore[arg-type]
    told = [b"", "甲" * 500, {"a": [1, 2]}, None]
    for one in told:
        speaking.say(one)
    for at in range(0, len(written), cut):
        hearing.data_received(bytes(written[at : at + cut]))
    assert said == told
