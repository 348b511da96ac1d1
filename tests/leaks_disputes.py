"""The part of a day that is about disputes: raised for the holder and by an office, decided, withdrawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import world

if TYPE_CHECKING:
    from tests.leaks_run import Day


def settle(day: Day, holder: dict[str, str], license_ref: str) -> None:
    """What is claimed, answered and missing tells of a person each time."""
    fresh = day.markers

    def said(**members: object) -> dict[str, object]:
        return {**day.act(), "statement": fresh.text("statement"), "evidence": fresh.evidence(), **members}

    path = f"/v1/licenses/{license_ref}/corrections"
    wrong = said(kind="wrong", fields=["name"], values={"name": fresh.name("claimed value")})
    own = day.issuer.done(path, {**wrong, "raised_by": "holder", "holder": holder})
    office = day.hall.done(path, said(kind="stale", raised_by="office"))
    answer = {"outcome": "rejected", "feedback": fresh.text("feedback"), "legal_basis": fresh.text("basis")}
    day.issuer.done(f"/v1/corrections/{own['dispute_ref']}/decide", {**day.act(), **answer})
    assert day.issuer.get(f"/v1/corrections/{own['dispute_ref']}").json()["feedback"] == answer["feedback"]
    day.hall.done(f"/v1/corrections/{office['dispute_ref']}/withdraw", day.act())
    missing = said(raised_by="office", license_type=world.CITIZEN_CARD, should_be_issued_by=world.ISSUER)
    for code in (holder["code"], fresh.code()):
        day.hall.done("/v1/corrections", {**missing, "holder": {"code_type": "111", "code": code}})
    telling = f"n{fresh.code().lower()}"
    day.refused(day.hall.send(path, said(kind="wrong", raised_by="office", fields=[telling])))
    day.refused(day.hall.send(path, said(kind="stale", raised_by="office", case_number=fresh.code())))
    named = {**missing, "holder": holder, "should_be_issued_by": fresh.code()}
    day.refused(day.hall.send("/v1/corrections", named))
    day.refused(day.auditor.send(path, said(kind="stale", raised_by="office")))
    assert day.auditor.get("/v1/audit/corrections").status_code == 200
