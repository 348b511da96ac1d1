"""`verify` on signed documents: the file, what it proves, and whether the license still stands."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from api import cli_verdicts, examples, service
from ledger import issuer_seal_register, organization, registry_commands, store
from ledger.state_document import SealRow
from signing import trust
from tests import api_world, world
from tests.api_world import Caller, Face

ISSUER = examples.ORGANIZATION
OTHER = examples.REQUESTER
HEIR = "513500000000000353"
ISSUE_ONLY = ("license_type", "serial", "issuer")
CHANGE = api_world.example("ChangeBody")


@pytest.fixture(scope="module")
def caller(face: Face) -> Caller:
    seal(face)
    return face.register(ISSUER)


def seal(face: Face, of: str = ISSUER, *, at: int | None = None) -> SealRow:
    served = face.served
    return issuer_seal_register.demonstrate(
        served.ledger,
        served.appender,
        organization=of,
        name="示例市行政审批局",
        at=store.wall_clock() if at is None else at,
    )


def document(caller: Caller, number: int) -> tuple[str, bytes]:
    """A new license and its document."""
    ref: str = caller.done("/v1/licenses", api_world.issue_body(number))["license_ref"]
    answer = caller.get(f"/v1/licenses/{ref}/document")
    assert answer.status_code == 200, answer.text
    return ref, answer.content


def trusted(face: Face) -> bytes:
    return face.served.publisher.refresh().trust


def judged(pdf: bytes, face: Face, **options: Any) -> cli_verdicts.Verdict:
    values: dict[str, Any] = {"trusted": trusted(face), "now": datetime.now(UTC), **options}
    return cli_verdicts.judge(pdf, **values)


def test_a_document_of_a_license_that_stands_is_valid_and_says_who_signed_it(
    face: Face, caller: Caller
) -> None:
    ref, pdf = document(caller, 1)
    said = judged(pdf, face)
    assert said.is_good, said
    assert said.word == f"valid as of {said.details['as_of']}"
    assert (said.details["license_ref"], said.details["signer"]) == (ref, ISSUER)
    assert (said.details["kind"], said.details["level"]) == ("document", "B-B")
    json.dumps(said.as_dict())
    caller.done(f"/v1/licenses/{ref}/suspend", CHANGE)
    assert judged(pdf, face).word == "suspended"
    caller.done(f"/v1/licenses/{ref}/revoke", CHANGE)
    assert judged(pdf, face).word == "revoked"


def test_a_document_of_before_an_amendment_is_replaced(face: Face, caller: Caller) -> None:
    ref, pdf = document(caller, 2)
    body = {name: value for name, value in api_world.issue_body(2).items() if name not in ISSUE_ONLY}
    caller.done(f"/v1/licenses/{ref}/amend", body | {"reason": "变更"})
    assert judged(pdf, face).word == "replaced"


def test_what_is_not_what_was_signed_is_refused_for_its_own_reason(face: Face, caller: Caller) -> None:
    _, pdf = document(caller, 3)
    file = trusted(face)
    for reason, data in {
        "truncated": pdf[: len(pdf) - 700],
        "altered": pdf.replace(b"/Creator", b"/Creatar", 1),
        "appended-after-signing": pdf + b"\n% more\n",
        "not-signed": b"%PDF-1.7\n%%EOF\n",
    }.items():
        said = judged(data, face, trusted=file)
        assert (said.word, said.is_good) == ("refused", False), reason
        assert reason in said.details["reasons"], (reason, said)


def changed(face: Face, **documents: Any) -> bytes:
    """The trust file with other documents, signed again by the ledger."""
    file = trust.parse(trusted(face))
    (ledger,) = file.ledgers
    grown = replace(ledger, documents=replace(ledger.documents, **documents))
    name = max(ledger.origins, key=lambda one: one.generation).origin
    key = face.served.ledger.vault.log_key
    return trust.write(replace(file, ledgers=(grown,)), signers=[(name, key)])


def test_a_document_needs_an_authority_and_a_certificate_that_the_file_knows(
    face: Face, caller: Caller
) -> None:
    _, pdf = document(caller, 4)
    stranger = judged(pdf, face, trusted=changed(face, roots=()))
    assert stranger.details["reasons"] == ["untrusted-authority"]
    unknown = judged(pdf, face, trusted=changed(face, certificates=()))
    assert unknown.lines == ("its certificate is not one that the ledger knows of an issuer",)
    (ledger,) = trust.parse(trusted(face)).ledgers
    keys = trust.Ledger(
        ledger_id=ledger.ledger_id,
        suite=ledger.suite,
        is_demonstration=True,
        origins=tuple(replace(one, checkpoint=None) for one in ledger.origins),
        token_keys=ledger.token_keys,
    )
    first = trust.write(trust.TrustFile(ledgers=(keys,), made_at=datetime(2026, 1, 1, tzinfo=UTC)))
    assert judged(pdf, face, trusted=first).word == "refused", "format 1 has no authorities"


def test_a_document_under_a_certificate_revoked_since_is_to_be_checked_online(
    face: Face, caller: Caller
) -> None:
    _, pdf = document(caller, 5)
    known = trust.parse(trusted(face)).ledgers[0].documents.certificates
    later = datetime.now(UTC).replace(microsecond=0)
    since = [replace(one, revoked_at=later + timedelta(seconds=30)) for one in known]
    said = judged(
        pdf, face, trusted=changed(face, certificates=tuple(since)), now=later + timedelta(minutes=1)
    )
    assert (said.word, said.is_good) == ("check online", False)
    before = [replace(one, revoked_at=later - timedelta(hours=1)) for one in known]
    said = judged(pdf, face, trusted=changed(face, certificates=tuple(before)))
    assert (said.word, said.details["reasons"]) == ("refused", ["certificate-revoked"])
    newer = seal(face)
    again = caller.get(f"/v1/licenses/{document(caller, 6)[0]}/document").content
    assert judged(again, face).is_good, newer.fingerprint.hex()


def of_another(face: Face, **documents: Any) -> bytes:
    """The trust file in which the certificates that sign are those of another organization."""
    known = trust.parse(trusted(face)).ledgers[0].documents.certificates
    return changed(face, certificates=tuple(replace(one, issuer=OTHER) for one in known), **documents)


def require_of_another(said: cli_verdicts.Verdict, *, signer: str = OTHER) -> None:
    assert (said.word, said.is_good) == ("signed by another organization", False), said
    assert (said.details["signer"], said.details["issuer"]) == (signer, ISSUER)


def test_a_license_in_a_document_of_another_organization_is_not_good(face: Face, caller: Caller) -> None:
    _, pdf = document(caller, 8)
    assert judged(pdf, face).is_good
    require_of_another(judged(pdf, face, trusted=of_another(face)))


def test_who_took_over_signs_for_what_it_took_over_and_since_then(face: Face, caller: Caller) -> None:
    _, pdf = document(caller, 9)
    said = trust.Succession(successor=OTHER, predecessor=ISSUER, since=date(2026, 1, 1))
    apart: list[dict[str, Any]] = [
        {"since": date(2199, 1, 1)},
        {"type_codes": (world.BUSINESS_LICENSE,)},
        {"areas": ("110000",)},
        {"predecessor": HEIR},
        {"successor": ISSUER},
    ]
    for changes in apart:
        file = of_another(face, successions=(replace(said, **changes),))
        require_of_another(judged(pdf, face, trusted=file))
    good = judged(pdf, face, trusted=of_another(face, successions=(said,)))
    assert (good.is_good, good.details["signer"], good.details["issuer"]) == (True, OTHER, ISSUER), good


def test_who_handed_a_license_on_signs_for_it_no_more_and_what_it_signed_before_stands(
    face: Face, caller: Caller
) -> None:
    _, pdf = document(caller, 11)
    today = datetime.now(UTC).date()
    gone = trust.Succession(successor=HEIR, predecessor=ISSUER, since=today - timedelta(days=1))
    said = judged(pdf, face, trusted=changed(face, successions=(gone,)))
    assert (said.word, said.is_good) == ("signed by who had handed it on", False), said
    onward = (
        trust.Succession(successor=OTHER, predecessor=ISSUER, since=date(2026, 1, 1)),
        replace(gone, predecessor=OTHER),
    )
    said = judged(pdf, face, trusted=of_another(face, successions=onward))
    assert (said.word, said.details["signer"]) == ("signed by who had handed it on", OTHER), said
    for changes in ({"since": date(2199, 1, 1)}, {"areas": ("110000",)}, {"predecessor": OTHER}):
        file = changed(face, successions=(replace(gone, **changes),))
        assert judged(pdf, face, trusted=file).is_good, changes


def test_a_seal_that_made_way_for_another_leaves_its_documents_valid(
    face: Face, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, moment = face.served, service.Service.moment
    for reason, word in (("superseded", "valid"), ("key-compromise", "refused")):
        row = seal(face, at=store.wall_clock() - 120_000_000)
        with monkeypatch.context() as earlier:
            earlier.setattr(service.Service, "moment", lambda one: moment(one) - 60_000_000)
            _, pdf = document(caller, 20 + len(word))
        issuer_seal_register.revoke(served.ledger, served.appender, row.fingerprint, reason=reason)
        said = judged(pdf, face)
        assert said.word.split(" ")[0] == word, (reason, said)
        assert said.details.get("reasons", ["certificate-revoked"]) == ["certificate-revoked"]


def test_a_copy_is_good_for_its_ten_minutes(face: Face, caller: Caller) -> None:
    document(caller, 7)
    caller.done("/v1/authorizations", api_world.grant_body(to=examples.REQUESTER, fields=["name"]))
    hall = face.register(examples.REQUESTER, "license:use")
    (link,) = hall.done("/v1/copies", api_world.use_body(7))["copies"]
    pdf = face.http.post(link["url"][link["url"].index("/C/") :]).content
    said = judged(pdf, face)
    assert said.is_good, said
    assert (said.details["kind"], said.details["requester"]) == ("copy", examples.REQUESTER)
    require_of_another(judged(pdf, face, trusted=of_another(face)))
    over = judged(pdf, face, now=datetime.now(UTC) + timedelta(minutes=11))
    assert (over.word, over.is_good) == ("copy expired", False)


def test_a_ledger_tells_in_its_trust_file_who_signs_for_whom(face: Face, caller: Caller) -> None:
    ref, _ = document(caller, 10)
    heir = face.register(HEIR)
    passed = organization.OrganizationSucceeded(
        predecessor=ISSUER, successor=HEIR, type_codes=(world.CITIZEN_CARD,), since=0, authorizations="keep"
    )
    assert trust.parse(trusted(face)).ledgers[0].documents.successions == ()
    face.console(registry_commands.RecordInRegistry(actor=face.served.ledger.console, facts=(passed,)))
    (told,) = trust.parse(trusted(face)).ledgers[0].documents.successions
    assert (told.predecessor, told.successor) == (ISSUER, HEIR), "whether the heir has a seal or not"
    seal(face, HEIR)
    pdf = heir.get(f"/v1/licenses/{ref}/document").content
    said = judged(pdf, face)
    assert (said.is_good, said.details["signer"], said.details["issuer"]) == (True, HEIR, ISSUER), said
    require_of_another(judged(pdf, face, trusted=changed(face, successions=())), signer=HEIR)
