"""Drafts and attachments in the lives of `life_model.py`: drafted, reviewed by whoever, issued or void; and
versions that keep, replace and lose attachments, with forged ones among them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import invariant, precondition, rule

from ledger import attachment, days, draft, errors, license
from ledger.state import BlobRow, DraftRow, LicenseRow
from signing import ids
from tests import rules_table
from tests.history import HOLDER, ISSUER, STREAMS, version
from tests.life_model import HOUR_US, types
from tests.life_uses import NAMES, Uses
from tests.rules_table import Held

OPERATORS = (b"drafter".ljust(16), b"reviewer".ljust(16))
MONTH_US = 30 * 24 * HOUR_US
operators = st.sampled_from(OPERATORS)
pictures = st.sets(st.sampled_from(("photo", "scan")))


@dataclass
class Drafted:
    """What the page says of a draft."""

    ref: bytes
    type_code: str
    operator: bytes
    at: int
    said: str = "drafted"

    def status(self, at: int) -> str:
        """As recorded, or void by the clock."""
        is_open = self.said in ("drafted", "approved")
        return "expired" if is_open and at >= self.at + MONTH_US else self.said


@dataclass
class Albums:
    """Attachments of licenses: name to digest, and all digests that each ever had."""

    now: dict[bytes, dict[str, bytes]] = field(default_factory=dict)
    ever: dict[bytes, bytes] = field(default_factory=dict)


class Drafts(Uses):
    """Lives with drafts and attachments among what happens."""

    def __init__(self) -> None:
        super().__init__()
        self.drafts: list[Drafted] = []
        self.albums = Albums()

    # --- drafts ---

    @rule(type_code=types, operator=operators, pictured=st.booleans())
    def draft(self, type_code: str, operator: bytes, pictured: bool) -> None:
        ref, blobs = next(self.refs), (self.digest(),) if pictured else ()
        made = draft.LicenseDrafted(draft_ref=ref, type_code=type_code, content_digest=bytes(32), blobs=blobs)
        self.at_office(made, operator)
        self.drafts.append(Drafted(ref, type_code, operator, self.at))
        for digest in blobs:
            self.albums.ever[digest] = ref

    @precondition(lambda self: self.drafts)
    @rule(data=st.data(), operator=operators, decision=st.sampled_from(("approve", "approve", "return")))
    def review(self, data: st.DataObject, operator: bytes, decision: str) -> None:
        """By another operator than the drafter, once, and in time."""
        chosen = data.draw(st.sampled_from(self.drafts))
        made = draft.DraftReviewed(draft_ref=chosen.ref, decision=decision)
        if chosen.status(self.at) != "drafted":
            with pytest.raises(errors.Conflict):
                self.at_office(made, operator)
        elif chosen.operator == operator:
            with pytest.raises(errors.Forbidden):
                self.at_office(made, operator)
        else:
            self.at_office(made, operator)
            chosen.said = {"approve": "approved", "return": "returned"}[decision]

    @precondition(lambda self: self.drafts)
    @rule(data=st.data(), names=pictures)
    def issue_a_draft(self, data: st.DataObject, names: set[str]) -> None:
        """Once, when it was approved and is not void."""
        chosen = data.draw(st.sampled_from(self.drafts))
        ref, today = next(self.refs), days.of_instant(self.at)
        album = {name: self.digest() for name in names}
        made = self.pictured(
            license.LicenseIssued,
            album,
            license_ref=ref,
            type_code=chosen.type_code,
            draft_ref=chosen.ref,
            issued_on=today,
        )
        if chosen.status(self.at) != "approved":
            with pytest.raises(errors.Conflict):
                self.record(made, stream=HOLDER)
            return
        if self.attempt(made, holder=HOLDER):
            chosen.said = "issued"
            self.keep(ref, album)
            standing = self.model.standings.get(HOLDER.hex())
            self.model.licenses.append(
                Held(
                    ref,
                    ids.text(ref),
                    HOLDER.hex(),
                    chosen.type_code,
                    "active",
                    "2020-01-01",
                    None,
                    standing=standing,
                )
            )

    # --- versions ---

    @precondition(lambda self: self.model.licenses)
    @rule(data=st.data(), names=pictures, kept=st.booleans(), forged=st.sampled_from((False, False, True)))
    def amend(self, data: st.DataObject, names: set[str], kept: bool, forged: bool) -> None:
        """The next version has its own attachments, new or kept, and never another's."""
        held = data.draw(st.sampled_from(self.model.licenses))
        row = self.history.row(LicenseRow, held.ref)
        album = {name: self.digest() for name in names}
        if kept:
            album = {**album, **self.albums.now.get(held.ref, {})}
        others = [digest for digest, of in self.albums.ever.items() if of != held.ref]
        is_forged = forged and bool(album) and bool(others)
        if is_forged:
            album[min(album)] = others[0]
        made = self.pictured(
            license.LicenseAmended,
            album,
            license_ref=held.ref,
            type_code=held.type,
            version=row.version + 1,
            parties=(("holder", row.stream_id),),
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            issued_on=row.valid_from,
        )
        if held.status not in rules_table.LIVE:
            with pytest.raises(errors.StatusConflict):
                self.record(made, stream=row.stream_id)
        elif is_forged:
            with pytest.raises(errors.Conflict):
                self.record(made, stream=row.stream_id)
        elif self.attempt(made, holder=row.stream_id):
            self.keep(held.ref, album)
            held.marks -= {"lost"}

    # --- what holds ---

    @invariant()
    def drafts_are_where_the_page_says(self) -> None:
        for one in self.drafts:
            assert draft.status(self.history.row(DraftRow, one.ref), self.at) == one.status(self.at)

    @invariant()
    def every_license_has_its_own_attachments(self) -> None:
        for ref, album in self.albums.now.items():
            held = self.history.row(LicenseRow, ref).field_names
            assert {name for name in held if attachment.is_name(name)} == {
                attachment.PREFIX + name for name in album
            }
        for digest, ref in self.albums.ever.items():
            row = self.history.row(BlobRow, digest)
            assert ref in (row.license_ref, row.draft_ref)

    # --- recording ---

    def digest(self) -> bytes:
        """The name of sealed bytes that nobody had before."""
        return next(self.refs) * 2

    def pictured(self, cls: type[Any], album: dict[str, bytes], **members: Any) -> Any:
        names = sorted((*NAMES, *(attachment.PREFIX + name for name in album)))
        blobs = tuple(sorted((0, digest) for digest in album.values()))
        return version(cls, field_names=tuple(names), blobs=blobs, **members)

    def keep(self, ref: bytes, album: dict[str, bytes]) -> None:
        self.albums.now[ref] = album
        self.albums.ever |= dict.fromkeys(album.values(), ref)

    def at_office(self, made: Any, operator: bytes) -> None:
        self.history.record(made, stream=STREAMS[ISSUER], at=self.at, operator_ref=operator)
