"""The log for outsiders: tiles, bundles and proofs, for whom, how far, and read by other programs."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api import examples, mirror, service
from ledger import audit_commands, fetching
from signing import merkle, note, tiles
from tests import api_world, judges
from tests.api_world import Caller, Face, problem
from tests.conftest import Cluster

WIDE = service.limits.Rate(burst=100_000, per_s=10_000.0)
SETTINGS = service.Settings(
    address_rate=api_world.GENEROUS.address_rate, client_rate=api_world.GENEROUS.client_rate, log_rate=WIDE
)
MORE_THAN = 600
"""Events: two full tiles of leaves and a partial one above them."""


@pytest.fixture(scope="module")
def face(cluster: Cluster) -> Iterator[Face]:
    with api_world.fresh(cluster, SETTINGS) as running:
        console = running.served.ledger.console
        asked = [
            running.served.appender.submit(
                audit_commands.CountRefusals(actor=console, count=1, minute=minute)
            )
            for minute in range(MORE_THAN)
        ]
        for future in asked:
            future.result(timeout=60)
        yield running


@pytest.fixture(scope="module")
def auditor(face: Face) -> Caller:
    return face.register(examples.ORGANIZATION, "audit:read")


def head(face: Face) -> note.Checkpoint:
    text = face.http.get("/log/0/checkpoint").text
    return note.parse_checkpoint(note.taken_apart(text)[0])


def read(face: Face, tile: tiles.Tile) -> bytes:
    answer = face.http.get(f"/log/0/tile/{tile.path}")
    assert answer.status_code == 200, (tile, answer.text)
    assert answer.headers["content-type"] == "application/octet-stream"
    return answer.content


def decoded(answer: Any) -> list[bytes]:
    return [base64.b64decode(one) for one in answer.json()["proof"]]


def test_whoever_has_the_tiles_alone_derives_every_root_that_was_signed(face: Face) -> None:
    newest = head(face)
    assert newest.size > MORE_THAN
    stored = {tile: read(face, tile) for tile in tiles.of_size(newest.size)}
    assert {(tile.level, tile.is_full) for tile in stored} == {(0, True), (0, False), (1, False)}
    leaves = [one for tile, data in stored.items() if tile.level == 0 for one in tiles.hashes(tile, data)]
    by_tiles = tiles.Tiles(newest.size, stored.__getitem__)
    assert by_tiles.root() == newest.root == merkle.root(leaves)
    with face.served.reader.pool.connection() as conn:
        heads = conn.execute("SELECT size, root FROM checkpoints WHERE size <= %s", (newest.size,)).fetchall()
    assert len(heads) > 3
    for size, root in heads:
        assert by_tiles.root(size) == root == merkle.root(leaves[:size])


def test_tiles_are_those_that_another_program_reads(face: Face) -> None:
    judges.need("tlog_scales")
    from tlog_scales import reader as others

    class Backend:
        def get(self, *path: str) -> bytes | None:
            answer = face.http.get("/log/0/" + "/".join(path))
            return answer.content if answer.status_code == 200 else None

    theirs = others.TilesReader(Backend())
    said = theirs.get_checkpoint()
    assert theirs.calculate_root_hash() == said.root_hash
    proof = theirs.get_consistency_proof(300, said.size)
    ours = face.http.get(f"/log/0/consistency/300/{said.size}")
    assert decoded(ours) == proof.node_hashes
    for index in (0, 255, 256, said.size - 1):
        ours = face.http.get(f"/log/0/inclusion/{index}/{said.size}")
        assert decoded(ours) == theirs.get_inclusion_proof(index, said.size).node_hashes


def test_a_mirror_of_this_ledger_comes_to_the_root_that_it_signed(face: Face, tmp_path: Path) -> None:
    class Log(fetching.Peer):
        """The ledger, asked in this process."""

        def get(self, path: str = "") -> fetching.Answer:
            answer = face.http.get(f"/log/0{path}")
            media_type = answer.headers["content-type"].partition(";")[0]
            return fetching.Answer(status=answer.status_code, body=answer.content, media_type=media_type)

    vault = face.served.ledger.vault
    key = note.VerifierKey(name=f"{vault.ring.origin}/0", public=vault.log_key.public)
    brought = mirror.Mirror(tmp_path, Log("http://ledger.example"), key).run()
    assert (brought.size, brought.tiles) == (head(face).size, 4)


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 9), (1, 1), (3, 7), (255, 256), (256, 600), (511, 597)])
def test_a_consistency_proof_leads_from_one_size_to_the_other(face: Face, old: int, new: int) -> None:
    answer = face.http.get(f"/log/0/consistency/{old}/{new}")
    assert (answer.json()["old"], answer.json()["new"]) == (old, new)
    if old == 0:
        assert decoded(answer) == []
        return
    by_tiles = tiles.Tiles(head(face).size, lambda tile: read(face, tile))
    merkle.verify_consistency(old, new, decoded(answer), by_tiles.root(old), by_tiles.root(new))


@pytest.mark.parametrize(("index", "size"), [(0, 1), (0, 600), (5, 6), (255, 256), (256, 600), (511, 520)])
def test_an_inclusion_proof_leads_from_the_leaf_to_the_root(face: Face, index: int, size: int) -> None:
    answer = face.http.get(f"/log/0/inclusion/{index}/{size}")
    leaf = base64.b64decode(answer.json()["leaf_hash"])
    (stored,) = face.served.reader.events([index])
    assert leaf == merkle.leaf_hash(stored)
    by_tiles = tiles.Tiles(head(face).size, lambda tile: read(face, tile))
    merkle.verify_inclusion(leaf, index, size, decoded(answer), by_tiles.root(size))


def test_a_partial_tile_is_a_beginning_of_the_full_one(face: Face) -> None:
    full = read(face, tiles.Tile(0, 1))
    assert read(face, tiles.Tile(0, 1, 255)) == full[: 255 * 32]
    rest = (head(face).size >> 0) % 256
    newest = [read(face, tiles.Tile(0, 2, width)) for width in (rest, 1, rest - 1, rest)]
    assert newest[0] == newest[3]
    assert newest[0].startswith(newest[1])
    assert newest[0].startswith(newest[2])


def test_full_tiles_may_be_kept_for_ever_and_checkpoints_not_at_all(face: Face, auditor: Caller) -> None:
    kept = {
        path: face.http.get(f"/log/0/{path}").headers["cache-control"]
        for path in ("checkpoint", "tile/0/000", "tile/0/000.p/3", "consistency/1/2", "inclusion/0/2")
    }
    assert kept == {
        "checkpoint": "no-store",
        "tile/0/000": "public, max-age=31536000, immutable",
        "tile/0/000.p/3": "public, max-age=86400, immutable",
        "consistency/1/2": "public, max-age=86400, immutable",
        "inclusion/0/2": "public, max-age=86400, immutable",
    }
    answer = auditor.get("/log/0/tile/entries/000")
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"


@pytest.mark.parametrize("tile", [tiles.Tile(-1, 0), tiles.Tile(-1, 1, 7), tiles.Tile(-1, 2, 3)])
def test_an_auditor_reads_entries_that_hash_to_their_tile(
    face: Face, auditor: Caller, tile: tiles.Tile
) -> None:
    answer = auditor.get(f"/log/0/tile/{tile.path}")
    assert answer.status_code == 200
    found = tiles.entries(tile, answer.content)
    hashes = tiles.hashes(
        tiles.Tile(0, tile.number, tile.width), read(face, tiles.Tile(0, tile.number, tile.width))
    )
    assert [merkle.leaf_hash(one) for one in found] == hashes


@pytest.mark.parametrize(
    ("accepted", "is_compressed"),
    [
        ("gzip", True),
        ("br;q=1.0, GZIP;q=0.5, identity", True),
        ("*", True),
        ("identity", False),
        ("gzip;q=0, *", False),
        ("gzip; q=0.000", False),
        ("", False),
    ],
)
def test_entries_are_compressed_for_whoever_takes_that(
    auditor: Caller, accepted: str, is_compressed: bool
) -> None:
    plain = auditor.get("/log/0/tile/entries/000", **{"Accept-Encoding": "identity"})
    answer = auditor.get("/log/0/tile/entries/000", **{"Accept-Encoding": accepted})
    assert answer.headers.get("content-encoding") == ("gzip" if is_compressed else None)
    assert answer.headers["vary"] == "Accept-Encoding"
    assert (int(answer.headers["content-length"]) < len(plain.content)) is is_compressed
    assert answer.content == plain.content


def test_entries_are_not_for_everyone(face: Face) -> None:
    assert problem(face.http.get("/log/0/tile/entries/000"))[:2] == (401, "unauthenticated")
    stranger = face.register(examples.ORGANIZATION, "license:use")
    assert problem(stranger.get("/log/0/tile/entries/000"))[:2] == (403, "scope-missing")


NOWHERE = (
    *("tile/0/003", "tile/0/002.p/250", "tile/0/002", "tile/1/000", "tile/1/000.p/3", "tile/2/000.p/1"),
    *("tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/0", "tile/0/x000/000", "tile/0/x001"),
    *("tile/00/000", "tile/64/000", "tile/63/000.p/1", "tile/-1/000", "tile/0/000/"),
    *("tile/", "tile/0", f"tile/0/{'x999/' * 40}999", "tile/0/٠٠٠"),
    *("consistency/2/1", "consistency/1/999999", "consistency/-1/2", "consistency/01/2", "consistency/a/2"),
    *("inclusion/2/2", "inclusion/0/999999", "inclusion/0/0", "inclusion/x/2", f"inclusion/0/{'9' * 400}"),
)


@pytest.mark.parametrize("path", NOWHERE)
def test_what_the_tree_does_not_have_is_not_found(face: Face, path: str) -> None:
    assert problem(face.http.get(f"/log/0/{path}"))[:2] == (404, "not-found")


@pytest.mark.parametrize("name", ["1", "0.1", "00", "x"])
def test_another_log_has_no_tiles_here(face: Face, name: str) -> None:
    for path in ("tile/0/000", "consistency/1/2", "inclusion/0/2"):
        assert problem(face.http.get(f"/log/{name}/{path}"))[0] == 404


def test_an_address_that_asks_too_often_waits(cluster: Cluster) -> None:
    few = service.Settings(
        log_rate=service.limits.Rate(burst=2, per_s=0.01), ready_rate=service.limits.Rate(burst=1, per_s=0.01)
    )
    configured = cluster.clone()
    try:
        with api_world.running(configured, few) as slow:
            answers = [slow.http.get("/log/0/tile/0/000.p/1") for _ in range(3)]
            assert [answer.status_code for answer in answers] == [200, 200, 429]
            assert int(answers[2].headers["retry-after"]) >= 1
            for path in ("/log/0/checkpoint", "/v1/keys", "/oauth/jwks"):
                assert slow.http.get(path).status_code == 429
            assert [slow.http.get("/readyz").status_code for _ in range(2)] == [200, 429], "it counts apart"
            assert slow.http.get("/healthz").status_code == 200
    finally:
        cluster.drop(configured)
