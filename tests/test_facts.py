"""The table of facts in `docs/formats/facts.md` and the facts of the ledger are the same."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from ledger import fact, opening

_WORDS = {"int": "integer", "str": "text", "bytes": "bytes", "bool": "boolean"}
_ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", re.MULTILINE)


def test_every_topic_stands_in_the_table_with_its_members() -> None:
    assert opening.init, "opening a ledger loads every fact"
    table = Path(__file__).parent.parent / "docs" / "formats" / "facts.md"
    told = {topic: (stream, members) for topic, stream, members in _ROW.findall(table.read_text("utf-8"))}
    held = {topic: (cls.stream_kind, _members(cls)) for topic, cls in fact.topics().items()}
    assert told == held


def test_a_base_of_facts_is_no_topic() -> None:
    assert not {"_Version", "StatusChange", "Fact"} & fact.topics().keys()


def _members(cls: type[fact.Fact]) -> str:
    named = (f"`{one.name}` {_word(str(one.type))}" for one in dataclasses.fields(cls))  # type: ignore[arg-type]
    return "; ".join(named) or "none"


def _word(kind: str) -> str:
    plain = kind.removesuffix(" | None")
    if plain.startswith("tuple[tuple["):
        inner = plain.removeprefix("tuple[tuple[").removesuffix("], ...]").split(", ")
        word = f"array of [{', '.join(_WORDS[one] for one in inner)}]"
    elif plain.startswith("tuple["):
        word = f"array of {_WORDS[plain.removeprefix('tuple[').split(',')[0]]}"
    else:
        word = _WORDS[plain]
    return word if plain == kind else f"{word} or null"
