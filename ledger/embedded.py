"""The embedded PostgreSQL 18: one data folder, one server, shared by every process of one user.

`Server.start(data)` makes the cluster on first use, starts its server or joins the one that runs, and
`stop()` ends it if nobody else uses it. What lies where, also when we are root, stands in `embedded_files`.

- *Who stops it* is decided by locks alone. Each user holds a shared lock on `postgres/users.lock`; whoever
  can hold it alone at `stop()` is the last and stops the server. Starting and stopping take turns by
  `postgres/start.lock`. The kernel releases all of them however a process dies.
- A user that dies without `stop()` leaves the server running; the next `start()` joins it. A server that
  dies leaves nothing that blocks the next `start()`, which comes up at the same socket.
- Passwords by SCRAM only, over a socket that no other account reaches; no TCP unless asked for.
- A child made by `fork` does not share its parent's use: it calls `start()` itself, and `stop()` on the
  object that it inherited does nothing.

Nothing here talks SQL. POSIX only.
"""

import os
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from ledger import embedded_files as files
from ledger.embedded_account import Account, EmbeddedError, account
from ledger.embedded_binaries import BASE, installed, reachable
from ledger.embedded_cluster import HALT_S, Cluster
from ledger.embedded_settings import OWNER

__all__ = ["OWNER", "EmbeddedError", "Server"]

OS_USER_VARIABLE = "LEDGER_POSTGRES_OS_USER"
_DATABASE = "postgres"
_PORTS_TRIED = 5
_TAKEN = "Address already in use"

_START_S = 120.0


class Server:
    """A running server that this process uses; made by `start()` only. Leaving `with` calls `stop()`."""

    def __init__(self, *, cluster: Cluster, run: files.Run, users: files.Lock, password: str) -> None:
        self._cluster = cluster
        self._run = run
        self._users = users
        self._password = password
        self._process_id = os.getpid()
        self._is_stopped = False

    @classmethod
    def start(
        cls,
        data: Path,
        *,
        listen_tcp: bool = False,
        os_user: str | None = None,
        base: Path = BASE,
        timeout_s: float = _START_S,
    ) -> Self:
        """The server of the data folder, ready for connections: made, started or joined.

        `os_user` (else the variable LEDGER_POSTGRES_OS_USER) names the account that a root process runs
        PostgreSQL under; an existing cluster keeps the account it was made with. `base` is where root puts
        what that account cannot reach in place. `listen_tcp` opens 127.0.0.1 too; a server that runs
        without is restarted for it if nobody uses it, and otherwise that is an error.
        """
        wanted = os_user or os.environ.get(OS_USER_VARIABLE) or None
        try:
            return cls._start(
                data.resolve(), listen_tcp=listen_tcp, os_user=wanted, base=base, timeout_s=timeout_s
            )
        except OSError as error:
            raise EmbeddedError(f"PostgreSQL was not started: {error}") from error

    @classmethod
    def _start(
        cls, data: Path, *, listen_tcp: bool, os_user: str | None, base: Path, timeout_s: float
    ) -> Self:
        control = files.open_control(data, account=account(os_user))
        users = files.Lock(control / "users.lock")
        try:
            with files.held_alone(control / "start.lock", timeout_s=timeout_s):
                cluster = _cluster(data, os_user=os_user, base=base)
                password = _initialized(data, cluster=cluster)
                run = _joined(cluster, users=users, listen_tcp=listen_tcp, timeout_s=timeout_s)
                run = run or _launched(cluster, listen_tcp=listen_tcp, timeout_s=timeout_s)
                users.share()
        except BaseException:
            users.close()
            raise
        return cls(cluster=cluster, run=run, users=users, password=password)

    @property
    def socket_dir(self) -> Path:
        """The folder of the socket: what `host` is in a connection string."""
        return Path(self._run.socket_dir)

    @property
    def port(self) -> int:
        """The port: part of the socket's name, and the TCP port if it listens there."""
        return self._run.port

    @property
    def system_user(self) -> str:
        """The name of the account that the server runs under."""
        return self._cluster.account.name

    @property
    def cluster_dir(self) -> Path:
        """The folder with `pgdata` and `log`; as root it may lie outside the data folder."""
        return self._cluster.folder

    @property
    def owner_url(self) -> str:
        """The URL of the owner, a superuser, with its password: a secret."""
        host = quote(self._run.socket_dir, safe="")
        return (
            f"postgresql://{OWNER}:{quote(self._password, safe='')}@/{_DATABASE}?host={host}&port={self.port}"
        )

    def conninfo(
        self,
        *,
        dbname: str = _DATABASE,
        user: str = OWNER,
        password: str | None = None,
        over_tcp: bool = False,
    ) -> str:
        """A libpq connection string; it carries the owner's password if the user is the owner: a secret."""
        assert self._run.listen_tcp or not over_tcp, "this server was started without TCP"
        secret = self._password if password is None and user == OWNER else password
        words = {
            "host": "127.0.0.1" if over_tcp else self._run.socket_dir,
            "port": str(self.port),
            "dbname": dbname,
            "user": user,
            "password": secret,
        }
        return " ".join(f"{name}={_quoted(value)}" for name, value in words.items() if value is not None)

    def bin(self, name: str) -> Path:
        """The path of a PostgreSQL program of the server's own release, such as `pg_dump`."""
        return self._cluster.binaries.program(name)

    def stop(self, *, timeout_s: float = HALT_S) -> None:
        """End our use, and the server too if nobody else uses it. Stopping twice is allowed.

        A server that has not ended its work after the timeout is stopped as a power cut would.
        """
        if self._is_stopped or os.getpid() != self._process_id:
            return
        control = self._cluster.control
        try:
            with files.held_alone(control / "start.lock", timeout_s=_START_S):
                if self._users.try_alone():
                    self._cluster.halt(timeout_s=timeout_s)
        except OSError as error:
            raise EmbeddedError(f"PostgreSQL was not stopped: {error}") from error
        finally:
            self._is_stopped = True
            self._users.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"Server(cluster_dir={str(self.cluster_dir)!r}, socket_dir={str(self.socket_dir)!r})"


def _cluster(data: Path, *, os_user: str | None, base: Path) -> Cluster:
    """The cluster where it is recorded, or where a new one shall be, then recorded."""
    place = files.read_place(data)
    owner = account(os_user)
    if place is None:
        place = files.choose_place(data, account=owner, base=base)
        files.write_place(data, place)
    elif owner.is_switched:
        owner = _recorded_account(place, os_user=os_user)
    cluster = Cluster(
        control=data / files.CONTROL,
        folder=data / place.cluster,  # an absolute place stays as it is
        account=owner,
        binaries=reachable(installed(), account=owner, base=base),
    )
    if place.is_initialized and not cluster.exists():
        raise EmbeddedError(f"the PostgreSQL cluster of {data} is gone from {cluster.folder}")
    return cluster


def _recorded_account(place: files.Place, *, os_user: str | None) -> Account:
    if os_user not in (None, place.account):
        raise EmbeddedError(f"the cluster belongs to account {place.account}: it cannot run as {os_user}")
    return account(place.account)


def _initialized(data: Path, *, cluster: Cluster) -> str:
    """The owner's password of the cluster, which is there afterwards and recorded as such."""
    password = files.owner_password(data, is_new=not cluster.exists())
    if not cluster.exists():
        cluster.initialize(password=password)
    place = files.read_place(data)
    assert place is not None
    if not place.is_initialized:
        files.write_place(data, replace(place, is_initialized=True))
    return password


def _joined(cluster: Cluster, *, users: files.Lock, listen_tcp: bool, timeout_s: float) -> files.Run | None:
    """How the living server runs, once it is ready; None if none lives or it died meanwhile."""
    run = files.read_run(cluster.control)
    if run is None or not cluster.is_alive() or not cluster.await_ready(run, timeout_s=timeout_s):
        return None
    if run.listen_tcp or not listen_tcp:
        return run
    if not users.try_alone():
        raise EmbeddedError("PostgreSQL runs without TCP for another process: stop that one first")
    cluster.halt()
    return None


def _launched(cluster: Cluster, *, listen_tcp: bool, timeout_s: float) -> files.Run:
    """How the new server runs. A TCP port that somebody takes before it is given up for another."""
    for left in reversed(range(_PORTS_TRIED if listen_tcp else 1)):
        run = cluster.launch(listen_tcp=listen_tcp)
        if cluster.await_ready(run, timeout_s=timeout_s):
            return run
        cluster.halt()  # it is dead: this removes its socket folder
        tail = cluster.log_tail()
        if not left or _TAKEN not in tail:
            raise EmbeddedError(f"PostgreSQL ended while it was starting{tail}")
    raise AssertionError("one of the tries returns or raises")


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
