"""The command that serves a ledger over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

import typer
import uvicorn

from api import appending, cli_console, logs, main, views, workers
from ledger import appender, config


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(serve)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8440,
    proxy: Annotated[
        str | None, typer.Option(help="Address of the TLS proxy whose X-Forwarded-For is believed.")
    ] = None,
    processes: Annotated[
        int, typer.Option("--workers", min=1, max=workers.WORKERS_MAX, help="Processes that serve.")
    ] = 1,
    data: cli_console.Data = None,
) -> None:
    """Serve the ledger over HTTP: in one process, or in several at one address.

    Example: license-ledger serve --port 8440 --workers 4
    """
    logs.configure()
    configured = config.load(data=data)
    options: dict[str, Any] = {
        "log_config": None,
        "server_header": False,
        "proxy_headers": proxy is not None,
        "forwarded_allow_ips": proxy,
        "timeout_keep_alive": 75,
    }
    if processes > 1:
        workers.serve(configured, workers=processes, host=host, port=port, **options)
        return
    application = main.create_app(configured, followed=views.beside, appended=appending.beside)
    appender.spare_collector()
    uvicorn.run(application, host=host, port=port, **options)
