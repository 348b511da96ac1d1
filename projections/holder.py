"""The holder's file 一人一档/一企一档: licenses of a party, who may use them, and who did.

Status stands as recorded; whether a license is effective at an instant is said by `ledger.license`.
Fields are sealed in their events and are not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ledger import (
    authorization,
    comparison,
    fact,
    license,
    mandate,
    mark,
    organization,
    representation,
    rooms,
    scope,
    state,
    tables,
    use,
)
from projections import db, listing, paging, sql
from projections.projection import Happened
from signing import event

ANYONE = "*"
"""As requester, where many used what is public."""
_FIRST = paging.Bounds(since=0, until=paging.INDEX_MAX)


_ENDING = (
    representation.RepresentationChanged,
    mandate.GuardianshipEnded,
    mandate.AgentDismissed,
)
"""What ends the power of who consented for a holder, and its consents with it."""


@dataclass(frozen=True, kw_only=True)
class LicenseRow(state.Row):
    """A license, as it is recorded now."""

    table = "holder_licenses"
    license_ref: bytes
    stream_id: bytes
    """The home stream."""
    type_code: str
    issuer: str
    status: str
    """As recorded; see `ledger.license.status`."""
    status_since: int
    status_index: int
    version: int
    version_index: int
    """Leaf index of the event that holds the present version's fields."""
    valid_from: int
    valid_to: int | None
    issued_index: int
    uses: int
    used_index: int | None
    """Leaf index of the last use."""
    frozen_index: int | None = None
    """Leaf index of the event that set the mark; None: it does not stand. So the other two."""
    lost_index: int | None = None
    restricted_index: int | None = None


@dataclass(frozen=True, kw_only=True)
class AuthorizationRow(scope.Scoped, scope.OfAuthorization, state.Row):
    """An authorization, as it is now."""

    table = "holder_authorizations"
    stream_id: bytes
    mode: str
    requester: str
    grantor: str
    entrusted_by: str | None
    uses: int
    used_index: int | None
    is_withdrawn: bool
    granted_index: int
    changed_index: int
    """Leaf index of the event that granted, last narrowed or withdrew it."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """A license in somebody's file, and in which roles they are a party to it."""

    roles: tuple[str, ...]
    license: LicenseRow


@dataclass(frozen=True, kw_only=True)
class UsesRow(state.Row):
    """How often a license was used under one authorization."""

    table = "holder_uses"
    license_ref: bytes
    authorization_ref: bytes
    requester: str
    mode: str
    uses: int
    first_index: int
    last_index: int


class Holder:
    """The projection `holder`."""

    name: ClassVar[str] = "holder"
    version: ClassVar[int] = db.VERSIONS["holder"]
    tables: ClassVar[tuple[str, ...]] = (
        "holder_parties",
        "holder_licenses",
        "holder_authorizations",
        "holder_uses",
    )

    def apply(self, work: db.Work, happened: Sequence[Happened]) -> None:
        """Change the rows that the facts name."""
        changes = _Changes(work, happened)
        for item in happened:
            changes.take(item)
        changes.save()


_COUNTED: frozenset[type[fact.Fact]] = frozenset({*rooms.grants().values(), comparison.LicenseCompared})
"""Facts that add to counts and change nothing else: the rows they name need not be read."""


class _Changes:
    """The rows that some facts change."""

    def __init__(self, work: db.Work, happened: Sequence[Happened]) -> None:
        self._work = work
        changing = [item.fact for item in happened if type(item.fact) not in _COUNTED]
        refs = {ref for made in changing if (ref := getattr(made, "license_ref", None)) is not None}
        grants = {ref for made in changing if (ref := getattr(made, "authorization_ref", None)) is not None}
        grants |= {ref for item in happened for ref in _ended(item)}
        self._licenses = work.rows(LicenseRow, refs)
        self._authorizations = work.rows(AuthorizationRow, grants)
        self._parties: dict[bytes, tuple[tuple[str, bytes], ...]] = {}
        self._uses: dict[tuple[bytes, bytes], tuple[str, str, int, int, int]] = {}
        """License and authorization: requester, mode, uses, and the first and the last index."""
        self._compared: dict[bytes, tuple[int, int]] = {}
        """Authorization: comparisons and the last index."""
        self._loaded = {**self._licenses, **self._authorizations}

    def take(self, item: Happened) -> None:
        """Change rows by one fact."""
        made = item.fact
        if isinstance(made, use.LicenseUsed):
            self._use(made, item)
        elif isinstance(made, comparison.LicenseCompared):
            times, _ = self._compared.get(made.authorization_ref, (0, 0))
            self._compared[made.authorization_ref] = (times + 1, item.index)
        elif isinstance(made, license.VersionFact):
            self._version(made, item.about, item.index)
        elif isinstance(made, license.StatusChange):
            self._licenses[made.license_ref] = state.altered(
                self._licenses[made.license_ref],
                status=made.after,
                status_since=item.about.effective_at,
                status_index=item.index,
            )
        elif isinstance(made, mark.MarkChange):
            column = license.MARKS[made.mark]
            changed: dict[str, Any] = {column: item.index if made.is_set else None}
            self._licenses[made.license_ref] = state.altered(self._licenses[made.license_ref], **changed)
        elif isinstance(made, authorization.AuthorizationGranted):
            self._authorizations[made.authorization_ref] = _granted(made, item)
        elif isinstance(made, organization.AuthorizationPassedOn):
            self._authorizations[made.authorization_ref] = state.altered(
                self._authorizations[made.authorization_ref],
                changed_index=item.index,
                requester=made.requester,
                stream_id=item.about.stream_id,
            )
        elif isinstance(made, authorization.AuthorizationNarrowed):
            narrowed = vars(authorization.scope_of(made))
            self._authorizations[made.authorization_ref] = state.altered(
                self._authorizations[made.authorization_ref], changed_index=item.index, **narrowed
            )
        elif isinstance(made, authorization.AuthorizationWithdrawn):
            self._authorizations[made.authorization_ref] = state.altered(
                self._authorizations[made.authorization_ref], changed_index=item.index, is_withdrawn=True
            )
        elif isinstance(made, _ENDING):
            for ref in made.ended:
                self._authorizations[ref] = state.altered(
                    self._authorizations[ref], changed_index=item.index, is_withdrawn=True
                )

    def save(self) -> None:
        """Store what changed."""
        work, texts = self._work, sql.load("holder")
        work.save([row for ref, row in self._licenses.items() if row is not self._loaded.get(ref)])
        work.save([row for ref, row in self._authorizations.items() if row is not self._loaded.get(ref)])
        if self._parties:
            work.run(texts["forget_parties"], (work.partition, list(self._parties)))
            parties = [
                (stream_id, self._licenses[ref].issued_index, ref, role)
                for ref, named in self._parties.items()
                for role, stream_id in named
            ]
            work.run(texts["set_parties"], (work.partition, *_columns(parties)))
        if self._uses:
            counted = [(*key, *told) for key, told in sorted(self._uses.items())]
            work.run(texts["count_uses"], (work.partition, *_columns(counted)))
        self._count()

    def _count(self) -> None:
        """Add what was counted to licenses and authorizations, whose rows are saved by now."""
        licenses: dict[bytes, tuple[int, int]] = {}
        authorizations = self._compared
        for (license_ref, authorization_ref), (requester, _, uses, _, last) in self._uses.items():
            _add(licenses, license_ref, uses, last)
            if requester != ANYONE:
                _add(authorizations, authorization_ref, uses, last)
        for name, counts in (("count_licenses", licenses), ("count_authorizations", authorizations)):
            if counts:
                columns = _columns([(ref, *told) for ref, told in sorted(counts.items())])
                changed = self._work.change(sql.load("holder")[name], (self._work.partition, *columns))
                assert changed == len(counts), "what is used was issued and granted before"

    def _version(self, made: license.VersionFact, about: event.Event, index: int) -> None:
        shown = enumerate(made.parties)
        self._parties[made.license_ref] = tuple(one for n, one in shown if n not in made.unfiled)
        version = {
            "version": made.version,
            "version_index": index,
            "valid_from": made.valid_from,
            "valid_to": made.valid_to,
        }

        if isinstance(made, license.NextVersion):
            row = self._licenses[made.license_ref]
            version["lost_index"] = None
            self._licenses[made.license_ref] = state.altered(row, stream_id=about.stream_id, **version)
            return
        assert about.issuer is not None, "the rule saw an issuer"
        self._licenses[made.license_ref] = LicenseRow(
            license_ref=made.license_ref,
            stream_id=about.stream_id,
            type_code=made.type_code,
            issuer=about.issuer,
            status="active",
            status_since=about.effective_at,
            status_index=index,
            issued_index=index,
            uses=0,
            used_index=None,
            **version,  # type: ignore[arg-type]
        )

    def _use(self, made: use.LicenseUsed, item: Happened) -> None:
        key = (made.license_ref, made.authorization_ref)
        before = self._uses.get(key)
        if before is not None:
            requester, mode, uses, first, _ = before
            self._uses[key] = (requester, mode, uses + 1, first, item.index)
        else:
            requester = item.about.organization if made.public_type is None else ANYONE
            self._uses[key] = (requester, made.mode, 1, item.index, item.index)


def _add(counts: dict[bytes, tuple[int, int]], ref: bytes, times: int, last: int) -> None:
    before, latest = counts.get(ref, (0, 0))
    counts[ref] = (before + times, max(latest, last))


def _ended(item: Happened) -> tuple[bytes, ...]:
    """The authorizations that are over with the power of who consented."""
    return item.fact.ended if isinstance(item.fact, _ENDING) else ()


class Files:
    """Reads the holder's file."""

    def __init__(self, database: db.Database, *, cursor_key: bytes) -> None:
        self._database = database
        self._cursors = paging.Cursors(cursor_key)

    def licenses(
        self, *streams: bytes, limit: int = 100, cursor: str | None = None, until: int = paging.INDEX_MAX
    ) -> paging.Page[Held]:
        """Licenses to which the holder of these streams is a party, in the order of their issue.

        Those issued after the index `until` are as if they were not there yet.
        """
        table, asked = tables.table(LicenseRow), sorted(streams)
        columns = ", ".join(f"t.{column}" for column in LicenseRow.columns())
        text = sql.load("holder")["licenses"].format(columns=columns)

        def held(values: Sequence[Any]) -> Held:
            row = table.row(values[1:])
            assert isinstance(row, LicenseRow), "a table gives its own rows"
            return Held(roles=tuple(values[0]), license=row)

        def fetch(bounds: paging.Bounds, count: int) -> paging.Fetched[Held]:
            params = {
                "partition": self._database.partition,
                "value": asked,
                "since": bounds.since,
                "until": min(bounds.until, until),
                "limit": count,
            }
            through, rows = db.page_of(self._database.read(text, params), held)
            found = [(item.license.issued_index, item) for item in rows]
            return paging.Fetched(through=min(through, until), rows=found)

        of = ["holder", "licenses", asked]
        return paging.page(self._cursors, cursor, of=of, first=_FIRST, limit=limit, fetch=fetch)

    def authorizations(
        self, stream_id: bytes, *, limit: int = 100, cursor: str | None = None
    ) -> paging.Page[AuthorizationRow]:
        """Authorizations that stand in `stream_id`, in the order in which they were granted."""
        listed = listing.listing("holder", "authorizations", AuthorizationRow, index="granted_index")
        return self._page(listed, stream_id, limit, cursor)

    def uses(
        self, license_ref: bytes, *, limit: int = 100, cursor: str | None = None
    ) -> paging.Page[UsesRow]:
        """Who used a license, by authorization, in the order of their first use."""
        listed = listing.listing("holder", "uses", UsesRow, index="first_index")
        return self._page(listed, license_ref, limit, cursor)

    def _page(
        self, listed: listing.Listing[state.R], value: bytes, limit: int, cursor: str | None
    ) -> paging.Page[state.R]:
        asked, of = {"value": value}, ["holder", listed.name, value]
        return listing.page(self._database, self._cursors, listed, asked, of=of, limit=limit, cursor=cursor)


def _granted(made: authorization.AuthorizationGranted, item: Happened) -> AuthorizationRow:
    return AuthorizationRow(
        authorization_ref=made.authorization_ref,
        stream_id=item.about.stream_id,
        mode=made.mode,
        requester=made.requester,
        grantor=item.about.organization,
        entrusted_by=made.entrusted_by,
        uses=0,
        used_index=None,
        is_withdrawn=False,
        granted_index=item.index,
        changed_index=item.index,
        **vars(authorization.scope_of(made)),
    )


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
