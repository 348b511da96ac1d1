"""Commands about households: registered, pages added and removed, a new head, split, moved.

Who asks names pages by their licenses; whose they are, and what was there before, the rows say.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from ledger import booklet, errors, household, household_move
from ledger.command import Command, Reads, RowKey, View, Wants, actor_stream
from ledger.fact import Draft, Fact
from ledger.state import LicenseRow, StreamRow, TypeRulesRow
from ledger.state_household import HouseholdPlaceRow, HouseholdRow
from ledger.vault import Vault
from signing import ids


@dataclass(frozen=True, kw_only=True)
class _OfHousehold(Command):
    """Base: some licenses come in as pages, in a household that may be there."""

    household_ref: bytes
    effective_at: int | None = None

    def _licenses(self) -> tuple[bytes, ...]:
        """Licenses that the request names."""
        return ()

    def wants(self, vault: Vault) -> Wants:
        rows: set[RowKey] = {(LicenseRow, ref) for ref in self._licenses()}
        return Wants(rows={(HouseholdRow, self.household_ref), *rows})

    def reads(self, view: View) -> Reads:
        reads, row = Reads(), view.state.get(HouseholdRow, self.household_ref)
        keys: set[bytes] = set()
        for ref in self._licenses():
            known = view.state.get(LicenseRow, ref)
            if known is not None:
                keys |= {ref, known.stream_id}
                reads.rows.add((TypeRulesRow, known.type_code))
                reads.rows.add((StreamRow, known.stream_id))
        if row is not None:
            last = booklet.head(row)
            keys.add(last.first_page)
            reads.rows.add((LicenseRow, last.first_page))
            for one in booklet.present(row):
                keys |= {one.page_ref, one.stream_id}
                reads.rows |= {(LicenseRow, one.page_ref), (StreamRow, one.stream_id)}
        reads.rows |= {(HouseholdPlaceRow, key) for key in keys}
        return reads

    def _kept(self, view: View) -> HouseholdRow:
        """The household, of which nobody is told anything but who keeps it; raises NotFound, NotTheIssuer."""
        row = _known(view, self.household_ref)
        acting = self.actor.responsible
        household.require_power(
            row, view.state, organization=self.actor.organization, acting=acting, at=view.at
        )
        return row

    def _draft(self, made: Fact, view: View) -> Draft:
        own = actor_stream(self.actor, view)
        assert own is not None, "a client's organization has a stream"
        return Draft(fact=made, stream_id=own, effective_at=self.effective_at)


def _known(view: View, household_ref: bytes) -> HouseholdRow:
    row = view.state.get(HouseholdRow, household_ref)
    if row is None:
        raise errors.NotFound("no such household")
    return row


def _license(view: View, license_ref: bytes, *, field: str) -> LicenseRow:
    row = view.state.get(LicenseRow, license_ref)
    if row is None:
        raise errors.LicenseNotFound(field=field)
    return row


def _head_changed(row: HouseholdRow, head: bytes, first_page: bytes, *, field: str) -> household.HeadChanged:
    return household.HeadChanged(
        household_ref=row.household_ref,
        head=head,
        holder_stream=household.present(row, head, field=field).stream_id,
        first_page=first_page,
        former_first=booklet.head(row).first_page,
    )


def _named(view: View, pages: Iterable[bytes]) -> tuple[household.Named, ...]:
    """Pages with their holders' streams, sorted."""
    return tuple(sorted({(ref, _license(view, ref, field="pages").stream_id) for ref in pages}))


@dataclass(frozen=True, kw_only=True)
class RegisterHousehold(_OfHousehold):
    """立户."""

    household_ref: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    head: bytes
    first_page: bytes
    pages: tuple[bytes, ...]
    area_code: str | None = None

    def _licenses(self) -> tuple[bytes, ...]:
        return (self.head, self.first_page, *self.pages)

    def decide(self, view: View) -> list[Draft]:
        made = household.HouseholdRegistered(
            household_ref=self.household_ref,
            type_code=_license(view, self.head, field="head").type_code,
            first_type=_license(view, self.first_page, field="first_page").type_code,
            head=self.head,
            first_page=self.first_page,
            pages=_named(view, (self.head, *self.pages)),
            area_code=self.area_code,
        )
        return [self._draft(made, view)]


@dataclass(frozen=True, kw_only=True)
class AddPage(_OfHousehold):
    """增页."""

    page: bytes

    def _licenses(self) -> tuple[bytes, ...]:
        return (self.page,)

    def decide(self, view: View) -> list[Draft]:
        self._kept(view)
        stream_id = _license(view, self.page, field="page").stream_id
        made = household.PageAdded(household_ref=self.household_ref, page=self.page, holder_stream=stream_id)
        return [self._draft(made, view)]


@dataclass(frozen=True, kw_only=True)
class ChangeHead(_OfHousehold):
    """户主变更."""

    head: bytes
    first_page: bytes

    def _licenses(self) -> tuple[bytes, ...]:
        return (self.head, self.first_page)

    def decide(self, view: View) -> list[Draft]:
        return [self._draft(_head_changed(self._kept(view), self.head, self.first_page, field="head"), view)]


@dataclass(frozen=True, kw_only=True)
class RemovePage(_OfHousehold):
    """减页; where the head leaves and others stay, with who is the head then."""

    page: bytes
    cause: str
    new_head: tuple[bytes, bytes] | None = None
    """Page and first page of the new head."""

    def _licenses(self) -> tuple[bytes, ...]:
        return (self.page, *(self.new_head or ()))

    def decide(self, view: View) -> list[Draft]:
        row = self._kept(view)
        is_last = len(booklet.present(row)) == 1
        made = household.PageRemoved(
            household_ref=self.household_ref,
            page=self.page,
            holder_stream=household.present(row, self.page, field="page").stream_id,
            cause=self.cause,
            first_page=booklet.head(row).first_page if is_last else None,
        )
        removed = self._draft(made, view)
        if self.new_head is None:
            return [removed]
        if self.new_head[0] == self.page or booklet.head(row).page_ref != self.page:
            raise errors.Invalid("a new head follows a head who leaves", field="new_head")
        changed = _head_changed(row, *self.new_head, field="new_head.head")
        return [self._draft(changed, view), removed]


@dataclass(frozen=True, kw_only=True)
class SplitHousehold(_OfHousehold):
    """分户."""

    new_ref: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    pages: tuple[bytes, ...]
    head: bytes
    first_page: bytes

    def _licenses(self) -> tuple[bytes, ...]:
        return (self.head, self.first_page, *self.pages)

    def wants(self, vault: Vault) -> Wants:
        wants = super().wants(vault)
        wants.rows.add((HouseholdRow, self.new_ref))
        return wants

    def decide(self, view: View) -> list[Draft]:
        row = self._kept(view)
        going = sorted({self.head, *self.pages})
        made = household.HouseholdSplit(
            household_ref=self.household_ref,
            new_ref=self.new_ref,
            pages=tuple((ref, household.present(row, ref, field="pages").stream_id) for ref in going),
            head=self.head,
            first_page=self.first_page,
        )
        return [self._draft(made, view)]


@dataclass(frozen=True, kw_only=True)
class MoveHousehold(_OfHousehold):
    """迁移: within what the keeper answers for, or to who takes the household over."""

    first_page: bytes
    area_code: str | None = None
    pages: tuple[tuple[bytes, bytes], ...] = ()
    """Of who takes it over: each page as it was, and the one in its place."""

    def _licenses(self) -> tuple[bytes, ...]:
        return (self.first_page, *(ref for pair in self.pages for ref in pair))

    def decide(self, view: View) -> list[Draft]:
        row = _known(view, self.household_ref) if self.pages else self._kept(view)
        last, renamed = booklet.head(row), dict(self.pages)
        # Whether they are pages of the household is not for somebody who may not take it over: the rule asks.
        streams = {one.page_ref: one.stream_id for one in booklet.present(row)}
        taken = (
            (former, new, streams.get(former) or _license(view, former, field="pages").stream_id)
            for former, new in renamed.items()
        )
        made = household_move.HouseholdMoved(
            household_ref=self.household_ref,
            area_code=self.area_code,
            head=renamed.get(last.page_ref, last.page_ref),
            holder_stream=streams.get(last.page_ref, bytes(ids.ID_BYTES)),
            first_page=self.first_page,
            former_first=last.first_page,
            pages=tuple(sorted(taken)),
        )
        return [self._draft(made, view)]
