"""An interpreter of docs/rules.md: what a use leads to, decided by the table and by nothing of the ledger.

Gives `read`, the page's tables, and `Rules.judge`, the verdict on one request over plain records. It
imports nothing of the floors, so that a mistake there is not repeated here.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "rules.md"
MODES_TRIED = ("unconditional", "statutory", "entrusted", "holder")
BEIJING = dt.timezone(dt.timedelta(hours=8))
TOGETHER = 20
LIVE = ("active", "suspended")
STANDING = ("frozen", "lost", "suspended", "restricted")
"""What stands in the way of a license that has not ended, first said first."""


@dataclass(frozen=True)
class Rule:
    """One row of the table."""

    row: int
    authorization: frozenset[str]
    mode: frozenset[str]
    scope: frozenset[str]
    license: frozenset[str]
    outcome: str
    code: str | None
    recorded_in: str
    names: str
    shown: str

    def matches(self, **words: str) -> bool:
        """Whether every column holds its word, or `any`."""
        return all({"any", word} & getattr(self, column) for column, word in words.items())


@dataclass
class Permission:
    """An authorization as the model keeps it."""

    ref: bytes
    mode: str
    requester: str
    holder: str | None = None
    """None: a standing one."""
    types: frozenset[str] = frozenset()
    licenses: frozenset[str] = frozenset()
    fields: frozenset[str] | None = None
    items: frozenset[str] | None = None
    begins: int = 0
    ends: int | None = None
    count: int | None = None
    spent: int = 0
    cases: frozenset[str] | None = None
    a_day: int | None = None
    spent_on: dict[str, int] = field(default_factory=dict)
    """Beijing day to the uses on it, since there is a cap a day."""
    entrusted_by: str | None = None
    is_withdrawn: bool = False
    is_unrepresented: bool = False
    """Whether it is over because another represents the body than who consented."""
    is_unmandated: bool = False
    """Whether it is over because the guardian or agent who consented may act no more."""
    joined: set[str] = field(default_factory=set)
    """Further holders who consent."""


@dataclass
class Held:
    """A license as the model keeps it."""

    ref: bytes
    name: str
    """Its reference as text, as authorizations name it."""
    holder: str
    type: str
    status: str = "active"
    first_day: str = "2020-01-01"
    last_day: str | None = None
    marks: set[str] = field(default_factory=set)
    standing: str | None = None
    """What of its holder comes before its status."""
    issuer: str = "11350000000000019H"
    is_kept: bool = False
    """Whether its type outlives its holders."""
    parties: dict[str, str] = field(default_factory=dict)
    """Of a license with several parties: holder to `any`, `all` or `none`."""
    gone: set[str] = field(default_factory=set)
    """Of further parties: those who have ended, or whose code is contested."""


@dataclass(frozen=True)
class Request:
    """What is asked, by whom."""

    requester: str
    type: str | None = None
    item: str | None = None
    fields: frozenset[str] | None = None
    case: str | None = None
    finding_nothing: dict[str, str] = field(default_factory=dict, compare=False)
    """Type to the word for finding nothing of it: `unreachable`, `uncovered` or `none`."""
    is_contested: bool = False
    """Whether it is asked under a code that two persons share."""


@dataclass(frozen=True)
class Verdict:
    """What the table says."""

    rule: Rule
    permission: Permission | None
    used: tuple[Held, ...] = ()
    """Granted: the licenses used; ambiguous: those to choose from; a status: the license it is of."""
    holder: str | None = None
    """Whose license decided."""

    @property
    def outcome(self) -> str:
        return self.rule.outcome


class Rules:
    """The page, as data."""

    def __init__(self, page: str) -> None:
        self.table = [_rule(cells) for cells in rows_under(page, "The table")]
        self.ranks = {rule.outcome: rule.row for rule in self.table}
        self.scopes = [cells[0].strip("`") for cells in rows_under(page, "Who may ask for what")]
        self.status_changes = {
            cells[0].strip("`"): (frozenset(_words(cells[2])), cells[3].strip("`"))
            for cells in rows_under(page, "Status of a license")
        }
        self.while_frozen = {
            cells[0].strip("`"): cells[4] == "yes" for cells in rows_under(page, "Status of a license")
        }
        self.mark_changes = {
            cells[0].strip("`"): (cells[2].strip("`"), cells[3] == "yes")
            for cells in rows_under(page, "Marks of a license")
        }
        self.sharing_classes = {
            cells[0].split()[0].strip("`"): frozenset(_words(cells[2]))
            for cells in rows_under(page, "Authorizations")
        }

    def rule(self, **words: str) -> Rule:
        """The first row that matches."""
        return next(rule for rule in self.table if rule.matches(**words))

    def judge(
        self, permissions: Sequence[Permission], licenses: Sequence[Held], asked: Request, *, at: int
    ) -> Verdict:
        """The verdict on one request; `licenses` are those that it may concern."""
        nearest = Verdict(self.rule(authorization="none", mode="-", scope="within", license="none"), None)
        for permission in sorted(permissions, key=lambda item: (MODES_TRIED.index(item.mode), item.ref)):
            covered = [item for item in licenses if _covers(permission, item)]
            concerns = covered or asked.type in permission.types
            if permission.requester != asked.requester or not concerns:
                continue
            verdict = self._judge_one(permission, covered, asked, at=at)
            if verdict.outcome == "granted":
                return verdict
            if self.ranks[verdict.outcome] > self.ranks[nearest.outcome]:
                nearest = verdict
        return nearest

    def _judge_one(self, permission: Permission, covered: list[Held], asked: Request, *, at: int) -> Verdict:
        mode = permission.mode
        if asked.is_contested:
            covered = [replace(item, standing="holder-contested") for item in covered]
        consented = [item for item in covered if has_consent(permission, item)]
        effective = [item for item in consented if status_word(item, at, mode) == "effective"]
        newest = max(consented or covered, key=lambda item: (item.first_day, item.ref), default=None)
        nothing = nothing_word(permission, asked)
        rule = self.rule(
            authorization=authorization_word(permission, len(effective), at),
            mode=permission.mode,
            scope=scope_word(permission, asked),
            license=(
                license_word(effective, newest, at, mode, nothing)
                if consented or newest is None
                else "consent-missing"
            ),
        )
        used = {"licenses": effective, "choices": effective, "license": [newest]}.get(rule.names, [])
        named = tuple(item for item in used if item is not None)
        return Verdict(rule, permission, named, newest.holder if newest is not None else None)


def authorization_word(permission: Permission, effective: int, at: int) -> str:
    """The word of the table for an authorization at an instant."""
    left = None if permission.count is None else permission.count - permission.spent
    if permission.is_unrepresented:
        return "unrepresented"
    if permission.is_unmandated:
        return "unmandated"
    if permission.is_withdrawn:
        return "withdrawn"
    if at < permission.begins:
        return "not-started"
    if permission.ends is not None and at >= permission.ends:
        return "ended"
    if left is not None and left <= 0:
        return "exhausted"
    if left is not None and left < effective <= TOGETHER:
        return "too-few"
    left = (
        None if permission.a_day is None else permission.a_day - permission.spent_on.get(beijing_day(at), 0)
    )
    if left is not None and left <= 0:
        return "spent-today"
    if left is not None and left < effective <= TOGETHER:
        return "few-today"
    return "live"


def scope_word(permission: Permission, asked: Request) -> str:
    """The word for what a request asks beside the license."""
    if permission.items is not None and asked.item not in permission.items:
        return "other-item"
    if permission.cases is not None and asked.case not in permission.cases:
        return "other-case"
    wanted, opened = asked.fields, permission.fields
    if wanted is not None and opened is not None and not wanted - {"@license_id"} <= opened:
        return "other-fields"
    return "within"


def nothing_word(permission: Permission, asked: Request) -> str:
    """The word for finding nothing: of the types that the authorization names, the least covered."""
    words = [word for type_code, word in asked.finding_nothing.items() if type_code in permission.types]
    return min(words, key=("unreachable", "uncovered", "none").index, default="uncovered")


def license_word(effective: list[Held], newest: Held | None, at: int, mode: str, nothing: str) -> str:
    """The word for the licenses that are covered."""
    if newest is None:
        return nothing
    if not effective:
        return status_word(newest, at, mode)
    if len(effective) == 1:
        return "effective"
    return "several" if len(effective) <= TOGETHER else "too-many"


def beijing_day(at: int) -> str:
    """The day of an instant in Beijing."""
    return dt.datetime.fromtimestamp(at // 1_000_000, tz=BEIJING).date().isoformat()


def status_word(held: Held, at: int, mode: str = "") -> str:
    """What of the holder comes first, then an ending, or what stands beside, or by Beijing date."""
    still_used = held.standing == "holder-ended" and held.is_kept and mode == "statutory"
    if held.standing is not None and not still_used:
        return held.standing
    if held.status not in LIVE:
        return held.status
    for word in STANDING:
        if word in {held.status, *held.marks}:
            return word
    today = beijing_day(at)
    if today < held.first_day:
        return "not-yet-effective"
    return "expired" if held.last_day is not None and today > held.last_day else "effective"


def rows_under(page: str, heading: str) -> list[list[str]]:
    """The cells of the rows of the first table under a heading, without its head."""
    section = page.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


@functools.cache
def read() -> Rules:
    """The rules on the page."""
    return Rules(PAGE.read_text(encoding="utf-8"))


def has_consent(permission: Permission, held: Held) -> bool:
    """Whether those parties consent whose roles ask for it."""
    if permission.holder is None or not held.parties:
        return True
    if permission.holder in held.gone:
        return False
    given = {permission.holder, *permission.joined} - held.gone
    needed = {holder for holder, consent in held.parties.items() if consent == "all"}
    if needed:
        return needed <= given
    return any(consent == "any" and holder in given for holder, consent in held.parties.items())


def _covers(permission: Permission, held: Held) -> bool:
    if permission.holder is not None and held.parties:
        if held.parties.get(permission.holder, "none") == "none":
            return False
        if permission.holder != held.holder and held.standing is not None:
            return False
    elif permission.holder is not None and permission.holder != held.holder:
        return False
    if permission.entrusted_by is not None and permission.entrusted_by != held.issuer:
        return False
    return held.type in permission.types or held.name in permission.licenses


def _rule(cells: list[str]) -> Rule:
    row, authorization, mode, scope, license_, outcome, code, recorded_in, names, shown = cells
    return Rule(
        row=int(row),
        authorization=frozenset(authorization.split(", ")),
        mode=frozenset(mode.split(", ")),
        scope=frozenset(scope.split(", ")),
        license=frozenset(license_.split(", ")),
        outcome=outcome.strip("`"),
        code=None if code == "—" else code,
        recorded_in=recorded_in,
        names=names,
        shown=shown,
    )


def _words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)
