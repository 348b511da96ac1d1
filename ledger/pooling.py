"""Pools of connections that read: one that the server has closed is noticed before it is used.

psycopg's own check asks the server each time a connection is taken, a round trip for every read. An idle
connection on which the server says something is closed, or about to be: only then is it asked.
"""

from __future__ import annotations

import select
from typing import Any

import psycopg
import psycopg_pool

Pool = psycopg_pool.ConnectionPool[psycopg.Connection[Any]]
KEEPALIVES: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}
"""Of a connection: a server that is gone without a word is noticed in seconds, not in minutes."""
GONE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    # While another server takes over the address may be that of its standby.
    psycopg.errors.ReadOnlySqlTransaction,
    # Of a process that was stopped amid a transaction.
    psycopg.errors.IdleInTransactionSessionTimeout,
)
"""What says that the database does not serve now; it says nothing of what was asked."""


def check(conn: psycopg.Connection[Any]) -> None:
    """Nothing while the connection is as it was left; raises psycopg.OperationalError when it is closed."""
    poll = select.poll()
    poll.register(conn.pgconn.socket, select.POLLIN)
    if poll.poll(0):
        psycopg_pool.ConnectionPool.check_connection(conn)
