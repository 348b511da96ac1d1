"""Drafts: given facts, when one is reviewed or issued, then how far it came; no database."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import account, days, draft, errors, license
from ledger.state import DraftRow, LicenseRow
from tests.history import (
    CLIENTS,
    CONDITIONAL,
    FREE,
    HALL,
    ISSUER,
    NOON,
    OPERATOR_REF,
    OTHER,
    REF,
    STRANGER,
    STREAMS,
    History,
    begun,
    registered_client,
    version,
)

DRAFT = b"draft".ljust(16)
REVIEWER = b"reviewer".ljust(16)
MONTH = 30 * days.DAY_US


def drafted(history: History | None = None, *, operator_ref: bytes = OPERATOR_REF, **members: Any) -> History:
    history = history or begun()
    values: dict[str, Any] = {"draft_ref": DRAFT, "type_code": FREE, "content_digest": bytes(32)}
    made = draft.LicenseDrafted(**values | members)
    history.record(made, stream=STREAMS[ISSUER], operator_ref=operator_ref)
    return history


def review(history: History, decision: str = "approve", **members: Any) -> None:
    values: dict[str, Any] = {"stream": STREAMS[ISSUER], "operator_ref": REVIEWER}
    history.record(draft.DraftReviewed(draft_ref=DRAFT, decision=decision), **values | members)


def status(history: History, at: int = NOON) -> str:
    return draft.status(history.row(DraftRow, DRAFT), at)


def issue(history: History, **members: Any) -> None:
    at = members.pop("at", NOON)
    history.record(version(draft_ref=DRAFT, **members), at=at)


def test_a_draft_that_another_operator_approved_is_issued_once() -> None:
    history = drafted()
    assert status(history) == "drafted"
    review(history)
    assert status(history) == "approved"
    issue(history)
    assert status(history) == "issued"
    assert license.status(history.row(LicenseRow, REF), NOON) == "effective"
    with pytest.raises(errors.Conflict) as refused:
        issue(history, license_ref=b"3" * 16)
    assert refused.value.extra == {"draft_status": "issued"}


def test_a_draft_is_reviewed_by_another_named_operator_of_its_organization_once() -> None:
    history = drafted()
    with pytest.raises(errors.Forbidden, match="another operator"):
        review(history, operator_ref=b"operator".ljust(16))
    with pytest.raises(errors.Invalid):
        review(history, operator_ref=None)
    with pytest.raises(errors.NotFound):
        review(history, by=OTHER, stream=STREAMS[OTHER])
    with pytest.raises(errors.ScopeMissing):
        review(history, by=HALL, stream=STREAMS[HALL])
    with pytest.raises(errors.Conflict):
        review(history, stream=STRANGER)
    with pytest.raises(errors.Invalid):
        review(history, decision="perhaps")
    review(history, decision="return")
    with pytest.raises(errors.Conflict) as refused:
        review(history)
    assert refused.value.extra == {"draft_status": "returned"}


SECOND_CLIENT = b"T" * 16
ANNA, BERTA, NAME, NAME_B = (text.ljust(16) for text in (b"anna", b"berta", b"name", b"name b"))


def acting(person: bytes, name: bytes, client: bytes = CLIENTS[ISSUER]) -> tuple[Any, Any]:
    """Members of a fact and of its event, of who acts through a client."""
    ref = account.operator_ref(person, client, suite="intl")
    return {"person": person, "named": name}, {"operator_ref": ref, "client": client}


@pytest.mark.parametrize(
    ("person", "name", "through", "is_allowed"),
    [
        (ANNA, NAME, CLIENTS[ISSUER], False),
        (ANNA, NAME_B, CLIENTS[ISSUER], False),
        (BERTA, NAME, CLIENTS[ISSUER], True),
        (ANNA, NAME, SECOND_CLIENT, False),
        (ANNA, NAME_B, SECOND_CLIENT, False),
        (BERTA, NAME, SECOND_CLIENT, False),
        (BERTA, NAME_B, SECOND_CLIENT, True),
    ],
)
def test_two_persons_are_two_through_whichever_client(
    person: bytes, name: bytes, through: bytes, is_allowed: bool
) -> None:
    history = begun()
    second = registered_client(ISSUER, "license:issue", client_id=SECOND_CLIENT, license_types=(FREE,))
    history.record(second, stream=b"registry".ljust(16), by=None)
    said, about = acting(ANNA, NAME)
    made = draft.LicenseDrafted(draft_ref=DRAFT, type_code=FREE, content_digest=bytes(32), **said)
    history.record(made, stream=STREAMS[ISSUER], **about)
    said, about = acting(person, name, through)
    reviewed = draft.DraftReviewed(draft_ref=DRAFT, decision="approve", **said)
    if is_allowed:
        history.record(reviewed, stream=STREAMS[ISSUER], **about)
        assert status(history) == "approved"
        return
    with pytest.raises(errors.Forbidden):
        history.record(reviewed, stream=STREAMS[ISSUER], **about)


def test_a_client_drafts_and_reviews_licenses_of_its_types_alone() -> None:
    history = begun()
    second = registered_client(ISSUER, "license:issue", client_id=SECOND_CLIENT, license_types=(CONDITIONAL,))
    history.record(second, stream=b"registry".ljust(16), by=None)
    said, about = acting(ANNA, NAME, SECOND_CLIENT)
    made = draft.LicenseDrafted(draft_ref=DRAFT, type_code=FREE, content_digest=bytes(32), **said)
    with pytest.raises(errors.NotTheIssuer):
        history.record(made, stream=STREAMS[ISSUER], **about)
    drafted(history)
    said, about = acting(BERTA, NAME_B, SECOND_CLIENT)
    reviewed = draft.DraftReviewed(draft_ref=DRAFT, decision="approve", **said)
    with pytest.raises(errors.NotTheIssuer):
        history.record(reviewed, stream=STREAMS[ISSUER], **about)


def test_an_event_names_the_person_whose_operator_it_names() -> None:
    history = drafted()
    said, about = acting(BERTA, NAME_B)
    lying = draft.DraftReviewed(draft_ref=DRAFT, decision="approve", **said | {"person": b"nobody".ljust(16)})
    with pytest.raises(errors.Conflict):
        history.record(lying, stream=STREAMS[ISSUER], **about)


def test_a_draft_of_before_operators_were_their_clients_own_is_reviewed_by_another_person() -> None:
    history = drafted(operator_ref=ANNA)
    said, about = acting(ANNA, NAME)
    with pytest.raises(errors.Forbidden):
        history.record(
            draft.DraftReviewed(draft_ref=DRAFT, decision="approve", **said), stream=STREAMS[ISSUER], **about
        )
    said, about = acting(BERTA, NAME)
    history.record(
        draft.DraftReviewed(draft_ref=DRAFT, decision="approve", **said), stream=STREAMS[ISSUER], **about
    )


def test_what_is_not_approved_or_is_anothers_is_not_issued() -> None:
    history = drafted()
    with pytest.raises(errors.Conflict):
        issue(history)
    review(history)
    with pytest.raises(errors.NotFound):
        issue(history, type_code=CONDITIONAL)
    with pytest.raises(errors.NotFound):
        begun().record(version(draft_ref=DRAFT))
    assert (LicenseRow, REF) not in history.rows


@pytest.mark.parametrize(("at", "said"), [(NOON + MONTH - 1, "approved"), (NOON + MONTH, "expired")])
def test_a_draft_is_void_after_thirty_days_to_the_microsecond(at: int, said: str) -> None:
    history = drafted()
    review(history)
    assert status(history, at) == said
    if said == "approved":
        issue(history, at=at)
        assert status(history, at + MONTH) == "issued"
        return
    with pytest.raises(errors.Conflict) as refused:
        issue(history, at=at)
    assert refused.value.extra == {"draft_status": "expired"}


def test_a_draft_stands_with_its_organization_and_names_type_and_operator() -> None:
    history = begun()
    made = draft.LicenseDrafted(draft_ref=DRAFT, type_code=FREE, content_digest=bytes(32))
    with pytest.raises(errors.Conflict):
        history.record(made)
    with pytest.raises(errors.Invalid):
        history.record(made, stream=STREAMS[ISSUER], operator_ref=None)
    with pytest.raises(errors.LicenseTypeUnknown):
        drafted(begun(), type_code="11100000MB0143028R999")
    drafted(history)
    with pytest.raises(errors.AlreadyExists):
        drafted(history)
