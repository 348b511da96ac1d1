"""The commands of the command line: each says what it does, and none waits for what another needs."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from api import cli


def commands() -> dict[str, Any]:
    """Every command by the words that call it."""

    def walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        for name, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, (*words, name))
        if not hasattr(command, "commands"):
            yield " ".join(words), command

    return dict(one for name in cli.COMMANDS for one in walk(loaded(name), (name,)))


def loaded(name: str) -> Any:
    """A command or group as its own module has it."""
    made: Any = typer.main.get_command(cli.application(name))
    return made.commands[name]


def test_every_command_says_what_it_does_and_shows_an_example() -> None:
    known = commands()
    wanted = {
        "init",
        "demo",
        "serve",
        "migrate",
        "check",
        "verify",
        "rebuild",
        "recover",
        "backup",
        "restore",
    }
    assert wanted | {"holders erase", "id check", "psql", "keys rotate", "clients register"} <= set(known)
    for words, command in known.items():
        text = command.help or ""
        assert "Example: " in text, words
        assert f"license-ledger {words}" in " ".join(text.split()), words
        assert text.splitlines()[0].endswith("."), words


def test_the_help_says_of_every_command_what_its_module_does() -> None:
    shown: Any = typer.main.get_command(cli.application())
    assert tuple(shown.commands) == tuple(cli.COMMANDS)
    for name, (_, line) in cli.COMMANDS.items():
        own = loaded(name).help.split("\n\n")[0].replace("\n", " ")
        assert (line, shown.commands[name].help) == (own, own), name


def test_a_module_has_the_commands_that_are_listed_for_it_and_no_others() -> None:
    for module in {module for module, _ in cli.COMMANDS.values()}:
        made: Any = typer.Typer()
        importlib.import_module(f"api.{module}").add_to(made)
        made.command("another")(lambda: None)  # of one command alone, no group is made
        added = set(typer.main.get_command(made).commands) - {"another"}  # type: ignore[attr-defined]
        assert added == {name for name, (own, _) in cli.COMMANDS.items() if own == module}, module


@pytest.mark.parametrize("words", [["--help"], ["id", "check", "91350100MA0000007A"], ["verify", "--help"]])
def test_what_needs_no_server_and_no_document_waits_for_neither(words: list[str]) -> None:
    program = (
        "import sys; from api import cli; sys.argv[1:] = sys.argv[2:]\n"
        "try: cli.main()\n"
        "finally: print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "-", *words], capture_output=True, text=True, check=True, timeout=60
    )
    assert "typer" in done.stderr.split()
    assert not {"pyhanko", "aiohttp", "uvicorn", "fastapi", "eventsourcing"} & set(done.stderr.split())
