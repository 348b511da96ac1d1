"""Markers, and a search that finds them in every spelling: what must be nowhere but in sealed parts.

`Markers` makes values that no two persons share and remembers all of them. `Search` looks for all of
them at once in UTF-8, UTF-16, hexadecimal, base64, base32, JSON and URL escapes, at every alignment.
`places` yields what a ledger leaves: rows as PostgreSQL gives them, and the bytes of every file.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import random
import threading
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psycopg
from psycopg import sql

from tests import pictures, world

LOOK_EVERY_S = 0.005
WINDOW = 8
"""No spelling of a marker is shorter; so many bytes are compared at first."""
_CHUNK = 32 * 1024 * 1024
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(kw_only=True)
class Markers:
    """Unique values of natural persons."""

    chance: random.Random
    known: dict[str, str] = field(default_factory=dict)
    """Value to what it is."""
    _people: int = 100

    def name(self, what: str = "name") -> str:
        """A name of six characters that nobody has."""
        return self._add("".join(chr(self.chance.randrange(0x4E00, 0x9FA5)) for _ in range(6)), what)

    def text(self, what: str) -> str:
        """Some words about a person."""
        return "说明 " + self._add("".join(self.chance.choices(_LETTERS, k=16)), what)

    def account(self, what: str = "account") -> str:
        """The account of an operator."""
        return self._add("a" + "".join(self.chance.choices(_LETTERS, k=14)), what)

    def number(self) -> str:
        """The digits of a number that only one person's license has."""
        return self._add(f"{self.chance.randrange(10**13, 10**14)}.25", "number")

    def photo(self) -> bytes:
        """The bytes of a picture, in which some words stand, and whose digest nobody else's has."""
        remark = self.chance.randbytes(500) + self.text("photo").encode()
        data = pictures.remarked(pictures.jpeg(), remark)
        self._add(hashlib.sha256(data).hexdigest(), "photo's digest")
        return data

    def evidence(self) -> str:
        """The digest of a piece of evidence, in hexadecimal."""
        return self._add(self.chance.randbytes(32).hex(), "evidence")

    def code(self) -> str:
        """A valid citizen ID, born on 1900-01-01."""
        self._people += 1
        return self._add(world.citizen(self._people).code, "citizen ID")

    def wrong_code(self) -> str:
        """A citizen ID with a wrong check character, as somebody mistypes it."""
        right = self.code()
        return self._add(right[:17] + ("1" if right[17] != "1" else "2"), "mistyped citizen ID")

    def _add(self, value: str, what: str) -> str:
        assert value not in self.known
        self.known[value] = what
        return value


def spellings(value: str) -> set[bytes]:
    """Every way in which `value` could be written into bytes, wherever it begins."""
    found = {urllib.parse.quote(value).encode(), json.dumps(value)[1:-1].encode()}
    raws = {value.encode(), value.encode("utf-16-le"), value.encode("utf-16-be")}
    if len(value) == 64:
        raws.add(bytes.fromhex(value))
    for raw in raws:
        found |= {raw, raw.hex().encode(), raw.hex().upper().encode()}
        for shift in range(3):
            standard = _within(base64.b64encode, raw, shift=shift, group=3, letters=4)
            found |= {standard, standard.replace(b"+", b"-").replace(b"/", b"_")}
        for shift in range(5):
            upper = _within(base64.b32encode, raw, shift=shift, group=5, letters=8)
            found |= {upper, upper.lower()}
    return found


def _within(encode: object, raw: bytes, *, shift: int, group: int, letters: int) -> bytes:
    """What `raw` alone decides of the encoding of `shift` unknown bytes, `raw`, and more."""
    assert callable(encode)
    text: bytes = encode(b"\0" * shift + raw).rstrip(b"=")
    bits = 8 * group // letters
    return text[-(-8 * shift // bits) : 8 * (shift + len(raw)) // bits]


class Search:
    """All markers at once: windows of eight bytes by a bit map, what it lets through exactly."""

    def __init__(self, known: dict[str, str]) -> None:
        self._by_window: dict[bytes, list[tuple[bytes, str]]] = {}
        for value, what in known.items():
            for spelled in spellings(value):
                assert len(spelled) >= WINDOW, f"{what} is too short to be told"
                self._by_window.setdefault(spelled[:WINDOW], []).append((spelled, what))
        self.longest = max(len(spelled) for group in self._by_window.values() for spelled, _ in group)
        heads = np.frombuffer(b"".join(self._by_window), dtype="<u8")
        self._map = np.zeros(1 << 22, dtype=bool)
        self._map[self._slots(heads)] = True

    def find(self, data: bytes) -> set[str]:
        """What of the markers is in `data`."""
        found: set[str] = set()
        for start in range(0, max(len(data), 1), _CHUNK):
            found |= self._find(data[start : start + _CHUNK + self.longest])
        return found

    def _find(self, data: bytes) -> set[str]:
        found = set()
        for offset in range(WINDOW):
            count = (len(data) - offset) // WINDOW
            if count <= 0:
                break
            windows = np.frombuffer(data, dtype="<u8", count=count, offset=offset)
            for slot in np.flatnonzero(self._map[self._slots(windows)]):
                at = offset + int(slot) * WINDOW
                for spelled, what in self._by_window.get(data[at : at + WINDOW], ()):
                    if data.startswith(spelled, at):
                        found.add(what)
        return found

    @staticmethod
    def _slots(windows: np.ndarray) -> np.ndarray:
        return (windows * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(42)


def rows(owner: str) -> Iterator[tuple[str, bytes]]:
    """Every table of every schema but the system's own, as text and in binary."""
    listed = (
        "SELECT schemaname, tablename FROM pg_tables "
        "WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2"
    )
    with psycopg.connect(owner) as conn:
        for schema, table in conn.execute(listed).fetchall():
            for format_ in ("text", "binary"):
                asked = sql.SQL("COPY (SELECT * FROM {}) TO STDOUT (FORMAT {})").format(
                    sql.Identifier(schema, table), sql.SQL(format_)
                )
                with conn.cursor().copy(asked) as copied:
                    yield f"{schema}.{table} as {format_}", b"".join(map(bytes, copied))


def files(folders: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    """Every regular file below the folders."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield str(path.relative_to(folder.parent)), path.read_bytes()


def found_in(search: Search, places: Iterable[tuple[str, bytes]]) -> dict[str, set[str]]:
    """Of each place where there is a marker, what was found there."""
    found = {name: search.find(data) for name, data in places}
    return {name: what for name, what in found.items() if what}


class Watch:
    """What a folder holds at any time of a block: each content that a look finds, by name.

    Also of files that a process keeps open after it took their names away.
    """

    def __init__(self, folder: Path, *, pid: int) -> None:
        self.seen: dict[str, set[bytes]] = {}
        self.looks = 0
        self._folder = folder
        self._open = Path(f"/proc/{pid}/fd")
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        self.look()

    @property
    def is_watching(self) -> bool:
        """Whether it still looks by itself."""
        return self._thread.is_alive()

    def look(self) -> None:
        """Keep what is there now."""
        self.looks += 1
        for path in [*self._folder.rglob("*"), *self._unnamed()]:
            with contextlib.suppress(OSError):
                if path.is_file():
                    self.seen.setdefault(path.name, set()).add(path.read_bytes())

    def _unnamed(self) -> Iterator[Path]:
        with contextlib.suppress(OSError):
            for path in self._open.iterdir():
                with contextlib.suppress(OSError):
                    if path.readlink().is_relative_to(self._folder):
                        yield path

    def _run(self) -> None:
        while not self._is_over.wait(LOOK_EVERY_S):
            self.look()
