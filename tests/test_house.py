"""The house rules hold in this repository, and each of them refuses what it must."""

from __future__ import annotations

import inspect
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests import house

ROOT = Path(__file__).resolve().parent.parent


@cache
def sources(ending: str = "") -> list[house.Source]:
    return [source for source in house.repository(ROOT) if source.path.endswith(ending)]


def hold(findings: Iterable[house.Finding]) -> None:
    places = sorted(set(findings))
    assert not places, "house rules are broken:\n" + "\n".join(map(str, places))


@pytest.mark.parametrize("rule", house.RULES, ids=lambda rule: rule.__name__)
def test_python_files_keep(rule: Callable[[house.Source], Iterator[house.Finding]]) -> None:
    hold(finding for source in sources(".py") for finding in rule(source))


def test_words_are_ours_in_every_text() -> None:
    hold(finding for source in sources() for finding in house.words_are_ours(source))


def test_every_link_resolves() -> None:
    hold(finding for source in sources(".md") for finding in house.links_resolve(source))


def test_what_the_demonstration_leaves_behind_is_not_judged(tmp_path: Path) -> None:
    shutil.copy(ROOT / ".gitignore", tmp_path)
    for name in ("ledger/own.py", "demo-data/postgres/server.lock", "benchmarks/results/REPORT.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [source.path for source in house.repository(tmp_path)] == ["ledger/own.py"]


def test_locks_name_no_address() -> None:
    assert len(sources(".lock")) == 2
    hold(finding for source in sources(".lock") for finding in house.locks_name_no_address(source))


def test_the_top_level_holds_code_on_the_floors_only() -> None:
    hold(house.code_lies_on_its_floor(sources(".py")))
    assert {source.path.split("/")[0] for source in sources(".py")} == house.CODE_AT_TOP


def test_listed_exceptions_are_of_files_that_could_be() -> None:
    listed = [*house.PSYCOPG_ALSO, *house.ENVIRONMENT_READERS, *(path for path, _ in house.SQL_IN_PYTHON)]
    listed += [door for doors in house.DOORS.values() for door in doors]
    assert all(path.split("/")[0] in house.FLOORS for path in listed)


@pytest.mark.filterwarnings("default:over the target")
def test_long_functions_are_named_as_advice() -> None:
    """Not a failure: functions between the target and the limit show in the summary of warnings."""
    for source in sources(".py"):
        for finding in house.functions_are_short(source, lines_max=house.FUNCTION_LINES_TARGET):
            warnings.warn(f"over the target: {finding}", stacklevel=1)


# --- each rule refuses its sample ---

LONG_FUNCTION = '"""Doc."""\ndef f():\n' + "    x = 1\n" * house.FUNCTION_LINES_MAX

REFUSED = [
    (house.imports_go_down, "ledger/use.py", "import projections.file"),
    (house.imports_go_down, "signing/merkle.py", "def f():\n    from ledger import use"),
    (house.imports_go_down, "ledger/use.py", "if TYPE_CHECKING:\n    from api.main import App"),
    (house.imports_go_down, "api/main.py", "from tests import judges"),
    (house.libraries_come_in_by_their_doors, "ledger/use.py", "from cryptography.hazmat import x509"),
    (house.libraries_come_in_by_their_doors, "api/use.py", "import joserfc.jwt"),
    (house.libraries_come_in_by_their_doors, "projections/file.py", "import psycopg"),
    (house.libraries_come_in_by_their_doors, "ledger/appender.py", "import eventsourcing.persistence"),
    (house.libraries_come_in_by_their_doors, "api/main.py", "import some_new_library"),
    (house.libraries_come_in_by_their_doors, "ledger/use.py", "import sqlite3"),
    (house.modules_cross_floors_not_names, "api/use.py", "from ledger.use import grant"),
    (house.modules_cross_floors_not_names, "api/use.py", "from ledger import no_such_module"),
    (house.every_module_opens_with_a_docstring, "api/use.py", "x = 1"),
    (house.functions_are_short, "api/use.py", LONG_FUNCTION),
    (house.files_are_short, "api/use.py", "\n" * (house.FILE_LINES_MAX + 1)),
    (house.names_say_something, "ledger/" + "utils.py", ""),
    (house.names_say_something, "ledger/text_helpers.py", ""),
    (house.names_say_something, "ledger/use.py", "class UseManager: ..."),
    (house.only_the_command_line_prints, "api/use.py", "print(1)"),
    (house.no_error_is_swallowed, "api/use.py", "try:\n    f()\nexcept Exception:\n    pass"),
    (
        house.no_error_is_swallowed,
        "tests/test_x.py",
        "try:\n    f()\nexcept (ValueError, BaseException):\n    ...",
    ),
    (
        house.no_error_is_swallowed,
        "api/use.py",
        "for x in y:\n    try:\n        f()\n    except:\n        continue",
    ),
    (house.only_the_configuration_reads_the_environment, "api/use.py", "import os\nos.environ['HOME']"),
    (house.only_the_configuration_reads_the_environment, "api/use.py", "from os import getenv"),
    (house.sql_stands_in_sql_files, "ledger/store.py", "q = 'SELECT 1'"),
    (house.sql_stands_in_sql_files, "projections/file.py", "q = f'''\n  delete from {table}'''"),
    (house.words_are_ours, "docs/x.md", "a \x6cicence"),
    (house.words_are_ours, "ledger/x.sql", "-- \x54ODO: index"),
    (house.links_resolve, "README.md", "see [there](no/such/file.md)"),
    (house.links_resolve, "README.md", "see [there](../outside.md)"),
    (house.links_resolve, "README.md", "# One\n[two](#two)"),
    (house.locks_name_no_address, "requirements.lock", "--extra-index-url https://example.org/simple"),
]

ACCEPTED = [
    (house.imports_go_down, "api/use.py", "import ledger.use, projections.file, signing.merkle"),
    (house.libraries_come_in_by_their_doors, "signing/keys.py", "import cryptography, hashlib"),
    (house.libraries_come_in_by_their_doors, "tests/test_keys.py", "import cryptography, numpy"),
    (
        house.modules_cross_floors_not_names,
        "ledger/use.py",
        "if TYPE_CHECKING:\n    from signing.keys import Key",
    ),
    (house.modules_cross_floors_not_names, "ledger/use.py", "from ledger.errors import Refused"),
    (house.only_the_command_line_prints, "api/cli.py", "print(1)"),
    (house.no_error_is_swallowed, "api/use.py", "try:\n    f()\nexcept KeyError:\n    pass"),
    (house.sql_stands_in_sql_files, "ledger/store.py", "q = 'Select a holder, then insert the event'"),
    (house.words_are_ours, "docs/x.md", "a license for a method of doing"),
    (
        house.links_resolve,
        "README.md",
        "# 一 Words, in `code`\n[a](#一-words-in-code) [b](https://example.org) `[c](d)`",
    ),
]


def sample_id(value: object) -> str | None:
    return value.__name__ if inspect.isfunction(value) else None


@pytest.mark.parametrize(("rule", "path", "text"), REFUSED, ids=sample_id)
def test_a_rule_refuses(
    rule: Callable[[house.Source], Iterator[house.Finding]], path: str, text: str
) -> None:
    assert [finding.path for finding in rule(house.Source(path, text, ROOT))] == [path]


@pytest.mark.parametrize(("rule", "path", "text"), ACCEPTED, ids=sample_id)
def test_a_rule_accepts(
    rule: Callable[[house.Source], Iterator[house.Finding]], path: str, text: str
) -> None:
    hold(rule(house.Source(path, text, ROOT)))


def test_a_stray_python_file_is_named() -> None:
    stray = [house.Source("setup.py", "", ROOT), house.Source("tools/x.py", "", ROOT)]
    assert [finding.path for finding in house.code_lies_on_its_floor(stray)] == ["setup.py", "tools/x.py"]
