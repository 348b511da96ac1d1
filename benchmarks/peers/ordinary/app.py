"""The ordinary service's application: `uvicorn benchmarks.peers.ordinary.app:create_app --factory`."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import AsyncIterator
from typing import Annotated

import anyio.to_thread
from fastapi import Depends, FastAPI, Header, HTTPException, Request

from api import access
from benchmarks.peers.ordinary import models, service, settings
from ledger import errors
from signing import keys


async def asking(request: Request, authorization: Annotated[str | None, Header()] = None) -> access.Access:
    """Who asks; 401 or 403 for others."""
    tokens: access.AccessTokens = request.app.state.tokens
    try:
        said = tokens.verify(access.bearer(authorization), now=int(time.time()))
    except errors.Unauthenticated as error:
        raise HTTPException(401, "not authenticated") from error
    if "license:use" not in said.scopes:
        raise HTTPException(403, "scope missing")
    return said


async def raw(request: Request) -> bytes:
    """The body as it was sent."""
    return await request.body()


Asking = Annotated[access.Access, Depends(asking)]
Raw = Annotated[bytes, Depends(raw)]
Key = Annotated[str, Header(alias="Idempotency-Key", max_length=255)]


def use(request: Request, asked: models.UseRequest, body: Raw, who: Asking, key: Key) -> models.UseAnswer:
    """One use; worked on in a thread, since the library is synchronous."""
    served: service.Service = request.app.state.service
    try:
        return served.use(who, asked, key=key, body=body)
    except service.KeyReused as error:
        raise HTTPException(422, "the key was used for another body") from error


def create_app(chosen: settings.Settings | None = None) -> FastAPI:
    """The application; its settings come from the environment unless they are given."""
    loaded = chosen or settings.load()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # As many threads as there can be work for: more of them wait for connections and take turns.
        anyio.to_thread.current_default_thread_limiter().total_tokens = loaded.threads
        app.state.tokens = _tokens(loaded)
        app.state.service = service.Service(loaded)
        # As the ledger's own process does: look for reference cycles seldom.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        try:
            yield
        finally:
            app.state.service.close()

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    app.post("/v1/uses")(use)
    return app


def _tokens(chosen: settings.Settings) -> access.AccessTokens:
    """The check of the ledger's own tokens; nothing is issued here."""
    return access.AccessTokens(
        keys.SigningKey(bytes(32)),
        key_id="none",
        issuer=chosen.issuer,
        audience=chosen.issuer,
        life_s=1,
        accepted={name: bytes.fromhex(public) for name, public in chosen.token_keys.items()},
    )
