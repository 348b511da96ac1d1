"""Rows of the stock and of batches in which everything tells of their holder: number, identifier, source."""

from __future__ import annotations

import itertools
import json
from typing import Any

from tests import world
from tests.leaks import Markers

NUMBERS = itertools.count(1)


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


def collect(issuer: Any, act: dict[str, Any], code: str, type_code: str, markers: Markers) -> bytes:
    """The results of a batch of a source whose keys are a citizen ID, and of the sheet of its day."""
    rows_ = batch(code, type_code, markers)
    data = "".join(json.dumps(row) + "\n" for row in rows_).encode()
    said, told, results = {**act, "format": "ndjson", "source": "archive"}, {}, b""
    number = {"batch": f"20261124-{next(NUMBERS)}"}
    for path, more in (("/v1/imports", number), ("/v1/imports/reconciliations", {})):
        job = issuer.done(path, {**said, **more})
        own = f"/v1/imports/{job['import_ref']}"
        told = issuer.put(f"{own}/file", data)
        while told["status"] in ("queued", "running"):
            told = issuer.get(own).json()
        assert told["status"] == "done", told
        results += issuer.get(f"{own}/results").content
    assert told["reconciliation"]["same"] == len(rows_), told
    return results


def batch(code: str, type_code: str, markers: Markers) -> list[dict[str, Any]]:
    """A license that a source issues, changes and ends; its key is the code."""
    issued = {
        "source_id": f"{code}-batch",
        "license_type": type_code,
        "number": f"{code}77",
        "holder_code_type": "111",
        "holder_code": code,
        "holder_name": markers.name(),
        "issued_on": "2026-11-24",
        "fields": {"name": markers.text("field name")},
        "operation": "I",
        "operated_at": "2026-11-24 09:00:00",
    }
    changed = {"operation": "U", "operated_at": "2026-11-24 10:00:00", "number": f"{code}78"}
    ended = {
        **{name: issued[name] for name in ("source_id", "license_type")},
        "operation": "D",
        "operated_at": "2026-11-24 11:00:00",
        "reason": markers.text("reason"),
    }
    return [issued, {**issued, **changed}, ended]
