"""The HTTP floor: the ledger's middleware and token check around a constant answer, and nothing else.

`uvicorn benchmarks.peers.floor:create_app --factory`. A plain route that reads the body, checks the
token as the ledger does, and sends bytes as long as the ledger's answer.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import access, headers, logs, problems
from ledger import errors
from signing import keys

VARIABLE = "FLOOR_SETTINGS"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the floor answers, and whose tokens it takes."""

    issuer: str
    token_keys: dict[str, str]
    """Key id to public key, in hexadecimal."""
    answer_bytes: int


def create_app() -> Starlette:
    """The application of the settings that the environment names."""
    chosen = Settings(**json.loads(Path(os.environ[VARIABLE]).read_text()))
    tokens = access.AccessTokens(
        keys.SigningKey(bytes(32)),
        key_id="none",
        issuer=chosen.issuer,
        audience=chosen.issuer,
        life_s=1,
        accepted={name: bytes.fromhex(public) for name, public in chosen.token_keys.items()},
    )
    content = b'{"uses":"' + b"0" * max(0, chosen.answer_bytes - 11) + b'"}'

    async def answer(request: Request) -> Response:
        try:
            tokens.verify(access.bearer(request.headers.get("authorization")), now=int(time.time()))
        except errors.Unauthenticated:
            return Response(status_code=401)
        await request.body()
        return Response(content, 200, {"Cache-Control": "no-store"}, "application/json")

    logs.configure()
    return Starlette(
        routes=[Route("/{path:path}", answer, methods=["GET", "POST"])],
        middleware=[
            Middleware(logs.RequestLog),
            Middleware(headers.SecurityHeaders, is_tls=False),
            Middleware(problems.Incidents),
        ],
    )
