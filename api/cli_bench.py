"""`license-ledger bench`: runs the benchmarks, which come with the source tree and not with the package."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Annotated

import typer

from ledger import errors


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("bench", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(run)


def run(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            help="sharing, issue, lookup, verify, append, check, rebuild, growth, imports, scenario, "
            "overload, document; or report."
        ),
    ] = None,
) -> None:
    """Measure this machine: one benchmark with its options, or all; `report` draws what `--save` kept.

    Every benchmark takes `--quick`, `--json` and `--save`, and says more with `bench NAME -- --help`.

    Example: license-ledger bench sharing --quick --json
    """
    if importlib.util.find_spec("benchmarks") is None:
        raise errors.NotFound("the benchmarks come with the source tree: run this from an installation of it")
    command = [sys.executable, "-m", "benchmarks", *([] if name is None else [name]), *context.args]
    raise typer.Exit(subprocess.run(command, check=False).returncode)  # noqa: S603
