"""The command behind a comparison 在线比对: decided as a use is, on one license, and disclosing nothing.

The values of a license are sealed and no rule opens them, so that the command is asked twice: without
verdicts it says, by VersionMoved, which version the requester may compare with; with the verdicts on
that version it is recorded, unless the license was amended in between.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ledger import authorization, comparison, days, errors, mapping, use_choice
from ledger.command import Reads, View, actor_stream
from ledger.fact import Draft
from ledger.state import LicenseRow, MissRow, StreamRow
from ledger.use_choice import Outcome
from ledger.use_commands import UseLicense

Verdicts = tuple[tuple[str, str], ...]


def verdicts(
    values: Mapping[str, Any], claims: Mapping[str, str], *, names: Collection[str] = ()
) -> Verdicts:
    """The verdict on every claim, sorted by field, over the values of one version.

    `names` are those that the holder has and had, where it changed its name.
    """
    return tuple(
        (
            name,
            comparison.compare(name, claimed=claims[name], held=values[name], names=names)
            if name in values
            else "not-held",
        )
        for name in sorted(claims)
    )


@dataclass(frozen=True, kw_only=True)
class CompareLicense(UseLicense):
    """比对: as a use of the claimed fields, of one license."""

    act: ClassVar[str] = "comparison"
    claims: Mapping[str, str]
    known: Mapping[int, Verdicts] = field(default_factory=dict)
    """Leaf index of a version to the verdicts on it."""

    def reads(self, view: View) -> Reads:
        reads = super().reads(view)
        streams = {stream_id for stream_id, _ in reads.held}
        streams |= {key for cls, key in reads.rows if cls is StreamRow and isinstance(key, bytes)}
        requester = self.actor.organization
        reads.rows |= {(MissRow, comparison.miss_key(stream_id, requester)) for stream_id in streams}
        return reads

    def decide(self, view: View) -> list[Draft]:
        outcome, _ = self.outcome(view)
        if outcome.reason is None and len(outcome.licenses) > 1:
            assert outcome.authorization is not None, "a grant has an authorization"
            ambiguous = use_choice.ambiguous(outcome.authorization, outcome.licenses)
            outcome = ambiguous._replace(mappings=outcome.mappings)
        if outcome.reason is not None:
            return [self.refusal(outcome, view)]
        (row,) = outcome.licenses
        return [self._compared(row, outcome, view)]

    def _compared(self, row: LicenseRow, outcome: Outcome, view: View) -> Draft:
        granted_by, own = outcome.authorization, actor_stream(self.actor, view)
        assert granted_by is not None, "a grant has an authorization"
        assert own is not None, "a client's organization has a stream"
        home = view.state.need(StreamRow, row.stream_id)
        counted_in = comparison.counted_in(home)
        missed = view.state.get(MissRow, comparison.miss_key(counted_in, self.actor.organization))
        if comparison.misses_left(missed, at=view.at) < 1:
            tomorrow = days.start(days.of_instant(view.at) + 1)
            raise errors.ComparisonLimit(retry_after_s=(tomorrow - view.at) // 1_000_000 + 1)
        shown = mapping.seen(
            granted_by,
            row,
            names=self.field_names,
            asked_type=self.type_code or self._type_of_named(view),
            mapped=outcome.mappings.get(row.type_code),
        )
        said = mapping.told(shown, shown.names or ())
        if row.version_index not in self.known:
            raise errors.VersionMoved(version_index=row.version_index, named_as=_names_there(said))
        made = comparison.LicenseCompared(
            license_ref=row.license_ref,
            version=row.version,
            license_index=row.version_index,
            authorization_ref=granted_by.authorization_ref,
            mode=granted_by.mode,
            verdicts=self.known[row.version_index],
            kept_type=row.type_code if row.license_ref in outcome.kept else None,
            consents=authorization.consenting(
                granted_by, row, home, lambda one: view.state.get(StreamRow, one), at=view.at
            ),
            counted_in=None if counted_in == row.stream_id else counted_in,
            **said,
        )
        return Draft(fact=made, stream_id=row.stream_id, seals=(("claimed", own, dict(self.claims)),))


def _names_there(said: Mapping[str, Any]) -> tuple[tuple[str, str], ...] | None:
    """(own name, name in the claims), where these are in the words of another type; else None."""
    return said["named_as"] if said.get("asked_type") is not None else None
