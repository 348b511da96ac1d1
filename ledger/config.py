"""Configuration: where a ledger lies and how it is reached; the only reader of the environment.

Everything else gets a `Config`. Secrets come from files of mode 0600 or from the environment, never
from arguments.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ledger import errors, fetching, outsiders, revocation_asking, workdays
from signing import token

DEFAULT_DATA = Path("license-ledger-data")
DATABASE_FUNCTIONS = "POSTGRES_ENABLE_DB_FUNCTIONS"
"""A switch of the event store's library that makes readers lose events: no ledger runs with it."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of one ledger on this machine."""

    data: Path
    """Folder of keys, anchor, secrets and, when embedded, the database."""
    database_url: str | None = None
    """LEDGER_DATABASE_URL: the service's login on a PostgreSQL of your own; None: embedded."""
    owner_database_url: str | None = None
    """LEDGER_OWNER_DATABASE_URL: the owner's login, for `migrate`, `init`, `restore` and `psql --owner`."""
    reader_database_url: str | None = None
    """LEDGER_READER_DATABASE_URL: a login with role `ledger_reader`, for `psql`; embedded: made by us."""
    front_database_url: str | None = field(default=None, repr=False)
    """LEDGER_FRONT_DATABASE_URL: front-end database of a source, for `sync`; None: a file says it."""
    passphrase: bytes | None = field(default=None, repr=False)
    """LEDGER_KEYRING_PASSPHRASE: opens the key files; None: the random secret in the data folder."""
    public_url: str = "http://127.0.0.1:8440"
    """LEDGER_PUBLIC_URL: what clients call; audience of their assertions and tokens."""
    qr_host: str = "qr.ledger.example"
    """LEDGER_QR_HOST: host in QR codes; at most signing.token.HOST_LENGTH_MAX characters."""
    trust_fresh_s: int = 86_400
    """LEDGER_TRUST_FRESH_S: how long after it was made a trust file may be asked for a status."""
    dispute_days: int = 10
    """LEDGER_DISPUTE_DAYS: working days within which an issuer decides a dispute 异议, 1 to 60."""
    workdays_file: Path | None = None
    """LEDGER_WORKDAYS: CSV file of days off and make-up days that the library does not know yet."""
    metrics_bind: tuple[str, int] | None = None
    """LEDGER_METRICS_BIND: HOST:PORT where the service gives its metrics; None: nowhere."""
    timestamp_url: str | None = None
    """LEDGER_TIMESTAMP_URL: RFC 3161 authority that stamps documents; None: their time is only claimed."""
    timestamp_roots: Path | None = None
    """LEDGER_TIMESTAMP_ROOTS: PEM file of the authorities above it."""
    document_roots: Path | None = None
    """LEDGER_DOCUMENT_ROOTS: PEM file of the authorities above issuers' seals."""
    revocation_lists: Path | None = None
    """LEDGER_REVOCATION_LISTS: folder of their revocation lists, DER, `*.crl`."""
    revocation_sources: revocation_asking.Sources = field(default_factory=revocation_asking.Sources)
    """LEDGER_OCSP_URLS, LEDGER_CRL_URLS: who is asked about their revocation when a document is archived."""
    outsiders: outsiders.Outsiders = field(default_factory=outsiders.Outsiders)
    """LEDGER_WITNESSES, LEDGER_TIMESTAMP_URL and what belongs to them: who attests checkpoints."""
    os_user: str | None = None
    """LEDGER_POSTGRES_OS_USER: account of the embedded server when started as root."""

    @property
    def is_embedded(self) -> bool:
        """Whether this ledger drives its own PostgreSQL."""
        return self.database_url is None and self.owner_database_url is None


def load(*, data: Path | None = None) -> Config:
    """The configuration of this process: its environment and, when given, a data folder."""
    return from_environment(os.environ, data=data)


def child_environment() -> dict[str, str]:
    """The environment of this process, to be passed on to a program it starts."""
    return dict(os.environ)


def from_environment(environ: Mapping[str, str], *, data: Path | None = None) -> Config:
    """The configuration that the environment and `data` give; raises Invalid."""
    chosen = data or Path(environ.get("LEDGER_DATA", "") or DEFAULT_DATA)
    passphrase = environ.get("LEDGER_KEYRING_PASSPHRASE", "")
    qr_host = environ.get("LEDGER_QR_HOST", "") or Config.qr_host
    if environ.get(DATABASE_FUNCTIONS, "").strip().lower() not in ("", "n", "no", "f", "false", "off", "0"):
        raise errors.Invalid(
            f"unset {DATABASE_FUNCTIONS}: followers would lose events", field=DATABASE_FUNCTIONS
        )
    if len(qr_host) > token.HOST_LENGTH_MAX:
        raise errors.Invalid(
            f"LEDGER_QR_HOST has at most {token.HOST_LENGTH_MAX} characters", field="LEDGER_QR_HOST"
        )
    return Config(
        data=chosen.absolute(),
        database_url=environ.get("LEDGER_DATABASE_URL") or None,
        owner_database_url=environ.get("LEDGER_OWNER_DATABASE_URL") or None,
        reader_database_url=environ.get("LEDGER_READER_DATABASE_URL") or None,
        front_database_url=environ.get("LEDGER_FRONT_DATABASE_URL") or None,
        passphrase=passphrase.encode() or None,
        public_url=(environ.get("LEDGER_PUBLIC_URL") or Config.public_url).rstrip("/"),
        qr_host=qr_host,
        trust_fresh_s=_whole(
            environ, "LEDGER_TRUST_FRESH_S", Config.trust_fresh_s, least=60, most=366 * 86_400
        ),
        workdays_file=_path(environ.get("LEDGER_WORKDAYS", "")),
        dispute_days=_whole(
            environ, "LEDGER_DISPUTE_DAYS", Config.dispute_days, least=1, most=workdays.TERM_DAYS_MAX
        ),
        metrics_bind=_bind(environ.get("LEDGER_METRICS_BIND", "")),
        timestamp_url=_http(environ.get("LEDGER_TIMESTAMP_URL", "")),
        timestamp_roots=_path(environ.get("LEDGER_TIMESTAMP_ROOTS", "")),
        document_roots=_path(environ.get("LEDGER_DOCUMENT_ROOTS", "")),
        revocation_lists=_path(environ.get("LEDGER_REVOCATION_LISTS", "")),
        revocation_sources=revocation_asking.Sources(
            responders=_addresses(environ, "LEDGER_OCSP_URLS"), lists=_addresses(environ, "LEDGER_CRL_URLS")
        ),
        outsiders=outsiders.from_environment(environ),
        os_user=environ.get("LEDGER_POSTGRES_OS_USER") or None,
    )


def _whole(environ: Mapping[str, str], name: str, otherwise: int, *, least: int, most: int) -> int:
    """A whole number within bounds; `otherwise` where nothing is said."""
    text = environ.get(name, "")
    if not text:
        return otherwise
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most):
        raise errors.Invalid(f"{name} is {least} to {most}", field=name)
    return int(text)


def _http(text: str) -> str | None:
    """An address with http or https; None where nothing is said."""
    if not text:
        return None
    if not text.startswith(("http://", "https://")):
        raise errors.Invalid("an address begins with http or https", field="LEDGER_TIMESTAMP_URL")
    return text


def _addresses(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Addresses with blanks between."""
    words = environ.get(name, "").split()
    if len(words) > revocation_asking.ADDRESSES_MAX:
        raise errors.Invalid(f"at most {revocation_asking.ADDRESSES_MAX} addresses", field=name)
    return tuple(fetching.check_url(word, field=name) for word in words)


def _path(text: str) -> Path | None:
    return Path(text).absolute() if text else None


def _bind(text: str) -> tuple[str, int] | None:
    """`127.0.0.1:9464` or `[::1]:9464` taken apart; None where nothing is said."""
    if not text:
        return None
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        raise errors.Invalid("LEDGER_METRICS_BIND is HOST:PORT", field="LEDGER_METRICS_BIND")
    return host, int(port)
