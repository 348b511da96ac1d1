"""The command line as a person uses it: the installed program, in a process of its own.

Gives `run`, which also judges the exit status; `call` and `call_json`, the same program in this process,
for what needs no process of its own and is asked often; and `folder`, a data folder's parent that the
account of an embedded server can reach. Nothing of the caller's LEDGER_ or PG settings is passed on.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from api import cli
from tests import places

PROGRAM = Path(sys.executable).with_name("license-ledger")
PATIENCE_S = 420.0


def environment(**settings: str) -> dict[str, str]:
    """The environment of a command: ours without settings of a ledger or a database, and `settings`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LEDGER_", "PG", "POSTGRES_", "COLUMNS"))
    }
    return {**kept, **settings}


def run(
    *arguments: str | Path, status: int = 0, said: str | None = None, **settings: str
) -> subprocess.CompletedProcess[str]:
    """What `license-ledger ARGUMENTS` printed; it must end with `status`. `said` is its standard input."""
    done = subprocess.run(
        [PROGRAM, *arguments],
        env=environment(**settings),
        input=said or "",
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        start_new_session=True,  # without a terminal to ask at
    )
    assert done.returncode == status, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def call(*arguments: str | Path, status: int = 0) -> str:
    """What `license-ledger ARGUMENTS` printed, run in this process."""
    printed = io.StringIO()
    with (
        mock.patch.dict(os.environ, environment(), clear=True),
        mock.patch.object(sys, "argv", [PROGRAM.name, *map(str, arguments)]),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        try:
            cli.main()
            ended: object = 0
        except SystemExit as end:
            ended = end.code or 0
    assert ended == status, f"exit {ended}\n{printed.getvalue()}"
    return printed.getvalue()


def call_json(*arguments: str | Path, status: int = 0) -> Any:
    """The one JSON value that a command printed with `--json`, which is added."""
    return json.loads(call(*arguments, "--json", status=status))


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A fresh folder of mode 0755, gone afterwards."""
    made = Path(tempfile.mkdtemp(prefix="ledger-console-", dir=places.roomy()))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
