"""Every projection of this build."""

from __future__ import annotations

from projections import catalog, draft, holder, statistics, tasks, trail
from projections.projection import Projection

ALL: tuple[Projection, ...] = (
    trail.Trail(),
    holder.Holder(),
    catalog.Catalog(),
    statistics.Statistics(),
    tasks.Tasks(),
    draft.Draft(),
)


def named(name: str) -> Projection:
    """The projection called `name`; raises KeyError."""
    return {projection.name: projection for projection in ALL}[name]
