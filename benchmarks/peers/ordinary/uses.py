"""The domain of the ordinary service: one aggregate for each use, and the application that saves it.

The recorder is the library's own; by its documented hook the counter of the authorization and the
idempotency key are written in the transaction of the event, so that a use costs one commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Recording, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder

from benchmarks.peers.ordinary import settings


class LicenseUse(Aggregate):
    """A license was used."""

    @event("Granted")
    def __init__(
        self,
        *,
        license_ref: str,
        authorization_ref: str,
        client_id: str,
        organization: str,
        operator: dict[str, str],
        purpose: dict[str, str],
        fields: list[str],
        channel: str,
    ) -> None:
        self.license_ref = license_ref
        self.authorization_ref = authorization_ref
        self.client_id = client_id
        self.organization = organization
        self.operator = operator
        self.purpose = purpose
        self.fields = fields
        self.channel = channel


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a use changes beside its event."""

    schema: str
    authorization_ref: str
    client_id: str
    key: str
    body_digest: bytes
    use_id: UUID


class Recorder(PostgresApplicationRecorder):
    """The library's recorder, with what a use changes in the same transaction."""

    def _insert_events(
        self, curs: Any, stored_events: Sequence[StoredEvent], *, spent: Spent | None = None, **_: Any
    ) -> None:
        if spent is None:
            return
        curs.execute(
            f"INSERT INTO {spent.schema}.idempotency (client_id, key, body_digest, use_id)"
            " VALUES (%s, %s, %s, %s)",
            (spent.client_id, spent.key, spent.body_digest, spent.use_id),
            prepare=True,
        )
        # The constraint of the table refuses the use that would be one too many.
        curs.execute(
            f"UPDATE {spent.schema}.authorizations SET uses = uses + 1 WHERE authorization_ref = %s",
            (spent.authorization_ref,),
            prepare=True,
        )


class Uses(Application[UUID]):
    """Records uses."""

    name = "uses"

    def record(self, use: LicenseUse, spent: Spent) -> Recording[UUID]:
        """The recording of one use; raises the library's IntegrityError when it may not be."""
        (recording,) = self.save(use, spent=spent)
        return recording


def application(chosen: settings.Settings) -> Uses:
    """The application on its database."""
    return Uses(
        env={
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": chosen.dbname,
            "POSTGRES_HOST": chosen.host,
            "POSTGRES_PORT": chosen.port,
            "POSTGRES_USER": chosen.user,
            "POSTGRES_PASSWORD": chosen.password,
            "POSTGRES_SCHEMA": chosen.schema,
            "POSTGRES_POOL_SIZE": str(chosen.pool_size),
            "POSTGRES_MAX_OVERFLOW": "0",
            "POSTGRES_CONNECT_TIMEOUT": "30",
            "POSTGRES_IDLE_IN_TRANSACTION_SESSION_TIMEOUT": "60",
            "APPLICATION_RECORDER_TOPIC": "benchmarks.peers.ordinary.uses:Recorder",
            "CIPHER_TOPIC": "benchmarks.peers.ordinary.sealing:EventCipher",
            "CIPHER_KEY": chosen.data_key,
        }
    )
