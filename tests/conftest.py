"""Fixtures: a real PostgreSQL, a template ledger made once, and a fresh clone of it for each test.

The server is the embedded one, or, with LEDGER_TEST_DATABASE_URL, any PostgreSQL whose superuser or
owner that URL names. Every test that had a ledger ends with a full check of it.
"""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import conninfo as conninfos

from ledger import check, config, embedded, opening
from tests import places
from tests.world import OPERATOR, ORIGIN, World

if TYPE_CHECKING:
    from tests.api_world import Face

CAMPAIGN_S = 600
SERVICE_PASSWORD = "service-password-of-the-tests"


class Cluster:
    """The server of this test run and the template ledger on it."""

    def __init__(self, folder: Path, server_url: str) -> None:
        self.folder = folder
        self.server_url = server_url
        self.run = uuid.uuid4().hex[:8]
        self.template = self._config(f"template_{self.run}", folder / "template")
        self._create(f"template_{self.run}")
        opening.init(self.template, origin=ORIGIN, operator=OPERATOR)
        self.peopled = self.clone()
        """The same, with the clients of a world registered; nobody has it open."""
        with opening.opened(self.peopled, migrate=False) as ledger, ledger.appending() as appender:
            self.actors = World(ledger, appender).actors

    def _config(self, name: str, data: Path) -> config.Config:
        owner = conninfos.make_conninfo(self.server_url, dbname=name)
        service = conninfos.make_conninfo(owner, user=f"svc_{self.run}", password=SERVICE_PASSWORD)
        return config.Config(data=data, database_url=service, owner_database_url=owner)

    def _create(self, name: str, *, template: str = "template0") -> None:
        with psycopg.connect(self.server_url, autocommit=True) as conn:
            conn.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')  # type: ignore[arg-type]

    def clone(self, source: config.Config | None = None) -> config.Config:
        """A ledger's database and files, copied: a fresh one's, or those of one that nobody has open."""
        source = source or self.template
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._create(name, template=_database_of(source))
        cloned = self._config(name, self.folder / name)
        shutil.copytree(source.data, cloned.data)
        return cloned

    def drop(self, cloned: config.Config) -> None:
        """The clone's database and files are gone."""
        name = _database_of(cloned)
        with psycopg.connect(self.server_url, autocommit=True) as conn:
            conn.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')  # type: ignore[arg-type]
        shutil.rmtree(cloned.data, ignore_errors=True)


def _database_of(configured: config.Config) -> str:
    return str(conninfos.conninfo_to_dict(str(configured.owner_database_url))["dbname"])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In which order tests run, and how long a campaign may take: it ends by what it did, or hangs."""
    for item in items:
        if item.get_closest_marker("faults") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(CAMPAIGN_S))
    # Long files begin first: one that is left for the end is run by one worker while the other is idle.
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster of this run."""
    folder = Path(tempfile.mkdtemp(prefix="ledger-tests-", dir=places.roomy()))
    folder.chmod(0o755)
    url = os.environ.get("LEDGER_TEST_DATABASE_URL")
    try:
        if url:
            yield Cluster(folder, url)
            return
        with embedded.Server.start(folder / "server", listen_tcp=True) as server:
            yield Cluster(folder, server.conninfo())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def configured(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[config.Config]:
    """The configuration of a fresh ledger that nobody has opened yet."""
    cloned = cluster.clone(cluster.peopled if "world" in request.fixturenames else None)
    yield cloned
    cluster.drop(cloned)


@pytest.fixture
def ledger(configured: config.Config, request: pytest.FixtureRequest) -> Iterator[opening.Ledger]:
    """A fresh, open ledger, checked in full after its test unless the test tampers."""
    with opening.opened(replace(configured), migrate=False) as opened:
        yield opened
        if request.node.get_closest_marker("tampers") is None:
            vault = opened.vault
            report = check.check(
                opened.ways.service,
                identity=check.identity_of(vault.ring),
                anchor=vault.anchor,
                vault=vault,
            )
            assert report.findings == ()


@pytest.fixture(name="world")
def world_(ledger: opening.Ledger, cluster: Cluster) -> Iterator[World]:
    """A fresh ledger with an appender, an issuer, a hall that uses, and an auditor."""
    with ledger.appending() as appender:
        yield World(ledger, appender, cluster.actors)


@pytest.fixture(scope="module")
def face(cluster: Cluster) -> Iterator[Face]:
    """The application on a fresh ledger, the same for all tests of a module; checked in full at their end."""
    # Who runs a test without HTTP does not wait for the application's libraries.
    with importlib.import_module("tests.api_world").fresh(cluster) as running:
        yield running
