"""Commands about the catalog of license types: the group `types`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pydantic
import typer

from api import catalog as catalogs
from api import cli_console, cli_opened, edge, models_catalog, problems, views
from ledger import catalog, days, errors, fact, opening, registry_commands, store
from projections import catalog as projected
from projections import db, follower

_PAGE = 100
File = Annotated[Path, typer.Argument(metavar="FILE", help="JSON: `type_code` and `definition`.")]
TypeCode = Annotated[str, typer.Argument(metavar="TYPE_CODE")]


def add_to(app: typer.Typer) -> None:
    """Add the group `types`."""
    group = typer.Typer(no_args_is_help=True, help="License types: list, show, register, revise, retire.")
    group.command("list")(list_types)
    group.command("show")(show)
    group.command("register")(register)
    group.command("revise")(revise)
    group.command("retire")(retire)
    app.add_typer(group, name="types")


def list_types(as_json: cli_console.Json = False, data: cli_console.Data = None) -> None:
    """List the catalog in the order of registration.

    Example: license-ledger types list
    """
    with _read(data) as types:
        shown = [catalogs.summary(row, on=_today()) for row in _all(types)]
    if as_json:
        cli_console.print_json({"types": shown})
        return
    names = ("type_code", "name_zh", "holder_kind", "sharing_class", "is_retired")
    rows = [tuple(one[name] for name in names) for one in shown]
    cli_console.OUT.print(cli_console.table("code", "name", "holder", "sharing", "retired", rows=rows))


def show(type_code: TypeCode, data: cli_console.Data = None) -> None:
    """Show a type's definition and names as JSON; `definition` can be changed and used to revise.

    Example: license-ledger types show 11100000MB0143028R001
    """
    with _read(data) as types:
        cli_console.print_json(catalogs.shown(types, type_code, on=_today()))


def register(file: File, data: cli_console.Data = None) -> None:
    """Register the type in FILE; all its faults are said at once.

    Example: license-ledger types register permit.json
    """
    said = _parsed(file)
    members = catalogs.definition(said.definition, type_code=said.type_code)
    _record(catalog.LicenseTypeRegistered(**members), data)
    cli_console.done(f"{said.type_code} is registered")


def revise(file: File, data: cli_console.Data = None) -> None:
    """Give a type the whole definition in FILE from now on.

    Example: license-ledger types revise permit.json
    """
    said = _parsed(file)
    members = catalogs.definition(said.definition, type_code=said.type_code)
    _record(catalog.LicenseTypeRevised(**members), data)
    cli_console.done(f"{said.type_code} is revised")


def retire(
    type_code: TypeCode,
    successor: Annotated[str | None, typer.Option(help="The type that takes its place.")] = None,
    data: cli_console.Data = None,
) -> None:
    """Retire a type: nothing new is issued under it, what there is stays.

    Example: license-ledger types retire 12350100000000027E901
    """
    _record(catalog.LicenseTypeRetired(type_code=type_code, successor=successor), data)
    cli_console.done(f"{type_code} is retired")


def _record(made: fact.Fact, data: Path | None) -> None:
    with cli_opened.ledger(data) as ledger, ledger.appending() as appender:
        asked = registry_commands.RecordInRegistry(actor=ledger.console, facts=(made,))
        appender.submit(asked).result()


@contextlib.contextmanager
def _read(data: Path | None) -> Iterator[projected.Types]:
    """The catalog as the events have it now, whether or not a service is running."""
    with cli_opened.ledger(data) as ledger:
        if ledger.ways.owner is not None:
            views.migrate(ledger.ways.owner)
        with db.Database(ledger.ways.service, pool_max=2) as database:
            follower.Follower(database, ledger.recorder, projected.Catalog()).catch_up()
            yield _types(ledger, database)


def _types(ledger: opening.Ledger, database: db.Database) -> projected.Types:
    return projected.Types(database, cursor_key=ledger.vault.ring.body_key)


def _all(types: projected.Types) -> Iterator[projected.TypeRow]:
    cursor = None
    while True:
        page = types.page(limit=_PAGE, cursor=cursor)
        yield from page.rows
        cursor = page.cursor
        if cursor is None:
            return


def _parsed(file: Path) -> models_catalog.NewType:
    """What the file says; raises Invalid with all faults."""
    try:
        document = edge.parse(file.read_bytes())
        return models_catalog.NewType.model_validate(document)
    except OSError as error:
        raise errors.Invalid(f"cannot be read: {error.strerror}", field=str(file)) from error
    except pydantic.ValidationError as error:
        found = [{**flaw, "loc": ("body", *flaw["loc"])} for flaw in error.errors()]
        raise problems.invalid(found) from None


def _today() -> int:
    return days.of_instant(store.wall_clock())
