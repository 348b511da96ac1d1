"""Commands about the monthly bulletin 通报: the group `report`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from api import bulletin as shown_bulletin
from api import cli_console, cli_opened
from ledger import bulletin, errors, fact, opening, registry_commands
from projections import bulletin as bulletins
from projections import db, follower, registry

Month = Annotated[str, typer.Argument(metavar="MONTH", help="YYYY-MM, in Beijing.")]
_FIGURES = ("issued", "issued_late", "changed", "changed_late", "imported", "used", "compared", "verified")


def add_to(app: typer.Typer) -> None:
    """Add the group `report`."""
    group = typer.Typer(no_args_is_help=True, help="The monthly bulletin 通报: read, close, correct.")
    group.command("month")(month)
    group.command("close")(close)
    group.command("correct")(correct)
    app.add_typer(group, name="report")


def month(
    which: Month,
    by: Annotated[str, typer.Option(help="Some of type, department, region, by commas.")] = "department,type",
    edition: Annotated[int | None, typer.Option(help="The newest when absent.", min=1)] = None,
    as_json: cli_console.Json = False,
    data: cli_console.Data = None,
) -> None:
    """Write the bulletin of a month; of a closed one the same every time.

    Example: license-ledger report month 2026-10 --by department
    """
    asked, groups = bulletin.parse(which), shown_bulletin.groups_of(by)
    with cli_opened.ledger(data) as ledger:
        found = _read(ledger, bulletins.Query(month=asked, edition=edition, groups=groups))
    said = shown_bulletin.shown(asked, found, masks=False)
    if as_json:
        cli_console.print_json(said)
        return
    edited = "not closed" if found.edition is None else f"edition {found.edition.edition}"
    rows = [_row(line) for line in said["lines"]]
    heads = ("department", "type", *(name.replace("_", " ") for name in _FIGURES), "refused", "cases closed")
    cli_console.OUT.print(cli_console.table(*heads, rows=rows))
    cli_console.done(f"Bulletin of {said['month']}, {edited}, through index {found.through}")
    later = sum(sum(line["since_closing"].values()) for line in said["lines"])
    if later:
        cli_console.done(f"{later} events of the month were recorded since, and are in no figure: correct it")


def close(which: Month, as_json: cli_console.Json = False, data: cli_console.Data = None) -> None:
    """Close a month 关账: its figures are those of all that is recorded, and stay so.

    Example: license-ledger report close 2026-10
    """
    _record(bulletin.MonthClosed(month=bulletin.parse(which)), None, as_json=as_json, data=data)


def correct(
    which: Month,
    reason: Annotated[str, typer.Option(help="Why; sealed.")],
    as_json: cli_console.Json = False,
    data: cli_console.Data = None,
) -> None:
    """Correct a closed month 更正: a next edition has what was recorded since.

    Example: license-ledger report correct 2026-10 --reason 补录延迟批次
    """
    _record(bulletin.MonthCorrected(month=bulletin.parse(which)), reason, as_json=as_json, data=data)


def _read(ledger: opening.Ledger, query: bulletins.Query) -> bulletins.Bulletin:
    """The bulletin of all that is recorded by now, also where no service runs."""
    with db.Database(ledger.ways.service, pool_max=2) as database:
        follower.Follower(database, ledger.recorder, registry.named("statistics")).catch_up()
        return bulletins.Bulletins(database).of_month(query)


def _record(made: fact.Fact, reason: str | None, *, as_json: bool, data: Any) -> None:
    if reason is not None and not reason.strip():
        raise errors.Invalid("say why", field="--reason")
    with cli_opened.ledger(data) as ledger, ledger.appending() as appender:
        asked = registry_commands.RecordInRegistry(
            actor=replace(ledger.console, reason=reason), facts=(made,)
        )
        (index,) = appender.submit(asked).result().indexes
    if as_json:
        cli_console.print_json({"index": index})
    else:
        cli_console.done(f"Recorded at index {index}")


def _row(line: dict[str, Any]) -> tuple[str, ...]:
    figures = (str(line[name]) for name in _FIGURES)
    refused = sum(line["refused"].values())
    named = (line["department"] or line["region"] or "all", line["license_type"] or "all")
    return (*named, *figures, str(refused), str(line["cases_closed"]))
