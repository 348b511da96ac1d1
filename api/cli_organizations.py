"""Commands about organizations: the group `organizations`."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Annotated, Any

import typer

from api import cli_console, cli_opened
from ledger import days, errors, organization, organization_commands, power, reading, state, store

Code = Annotated[str, typer.Argument(metavar="CODE", help="Credit code.")]


def add_to(app: typer.Typer) -> None:
    """Add the group `organizations`."""
    group = typer.Typer(no_args_is_help=True, help="Organizations: succession, and who took over from whom.")
    group.command("succeed")(succeed)
    group.command("show")(show)
    app.add_typer(group, name="organizations")


def succeed(
    predecessor: Annotated[str, typer.Argument(metavar="PREDECESSOR", help="Credit code.")],
    successor: Annotated[str, typer.Argument(metavar="SUCCESSOR", help="Credit code; has a client here.")],
    license_type: Annotated[
        list[str] | None, typer.Option(help="License type that passes; repeatable. All when absent.")
    ] = None,
    area: Annotated[
        list[str] | None, typer.Option(help="Division code whose licenses pass; repeatable. All when absent.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="First day YYYY-MM-DD; today when absent.")] = None,
    authorizations: Annotated[
        str, typer.Option(help=f"Standing authorizations: {', '.join(organization.AUTHORIZATIONS)}.")
    ] = "keep",
    case_number: Annotated[str | None, typer.Option(help="Case number 办件编号.")] = None,
    legal_basis: Annotated[str | None, typer.Option(help="Document that orders it; sealed.")] = None,
    as_json: cli_console.Json = False,
    data: cli_console.Data = None,
) -> None:
    """Let one organization have the powers of another; what was printed stands.

    Example: license-ledger organizations succeed 11350000000000019H 12350100000000027E
    --authorizations pass
    """
    with cli_opened.ledger(data) as ledger, ledger.appending() as appender:
        actor = replace(ledger.console, case_number=case_number, legal_basis=legal_basis)
        asked = organization_commands.SucceedOrganization(
            actor=actor,
            predecessor=predecessor,
            successor=successor,
            type_codes=tuple(license_type or ()),
            since=days.of_instant(store.wall_clock()) if since is None else _day(since),
            authorizations=authorizations,
            areas=tuple(area or ()),
        )
        index, *settled = appender.submit(asked).result().indexes
        rest = organization_commands.SettleAuthorizations(
            actor=actor, predecessor=predecessor, successor=successor, authorizations=authorizations
        )
        while more := appender.submit(rest).result().indexes:
            settled += more
    if as_json:
        cli_console.print_json({"index": index, "authorizations": len(settled)})
    else:
        cli_console.done(f"Recorded at index {index}; {len(settled)} standing authorizations settled")


def show(code: Code, as_json: cli_console.Json = False, data: cli_console.Data = None) -> None:
    """Show whom an organization succeeded, and who succeeded it.

    Example: license-ledger organizations show 11350000000000019H
    """
    with (
        cli_opened.ledger(data) as ledger,
        contextlib.closing(reading.Reader(ledger.ways.service, ledger.vault)) as reader,
    ):
        row = reader.row(state.OrganizationRow, code)
    if row is None:
        raise errors.NotFound("no such organization")
    shown = {"took_over": _told(row.took_over), "handed_over": _told(row.handed_over)}
    if as_json:
        cli_console.print_json({"organization": code, **shown})
        return
    rows = [
        (
            label,
            one["organization"],
            one["since"],
            ", ".join(one["license_types"]) or "all",
            ", ".join(one["areas"]) or "all",
        )
        for label, many in shown.items()
        for one in many
    ]
    heads = ("", "organization", "since", "license types", "divisions")
    cli_console.OUT.print(cli_console.table(*heads, rows=rows))


def _told(texts: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {
            "organization": one.organization,
            "since": days.text(one.since),
            "license_types": list(one.type_codes),
            "areas": list(one.areas),
        }
        for one in power.handovers(texts)
    ]


def _day(text: str) -> int:
    try:
        return days.parse(text)
    except ValueError as error:
        raise errors.Invalid("a day is written YYYY-MM-DD", field="--since") from error
