"""Rows of the stock in which everything tells of their holder: number, identifier and source are the code."""

from __future__ import annotations

from typing import Any

from tests import world
from tests.leaks import Markers


def rows(code: str, types: tuple[str, str], markers: Markers) -> list[dict[str, Any]]:
    """Two old licenses, one with the code as its serial, one with the code as its whole identifier."""
    serial, whole = types
    texts = {serial: f"1.2.156.3005.2.{serial}.{world.ISSUER}.{code}OLD.002.Z", whole: code}
    return [
        {
            "source_id": f"{code}-{type_code[-3:]}",
            "license_type": type_code,
            "license_id": text,
            "number": f"{code}{type_code[-2:]}",
            "holder_code_type": "111",
            "holder_code": code,
            "holder_name": markers.name(),
            "issued_on": "2015-06-01",
            "fields": {"name": markers.text("field name")},
        }
        for type_code, text in texts.items()
    ]
