"""The page on backup and restore: its commands are run in their order, and end as it says."""

from __future__ import annotations

import json
import os
import re
import shlex
import string
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ledger import anchor, config, embedded, errors, keeping, opening, recovery
from signing import keys, note, receipt
from tests import console
from tests.world import CITIZEN_CARD, World, citizen

PAGE = (Path(__file__).parent.parent / "docs" / "operate" / "backup-drill.md").read_text("utf-8")
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXIT = re.compile(r"  # exit (\d)$")


class Practice:
    """A folder in which the page's commands are run; the ledger's server stays up between them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names = {"PWD": str(folder)}
        self.printed: list[str] = []
        self._server = ExitStack()

    def run(self, line: str) -> None:
        """One line of the page; raises AssertionError when it ends otherwise than the page says."""
        status = int(found[1]) if (found := _EXIT.search(line)) else 0
        words = shlex.split(string.Template(line).substitute(self.names), comments=True)
        if words[0] == "export":
            self.names |= dict(word.split("=", 1) for word in words[1:])
        elif words[0] == "license-ledger":
            self._command(words[1:], status)
        else:
            if words[:2] == ["rm", "-rf"]:
                self.release()
            subprocess.run(["sh", "-c", line], env={**os.environ, **self.names}, cwd=self.folder, check=True)

    def release(self) -> None:
        """Stop the server of the ledger."""
        self._server.close()

    def _command(self, words: list[str], status: int) -> None:
        own = [] if "--data" in words or "generate-key" in words else ["--data", self.names["LEDGER_DATA"]]
        self.printed.append(f"$ {' '.join(words)}\n{console.call(*words, *own, status=status)}")
        if own and not self._server._exit_callbacks:
            self._server.enter_context(embedded.Server.start(Path(self.names["LEDGER_DATA"])))


@pytest.fixture
def practice(monkeypatch: pytest.MonkeyPatch) -> Iterator[Practice]:
    with console.folder() as folder:
        monkeypatch.chdir(folder)
        made = Practice(folder)
        yield made
        made.release()


@pytest.mark.faults
def test_the_pages_commands_end_as_it_says(practice: Practice) -> None:
    lines = [line for block in _BLOCK.findall(PAGE) for line in block.splitlines()]
    for line in lines:
        practice.run(line)
    said = "\n".join(practice.printed)
    assert said.count("sound ") == 5, said
    assert said.count("Nothing is lost") == 2
    assert said.count("Lost: the events from index") == 4
    data = Path(practice.names["LEDGER_DATA"])
    (known,) = json.loads((practice.folder / "trust.json").read_text())["ledgers"]
    assert [one["generation"] for one in known["origins"]] == [0, 1]
    # The folders of the second loss knew nothing of the first: its successor has the first free name.
    assert anchor.Anchor(data / "anchor" / "anchor").read().origin.endswith("/0.1")
    assert not (practice.folder / "drill").exists()


def test_a_checkpoint_that_somebody_kept_stops_a_ledger_that_lost_it(
    world: World, configured: config.Config
) -> None:
    ledger = world.ledger
    kept = (ledger.config.data / "anchor" / "anchor").read_bytes()
    world.issue(citizen(1), type_code=CITIZEN_CARD, name="合成")
    world.grant(type_codes=(CITIZEN_CARD,))
    (used,) = world.use(holder=citizen(1), type_code=CITIZEN_CARD)
    assert not recovery.see(ledger, used.receipt), "the anchor has it"
    size = ledger.vault.anchor.read().size
    (ledger.config.data / "anchor" / "anchor").write_bytes(kept)
    assert ledger.vault.anchor.read().size < size
    checkpoint = receipt.parse(used.receipt).checkpoint
    assert recovery.see(ledger, checkpoint)
    assert ledger.vault.anchor.read().size == size
    assert recovery.recover(ledger).is_contained
    (again,) = world.use(holder=citizen(1), type_code=CITIZEN_CARD)
    assert again.event.topic == "LicenseUsed"


@pytest.mark.parametrize(
    "flaw", ["stranger", "altered", "origin", "compromised", "nothing", "manifest", "size"]
)
def test_what_no_believed_key_of_the_ledger_signed_does_not_move_the_anchor(
    ledger: opening.Ledger, flaw: str
) -> None:
    vault, origin = ledger.vault, f"{ledger.vault.ring.origin}/0"
    before = vault.anchor.read()
    text = note.Checkpoint(origin=origin, size=before.size + 9, root=bytes(32)).text
    key = keys.SigningKey(bytes(32)) if flaw == "stranger" else vault.log_key
    if flaw == "size":
        text = note.Checkpoint(origin=origin, size=before.size, root=bytes(32)).text
    signed = note.sign(text, name=origin, key=key)
    if flaw == "altered":
        signed = signed.replace(f"\n{before.size + 9}\n", f"\n{before.size + 8}\n")
    if flaw == "origin":
        other = "ledger.example/else/0"
        text = note.Checkpoint(origin=other, size=before.size + 9, root=bytes(32)).text
        signed = note.sign(text, name=other, key=vault.log_key)
    if flaw == "nothing":
        signed = ""
    if flaw == "manifest":
        signed = json.dumps({"checkpoint": 1})
    if flaw == "compromised":
        with ledger.appending() as appender:
            held = vault.ring.active("log").key_id
            keeping.compromise_signing_key(ledger, appender, held, since=0, actor=ledger.console)
        before = vault.anchor.read()
    with pytest.raises(errors.HistoryBehindAnchor if flaw == "size" else errors.Invalid):
        recovery.see(ledger, signed)
    assert vault.anchor.read() == before
