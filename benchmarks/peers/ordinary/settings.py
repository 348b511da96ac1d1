"""Settings of the ordinary service: one JSON file, named by the environment, written by who starts it."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "ORDINARY_SETTINGS"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the service reaches its database, and its keys in hexadecimal."""

    dbname: str
    host: str
    port: str
    user: str
    password: str
    schema: str
    pool_size: int
    threads: int
    """Requests that are worked on at once in one process."""
    issuer: str
    """Of access tokens, and their audience."""
    token_keys: dict[str, str]
    """Key id to public key."""
    signing_key: str
    data_key: str
    lookup_key: str
    supplement: str = ""
    """Text that each answer carries, so that it is as long as the ledger's with its proofs."""


def load() -> Settings:
    """The settings that the environment names."""
    return Settings(**json.loads(Path(os.environ[VARIABLE]).read_text()))


def save(settings: Settings, path: Path) -> None:
    """Write `settings` for the service alone."""
    path.touch(mode=0o600)
    path.write_text(json.dumps(dataclasses.asdict(settings)))
