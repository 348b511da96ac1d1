"""The operating-system account that the embedded PostgreSQL runs under, and what is done in its name.

PostgreSQL refuses to run as root. A process that is root therefore starts it as an unprivileged account;
any other process starts it as itself. Everything inside the account's own folders is done *as* the account,
by a child process: root never writes, renames or deletes through a folder that somebody else owns, where a
planted link would lead it elsewhere.

Children get a small environment made here, never the caller's: no `PG*` variable reaches the server. They
get no file but the ones passed by name, and start in `/`, which every account may enter. POSIX only.
"""

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT_UID = 0
PREFERRED_NAMES = ("postgres", "nobody")
COMMAND_TIMEOUT_S = 60.0


class EmbeddedError(RuntimeError):
    """The embedded PostgreSQL cannot be found, initialized, started, joined or stopped; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account of the operating system, and whether children must change to it."""

    name: str
    uid: int
    gid: int
    is_switched: bool
    """True if we are root and children run as somebody else."""

    def run(
        self, argv: Sequence[str | Path], *, text: str = "", timeout_s: float = COMMAND_TIMEOUT_S
    ) -> subprocess.CompletedProcess[str]:
        """The finished child, whatever its exit code; `text` is its standard input."""
        try:
            return subprocess.run(  # noqa: S603 - argv is ours: no shell splits it
                [str(word) for word in argv],
                input=text,
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout_s,
                cwd="/",
                env=_environment(),
                umask=0o077,
                user=self.uid if self.is_switched else None,
                group=self.gid if self.is_switched else None,
                extra_groups=[] if self.is_switched else None,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            program = Path(argv[0]).name
            raise EmbeddedError(f"{program} did not run as account {self.name}: {error}") from error

    def spawn(self, argv: Sequence[str | Path], *, output: int, kept: int) -> subprocess.Popen[bytes]:
        """A child in a session of its own, so that Ctrl-C in our terminal does not reach it.

        Both its outputs go to the descriptor `output`; of our files it keeps `kept` alone.
        """
        try:
            return subprocess.Popen(  # noqa: S603 - argv is ours: no shell splits it
                [str(word) for word in argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(kept,),
                start_new_session=True,
                cwd="/",
                env=_environment(),
                umask=0o077,
                user=self.uid if self.is_switched else None,
                group=self.gid if self.is_switched else None,
                extra_groups=[] if self.is_switched else None,
            )
        except OSError as error:
            program = Path(argv[0]).name
            raise EmbeddedError(f"{program} did not start as account {self.name}: {error}") from error

    def shell(self, script: str, *arguments: str | Path, text: str = "") -> None:
        """Run a fixed script of ours with the arguments as `$1`, `$2`, …; raises if it fails."""
        done = self.run(["/bin/sh", "-c", f"set -e; {script}", "sh", *arguments], text=text)
        if done.returncode != 0:
            raise EmbeddedError(f"account {self.name} was refused: {done.stderr.strip()}")

    def write(self, path: Path, text: str) -> None:
        """Put `text` at `path`, mode 0600, all of it or nothing."""
        self.shell('cat >"$1.new"; mv -f -- "$1.new" "$1"', path, text=text)

    def can_enter(self, folder: Path) -> bool:
        """Whether the account reaches the folder; asked of the kernel, not computed from modes."""
        return self.run(["/bin/sh", "-c", 'cd -- "$1"', "sh", folder]).returncode == 0


def account(name: str | None) -> Account:
    """The account that PostgreSQL shall run under; `name` chooses it, which only root may do.

    Without a name: ourselves, or as root the first that exists of `PREFERRED_NAMES`.
    """
    uid = os.geteuid()
    if uid != ROOT_UID:
        return _own_account(name, uid=uid)
    for candidate in (name,) if name else PREFERRED_NAMES:
        try:
            entry = pwd.getpwnam(candidate)
        except KeyError:
            continue
        if entry.pw_uid == ROOT_UID:
            raise EmbeddedError(f"PostgreSQL cannot run as account {candidate}: it is root")
        return Account(name=candidate, uid=entry.pw_uid, gid=entry.pw_gid, is_switched=True)
    wanted = name or " or ".join(PREFERRED_NAMES)
    raise EmbeddedError(f"no account {wanted} to run PostgreSQL under; name one in LEDGER_POSTGRES_OS_USER")


def _own_account(name: str | None, *, uid: int) -> Account:
    try:
        own = pwd.getpwuid(uid).pw_name
    except KeyError:
        own = str(uid)
    if name is not None and name != own:
        raise EmbeddedError(
            f"only root can run PostgreSQL under another account: {name} asked, {own} running"
        )
    return Account(name=own, uid=uid, gid=os.getegid(), is_switched=False)


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
