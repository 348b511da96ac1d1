"""The command line keeps a ledger from `init` to `restore`, and refuses in one line."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger import embedded
from tests import console, world

pytestmark = pytest.mark.slow("starts the program for each of its tests")

ORIGIN = "demo.license-ledger.example/cli"
CODES = {
    "91350100MA0000007A": "ok",
    "91350100MA0000007B": "bad",
}


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A ledger that the command line made, and a client of it."""

    folder: Path
    data: Path
    client_id: str

    def call(self, *arguments: str | Path, status: int = 0) -> str:
        """What a command on this ledger printed."""
        return console.call(*arguments, "--data", self.data, status=status)

    def json(self, *arguments: str | Path, status: int = 0) -> Any:
        """What a command on this ledger printed as JSON."""
        return console.call_json(*arguments, "--data", self.data, status=status)

    def tamper(self, *texts: str) -> None:
        """Statements as owner, each in a transaction of its own."""
        each = [argument for text in texts for argument in ("-c", text)]
        console.run("psql", "--data", self.data, "--owner", "--", "-v", "ON_ERROR_STOP=1", *each)


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept]:
    with console.folder() as folder:
        data = folder / "ledger"
        made = console.run("init", "--origin", ORIGIN, "--operator", world.OPERATOR, "--data", data)
        assert ORIGIN in made.stdout
        # Its server stays up from here on, so that the commands need not start it each.
        with embedded.Server.start(data):
            key = folder / "hall.jwk"
            console.call("clients", "generate-key", key)
            asked = ("--name", "hall", "--organization", world.HALL, "--scope", "license:use")
            public = f"{key}.pub"
            said = console.call_json("clients", "register", *asked, "--key", public, "--data", data)
            yield Kept(folder=folder, data=data, client_id=said["client_id"])


@pytest.fixture(scope="module")
def holder(kept: Kept) -> str:
    """The code of a holder who has a license in the ledger."""
    from ledger import config, opening

    with opening.opened(config.Config(data=kept.data)) as ledger, ledger.appending() as appender:
        known = world.World(ledger, appender)
        known.issue(world.citizen(1), type_code=world.CITIZEN_CARD)
        known.issue(world.citizen(2), type_code=world.CITIZEN_CARD)
    return world.citizen(1).code


def test_help_is_printed_and_a_wrong_option_is_wrong_usage() -> None:
    assert "Commands" in console.run("--help").stdout
    assert "--trust" in console.call("verify", "--help")
    done = console.run("check", "--no-such-option", status=2)
    assert (done.stdout, "Traceback" in done.stderr) == ("", False)
    console.call("no-such-command", status=2)


def test_a_refusal_is_one_line_without_a_traceback(kept: Kept) -> None:
    empty = kept.folder / "nothing-here"
    done = console.run("check", "--data", empty, status=1)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "init" in done.stderr
    again = ("init", "--origin", ORIGIN, "--operator", world.OPERATOR)
    assert "holds a ledger" in kept.call(*again, status=1)
    for origin, operator in ((ORIGIN, "11350000000000019X"), ("no-path", world.OPERATOR)):
        wrong = ("init", "--origin", origin, "--operator", operator, "--data", empty)
        assert console.call(*wrong, status=2).count("\n") == 1


def test_migrate_says_that_the_schema_is_up_to_date(kept: Kept) -> None:
    assert "up to date" in kept.call("migrate")


def test_a_client_is_shown_gets_a_new_key_and_is_suspended(kept: Kept) -> None:
    shown = kept.json("clients", "show", kept.client_id)
    assert (shown["organization"], shown["scopes"], shown["suspended"]) == (
        world.HALL,
        ["license:use"],
        False,
    )
    assert (kept.folder / "hall.jwk").stat().st_mode & 0o777 == 0o600
    assert "d" not in shown["keys"][0], "the private part stays with the client"

    new = kept.folder / "new.jwk"
    console.call("clients", "generate-key", new, "--algorithm", "ES256")
    kept.call("clients", "change-key", kept.client_id, "--key", f"{new}.pub", "--algorithm", "ES256")
    kept.call("clients", "suspend", kept.client_id)
    after = kept.json("clients", "show", kept.client_id)
    assert (after["algorithm"], after["suspended"]) == ("ES256", True)
    assert after["keys"] != shown["keys"]
    assert "no such client" in kept.call("clients", "show", "a" * 26, status=1)


def test_a_private_key_is_not_registered(kept: Kept) -> None:
    before = kept.json("check", "--facts")["events"]
    asked = ("--name", "x", "--organization", world.HALL, "--scope", "license:use")
    said = kept.call("clients", "register", *asked, "--key", kept.folder / "hall.jwk", status=2)
    private = json.loads((kept.folder / "hall.jwk").read_text())["d"]
    assert private not in said
    assert kept.json("check", "--facts")["events"] == before


def test_signing_keys_are_listed_and_rotated_and_the_trust_file_follows(kept: Kept) -> None:
    before = kept.json("keys", "list")
    kept.call("keys", "rotate", "token")
    after = kept.json("keys", "list")
    assert len(after) == len(before) + 1
    states = {key["key_id"]: key["status"] for key in after if key["purpose"] == "token"}
    assert sorted(states.values()) == ["active", "retired"]
    listed = kept.call("keys", "list")
    assert "…" not in listed, "no key is cut short"
    assert all(key["key_id"] in listed for key in after)

    out = kept.folder / "trust.json"
    kept.call("export", "trust", out)
    (ledger,) = json.loads(out.read_text())["ledgers"]
    assert {key["key_id"] for key in ledger["token_keys"]} == set(states)
    kept.call("keys", "rotate", "no-such-purpose", status=2)


def test_a_key_is_prepared_takes_over_and_is_compromised(kept: Kept) -> None:
    prepared = kept.json("keys", "prepare", "token")["key_id"]
    assert {key["key_id"]: key["status"] for key in kept.json("keys", "list")}[prepared] == "prepared"
    kept.call("keys", "prepare", "token", status=1)
    assert kept.json("keys", "rotate", "token")["key_id"] == prepared
    who = ("--operator", "dba1", "--operator-name", "管理员", "--reason", "介质遗失")
    for wrong in ("tomorrow", "2026-01-31", "99999999"):
        kept.call("keys", "compromise", prepared, *who, "--since", wrong, status=2)
    kept.call("keys", "compromise", "00000000", *who, status=1)
    kept.call("keys", "compromise", "no key id", *who, status=2)
    said = kept.json("keys", "compromise", prepared, *who, "--since", "9")
    assert (said["status"], said["compromised_since"]) == ("compromised", 9)
    assert said["signs_now"] != prepared
    assert "介质" not in kept.call("keys", "list")
    kept.call("keys", "compromise", prepared, *who, "--since", "9", status=1)
    early = kept.json("keys", "compromise", prepared, *who, "--since", "1970-01-02T00:00:00Z")
    assert (early["compromised_since"], early["signs_now"]) == (0, said["signs_now"])
    assert kept.json("check")["sound"]


def test_peppers_and_buckets_are_renewed(kept: Kept, holder: str) -> None:
    assert "new pepper" in kept.call("keys", "rotate-pepper")
    assert "bucket 17" in kept.call("keys", "renew-bucket", "17")
    kept.call("keys", "renew-bucket", "1024", status=2)
    assert "none was left" in kept.call("keys", "finish-erasures")


def test_check_passes_and_names_what_was_tampered_with(kept: Kept) -> None:
    report = kept.json("check", "--facts")
    assert (report["sound"], report["findings"]) == (True, [])
    assert "sound" in kept.call("check")

    kept.tamper("UPDATE events SET recorded_at = recorded_at + 1 WHERE position = 3")
    report = kept.json("check", status=1)
    assert report["sound"] is False
    assert 2 in [found["index"] for found in report["findings"]]
    assert "NOT SOUND" in kept.call("check", status=1)
    kept.tamper("UPDATE events SET recorded_at = recorded_at - 1 WHERE position = 3")
    kept.call("check")


def test_recover_finds_nothing_lost(kept: Kept) -> None:
    assert "Nothing is lost" in kept.call("recover")


def test_rebuild_puts_tampered_state_right(kept: Kept, holder: str) -> None:
    kept.tamper("UPDATE licenses SET status = 'annulled'")
    kept.call("check", status=1)
    assert "rows were different" in kept.call("rebuild")
    kept.call("check")


def test_psql_is_read_only_without_keys_and_directory_unless_owner(kept: Kept) -> None:
    refused = (
        "CREATE TABLE x (a int)",
        "DELETE FROM events",
        "SELECT * FROM data_keys",
        "SELECT * FROM directory",
        # Nor does it help to leave the read-only mode.
        "SET default_transaction_read_only = off",
        "DELETE FROM events",
        "CREATE TABLE x (a int)",
    )
    each = [argument for text in refused for argument in ("-c", text)]
    done = console.run(
        "psql", "--data", kept.data, "--", "-At", "-c", "SELECT count(*) FROM events", *each, status=1
    )
    assert int(done.stdout.split()[0]) > 70
    assert done.stderr.count("read-only transaction") == 2
    assert done.stderr.count("permission denied") == 4
    kept.tamper(
        "SELECT count(*) FROM data_keys", "SELECT * FROM directory", "CREATE TABLE x ()", "DROP TABLE x"
    )


def test_psql_passes_arguments_and_exit_status(kept: Kept) -> None:
    script = kept.folder / "three.sql"
    script.write_text("SELECT :a + 1;\nSELECT broken;\n")
    options = ("-At", "-v", "ON_ERROR_STOP=1", "-v", "a=2", "-f", str(script))
    done = console.run("psql", "--data", kept.data, "--", *options, status=3)
    assert done.stdout == "3\n"


def test_a_registering_organ_without_a_system_speaks_at_the_console(kept: Kept, holder: str) -> None:
    who = ("--operator", "organ-1", "--operator-name", "登记员", "--reason", "登记机关核定")
    said = ("--code-type", "111", "--evidence", "0" * 64, *who)
    for verb in ("contest", "settle", "reverse-end"):
        status = 1 if verb == "reverse-end" else 0
        done = console.run("holders", verb, *said, "--data", kept.data, said=f"{holder}\n", status=status)
        assert ("Recorded at index" in done.stdout) is (status == 0)
        assert holder not in done.stdout + done.stderr
    kept.call("holders", "end", "--kind", "death", *said, "--code", holder)
    kept.call("holders", "reverse-end", *said, "--code", holder)
    pair = ("--code", holder, "--other-type", "099", "--other", "ZZ3501020000000017")
    for verb in ("link", "unlink"):
        kept.call("holders", verb, *said, *pair)
        kept.call("holders", verb, *said, *pair, status=1)
    renamed = ("holders", "rename", *said, "--changed-on", "2026-01-31", "--data", kept.data)
    done = console.run(*renamed, said=f"{holder}\n合成旧名\n合成新名\n")
    assert "Recorded at index" in done.stdout
    assert not any(text in done.stdout + done.stderr for text in (holder, "合成旧名", "合成新名"))
    for code, former, new in ((holder, "合成名", "合成名"), (holder, "合成名", " ")):
        console.run(*renamed, said=f"{code}\n{former}\n{new}\n", status=2)
    kept.call("holders", "end", "--kind", "sleep", *said, "--code", holder, status=2)
    kept.call("holders", "contest", *said[:2], "--evidence", "x", *who, "--code", holder, status=2)
    kept.call("check")


def test_the_trail_is_exported_at_the_console_in_files_of_one_state(kept: Kept) -> None:
    who = ("--operator", "root", "--operator-name", "运维", "--reason", "核查")
    query, out, trust = kept.folder / "query.json", kept.folder / "all.export", kept.folder / "all.trust"
    query.write_text(json.dumps({"since_index": 1}), encoding="utf-8")
    kept.call("export", "trust", trust)
    made = kept.json("export", "trail", out, *who, "--query", query, "--limit", "60")["files"]
    assert [Path(one["file"]).name for one in made[:2]] == ["all.export", "all-2.export"]
    assert [one["is_all"] for one in made] == [False] * (len(made) - 1) + [True]
    assert {Path(one["file"]).stat().st_mode & 0o777 for one in made} == {0o600}
    for before, after in itertools.pairwise(made):
        assert after["since_index"] == before["until_index"] + 1
    for one in (made[0], made[-1]):
        told = console.call_json("verify", one["file"], "--trust", trust)
        assert (told["verdict"], told["events"]) == ("proven", one["events"])
        assert told["organization"] == world.OPERATOR
    said = console.call("verify", made[0]["file"], "--trust", trust, "--against", made[0]["file"])
    assert "none that is not here" in said
    for wrong in ("[]", "{", '{"requester": 1}'):
        query.write_text(wrong, encoding="utf-8")
        kept.call("export", "trail", out, *who, "--query", query, status=2)
    console.call("verify", trust, "--trust", trust, "--against", out, status=2)


def test_a_backup_is_restored_beside_and_the_erased_stay_erased(kept: Kept, holder: str) -> None:
    taken = kept.folder / "backup"
    assert "events" in kept.call("backup", taken)
    assert taken.stat().st_mode & 0o777 == 0o700
    kept.call("backup", taken, status=1)

    who = ("--operator", "dba1", "--operator-name", "管理员", "--reason", "依申请")
    erase = ("holders", "erase", "--code-type", "111", *who)
    done = console.run(*erase, "--data", kept.data, said=f"{holder}\n")
    assert "Erased; recorded at index" in done.stdout
    assert holder not in done.stdout + done.stderr
    assert holder not in kept.call(*erase, "--code", holder, status=1)
    kept.call(*erase, "--code", "1" * 18, status=2)
    kept.call("check")

    second = kept.folder / "second"
    second.mkdir(mode=0o755)
    for name in ("keys", "secrets", "anchor"):
        shutil.copytree(kept.data / name, second / name)
    said = console.run("restore", taken, "--data", second).stdout
    assert "recover --declare-loss" in said, "the erasure came after the backup"
    with embedded.Server.start(second):
        console.call("recover", "--data", second, status=1)
        console.call("recover", "--declare-loss", "--data", second)
        report = console.call_json("check", "--data", second)
    assert (report["sound"], report["findings"]) == (True, [])


def test_codes_are_checked_one_by_one() -> None:
    found = console.call_json("id", "check", *CODES, status=1)
    assert [one["verdict"] for one in found] == list(CODES.values())
    assert "ok credit-code" in console.run("id", "check", "91350100MA0000007A").stdout
    console.call("id", "check", status=2)


def test_codes_can_be_read_from_standard_input() -> None:
    said = "\n".join(["", *CODES, "  "])
    found = json.loads(console.run("id", "check", "-", "--json", said=said, status=1).stdout)
    assert [one["verdict"] for one in found] == list(CODES.values())
    both = json.loads(
        console.run("id", "check", "91350100MA0000007A", "-", "--json", said=said, status=1).stdout
    )
    assert [one["verdict"] for one in both] == ["ok", *CODES.values()]
    assert json.loads(console.run("id", "check", "-", "--json", said="").stdout) == []


def test_an_interim_code_is_made_with_its_check_character() -> None:
    made = console.call("id", "interim", "--division", "350102").strip()
    assert console.call_json("id", "check", made)[0]["kind"] == "interim-code"
    fixed = console.call("id", "interim", "--division", "350102", "--serial", "000000001").strip()
    assert fixed == "ZZ3501020000000017"
    console.call("id", "interim", "--division", "35010", status=2)
    console.call("id", "interim", "--division", "350102", "--serial", "OOOOOOOOO", status=2)


def test_verify_says_by_its_exit_status_whether_a_file_holds(kept: Kept) -> None:
    trust = kept.folder / "verify-trust.json"
    kept.call("export", "trust", trust)
    forged = kept.folder / "forged.json"
    forged.write_text('{"index":0,"uses":[]}')
    assert "refused" in console.run("verify", forged, "--trust", trust, status=1).stdout
    assert console.run("verify", kept.folder / "absent", "--trust", trust, status=2).stderr.count("\n") == 1
    console.call("verify", forged, "--trust", forged, status=2)
    console.call("verify", forged, status=2)


def test_types_are_registered_from_a_file_shown_revised_and_retired(kept: Kept) -> None:
    code = f"{world.OPERATOR}899"
    definition = {
        "name_zh": "示例证",
        "name_en": "Sample",
        "defining_authority": "示例局",
        "holder_kind": "either",
        "validity_rule": "P5Y",
        "sharing_class": "conditional",
        "fields": [{"name": "name", "label": "名称"}],
    }
    file = kept.folder / "type.json"
    file.write_text(json.dumps({"type_code": code, "definition": definition | {"validity_rule": "5Y"}}))
    assert "validity_rule" in kept.call("types", "register", file, status=2)
    file.write_text(json.dumps({"type_code": code, "definition": definition | {"holder_kind": "x"}}))
    assert "definition.holder_kind" in kept.call("types", "register", file, status=2)
    file.write_text(json.dumps({"type_code": code, "definition": definition}))
    kept.call("types", "register", file)
    kept.call("types", "register", file, status=1)
    shown = json.loads(kept.call("types", "show", code))
    assert shown["definition"]["validity_rule"] == "P5Y"
    file.write_text(json.dumps({"type_code": code, "definition": definition | {"sharing_class": "none"}}))
    kept.call("types", "revise", file)
    kept.call("types", "retire", code, "--successor", world.BUSINESS_LICENSE)
    (listed,) = [one for one in kept.json("types", "list")["types"] if one["type_code"] == code]
    assert (listed["sharing_class"], listed["is_retired"]) == ("none", True)
    kept.call("types", "show", "unknown", status=1)
    kept.call("types", "register", kept.folder / "absent.json", status=2)


def test_an_organization_succeeds_another_and_it_is_shown(kept: Kept) -> None:
    key = kept.folder / "heir.jwk"
    console.call("clients", "generate-key", key)
    heir = "91350100MA0000007A"
    asked = ("--name", "heir", "--organization", heir, "--scope", "license:use", "--also", world.AUDITOR)
    said = kept.json("clients", "register", *asked, "--key", f"{key}.pub")
    assert kept.json("clients", "show", said["client_id"])["also"] == [world.AUDITOR]
    kept.call("clients", "organizations", said["client_id"])
    assert kept.json("clients", "show", said["client_id"])["also"] == []
    kept.call("organizations", "succeed", world.HALL, "12350100000000099X", status=2)
    kept.call("organizations", "succeed", world.HALL, heir, "--since", "2020", status=2)
    done = kept.json(
        "organizations", "succeed", world.HALL, heir, "--since", "2026-01-01", "--authorizations", "pass"
    )
    assert done["authorizations"] == 0
    shown = kept.json("organizations", "show", heir)
    whole = {"organization": world.HALL, "since": "2026-01-01", "license_types": [], "areas": []}
    assert shown["took_over"] == [whole]
    kept.call("organizations", "succeed", world.HALL, heir, status=1)
    kept.json("organizations", "succeed", world.OPERATOR, heir, "--since", "2026-01-01", "--area", "350102")
    parts = kept.json("organizations", "show", world.OPERATOR)["handed_over"]
    assert [one["areas"] for one in parts] == [["350102"]]
    kept.call("organizations", "show", heir)
    kept.call("organizations", "show", "unknown", status=1)


def test_a_month_is_closed_and_corrected_at_the_console(kept: Kept) -> None:
    assert kept.json("report", "month", "2026-01")["edition"] is None
    closed = kept.json("report", "close", "2026-01")
    kept.call("report", "close", "2026-01", status=1)
    said = kept.json("report", "month", "2026-01", "--by", "department")
    assert (said["edition"], said["closed_index"]) == (1, closed["index"])
    kept.call("report", "correct", "2026-01", "--reason", "补录")
    assert "edition 2" in kept.call("report", "month", "2026-01")
    kept.call("report", "month", "2026-1", status=2)
