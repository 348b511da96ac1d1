"""One import as a job: what was asked, by whom, and how it stands. `stock_jobs` keeps and runs them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ledger import collection, stock_file
from ledger.command import Actor, Operator
from signing import ids


@dataclass(frozen=True, kw_only=True)
class Job:
    """What was asked, and how it stands."""

    import_ref: str
    client_id: str
    organization: str
    generation: int
    case_number: str | None
    reason: str | None
    operator: list[str | None] = field(repr=False)
    """Account, name and own organization."""
    format: str
    encoding: str
    origin: str
    trust_level: str | None
    made_at: int
    """Seconds since 1970."""
    status: str = "awaiting-file"
    """`awaiting-file`, `queued`, `running`, `waiting` (rows of a batch), `done`, `cancelled` or `failed`."""
    size: int = 0
    """Bytes of the file."""
    problem: dict[str, Any] | None = None
    """Why it failed: `type`, `detail`, `errors`."""
    batch: str | None = None
    """Number of a batch of `source`; None: a file of old licenses."""
    source: str | None = None
    is_sheet: bool = False
    """Whether the file is held against the ledger, and nothing recorded."""
    day: int | None = None
    """Of a sheet: the Beijing day of which the ledger's rows are told."""
    access_key: str | None = None
    """Id of the key that signed the access token under which it was asked for."""
    is_to_agree: bool = False
    """Of a sheet: whether it is recorded that both sides agree on the day, when they do."""

    @property
    def numbered(self) -> collection.Batch | None:
        """The batch that it is."""
        if self.batch is None or self.source is None:
            return None
        return collection.Batch(self.organization, self.source, self.batch)

    @property
    def form(self) -> stock_file.Form:
        """How the file is written."""
        return stock_file.Form(format=self.format, encoding=self.encoding)

    @property
    def actor(self) -> Actor:
        """Who imports."""
        account, name, own = self.operator
        return Actor(
            client_id=ids.parse(self.client_id),
            organization=self.organization,
            generation=self.generation,
            access_key=self.access_key,
            operator=None
            if account is None
            else Operator(account=account, name=name or "", organization=own),
            case_number=self.case_number,
            channel="batch",
            reason=self.reason,
        )
