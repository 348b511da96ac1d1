"""Advice: what the officer at the counter does about a refused use, in both languages.

Every refusal belongs to one situation, and every situation has one advice (`docs/rules.md`). Texts are
part of proof bundles: like the names of reasons, a text that was told never changes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ledger import days, refusal
from signing import ids


class Situation(NamedTuple):
    """What an officer tells apart."""

    name: str
    name_zh: str
    advice_zh: str
    advice_en: str


SITUATIONS = {
    situation.name: situation
    for situation in (
        Situation(
            "not-authorized",
            "未获授权",
            "请先取得授权，或收取纸质证照。",
            "Obtain an authorization first, or accept the paper.",
        ),
        Situation(
            "source-unavailable",
            "暂不可用",
            "证照数据源暂时无法应答：请先受理，稍后重新查询。",
            "The source of this type does not answer now: accept the case and ask again later.",
        ),
        Situation(
            "not-covered",
            "未归集",
            "此类证照尚未全部归集：请收取纸质证照，不得以未查到为由退件。",
            "The ledger does not hold all licenses of this type: accept the paper.",
        ),
        Situation(
            "not-held",
            "本人未持有",
            "此类证照已归集，本人名下没有：请引导本人申办。",
            "The ledger would hold it, and the holder has none: advise to apply for it.",
        ),
        Situation(
            "holder",
            "持证主体异常",
            "持证主体信息存在异常：请人工核实，不得自动用证。",
            "Something stands in the way of the holder: decide by hand, not by the ledger.",
        ),
        Situation(
            "status",
            "状态异常",
            "证照存在但目前不可用：请告知本人，并与颁发机构核实。",
            "The license is there and cannot be used now: tell the holder, and ask its issuer.",
        ),
        Situation(
            "ambiguous",
            "需要指定",
            "符合的证照过多：请从所列证照中指定。",
            "Too many licenses match: name one of those listed.",
        ),
    )
}
"""Name to situation, farthest from a grant first."""
_OWN = frozenset({"source-unavailable", "not-covered", "not-held", "ambiguous"})


def situation(reason: str) -> Situation:
    """The situation that a refusal with `reason` is in."""
    if reason in _OWN:
        return SITUATIONS[reason]
    if reason.startswith("holder-"):
        return SITUATIONS["holder"]
    return SITUATIONS["status" if reason.startswith("license-") else "not-authorized"]


def help_of(made: refusal.UseRefused) -> dict[str, Any]:
    """What an officer needs at the counter about a refusal, all of it from its event.

    A candidate's area is the one in its issuer's credit code (GB 32100: characters 3 to 8).
    """
    told = situation(made.reason)
    return {
        "situation": told.name,
        "situation_zh": told.name_zh,
        "advice_zh": told.advice_zh,
        "advice_en": told.advice_en,
        "status_since": None if made.since is None else days.instant_text(made.since),
        "responsible_issuer": made.responsible,
        "candidates": [
            {
                "license_ref": ids.text(ref),
                "license_type": type_code,
                "issuer": issuer,
                "area": issuer[2:8],
                "status": "effective",
                "valid_from": days.text(first),
                "valid_to": None if last is None else days.text(last),
            }
            for ref, (type_code, issuer, first, last) in zip(made.choices, made.summaries, strict=False)
        ],
    }
