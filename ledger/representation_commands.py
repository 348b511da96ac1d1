"""What a version of a license says of who represents its holder, recorded beside it in one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from ledger import correction, license, representation
from ledger.command import Command, Reads, View, Wants
from ledger.fact import Draft
from ledger.state import AuthorizationRow, RepresentationRow
from ledger.state_mandate import MandateRow
from ledger.vault import Vault


@dataclass(frozen=True, kw_only=True)
class OfVersion(Command):
    """Base of the commands that make a version: they know who represented the holder before."""

    license_ref: bytes

    def all_wants(self, vault: Vault) -> Wants:
        wants = super().all_wants(vault)
        wants.rows.add((RepresentationRow, self.license_ref))
        return wants

    def all_reads(self, view: View) -> Reads:
        reads = super().all_reads(view)
        known = view.state.get(RepresentationRow, self.license_ref)
        for one in representation.roots(known, at=view.at):
            reads.rows.add((MandateRow if one.is_mandate else AuthorizationRow, one.authorization_ref))
        return reads


def with_change(view: View, draft: Draft) -> list[Draft]:
    """The version and, where it names others than represented the holder before, the change."""
    made = draft.fact
    assert isinstance(made, license.VersionFact), "a version names parties"
    present = representation.of_parties(made.parties)
    if isinstance(made, license.LicenseIssued) and not present:
        return [draft]
    known = view.state.get(RepresentationRow, made.license_ref)
    former = representation.representatives(known)
    is_moved = isinstance(made, correction.LicenseHolderCorrected)
    if is_moved and representation.roots(known, at=view.at):
        # By this license they spoke for another holder: all of that is over, whoever they are.
        steps = [((), known), (present, None)]
    else:
        steps = [(present, known)]
    drafts = [draft]
    for said, before in steps:
        if said != former:
            changed = representation.RepresentationChanged(
                license_ref=made.license_ref,
                version=made.version,
                former=former,
                present=said,
                ended=representation.ended_by(before, said, at=view.at),
                is_reason=True,
                parted=representation.parted_by(before, said, at=view.at),
                dismissed=representation.dismissed_by(before, said, at=view.at),
            )
            told = Draft(fact=changed, stream_id=draft.stream_id, effective_at=draft.effective_at)
            drafts.append(told)
        former = said
    return drafts
