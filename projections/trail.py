"""The audit trail 用证审计: under which subjects each event is found, and what a row says of it in clear.

A row is made from the event's own bytes when it is read, so that the projection keeps postings alone and
the little that an event does not say itself. Sealed parts are not here; whoever may read them opens them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ledger import (
    audit,
    authorization,
    case,
    comparison,
    dispute,
    document,
    fact,
    holder,
    license,
    organization,
    refusal,
    rooms,
    state,
    use,
    verification,
)
from projections import db, finding, postings, sql
from projections.projection import Happened, licenses_of
from signing import event

_ASKING: frozenset[type[fact.Fact]] = frozenset(
    {
        *rooms.grants().values(),
        refusal.UseRefused,
        comparison.LicenseCompared,
        verification.LicenseVerified,
        holder.HolderFileRead,
        holder.HolderFileRefused,
        audit.TrailRead,
        document.DocumentGiven,
        audit.RefusalsCounted,
        case.CaseOpened,
        case.CaseClosed,
        dispute.DisputeFiled,
        dispute.DisputeWithdrawn,
    }
)
"""Facts of those who ask: the organization acted for is the requester."""
_REASONED: frozenset[type[fact.Fact]] = frozenset(
    {
        refusal.UseRefused,
        holder.HolderFileRefused,
        comparison.LicenseCompared,
        verification.LicenseVerified,
        audit.RefusalsCounted,
    }
)
"""Facts whose row may say a reason."""
DISPUTING: frozenset[type[fact.Fact]] = frozenset({dispute.DisputeFiled, dispute.DisputeWithdrawn})
"""Facts that change a license though its issuer did not record them."""


@dataclass(frozen=True, kw_only=True)
class TrailRow:
    """One event, as far as it is in clear."""

    index: int
    about: event.Event
    license_ref: bytes | None
    """The license, when the event is about one."""
    type_code: str | None
    issuer: str | None
    """The responsible issuer: of the event, else of its license."""
    requester: str | None
    """Who asked to use, verify or read, or whom an authorization names."""
    outcome: str | None
    """`granted`, `refused` or `verified`."""
    reason: str | None
    """Why it was refused, or what a verification found."""
    authorization_ref: bytes | None
    case: finding.CaseRow | None = None
    """What was said of the case that the event names, in a list of findings."""
    change: Happened | None = None
    """In the list of uses in delay: the change that held already."""


@dataclass(frozen=True, kw_only=True)
class LicenseRow(state.Row):
    """What later events of a license do not say themselves."""

    table = "trail_licenses"
    license_ref: bytes
    type_code: str
    issuer: str


@dataclass(frozen=True, kw_only=True)
class AuthorizationRow(state.Row):
    """Whom an authorization names."""

    table = "trail_authorizations"
    authorization_ref: bytes
    requester: str


@dataclass(frozen=True)
class Known:
    """What is known of the licenses and authorizations that some events name."""

    licenses: Mapping[state.Key, LicenseRow]
    authorizations: Mapping[state.Key, AuthorizationRow]
    cases: Mapping[state.Key, finding.CaseRow] = field(default_factory=dict)
    """Only in lists of findings."""
    changes: Mapping[int, Happened] = field(default_factory=dict)
    """Index of a use in delay to the change; only in their list."""

    def type_of(self, license_ref: bytes) -> str | None:
        """The type of a license."""
        row = self.licenses.get(license_ref)
        return None if row is None else row.type_code

    def case(self, item: Happened) -> finding.CaseRow | None:
        """What is known of the case that an event names."""
        keys = finding.keys(item)
        return self.cases.get(keys[0]) if keys else None


class Trail:
    """The projection `trail`."""

    name: ClassVar[str] = "trail"
    version: ClassVar[int] = db.VERSIONS["trail"]
    tables: ClassVar[tuple[str, ...]] = (
        "trail_postings",
        "trail_blocks",
        "trail_changes",
        "trail_licenses",
        "trail_authorizations",
        "trail_cases",
    )

    def apply(self, work: db.Work, happened: Sequence[Happened]) -> None:
        """Add what the facts say under their subjects."""
        learned = _learned(happened)
        work.save(list(learned.licenses.values()))
        work.save(list(learned.authorizations.values()))
        licenses, authorizations = named(happened)
        known = Known(
            {**work.rows(LicenseRow, licenses - learned.licenses.keys()), **learned.licenses},
            {
                **work.rows(AuthorizationRow, authorizations - learned.authorizations.keys()),
                **learned.authorizations,
            },
        )
        _post(work, happened, known)
        changes = [(made, item.index) for item in happened if (made := _changed(item)) is not None]
        if changes:
            refs, indexes = map(list, zip(*changes, strict=True))
            work.run(sql.load("trail")["add_changes"], (work.partition, refs, indexes))
        begun = happened[-happened[0].index % postings.BLOCK :: postings.BLOCK]
        if begun:
            times = [item.about.recorded_at for item in begun]
            blocks = [item.index // postings.BLOCK for item in begun]
            work.run(sql.load("trail")["add_blocks"], (work.partition, times, blocks))


def _post(work: db.Work, happened: Sequence[Happened], known: Known) -> None:
    """Blocks that begin with these facts have no rows yet; one that began before has some."""
    begins = -(-happened[0].index // postings.BLOCK)
    before, begun = postings.Postings(), postings.Postings()
    subject = postings.subject
    for item in happened:
        found = begun if item.index // postings.BLOCK >= begins else before
        own = {subject(kind, value) for kind, value in _own(item)}
        found.add(item.index, own.union(_shared_subjects(_sharing(item, known))))
    finding.mark_all(
        work,
        happened,
        lambda index: begun if index // postings.BLOCK >= begins else before,
        known.type_of,
    )
    for name, found in (("add_postings", before), ("begin_postings", begun)):
        subjects, blocks, offsets = found.columns()
        if subjects:
            work.run(sql.load("trail")[name], (work.partition, subjects, blocks, offsets))


def named(happened: Iterable[Happened]) -> tuple[set[bytes], set[bytes]]:
    """The licenses and the authorizations that some facts name, as far as rows need them."""
    licenses, authorizations = set(), set()
    for item in happened:
        made = item.fact
        ref = _license(made)
        if ref is not None:
            licenses.add(ref)
        elif isinstance(made, case.CaseClosed):
            licenses.update(made.license_refs)
        if type(made) not in _ASKING and (grant := _authorization(made)) is not None:
            authorizations.add(grant)
    return licenses, authorizations


def row(item: Happened, known: Known) -> TrailRow:
    """What an event says in clear."""
    made = item.fact
    license_ref = _license(made)
    held = known.licenses.get(license_ref) if license_ref is not None else None
    outcome, reason = _outcome(made)
    return TrailRow(
        index=item.index,
        about=item.about,
        license_ref=license_ref,
        type_code=held.type_code if held is not None else getattr(made, "type_code", None),
        issuer=_issuer(item, known),
        requester=_requester(item.about, made, known),
        outcome=outcome,
        reason=reason,
        authorization_ref=_authorization(made),
        case=known.case(item),
        change=known.changes.get(item.index),
    )


def subjects(item: Happened, known: Known) -> list[tuple[int, bytes]]:
    """(kind, value) of everything an event is found under; findings as far as `known` is of them."""
    found = finding.of(item, known.case(item)) | (
        {finding.IN_DELAY} if item.index in known.changes else set()
    )
    named = [(postings.KINDS["finding"], name.encode()) for name in found]
    return [(postings.KINDS["holder"], item.about.stream_id), *named, *_posted(item, known)]


def _license(made: fact.Fact) -> bytes | None:
    """The one license that a fact names; None when it names none or several."""
    ref: bytes | None = getattr(made, "license_ref", None)
    if ref is None and hasattr(made, "license_refs"):
        refs = licenses_of(made)
        return refs[0] if len(refs) == 1 else None
    return ref


def _changed(item: Happened) -> bytes | None:
    """The license that an event made or changed: its issuer recorded it, or it is about a dispute."""
    if item.about.issuer is None and type(item.fact) not in DISPUTING:
        return None
    ref: bytes | None = getattr(item.fact, "license_ref", None)
    return None if isinstance(item.fact, document.DocumentGiven) else ref


_LICENSE, _REQUESTER, _CASE, _OPERATOR, _ISSUER, _ITEM, _CHANNEL, _REASON = (
    postings.KINDS[name]
    for name in ("license", "requester", "case", "operator", "issuer", "item", "channel", "reason")
)
_SHARED = (_OPERATOR, _REQUESTER, _ISSUER, _ITEM, _CHANNEL, _REASON)
_Sharing = tuple[bytes | None, str | None, str | None, str | None, str, str | None]
"""Values of `_SHARED` that an event has."""


def _posted(item: Happened, known: Known) -> list[tuple[int, bytes]]:
    return [*_own(item), *_shared(_sharing(item, known))]


def _own(item: Happened) -> list[tuple[int, bytes]]:
    """What few events have in common with this one."""
    found = [(_LICENSE, ref) for ref in licenses_of(item.fact)]
    if item.about.case_number is not None:
        found.append((_CASE, item.about.case_number.encode()))
    return found


def _sharing(item: Happened, known: Known) -> _Sharing:
    """What many events have in common with this one."""
    about, made = item.about, item.fact
    return (
        about.operator_ref,
        _requester(about, made, known),
        _issuer(item, known),
        about.service_item,
        about.channel,
        _outcome(made)[1] if type(made) in _REASONED else None,
    )


def _shared(sharing: _Sharing) -> list[tuple[int, bytes]]:
    """Kinds and values of what `_sharing` gives."""
    values = ((kind, value) for kind, value in zip(_SHARED, sharing, strict=True) if value is not None)
    return [(kind, value if isinstance(value, bytes) else value.encode()) for kind, value in values]


@functools.lru_cache(maxsize=16_384)
def _shared_subjects(sharing: _Sharing) -> tuple[int, ...]:
    """Subjects of what `_sharing` gives: found in one step, for this is asked of every event of a ledger."""
    return tuple(postings.subject(kind, value) for kind, value in _shared(sharing))


def _learned(happened: Iterable[Happened]) -> Known:
    """What the facts say of licenses and authorizations that begin with them."""
    licenses: dict[state.Key, LicenseRow] = {}
    authorizations: dict[state.Key, AuthorizationRow] = {}
    for item in happened:
        made = item.fact
        if isinstance(made, license.LicenseIssued):
            assert item.about.issuer is not None, "the rule saw an issuer"
            licenses[made.license_ref] = LicenseRow(
                license_ref=made.license_ref, type_code=made.type_code, issuer=item.about.issuer
            )
        elif isinstance(made, authorization.AuthorizationGranted):
            authorizations[made.authorization_ref] = AuthorizationRow(
                authorization_ref=made.authorization_ref, requester=made.requester
            )
    return Known(licenses, authorizations)


def _issuer(item: Happened, known: Known) -> str | None:
    if item.about.issuer is not None:
        return item.about.issuer
    ref = _license(item.fact)
    held = known.licenses.get(ref) if ref is not None else None
    if held is None and isinstance(item.fact, dispute.DisputeFiled):
        return item.fact.issuer
    return None if held is None else held.issuer


def _authorization(made: fact.Fact) -> bytes | None:
    ref: bytes | None = getattr(made, "authorization_ref", None)
    return ref


def _requester(about: event.Event, made: fact.Fact, known: Known) -> str | None:
    if type(made) in _ASKING:
        return about.organization
    if isinstance(made, organization.AuthorizationPassedOn):
        return made.requester
    ref = _authorization(made)
    row = known.authorizations.get(ref) if ref is not None else None
    return None if row is None else row.requester


def _outcome(made: fact.Fact) -> tuple[str | None, str | None]:
    if isinstance(made, use.LicenseUsed):
        return "granted", None
    if isinstance(made, refusal.UseRefused | holder.HolderFileRefused):
        return "refused", made.reason
    if isinstance(made, comparison.LicenseCompared):
        return "compared", "mismatch" if made.is_miss else None
    if isinstance(made, verification.LicenseVerified):
        return "verified", made.result
    if isinstance(made, audit.RefusalsCounted):
        return "refused", "refusal-quota"
    return None, None
