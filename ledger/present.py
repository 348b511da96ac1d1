"""Present: what is true of licenses and of who asks for them now, read for many requests at once.

Gives `read`. Decides nothing: who may know of a license, and what is said of it, others say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ledger import clock, reading
from ledger.state import ClientRow, LicenseRow, StreamRow

Asked = tuple[bytes, bytes]
"""A client, and the reference that it asks for."""


class Present(NamedTuple):
    """Decision state as it is committed, read after the clock."""

    at: int
    """Microseconds UTC."""
    ring_version: int
    """The version of the key ring that readers must have."""
    client: ClientRow | None
    license: LicenseRow | None
    """None also where its holder was erased: then it is as if it had never been there."""


def read(reader: reading.Reader, asked: Sequence[Asked]) -> dict[Asked, Present]:
    """What is true now for each; four statements, however many they are. Raises Unavailable."""
    at, ring_version = clock.read(reader.run, partition=reader.partition)
    clients = reader.rows(ClientRow, {client_id for client_id, _ in asked})
    licenses = reader.rows(LicenseRow, {ref for _, ref in asked})
    homes = reader.rows(StreamRow, {row.stream_id for row in licenses.values()})
    living = {home.stream_id for home in homes.values() if not home.is_erased}
    return {
        (client_id, ref): Present(
            at=at,
            ring_version=ring_version,
            client=clients.get(client_id),
            license=row if (row := licenses.get(ref)) is not None and row.stream_id in living else None,
        )
        for client_id, ref in asked
    }
