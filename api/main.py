"""The application: the floors put together. `create_app(config)` is what a server runs.

Nothing is opened before the lifespan begins, and everything is closed when it ends: appender, reader,
followers, database.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterator

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from api import (
    appending,
    attachment,
    audit,
    audit_export,
    authorization,
    bulletin,
    case,
    catalog,
    client,
    comparison,
    consent,
    copy,
    correction,
    coverage,
    description,
    dispute,
    dispute_lists,
    document,
    draft,
    ending,
    endorsement,
    headers,
    health,
    holder,
    household,
    issuing,
    key_history,
    lane,
    license,
    linking,
    log,
    logs,
    look,
    mandate,
    metrics,
    metrics_server,
    naming,
    page_use,
    piece,
    problems,
    rejects,
    renewal,
    representation,
    routes,
    search,
    service,
    standing,
    statistics,
    stock,
    tasks,
    trust,
    use,
    verification,
    views,
)
from ledger import attesting, opening, queueing, reading, stock_jobs, store
from ledger import config as configs

VERSION = "0.1.0"
_ROUTERS = (
    # Routes are tried in this order: the sharing path first.
    use.router,
    client.router,
    license.version_router,
    license.router,
    standing.router,
    search.router,
    draft.version_router,
    draft.router,
    renewal.router,
    representation.router,
    attachment.router,
    piece.router,
    document.router,
    copy.router,
    copy.link_router,
    endorsement.router,
    endorsement.batch_router,
    authorization.router,
    comparison.router,
    consent.router,
    coverage.router,
    use.batch_router,
    verification.router,
    look.router,
    holder.router,
    correction.router,
    linking.router,
    ending.router,
    naming.router,
    mandate.router,
    household.router,
    dispute.router,
    dispute_lists.router,
    page_use.router,
    tasks.router,
    rejects.router,
    case.router,
    case.batch_router,
    audit.router,
    audit_export.router,
    catalog.router,
    issuing.router,
    statistics.router,
    bulletin.router,
    stock.router,
    log.router,
    trust.router,
    key_history.router,
    health.router,
)


def create_app(
    config: configs.Config,
    *,
    settings: service.Settings | None = None,
    migrate: bool = True,
    followed: views.Following = views.by_thread,
    appended: appending.Appending = appending.by_thread,
) -> FastAPI:
    """The application of the ledger in `config.data`; it opens the ledger when it is started.

    `migrate`: bring the database up to date first, where its owner is known. `followed`: who keeps the
    projections up. `appended`: who appends.
    """
    chosen = settings or service.Settings()
    counted = metrics.Metrics()

    parts = functools.partial(
        opened,
        config,
        chosen,
        migrate=migrate,
        followed=followed,
        appended=appended,
        observed=counted.appended,
    )
    app = lane.Application(
        title=description.TITLE,
        version=VERSION,
        lifespan=_lifespan(config, parts, counted),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.metrics = counted
    for router in _ROUTERS:
        app.include_router(router)
    _add_description(app)
    problems.install(app)
    is_tls = config.public_url.startswith("https:")
    app.add_middleware(headers.SecurityHeaders, is_tls=is_tls)
    app.add_middleware(logs.RequestLog, counted=counted)
    app.go_short(
        lane.Lane(
            _ROUTERS,
            secured=headers.SecurityHeaders(app, is_tls=is_tls),
            log=logs.RequestLog(app, counted=counted),
        )
    )
    return app


def _lifespan(
    config: configs.Config,
    parts: Callable[..., contextlib.AbstractContextManager[service.Service]],
    counted: metrics.Metrics,
) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    """What is there while the application serves: its service, of some parts, and metrics."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            # Opened and closed by threads: what is asked meanwhile is answered on the loop.
            opening_parts = contextlib.ExitStack()
            stack.push_async_callback(asyncio.to_thread, opening_parts.close)
            there = parts(loop=asyncio.get_running_loop())
            app.state.service = served = await asyncio.to_thread(opening_parts.enter_context, there)
            token = opening.metrics_token(config) if config.metrics_bind is not None else ""
            await stack.enter_async_context(
                metrics_server.listening(config.metrics_bind, token=token, counted=counted, served=served)
            )
            counting = asyncio.create_task(served.keep_counting())
            try:
                yield
            finally:
                counting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await counting
                await served.append_counts(all_=True)

    return lifespan


def bring_up_to_date(ledger: opening.Ledger) -> None:
    """The projections' tables of an open ledger, where its owner is known."""
    if ledger.ways.owner is not None:
        views.migrate(ledger.ways.owner)


@contextlib.contextmanager
def opened(
    config: configs.Config,
    settings: service.Settings,
    *,
    loop: asyncio.AbstractEventLoop | None = None,
    migrate: bool,
    followed: views.Following = views.by_thread,
    appended: appending.Appending = appending.by_thread,
    observed: Callable[[queueing.Appended], None] = lambda batch: None,
) -> Iterator[service.Service]:
    """The service of an open ledger, for the time of the block; for a thread beside its loop, if any."""
    with contextlib.ExitStack() as stack:
        ledger = stack.enter_context(opening.opened(config, migrate=migrate))
        if migrate:
            bring_up_to_date(ledger)
        reader = reading.Reader(
            ledger.ways.service, ledger.vault, is_witnessed=bool(config.outsiders.witnesses)
        )
        stack.callback(reader.close)
        viewed = stack.enter_context(views.opened(ledger, followed=followed))
        appends = stack.enter_context(appended(ledger, observed, loop))
        imports = stock_jobs.Jobs(
            ledger,
            reader,
            appends.submit,
            now=store.wall_clock,
            bytes_max=settings.import_bytes_max,
        ).start()
        stack.callback(imports.stop)
        asking = attesting.Attesting(reader, config.outsiders, halt=appends.halt).start()
        stack.callback(asking.stop)
        served = service.Service(
            ledger=ledger,
            attesting=asking,
            appender=appends,
            reader=reader,
            views=viewed,
            imports=imports,
            settings=settings,
        )
        stack.callback(served.publisher.stop)
        stack.callback(served.press.close)
        yield served


def _add_description(app: FastAPI) -> None:
    description.install(app)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return routes.answer(app.openapi())

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        return HTMLResponse(description.page(app.openapi()))
