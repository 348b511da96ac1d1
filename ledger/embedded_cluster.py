"""One PostgreSQL cluster on disk: made once, its server launched, awaited and halted.

Whether a server lives is asked of the kernel, not of process ids: the postmaster inherits an exclusive
`flock` on `server.lock`, and so does every process that it forks. While one of them lives, the lock is held;
when it is free, all are gone, and the files they left behind mean nothing. Process ids are reused, in
containers at once, and a killed postmaster may stay a zombie: neither blocks the next start.

The caller holds `start.lock` around everything here that changes something. POSIX only.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger import embedded_files as files
from ledger import embedded_settings as settings
from ledger.embedded_account import Account, EmbeddedError
from ledger.embedded_binaries import MAJOR, Binaries, wal_compression

PORT = 5432
_LOOPBACK = "127.0.0.1"
_TAIL_LINES = 20
_STATUS_LINE = 7  # of postmaster.pid, counted from 0
HALT_S = 60.0
_INIT = (
    f"--username={settings.OWNER}",
    "--auth=scram-sha-256",  # also while initdb itself works: trust at no time
    "--data-checksums",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
    "--no-sync",  # we sync once, after our own line is in the configuration
)


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster, the account that owns it, and the programs that serve it."""

    control: Path
    folder: Path
    account: Account
    binaries: Binaries

    @property
    def pgdata(self) -> Path:
        """PostgreSQL's own folder; it exists only once it is whole."""
        return self.folder / "pgdata"

    def exists(self) -> bool:
        """Whether a whole cluster is there."""
        return (self.pgdata / "PG_VERSION").is_file()

    def initialize(self, *, password: str) -> None:
        """Make the cluster beside its place, then rename: a crash leaves nothing half done."""
        files.make_private(self.folder, account=self.account)
        staging, secret = self.folder / "staging", self.folder / "password"
        self.account.shell('rm -rf -- "$1" "$2"', staging, secret)
        try:
            self.account.write(secret, password + "\n")
            self._initdb([f"--pgdata={staging}", f"--pwfile={secret}", *_INIT])
        finally:
            self.account.shell('rm -f -- "$1"', secret)
        include = f"\ninclude '{settings.INCLUDED}'\n"
        self.account.shell('cat >>"$1"', staging / "postgresql.conf", text=include)
        self._initdb([f"--pgdata={staging}", "--sync-only"])
        # From here the cluster exists, even if we crash.
        self.account.shell('mkdir -p -- "$1"; mv -- "$2" "$3"', self.folder / "log", staging, self.pgdata)
        for folder in (self.folder, self.folder.parent):
            files.sync_folder(folder)

    def is_alive(self) -> bool:
        """Whether any process of the server lives, be it starting, serving or dying."""
        lock = files.Lock(self.control / "server.lock")
        try:
            return not lock.try_alone()
        finally:
            lock.close()

    def launch(self, *, listen_tcp: bool) -> files.Run:
        """Start the postmaster and return at once; the caller has seen that none lives."""
        self._require_major()
        old = files.read_run(self.control)
        run = files.Run(
            socket_dir=str(files.socket_folder(old.socket_dir if old else None, account=self.account)),
            port=_free_port(preferred=old.port if old else PORT) if listen_tcp else PORT,
            listen_tcp=listen_tcp,
        )
        files.write_run(self.control, run)
        self._configure(run)
        self._discard_leftovers(run)
        lock = files.Lock(self.control / "server.lock")
        try:
            if not lock.try_alone():
                raise EmbeddedError("a PostgreSQL server for this data folder is already alive")
            self._spawn(lock)
        finally:
            lock.close()  # the postmaster holds it now
        return run

    def await_ready(self, run: files.Run, *, timeout_s: float) -> bool:
        """True when the server answers, False if it died; raises if it does neither in time."""
        deadline = time.monotonic() + timeout_s
        while not self._is_ready(run):
            if not self.is_alive():
                return False
            if time.monotonic() > deadline:
                raise EmbeddedError(f"PostgreSQL was not ready after {timeout_s:g} s{self.log_tail()}")
            time.sleep(files.POLL_S)
        return True

    def halt(self, *, timeout_s: float = HALT_S) -> None:
        """Stop the server, ending its clients' transactions, and wait until all its processes are gone.

        A server that does not end in time is told to drop everything, which is as safe as a power cut: the
        next start recovers. (PostgreSQL 18 can wait for ever if told to stop while it restarts itself after
        a killed backend.)
        """
        for mode, patience_s in (("fast", timeout_s), ("immediate", HALT_S)):
            if self.is_alive():
                self._pg_ctl_stop(mode, timeout_s=patience_s)
        if self.is_alive():
            raise EmbeddedError(f"PostgreSQL did not stop{self.log_tail()}")
        self._remove_socket_folder()

    def log_tail(self) -> str:
        """The last lines that PostgreSQL wrote, to end an error message with."""
        logs = sorted(self.folder.glob("log/*.log"), key=lambda path: path.lstat().st_mtime)
        paths = [self.control / "start.log", *logs[-1:]]
        lines = [line for path in paths for line in files.read_regular(path).splitlines()[-_TAIL_LINES:]]
        return "".join(f"\n  {line}" for line in lines)

    def _initdb(self, options: Sequence[str]) -> None:
        done = self.account.run([self.binaries.program("initdb"), *options])
        if done.returncode != 0:
            raise EmbeddedError(f"PostgreSQL could not make its cluster: {done.stderr.strip()}")

    def _pg_ctl_stop(self, mode: str, *, timeout_s: float) -> None:
        pg_ctl = self.binaries.program("pg_ctl")
        self.account.run([pg_ctl, "stop", "-D", self.pgdata, "-m", mode, "--no-wait"])
        deadline = time.monotonic() + timeout_s
        while self.is_alive() and time.monotonic() < deadline:
            time.sleep(files.POLL_S)

    def _require_major(self) -> None:
        found = files.read_regular(self.pgdata / "PG_VERSION").strip()
        if found != MAJOR:
            raise EmbeddedError(
                f"the cluster is of PostgreSQL {found or 'unknown'}, the programs are {MAJOR}"
            )

    def _configure(self, run: files.Run) -> None:
        text = settings.configuration(
            socket_dir=Path(run.socket_dir),
            port=run.port,
            listen_tcp=run.listen_tcp,
            wal_compression=wal_compression(self.binaries, account=self.account),
        )
        self.account.write(self.pgdata / settings.INCLUDED, text)
        self.account.write(self.pgdata / "pg_hba.conf", settings.host_rules(listen_tcp=run.listen_tcp))

    def _discard_leftovers(self, run: files.Run) -> None:
        """Remove what a killed server left; only called while none lives.

        `postmaster.pid` stays, with our own process id in its first line: PostgreSQL takes that for a dead
        server's file, since it never mistakes its parent for one, and still makes its second test, whether
        anybody is attached to the shared memory named there. So a server started by hand is not trampled on.
        """
        self.account.shell('rm -f -- "$1"/.s.PGSQL.*', run.socket_dir)
        path = self.pgdata / "postmaster.pid"
        _, separator, rest = files.read_regular(path).partition("\n")
        if separator:
            self.account.write(path, f"{os.getpid()}\n{rest}")

    def _spawn(self, lock: files.Lock) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        output = os.open(self.control / "start.log", flags, 0o600)
        try:
            argv: list[str | Path] = [self.binaries.program("postgres"), "-D", self.pgdata]
            child = self.account.spawn(argv, output=output, kept=lock.fd)
        finally:
            os.close(output)
        # It ends when the server does, so that a dead postmaster is no zombie of ours.
        threading.Thread(target=child.wait, name="postgres-reaper", daemon=True).start()

    def _is_ready(self, run: files.Run) -> bool:
        """Whether the postmaster listens and says so; a killed one's file says so too, but none listens."""
        status = files.read_regular(self.pgdata / "postmaster.pid").splitlines()
        if len(status) <= _STATUS_LINE or status[_STATUS_LINE].strip() != "ready":
            return False
        if not files.is_socket_safe(Path(run.socket_dir), account=self.account):
            return False
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            try:
                client.connect(f"{run.socket_dir}/.s.PGSQL.{run.port}")
            except OSError:
                return False
        return True

    def _remove_socket_folder(self) -> None:
        run = files.read_run(self.control)
        if run is not None and files.is_socket_safe(Path(run.socket_dir), account=self.account):
            with contextlib.suppress(EmbeddedError):  # somebody keeps a file there: then the folder stays
                self.account.shell('rm -f -- "$1"/.s.PGSQL.*; rmdir -- "$1"', run.socket_dir)


def _free_port(*, preferred: int) -> int:
    """The preferred TCP port if nobody has it, else one that the kernel says is free."""
    for port in (preferred, 0):
        with socket.socket(socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_LOOPBACK, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise EmbeddedError(f"no free TCP port on {_LOOPBACK}")
