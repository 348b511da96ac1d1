"""Opening a ledger: make a new one, or connect to the one in a data folder.

`init` makes database, keys, anchor and the first facts, once. `opened` gives what every other entry
point works with: the vault, the recorder and the ways to the database, by role.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from psycopg import conninfo as conninfos

from ledger import catalog, client, embedded, errors, issuer_seal, log, migration, recorder, registry_commands
from ledger.anchor import Mark
from ledger.appender import Appender
from ledger.command import Actor
from ledger.config import Config
from ledger.pen import Pen
from ledger.queueing import Appended
from ledger.vault import Vault
from signing import keyring, keys, suites

DATABASE = "ledger"
SERVICE_LOGIN, READER_LOGIN = "ledger_app", "ledger_psql"


@dataclass(frozen=True, kw_only=True)
class Ways:
    """Connection strings by role."""

    service: str
    reader: str | None
    owner: str | None

    def __repr__(self) -> str:
        return "Ways(…)"


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """A ledger that is open in this process."""

    config: Config
    ways: Ways
    vault: Vault
    recorder: recorder.Recorder
    server: embedded.Server | None

    @property
    def console(self) -> Actor:
        """The actor of the ledger's own console."""
        return Actor(client_id=None, organization=self.vault.ring.operator, channel="console")

    @contextlib.contextmanager
    def appending(self, *, observed: Callable[[Appended], None] = lambda batch: None) -> Iterator[Appender]:
        """An appender for the time of the block; it tells `observed` of every batch, on its own thread."""
        appender = Appender(Pen(self.recorder, self.vault), observed=observed).start()
        try:
            yield appender
        finally:
            appender.stop()


def init(
    config: Config, *, origin: str, operator: str, suite_name: str = "intl", with_catalog: bool = True
) -> None:
    """A new ledger in `config.data`; raises AlreadyExists when there is one, Invalid on bad names."""
    suite = _suite(suite_name)
    check_origin(origin)
    client.check_organization(operator)
    if (config.data / "keys" / "ring").exists():
        raise errors.AlreadyExists("this data folder holds a ledger")
    with database(config) as (ways, server):
        assert ways.owner is not None, "init works as owner"
        ring = keyring.create(origin=origin, operator=operator, suite=suite)
        vault = Vault.create(config.data, ring, secret=file_secret(config))
        first = log.origin_line(origin, partition=0, generation=0)
        vault.anchor.create(Mark(origin=first, size=0, root="", system="", timeline=""))
        migration.set_ring(ways.owner, ledger_id=ring.ledger_id, version=ring.version)
        with _ledger(config, ways, server, vault) as ledger, ledger.appending() as appender:
            appender.submit(registry_commands.OpenLedger(actor=ledger.console)).result()
            if with_catalog:
                facts = tuple(catalog.national_catalog(operator))
                asked = registry_commands.RecordInRegistry(actor=ledger.console, facts=facts)
                appender.submit(asked).result()


@contextlib.contextmanager
def opened(config: Config, *, migrate: bool = True) -> Iterator[Ledger]:
    """The ledger in `config.data`; an embedded database is started, joined and brought up to date."""
    if not is_ledger(config):
        raise errors.NotFound("no ledger in this data folder: run `license-ledger init` first")
    with database(config, migrate=migrate) as (ways, server):
        vault = Vault(config.data, secret=file_secret(config))
        with _ledger(config, ways, server, vault) as ledger:
            yield ledger


def is_ledger(config: Config) -> bool:
    """Whether the keys of a ledger are in its data folder."""
    return (config.data / "keys" / "ring").exists()


def password_apart(way: str) -> tuple[str, str]:
    """A connection string without its password, and the password: it must not stand in a command line."""
    parts = conninfos.conninfo_to_dict(way)
    password = str(parts.pop("password", ""))
    return conninfos.make_conninfo("", **parts), password


def check_origin(origin: str) -> None:
    """Nothing when `origin` is HOST/PATH without blanks or plus; raises Invalid."""
    host, slash, path = origin.partition("/")
    if not (host and slash and path) or any(char.isspace() or char in "+\n" for char in origin):
        raise errors.Invalid("an origin is HOST/PATH without blanks or plus signs", field="origin")
    if len(origin) > 120 or not origin.isascii() or path.endswith("/"):
        raise errors.Invalid("an origin has at most 120 ASCII characters", field="origin")


def is_demonstration(origin: str) -> bool:
    """Whether an origin says that its ledger is a demonstration."""
    return issuer_seal.is_demonstration(origin)


def file_secret(config: Config) -> bytes:
    """What opens the key files: the stretched passphrase, or the random secret in the data folder."""
    folder = config.data / "secrets"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if config.passphrase is not None:
        salt = _private(folder / "keyring-salt", 16)
        return keys.stretch(config.passphrase, salt=salt)
    return _private(folder / "keyring", keys.SYMMETRIC_KEY_BYTES)


def metrics_token(config: Config) -> str:
    """What the reader of metrics shows, from `secrets/metrics` of the data folder; made on first use."""
    path = config.data / "secrets" / "metrics"
    if not path.exists():
        keyring.write_private(secrets.token_hex(24).encode(), path)
    return keyring.read_private(path).decode().strip()


@contextlib.contextmanager
def _ledger(config: Config, ways: Ways, server: embedded.Server | None, vault: Vault) -> Iterator[Ledger]:
    opened_recorder = recorder.open_recorder(ways.service)
    try:
        yield Ledger(config=config, ways=ways, vault=vault, recorder=opened_recorder, server=server)
    finally:
        opened_recorder.datastore.close()


@contextlib.contextmanager
def database(config: Config, *, migrate: bool = True) -> Iterator[tuple[Ways, embedded.Server | None]]:
    """The database by role, migrated when its owner is known."""
    if not config.is_embedded:
        yield _external(config, migrate=migrate), None
        return
    server = embedded.Server.start(config.data, os_user=config.os_user)
    try:
        folder = config.data / "secrets"
        service = _private(folder / "postgres-service", 24).hex()
        reader = _private(folder / "postgres-reader", 24).hex()
        migration.create_database(server.conninfo(), DATABASE)
        ways = Ways(
            service=server.conninfo(dbname=DATABASE, user=SERVICE_LOGIN, password=service),
            reader=server.conninfo(dbname=DATABASE, user=READER_LOGIN, password=reader),
            owner=server.conninfo(dbname=DATABASE),
        )
        if migrate and ways.owner is not None:
            migration.migrate(
                ways.owner,
                logins=(
                    migration.Login(name=SERVICE_LOGIN, password=service, role=migration.SERVICE_ROLE),
                    migration.Login(name=READER_LOGIN, password=reader, role=migration.READER_ROLE),
                ),
            )
        yield ways, server
    finally:
        server.stop()


def _external(config: Config, *, migrate: bool) -> Ways:
    """A PostgreSQL of the operator's own: the service's login gets its role when the owner is known."""
    service = config.database_url or config.owner_database_url
    assert service is not None, "an external database has a URL"
    if migrate and config.owner_database_url is not None:
        parts = conninfos.conninfo_to_dict(service)
        login = migration.Login(
            name=str(parts.get("user", "")),
            password=str(parts.get("password", "")),
            role=migration.SERVICE_ROLE,
        )
        same = service == config.owner_database_url
        migration.migrate(config.owner_database_url, logins=() if same else (login,))
    return Ways(service=service, reader=config.reader_database_url, owner=config.owner_database_url)


def _private(path: Path, size: int) -> bytes:
    """The random bytes in a file of mode 0600, made on first use."""
    if path.exists():
        return keyring.read_private(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    keyring.write_private(secrets.token_bytes(size), path)
    return keyring.read_private(path)


def _suite(name: str) -> suites.Suite:
    try:
        return suites.suite(name)
    except suites.SuiteUnknown as error:
        raise errors.Invalid(str(error), field="suite") from error
