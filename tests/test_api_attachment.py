"""Attachments over HTTP: brought with a version, kept, read by whom an event told of them and nobody else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from api import models
from ledger import (
    attachment,
    check,
    errors,
    identifiers,
    keeping,
    license_commands,
    migration,
    state,
)
from signing import ids
from tests import api_world, pictures, world
from tests.api_world import Caller, Face, issue_body, person, problem, use_body
from tests.conftest import Cluster

JPEG = pictures.remarked(pictures.jpeg(), bytes(range(256)) * 150)
PNG = pictures.png()
PDF = b"%PDF-1.7\n" + bytes(100)
PHOTO, SCAN = "@attachment_photo", "@attachment_scan"
REVIEW = api_world.example("ReviewDraftBody")
ISSUE = api_world.example("IssueDraftBody")


@pytest.fixture(scope="module")
def face(cluster: Cluster) -> Iterator[Face]:
    with api_world.fresh(cluster) as running:
        running.cover()
        yield running


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    made = face.register(
        world.ISSUER, "license:issue", "authorization:grant", "consent:attest", "holder:register"
    )
    grant = {**api_world.example("GrantBody"), "mode": "statutory", "requester": world.HALL}
    scope = {"license_types": [world.CITIZEN_CARD]}
    made.done("/v1/authorizations", {**grant, "scope": scope, "holder": None, "evidence": None})
    return made


@pytest.fixture(scope="module")
def hall(face: Face, issuer: Caller) -> Caller:
    return face.register(world.HALL, "license:use", "file:attest")


def attached(name: str = "photo", data: bytes = JPEG, media_type: str = "image/jpeg", **more: Any) -> Any:
    return {"name": name, "media_type": media_type, "data": base64.b64encode(data).decode(), **more}


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is larger than it is."""
    made = pictures.png()
    return made[:16] + width.to_bytes(4, "big") + height.to_bytes(4, "big") + made[24:]


def issued(issuer: Caller, number: int, *attachments: Any, **changes: Any) -> dict[str, Any]:
    body = issue_body(number, attachments=list(attachments), **changes)
    return issuer.done("/v1/licenses", body)


def used(hall: Caller, number: int, *names: str) -> dict[str, Any]:
    body = {**use_body(number), "fields": list(names)} if names else use_body(number)
    (one,) = hall.done("/v1/uses", body)["uses"]
    return dict(one)


def path(index: int, ref: str, name: str = "photo") -> str:
    return f"/v1/attachments/{index}/{ref}/{name}"


def stored(face: Face) -> int:
    ((count,),) = face.served.reader.run("SELECT count(*) FROM blobs")
    return int(count)


def test_a_use_that_names_an_attachment_is_told_of_it_and_reads_it_by_range(
    issuer: Caller, hall: Caller
) -> None:
    ref = issued(issuer, 1, attached(), attached("scan", PDF, "application/pdf"))["license_ref"]
    one = used(hall, 1, "name", PHOTO)
    assert sorted(one["license"]["fields"]) == ["@attachment_photo", "@license_id", "name"]
    value = one["license"]["fields"][PHOTO]["value"]
    assert (value["media_type"], value["length"]) == ("image/jpeg", str(len(JPEG)))
    assert value["digest"] == hashlib.sha256(JPEG).hexdigest()
    whole = hall.get(path(one["index"], ref))
    assert (whole.status_code, whole.content) == (200, JPEG)
    assert whole.headers["etag"] == f'"{value["digest"]}"'
    assert whole.headers["content-type"] == "image/jpeg"
    part = hall.get(path(one["index"], ref), Range="bytes=4-9")
    assert (part.status_code, part.content) == (206, JPEG[4:10])
    assert part.headers["content-range"] == f"bytes 4-9/{len(JPEG)}"
    tail = hall.get(path(one["index"], ref), Range="bytes=-7")
    assert (tail.status_code, tail.content) == (206, JPEG[-7:])
    rest = hall.get(path(one["index"], ref), Range=f"bytes={len(JPEG) - 3}-99999999")
    assert rest.content == JPEG[-3:]
    beyond = hall.get(path(one["index"], ref), Range=f"bytes={len(JPEG)}-")
    assert problem(beyond) == (416, "range-unfit", "header.Range")
    changed = hall.get(path(one["index"], ref), Range="bytes=0-0", **{"If-Range": '"other"'})
    assert (changed.status_code, len(changed.content)) == (200, len(JPEG))
    assert hall.get(path(one["index"], ref), **{"If-None-Match": whole.headers["etag"]}).status_code == 304
    assert problem(hall.get(path(one["index"], ref, "scan")))[:2] == (404, "not-found")


def test_an_attachment_is_told_to_whom_it_is_named_for_and_read_by_nobody_else(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    made = issued(issuer, 2, attached())
    ref = made["license_ref"]
    unnamed = used(hall, 2)
    assert PHOTO not in unnamed["license"]["fields"]
    assert problem(hall.get(path(unnamed["index"], ref)))[:2] == (404, "not-found")
    named = used(hall, 2, PHOTO)
    other = face.register(world.HALL, "license:use")
    for who, index, of in (
        (other, named["index"], ref),
        (issuer, named["index"], ref),
        (hall, made["index"], ref),
        (hall, named["index"], "a" * 26),
        (hall, 10**9, ref),
    ):
        assert problem(who.get(path(index, of)))[:2] == (404, "not-found")
    assert problem(hall.get(f"/v1/attachments/x/{ref}/photo"))[:2] == (404, "not-found")
    assert issuer.get(path(made["index"], ref)).content == JPEG


def test_an_authorization_for_some_fields_opens_no_attachment(face: Face, issuer: Caller) -> None:
    issued(issuer, 3, attached())
    requester = face.register(world.AUDITOR, "license:use")
    grant = {**api_world.example("GrantBody"), "mode": "statutory", "requester": world.AUDITOR}
    asked = {**grant, "holder": None, "evidence": None}
    scope = {"license_types": [world.CITIZEN_CARD], "fields": ["name"]}
    issuer.done("/v1/authorizations", {**asked, "scope": scope})
    assert used(requester, 3, PHOTO)["reason"] == "fields-not-covered"
    issuer.done("/v1/authorizations", {**asked, "scope": {**scope, "fields": ["name", PHOTO]}})
    assert PHOTO in used(requester, 3, PHOTO)["license"]["fields"]


def test_reading_ends_fifteen_minutes_after_the_use(
    face: Face, issuer: Caller, hall: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = issued(issuer, 4, attached())["license_ref"]
    index = used(hall, 4, PHOTO)["index"]
    at = face.served.moment()
    monkeypatch.setattr(face.served, "moment", lambda: at + 14 * 60 * 1_000_000)
    assert hall.get(path(index, ref)).status_code == 200
    monkeypatch.setattr(face.served, "moment", lambda: at + 15 * 60 * 1_000_000)
    assert problem(hall.get(path(index, ref)))[:2] == (404, "not-found")


def test_a_page_of_the_holders_file_shows_attachments_and_lets_them_be_read(
    issuer: Caller, hall: Caller
) -> None:
    made = issued(issuer, 5, attached())
    ref = made["license_ref"]
    search = {**api_world.example("SearchBody"), "holder": person(5)}
    page = hall.done("/v1/holders/search", search, **{"Ledger-At-Least": str(made["index"])})
    (shown,) = page["licenses"]
    assert shown["fields"][PHOTO]["length"] == str(len(JPEG))
    assert hall.get(path(page["index"], ref)).content == JPEG


def test_later_versions_keep_replace_and_remove_attachments_and_store_none_twice(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    before = stored(face)
    ref = issued(issuer, 6, attached(), attached("scan", PDF, "application/pdf"))["license_ref"]
    assert stored(face) == before + 2
    amend = {name: value for name, value in issue_body(6).items() if name != "license_type"}
    issuer.done(f"/v1/licenses/{ref}/amend", {**amend, "reason": "变更"})
    renew = {**api_world.example("RenewBody")}
    issuer.done(f"/v1/licenses/{ref}/renew", renew)
    replaced = {
        **api_world.example("ReplaceBody"),
        "attachments": [attached(data=PNG, media_type="image/png")],
    }
    assert stored(face) == before + 2
    issuer.done(f"/v1/licenses/{ref}/replace", {**replaced, "removed_attachments": ["scan"]})
    assert stored(face) == before + 3
    one = used(hall, 6, PHOTO, SCAN)
    assert SCAN not in one["license"]["fields"]
    assert hall.get(path(one["index"], ref)).content == PNG
    both = {**replaced, "removed_attachments": ["photo"]}
    refused = issuer.post(f"/v1/licenses/{ref}/replace", both)
    assert problem(refused) == (422, "invalid-value", "removed_attachments")
    absent = {**replaced, "removed_attachments": ["scan"]}
    refused = issuer.post(f"/v1/licenses/{ref}/replace", absent)
    assert problem(refused) == (422, "invalid-value", "removed_attachments")


def test_a_removal_that_comes_again_under_its_key_gets_its_first_answer(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    scans = [attached(f"n{number}", PNG, "image/png") for number in range(4)]
    ref = issued(issuer, 25, *scans)["license_ref"]
    whole = {name: value for name, value in issue_body(25).items() if name != "license_type"}
    for number, (verb, body) in enumerate(
        (
            ("amend", {**whole, "reason": "变更"}),
            ("renew", api_world.example("RenewBody")),
            ("replace", api_world.example("ReplaceBody")),
            ("correct-holder", {**whole, "holder": issue_body(26)["holder"], "reason": "重号更正"}),
        )
    ):
        asked = {**body, "removed_attachments": [f"n{number}"]}
        first = issuer.done(f"/v1/licenses/{ref}/{verb}", asked, key=f"removed-{verb}")
        before = face.events()
        again = issuer.done(f"/v1/licenses/{ref}/{verb}", asked, key=f"removed-{verb}")
        assert (again["index"], face.events()) == (first["index"], before)
        fresh = issuer.post(f"/v1/licenses/{ref}/{verb}", {**asked, "attachments": [attached("new")]})
        assert problem(fresh) == (422, "invalid-value", "removed_attachments")
        assert face.events() == before


@pytest.mark.parametrize(
    ("wrong", "member", "fault"),
    [
        (attached(data=PNG), "data", "media-type-differs"),
        (attached(data=b"\xff\xd8\xff" + bytes(attachment.BYTES_MAX)), "data", "too-large"),
        (attached("scan", b"\xff\xd8\xff" + bytes(40)), "data", "picture-unfit"),
        (attached("scan", bomb(30_000, 30_000), "image/png"), "data", "picture-unfit"),
        (attached(data=bomb(5_000, 10), media_type="image/png"), "data", "picture-unfit"),
        (attached(data=pictures.jpeg(mode="CMYK")), "data", "picture-unfit"),
        (attached(data=JPEG + bytes(attachment.PHOTO_BYTES_MAX)), "data", "photo-too-large"),
        ({**attached(), "data": "/9j/4AAQ="}, "data", "not-base64"),
        (attached(party=1), "party", None),
    ],
)
def test_what_is_no_attachment_is_refused_and_nothing_is_stored(
    face: Face, issuer: Caller, wrong: Any, member: str, fault: str | None
) -> None:
    before, events = stored(face), face.events()
    answer = issuer.post("/v1/licenses", issue_body(7, attachments=[wrong]))
    assert problem(answer) == (422, "invalid-value", f"attachments[0].{member}")
    assert answer.json().get("fault") == fault
    assert (stored(face), face.events()) == (before, events)


@pytest.mark.parametrize("place", ["fields", "parties[0].fields"])
def test_a_field_beside_attachments_is_as_short_as_any_other(face: Face, issuer: Caller, place: str) -> None:
    before, events = stored(face), face.events()
    body = issue_body(7, attachments=[attached()])
    party = {**person(8), "name": "合成居民", "role": "co-owner", "fields": {}}
    if place == "fields":
        body["fields"] = {**body["fields"], "note": "x" * 10_001}
    else:
        body["parties"] = [{**party, "fields": {"note": "x" * 10_001}}]
    answer = issuer.post("/v1/licenses", body)
    assert problem(answer) == (400, "invalid-json", f"{place}.note")
    assert (stored(face), face.events()) == (before, events)


def test_too_many_or_too_much_or_two_of_one_name_are_refused(issuer: Caller) -> None:
    large = JPEG + bytes(1_500_000)
    for wrong, field in (
        ([attached(), attached()], "attachments[1].name"),
        ([attached(f"n{number}", large) for number in range(3)], "attachments"),
    ):
        answer = issuer.post("/v1/licenses", issue_body(7, attachments=wrong))
        assert problem(answer) == (422, "invalid-value", field)
    many = [attached(f"n{number}", PNG, "image/png") for number in range(11)]
    assert issuer.post("/v1/licenses", issue_body(7, attachments=many)).status_code == 422


def test_a_refused_or_repeated_issue_leaves_no_bytes_behind(face: Face, issuer: Caller) -> None:
    body = issue_body(8, serial="ATTACHED8", attachments=[attached()])
    first = issuer.done("/v1/licenses", body, key="attached-8")
    before = stored(face)
    again = issuer.done("/v1/licenses", body, key="attached-8")
    assert again["license_ref"] == first["license_ref"]
    taken = issuer.post("/v1/licenses", body)
    assert problem(taken)[:2] == (409, "already-exists")
    assert stored(face) == before


def test_what_no_fact_came_to_name_is_collected_after_a_day(face: Face) -> None:
    owner = str(face.served.ledger.ways.owner)
    before = stored(face)
    with psycopg.connect(owner) as conn:
        for digest, age in ((b"1" * 32, "2 days"), (b"2" * 32, "1 hour")):
            conn.execute(
                "INSERT INTO blobs (partition, digest, sealed, stored_at) "
                "VALUES (0, %s, '', now() - %s::interval)",
                (digest, age),
            )
        conn.execute(
            "UPDATE blobs SET stored_at = now() - interval '2 days' WHERE digest <> %s", (b"2" * 32,)
        )
    migration.migrate(owner)
    assert stored(face) == before + 1
    with psycopg.connect(owner) as conn:
        conn.execute("DELETE FROM blobs WHERE digest = %s", (b"2" * 32,))


def test_a_draft_carries_attachments_to_the_reviewer_and_into_the_license(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    before = stored(face)
    ref = issuer.done("/v1/drafts", issue_body(9, attachments=[attached()]))["draft_ref"]
    assert stored(face) == before + 1
    (told,) = issuer.get(f"/v1/drafts/{ref}").json()["content"]["attachments"]
    assert told == {
        "name": "photo",
        "media_type": "image/jpeg",
        "party": None,
        "length": str(len(JPEG)),
        "digest": hashlib.sha256(JPEG).hexdigest(),
    }
    assert issuer.get(f"/v1/drafts/{ref}/attachments/photo").content == JPEG
    stranger = face.register(world.HALL, "license:issue")
    assert problem(stranger.get(f"/v1/drafts/{ref}/attachments/photo"))[:2] == (404, "not-found")
    issuer.done(f"/v1/drafts/{ref}/review", REVIEW)
    made = issuer.done(f"/v1/drafts/{ref}/issue", ISSUE, key="attached-draft")
    assert stored(face) == before + 1
    again = issuer.done(f"/v1/drafts/{ref}/issue", ISSUE, key="attached-draft")
    assert again["license_ref"] == made["license_ref"]
    assert problem(issuer.get(f"/v1/drafts/{ref}/attachments/photo"))[:2] == (404, "not-found")
    one = used(hall, 9, PHOTO)
    assert hall.get(path(one["index"], made["license_ref"])).content == JPEG
    gone = issuer.done("/v1/drafts", issue_body(9, attachments=[attached()]))["draft_ref"]
    issuer.done(f"/v1/drafts/{gone}/review", {**REVIEW, "decision": "return"})
    assert stored(face) == before + 1


def test_check_names_an_attachment_that_is_missing_or_changed(face: Face, issuer: Caller) -> None:
    made = issued(issuer, 10, attached())
    ledger = face.served.ledger
    ((digest, sealed),) = face.served.reader.run(
        "SELECT b.digest, b.sealed FROM blobs b JOIN attachments a USING (digest) "
        "ORDER BY stored_at DESC LIMIT 1"
    )

    def findings() -> list[str]:
        report = check.check(
            ledger.ways.service, identity=check.identity_of(ledger.vault.ring), vault=ledger.vault
        )
        return [found.text for found in report.findings]

    with psycopg.connect(str(ledger.ways.owner), autocommit=True) as conn:
        assert findings() == []
        conn.execute("UPDATE blobs SET sealed = %s WHERE digest = %s", (sealed[:-1] + b"x", digest))
        (text,) = findings()
        assert text == f"attachment {digest.hex()} of license {made['license_ref']} has other bytes"
        conn.execute("DELETE FROM blobs WHERE digest = %s", (digest,))
        (text,) = findings()
        assert text == f"attachment {digest.hex()} of license {made['license_ref']} is missing"
        conn.execute("INSERT INTO blobs (partition, digest, sealed) VALUES (0, %s, %s)", (digest, sealed))
        assert findings() == []


def test_the_names_and_media_types_at_the_edge_are_those_of_the_ledger() -> None:
    described = models.Attachment.model_json_schema()["properties"]
    assert described["media_type"]["enum"] == sorted(attachment.MEDIA_TYPES)
    assert described["name"]["pattern"] == f"^{attachment.NAME.pattern}$"


def test_the_holders_attachments_are_deleted_with_its_key(face: Face, issuer: Caller, hall: Caller) -> None:
    before = stored(face)
    made = issued(issuer, 15, attached())
    one = used(hall, 15, PHOTO)
    assert hall.get(path(one["index"], made["license_ref"])).status_code == 200
    erase(face, 15)
    assert stored(face) == before
    assert problem(hall.get(path(one["index"], made["license_ref"])))[:2] == (404, "not-found")


def test_a_corrected_holder_gets_the_attachments_and_the_wrong_ones_erasure_leaves_them(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    before = stored(face)
    ref = issued(issuer, 16, attached())["license_ref"]
    right = {name: value for name, value in issue_body(17).items() if name != "license_type"}
    issuer.done(f"/v1/licenses/{ref}/correct-holder", {**right, "reason": "重号更正"})
    assert stored(face) == before + 1
    erase(face, 16)
    one = used(hall, 17, PHOTO)
    assert hall.get(path(one["index"], ref)).content == JPEG
    erase(face, 17)
    assert stored(face) == before


def test_a_version_that_changed_meanwhile_is_not_overwritten(face: Face, issuer: Caller) -> None:
    made = issued(issuer, 18)
    amend = {name: value for name, value in issue_body(18).items() if name != "license_type"}
    ref, served = ids.parse(made["license_ref"]), face.served
    row = served.reader.row(state.LicenseRow, ref)
    assert row is not None
    with_photo = {**amend, "reason": "变更", "attachments": [attached()]}
    issuer.done(f"/v1/licenses/{made['license_ref']}/amend", with_photo)
    late = license_commands.AmendLicense(
        actor=served.ledger.console,
        license_ref=ref,
        holder=identifiers.holder_code(**person(18)),
        type_and_issuer=(row.type_code, row.issuer),
        content=license_commands.Content(
            serial="LATE18",
            number="NO-18",
            holder_name="合成居民18",
            values={"name": "合成居民18"},
            valid_from=0,
            valid_to=None,
            issued_on=0,
        ),
        looked_at=row.version_index,
    )
    with pytest.raises(errors.Conflict, match="newer version"):
        face.console(late)


def erase(face: Face, number: int) -> None:
    served = face.served
    holder = identifiers.holder_code(**person(number))
    keeping.erase_holder(served.ledger, served.appender, holder, served.ledger.console)
