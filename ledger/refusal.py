"""Refusals of uses and comparisons: what one may say, and what it may name.

A refusal names a license only where an authorization would otherwise have granted its use
(`docs/rules.md`); `check` asks again whether what it says was so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ledger import authorization, coverage, errors, mapping, use
from ledger.coverage import NO_HINTS, Expected
from ledger.fact import Fact, Touched
from ledger.state import AuthorizationRow, LicenseRow, OrganizationRow, State, StreamRow, TypeRow
from signing import event

ACTS = ("use", "comparison")


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
    asked_type: str | None = None
    """The national type by which named licenses were asked for, where it is not their own."""
    local_types: tuple[str, ...] = ()
    """Types that stand for another: of named licenses; nothing found: those that were looked for too."""

    is_cut_short: bool = False
    """`not-covered`: not all was looked at that may have the number, so that `not-held` is not said."""

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
        for local_type in self.local_types:
            yield TypeRow, local_type

    def allow(self, about: event.Event, state: State) -> None:
        if self.code != use.NATIONAL_CODES.get(self.reason, ""):
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
        elif self.coverage or self.expected != NO_HINTS or self.is_cut_short:
            raise errors.Forbidden("only where nothing is found, coverage matters")

    def _allow_of_holder(self, row: AuthorizationRow, about: event.Event, state: State) -> None:
        home = state.get(StreamRow, about.stream_id)
        if home is None or home.kind != "holder" or use.judge_holder(home) != self.reason:
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
            if license_row is None or about.stream_id not in self._places(row, license_row):
                raise errors.Forbidden("the license has another home stream")
            is_true = is_unconsented or use.judge_license(license_row, at=about.recorded_at) == told
            home, streams = state.need(StreamRow, about.stream_id), use.named_streams(self.consents, state)
            at = about.recorded_at
            if not {*authorization.consenting(row, license_row, home, streams, at=at)} <= {*self.consents}:
                raise errors.Forbidden("not those who consented")
            is_missing = authorization.is_consent_missing(row, license_row, home, streams, at=at)
            mapped = self._mapped(license_row, state, at=about.recorded_at)
            is_covered = authorization.covers(row, license_row, home, mapped, streams)
            if not is_true or is_missing != is_unconsented or not is_covered:
                raise errors.Forbidden("not a license that this refusal may name")
            if self.responsible is not None and (self.since, self.responsible) != (
                use.since(license_row, at=about.recorded_at),
                license_row.issuer,
            ):
                raise errors.Forbidden("not since when and of whom the status is")
        named = [state.need(LicenseRow, ref) for ref in self.choices]
        if self.summaries and self.summaries != tuple(use.summary(item) for item in named):
            raise errors.Forbidden("not what there is to choose from")

    def _places(self, row: AuthorizationRow, license_row: LicenseRow) -> tuple[bytes, ...]:
        """Where a refusal that names it may stand: a choice among holders, with its grant too."""
        is_choice = self.reason == "ambiguous" and row.mode != "holder"
        return (license_row.stream_id, row.stream_id) if is_choice else (license_row.stream_id,)

    def _mapped(self, license_row: LicenseRow, state: State, *, at: int) -> mapping.Mapped | None:
        """What the type of a named license stands for, where the refusal says so; raises Forbidden."""
        type_code = license_row.type_code
        if type_code not in self.local_types:
            if self.asked_type not in (None, type_code):
                raise errors.Forbidden("a license of another type than was asked for")
            return None
        return mapping.require(type_code, self.asked_type, license_row, state, at=at)

    def _allow_nothing_found(self, row: AuthorizationRow, about: event.Event, state: State) -> None:
        type_row = None if self.type_code is None else state.get(TypeRow, self.type_code)
        if self.reason == "not-held" and not self.coverage and (type_row is None or not type_row.coverage):
            # So it was recorded before departments declared coverage.
            return
        at = about.recorded_at
        if type_row is None or not self._is_for(row, type_row, at=at):
            raise errors.Forbidden("the authorization is for other types")
        local = mapping.local_rows(type_row, state, at=at)
        said = coverage.judge(type_row, self.expected, at=at, local=local)
        if self.is_cut_short and said[0] == "not-held":
            said = "not-covered", ()
        if said != (self.reason, self.coverage):
            raise errors.Forbidden("not what the coverage of the type says")

    def _is_for(self, row: AuthorizationRow, type_row: TypeRow, *, at: int) -> bool:
        """Whether the authorization names the type, or what it stands for, and the refusal says which."""
        if type_row.type_code in row.type_codes:
            return self.local_types == type_row.local_types
        mapped = mapping.in_force(type_row, at=at)
        return self.local_types == (type_row.type_code,) and authorization.names_what_stands(row, mapped)

    def _named(self) -> tuple[bytes, ...]:
        return self.choices if self.license_ref is None else (self.license_ref, *self.choices)
