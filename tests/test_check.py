"""The check itself: what it accepts, what it reads, where its runs and pages meet, and what it needs."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import conninfo as conninfos

from ledger import check, check_source, check_stock, opening, reading, recovery, scratch, tiling, use_commands
from ledger.anchor import Anchor
from ledger.check_facts import Tiles
from ledger.check_report import FINDINGS_MAX, Findings
from ledger.config import Config
from ledger.state import ROWS, LicenseRow, OrganizationRow, PieceRow
from signing import ids, keys, merkle, note, suites
from tests import stock_world
from tests.conftest import Cluster
from tests.tampering import Case, tell
from tests.world import BUSINESS_LICENSE, ENTERPRISE, World


@pytest.fixture(scope="module")
def story(cluster: Cluster) -> Iterator[Case]:
    """A ledger of some hundred events, which no test here changes."""
    configured = cluster.clone()
    with opening.opened(configured, migrate=False) as ledger, ledger.appending() as appender:
        tell(World(ledger, appender))
    yield Case(configured)
    cluster.drop(configured)


def newest_checkpoint(configured: Config) -> str:
    with opening.opened(configured, migrate=False) as ledger:
        reader = reading.Reader(ledger.ways.service, ledger.vault)
        try:
            return reader.checkpoint()
        finally:
            reader.close()


@pytest.mark.parametrize("rows", [7, 64, 255, 256])
def test_runs_and_pages_of_any_length_say_the_same(
    story: Case, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(check_source, "ROWS_MAX", rows)
    report = story.report(since=newest_checkpoint(story.config))
    assert report.findings == ()
    assert report.events == story.size()


def test_the_replay_need_not_fit_into_memory(story: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "CACHED_ROWS_MAX", 8)
    assert story.report().findings == ()


def test_progress_comes_to_the_end(story: Case) -> None:
    told: list[tuple[int, int]] = []
    story.report(facts_only=True, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (story.size(), story.size())


def test_the_owner_can_check_as_well_as_the_service(story: Case) -> None:
    owner = str(story.config.owner_database_url)
    report = check.check(owner, identity=story.identity, anchor=story.vault.anchor)
    assert (report.findings, report.unread) == ((), ())


def test_a_login_that_may_not_read_all_is_told_what_was_not_checked(cluster: Cluster, story: Case) -> None:
    owner = str(story.config.owner_database_url)
    login = f"reader_{cluster.run}"
    story.sql(f"CREATE ROLE {login} LOGIN PASSWORD 'reader-password-of-the-tests' IN ROLE ledger_reader")
    try:
        reader = conninfos.make_conninfo(owner, user=login, password="reader-password-of-the-tests")
        report = check.check(reader, identity=story.identity)
    finally:
        story.sql(f"DROP ROLE {login}")
    assert report.findings == ()
    assert set(report.unread) >= {"directory_strays", "data_key_strays", "repeats_beyond"}


@pytest.mark.parametrize("run", [1, check_stock.RUN_MAX])
def test_an_imported_license_that_would_not_be_known_again_is_named(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: int
) -> None:
    monkeypatch.setattr(check_stock, "RUN_MAX", run)
    configured = cluster.clone()
    with opening.opened(configured, migrate=False) as ledger, ledger.appending() as appender:
        rows = [stock_world.row(count) for count in (1, 2, 3)]
        done = stock_world.imported(World(ledger, appender), rows, tmp_path / "results")
    story, lost = Case(configured), done.outcomes[1]["license_ref"]
    assert story.report().findings == ()
    gone = f"kind = 'stock-source' AND target = '\\x{ids.parse(lost).hex()}'"
    story.sql(f"DELETE FROM directory WHERE {gone}")
    (finding,) = story.report().findings
    assert (finding.kind, finding.text) == ("directory", f"no source leads to the imported license {lost}")
    cluster.drop(configured)


def test_a_ledger_is_checked_while_it_appends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_source, "ROWS_MAX", 20)
    world.issue()
    world.grant(mode="holder", uses_max=10_000)
    asked = use_commands.UseLicense(actor=world.hall, holder=ENTERPRISE, type_code=BUSINESS_LICENSE)
    done = threading.Event()

    def go_on() -> None:
        while not done.is_set():
            world.appender.submit(asked).result(timeout=60)
            world.issue()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        for _ in range(30):
            before = Case(world.ledger.config).size()
            report = Case(world.ledger.config).report()
            assert report.findings == ()
            if report.events > before:  # unless nothing was appended meanwhile, on a busy machine
                break
        assert report.events > before, "the check went on to where its last snapshot ended"
    finally:
        done.set()
        thread.join()


def test_generations_of_checkpoints_follow_declared_losses(cluster: Cluster, story: Case) -> None:
    surviving = newest_checkpoint(story.config)
    later, earlier = Case(cluster.clone(story.config)), Case(cluster.clone(story.config))
    try:
        with opening.opened(later.config, migrate=False) as ledger, ledger.appending() as appender:
            World(ledger, appender).issue()
        shutil.copytree(later.config.data / "anchor", earlier.config.data / "anchor", dirs_exist_ok=True)
        assert earlier.told() != []
        with opening.opened(earlier.config, migrate=False) as ledger:
            recovery.recover(ledger, declare_loss=True)
            with ledger.appending() as appender:
                World(ledger, appender).issue()
        assert earlier.told(since=surviving) == []
        assert earlier.told(since=newest_checkpoint(earlier.config)) == []
        (generation,) = earlier.sql("SELECT max(generation) FROM checkpoints")[0]
        assert generation == 1
        size, lost = later.size(), newest_checkpoint(later.config)
        assert earlier.told(facts_only=True, since=lost) == [
            f"at size {size} the history has another root than the given checkpoint",
            f"at size {size} the history has another origin than the given checkpoint",
        ]
        earlier.sql("UPDATE checkpoints SET generation = 2 WHERE generation = 1")
        assert earlier.told(facts_only=True)[0].endswith("generation differs")
    finally:
        cluster.drop(later.config)
        cluster.drop(earlier.config)


def test_a_checkpoint_by_a_strange_key_is_refused(story: Case) -> None:
    kept = newest_checkpoint(story.config)
    origin = kept.partition("\n")[0]
    text = "\n".join(kept.split("\n")[:3]) + "\n"
    forged = note.sign(text, name=origin, key=keys.SigningKey(keys.generate_signing_key()))
    assert story.told(since=forged) == [
        "the given checkpoint cannot be used: no trusted key signed this note"
    ]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda kept: kept.replace("tests/0", "tests/1", 1), "is of another origin"),
        (lambda kept: "", "is of another origin"),
        (lambda kept: kept[:-20], "cannot be used"),
        (lambda kept: "c2sp.org/tlog-proof@v1\n", "the given checkpoint cannot be used: the receipt"),
    ],
)
def test_a_checkpoint_that_is_none_of_this_ledger_is_a_finding(
    story: Case, change: object, text: str
) -> None:
    assert callable(change)
    (told,) = story.told(facts_only=True, since=change(newest_checkpoint(story.config)))
    assert text in told


def test_an_anchor_that_cannot_be_read_is_a_finding(story: Case, tmp_path: Path) -> None:
    (tmp_path / "anchor").write_bytes(b"\x00" * 2048)
    report = check.check(
        str(story.config.database_url), identity=story.identity, anchor=Anchor(tmp_path / "anchor")
    )
    assert [finding.kind for finding in report.findings] == ["anchor"]


def test_another_ledger_is_named_and_the_report_stays_short(story: Case) -> None:
    identity = check.Identity(ledger_id=bytes(16), origin=story.identity.origin)
    report = check.check(str(story.config.database_url), identity=identity)
    assert report.findings[0].text == "the database says it is another ledger's"
    assert report.findings[1].text == "event at index 0 is of another ledger or suite"
    assert (len(report.findings), report.is_complete) == (FINDINGS_MAX, False)


def test_tiles_of_every_level_are_recomputed() -> None:
    leaves = [merkle.leaf_hash(number.to_bytes(4, "big")) for number in range(66_000)]
    stored = {
        (level, number): hashes
        for level, number, hashes in tiling.filled(0, leaves, lambda level, number: None, suites.INTL.digest)
    }
    assert max(stored) == (1, 0)

    def found(tiles: dict[tuple[int, int], bytes]) -> list[str]:
        findings = Findings()
        walked = Tiles(lambda keys: {key: tiles[key] for key in keys if key in tiles}, findings, suites.INTL)
        for start in range(0, len(leaves), 2_000):
            walked.add(leaves[start : start + 2_000])
        return [finding.text for finding in findings.found]

    assert found(stored) == []
    assert found(stored | {(1, 0): bytes(32) + stored[1, 0][32:]}) == [
        "tile 1/0: entry 0 differs from the tile below"
    ]
    assert found({key: tile for key, tile in stored.items() if key != (1, 0)}) == ["tile 1/0 is missing"]


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=3), st.text(max_size=3)), max_size=30))
def test_a_scratch_gives_back_what_was_put_in_key_order(pairs: list[tuple[bytes, str]]) -> None:
    rows = {key: OrganizationRow(organization=text, stream_id=key) for key, text in pairs}
    by_text = {row.organization: row for row in rows.values()}
    with scratch.opened(cached_rows_max=4) as held:
        for row in by_text.values():
            held.put(row)
        assert [row for _, row in held.run(OrganizationRow, after=None, through=None)] == [
            by_text[text] for text in sorted(by_text, key=str.encode)
        ]
        assert all(held.find(OrganizationRow, text) == row for text, row in by_text.items())
        assert held.find(LicenseRow, b"none") is None


@given(st.lists(st.integers(min_value=-(2**63), max_value=2**63 - 1), unique=True))
def test_numbers_order_as_in_the_database(numbers: list[int]) -> None:
    assert sorted(numbers, key=scratch.key_bytes) == sorted(numbers)


def test_a_key_that_no_table_could_hold_is_refused() -> None:
    row = PieceRow(piece_key=None, license_ref=b"", version=1, piece=0)  # type: ignore[arg-type]
    with scratch.opened() as held, pytest.raises(TypeError, match="a key is"):
        held.put(row)


def test_every_state_table_is_compared(story: Case) -> None:
    for cls in ROWS:
        (count,) = story.sql(f"SELECT count(*) FROM {cls.table}")[0]
        assert count, f"{cls.table} has rows to compare"
