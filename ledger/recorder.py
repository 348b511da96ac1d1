"""The event store of `eventsourcing`, on this ledger's tables: recorder, mapper and notification log.

`Recorder` is an application recorder of the library whose appends extend the Merkle tree; the append
path hands it batches, the library's own classes read from it. `Mapper` turns events into the library's
stored events and back: their state is the event's bytes, their topic the fact's name.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from eventsourcing import persistence, postgres, utils
from psycopg import conninfo as conninfos
from psycopg import rows
from psycopg.sql import SQL

from ledger import errors, rooms, sql, tiling
from ledger.drafting import Encoded
from ledger.store import Refused, Session, StoreError, wall_clock
from ledger.writing import Addition, EventRow, Head, Write
from signing import event, merkle, suites

CHANNEL = "ledger_appended"
RECONNECT_S = 2.0
"""The pool doubles its pause between attempts until then, and begins anew with the next who asks."""


class StoredFact(NamedTuple):
    """One event in the shape that the library's mapper works with."""

    originator_id: UUID
    originator_version: int
    event: event.Event
    data: bytes


class Mapper(persistence.Mapper[UUID]):
    """The library's mapper over event bytes: nothing is transcoded, encrypted or compressed again."""

    def __init__(self) -> None:
        super().__init__(transcoder=persistence.JSONTranscoder())

    def to_stored_event(self, domain_event: Any) -> persistence.StoredEvent:
        """The stored event of a StoredFact."""
        return persistence.StoredEvent(
            originator_id=domain_event.originator_id,
            originator_version=domain_event.originator_version,
            topic=domain_event.event.topic,
            state=domain_event.data,
        )

    def to_domain_event(self, stored_event: persistence.StoredEvent) -> StoredFact:
        """The StoredFact of a stored event; raises EventInvalid."""
        assert isinstance(stored_event.originator_id, UUID), "streams are UUIDs"
        return StoredFact(
            originator_id=stored_event.originator_id,
            originator_version=stored_event.originator_version,
            event=event.parse(stored_event.state),
            data=stored_event.state,
        )


def register_topics() -> None:
    """Make every fact known to the library under its topic."""
    for topic, cls in rooms.topics().items():
        utils.register_topic(topic, cls)


class Recorder(postgres.PostgresApplicationRecorder):
    """An application recorder with dense positions and a tree head for every append."""

    def __init__(
        self,
        datastore: postgres.PostgresDatastore,
        *,
        conninfo: str,
        partition: int = 0,
        suite: suites.Suite = suites.INTL,
    ) -> None:
        if datastore.enable_db_functions:
            raise errors.Invalid("database functions leave the lock out: readers would lose events")
        super().__init__(datastore, events_table_name="events")
        self.sql_create_statements.clear()
        self.channel_name = CHANNEL
        self._conninfo = conninfo
        self._partition = partition
        self._suite = suite
        self._mapper = Mapper()
        texts = sql.load("recorder")
        self.select_events_statement = _composed(texts["select_events"], partition)
        self.max_notification_id_statement = _composed(texts["max_notification_id"], partition)
        self._notifications = texts["select_notifications"]
        self._states_after = texts["select_states"]

    def session(self) -> Session:
        """A new session of the append path; raises Lost."""
        return Session(self._conninfo, partition=self._partition)

    def rows(self, encoded: Sequence[Encoded], *, size: int) -> list[EventRow]:
        """The rows of a batch after `size` leaves, through the library's mapper."""
        rows = []
        for position, item in enumerate(encoded, start=size + 1):
            stored = self._mapper.to_stored_event(
                StoredFact(_stream_uuid(item.event.stream_id), position, item.event, item.data)
            )
            rows.append(_row(stored, recorded_at=item.event.recorded_at))
        return rows

    def insert_events(
        self, stored_events: Sequence[persistence.StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Append stored events as the library's callers do; returns their positions.

        The whole method is our own: the library's swallows errors inside its transaction and repeats
        a COMMIT whose outcome it does not know.
        """
        if not stored_events:
            return []
        try:
            with contextlib.closing(self.session()) as session:
                look = session.begin(anchor_size=0)
                write = self._write(stored_events, look.head, session)
                rows = [_row(stored, recorded_at=write.head.at) for stored in stored_events]
                session.add(Addition(first_position=look.head.size + 1, events=rows))
                session.write(write)
                session.commit()
        except Refused as refused:
            raise persistence.IntegrityError(str(refused)) from refused
        except StoreError as lost:
            raise persistence.OperationalError(str(lost)) from lost
        self._notify()
        return list(range(look.head.size + 1, write.head.size + 1))

    def _write(self, stored_events: Sequence[persistence.StoredEvent], head: Head, session: Session) -> Write:
        digest = self._suite.digest
        leaves = [merkle.leaf_hash(stored.state, digest=digest) for stored in stored_events]
        extension = merkle.Extension.of(head.frontier, head.size, leaves, digest=digest)
        at = max(head.at, wall_clock())
        row = tiling.Tail().row(head.size, head.root, leaves, session.states, digest)
        return Write(
            head=Head(
                size=extension.size,
                generation=head.generation,
                root=extension.root,
                frontier=extension.frontier,
                at=at,
            ),
            tiles=tiling.filled(head.size, row, session.tile, digest),
        )

    def _notify(self) -> None:
        """Wake the library's subscriptions, after COMMIT: inside it every append would queue for it."""
        with self.datastore.get_connection() as conn:
            conn.execute(SQL("NOTIFY {}").format(SQL(CHANNEL)))

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[persistence.Notification]:
        """Notifications in position order, as the library's notification log asks for them."""
        after = 0 if start is None else start - 1 if inclusive_of_start else start
        params = {
            "partition": self._partition,
            "after": after,
            "stop": stop,
            "topics": list(topics) or None,
            "limit": limit,
        }
        with self.datastore.get_connection() as conn, conn.cursor(binary=True) as cursor:
            cursor.execute(self._notifications, params, prepare=True)
            return [
                persistence.Notification(
                    id=row["position"],
                    originator_id=row["stream_id"],
                    originator_version=row["version"],
                    topic=row["topic"],
                    state=row["state"],
                )
                for row in cursor.fetchall()
            ]

    def max_notification_id(self) -> int | None:
        """The newest position; the library's own asks ten times before it says that nobody answers."""
        with self.datastore.get_connection() as conn:
            row = conn.execute(self.max_notification_id_statement, prepare=True).fetchone()
        assert row is not None, "an aggregate always answers"
        newest: int | None = row["max"]
        return newest

    def states_after(self, *, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Leaf indexes and bytes of the next events after `after` (-1: from the first), none left out.

        What the library's notification log gives, without an object for each step between. Raises
        Unavailable, and HistoryBroken when an event is missing.
        """
        params = {"partition": self._partition, "after": after + 1, "limit": limit}
        with (
            _translated(),
            self.datastore.get_connection() as conn,
            conn.cursor(binary=True, row_factory=rows.tuple_row) as cursor,
        ):
            found = cursor.execute(self._states_after, params, prepare=True).fetchall()
        if [index for index, _ in found] != list(range(after + 1, after + 1 + len(found))):
            raise errors.HistoryBroken("an event is missing")
        return found

    def newest_index(self) -> int:
        """The leaf index of the newest fact, -1 when there is none; raises Unavailable."""
        with _translated():
            return (self.max_notification_id() or 0) - 1


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except persistence.PersistenceError as error:
        raise errors.Unavailable("the database cannot be reached") from error


def open_recorder(conninfo: str, *, partition: int = 0, pool_size: int = 2) -> Recorder:
    """A recorder on the database that `conninfo` names, with the library's datastore behind it."""
    parts = conninfos.conninfo_to_dict(conninfo)
    datastore = postgres.PostgresDatastore(
        dbname=str(parts.get("dbname", "")),
        host=str(parts.get("host", "")),
        port=str(parts.get("port", "")),
        user=str(parts.get("user", "")),
        password=str(parts.get("password", "")),
        pool_size=pool_size,
        max_overflow=8,
        pre_ping=True,
    )
    datastore.pool.reconnect_timeout = RECONNECT_S
    register_topics()
    return Recorder(datastore, conninfo=conninfo, partition=partition)


@functools.lru_cache(maxsize=4096)
def _stream_uuid(stream_id: bytes) -> UUID:
    """The stream's id as the library has it; remembered, since a batch names few streams many times."""
    return UUID(bytes=stream_id)


def _row(stored: persistence.StoredEvent, *, recorded_at: int) -> EventRow:
    assert isinstance(stored.originator_id, UUID), "streams are UUIDs"
    return EventRow(
        stream_id=stored.originator_id,
        version=stored.originator_version,
        topic=stored.topic,
        recorded_at=recorded_at,
        state=stored.state,
    )


def _composed(text: str, partition: int) -> Any:
    return SQL(text.replace("{partition}", str(int(partition))))
