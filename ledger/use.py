"""Uses 用证: one reading of a license under an authorization, or the refusal of it.

`judge` is the rule (`docs/rules.md`): pure, asked under the lock before a use is recorded and again
by `check` for every use that was. `use_choice` chooses the authorization and the licenses of one request.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from ledger import attachment, authorization, days, errors, license, mapping, party
from ledger.coverage import NO_HINTS, Expected
from ledger.fact import Fact, Touched
from ledger.state import (
    AuthorizationRow,
    LicenseRow,
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

NATIONAL_CODES: dict[str, str | None] = {
    "not-authorized": "100",
    "authorization-withdrawn": "100",
    "representative-changed": "100",
    "mandate-ended": "100",
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
    type_code: str | None = None
    """The type by which it is asked for, in whose words the names are; None: by use code."""
    is_by_number: bool = False
    """Whether it is asked for by printed number, which several holders may have: one license is used."""


def judge_authorization(row: AuthorizationRow, asked: Asked, *, at: int, uses: int = 1) -> str | None:
    """The first reason why `row` does not permit `uses` more uses at `at`; None when it does."""
    if row.is_withdrawn:
        return _why_withdrawn(row)
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


def _why_withdrawn(row: AuthorizationRow) -> str:
    if row.is_unrepresented:
        return "representative-changed"
    return "mandate-ended" if row.is_unmandated else "authorization-withdrawn"


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
    mapped: mapping.Mapped | None = None,
    limits: AuthorizationRow | None = None,
) -> None:
    """Nothing when the requester may use these fields of the license; raises Forbidden. For stored facts.

    `limits` is the authorization in the words of `fields`, where the license is `mapped`.
    """
    if row is None or license_row is None or license_row.stream_id != about.stream_id:
        raise errors.Forbidden("no such license or authorization")
    if row.requester != about.organization or row.mode != mode:
        raise errors.Forbidden("the authorization is another requester's")
    home, streams = state.need(StreamRow, about.stream_id), named_streams(consents, state)
    if not authorization.covers(row, license_row, home, mapped, streams):
        raise errors.Forbidden("the authorization does not cover the license")
    at = about.recorded_at
    if consents != authorization.consenting(row, license_row, home, streams, at=at):
        raise errors.Forbidden("not those who consented")
    if authorization.is_consent_missing(row, license_row, home, streams, at=at):
        raise errors.Forbidden("not permitted: consent-missing")
    asked = Asked(about.organization, about.service_item, fields, about.case_number)
    reason = (
        judge_authorization(limits or row, asked, at=at)
        or judge_home(row, license_row, state, kept_type=kept_type)
        or judge_license(license_row, at=at)
    )
    if reason is not None:
        raise errors.Forbidden(f"not permitted: {reason}")


def named_streams(consents: tuple[bytes, ...], state: State) -> party.Streams:
    """The streams of those who a fact says consented, and of nobody else."""
    return lambda one: state.need(StreamRow, one) if one in consents else None


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
    if limits[-1] is None:
        # Who asks for all that is opened means no photo: attachments are named.
        allowed = {name for name in allowed if not attachment.is_name(name)}
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
    own_type: str | None = None
    """The license's type, where it was used as of the national type for which its type stands."""
    asked_type: str | None = None
    """That national type, where the license was asked for by it."""
    named_as: tuple[tuple[str, str], ...] = ()
    """Then (own name, national name) of the fields that have one."""

    def touches(self, about: event.Event) -> Touched:
        yield LicenseRow, self.license_ref
        if self.own_type is not None:
            yield TypeRow, self.own_type
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
        mapped = mapping.require(self.own_type, self.asked_type, license_row, state, at=about.recorded_at)
        require_permitted(
            row,
            license_row,
            about,
            state,
            mode=self.mode,
            fields=self.fields,
            kept_type=self.kept_type,
            consents=self.consents,
            mapped=mapped,
            limits=self._limits(row, license_row, mapped),
        )
        assert license_row is not None, "it is permitted"
        named = (self.version, self.license_index, self.status)
        if named != (license_row.version, license_row.version_index, "effective"):
            raise errors.Forbidden("not the version that stood")
        if not set(self.fields) <= set(license_row.field_names):
            raise errors.Forbidden("discloses a field the license does not have")

    def _limits(
        self, row: AuthorizationRow | None, license_row: LicenseRow | None, mapped: mapping.Mapped | None
    ) -> AuthorizationRow | None:
        """The authorization in the words of a type that stands for another; raises Forbidden."""
        is_asked = mapped is not None and self.asked_type is not None
        if self.named_as != (mapped.named_as(self.fields) if mapped is not None and is_asked else ()):
            raise errors.Forbidden("not what the mapping of the type says")
        if mapped is None or row is None or license_row is None:
            return None
        shown = mapping.seen(
            row, license_row, names=None, asked_type=self.asked_type or self.own_type, mapped=mapped
        )
        if shown.mapped is None:
            raise errors.Forbidden("the use rests on no mapping")
        return shown.authorization

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


def _fields_covered(row: AuthorizationRow, asked: Asked) -> bool:
    if asked.field_names is None or row.field_names is None:
        return True
    return set(asked.field_names) <= {*row.field_names, ALWAYS_DISCLOSED}
