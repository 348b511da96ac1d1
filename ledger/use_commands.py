"""The command behind a use.

A use names a use code, a license or a holder with a type. Until an authorization of the requester is
found, every refusal looks alike and stands in the requester's own stream, naming no holder; a license
is named only where the authorization permits and the license's own status does not.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ledger import (
    authorization,
    authorization_commands,
    coverage,
    errors,
    mapping,
    party,
    refusal,
    use,
    use_choice,
)
from ledger.command import Command, Reads, View, Wants, actor_stream
from ledger.coverage import NO_HINTS, Expected
from ledger.fact import Draft, drafted
from ledger.identifiers import HolderCode
from ledger.license_commands import holder_lookup
from ledger.state import AuthorizationRow, LicenseRow, StreamRow, TypeRow, TypeRulesRow
from ledger.use import Asked
from ledger.use_choice import Outcome
from ledger.vault import Vault
from signing import ids


@dataclass(frozen=True, kw_only=True)
class UseLicense(Command):
    """用证: names exactly one of a use code, a license, or a holder with a type."""

    use_code: str | None = None
    license_ref: bytes | None = None
    holder: HolderCode | None = None
    type_code: str | None = None
    field_names: tuple[str, ...] | None = None
    expected: Expected = NO_HINTS
    act: ClassVar[str] = "use"
    is_by_number: ClassVar[bool] = False
    """Whether what is asked for is what has a printed number (`number_commands`)."""

    def wants(self, vault: Vault) -> Wants:
        wants = Wants()
        if self.use_code is not None:
            digest = authorization_commands.use_code_digest(self.use_code, suite=vault.suite)
            wants.use_codes.append(digest)
        if self.license_ref is not None:
            wants.rows.add((LicenseRow, self.license_ref))
        if self.holder is not None:
            wants.lookups.append(holder_lookup(vault, self.holder))
        if self.type_code is not None:
            wants.rows.add((TypeRow, self.type_code))
        return wants

    def reads(self, view: View) -> Reads:
        reads = Reads()
        own = actor_stream(self.actor, view)
        stream_id, types, refs = self._target(view)
        reads.rows |= {(LicenseRow, ref) for ref in refs}
        if self.type_code is None:
            reads.rows |= {(TypeRow, type_code) for type_code in types}
        for type_code in types:
            if stream_id is not None and self.license_ref is None:
                # Of a license that is named, its holder's others of the type are no matter.
                reads.held.add((stream_id, type_code))
            if own is not None:
                reads.candidates.add((own, self.actor.organization, type_code))
        if stream_id is not None:
            reads.rows.add((StreamRow, stream_id))
        reads.candidates |= {(one, self.actor.organization, None) for one in self._askable(view, stream_id)}
        return reads

    def _askable(self, view: View, stream_id: bytes | None) -> set[bytes]:
        """Streams in which consent to the use may stand: of a license that is named, all its parties'."""
        named = None if self.license_ref is None else view.state.get(LicenseRow, self.license_ref)
        parties = () if named is None else party.of(named)
        return {one.stream_id for one in parties} | (set() if stream_id is None else {stream_id})

    def decide(self, view: View) -> list[Draft]:
        outcome, asked = self.outcome(view)
        if outcome.reason is not None:
            public = self._public(view, asked)
            if public is None:
                return [self.refusal(outcome, view)]
            outcome = public
        return [_grant(row, outcome, asked, view) for row in outcome.licenses]

    def _public(self, view: View, asked: Asked) -> Outcome | None:
        """A grant of what the type publishes to anyone; None where that is not all that is asked for."""
        stream_id, types, _ = self._target(view)
        if self.use_code is not None or stream_id is None:
            return None
        type_row = view.state.need(TypeRow, types[0])
        published = set(type_row.public_fields)
        if not published or (asked.field_names is not None and not published >= set(asked.field_names)):
            return None
        own = actor_stream(self.actor, view)
        assert own is not None, "a client's organization has a stream"
        row = authorization.of_public(type_row, requester=asked.requester, stream_id=own)
        outcome = self._decide(view, own, asked, candidates=[row])
        shows = all(use.disclosed(row, item, asked) for item in outcome.licenses)
        return outcome if outcome.reason is None and shows else None

    def outcome(self, view: View) -> tuple[Outcome, Asked]:
        """What the rule says of what is asked; raises LicenseTypeUnknown."""
        own = actor_stream(self.actor, view)
        assert own is not None, "a client's organization has a stream"
        if self.type_code is not None and view.state.get(TypeRow, self.type_code) is None:
            raise errors.LicenseTypeUnknown(field="license_type")
        asked = Asked(
            requester=self.actor.organization,
            service_item=self.actor.service_item,
            field_names=self.field_names,
            case_number=self.actor.case_number,
            expected=self.expected,
            type_code=self.type_code or self._type_of_named(view),
            is_by_number=self.is_by_number,
        )
        return self._decide(view, own, asked), asked

    def _type_of_named(self, view: View) -> str | None:
        """The type of the license that is named, in whose words its fields are asked for."""
        row = None if self.license_ref is None else view.state.get(LicenseRow, self.license_ref)
        return None if row is None else row.type_code

    def _target(self, view: View) -> tuple[bytes | None, tuple[str, ...], tuple[bytes, ...]]:
        """The holder's stream, the types and the licenses that the request may concern."""
        if self.use_code is not None:
            row = self._coded(view)
            if row is None:
                return None, (), ()
            return row.stream_id, row.type_codes, tuple(ids.parse(ref) for ref in row.license_refs)
        if self.license_ref is not None:
            license_row = view.state.get(LicenseRow, self.license_ref)
            if license_row is None:
                return None, (), ()
            return license_row.stream_id, (license_row.type_code,), ()
        assert self.holder is not None, "a use names something"
        assert self.type_code is not None, "a holder comes with a type"
        entry = view.entry(holder_lookup(view.vault, self.holder))
        return (None if entry is None else entry.stream_id), (self.type_code,), ()

    def _coded(self, view: View) -> AuthorizationRow | None:
        assert self.use_code is not None, "asked by use code"
        row = view.by_use_code(authorization_commands.use_code_digest(self.use_code, suite=view.vault.suite))
        if row is None or row.mode != "holder" or row.requester != self.actor.organization:
            return None
        return row

    def _decide(
        self, view: View, own: bytes, asked: Asked, *, candidates: list[AuthorizationRow] | None = None
    ) -> Outcome:
        """The outcome under `candidates`; None: under all that may concern the request."""
        stream_id, types, refs = self._target(view)
        found_by = None if stream_id is None else view.state.need(StreamRow, stream_id)
        if found_by is not None and found_by.is_erased:
            # An erased holder is as one whom the ledger never knew.
            stream_id, types, refs = None, self._asked_types(), ()
        mappings = mapping.around(types, view.state, at=view.at)
        licenses = self._licenses(view, stream_id, _found_by(types, mappings), refs)
        if candidates is None:
            candidates = self._candidates(view, own, stream_id, _named_by(types, mappings))
        homes = _homes(view, licenses)
        return use_choice.decide(
            candidates,
            licenses,
            asked,
            type_code=self._concerned(types),
            types=self._type_rows(view, types),
            homes=homes,
            kept=_kept(view, licenses, homes),
            contested=found_by.stream_id if found_by is not None and found_by.is_contested else None,
            mappings=mappings,
            local=_local_rows(view, types) if mappings else None,
            at=view.at,
        )

    def _type_rows(self, view: View, types: tuple[str, ...]) -> list[TypeRow]:
        """The types that may turn out not to be held; a license that is named is there."""
        if self.license_ref is not None:
            return []
        return [view.state.need(TypeRow, type_code) for type_code in types]

    def _asked_types(self) -> tuple[str, ...]:
        return () if self.type_code is None else (self.type_code,)

    def _concerned(self, types: tuple[str, ...]) -> str | None:
        """The type by which an authorization concerns the request, whatever is held."""
        if self.use_code is not None:
            return types[0] if types else None
        return self.type_code

    def _candidates(
        self, view: View, own: bytes, stream_id: bytes | None, types: tuple[str, ...]
    ) -> list[AuthorizationRow]:
        if self.use_code is not None:
            row = self._coded(view)
            return [] if row is None or stream_id is None else [row]
        requester = self.actor.organization
        candidates = [row for code in types for row in view.candidates(own, requester, code)]
        if stream_id is not None:
            streams = view.streams(stream_id)
            if self.license_ref is not None:
                streams = tuple({own for one in self._askable(view, stream_id) for own in view.streams(one)})
            for one in sorted(streams):
                candidates += view.candidates(one, requester, None)
        return candidates

    def _licenses(
        self, view: View, stream_id: bytes | None, types: tuple[str, ...], refs: tuple[bytes, ...]
    ) -> list[LicenseRow]:
        if stream_id is None:
            return []
        if self.license_ref is not None:
            row = view.state.get(LicenseRow, self.license_ref)
            return [] if row is None else [row]
        named = (view.state.get(LicenseRow, ref) for ref in refs)
        streams = view.streams(stream_id)
        found = {
            row.license_ref: row
            for row in named
            if row is not None and any(party.holds(row, one) for one in streams)
        }
        for type_code in types:
            for one in streams:
                found.update({row.license_ref: row for row in view.held(one, type_code)})
        return list(found.values())

    def refusal(self, outcome: Outcome, view: View) -> Draft:
        """The refusal; it names a license only where the requester may know of it."""
        own = actor_stream(self.actor, view)
        assert own is not None, "a client's organization has a stream"
        assert outcome.reason is not None, "a refusal has a reason"
        choices = outcome.licenses if outcome.reason == "ambiguous" else ()
        row = outcome.licenses[0] if outcome.licenses else None
        named = None if choices else row
        expected = self.expected if outcome.reason in coverage.NOTHING_FOUND else NO_HINTS
        made = refusal.UseRefused(
            reason=outcome.reason,
            code=use.NATIONAL_CODES[outcome.reason],
            type_code=row.type_code if row is not None else outcome.type_code or self.type_code,
            license_ref=None if named is None else named.license_ref,
            authorization_ref=outcome.authorization.authorization_ref if outcome.authorization else None,
            choices=tuple(item.license_ref for item in choices),
            expected_issuer=expected.issuer,
            expected_area=expected.area,
            expected_issued_on=expected.issued_on,
            coverage=outcome.coverage,
            since=None if named is None else use.since(named, at=view.at),
            responsible=None if named is None else named.issuer,
            summaries=tuple(use.summary(item) for item in choices),
            act=self.act,
            consents=consents(outcome, view),
            **self._mapped(outcome, view),
        )
        return Draft(fact=made, stream_id=outcome.stream_id or own, seals=self._asked_about(own))

    def _mapped(self, outcome: Outcome, view: View) -> dict[str, Any]:
        """What a refusal says of local types that stand for another; nearly always nothing."""
        granted_by, type_code = outcome.authorization, outcome.type_code
        if granted_by is None:
            return {}
        if outcome.reason in coverage.NOTHING_FOUND and type_code is not None:
            row = view.state.need(TypeRow, type_code)
            return {"local_types": row.local_types if type_code in granted_by.type_codes else (type_code,)}
        asked_type = self.type_code or self._type_of_named(view)
        shown = [
            mapping.seen(
                granted_by,
                item,
                names=None,
                asked_type=asked_type,
                mapped=outcome.mappings.get(item.type_code),
            )
            for item in outcome.licenses
        ]
        return {
            "asked_type": next((one.asked_type for one in shown if one.asked_type is not None), None),
            "local_types": tuple(sorted({one.mapped.own_type for one in shown if one.mapped is not None})),
        }

    def _asked_about(self, own: bytes) -> tuple[tuple[str, bytes, list[Any]], ...]:
        """What the requester asked about, sealed under its own key: it outlives a holder's erasure."""
        if self.holder is not None:
            content = [self.holder.code_type, self.holder.code, None]
        else:
            content = [None, None, ids.text(self.license_ref) if self.license_ref else None]
        return (("asked", own, content),)


def _homes(view: View, licenses: list[LicenseRow]) -> dict[bytes, StreamRow]:
    """The streams of the parties of some licenses."""
    homes = {row.stream_id: view.state.need(StreamRow, row.stream_id) for row in licenses}
    for row in licenses:
        for one in party.of(row):
            homes[one.stream_id] = view.state.need(StreamRow, one.stream_id)
    return homes


def consents(outcome: Outcome, view: View) -> tuple[bytes, ...]:
    """Streams of those who consented to the use of what an outcome names."""
    if outcome.authorization is None:
        return ()
    named = (_consenting(outcome.authorization, row, view) for row in outcome.licenses)
    return tuple(sorted({stream_id for streams in named for stream_id in streams}))


def _consenting(granted_by: AuthorizationRow, row: LicenseRow, view: View) -> tuple[bytes, ...]:
    home = view.state.need(StreamRow, row.stream_id)
    streams = functools.partial(view.state.get, StreamRow)
    return authorization.consenting(granted_by, row, home, streams, at=view.at)


def _kept(view: View, licenses: list[LicenseRow], homes: dict[bytes, StreamRow]) -> frozenset[bytes]:
    """Licenses that outlive the holder in whose stream they stand, who has ended; nearly always none."""
    ended = [row for row in licenses if homes[row.stream_id].ended_at is not None]
    return frozenset(
        row.license_ref for row in ended if use.outlives(view.state.get(TypeRulesRow, row.type_code))
    )


def _grant(row: LicenseRow, outcome: Outcome, asked: Asked, view: View) -> Draft:
    granted_by = outcome.authorization
    assert granted_by is not None, "a grant has an authorization"
    names, mapped = _names(row, granted_by, outcome.mappings, asked)
    made = drafted(
        use.LicenseUsed,
        license_ref=row.license_ref,
        version=row.version,
        license_index=row.version_index,
        authorization_ref=granted_by.authorization_ref,
        mode=granted_by.mode,
        fields=names,
        status="effective",
        kept_type=row.type_code if row.license_ref in outcome.kept else None,
        public_type=row.type_code if granted_by.mode == authorization.PUBLIC else None,
        consents=_consenting(granted_by, row, view),
        **mapped,
    )
    return Draft(fact=made, stream_id=row.stream_id)


def _names(
    row: LicenseRow, granted_by: AuthorizationRow, mappings: mapping.Mappings, asked: Asked
) -> tuple[tuple[str, ...], Mapping[str, Any]]:
    """The license's own names of what is disclosed, and what the fact says of a mapping."""
    if not mappings:
        return use.disclosed(granted_by, row, asked), mapping.UNMAPPED
    shown = mapping.seen(
        granted_by,
        row,
        names=asked.field_names,
        asked_type=asked.type_code,
        mapped=mappings.get(row.type_code),
    )
    names = use.disclosed(shown.authorization, row, asked._replace(field_names=shown.names))
    return names, mapping.told(shown, names)


def _found_by(types: tuple[str, ...], mappings: mapping.Mappings) -> tuple[str, ...]:
    """The types of which licenses are looked for: those asked for, and local ones that stand for them."""
    if not mappings:
        return types
    local = (one.own_type for one in mappings.values() if one.national_type in types)
    return tuple(dict.fromkeys((*types, *local)))


def _named_by(types: tuple[str, ...], mappings: mapping.Mappings) -> tuple[str, ...]:
    """The types whose authorizations may concern the request: also what those asked for stand for."""
    if not mappings:
        return types
    national = (one.national_type for one in mappings.values() if one.own_type in types)
    return tuple(dict.fromkeys((*_found_by(types, mappings), *national)))


def _local_rows(view: View, types: tuple[str, ...]) -> dict[str, tuple[TypeRow, ...]]:
    """The types that stand for those asked for, where nothing of them may be found."""
    rows = (view.state.need(TypeRow, type_code) for type_code in types)
    return {row.type_code: mapping.local_rows(row, view.state, at=view.at) for row in rows}
