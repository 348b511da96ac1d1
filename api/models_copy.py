"""What answers about copies hold; for the description alone."""

from __future__ import annotations

from api import models_answers


class CopyShown(models_answers.Answer):
    """Where a copy waits."""

    index: int
    license_ref: str
    url: str
    expires_at: str


class Copied(models_answers.Used):
    """The answer to a use that asked for copies: `index` and `uses` as that of any use, and the links."""

    copies: list[CopyShown]
