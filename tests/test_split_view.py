"""One log, two histories: who finds it, and with what in hand. Mirrors derive again what they are shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from api import mirror
from ledger import fetching
from signing import keyring, note, split_view, tiles, witness, witnessing
from tests import console, witness_world
from tests.witness_world import NOW_S, Log, Shown

LOG = Log()
FORK = LOG.forked(5)
TRUSTED = [LOG.verifier]


def test_two_checkpoints_of_one_history_agree() -> None:
    agreed = split_view.compare(
        LOG.checkpoint(300), LOG.checkpoint(9), trusted=TRUSTED, read=Shown(LOG, 300).read
    )
    assert (agreed.smaller.size, agreed.larger.size) == (9, 300)
    same = split_view.compare(LOG.checkpoint(9), LOG.checkpoint(9), trusted=TRUSTED)
    assert same.smaller == same.larger
    # A fork is one only from the place on where it differs.
    assert split_view.compare(LOG.checkpoint(5), FORK.checkpoint(5), trusted=TRUSTED).larger.size == 5


@pytest.mark.parametrize(("one", "other"), [(9, 9), (9, 300), (300, 9), (256, 257)])
def test_two_histories_are_found_whatever_their_sizes(one: int, other: int) -> None:
    larger = LOG if one >= other else FORK
    with pytest.raises(split_view.SplitView):
        split_view.compare(
            LOG.checkpoint(one),
            FORK.checkpoint(other),
            trusted=TRUSTED,
            read=Shown(larger, max(one, other)).read,
        )


def test_what_cannot_be_decided_is_not_called_a_split() -> None:
    with pytest.raises(split_view.Undecided, match="tiles are needed"):
        split_view.compare(LOG.checkpoint(9), FORK.checkpoint(12), trusted=TRUSTED)
    with pytest.raises(split_view.Undecided, match="third history"):
        split_view.compare(LOG.checkpoint(9), LOG.checkpoint(12), trusted=TRUSTED, read=Shown(FORK, 12).read)
    other = Log("other.example/log/0", seed=7)
    with pytest.raises(split_view.Undecided, match="two logs"):
        split_view.compare(LOG.checkpoint(9), other.checkpoint(9), trusted=[LOG.verifier, other.verifier])
    with pytest.raises(note.NoteInvalid):
        split_view.compare(LOG.checkpoint(9), Log(seed=9).checkpoint(9), trusted=TRUSTED)


def test_two_witnesses_that_were_shown_two_histories_prove_it_together(tmp_path: Path) -> None:
    """Each alone has seen a log that grows; the second view is found where the two are held together."""
    folders = [
        witness_world.made(tmp_path / f"w{number}", LOG, name=f"witness.example/w{number}", seed=number)
        for number in (2, 3)
    ]
    with witness.opened(folders[0]) as one, witness.opened(folders[1]) as other:
        one.add(LOG.submission(0, 9), now_s=NOW_S)
        other.add(FORK.submission(0, 9), now_s=NOW_S)
        with witness_world.serving(one) as first, witness_world.serving(other) as second:
            key = ("--log-key", LOG.verifier.text)
            said = console.call_json("witness", "compare", first, second, *key, status=1)
            assert said["verdict"] == "split view"
            assert console.call_json("witness", "compare", first, first, *key)["verdict"] == "one history"
            kept = tmp_path / "kept.checkpoint"
            kept.write_text(LOG.checkpoint(3))
            said = console.call_json("witness", "compare", str(kept), second, *key, status=1)
            assert said["verdict"] == "undecided"
            with witness_world.showing(Shown(LOG, 9)) as log:
                said = console.call_json("witness", "compare", str(kept), first, *key, "--log", log)
                assert said["verdict"] == "one history"
                direct = f"{log}/checkpoint"
                said = console.call_json("witness", "compare", direct, second, *key, status=1)
                assert said["verdict"] == "split view"


# --- mirrors ---


def run(folder: Path, url: str) -> mirror.Mirrored:
    with fetching.Peer(url) as peer:
        return mirror.Mirror(folder, peer, LOG.verifier).run()


def test_a_mirror_grows_with_its_log_and_can_be_shown_in_its_place(tmp_path: Path) -> None:
    shown = Shown(LOG, 300)
    with witness_world.showing(shown) as url:
        assert run(tmp_path, url).tiles == 3
        assert run(tmp_path, url).tiles == 0
        shown.size = 600
        brought = run(tmp_path, url)
    assert (brought.size_before, brought.size, brought.tiles) == (300, 600, 3)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert files == ["checkpoint", "tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"]
    for path in files:
        assert (tmp_path / path).read_bytes() == shown.answer(path)


@pytest.mark.parametrize("flaw", ["a leaf", "an upper hash", "cut short", "the root", "a fork", "smaller"])
def test_a_mirror_refuses_what_does_not_follow_and_keeps_what_it_had(tmp_path: Path, flaw: str) -> None:
    shown = Shown(LOG, 300)
    with witness_world.showing(shown) as url:
        run(tmp_path, url)
        kept = (tmp_path / "checkpoint").read_bytes()
        shown.size = 600
        newest = shown.read(tiles.Tile(0, 2, 88))
        upper = shown.read(tiles.Tile(1, 0, 2))
        if flaw == "a leaf":
            shown.altered["tile/0/002.p/88"] = bytes(32) + newest[32:]
        elif flaw == "an upper hash":
            shown.altered["tile/1/000.p/2"] = bytes(32) + upper[32:]
        elif flaw == "cut short":
            shown.altered["tile/0/002.p/88"] = newest[:-1]
        elif flaw == "the root":
            shown.altered["checkpoint"] = FORK.checkpoint(600).encode()
        elif flaw == "a fork":
            shown.log = FORK
        else:
            shown.size = 200
        with pytest.raises((mirror.MirrorError, split_view.SplitView, tiles.TileInvalid)):
            run(tmp_path, url)
        assert (tmp_path / "checkpoint").read_bytes() == kept


def test_the_commands_of_a_witness_say_what_they_did(tmp_path: Path) -> None:
    state = ("--state", str(tmp_path / "w1"))
    vkey = console.call("witness", "init", "--name", "witness.example/w1", *state).strip()
    assert vkey.startswith("witness.example/w1+")
    assert "Watching" in console.call("witness", "add-log", LOG.verifier.text, *state)
    said = {"witness": vkey, "logs": {LOG.origin: None}, "forks": {}}
    assert console.call_json("witness", "show", *state) == said
    with witness.opened(tmp_path / "w1") as held:
        held.add(LOG.submission(0, 9), now_s=1)
        with pytest.raises(witnessing.Forked):
            held.add(LOG.forked(5).submission(9, 9), now_s=2)
    assert "split view" in console.call("witness", "show", *state, status=1)
    assert "Nothing is cosigned" in console.call("witness", "remove-log", LOG.verifier.text, *state)
    assert "holds a witness" in console.call("witness", "init", "--name", "w", *state, status=1)
    assert "no witness" in console.call("witness", "show", "--state", str(tmp_path), status=1)
    assert "HOST:PORT" in console.call("witness", "serve", "--address", "w", *state, status=2)
    with witness.opened(tmp_path / "w1"):
        said = console.call("witness", "serve", "--address", "127.0.0.1:1", *state, status=1)
        assert "another process has this witness" in said
    with witness_world.showing(Shown(LOG, 300)) as url:
        into = ("--into", str(tmp_path / "mirror"), "--log-key", LOG.verifier.text)
        assert console.call_json("witness", "mirror", url, *into)["size"] == 300
    assert "no answer" in console.call("witness", "mirror", url, *into, status=1)
    assert keyring.read_private(tmp_path / "w1" / "key")
