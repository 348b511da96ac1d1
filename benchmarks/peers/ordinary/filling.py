"""The tables of the ordinary service, made and filled before it is started."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any
from uuid import uuid4

import psycopg

from benchmarks.peers.ordinary import sealing, service, settings


def prepare(
    chosen: settings.Settings, licenses: list[dict[str, Any]], grants: list[tuple[str, list[str]]]
) -> None:
    """Licenses with their fields, and (requester, type codes) that may be used."""
    text = resources.files("benchmarks.peers.ordinary").joinpath("schema.sql").read_text()
    where = {name: getattr(chosen, name) for name in ("dbname", "host", "port", "user", "password")}
    with psycopg.connect(**where) as conn:
        conn.execute(f"CREATE SCHEMA IF NOT EXISTS {chosen.schema}".encode())
        conn.execute(text.replace("{schema}", chosen.schema).encode())
    made = service.Service(chosen)  # the library makes its own tables
    made.close()
    with psycopg.connect(**where) as conn:
        _copy_licenses(conn, made, licenses)
        conn.cursor().executemany(
            f"INSERT INTO {chosen.schema}.authorizations (authorization_ref, requester, type_codes)"
            " VALUES (%s, %s, %s)".encode(),
            [(uuid4().hex, requester, type_codes) for requester, type_codes in grants],
        )
        conn.execute(f"ANALYZE {chosen.schema}.licenses".encode())


def _copy_licenses(
    conn: psycopg.Connection[Any], made: service.Service, licenses: list[dict[str, Any]]
) -> None:
    seal = sealing.Seal(bytes.fromhex(made.chosen.data_key))
    members = "license_ref, lookup, type_code, status, valid_from, valid_to, sealed"
    statement = f"COPY {made.chosen.schema}.licenses ({members}) FROM STDIN".encode()
    with conn.cursor() as curs, curs.copy(statement) as copy:
        for one in licenses:
            lookup = made.lookup(one["code_type"], one["code"])
            sealed = seal.seal(json.dumps(one["fields"], ensure_ascii=False).encode())
            dates = one["valid_from"], one["valid_to"]
            copy.write_row((one["license_ref"], lookup, one["type_code"], one["status"], *dates, sealed))
