"""A nightly file of cases, handed to a ledger that serves: the group `cases`.

The file is read whole first, and every fault told with its line. What is right is sent as an ordinary
client does, under the organization's own key; what was sent before is recorded once, so that a file can be
sent again.
"""

from __future__ import annotations

import csv
import http.client
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from api import case, cli_console, demo_client, edge, models, models_case
from ledger import days, errors, identifiers

File = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="Rows as NDJSON, or as CSV with a head line.")
]
Url = Annotated[str, typer.Option(help="Where the ledger answers, as https://ledger.example.")]
ClientId = Annotated[str, typer.Option("--client", help="The client's id.")]
Key = Annotated[
    Path, typer.Option(exists=True, dir_okay=False, help="Private key, as `clients generate-key` made it.")
]
COLUMNS = (
    *("fact", "case_number", "service_item_code", "channel", "at"),
    *("parties", "outcome", "license_types", "license_refs"),
)
"""Of a CSV file; a party is `role code_type code`, several stand with `;` between, references with spaces."""
Row = models_case.OpenedCase | models_case.ClosedCase


class Fault(NamedTuple):
    """What is wrong with a line."""

    line: int
    field: str | None
    message: str


class Line(NamedTuple):
    """A row that can be sent."""

    number: int
    at: int
    row: Row


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(no_args_is_help=True, help="The feed of cases 办件 of an organization.")
    group.command("upload")(upload)
    group.callback()(_group)
    app.add_typer(group, name="cases")


def _group() -> None:
    """The feed of cases 办件 of an organization."""


def upload(
    file: File,
    url: Url,
    client_id: ClientId,
    key: Key,
    account: Annotated[str, typer.Option("--operator", help="Account of who uploads.")] = "cases-upload",
    name: Annotated[str, typer.Option("--operator-name", help="Name of who uploads.")] = "cases upload",
    only_check: Annotated[bool, typer.Option("--check", help="Read the file, send nothing.")] = False,
    as_json: cli_console.Json = False,
) -> None:
    """Upload a file of cases that were opened and closed; exit status 1 when a line could not be recorded.

    Example: license-ledger cases upload night.csv --url https://ledger.example --client … --key hall.jwk
    """
    lines, faults = read(file.read_bytes(), is_csv=file.suffix.lower() == ".csv")
    recorded = repeated = 0
    if lines and not only_check:
        sender = demo_client.Client(url, client_id=client_id, private_key=_key(key))
        operator = {"account": account, "name": name}
        recorded, repeated, refused = _send(sender, operator, lines)
        faults += refused
    faults.sort()
    told = {"lines": len(lines), "recorded": recorded, "repeated": repeated}
    if as_json:
        cli_console.print_json({**told, "faults": [fault._asdict() for fault in faults]})
    else:
        for fault in faults:
            where = f" ({fault.field})" if fault.field else ""
            cli_console.ERR.print(f"line {fault.line}{where}: {fault.message}", markup=False, soft_wrap=True)
        cli_console.done(", ".join(f"{count} {what}" for what, count in told.items()))
    if faults:
        raise typer.Exit(1)


def read(data: bytes, *, is_csv: bool) -> tuple[list[Line], list[Fault]]:
    """The rows of a file in the order of their times, and everything that is wrong with the others."""
    lines: list[Line] = []
    faults: list[Fault] = []
    for number, said in _rows_of_csv(data) if is_csv else _rows_of_ndjson(data):
        try:
            if isinstance(said, errors.LedgerError):
                raise said
            row = case.row_of(said)
            lines.append(Line(number=number, at=_checked(row), row=row))
        except errors.LedgerError as error:
            faults += _told(number, error)
    # Files are not in order; a case is closed after it was opened, and opened again after that.
    return sorted(lines, key=lambda line: (line.at, line.row.fact == "closed")), faults


def _checked(row: Row) -> int:
    """When the row says that it happened; raises what its codes break."""
    for text, field in ((row.case_number, "case_number"), (row.service_item_code, "service_item_code")):
        if text is not None and identifiers.contains_citizen_id(text):
            raise errors.Invalid("contains a citizen ID, and would stand in clear", field=field)
    if isinstance(row, models_case.OpenedCase):
        case.parties(row.parties)
        return days.parse_instant(row.opened_at)
    return days.parse_instant(row.closed_at)


def _rows_of_ndjson(data: bytes) -> Iterator[tuple[int, Any]]:
    """(line number, row or what keeps it from being one)."""
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            yield number, edge.parse(line)
        except errors.LedgerError as error:
            yield number, error


def _rows_of_csv(data: bytes) -> Iterator[tuple[int, Any]]:
    """As `_rows_of_ndjson`; raises Invalid for another head line."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise errors.Invalid("a CSV file is UTF-8", field="file") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head = next(reader, [])
        if not {"fact", "case_number", "at"} <= set(head) or not set(head) <= set(COLUMNS):
            raise errors.Invalid(f"the head line names columns of {', '.join(COLUMNS)}", field="line 1")
        for cells in reader:
            if any(cells):
                yield reader.line_num, _row(dict(zip(head, cells, strict=False)), len(cells) == len(head))
    except csv.Error as error:
        yield reader.line_num, errors.Invalid("not CSV: what follows is not read", reason=str(error))


def _row(cells: dict[str, str], is_whole: bool) -> Any:
    """A line's cells as a row of NDJSON has them."""
    if not is_whole:
        return errors.Invalid("not as many cells as the head line names")
    said: dict[str, Any] = {name: text for name, text in cells.items() if text}
    kind = said.get("fact")
    if "at" in said:
        said["opened_at" if kind == "opened" else "closed_at"] = said.pop("at")
    for name in ("license_types", "license_refs"):
        if name in said:
            said[name] = said[name].split()
    if "parties" in said:
        parties = [one.split() for one in said["parties"].split(";") if one.strip()]
        if any(len(one) != 3 for one in parties):
            return errors.Invalid("a party is its role, code type and code", field="parties")
        said["parties"] = [dict(zip(("role", "code_type", "code"), one, strict=True)) for one in parties]
    return said


def _send(
    sender: demo_client.Client, operator: dict[str, str], lines: Sequence[Line]
) -> tuple[int, int, list[Fault]]:
    """How many rows were recorded and how many had been before, and what the others were refused with."""
    recorded = repeated = 0
    faults: list[Fault] = []
    with cli_console.progress("Uploading") as tell:
        for first in range(0, len(lines), models.BATCH_MAX):
            chunk = lines[first : first + models.BATCH_MAX]
            rows = [line.row.model_dump(exclude_none=True) for line in chunk]
            try:
                answer = sender.post("/v1/cases/batch", {"operator": operator, "rows": rows})
            except (demo_client.CallFailed, http.client.HTTPException, OSError) as error:
                status = getattr(error, "status", type(error).__name__)
                raise errors.Unavailable(
                    "the ledger took no more rows: send the file again", said=status
                ) from error
            for line, said in zip(chunk, answer["rows"], strict=True):
                if said["status"] == 200:
                    repeated += said["answer"]["repeated"]
                    recorded += not said["answer"]["repeated"]
                else:
                    problem = said["problem"]
                    faults.append(Fault(line.number, problem.get("field"), problem["detail"]))
            tell(first + len(chunk), len(lines))
    return recorded, repeated, faults


def _key(file: Path) -> dict[str, Any]:
    """The client's private key; raises Invalid."""
    try:
        said = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise errors.Invalid("not a private key as JSON", field="--key") from error
    if not isinstance(said, dict):
        raise errors.Invalid("not a private key as JSON", field="--key")
    return said


def _told(number: int, error: errors.LedgerError) -> list[Fault]:
    """Everything that is wrong with a line; no value is repeated."""
    several = error.extra.get("errors")
    if several:
        return [Fault(number, one["field"], one["message"]) for one in several]
    return [Fault(number, error.field, error.detail)]
