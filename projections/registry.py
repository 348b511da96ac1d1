"""Every projection of this build."""

from __future__ import annotations

from projections import catalog, dispute, draft, holder, statistics, tasks, trail
from projections.projection import Projection

ALL: tuple[Projection, ...] = (
    trail.Trail(),
    holder.Holder(),
    catalog.Catalog(),
    statistics.Statistics(),
    tasks.Tasks(),
    draft.Draft(),
    dispute.Disputes(),
)


def named(name: str) -> Projection:
    """The projection called `name`; raises KeyError."""
    return {projection.name: projection for projection in ALL}[name]
