"""Exports of the trail without HTTP: the same listing, recording and file, for whoever has the data folder.

Rests on what the endpoint does (`audit_export`); nothing listens meanwhile, no import is gone on with and no
witness is asked.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic

from api import audit_export, cli_console, cli_files, models_audit, service, views
from ledger import appender, attesting, command, errors, opening, reading, stock_jobs, store

CATCH_UP_TRIES = 600
"""So often a second is waited for a trail that is behind the log."""


def body(said: dict[str, Any]) -> models_audit.ExportTrail:
    """What is asked; raises Invalid, which names the member and repeats no value."""
    try:
        # Who asks is the console's own actor.
        return models_audit.ExportTrail.model_validate({**said, "operator": {"account": "-", "name": "-"}})
    except pydantic.ValidationError as error:
        place = ".".join(str(step) for step in error.errors()[0]["loc"])
        raise errors.Invalid("does not fit what an export is asked with", field=place) from error


def write(
    ledger: opening.Ledger, who: command.Actor, asked: models_audit.ExportTrail, out: Path
) -> list[dict[str, Any]]:
    """The files that a query took, each recorded and written; further ones than the first have -2, -3 … in
    their names, and all are of one state of the trail."""
    with _serving(ledger) as served:
        return [_written(one, file) for one, file in _files(served, who, asked, out)]


class _Export:
    """One file that is recorded, and is to be written."""

    def __init__(self, served: service.Service, listed: audit_export.Found, item: service.Recorded) -> None:
        self.manifest, self.index = listed.manifest, item.index
        self.told = audit_export.told(served, listed, item)


def _files(
    served: service.Service, who: command.Actor, asked: models_audit.ExportTrail, out: Path
) -> Iterator[tuple[_Export, Path]]:
    """The files of a query, each recorded before it is told, all of one state of the trail."""
    number, file = 1, out
    while True:
        listed = audit_export.found(served, asked)
        (made,) = served.appender.submit(audit_export.recording(who, asked, listed)).result().recorded
        recorded = service.Recorded(
            made.index, made.event, made.data, made.fact, made.receipt, is_repeat=False
        )
        yield _Export(served, listed, recorded), file
        manifest = listed.manifest
        if manifest.is_all:
            return
        until = asked.filter.until_index
        within = {
            "since_index": manifest.until_index + 1,
            "until_index": manifest.through if until is None else until,
        }
        asked = asked.model_copy(update={"filter": asked.filter.model_copy(update=within)})
        number += 1
        file = out.with_name(f"{out.stem}-{number}{out.suffix}")


def _written(made: _Export, file: Path) -> dict[str, Any]:
    cli_files.write_lines(made.told, file)
    manifest = made.manifest
    return {
        "file": str(file),
        "index": made.index,
        "events": manifest.events,
        "since_index": manifest.since_index,
        "until_index": manifest.until_index,
        "is_all": manifest.is_all,
    }


@contextlib.contextmanager
def _serving(ledger: opening.Ledger) -> Iterator[service.Service]:
    """What the endpoints work with, but for imports and witnesses, with a trail that is as new as the log."""
    config = ledger.config
    with contextlib.ExitStack() as stack:
        reader = reading.Reader(
            ledger.ways.service, ledger.vault, is_witnessed=bool(config.outsiders.witnesses)
        )
        stack.callback(reader.close)
        viewed = stack.enter_context(views.opened(ledger, followed=views.by_thread))
        appending: appender.Appender = stack.enter_context(ledger.appending())
        settings = service.Settings()
        served = service.Service(
            ledger=ledger,
            appender=appending,
            reader=reader,
            views=viewed,
            imports=stock_jobs.Jobs(
                ledger, reader, appending.submit, now=store.wall_clock, bytes_max=settings.import_bytes_max
            ),
            attesting=attesting.Attesting(reader, config.outsiders),
            settings=settings,
        )
        stack.callback(served.press.close)
        _wait(served, ledger.recorder.newest_index())
        yield served


def _wait(served: service.Service, newest: int) -> None:
    """Nothing once the trail has come as far as the log; raises BehindIndex after ten minutes."""
    with cli_console.progress("trail") as tell:
        for tries_left in reversed(range(CATCH_UP_TRIES)):
            try:
                served.views.wait_for(newest, name="trail")
                return
            except errors.BehindIndex:
                if not tries_left:
                    raise
                tell(served.views.through("trail") + 1, newest + 1)
