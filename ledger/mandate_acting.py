"""Who consents for a holder by a mandate, as a command names them: the mandate's reference, and a code.

What `authorization_commands` and `consent_commands` share; the rule is `ledger.mandate`.
"""

from __future__ import annotations

from ledger import days, errors, mandate
from ledger.command import Reads, View, Wants
from ledger.identifiers import HolderCode
from ledger.license_commands import holder_lookup
from ledger.state import LicenseRow, RepresentationRow, StreamRow
from ledger.state_mandate import MandateRow
from ledger.vault import Vault

Acting = tuple[bytes, HolderCode]
"""By which mandate, and who it is."""
_CITIZEN_ID = "111"


def want(wants: Wants, said: Acting | None, vault: Vault) -> None:
    """Nothing; `wants` has what a consent by mandate looks up."""
    if said is not None:
        mandate_ref, person = said
        wants.rows.add((MandateRow, mandate_ref))
        wants.lookups.append(holder_lookup(vault, person))


def read(reads: Reads, said: Acting | None, view: View) -> None:
    """Nothing; `reads` has who may act by the mandate, and what the mandate itself rests on."""
    row = None if said is None else view.state.get(MandateRow, said[0])
    if said is None or row is None:
        return
    reads.rows.add((StreamRow, row.person))
    person = view.entry(holder_lookup(view.vault, said[1]))
    if person is not None:
        reads.rows.add((StreamRow, person.stream_id))
    if row.represents_by is not None and row.representative is not None:
        reads.rows |= {
            (LicenseRow, row.represents_by),
            (RepresentationRow, row.represents_by),
            (StreamRow, row.representative),
        }


def spoken(said: Acting, view: View) -> MandateRow:
    """The mandate, when the code is that of who has it; raises NoMandate."""
    mandate_ref, person = said
    row, entry = view.state.get(MandateRow, mandate_ref), view.entry(holder_lookup(view.vault, person))
    if row is None:
        raise errors.NoMandate(field="acting.mandate_ref")
    if entry is None or row.person not in view.streams(entry.stream_id):
        raise errors.NoMandate(field="acting")
    return row


def capped(mandate_ref: bytes, valid_until: int | None, view: View) -> int | None:
    """Until when a consent lasts that is over with its mandate."""
    until = view.state.need(MandateRow, mandate_ref).until
    if until is None or valid_until is None:
        return valid_until if until is None else until
    return min(until, valid_until)


def born_on(holder: HolderCode) -> int | None:
    """The birth date in a citizen ID; None for other codes."""
    if holder.code_type != _CITIZEN_ID:
        return None
    digits = holder.code[6:14]
    return days.parse(f"{digits[:4]}-{digits[4:6]}-{digits[6:]}")


def require_old_enough(holder: HolderCode | None, *, at: int) -> None:
    """Nothing unless a holder's code says that only a guardian consents; raises GuardianNeeded."""
    if holder is not None and _is_below(mandate.CONSENTS_AT, holder, at=at):
        raise errors.GuardianNeeded(field="acting")


def require_of_age(holder: HolderCode, *, at: int) -> None:
    """Nothing unless a ward's code says that an adult's guardianship, which need not end, is a minor's."""
    if _is_below(mandate.OF_AGE, holder, at=at):
        raise errors.Invalid("the ward is a minor", field="kind")


def _is_below(years: int, holder: HolderCode, *, at: int) -> bool:
    """Whether a code says that its holder is not so many years old yet."""
    born = born_on(holder)
    return born is not None and days.of_instant(at) < mandate.birthday(born, years)
