"""The demonstration leaves what it says, and what it leaves can be proven by anyone without the ledger."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import png
import pytest

from api import cli_verdicts
from ledger import config, identifiers, use
from signing import note, receipt, trust
from tests import api_world, console, documents, judges, test_qr, world

pytestmark = [pytest.mark.faults, pytest.mark.timeout(480)]
"""A campaign: the whole demonstration is played, with all its people, as `make demo` does it."""


@dataclass(frozen=True, kw_only=True)
class Left:
    """What one demonstration printed and left."""

    folder: Path
    data: Path
    said: dict[str, Any]

    def path(self, name: str) -> Path:
        """A file that it left."""
        return self.data / "out" / name

    def read(self, name: str) -> bytes:
        """The bytes of a file that it left."""
        return self.path(name).read_bytes()

    def judge(self, bundle: bytes) -> cli_verdicts.Verdict:
        """The verdict on a bundle under the trust file that was left."""
        return cli_verdicts.judge(bundle, trusted=self.read("trust.json"), now=self.made_at)

    @property
    def made_at(self) -> datetime:
        """When its trust file was made."""
        return trust.parse(self.read("trust.json")).made_at


@pytest.fixture(scope="module")
def left() -> Iterator[Left]:
    with console.folder() as folder:
        data = folder / "demo"
        done = console.run("demo", "--data", data, "--json")
        yield Left(folder=folder, data=data, said=json.loads(done.stdout))


@pytest.mark.slow("plays the demonstration")
def test_the_demonstration_is_as_large_as_it_says(left: Left) -> None:
    said = left.said
    assert said["holders"] >= 1_000
    assert said["licenses"] >= 5_000
    assert said["license_types"] >= 20
    assert said["authorizations"] >= 10
    assert said["uses"] >= 5_000, "granted ones"
    assert said["refusals"] >= 100
    assert set(use.NATIONAL_CODES) == said["refusal_reasons"].keys(), "every kind of refusal"
    assert sum(said["refusal_reasons"].values()) == said["refusals"]
    assert said["events"] >= said["licenses"] + said["authorizations"] + said["uses"]
    assert said["synthetic"] is True
    assert said["seconds"] > 0
    sample = identifiers.holder_code(**said["sample_holder"])
    assert sample.code[6:14] == "19000101", "nobody real"
    for name, path in said["paths"].items():
        assert Path(path) == left.path(name)
        assert left.path(name).stat().st_size > 0


def test_its_ledger_can_be_checked_and_asked(left: Left) -> None:
    assert left.said["sound"], "it was checked in full before the demonstration ended"
    report = console.call_json("check", "--facts", "--data", left.data)
    assert (report["sound"], report["findings"], report["events"]) == (True, [], left.said["events"])
    asked = "SELECT count(*) FILTER (WHERE topic = 'LicenseIssued'), count(*) FROM events"
    done = console.run("psql", "--data", left.data, "--owner", "--", "-Atc", asked)
    assert done.stdout.strip() == f"{left.said['licenses']}|{left.said['events']}"


def test_the_bundle_is_proven_without_database_network_or_home(left: Left, tmp_path: Path) -> None:
    for name in ("use.bundle.json", "trust.json"):
        shutil.copy(left.path(name), tmp_path)
    program = [console.PROGRAM, "verify", "use.bundle.json", "--trust", "trust.json", "--json"]
    done = subprocess.run(
        [*without_network(), *program],
        cwd=tmp_path,
        env={"LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)
    assert (verdict["good"], verdict["verdict"]) == (True, "proven")
    (use,) = verdict["uses"]
    assert use["values"]["@holder_code"] == left.said["sample_holder"]["code"]
    assert use["is_demonstration"] is True
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trust.json", "use.bundle.json"]


def test_the_auditor_s_export_shows_the_use_of_the_bundle(left: Left) -> None:
    paths = (left.path("trail.export"), "--trust", left.path("trust.json"))
    verdict = console.call_json("verify", *paths, "--against", left.path("use.bundle.json"))
    assert (verdict["verdict"], verdict["omitted"]) == ("proven", [])
    assert verdict["query"] == {"holder": left.said["sample_holder"]}
    assert verdict["compared"] >= 2


@pytest.mark.parametrize("name", ["license.pdf", "copy.pdf"])
def test_the_documents_are_signed_whole(left: Left, name: str) -> None:
    said = documents.asked("pdfsig", "-nocert", left.path(name))
    assert "Signature is Valid" in said
    assert "Total document signed" in said


def without_network() -> list[str]:
    """Words before a command that take the network from it, where this machine lets us."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "--net", "true"], check=False).returncode != 0:
        return []
    return [unshare, "--net"]


def test_a_bundle_with_any_byte_flipped_is_refused(left: Left) -> None:
    data = left.read("use.bundle.json")
    chance = random.Random(1)
    flips = [(chance.randrange(len(data)), 1 << chance.randrange(8)) for _ in range(300)]
    assert accepted(left, flips) == []


@pytest.mark.faults
def test_a_bundle_with_any_byte_flipped_in_any_bit_is_refused(left: Left) -> None:
    size = len(left.read("use.bundle.json"))
    assert accepted(left, [(at, 1 << bit) for at in range(size) for bit in range(8)]) == []


def accepted(left: Left, flips: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The flips after which the bundle still seems proven."""
    data = left.read("use.bundle.json")
    assert left.judge(data).is_good
    found = []
    for at, mask in flips:
        flipped = data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]
        if left.judge(flipped).is_good:
            found.append((at, mask))
    return found


def _fields(bundle: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = bundle["uses"][0]["license"]["fields"]
    return fields


def _other_value(bundle: dict[str, Any]) -> None:
    _fields(bundle)["gender"]["value"] = {"男": "女", "女": "男"}[_fields(bundle)["gender"]["value"]]


def _other_salt(bundle: dict[str, Any]) -> None:
    _fields(bundle)["gender"]["salt"] = base64.b64encode(b"\0" * 16).decode()


def _swapped_salts(bundle: dict[str, Any]) -> None:
    one, other = _fields(bundle)["gender"], _fields(bundle)["address"]
    one["salt"], other["salt"] = other["salt"], one["salt"]


def _other_name(bundle: dict[str, Any]) -> None:
    _fields(bundle)["name"] = _fields(bundle).pop("gender")


def _left_out(bundle: dict[str, Any]) -> None:
    del _fields(bundle)["gender"]


def _other_status(bundle: dict[str, Any]) -> None:
    bundle["uses"][0]["license"]["status"] = "revoked"


def _longer_valid(bundle: dict[str, Any]) -> None:
    bundle["uses"][0]["license"]["valid_to"] = "2150-01-01"


def _other_member(bundle: dict[str, Any]) -> None:
    bundle["uses"][0]["note"] = "x"


def _swapped_events(bundle: dict[str, Any]) -> None:
    proof = bundle["uses"][0]["proof"]
    proof["event"], proof["license_event"] = proof["license_event"], proof["event"]
    proof["receipt"], proof["license_receipt"] = proof["license_receipt"], proof["receipt"]


CHANGES: tuple[Callable[[dict[str, Any]], None], ...] = (
    _other_value,
    _other_salt,
    _swapped_salts,
    _other_name,
    _left_out,
    _other_status,
    _longer_valid,
    _other_member,
    _swapped_events,
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
def test_a_bundle_in_which_one_thing_was_changed_is_refused(
    left: Left, change: Callable[[dict[str, Any]], None]
) -> None:
    bundle = json.loads(left.read("use.bundle.json"))
    changed = copy.deepcopy(bundle)
    change(changed)
    assert changed != bundle
    assert left.judge(api_world.dumps(bundle)).is_good
    verdict = left.judge(api_world.dumps(changed))
    assert (verdict.is_good, verdict.word) == (False, "refused")


def test_a_bundle_of_another_ledger_with_the_same_origin_is_refused(left: Left) -> None:
    data = left.folder / "namesake"
    origin = left.said["origin"]
    console.call("init", "--origin", origin, "--operator", world.OPERATOR, "--data", data)
    with api_world.running(config.Config(data=data)) as face:
        caller = face.register(world.HALL)
        caller.done("/v1/licenses", api_world.issue_body(7))
        caller.done("/v1/authorizations", api_world.grant_body(to=world.HALL))
        answer = caller.post("/v1/uses", api_world.use_body(7))
        assert answer.json()["uses"][0]["decision"] == "granted"
        theirs = left.folder / "theirs.bundle.json"
        theirs.write_bytes(answer.content)
        their_trust = left.folder / "theirs.trust.json"
        console.call("export", "trust", their_trust, "--data", data)
    ours, our_trust = left.path("use.bundle.json"), left.path("trust.json")
    assert "refused" in console.call("verify", theirs, "--trust", our_trust, status=1)
    assert "refused" in console.call("verify", ours, "--trust", their_trust, status=1)
    assert "proven" in console.call("verify", theirs, "--trust", their_trust)


def test_the_receipt_proves_the_event_and_no_other(left: Left) -> None:
    paths = (left.path("use.tlog-proof"), "--trust", left.path("trust.json"), "--event")
    verdict = console.call_json("verify", *paths, left.path("use.event"))
    assert (verdict["topic"], verdict["good"]) == ("LicenseUsed", True)
    (use,) = json.loads(left.read("use.bundle.json"))["uses"]
    assert base64.b64decode(use["proof"]["event"]) == left.read("use.event")
    assert verdict["index"] == use["index"]
    other = left.folder / "other.event"
    other.write_bytes(left.read("use.event")[:-1] + b"\0")
    console.call("verify", *paths, other, status=1)


def test_the_receipt_holds_by_rfc_6962_alone(left: Left) -> None:
    parsed = receipt.parse(left.read("use.tlog-proof").decode())
    size, root = parsed.checkpoint.split("\n")[1:3]
    at, last = parsed.index, int(size) - 1
    node = hashlib.sha256(b"\0" + left.read("use.event")).digest()
    for sibling in parsed.proof:
        while at % 2 == 0 and at == last:
            at, last = at // 2, last // 2
        pair = sibling + node if at % 2 else node + sibling
        node, at, last = hashlib.sha256(b"\1" + pair).digest(), at // 2, last // 2
    assert base64.b64encode(node).decode() == root


def test_another_implementation_verifies_the_receipt(left: Left) -> None:
    judges.need("tlog_scales.tlog")
    from tlog_scales import signing, tlog

    parsed = receipt.parse(left.read("use.tlog-proof").decode())
    head = tlog.Checkpoint.from_text(parsed.checkpoint)
    head.verify(signing.Vkey.from_string(left.read("log.vkey").decode().strip()))
    leaf = hashlib.sha256(b"\0" + left.read("use.event")).digest()
    tlog.InclusionProof(parsed.index, head.size, list(parsed.proof)).check(leaf, head.root_hash)


def test_the_verifier_key_is_that_of_the_trust_file_and_of_the_checkpoint(left: Left) -> None:
    text = left.read("log.vkey").decode()
    assert text.endswith("\n")
    key = note.VerifierKey.parse(text[:-1])
    (known,) = trust.parse(left.read("trust.json")).ledgers
    assert known.is_demonstration
    assert key in trust.verifier_keys(known)
    body, _ = note.verify(receipt.parse(left.read("use.tlog-proof").decode()).checkpoint, trusted=[key])
    assert note.parse_checkpoint(body).origin == key.name == f"{left.said['origin']}/0"


def pictures(left: Left) -> dict[str, bytes]:
    """Both QR pictures as PNG."""
    svg = test_qr.as_png(test_qr.drawing(left.read("license-qr.svg")))
    return {"svg": svg, "png": left.read("license-qr.png")}


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_qr_pictures_say_a_token_that_holds(left: Left, kind: str) -> None:
    judges.need("zxingcpp")
    import numpy as np
    import zxingcpp

    rows = png.Reader(bytes=pictures(left)[kind]).asDirect()[2]
    grey = np.vstack([np.asarray(row, dtype=np.uint8) * 255 for row in rows])
    (read,) = zxingcpp.read_barcodes(grey)
    assert read.text.startswith("HTTPS://")
    text = left.folder / "qr.txt"
    text.write_text(read.text)
    verdict = console.call_json("verify", text, "--trust", left.path("trust.json"))
    assert verdict["verdict"] == "valid token, paper not compared"
    picture = left.folder / f"{kind}-code.png"
    picture.write_bytes(pictures(left)[kind])
    paper = left.path("license-paper.txt")
    compared = console.call_json("verify", picture, "--trust", left.path("trust.json"), "--paper", paper)
    assert compared["verdict"] == f"valid as of {compared['as_of']}"
    assert compared["license_ref"] == verdict["license_ref"]
    (use,) = json.loads(left.read("use.bundle.json"))["uses"]
    assert verdict["license_ref"] == use["license"]["license_ref"]


def test_the_signed_license_and_the_copy_are_judged_by_the_trust_file(left: Left) -> None:
    for name, kind in (("license.pdf", "document"), ("copy.pdf", "copy")):
        said = cli_verdicts.judge(left.read(name), trusted=left.read("trust.json"), now=left.made_at)
        assert said.details["kind"] == kind, said
        assert said.is_good
        assert said.word == f"valid as of {said.details['as_of']}"


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_another_reader_reads_the_same_qr(left: Left, kind: str) -> None:
    zbarimg = judges.need("zbarimg")
    path = left.folder / f"{kind}.png"
    path.write_bytes(pictures(left)[kind])
    command = [zbarimg, "--nodbus", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", str(path)]
    read = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert read.stdout == left.read("license-qr.txt")


def test_the_page_behind_its_code_is_pictured_where_there_is_a_browser(left: Left) -> None:
    code = left.read("license-qr.txt").decode().strip()
    assert left.said["page"].endswith(code[code.index("/V/") :])
    assert (left.said["no_picture_because"] is None) is left.path("license-page.png").exists()
    judges.need("chromium")
    width, height, _, _ = png.Reader(bytes=left.read("license-page.png")).read()
    assert (width, height) == (1000, 3520)


def test_a_folder_with_something_else_in_it_is_left_alone(left: Left) -> None:
    foreign = left.folder / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("the only copy")
    said = console.run("demo", "--data", foreign, status=1)
    assert said.stderr.count("\n") == 1
    assert [path.name for path in foreign.iterdir()] == ["thesis.txt"]


@pytest.mark.faults
def test_a_demonstration_replaces_an_earlier_one_and_says_what_a_person_wants_to_see() -> None:
    with console.folder() as folder:
        data = folder / "demo"
        console.run("demo", "--data", data, "--json")
        before = (data / "out" / "log.vkey").read_bytes()
        said = console.run("demo", "--data", data).stdout
        assert (data / "out" / "log.vkey").read_bytes() != before
        console.call("check", "--data", data)
    for part in (
        "synthetic",
        "一人一档",
        "用证",
        "用证留痕",
        "离线验证",
        "proven",
        "█",
        "license-ledger verify",
    ):
        assert part in said
