"""What answers about the life of a license hold: pieces, drafts, endorsements; for the description alone."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from api import models_answers, problems


class CounterpartsIssued(models_answers.Proven):
    """Further counterparts."""

    license_ref: str
    version: int
    counterparts: list[models_answers.PieceShown]


class CounterpartCancelled(models_answers.Proven):
    """A dead counterpart."""

    license_ref: str
    piece: int


class PieceNow(models_answers.Answer):
    """A printed piece: 0 the original 正本, 1 … the counterparts 副本."""

    piece: int
    is_cancelled: bool


class PiecesNow(models_answers.Answer):
    """The printed pieces of the present version."""

    license_ref: str
    version: int
    pieces: list[PieceNow]


class Drafted(models_answers.Proven):
    """A draft, or what a review came to."""

    draft_ref: str
    status: Literal["drafted", "approved", "returned"]


class DraftNow(models_answers.Answer):
    """A draft at a moment, opened for its own organization."""

    draft_ref: str
    license_type: str
    status: str = Field(description="`drafted`, `approved`, `returned`, `issued` or, by the clock, `expired`")
    drafted_at: str
    expires_at: str
    content: dict[str, Any] | None = Field(
        description="What is to be issued, as it was asked; null once it is issued, returned or expired"
    )
    at: str


class Endorsed(models_answers.Proven):
    """An endorsement."""

    license_ref: str
    result: str
    endorsement_due: str | None


class EndorseItemAnswer(models_answers.Answer):
    """One item's own status, with its answer or its problem."""

    status: int
    answer: Endorsed | None = None
    problem: problems.Problem | None = None


class EndorseListAnswer(models_answers.Answer):
    """One element an item, in order."""

    index: int | None = Field(description="The greatest index of the answers")
    items: list[EndorseItemAnswer]


class WaitingDraft(models_answers.Answer):
    """A draft that may still be issued."""

    draft_ref: str
    license_type: str
    status: str = Field(description="`drafted`: it waits for a review; `approved`: for its issue")
    operator_ref: str = Field(description="A random reference of who drafted it; another one reviews it")
    drafted_at: str
    expires_at: str
    drafted_index: int


class Drafts(models_answers.Answer):
    """A page of the list."""

    through: int = Field(description="The index that the list has come through")
    drafts: list[WaitingDraft]
    cursor: str | None
