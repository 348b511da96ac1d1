"""The table of facts in `docs/formats/facts.md` and the facts of the ledger are the same."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ledger import check, errors, fact
from signing import event

_WORDS = {"int": "integer", "str": "text", "bytes": "bytes", "bool": "boolean"}
_SPELLED = {None: "null", (): "none", True: "true", False: "false"}
_ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", re.MULTILINE)


def test_every_topic_stands_in_the_table_with_its_members() -> None:
    assert check.check, "checking a ledger loads every fact"
    table = Path(__file__).parent.parent / "docs" / "formats" / "facts.md"
    told = {topic: (stream, members) for topic, stream, members in _ROW.findall(table.read_text("utf-8"))}
    held = {topic: (cls.stream_kind, _members(cls)) for topic, cls in fact.topics().items()}
    assert told == held


@pytest.mark.parametrize("reader", ["ledger.check", "ledger.recorder", "projections.follower"])
def test_who_reads_a_history_alone_knows_every_topic(reader: str) -> None:
    """Without the rest of the program it must know what may stand there."""
    script = (
        f"import importlib, pkgutil, ledger, {reader};"
        "from ledger import fact; known = set(fact.topics());"
        "[importlib.import_module(f'ledger.{m.name}') for m in pkgutil.iter_modules(ledger.__path__)];"
        "print(*sorted(set(fact.topics()) - known))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_base_of_facts_is_no_topic() -> None:
    assert not {"VersionFact", "NextVersion", "StatusChange", "MarkChange", "Fact"} & fact.topics().keys()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grown(fact.Fact, is_topic=False):
    """A fact that got a member later."""

    ref: bytes
    names: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("made", "stored"),
    [(Grown(ref=b"1"), {"ref": b"1"}), (Grown(ref=b"1", names=("a",)), {"ref": b"1", "names": ["a"]})],
)
def test_a_later_member_is_written_only_where_it_says_something(
    monkeypatch: pytest.MonkeyPatch, made: Grown, stored: dict[str, object]
) -> None:
    monkeypatch.setitem(fact._TOPICS, "Grown", Grown)
    assert fact.to_map(made) == stored
    assert fact.from_event(_about(stored)) == made


@pytest.mark.parametrize(
    "stored", [{}, {"names": ["a"]}, {"ref": b"1", "names": []}, {"ref": b"1", "other": 1}]
)
def test_a_fact_has_one_spelling_and_no_other_members(
    monkeypatch: pytest.MonkeyPatch, stored: dict[str, object]
) -> None:
    monkeypatch.setitem(fact._TOPICS, "Grown", Grown)
    with pytest.raises(errors.HistoryBroken):
        fact.from_event(_about(stored))


def _about(stored: dict[str, object]) -> event.Event:
    return event.Event(
        suite="intl",
        ledger_id=bytes(16),
        event_id=bytes(16),
        topic="Grown",
        stream_id=bytes(16),
        effective_at=0,
        recorded_at=0,
        client=None,
        organization="",
        operator_ref=None,
        issuer=None,
        case_number=None,
        service_item=None,
        channel="batch",
        fact=stored,
        sealed={},
    )


def _members(cls: type[fact.Fact]) -> str:
    named = (_member(one) for one in dataclasses.fields(cls))  # type: ignore[arg-type]
    return "; ".join(named) or "none"


def _member(one: dataclasses.Field[object]) -> str:
    told = f"`{one.name}` {_word(str(one.type))}"
    if one.default is dataclasses.MISSING:
        return told
    is_number = type(one.default) is int  # 1 is not true, though Python has them equal
    spelled = one.default if is_number else _SPELLED.get(one.default, one.default)  # type: ignore[call-overload]
    return f"{told} [{spelled}]"


def _word(kind: str) -> str:
    plain = kind.removesuffix(" | None")
    if plain.startswith("tuple[tuple["):
        inner = plain.removeprefix("tuple[tuple[").removesuffix("], ...]").split(", ")
        word = f"array of [{', '.join(_word(one) for one in inner)}]"
    elif plain.startswith("tuple["):
        word = f"array of {_WORDS[plain.removeprefix('tuple[').split(',')[0]]}"
    else:
        word = _WORDS[plain]
    return word if plain == kind else f"{word} or null"
