"""A ledger's day over HTTP in which every value of a natural person is a marker.

`Day` drives a real service, run by `license-ledger serve`, as registered clients do: everything the face
offers, granted and refused, and requests that carry markers where they do not belong.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import signal
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from api import auth, client
from ledger import catalog
from tests import console, leaks_disputes, leaks_documents, leaks_household, leaks_stock, world
from tests.leaks import Markers

ITEM = "350100-QY-001"
DRIVING, DISABILITY = (
    fact.type_code
    for fact in catalog.national_catalog(world.OPERATOR)
    if fact.name_zh in ("机动车驾驶证", "残疾人证")
)
KEYS = itertools.count(1)
_ELSEWHERE = "11100000MB0143028R001.11350000000000019H.2026000001.001.P"


@dataclass(frozen=True, kw_only=True)
class Serving:
    """A service that runs."""

    url: str
    metrics_url: str
    pid: int


@contextlib.contextmanager
def serving(data: Path, log: Path, scratch: Path) -> Iterator[Serving]:
    """`license-ledger serve` in a process of its own, with `scratch` for what it keeps for a moment."""
    port, metrics_port = free_ports(2)
    url, bind = f"http://127.0.0.1:{port}", f"127.0.0.1:{metrics_port}"
    with log.open("wb") as output:
        service = subprocess.Popen(
            [console.PROGRAM, "serve", "--port", str(port), "--data", data],
            env=console.environment(
                LEDGER_PUBLIC_URL=url,
                LEDGER_METRICS_BIND=bind,
                TMPDIR=str(scratch),
                SQLITE_TMPDIR=str(scratch),
            ),
            stdout=output,
            stderr=output,
        )
    try:
        give_up_at = time.monotonic() + 60
        while time.monotonic() < give_up_at and service.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{url}/readyz", timeout=60).status_code == 200:
                    break
        yield Serving(url=url, metrics_url=f"http://{bind}/metrics", pid=service.pid)
    finally:
        service.terminate()
        assert service.wait(timeout=60) in (0, -signal.SIGTERM)


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on, each another."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


class Caller:
    """A client that the command line registered."""

    def __init__(self, url: str, data: Path, key: Path, organization: str, *scopes: str) -> None:
        console.call("clients", "generate-key", key)
        asked = ["--name", key.stem, "--organization", organization, "--key", f"{key}.pub"]
        asked += ["--data", str(data)]
        asked += [word for scope in scopes for word in ("--scope", scope)]
        types = (world.CITIZEN_CARD, DRIVING, DISABILITY, world.BOOKLET) if "license:issue" in scopes else ()
        asked += [word for code in types for word in ("--license-type", code)]
        self.client_id = console.call_json("clients", "register", *asked)["client_id"]
        self._private = json.loads(key.read_text())
        self._http = httpx.Client(base_url=url, timeout=60)
        self._headers = {"Authorization": f"Bearer {self._token(url)}"}

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def _token(self, url: str) -> str:
        audience = f"{url}/oauth/token"
        assertion = auth.make_assertion(
            self._private,
            algorithm="Ed25519",
            client_id=self.client_id,
            audience=audience,
            now=int(time.time()),
        )
        answer = self.form(client_assertion=assertion)
        return str(answer.json()["access_token"])

    def form(self, **fields: str) -> httpx.Response:
        """The answer of the token endpoint."""
        known = {"grant_type": "client_credentials", "client_assertion_type": client.ASSERTION_TYPE}
        return self._http.post("/oauth/token", data=known | fields)

    def send(self, path: str, body: Any, *, key: str = "", **headers: str) -> httpx.Response:
        """The answer to a POST."""
        content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        own = {"Content-Type": "application/json", "Idempotency-Key": key or f"key-{next(KEYS)}"}
        return self._http.post(path, content=content, headers={**own, **self._headers, **headers})

    def done(self, path: str, body: Any, **more: str) -> Any:
        """The answer to a POST that must succeed, sooner or later where lists are behind."""
        key = more.pop("key", "") or f"key-{next(KEYS)}"
        for _ in range(30):
            answer = self.send(path, body, key=key, **more)
            if answer.status_code != 503 or "behind-index" not in answer.text:
                break
        assert answer.status_code == 200, answer.text
        return answer.json()

    def put(self, path: str, content: bytes) -> Any:
        """The answer to a PUT of a file that must succeed."""
        headers = {**self._headers, "Content-Type": "application/octet-stream"}
        answer = self._http.put(path, content=content, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, path: str, **headers: str) -> httpx.Response:
        """The answer to a GET."""
        return self._http.get(path, headers={**self._headers, **headers})


class Day:
    """What happens to some people in one run."""

    def __init__(self, url: str, folder: Path, data: Path, markers: Markers) -> None:
        self.url, self.data, self.markers = url, data, markers
        rights = ("license:issue", "authorization:grant", "consent:attest")
        self.issuer = Caller(url, data, folder / "issuer.jwk", world.ISSUER, *rights)
        uses = ("license:use", "license:verify", "file:attest", "case:upload")
        self.hall = Caller(url, data, folder / "hall.jwk", world.HALL, *uses)
        self.auditor = Caller(url, data, folder / "auditor.jwk", world.AUDITOR, "audit:read")
        self.disclosed, self.refusals = 0, b""

    def __enter__(self) -> Day:
        return self

    def __exit__(self, *_: object) -> None:
        for caller in (self.issuer, self.hall, self.auditor):
            caller.close()

    def act(self, *, case: bool = True) -> dict[str, Any]:
        """Who acts, with a reason that is about somebody."""
        said: dict[str, Any] = {
            "operator": {"account": self.markers.account(), "name": self.markers.name("operator")},
            "reason": self.markers.text("reason"),
        }
        return {**said, "case_number": "CASE-2026-1"} if case else said

    def version(self, holder: dict[str, str], type_code: str, number: str, serial: str) -> dict[str, Any]:
        """A version of a license whose every field tells of its holder."""
        (fact,) = (one for one in catalog.national_catalog(world.OPERATOR) if one.type_code == type_code)
        names = [name for name, _ in fact.fields][:8]
        fields: dict[str, Any] = {name: self.markers.text(f"field {name}") for name in names}
        fields[names[-1]] = float(self.markers.number())
        return {
            **self.act(),
            "holder": {**holder, "name": self.markers.name()},
            "number": number,
            "serial": serial,
            "fields": fields,
            "valid_from": "2020-01-01",
            "valid_to": None,
            "issued_on": "2020-01-01",
            "attachments": [self.photo()],
        }

    def photo(self) -> dict[str, str]:
        """A photo whose every byte is its holder's."""
        data = base64.b64encode(self.markers.photo()).decode()
        return {"name": "photo", "media_type": "image/jpeg", "data": data}

    def issue_and_change(self, holder: dict[str, str]) -> list[dict[str, Any]]:
        """Three licenses, two with the holder's citizen ID in number and serial; one lives through all."""
        code = holder["code"]
        made = []
        for type_code, number, serial in (
            (world.CITIZEN_CARD, f"证{self.markers.text('printed number')}", f"A{next(KEYS)}"),
            (DISABILITY, f"{code}44", f"{code}44"),
            (DRIVING, code, code),
        ):
            asked = {"license_type": type_code, **self.version(holder, type_code, number, serial)}
            made.append(self.issuer.done("/v1/licenses", asked))
        path = f"/v1/licenses/{made[2]['license_ref']}"
        again = self.version(holder, DRIVING, code, code)
        again.pop("serial")
        self.issuer.done(f"{path}/amend", again)
        for verb in ("suspend", "reinstate", "revoke"):
            change = {**self.act(), "legal_basis": self.markers.text("legal basis")}
            self.issuer.done(f"{path}/{verb}", change)
        return made

    def import_old(self, holder: dict[str, str]) -> None:
        """Old licenses whose printed number, identifier and source are the holder's citizen ID."""
        rows = leaks_stock.rows(holder["code"], (DRIVING, DISABILITY), self.markers)
        job = self.issuer.done("/v1/imports", {**self.act(), "format": "ndjson"})
        path = f"/v1/imports/{job['import_ref']}"
        told = self.issuer.put(f"{path}/file", "".join(json.dumps(row) + "\n" for row in rows).encode())
        while told["status"] in ("queued", "running"):
            told = self.issuer.get(path).json()
        assert (told["status"], told["issued"], told["with_findings"]) == ("done", 2, 2), told
        self.refusals += self.issuer.get(f"{path}/results").content

    def authorize(self, holder: dict[str, str]) -> str:
        """Consent, narrowed; another one, withdrawn; returns the use code of the first."""
        scope = {"license_types": [world.CITIZEN_CARD, DISABILITY, DRIVING], "uses_max": 20}
        asked = {"mode": "holder", "requester": world.HALL, "holder": holder, "scope": scope}
        evidence = self.markers.evidence
        first = self.issuer.done("/v1/authorizations", {**self.act(), **asked, "evidence": evidence()})
        second = self.issuer.done("/v1/authorizations", {**self.act(), **asked, "evidence": evidence()})
        path = "/v1/authorizations/"
        self.issuer.done(
            f"{path}{first['authorization_ref']}/narrow", {**self.act(), "scope": {"uses_max": 15}}
        )
        self.issuer.done(f"{path}{second['authorization_ref']}/withdraw", self.act())
        return str(first["use_code"])

    def use_body(self, **named: Any) -> dict[str, Any]:
        """A use by an operator, for a reason."""
        act = self.act()
        purpose = {
            "service_item_code": ITEM,
            "service_item_name": self.markers.text("service item"),
            "case_number": act["case_number"],
            "reason": act["reason"],
        }
        return {"purpose": purpose, "operator": act["operator"], **named}

    def use(self, holder: dict[str, str], made: list[dict[str, Any]], use_code: str) -> None:
        """Uses granted and refused: revoked, not held, not of this ledger; one by one, in a batch."""
        stranger = {"code_type": "111", "code": self.markers.code()}
        wanted = [
            {"holder": holder, "license_type": world.CITIZEN_CARD},
            {"license_ref": made[1]["license_ref"]},
            {"use_code": use_code},
            {"holder": holder, "license_type": DRIVING},
            {"holder": stranger, "license_type": world.CITIZEN_CARD},
        ]
        claims = {"name": self.markers.name(), "gender": self.markers.text("claim")}
        for named in wanted:
            self.hall.done("/v1/comparisons", {**self.use_body(**named), "claims": claims})
        parties = [{"role": "applicant", **holder}, {"role": "agent", **stranger}]
        opened = {**self.act(), "case_number": f"CASE-{next(KEYS)}", "service_item_code": ITEM}
        opened["opened_at"] = "2026-01-02T00:00:00+08:00"
        self.hall.done("/v1/cases/open", {**opened, "parties": parties})
        decided = [self.hall.done("/v1/uses", self.use_body(**named)) for named in wanted]
        items = [{**self.use_body(**named), "idempotency_key": f"item-{next(KEYS)}"} for named in wanted[:2]]
        broken = {**self.use_body(**wanted[0]), "idempotency_key": "x", self.markers.account("member"): 1}
        told = self.hall.done("/v1/uses/batch", {"items": [*items, broken]})["items"]
        assert [item["status"] for item in told] == [200, 200, 422]
        granted = [use for answer in decided for use in answer["uses"] if use["decision"] == "granted"]
        assert 2 <= len(granted) < 2 * len(wanted)
        self.disclosed += sum(len(use["license"]["fields"]) for use in granted)
        asked = {**self.use_body(**wanted[0]), "fields": ["@attachment_photo"]}
        (shown,) = self.hall.done("/v1/uses", asked)["uses"]
        path = f"/v1/attachments/{shown['index']}/{shown['license']['license_ref']}/photo"
        assert self.hall.get(path).content.startswith(b"\xff\xd8\xff")
        self.refused(self.auditor.get(path))
        body = self.use_body(**wanted[0])
        key = f"key-{next(KEYS)}"
        self.hall.done("/v1/uses", body, key=key)
        self.hall.done("/v1/uses", body, key=key)
        assert self.hall.send("/v1/uses", self.use_body(**wanted[0]), key=key).status_code == 422

    def look(self, holder: dict[str, str], made: list[dict[str, Any]]) -> None:
        """The holder's file, the auditor's trail, verifications and the page behind the QR code."""
        asked = {**self.act(), "holder": holder, "evidence": self.markers.evidence()}
        size = self.hall.get("/log/0/checkpoint").text.split("\n")[1]
        file = self.hall.done("/v1/holders/search", asked, **{"Ledger-At-Least": str(int(size) - 1)})
        assert any(one["fields"] for one in file["licenses"])
        at_least = {"Ledger-At-Least": str(file["index"])}
        for about in ({"holder": holder}, {"license_ref": made[0]["license_ref"]}):
            trail = self.auditor.done("/v1/audit/trail", {**self.act(), "filter": about}, **at_least)
            assert trail["events"]
            assert self.auditor.send("/v1/audit/exports", {**self.act(), "filter": about}).status_code == 200
        whose = {"organization": world.HALL, "account": self.markers.account()}
        self.auditor.done("/v1/audit/trail", {**self.act(), "filter": {"operator": whose}}, **at_least)
        token = made[0]["qr"]
        self.hall.done("/v1/verifications", {**self.act(), "token": token})
        self.hall.done("/v1/verifications", {**self.act(), "token": f"HTTPS://X/V/{self.markers.account()}"})
        self.hall.done("/v1/verifications", {**self.act(), "license_ref": made[2]["license_ref"]})
        assert self.hall.get(f"/V/{token.rpartition('/')[2]}").status_code == 200

    def go_on(self, holder: dict[str, str]) -> None:
        """A license of two owners: drafted, frozen, lost, replaced, renewed, endorsed; one from elsewhere."""
        fresh, owner = self.markers, {"code_type": "111", "code": self.markers.code()}
        number = fresh.text("printed number")
        asked = self.version(holder, world.CITIZEN_CARD, number, f"B{next(KEYS)}")
        name = next(iter(asked["fields"]))
        own = {"name": fresh.name(), "role": "co-owner", "fields": {name: asked["fields"].pop(name)}}
        asked |= {"license_type": world.CITIZEN_CARD, "parties": [{**owner, **own}]}
        draft = f"/v1/drafts/{self.issuer.done('/v1/drafts', asked)['draft_ref']}"
        self.issuer.done(f"{draft}/review", {**self.act(), "decision": "approve"})
        path = f"/v1/licenses/{self.issuer.done(f'{draft}/issue', self.act())['license_ref']}"
        for verb in ("freeze", "release", "report-lost"):
            change = {**self.act(), "legal_basis": fresh.text("legal basis")}
            order = {} if verb == "report-lost" else {"document_number": fresh.text("court order")}
            self.issuer.done(f"{path}/{verb}", {**change, **order})
        printed = {"number": fresh.text("printed number"), "issued_on": "2026-01-01"}
        self.issuer.done(f"{path}/replace", {**self.act(), **printed, "cause": "lost"})
        self.issuer.done(f"{path}/renew", {**self.act(), **printed, "valid_from": "2026-01-01"})
        endorsed = {"kind": "annual-review", "period": "2026", "result": "passed"}
        self.issuer.done(f"{path}/endorse", {**self.act(), **endorsed})
        consent = {"mode": "holder", "requester": world.HALL, "evidence": fresh.evidence()}
        scope = {"license_types": [world.CITIZEN_CARD]}
        consent |= {**self.act(), "holder": owner, "scope": scope}
        granted = self.issuer.done("/v1/authorizations", consent)
        join = {**self.act(), "holder": holder, "evidence": fresh.evidence()}
        self.issuer.done(f"/v1/authorizations/{granted['authorization_ref']}/join", join)
        (used,) = self.hall.done("/v1/uses", self.use_body(use_code=granted["use_code"]))["uses"]
        self.disclosed += len(used["license"]["fields"])
        agent = {**self.act(), "agent": {"code_type": "111", "code": fresh.code()}, "holder": owner}
        agent |= {"evidence": fresh.evidence(), "valid_until": "2099-01-01T00:00:00Z"}
        self.issuer.done("/v1/entrustments", agent)
        leaks_household.house(self, holder)
        origin = {"license_id": f"1.2.156.3005.2.{_ELSEWHERE}", "number": fresh.text("origin's number")}
        moved = self.version(holder, DRIVING, fresh.text("printed number"), f"C{next(KEYS)}")
        self.issuer.done("/v1/licenses/transfer-in", {"license_type": DRIVING, **moved, "origin": origin})

    def misplace(self, holder: dict[str, str]) -> None:
        """Requests that carry markers where they do not belong; each is refused with 4xx."""
        fresh = self.markers
        whole = self.version({"code_type": "111", "code": fresh.code()}, DRIVING, "N", "A")
        issue = {"license_type": DRIVING, **whole}
        use = self.use_body(holder=holder, license_type=DRIVING)
        scope = {"license_types": [DRIVING]}
        grant = {**self.act(), "mode": "statutory", "requester": world.HALL}
        bodies: list[tuple[str, Any]] = [
            ("/v1/licenses", {**issue, "holder": {**whole["holder"], "code": fresh.wrong_code()}}),
            ("/v1/licenses", {**issue, "license_type": fresh.account()}),
            ("/v1/licenses", {**issue, "fields": {fresh.account("member"): 1}}),
            ("/v1/licenses", {**issue, "fields": {f"n{fresh.code().lower()}": 1}}),
            ("/v1/licenses", {**issue, "serial": fresh.account()}),
            ("/v1/licenses", {**issue, "case_number": fresh.code()}),
            ("/v1/licenses", {**issue, "service_item_code": fresh.code()}),
            ("/v1/licenses", {**issue, "channel": fresh.account()}),
            ("/v1/licenses", {**issue, "valid_from": fresh.account()}),
            ("/v1/licenses", {**issue, fresh.account("member"): 1}),
            ("/v1/licenses", {**issue, fresh.name("member"): fresh.name()}),
            ("/v1/uses", {**use, "license_type": fresh.account()}),
            ("/v1/uses", {**use, "license_ref": fresh.name()}),
            ("/v1/uses", {**use, "purpose": {**use["purpose"], "case_number": f"办{fresh.code()}"}}),
            ("/v1/authorizations", {**grant, "scope": {**scope, "fields": [f"n{fresh.code().lower()}"]}}),
            ("/v1/authorizations", {**grant, "scope": {**scope, "service_items": [fresh.code()]}}),
            ("/v1/authorizations", {**grant, "scope": scope, "requester": fresh.code()}),
            ("/v1/comparisons", {**use, "claims": {f"n{fresh.code().lower()}": fresh.name()}}),
            ("/v1/comparisons", {**use, "claims": {"name": [fresh.name()]}}),
            ("/v1/holders/search", {**self.act(), "holder": holder, "evidence": fresh.text("evidence")}),
            ("/v1/verifications", {**self.act(), "license_ref": fresh.name()}),
        ]
        for path, body in bodies:
            who = self.issuer if path in ("/v1/licenses", "/v1/authorizations") else self.hall
            answer = who.send(path, body)
            self.refused(answer)
        self.hall.done("/v1/uses", {**use, "fields": [f"n{fresh.code().lower()}"]})
        for member, what in (("requester", "trail"), ("issuer", "trail"), ("case_number", "exports")):
            trail = {**self.act(), "filter": {member: fresh.code()}}
            assert self.auditor.send(f"/v1/audit/{what}", trail).status_code < 500

    def refused(self, answer: httpx.Response) -> None:
        """Note what a request was refused with."""
        assert 400 <= answer.status_code < 500, (answer.request.url, answer.text)
        self.refusals += answer.content + repr(answer.headers).encode()

    def malform(self) -> None:
        """Requests that are no requests, with markers in path, query, headers, form and broken JSON."""
        fresh = self.markers
        quoted = urllib.parse.quote
        broken = f'{{"name": "{fresh.name()}", "code": {fresh.code()}'.encode()
        name = fresh.account("member")
        answers = [
            self.issuer.send("/v1/licenses", broken),
            self.issuer.send("/v1/licenses", f'{{"{name}": 1, "{name}": 2}}'.encode()),
            self.issuer.send("/v1/licenses", fresh.name().encode(), **{"Content-Type": "text/plain"}),
            self.issuer.send("/v1/licenses", {}, key=f"{fresh.account()} with a blank"),
            self.issuer.send(f"/v1/licenses/{quoted(fresh.name())}/suspend", self.act()),
            self.issuer.send(f"/v1/{quoted(fresh.name())}", {}),
            self.issuer.get(f"/v1/licenses/{fresh.code()}?name={quoted(fresh.name())}"),
            self.issuer.get(f"/v1/receipts/{fresh.code()}/{fresh.code()}"),
            self.issuer.get(f"/V/{fresh.account()}"),
            self.issuer.get(
                f"/{fresh.code()}", **{"X-Name": quoted(fresh.name()), "User-Agent": fresh.account()}
            ),
            self.issuer.get("/v1/licenses/x", Authorization=f"Bearer {fresh.account()}"),
            self.issuer.send("/v1/audit/trail", {}, **{"Ledger-At-Least": fresh.account()}),
            self.issuer.form(client_assertion=fresh.account()),
            self.issuer.form(client_assertion=f"{fresh.account()}.{fresh.account()}.{fresh.account()}"),
            self.issuer.form(client_assertion="x", client_id=fresh.account(), scope=fresh.name()),
        ]
        for answer in answers:
            self.refused(answer)
        with socket.create_connection(urllib.parse.urlsplit(self.url).netloc.split(":"), timeout=10) as raw:  # type: ignore[arg-type]
            raw.sendall(f"GET /{fresh.name()} NONSENSE/{fresh.account()}\r\n\r\n".encode())
            raw.recv(1024)

    def erase(self, holder: dict[str, str]) -> None:
        """The holder is erased at the console."""
        who = ("--operator", self.markers.account(), "--operator-name", self.markers.name("operator"))
        asked = ("holders", "erase", "--code-type", "111", *who, "--reason", self.markers.text("reason"))
        console.run(*asked, "--data", self.data, said=f"{holder['code']}\n")

    def live(self, *, people: int) -> None:
        """All of it, for so many people."""
        for number in range(people):
            holder = {"code_type": "111", "code": self.markers.code()}
            made = self.issue_and_change(holder)
            self.import_old(holder)
            self.refusals += leaks_stock.collect(
                self.issuer, self.act(), holder["code"], DISABILITY, self.markers
            )
            use_code = self.authorize(holder)
            self.use(holder, made, use_code)
            if number == 0:
                leaks_documents.leave(self, holder, made[0]["license_ref"])
                leaks_disputes.settle(self, holder, made[0]["license_ref"])
            self.look(holder, made)
            self.go_on(holder)
            self.misplace(holder)
            self.malform()
            if number % 3 == 0:
                self.erase(holder)
                assert self.hall.send("/v1/uses", self.use_body(use_code=use_code)).status_code == 200
