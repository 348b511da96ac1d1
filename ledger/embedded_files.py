"""Files and locks of the embedded PostgreSQL in the data folder, and where its cluster lies.

In `data` we make, all mode 0700 and files 0600:

- `postgres/`: the locks, `place.json` (where the cluster is), `run.json` (socket folder and port),
  `start.log` (what the server said before its own log began);
- `postgres/cluster/`: the cluster, `pgdata/` and `log/`, if PostgreSQL runs under our own account;
- `secrets/postgres-owner`: the generated password of the owner.

As root PostgreSQL runs under another account (`embedded_account`), which cannot enter `postgres/`. Then the
cluster is `data/postgres-cluster/`, owned by that account, if the account reaches `data`; and otherwise
`<base>/cluster-<random>/`, base being `/var/lib/license-ledger`, **outside the data folder**: whoever backs
up or moves `data` must know it. `place.json` says where it went, and a place that is recorded but gone is an
error, never a reason to begin an empty ledger. A data folder that we make as root is 0710 with the group
of that account, so that the cluster can stay inside.

The mode of a folder that was there before us is never changed. The data folder must be on a local
filesystem: locks are `flock`, which the kernel releases however a process dies. POSIX only.
"""

import contextlib
import fcntl
import json
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ledger.embedded_account import Account, EmbeddedError
from ledger.embedded_binaries import prepare_base

CONTROL = "postgres"
POLL_S = 0.02
SOCKET_PARENT = Path("/tmp")  # noqa: S108 - short, as a socket's path must be; see socket_folder()
_PASSWORD_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the cluster lies; kept in `place.json`."""

    cluster: str
    """Path of the cluster's folder; relative to the data folder if inside it, so that `data` can move."""
    account: str
    """Name of the account that owns it."""
    is_initialized: bool
    """True once a whole cluster was seen there: from then on its absence is an error."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """How the server was last started; kept in `run.json`, written before the server starts."""

    socket_dir: str
    port: int
    listen_tcp: bool


class Lock:
    """One open file with a `flock` on it; closing it, or dying, releases the lock."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    @property
    def fd(self) -> int:
        """The descriptor; a child that inherits it holds the lock as long as it lives."""
        return self._fd

    def share(self) -> None:
        """Hold the lock together with others."""
        fcntl.flock(self._fd, fcntl.LOCK_SH)

    def try_alone(self) -> bool:
        """Hold the lock alone if nobody else holds it; a shared hold of ours is lost if it fails."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Let go, unless a child inherited the file. Closing twice is allowed."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


@contextlib.contextmanager
def held_alone(path: Path, *, timeout_s: float) -> Iterator[None]:
    """Hold the lock file alone for the block; raises if others hold it for longer than the timeout."""
    lock = Lock(path)
    try:
        deadline = time.monotonic() + timeout_s
        while not lock.try_alone():
            if time.monotonic() > deadline:
                raise EmbeddedError(f"another process has been starting or stopping PostgreSQL: {path}")
            time.sleep(POLL_S)
        yield
    finally:
        lock.close()


def open_control(data: Path, *, account: Account) -> Path:
    """The folder `data/postgres`, made if absent; raises if it is not ours alone."""
    _make_data(data, account=account)
    control = data / CONTROL
    control.mkdir(mode=0o700, exist_ok=True)
    found = control.lstat()
    if found.st_uid != os.geteuid():
        raise EmbeddedError(
            f"{control} belongs to user id {found.st_uid}: only that user can start this ledger"
        )
    if not _is_private(found):
        raise EmbeddedError(f"{control} must be a folder with mode 0700, so that nobody else reads it")
    return control


def owner_password(data: Path, *, is_new: bool) -> str:
    """The owner's password; generated if the cluster is new and has none yet."""
    folder = data / "secrets"
    path = folder / "postgres-owner"
    if path.exists():
        return path.read_text(encoding="ascii").strip()
    if not is_new:
        raise EmbeddedError(f"the password of the database's owner is missing: {path}")
    folder.mkdir(mode=0o700, exist_ok=True)
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    write_private(path, password + "\n")
    return password


def read_place(data: Path) -> Place | None:
    """What `place.json` says; None before the first start."""
    path = data / CONTROL / "place.json"
    return Place(**_read_json(path)) if path.exists() else None


def write_place(data: Path, place: Place) -> None:
    """Record where the cluster lies."""
    write_private(data / CONTROL / "place.json", json.dumps(asdict(place), indent=2) + "\n")


def read_run(control: Path) -> Run | None:
    """What `run.json` says; None before the first start."""
    path = control / "run.json"
    return Run(**_read_json(path)) if path.exists() else None


def write_run(control: Path, run: Run) -> None:
    """Record how the server is about to be started."""
    write_private(control / "run.json", json.dumps(asdict(run), indent=2) + "\n")


def choose_place(data: Path, *, account: Account, base: Path) -> Place:
    """Where a new cluster shall lie: inside `data` if its account can go there, else below `base`."""
    if not account.is_switched:
        cluster = f"{CONTROL}/cluster"
    elif account.can_enter(data):
        cluster = "postgres-cluster"
    else:
        prepare_base(base)
        cluster = str(base / f"cluster-{secrets.token_hex(8)}")
    return Place(cluster=cluster, account=account.name, is_initialized=False)


def make_private(folder: Path, *, account: Account) -> None:
    """Make the folder for the account alone; one that is there must be the account's alone already."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if not _belongs(folder, account=account):
            raise EmbeddedError(f"{folder} must be a folder of {account.name} with mode 0700") from None
        return
    if account.is_switched:
        os.chown(folder, account.uid, account.gid)


def socket_folder(recorded: str | None, *, account: Account) -> Path:
    """A folder for the socket, of the account alone, with a path far below the 107 bytes a socket may have.

    The name is random and recorded in the data folder: nobody can take it before us. The recorded one is
    used again, so that clients of a server that died find the next one at the same address; if it vanished
    or is no longer the account's alone, it is left alone and another made.
    """
    if recorded is not None and _belongs(Path(recorded), account=account):
        return Path(recorded)
    folder = Path(tempfile.mkdtemp(prefix="ledger-", dir=SOCKET_PARENT))
    if account.is_switched:
        os.chown(folder, account.uid, account.gid)
    return folder


def is_socket_safe(folder: Path, *, account: Account) -> bool:
    """Whether the folder is the account's alone, so that what listens in it is our server."""
    return _belongs(folder, account=account)


def write_private(path: Path, text: str) -> None:
    """Put `text` at `path`, mode 0600, all of it or nothing, and on disk."""
    staging = path.with_name(path.name + ".new")
    fd = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(fd)
    staging.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring the folder's entries to disk: what was renamed or made in it survives a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read_regular(path: Path) -> str:
    """The text of a regular file in a folder of the account, "" if absent; a link is never followed."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    with os.fdopen(fd, encoding="utf-8", errors="replace") as file:
        return file.read() if stat.S_ISREG(os.fstat(fd).st_mode) else ""


def _make_data(data: Path, *, account: Account) -> None:
    data.parent.mkdir(parents=True, exist_ok=True)
    try:
        data.mkdir(mode=0o700)
    except FileExistsError:
        return  # not ours: its mode stays as it is
    if account.is_switched:
        os.chown(data, -1, account.gid)
        data.chmod(0o710)


def _belongs(folder: Path, *, account: Account) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return found.st_uid == account.uid and _is_private(found)


def _is_private(found: os.stat_result) -> bool:
    return stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) & 0o077 == 0


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise EmbeddedError(f"{path} is damaged") from error
    if not isinstance(found, dict):
        raise EmbeddedError(f"{path} is damaged")
    return found
