"""A witness: its key, the logs that it watches, and the latest head that it cosigned of each, in one folder.

`create` makes one, `opened` gives it to one process at a time, `Witness.add` cosigns. A head is kept, synced,
before its cosignature leaves; a crash in between leaves a head that the log asks for again. A head that
cannot be read is never taken for none: that would let the log begin anew. Two trees of one size that a log
signed are kept: they prove what it did. Knows nothing of any ledger.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from signing import cosignature, keyring, keys, note, witnessing

KEY_FILE, LOGS_FILE, LOCK_FILE, HEADS, FORKS = "key", "logs", "lock", "heads", "forks"
LOGS_MAX = 10_000
NAME_BYTES_MAX = 255
SHOWN, KEPT = "shown", "kept"
"""Of a fork: the checkpoint that was refused, and the one that it contradicts."""
_DIGEST = re.compile("[0-9a-f]{64}")
Stage = Literal["judged", "kept"]
Logs = dict[str, tuple[note.VerifierKey, ...]]


class WitnessError(Exception):
    """A witness that cannot work: no folder, no key, a damaged head, or another process has it."""


def create(folder: Path, *, name: str, seed: bytes) -> cosignature.CosignerKey:
    """A new witness in `folder`, under a name for ever; raises WitnessError when there is one."""
    if not note.is_key_name(name) or len(name.encode()) > NAME_BYTES_MAX:
        raise WitnessError("a witness's name is not empty, has no blank and no plus, and at most 255 bytes")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(folder / LOCK_FILE, wait=False):
        if any((folder / one).exists() for one in (KEY_FILE, LOGS_FILE)):
            raise WitnessError("this folder holds a witness")
        (folder / HEADS).mkdir(mode=0o700, exist_ok=True)
        _write(folder / KEY_FILE, json.dumps({"name": name, "seed": seed.hex()}))
        _write(folder / LOGS_FILE, "")
        # From here the witness exists.
    return read_key(folder)[0]


def read_key(folder: Path) -> tuple[cosignature.CosignerKey, keys.SigningKey]:
    """The witness's public key, and the key that signs; raises WitnessError."""
    try:
        content = json.loads(keyring.read_private(folder / KEY_FILE))
        name, key = content["name"], keys.SigningKey(bytes.fromhex(content["seed"]))
    except (keyring.KeyRingError, KeyError, TypeError, ValueError) as error:
        raise WitnessError(f"no witness's key in this folder: {error}") from error
    return cosignature.CosignerKey(name=name, public=key.public), key


def add_log(folder: Path, text: str) -> note.VerifierKey:
    """The log whose verifier key is `text`, watched from here on; raises WitnessError, NoteInvalid."""
    key = note.VerifierKey.parse(text)
    read_key(folder)
    with _locked(folder / f"{LOGS_FILE}.lock", wait=True):
        known = _read_logs(folder)
        if sum(map(len, known.values())) >= LOGS_MAX:
            raise WitnessError("too many logs for one witness")
        if key not in known.get(key.name, ()):
            _write_logs(folder, [*_keys(known), key])
    return key


def remove_log(folder: Path, text: str) -> note.VerifierKey:
    """The verifier key `text`, whose checkpoints are cosigned no more; raises WitnessError, NoteInvalid.

    The head stays: a log that is added again goes on from it.
    """
    key = note.VerifierKey.parse(text)
    with _locked(folder / f"{LOGS_FILE}.lock", wait=True):
        known = _keys(_read_logs(folder))
        if key not in known:
            raise WitnessError("no log is watched under this key")
        _write_logs(folder, [one for one in known if one != key])
    return key


@contextlib.contextmanager
def opened(folder: Path, *, reached: Callable[[Stage], None] = lambda stage: None) -> Iterator[Witness]:
    """The witness in `folder`, for this process alone; raises WitnessError while another has it."""
    key, signing = read_key(folder)
    with _locked(folder / LOCK_FILE, wait=False):
        yield Witness(folder, key, signing, reached=reached)


class Witness:
    """A witness that this process has; safe between threads."""

    def __init__(
        self,
        folder: Path,
        key: cosignature.CosignerKey,
        signing: keys.SigningKey,
        *,
        reached: Callable[[Stage], None] = lambda stage: None,
    ) -> None:
        self.key = key
        self._folder = folder
        self._signing = signing
        self._reached = reached
        """Called at commit points; tests crash here."""
        self._lock = threading.Lock()
        self._logs: tuple[tuple[int, ...], Logs] = ((), {})
        """Which file of logs was read, and what it said."""

    def add(self, submission: witnessing.Submission, *, now_s: int) -> str:
        """The cosignature's line; raises Refusal, and WitnessError when the latest head cannot be read."""
        with self._lock:
            origin = witnessing.origin_of(submission)
            logs = self.logs()
            latest, last_s = self._latest(origin) if origin in logs else ({}, 0)
            try:
                text, _ = witnessing.judge(submission, logs=logs, latest=latest)
            except witnessing.Forked:
                self._keep_fork(origin, submission, logs)
                raise
            signed = witnessing.vouched(submission, keys=logs[origin])
            self._reached("judged")
            # A clock that went back does not make an older statement of a newer tree.
            at_s = max(now_s, last_s)
            if at_s <= 0:
                raise WitnessError("the clock of this machine is not set")
            line = cosignature.sign(text, name=self.key.name, key=self._signing, at_s=at_s)
            _write(self._folder / HEADS / origin_digest(origin), cosignature.added(signed, [line]))
            # From here nothing smaller is cosigned, even if we crash.
            self._reached("kept")
            return line

    def head(self, digest: str) -> str | None:
        """The latest checkpoint that was cosigned of the log whose `origin_digest` this is."""
        return self._read_head(digest) if _DIGEST.fullmatch(digest) else None

    def fork(self, origin: str) -> tuple[Path, Path] | None:
        """The files of two checkpoints of one size that a log signed; None where it never did."""
        kept, shown = (self._folder / FORKS / f"{origin_digest(origin)}.{one}" for one in (KEPT, SHOWN))
        return (kept, shown) if shown.exists() else None

    def _keep_fork(self, origin: str, submission: witnessing.Submission, logs: Logs) -> None:
        """Keep the first that there is of a log: nobody but who has its key can make one."""
        head = self._read_head(origin_digest(origin))
        if head is None or self.fork(origin) is not None:
            return
        (self._folder / FORKS).mkdir(mode=0o700, exist_ok=True)
        path = self._folder / FORKS / origin_digest(origin)
        _write(path.with_suffix(f".{KEPT}"), head)
        _write(path.with_suffix(f".{SHOWN}"), witnessing.vouched(submission, keys=logs[origin]))

    def size(self, origin: str) -> int | None:
        """The size that was cosigned last of a log; None where none was."""
        latest, _ = self._latest(origin)
        return latest[origin].size if latest else None

    def logs(self) -> Logs:
        """The logs watched now; read again when the file was changed."""
        try:
            found = (self._folder / LOGS_FILE).stat()
            # The time alone may be that of the change before.
            which = (found.st_mtime_ns, found.st_ino, found.st_size)
            if which != self._logs[0]:
                self._logs = which, _read_logs(self._folder)
        except OSError as error:
            raise WitnessError("the list of logs cannot be read") from error
        return self._logs[1]

    def _latest(self, origin: str) -> tuple[dict[str, witnessing.Head], int]:
        """The latest head cosigned of a log, and when; nothing where none was."""
        kept = self._read_head(origin_digest(origin))
        if kept is None:
            return {}, 0
        try:
            (own,) = cosignature.verified(kept, trusted=[self.key])
            head = note.parse_checkpoint(note.taken_apart(kept)[0])
        except ValueError as error:
            raise WitnessError("the latest head of a log is damaged: put its copy back") from error
        if head.origin != origin:
            raise WitnessError("the latest head of a log is another log's: put its copy back")
        return {origin: witnessing.Head(size=head.size, root=head.root)}, own.at_s

    def _read_head(self, digest: str) -> str | None:
        try:
            return (self._folder / HEADS / digest).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise WitnessError("the latest head of a log cannot be read") from error


def origin_digest(origin: str) -> str:
    """By what a witness's answers call a log: the SHA-256 of its origin in hexadecimal."""
    return hashlib.sha256(origin.encode()).hexdigest()


def sizes(folder: Path) -> dict[str, int | None]:
    """The size that was cosigned last of each log that is watched, by origin; raises WitnessError."""
    looked = _looked(folder)
    return {origin: looked.size(origin) for origin in sorted(looked.logs())}


def forks(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Of each log that showed two trees of one size, by origin, the files that prove it."""
    looked = _looked(folder)
    found = ((origin, looked.fork(origin)) for origin in sorted(looked.logs()))
    return {origin: files for origin, files in found if files is not None}


def _looked(folder: Path) -> Witness:
    key, signing = read_key(folder)
    return Witness(folder, key, signing)


def _keys(logs: Logs) -> list[note.VerifierKey]:
    return [key for of_log in logs.values() for key in of_log]


def _write_logs(folder: Path, known: list[note.VerifierKey]) -> None:
    _write(folder / LOGS_FILE, "".join(f"{key.text}\n" for key in known))


def _read_logs(folder: Path) -> Logs:
    found: Logs = {}
    try:
        for line in (folder / LOGS_FILE).read_text(encoding="utf-8").splitlines():
            key = note.VerifierKey.parse(line)
            found[key.name] = (*found.get(key.name, ()), key)
    except (OSError, ValueError) as error:
        raise WitnessError("the list of logs cannot be read") from error
    return found


def _write(path: Path, text: str) -> None:
    """A file replaced in one step, synced; who reads it meanwhile reads the old one."""
    try:
        keyring.write_private(text.encode(), path, is_secret=path.name == KEY_FILE)
    except OSError as error:
        raise WitnessError(f"{path.name} cannot be written") from error


@contextlib.contextmanager
def _locked(path: Path, *, wait: bool) -> Iterator[None]:
    """The file locked for the block; the kernel gives it back however the process ends."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise WitnessError("the folder cannot be written to") from error
    with os.fdopen(descriptor, "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise WitnessError("another process has this witness") from error
        yield
