"""The demonstration: a small synthetic province, from an empty folder to a use that anyone can prove.

Makes a ledger whose origin says demo, serves it, and plays issuing systems, approval systems, a window
and an auditor against it over HTTP. What it leaves in `out/` can be verified without the ledger.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api import auth, demo_client, demo_people
from ledger import catalog, config, errors, issuer_seal_register, opening, registry_commands, store
from signing import ids

ORIGIN = "demo.license-ledger.example/fujian"
OPERATOR = "11350000000000019H"
ISSUER_NAME = "示例省行政审批局"
SEED = 20261122
CALLERS = 24
SINGLE_USES, BATCHED_USES = 1_000, 5_600
USES_A_BATCH, BATCHES_AT_ONCE = 400, 2
NATURAL_TYPES = (1, 4, 15, 16, 19, 20, 36, 44, 60, 68)
LEGAL_TYPES = (0, 17, 31, 33, 41, 50, 51, 56, 58, 64)
"""Rows of the shipped catalog: twenty types in use."""
ITEMS = ("350100-QY-001", "350100-GR-002", "350100-SP-003")
Progress = Callable[[str, int, int], None]
"""progress(step, done, total)."""


@dataclass(kw_only=True)
class World:
    """What the demonstration made."""

    folder: Path
    base_url: str
    issuer: demo_client.Client
    halls: list[demo_client.Client]
    hall_codes: list[str]
    auditor: demo_client.Client
    holders: list[demo_people.Person]
    licenses: list[dict[str, Any]] = field(default_factory=list)
    """type code, holder and license_ref of each."""
    covered: set[str] = field(default_factory=set)
    """Type codes that the standing authorizations name."""
    consents: list[tuple[demo_people.Person, str]] = field(default_factory=list)
    """Holders who consented, each with a type that the consent names."""
    authorizations: int = 0
    uses: int = 0
    refusals: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


@contextlib.contextmanager
def served(folder: Path, progress: Progress) -> Iterator[World]:
    """A fresh demonstration ledger in `folder`, served on a free port of this machine."""
    configured = config.load(data=folder)
    if not configured.is_embedded:
        raise errors.Invalid("the demonstration runs on the embedded database", field="LEDGER_DATABASE_URL")
    progress("ledger", 0, 1)
    opening.init(configured, origin=ORIGIN, operator=OPERATOR)
    port = _free_port()
    base_url = f"http://127.0.0.1:{port}"
    with opening.opened(configured) as ledger:
        world = _registered(ledger, folder, base_url)
        with _service(folder, base_url, port):
            progress("ledger", 1, 1)
            yield world


def play(world: World, progress: Progress) -> None:
    """Issue, authorize and use, as a province does on an ordinary morning."""
    chance = random.Random(SEED)  # noqa: S311 - a world to be made again, nothing secret
    _declare_coverage(world)
    _issue_all(world, chance, progress)
    _authorize_all(world, chance, progress)
    _change_some(world, chance)
    _use_all(world, chance, progress)


def act(operator: str = "wang01", name: str = "王经办") -> dict[str, Any]:
    """The members with which every request says who acts."""
    return {"operator": {"account": operator, "name": name}, "case_number": "DEMO-2026-000001"}


def purpose(number: int, item: str) -> dict[str, Any]:
    """The purpose of a use."""
    return {
        "service_item_code": item,
        "service_item_name": "开办餐饮店一件事",
        "case_number": f"DEMO-2026-{number:06}",
        "reason": "核验申请人是否持有所需证照",
    }


def _registered(ledger: opening.Ledger, folder: Path, base_url: str) -> World:
    """The client systems, registered at the ledger's console."""
    types = [fact.type_code for fact in catalog.national_catalog(OPERATOR)]
    hall_codes = [demo_people.organization(number) for number in (1, 2, 3, 4)]
    made: list[demo_client.Client] = []
    wanted = [
        (
            "颁证系统",
            OPERATOR,
            ("license:issue", "authorization:grant", "consent:attest", "coverage:declare", "holder:register"),
            tuple(types),
        ),
        *(
            (f"审批系统 {code[8:]}", code, ("license:use", "license:verify", "file:attest"), ())
            for code in hall_codes
        ),
        ("审计系统", demo_people.organization(9), ("audit:read",), ()),
    ]
    with ledger.appending() as appender:
        issuer_seal_register.demonstrate(
            ledger, appender, organization=OPERATOR, name=ISSUER_NAME, at=store.wall_clock()
        )
        for name, organization, scopes, may_issue in wanted:
            private, public = auth.generate_client_key("Ed25519")
            asked = registry_commands.RegisterClient(
                actor=ledger.console,
                name=name,
                acts_for=organization,
                scopes=scopes,
                license_types=may_issue,
                algorithm="Ed25519",
                keys=(json.dumps(public, sort_keys=True),),
            )
            appender.submit(asked).result()
            made.append(
                demo_client.Client(base_url, client_id=ids.text(asked.client_id), private_key=private)
            )
    holders = demo_people.people(700, seed=SEED) + demo_people.enterprises(300, seed=SEED)
    return World(
        folder=folder,
        base_url=base_url,
        issuer=made[0],
        halls=made[1:5],
        hall_codes=hall_codes,
        auditor=made[5],
        holders=holders,
    )


def _issue_all(world: World, chance: random.Random, progress: Progress) -> None:
    entries = list(catalog.national_catalog(OPERATOR))
    jobs: list[tuple[demo_people.Person, catalog.LicenseTypeRegistered, int]] = []
    for person in world.holders:
        rows = NATURAL_TYPES if person.code_type == "111" else LEGAL_TYPES
        first, *rest = rows
        for row in [first, *chance.sample(rest, chance.choice((3, 4, 4, 5)))]:
            jobs.append((person, entries[row], len(jobs)))

    def issue(job: tuple[demo_people.Person, catalog.LicenseTypeRegistered, int]) -> dict[str, Any]:
        person, entry, number = job
        names = [name for name, _ in entry.fields if name != "photo"] or ["name", "scope"]
        answer = world.issuer.post(
            "/v1/licenses",
            {
                **act(),
                "license_type": entry.type_code,
                "holder": {"code_type": person.code_type, "code": person.code, "name": person.name},
                "number": f"闽{number:08}",
                "fields": {name: _value(name, person, number) for name in names},
                "valid_from": "2020-01-01" if number % 40 or not number % 21 else "2099-01-01",
                "valid_to": (None, "2099-12-31", "2099-12-31")[number % 3] if number % 21 else "2024-12-31",
                "issued_on": "2020-01-01",
            },
        )
        return {"person": person, "type": entry.type_code, **answer}

    world.licenses = _all(issue, jobs, "licenses", progress)


def _declare_coverage(world: World) -> None:
    """Every other type is wholly collected; of the others the paper still counts. One source is down."""
    entries = list(catalog.national_catalog(OPERATOR))
    for row in sorted({*NATURAL_TYPES, *LEGAL_TYPES})[::2]:
        path = f"/v1/license-types/{entries[row].type_code}"
        world.issuer.post(f"{path}/coverage", {**act(), "holds": "all"})
    path = f"/v1/license-types/{entries[LEGAL_TYPES[3]].type_code}"
    world.issuer.post(f"{path}/source", {**act(), "source": "down"})


def _value(name: str, person: demo_people.Person, number: int) -> str:
    known = {
        "name": person.name,
        "operator_name": person.name,
        "unit_name": person.name,
        "citizen_id": person.code,
        "credit_code": person.code,
        "birth_date": "1900-01-01",
        "gender": "男" if number % 2 else "女",
        "ethnicity": "汉",
        "address": f"示例省示例市示例路{number}号",
        "issuing_authority": "示例市公安局",
        "validity_period": "2020.01.01—长期",
    }
    return known.get(name, f"示例{name.replace('_', ' ')}{number}")


def _authorize_all(world: World, chance: random.Random, progress: Progress) -> None:
    """Standing authorizations for the halls, and consent of some holders."""
    entries = list(catalog.national_catalog(OPERATOR))
    jobs: list[dict[str, Any]] = []
    for hall in world.hall_codes[:2]:
        scope = {"license_types": sorted(entries[row].type_code for row in NATURAL_TYPES[:6])}
        jobs.append({"mode": "statutory", "requester": hall, "scope": scope})
        free = [row for row in LEGAL_TYPES if entries[row].sharing_class == "unconditional"]
        scope = {"license_types": sorted(entries[row].type_code for row in free[:7])}
        jobs.append({"mode": "unconditional", "requester": hall, "scope": scope})
    world.covered = {code for job in jobs for code in job["scope"]["license_types"]}
    narrow = {
        "license_types": [entries[NATURAL_TYPES[0]].type_code],
        "fields": ["@holder_name", "name"],
        "service_items": [ITEMS[1]],
    }
    jobs.append({"mode": "statutory", "requester": world.hall_codes[2], "scope": narrow})
    for person in chance.sample([one for one in world.holders if one.code_type == "111"], 60):
        held = [one["type"] for one in world.licenses if one["person"] is person]
        world.consents.append((person, held[-1]))
        jobs.append(
            {
                "mode": "holder",
                "requester": world.hall_codes[2],
                "holder": {"code_type": person.code_type, "code": person.code},
                "evidence": "5a" * 32,
                "scope": {"license_types": sorted(set(held)), "uses_max": 3},
            }
        )

    def grant(job: dict[str, Any]) -> Any:
        return world.issuer.post("/v1/authorizations", {**act("li02", "李窗口"), **job})

    granted = _all(grant, jobs, "authorizations", progress)
    world.authorizations = len(granted)
    for one in granted[-4:]:
        ref = one["authorization_ref"]
        world.issuer.post(
            f"/v1/authorizations/{ref}/withdraw", {**act("li02", "李窗口"), "reason": "持证人撤回"}
        )
    world.consents = world.consents[-12:]


def _change_some(world: World, chance: random.Random) -> None:
    """Some licenses are suspended, revoked or cancelled."""
    verbs = ("suspend", "revoke", "cancel", "annul", "recall")
    basis = {"reason": "示范变更", "legal_basis": "行政许可法"}
    for number, one in enumerate(chance.sample(world.licenses, 60)):
        verb = verbs[number % len(verbs)]
        world.issuer.post(f"/v1/licenses/{one['license_ref']}/{verb}", {**act(), **basis})
        one["is_changed"] = True


def _use_all(world: World, chance: random.Random, progress: Progress) -> None:
    """Uses one by one, then in batches; the common refusals among them."""
    jobs = [_use_job(world, chance, number) for number in range(SINGLE_USES)]
    answers = _all(lambda job: world.halls[job[0]].post("/v1/uses", job[1]), jobs, "uses", progress)
    starts = range(SINGLE_USES, SINGLE_USES + BATCHED_USES, USES_A_BATCH)
    batches = [
        [_use_job(world, chance, start + number)[1] for number in range(USES_A_BATCH)] for start in starts
    ]

    def use(batch: int) -> list[dict[str, Any]]:
        keyed = [{**item, "idempotency_key": f"demo-{batch}-{n}"} for n, item in enumerate(batches[batch])]
        # The halls take turns, so that neither meets more refusals in a minute than a client may.
        answer = world.halls[batch % 2].post("/v1/uses/batch", {"items": keyed})
        return [item["answer"] for item in answer["items"]]

    for told in _all(use, range(len(batches)), "batches of uses", progress, callers=BATCHES_AT_ONCE):
        answers += told
    count(world, [use for answer in answers for use in answer["uses"]])


def count(world: World, uses: Sequence[dict[str, Any]]) -> None:
    """Add some answers to what the world tells of itself."""
    for use in uses:
        world.uses += use["decision"] == "granted"
        world.refusals += use["decision"] == "refused"
        if use["reason"]:
            world.reasons[use["reason"]] = world.reasons.get(use["reason"], 0) + 1


def _use_job(world: World, chance: random.Random, number: int) -> tuple[int, dict[str, Any]]:
    """One request: mostly what its hall is there for, now and then what it may not have."""
    one = chance.choice(world.licenses)
    if chance.random() < 0.8:
        covered = [item for item in chance.sample(world.licenses, 12) if item["type"] in world.covered]
        one = covered[0] if covered else one
    person = one["person"]
    type_code = one["type"] if chance.random() < 0.95 else chance.choice(sorted(world.covered))
    hall = chance.choice((0, 0, 0, 0, 1, 1, 1, 2))
    body: dict[str, Any] = {
        "purpose": purpose(number, chance.choice(ITEMS)),
        "operator": {"account": f"clerk{number % 20:02}", "name": "陈受理"},
    }
    if number % 10 == 0 and world.consents:
        person, type_code = world.consents[number // 10 % 12]
        hall = 2
    if number % 17 == 0:
        body["license_ref"] = one["license_ref"]
    else:
        body["holder"] = {"code_type": person.code_type, "code": person.code}
        body["license_type"] = type_code
    if number % 23 == 0:
        body["fields"] = ["@holder_name", "name"]
    return hall, body


def _all(
    call: Callable[[Any], Any],
    jobs: Sequence[Any],
    step: str,
    progress: Progress,
    *,
    callers: int = CALLERS,
) -> list[Any]:
    """Every job done by many callers at once, results in the jobs' order."""
    results = []
    with ThreadPoolExecutor(callers) as pool:
        for done, result in enumerate(pool.map(call, jobs), start=1):
            results.append(result)
            progress(step, done, len(jobs))
    return results


@contextlib.contextmanager
def _service(folder: Path, base_url: str, port: int) -> Iterator[None]:
    """`license-ledger serve` in a process of its own, until the block ends."""
    program = [sys.executable, "-c", "from api.cli import main; main()", "serve", "--port", str(port)]
    environment = config.child_environment() | {"LEDGER_PUBLIC_URL": base_url}
    log = folder / "service.log"
    with log.open("wb") as output:
        service = subprocess.Popen(  # noqa: S603 - our own program
            [*program, "--data", str(folder)], stdout=output, stderr=output, env=environment
        )
    try:
        _wait_until_answering(service, port, log)
        yield
    finally:
        service.terminate()
        service.wait(timeout=30)


def _wait_until_answering(service: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up_at = time.monotonic() + 60
    while time.monotonic() < give_up_at:
        if service.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise errors.Unavailable(f"the service did not start: see {log}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
