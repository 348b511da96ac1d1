"""Uses 用证: one reading of a license under an authorization, or the refusal of it.

`judge` is the rule (`docs/rules.md`): pure, asked under the lock before a use is recorded and again
by `check` for every use that was. `use_choice` chooses the authorization and the licenses of one request.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from ledger import authorization, coverage, days, errors, license
from ledger.coverage import NO_HINTS, Expected
from ledger.fact import Fact, Touched
from ledger.state import (
    AuthorizationRow,
    LicenseRow,
    OrganizationRow,
    State,
    StreamRow,
    TypeRow,
    TypeRulesRow,
    altered,
)
from signing import event

TOGETHER_MAX = 20
"""Effective licenses of one type that a request uses together; beyond it the answer is `ambiguous`."""
CHOICES_MAX = 100
"""Licenses that an `ambiguous` refusal lists to choose from."""
ALWAYS_DISCLOSED = "@license_id"
ACTS = ("use", "comparison")

NATIONAL_CODES: dict[str, str | None] = {
    "not-authorized": "100",
    "authorization-withdrawn": "100",
    "authorization-not-started": "100",
    "authorization-ended": "100",
    "item-not-covered": "100",
    "case-not-covered": "100",
    "fields-not-covered": "100",
    "authorization-exhausted": "100",
    "authorization-exhausted-today": "100",
    "source-unavailable": "99",
    "not-covered": "10",
    "not-held": "10",
    "consent-missing": "100",
    "holder-contested": "23",
    "holder-ended": "23",
    "license-annulled": "21",
    "license-revoked": "21",
    "license-recalled": "21",
    "license-cancelled": "21",
    "license-void": "21",
    "license-transferred-out": "21",
    "license-expired": "22",
    "license-not-yet-effective": None,
    "license-frozen": "23",
    "license-lost": "23",
    "license-suspended": "23",
    "license-restricted": "23",
    "ambiguous": None,
}
"""Refusal reason, farthest from a grant first, to the national share status code; None: no such code."""
GRANTED_CODE = "0"


class Asked(NamedTuple):
    """What a request asks for, as far as rules read it."""

    requester: str
    service_item: str | None
    field_names: tuple[str, ...] | None
    """None: every field the authorization and the license have."""
    case_number: str | None = None
    expected: Expected = NO_HINTS
    """What the requester knows of the license; it decides what it means that nothing is found."""


def judge_authorization(row: AuthorizationRow, asked: Asked, *, at: int, uses: int = 1) -> str | None:
    """The first reason why `row` does not permit `uses` more uses at `at`; None when it does."""
    if row.is_withdrawn:
        return "authorization-withdrawn"
    if at < row.valid_from:
        return "authorization-not-started"
    if row.valid_until is not None and at >= row.valid_until:
        return "authorization-ended"
    if row.service_items is not None and asked.service_item not in row.service_items:
        return "item-not-covered"
    if row.case_numbers is not None and asked.case_number not in row.case_numbers:
        return "case-not-covered"
    if not _fields_covered(row, asked):
        return "fields-not-covered"
    if row.uses_max is not None and row.uses + uses > row.uses_max:
        return "authorization-exhausted"
    if row.uses_per_day is not None and uses_on(row, days.of_instant(at)) + uses > row.uses_per_day:
        return "authorization-exhausted-today"
    return None


def uses_on(row: AuthorizationRow, day: int) -> int:
    """How many uses of the cap a day are spent on a Beijing day."""
    return row.uses_today if row.uses_day == day else 0


def spent(row: AuthorizationRow, *, at: int) -> AuthorizationRow:
    """The authorization after one more use at `at`."""
    if row.uses_per_day is None:
        return altered(row, uses=row.uses + 1)
    day = days.of_instant(at)
    return altered(row, uses=row.uses + 1, uses_day=day, uses_today=uses_on(row, day) + 1)


def require_permitted(
    row: AuthorizationRow | None,
    license_row: LicenseRow | None,
    about: event.Event,
    state: State,
    *,
    mode: str,
    fields: tuple[str, ...],
    kept_type: str | None,
    consents: tuple[bytes, ...],
) -> None:
    """Nothing when the requester may use these fields of the license; raises Forbidden. For stored facts."""
    if row is None or license_row is None or license_row.stream_id != about.stream_id:
        raise errors.Forbidden("no such license or authorization")
    if row.requester != about.organization or row.mode != mode:
        raise errors.Forbidden("the authorization is another requester's")
    home = state.need(StreamRow, about.stream_id)
    if not authorization.covers(row, license_row, home):
        raise errors.Forbidden("the authorization does not cover the license")
    if consents != authorization.consenting(row, license_row, home):
        raise errors.Forbidden("not those who consented")
    if authorization.is_consent_missing(row, license_row, home, lambda one: state.need(StreamRow, one)):
        raise errors.Forbidden("not permitted: consent-missing")
    asked = Asked(about.organization, about.service_item, fields, about.case_number)
    reason = (
        judge_authorization(row, asked, at=about.recorded_at)
        or judge_home(row, license_row, state, kept_type=kept_type)
        or judge_license(license_row, at=about.recorded_at)
    )
    if reason is not None:
        raise errors.Forbidden(f"not permitted: {reason}")


def judge_holder(home: StreamRow, *, mode: str = "holder", is_kept: bool = False) -> str | None:
    """The reason why a license of the holder whose stream is `home` cannot be used; None when it can.

    `is_kept`: the license is of a type that outlives its holder; then law still permits its use.
    """
    if home.is_contested:
        return "holder-contested"
    if home.ended_at is not None and not (is_kept and mode == "statutory"):
        return "holder-ended"
    return None


def judge_home(
    row: AuthorizationRow, license_row: LicenseRow, state: State, *, kept_type: str | None
) -> str | None:
    """As `judge_holder`, for a fact that says whether the license outlives its holder; raises Forbidden."""
    home = state.need(StreamRow, license_row.stream_id)
    if kept_type is None:
        return judge_holder(home)
    if home.ended_at is None or kept_type != license_row.type_code:
        raise errors.Forbidden("not a type that outlives the holder")
    return judge_holder(home, mode=row.mode, is_kept=outlives(state.get(TypeRulesRow, kept_type)))


def judge_license(row: LicenseRow, *, at: int) -> str | None:
    """The reason why the license cannot be used at `at`; None when it is effective."""
    status = license.status(row, at)
    return None if status == "effective" else f"license-{status}"


def outlives(rules: TypeRulesRow | None) -> bool:
    """Whether licenses of the type outlive their holder, as the catalog says."""
    return rules is not None and rules.holder_end == "keep"


def since(row: LicenseRow, *, at: int) -> int | None:
    """Since when the license has the status that it has at `at`; from when, if it is not effective yet."""
    status = license.status(row, at)
    if status == "not-yet-effective":
        return days.start(row.valid_from)
    if status == "expired" and row.valid_to is not None:
        return days.start(row.valid_to + 1)
    return row.status_since if status == row.status else None


def summary(row: LicenseRow) -> tuple[str, str, int, int | None]:
    """What a requester sees of a license to choose it: type, issuer, first and last valid day."""
    return row.type_code, row.issuer, row.valid_from, row.valid_to


def disclosed(row: AuthorizationRow, license_row: LicenseRow, asked: Asked) -> tuple[str, ...]:
    """The names that a granted use discloses, sorted; of what is public, not even the identifier more."""
    if row.mode == authorization.PUBLIC:
        asked_for = license_row.field_names if asked.field_names is None else asked.field_names
        return tuple(sorted({*license_row.field_names} & {*asked_for} & {*(row.field_names or ())}))
    return _disclosed(license_row.field_names, row.field_names, asked.field_names)


@functools.lru_cache(maxsize=1024)
def _disclosed(held: tuple[str, ...], *limits: tuple[str, ...] | None) -> tuple[str, ...]:
    """The names among `held` that no limit leaves out; remembered, for few combinations are asked for."""
    allowed = set(held)
    for limit in limits:
        if limit is not None:
            allowed &= {*limit, ALWAYS_DISCLOSED}
    return tuple(sorted(allowed))


@dataclass(frozen=True, kw_only=True)
class LicenseUsed(Fact):
    """A granted use."""

    scope: ClassVar[str | None] = "license:use"
    stream_kind: ClassVar[str] = "holder"
    license_ref: bytes
    version: int
    license_index: int
    """Leaf index of the event that holds the used version."""
    authorization_ref: bytes
    mode: str
    fields: tuple[str, ...]
    status: str
    kept_type: str | None = None
    """The license's type, where the holder has ended and the type outlives its holders."""
    public_type: str | None = None
    """The license's type, in mode `public`: its public fields are used."""
    consents: tuple[bytes, ...] = ()
    """Of a license with several parties in mode `holder`: streams of those who consented."""

    def touches(self, about: event.Event) -> Touched:
        yield LicenseRow, self.license_ref
        if self.public_type is None:
            yield AuthorizationRow, self.authorization_ref
        else:
            yield TypeRow, self.public_type
        if self.kept_type is not None:
            yield TypeRulesRow, self.kept_type
        for stream_id in self.consents:
            yield StreamRow, stream_id

    def allow(self, about: event.Event, state: State) -> None:
        row = self._authorization(about, state)
        license_row = state.get(LicenseRow, self.license_ref)
        require_permitted(
            row,
            license_row,
            about,
            state,
            mode=self.mode,
            fields=self.fields,
            kept_type=self.kept_type,
            consents=self.consents,
        )
        assert license_row is not None, "it is permitted"
        named = (self.version, self.license_index, self.status)
        if named != (license_row.version, license_row.version_index, "effective"):
            raise errors.Forbidden("not the version that stood")
        if not set(self.fields) <= set(license_row.field_names):
            raise errors.Forbidden("discloses a field the license does not have")

    def _authorization(self, about: event.Event, state: State) -> AuthorizationRow | None:
        """The authorization; for what is public the catalog's word, and no field beyond it."""
        if self.public_type is None:
            return state.get(AuthorizationRow, self.authorization_ref)
        type_row = state.get(TypeRow, self.public_type)
        public = set() if type_row is None else {*type_row.public_fields}
        is_public = bool(self.fields) and {*self.fields} <= public
        if type_row is None or not is_public or self.authorization_ref != authorization.PUBLIC_REF:
            raise errors.Forbidden("not what is public of the type")
        return authorization.of_public(type_row, requester=about.organization, stream_id=about.stream_id)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        if self.public_type is not None:
            return
        row = state.need(AuthorizationRow, self.authorization_ref)
        state.put(spent(row, at=about.recorded_at))


@dataclass(frozen=True, kw_only=True)
class UseRefused(Fact):
    """A refused use; names a license only where an authorization would otherwise have granted it."""

    scope: ClassVar[str | None] = "license:use"
    stream_kind: ClassVar[str] = "holder"
    reason: str
    code: str | None
    type_code: str | None
    license_ref: bytes | None
    """The license whose status forbids the use."""
    authorization_ref: bytes | None
    choices: tuple[bytes, ...]
    """`ambiguous`: effective licenses, of which the requester may name one."""
    expected_issuer: str | None = None
    expected_area: str | None = None
    expected_issued_on: int | None = None
    """What the requester knew of the license that was not found."""
    coverage: tuple[bytes, ...] = ()
    """`not-held`: the declarations that say that the ledger would hold it."""
    since: int | None = None
    responsible: str | None = None
    """A status: since when, and who is answerable for the license."""
    summaries: tuple[tuple[str, str, int, int | None], ...] = ()
    """Of each choice: type, issuer, first and last valid day."""
    act: str = "use"
    """What was asked for: `use` or `comparison`."""
    consents: tuple[bytes, ...] = ()
    """Of named licenses with several parties in mode `holder`: streams of those who consented."""

    @property
    def expected(self) -> Expected:
        """What the requester knew of the license that was not found."""
        return Expected(self.expected_issuer, self.expected_area, self.expected_issued_on)

    def touches(self, about: event.Event) -> Touched:
        yield OrganizationRow, about.organization
        if self.authorization_ref is not None:
            yield AuthorizationRow, self.authorization_ref
        if self.type_code is not None and self.reason in coverage.NOTHING_FOUND:
            yield TypeRow, self.type_code
        for license_ref in self._named():
            yield LicenseRow, license_ref
        for stream_id in self.consents:
            yield StreamRow, stream_id

    def allow(self, about: event.Event, state: State) -> None:
        if self.code != NATIONAL_CODES.get(self.reason, ""):
            raise errors.Forbidden("not a reason with its code")
        if self.act not in ACTS:
            raise errors.Forbidden("not an act that can be refused")
        if self.authorization_ref is None:
            own = state.get(OrganizationRow, about.organization)
            is_blank = self.reason == "not-authorized" and not self._named()
            if not is_blank or own is None or own.stream_id != about.stream_id:
                raise errors.Forbidden("without an authorization a refusal names nobody")
            return
        row = state.get(AuthorizationRow, self.authorization_ref)
        if row is None or row.requester != about.organization or self.reason == "not-authorized":
            raise errors.Forbidden("the authorization is another requester's")
        if self.reason.startswith("holder-"):
            self._allow_of_holder(row, about, state)
        elif not self._named() and row.stream_id != about.stream_id:
            raise errors.Forbidden("the refusal stands in another stream than its authorization")
        self._allow_named(row, about, state)
        if self.reason in coverage.NOTHING_FOUND:
            self._allow_nothing_found(row, about, state)
        elif self.coverage or self.expected != NO_HINTS:
            raise errors.Forbidden("only where nothing is found, coverage matters")

    def _allow_of_holder(self, row: AuthorizationRow, about: event.Event, state: State) -> None:
        home = state.get(StreamRow, about.stream_id)
        if home is None or home.kind != "holder" or judge_holder(home) != self.reason:
            raise errors.Forbidden("not what is true of the holder")
        if row.mode == "holder" and authorization.acting(row, home) != about.stream_id:
            raise errors.Forbidden("the refusal stands with another holder than its authorization")

    def _allow_named(self, row: AuthorizationRow, about: event.Event, state: State) -> None:
        is_unconsented = self.reason == "consent-missing"
        names_one = self.reason.startswith("license-") or is_unconsented
        names_some = self.reason == "ambiguous"
        if (self.license_ref is not None) != names_one or bool(self.choices) != names_some:
            raise errors.Forbidden("not what a refusal of this reason names")
        told = self.reason if names_one else None
        for license_ref in self._named():
            license_row = state.get(LicenseRow, license_ref)
            if license_row is None or license_row.stream_id != about.stream_id:
                raise errors.Forbidden("the license has another home stream")
            is_true = is_unconsented or judge_license(license_row, at=about.recorded_at) == told
            home = state.need(StreamRow, about.stream_id)
            if not set(authorization.consenting(row, license_row, home)) <= set(self.consents):
                raise errors.Forbidden("not those who consented")
            is_missing = authorization.is_consent_missing(
                row, license_row, home, lambda one: state.need(StreamRow, one)
            )
            is_covered = authorization.covers(row, license_row, home)
            if not is_true or is_missing != is_unconsented or not is_covered:
                raise errors.Forbidden("not a license that this refusal may name")
            if self.responsible is not None and (self.since, self.responsible) != (
                since(license_row, at=about.recorded_at),
                license_row.issuer,
            ):
                raise errors.Forbidden("not since when and of whom the status is")
        named = [state.need(LicenseRow, ref) for ref in self.choices]
        if self.summaries and self.summaries != tuple(summary(item) for item in named):
            raise errors.Forbidden("not what there is to choose from")

    def _allow_nothing_found(self, row: AuthorizationRow, about: event.Event, state: State) -> None:
        type_row = None if self.type_code is None else state.get(TypeRow, self.type_code)
        if self.reason == "not-held" and not self.coverage and (type_row is None or not type_row.coverage):
            # So it was recorded before departments declared coverage.
            return
        if type_row is None or type_row.type_code not in row.type_codes:
            raise errors.Forbidden("the authorization is for other types")
        if coverage.judge(type_row, self.expected, at=about.recorded_at) != (self.reason, self.coverage):
            raise errors.Forbidden("not what the coverage of the type says")

    def _named(self) -> tuple[bytes, ...]:
        return self.choices if self.license_ref is None else (self.license_ref, *self.choices)


def _fields_covered(row: AuthorizationRow, asked: Asked) -> bool:
    if asked.field_names is None or row.field_names is None:
        return True
    return set(asked.field_names) <= {*row.field_names, ALWAYS_DISCLOSED}
