"""Files that commands read and write: bounded, whole or not at all, and nobody's key is overwritten."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from api import cli_audit, cli_files, cli_opened
from ledger import errors
from ledger.command import Actor
from tests import console, world


def test_a_file_is_read_up_to_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    assert cli_files.read(file, bytes_max=5) == b"12345"
    for wrong, bytes_max in ((file, 4), (tmp_path / "none", 5), (tmp_path, 5)):
        with pytest.raises(errors.Invalid) as refused:
            cli_files.read(wrong, bytes_max=bytes_max)
        assert refused.value.field == wrong.name
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"typed")))
    assert cli_files.read(Path("-")) == b"typed"


def test_a_file_is_replaced_in_one_step_or_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    cli_files.write(b"first", file)
    link.symlink_to(file)
    cli_files.write(b"second", link)
    assert (file.read_bytes(), link.is_symlink()) == (b"second", True)
    cli_files.write(b"anything", Path(os.devnull))

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(errors.Invalid, match="No space left") as refused:
        cli_files.write(b"third", file)
    assert (refused.value.field, file.read_bytes()) == ("file", b"second")


def test_the_key_of_a_client_is_never_overwritten(tmp_path: Path) -> None:
    key = tmp_path / "hall.jwk"
    console.call("clients", "generate-key", key)
    kept = key.read_bytes()
    assert key.stat().st_mode & 0o777 == 0o600
    assert "may be the key" in console.call("clients", "generate-key", key, status=2)
    assert key.read_bytes() == kept
    assert "cannot be written" in console.call("clients", "generate-key", tmp_path / "none" / "key", status=2)


@pytest.mark.parametrize(
    ("flaw", "field"),
    [
        ({"operator": " "}, "operator"),
        ({"operator": "dba\u200b1"}, "operator"),
        ({"operator_name": ""}, "operator-name"),
        ({"reason": " "}, "reason"),
    ],
)
def test_who_works_at_the_console_says_who_and_why(flaw: dict[str, str], field: str) -> None:
    ledger: Any = SimpleNamespace(
        console=Actor(client_id=None, organization=world.OPERATOR, channel="console")
    )
    said = {"operator": "dba1", "operator_name": "合成管理员", "reason": "演练"}
    made = cli_opened.actor(ledger, **said)
    assert made.operator is not None
    assert (made.operator.account, made.reason, made.channel) == ("dba1", "演练", "console")
    with pytest.raises(errors.Invalid) as refused:
        cli_opened.actor(ledger, **said | flaw)
    assert refused.value.field == field


def test_a_file_for_its_owner_alone_is_replaced_when_all_of_it_is_there(tmp_path: Path) -> None:
    file = tmp_path / "file"

    def broken() -> Iterator[bytes]:
        yield b"second"
        raise errors.Unavailable

    cli_files.write_lines([b"fir", b"st"], file)
    with pytest.raises(errors.Unavailable):
        cli_files.write_lines(broken(), file)
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"first", 0o600)
    with pytest.raises(errors.Invalid, match="cannot be written"):
        cli_files.write_lines([b""], tmp_path / "none" / "file")
    left = tmp_path / f".{file.name}.new"
    assert not left.exists(), "nothing is left half written"
    left.write_bytes(b"")
    left.chmod(0o644)
    cli_files.write_lines([b"second"], file)
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"second", 0o600)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    cli_files.write_lines([b"th", b"ird"], pipe)
    assert (os.read(reading, 9), pipe.is_fifo()) == (b"third", True), "what is no file is written to"
    os.close(reading)


def test_the_code_of_a_holder_is_asked_for_and_no_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_audit.typer, "prompt", lambda text, **how: f"{text} {how['hide_input']}")
    assert cli_audit._holder("111") == {"code_type": "111", "code": "Code True"}
    assert cli_audit._holder(None) is None
