"""Authorizations 用证授权: granted, narrowed, withdrawn; which one covers which use.

Modes: `holder` (attested consent, in the holder's stream); `statutory` 依职能, `unconditional` 无条件共享
and `entrusted` 委托 (standing, in the requester's stream). An authorization names one requester
and can only shrink. `covers` is the scope rule that uses and `check` share.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ledger import (
    attachment,
    client,
    days,
    entrusting,
    errors,
    holder,
    identifiers,
    joined,
    license,
    mandate,
    mapping,
    party,
    power,
    representation,
)
from ledger.fact import Fact, Touched
from ledger.scope import OfAuthorization, Scoped
from ledger.state import (
    AuthorizationRow,
    LicenseRow,
    OrganizationRow,
    State,
    StreamRow,
    TypeRow,
)
from signing import event, ids

MODES = ("unconditional", "statutory", "entrusted", "holder")
"""In order of preference: a holder's consent is not spent where law already permits."""
PUBLIC, PUBLIC_REF = "public", bytes(16)
"""公开: what the catalog publishes of a type; no authorization is granted for it, and none is spent."""
SCOPE_MAX = 100
SERVICE_ITEM_MAX = 64
CASE_NUMBER_MAX = 64
SHARING_CLASSES: dict[str, tuple[str, ...]] = {
    "unconditional": ("unconditional",),
    "statutory": ("unconditional", "conditional"),
    "entrusted": ("unconditional", "conditional"),
    "holder": ("unconditional", "conditional", "none"),
}
"""Mode to the sharing classes of types that it may name: what is not shared needs its holder's consent."""


@dataclass(frozen=True, kw_only=True)
class Scope(Scoped):
    """What an authorization allows."""

    def check(self) -> None:
        """Nothing when the scope is well-formed; raises Invalid."""
        if not self.license_refs and not self.type_codes:
            raise errors.Invalid("a scope names licenses or types", field="scope")
        for name in ("license_refs", "type_codes", "field_names", "service_items", "case_numbers"):
            items = getattr(self, name)
            if items is not None and (len(items) > SCOPE_MAX or list(items) != sorted(set(items))):
                raise errors.Invalid(f"at most {SCOPE_MAX} different {name}, sorted", field=f"scope.{name}")
        for field_name in self.field_names or ():
            if field_name not in license.RESERVED_FIELDS and not (
                license.FIELD_NAME.fullmatch(field_name)
                or party.FIELD.fullmatch(field_name)
                or attachment.FIELD.fullmatch(field_name)
            ):
                raise errors.Invalid("not the name of a field", field="scope.field_names")
        for item in self.service_items or ():
            if not 1 <= len(item) <= SERVICE_ITEM_MAX or identifiers.contains_citizen_id(item):
                raise errors.Invalid("not the code of a service item", field="scope.service_items")
        for number in self.case_numbers or ():
            if not 1 <= len(number) <= CASE_NUMBER_MAX or identifiers.contains_citizen_id(number):
                raise errors.Invalid("not a case number", field="scope.case_numbers")
        self._check_limits()

    def _check_limits(self) -> None:
        if self.valid_until is not None and self.valid_until <= self.valid_from:
            raise errors.Invalid("the scope ends before it begins", field="scope.valid_until")
        for name in ("uses_max", "uses_per_day"):
            count = getattr(self, name)
            if count is not None and count < 1:
                raise errors.Invalid(f"{name} is at least 1", field=f"scope.{name}")


def scope_of(said: Scoped) -> Scope:
    """The scope that a fact says, or that an authorization has now."""
    return Scope(**{name: getattr(said, name) for name in Scope.__dataclass_fields__})


def is_narrower(new: Scope, old: Scope) -> bool:
    """Whether `new` allows nothing that `old` does not."""
    targets = set(new.license_refs) <= set(old.license_refs) and set(new.type_codes) <= set(old.type_codes)
    return (
        targets
        and _within(new.field_names, old.field_names)
        and _within(new.service_items, old.service_items)
        and new.valid_from >= old.valid_from
        and _at_most(new.valid_until, old.valid_until)
        and _at_most(new.uses_max, old.uses_max)
        and _at_most(new.uses_per_day, old.uses_per_day)
        and _within(new.case_numbers, old.case_numbers)
    )


def acting(
    row: AuthorizationRow,
    home: StreamRow,
    license_row: LicenseRow | None = None,
    streams: party.Streams = party.unjoined,
) -> bytes:
    """The stream for which a consent counts: of a holder with several files, that of the license.

    It is the license's home, else that of another party; `streams` knows those of the parties.
    """
    if row.stream_id == home.stream_id:
        return row.stream_id
    if home.same_holder and ids.text(row.stream_id) in home.same_holder:
        return home.stream_id
    if license_row is None or not license_row.parties:
        return row.stream_id
    return party.standing_as(license_row, row.stream_id, streams)


def covers(
    row: AuthorizationRow,
    license_row: LicenseRow,
    home: StreamRow,
    mapped: mapping.Mapped | None = None,
    streams: party.Streams = party.unjoined,
) -> bool:
    """Whether it names this license or its type, and its holder or its issuer when it has one.

    `home` is the stream in which the license stands, `mapped` what its type stands for: to name that is to
    name it.
    """
    if row.mode == "holder":
        stream_id = acting(row, home, license_row, streams)
        if license_row.parties and not party.may_consent(license_row, stream_id):
            return False
        if not license_row.parties and stream_id != license_row.stream_id:
            return False
    if row.entrusted_by is not None and row.entrusted_by != license_row.issuer:
        return False
    return mapping.names_license(row, license_row) or names_what_stands(row, mapped)


def names_what_stands(row: AuthorizationRow, mapped: mapping.Mapped | None) -> bool:
    """Whether it names what a local type stands for, in a mode that the local type's sharing class allows."""
    if mapped is None or mapped.national_type not in row.type_codes:
        return False
    return mapped.sharing_class in SHARING_CLASSES.get(row.mode, ())


def of_public(type_row: TypeRow, *, requester: str, stream_id: bytes) -> AuthorizationRow:
    """What anyone may use of a type, as if it had been granted to `requester`: its public fields alone."""
    return AuthorizationRow(
        authorization_ref=PUBLIC_REF,
        stream_id=stream_id,
        mode=PUBLIC,
        requester=requester,
        grantor="",
        license_refs=(),
        type_codes=(type_row.type_code,),
        field_names=type_row.public_fields,
        service_items=None,
        valid_from=0,
        valid_until=None,
        uses_max=None,
        uses=0,
        is_withdrawn=False,
        use_code_digest=None,
    )


def consenting(
    row: AuthorizationRow,
    license_row: LicenseRow,
    home: StreamRow,
    streams: party.Streams = party.unjoined,
    *,
    at: int,
) -> tuple[bytes, ...]:
    """Streams of the parties who consent by it; none where a license has one party, or none is asked.

    Who consented in one file did so for all that are joined with it.
    """
    if row.mode != "holder" or not license_row.parties:
        return ()
    given = {acting(row, home, license_row, streams), *joined.standing(row.joined, at=at)}
    return party.who_gave(license_row, given, streams)


def is_consent_missing(
    row: AuthorizationRow,
    license_row: LicenseRow,
    home: StreamRow,
    streams: party.Streams,
    *,
    at: int,
) -> bool:
    """Whether parties of the license have yet to consent to what its holder's authorization allows.

    The consent of a further party who has ended, or whose code is contested, does not count, and nobody's
    does who joined it; of the first party that is asked apart, since it stands in the way of every use.
    """
    given = consenting(row, license_row, home, streams, at=at)
    if row.mode != "holder" or not license_row.parties:
        return False
    able = {one for one in given if one == home.stream_id or _is_able(streams(one))}
    return acting(row, home, license_row, streams) not in able or party.is_consent_missing(license_row, able)


def _is_able(row: StreamRow | None) -> bool:
    return row is not None and not row.is_contested and row.ended_at is None


@dataclass(frozen=True, kw_only=True)
class AuthorizationGranted(Scoped, OfAuthorization, Fact):
    """授权: one requester may use what the scope names."""

    stream_kind: ClassVar[str] = "holder"
    mode: str
    requester: str
    requester_stream: bytes
    evidence_digest: bytes | None
    """Digest of the evidence of consent, with a sealed salt."""
    use_code_digest: bytes | None
    entrusted_by: str | None = None
    """The organization that entrusts 委托 its licenses' use; named in mode `entrusted` alone."""
    representative: bytes | None = None
    represents_by: bytes | None = None
    """Mode `holder`: the stream of who consents for a body 法定代表人, and by which of its licenses."""
    acting: bytes | None = None
    acts_by: bytes | None = None
    """Mode `holder`: the stream of a guardian or agent who consents for the holder, and by which mandate."""

    def needed_scope(self, state: State) -> str | None:
        return scope_for(self.mode)

    def touches(self, about: event.Event) -> Touched:
        yield AuthorizationRow, self.authorization_ref
        yield OrganizationRow, self.requester
        yield StreamRow, self.requester_stream
        yield StreamRow, about.stream_id
        for type_code in self.type_codes:
            yield TypeRow, type_code
        for license_ref in self.license_refs:
            yield LicenseRow, ids.parse(license_ref)
        yield from representation.touched_by(self.represents_by, self.representative)
        yield from mandate.touched_by(self._acting)

    def allow(self, about: event.Event, state: State) -> None:
        if state.get(AuthorizationRow, self.authorization_ref) is not None:
            raise errors.AlreadyExists("the authorization is granted")
        if self.mode not in MODES:
            raise errors.Invalid(f"a mode is one of {', '.join(MODES)}", field="mode")
        scope_of(self).check()
        self._allow_requester(state)
        entrusting.allow(self.entrusted_by, self.requester, self.type_codes, about, state, mode=self.mode)
        if self.mode == "holder":
            _allow_consent(self, about, state)
        else:
            _allow_standing(self, about)
        _allow_targets(self, about, state)
        representation.allow_consent(self.represents_by, self.representative, about, state, mode=self.mode)
        mandate.allow_consent(self._acting, about, state, mode=self.mode, scope=self)

    @property
    def _acting(self) -> mandate.Acting:
        return mandate.Acting(self.acting, self.acts_by, self.representative, self.represents_by)

    def _allow_requester(self, state: State) -> None:
        client.check_organization(self.requester, field="requester")
        organization = state.get(OrganizationRow, self.requester)
        stream = state.get(StreamRow, self.requester_stream)
        if organization is None and stream is not None:
            raise errors.Conflict("a new requester begins with a stream of its own")
        if organization is not None and organization.stream_id != self.requester_stream:
            raise errors.Conflict("the requester has another stream")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        if state.get(OrganizationRow, self.requester) is None:
            state.put(OrganizationRow(organization=self.requester, stream_id=self.requester_stream))
            state.put(StreamRow(stream_id=self.requester_stream, kind="organization", is_erased=False))
        if state.get(StreamRow, about.stream_id) is None:
            state.put(StreamRow(stream_id=about.stream_id, kind="holder", is_erased=False))
        state.put(
            AuthorizationRow(
                authorization_ref=self.authorization_ref,
                stream_id=about.stream_id,
                mode=self.mode,
                requester=self.requester,
                grantor=about.organization,
                uses=0,
                is_withdrawn=False,
                use_code_digest=self.use_code_digest,
                entrusted_by=self.entrusted_by,
                **vars(scope_of(self)),
            )
        )
        if self.represents_by is not None and self.representative is not None:
            root = representation.Root(self.representative, self.authorization_ref, self.valid_until)
            representation.take_root(self.represents_by, root, state, at=about.recorded_at)
        if self.acts_by is not None:
            rests = mandate.Root(self.authorization_ref, self.valid_until)
            mandate.take_root(self.acts_by, rests, state, at=about.recorded_at)


@dataclass(frozen=True, kw_only=True)
class AuthorizationNarrowed(Scoped, OfAuthorization, Fact):
    """缩小授权: the whole scope as it is from now on, within the one before."""

    stream_kind: ClassVar[str] = "holder"

    def needed_scope(self, state: State) -> str | None:
        return _scope_of_mode(self.authorization_ref, state)

    def touches(self, about: event.Event) -> Touched:
        return ((AuthorizationRow, self.authorization_ref),)

    def allow(self, about: event.Event, state: State) -> None:
        row = _own_authorization(self.authorization_ref, about, state)
        scope = scope_of(self)
        scope.check()
        if not is_narrower(scope, scope_of(row)):
            raise errors.ScopeWidened(field="scope")
        if scope == scope_of(row):
            raise errors.Conflict("the scope is as it was")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.need(AuthorizationRow, self.authorization_ref)
        state.put(replace(row, **vars(scope_of(self))))


@dataclass(frozen=True, kw_only=True)
class AuthorizationWithdrawn(OfAuthorization, Fact):
    """撤回授权: nothing is granted under it after this fact's position."""

    stream_kind: ClassVar[str] = "holder"

    def needed_scope(self, state: State) -> str | None:
        return _scope_of_mode(self.authorization_ref, state)

    def touches(self, about: event.Event) -> Touched:
        return ((AuthorizationRow, self.authorization_ref),)

    def allow(self, about: event.Event, state: State) -> None:
        _own_authorization(self.authorization_ref, about, state)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.need(AuthorizationRow, self.authorization_ref)
        state.put(replace(row, is_withdrawn=True))


def scope_for(mode: str) -> str:
    """The client scope that grants and changes authorizations of `mode`."""
    return "consent:attest" if mode == "holder" else "authorization:grant"


def _scope_of_mode(authorization_ref: bytes, state: State) -> str:
    row = state.get(AuthorizationRow, authorization_ref)
    if row is None:
        raise errors.AuthorizationNotFound
    return scope_for(row.mode)


def _allow_consent(fact: AuthorizationGranted, about: event.Event, state: State) -> None:
    """Attested consent: of a holder, with evidence, by a named operator, never for whom the client serves."""
    client.refuse_own(fact.requester, about, state)
    stream = state.get(StreamRow, about.stream_id)
    if about.stream_id == fact.requester_stream or (stream is not None and stream.kind != "holder"):
        raise errors.Conflict("a holder's consent stands in the holder's stream")
    if stream is not None:
        holder.refuse_contested(stream)
        holder.refuse_ended(stream)
    if fact.evidence_digest is None:
        raise errors.Invalid("attested consent names its evidence", field="evidence")
    holder.require_attested(about)


def _allow_standing(fact: AuthorizationGranted, about: event.Event) -> None:
    """Statutory, unconditional, entrusted: types for one requester, in its stream, without a use code."""
    if fact.license_refs:
        raise errors.Invalid("a standing authorization names types", field="scope.license_refs")
    if about.stream_id != fact.requester_stream:
        raise errors.Conflict("a standing authorization stands in the requester's stream")
    if fact.use_code_digest is not None:
        raise errors.Invalid("a use code stands for a holder's consent", field="mode")


def _allow_targets(fact: AuthorizationGranted, about: event.Event, state: State) -> None:
    for type_code in fact.type_codes:
        type_row = state.get(TypeRow, type_code)
        if type_row is None:
            raise errors.LicenseTypeUnknown(field="scope.type_codes")
        if type_row.sharing_class not in SHARING_CLASSES[fact.mode]:
            raise errors.SharingClassForbids(field="scope.type_codes")
    for license_ref in fact.license_refs:
        row = state.get(LicenseRow, ids.parse(license_ref))
        if row is None or not party.holds(row, about.stream_id):
            raise errors.LicenseNotFound(field="scope.license_refs")


def _own_authorization(authorization_ref: bytes, about: event.Event, state: State) -> AuthorizationRow:
    row = state.get(AuthorizationRow, authorization_ref)
    if row is None:
        raise errors.AuthorizationNotFound
    if row.stream_id != about.stream_id:
        raise errors.Conflict("the authorization stands in another stream")
    if row.is_withdrawn:
        raise errors.AuthorizationWithdrawnConflict
    own, day = state.get(OrganizationRow, about.organization), days.of_instant(about.recorded_at)
    acting = about.organization
    if about.client is not None and row.mode != "holder" and not is_grantor(row, own, acting, day=day):
        raise errors.AuthorizationNotFound
    return row


def is_grantor(row: AuthorizationRow, own: OrganizationRow | None, organization: str, *, day: int) -> bool:
    """Whether an organization, whose row is `own`, granted it or succeeded who did, and has not handed all
    its types on. Asked of standing ones: a holder's consent was granted by the holder.
    """
    if power.handed_over(own, row.type_codes, day=day) == {*row.type_codes}:
        return False
    return row.grantor == organization or power.has_succeeded(
        own, row.grantor, day=day, type_codes=row.type_codes
    )


def _within(new: tuple[str, ...] | None, old: tuple[str, ...] | None) -> bool:
    return old is None or (new is not None and set(new) <= set(old))


def _at_most(new: int | None, old: int | None) -> bool:
    return old is None or (new is not None and new <= old)
