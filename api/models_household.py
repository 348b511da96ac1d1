"""What requests about households 户口簿 bring, and what their answers hold; shapes only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api import models, models_answers
from ledger import booklet

Pages = Annotated[list[models.Ref], Field(max_length=booklet.PAGES_MAX)]


class _Change(models.IssuerAct):
    reason: models.Text
    effective_at: models.Instant | None = Field(
        None, description="业务时间; not after the moment of recording"
    )


class RegisterHousehold(_Change):
    """立户: pages are licenses that were issued, one of each person."""

    head: models.Ref = Field(description="户主: the page of the head")
    first_page: models.Ref = Field(description="首页: another license of the head, with number and address")
    pages: Pages = Field(default_factory=list, description="Pages of the others")
    area_code: models.AreaCode | None = Field(None, description="管辖属地; null: that of who keeps it")


class AddPage(_Change):
    """增页: by birth or from elsewhere."""

    page: models.Ref


class NewHead(models.Strict):
    """Who is the head from here on."""

    head: models.Ref = Field(description="A page of the household")
    first_page: models.Ref = Field(description="首页: another license of the new head")


class RemovePage(_Change):
    """减页."""

    page: models.Ref
    cause: Literal["death", "moved-out", "enlisted", "settled-abroad", "duplicate"] = Field(
        description="死亡, 迁出, 参军, 出国（境）定居, 重复登记"
    )
    new_head: NewHead | None = Field(None, description="Where the head leaves and others stay")


class ChangeHead(_Change, NewHead):
    """户主变更."""


class SplitHousehold(_Change, NewHead):
    """分户: the new head's page, and others, go to a household of their own."""

    pages: Pages = Field(default_factory=list, description="Pages that go along with the new head's")


class TakenPage(models.Strict):
    """A page that was transferred out, and the one in its place."""

    former: models.Ref
    page: models.Ref


class MoveHousehold(_Change):
    """迁移: another address, or another organization that keeps it."""

    first_page: models.Ref = Field(description="The same, amended, or a new one of the head")
    area_code: models.AreaCode | None = None
    pages: Annotated[list[TakenPage], Field(max_length=booklet.PAGES_MAX)] = Field(
        default_factory=list,
        description="Of who takes the household over: every page, as transferred out and as issued anew",
    )


class SearchHousehold(models.Strict):
    """A household by the number 户号 that its first page prints, or by somebody in it."""

    license_type: models.TypeCode | None = Field(None, description="The type of first pages, with a number")
    number: str | None = Field(None, min_length=1, max_length=200, description="户号, as printed")
    holder: models.Holder | None = None


class HouseholdSaid(models_answers.Proven):
    """A change of a household, as it was recorded."""

    household_ref: str


class HouseholdsSaid(HouseholdSaid):
    """A household that was split."""

    new_household_ref: str


class PageShown(models_answers.Answer):
    """A page: the license of a person."""

    license_ref: str
    since: str
    until: str | None = Field(description="Null: it is in it still")
    status: str | None = Field(description="Of the license now; null: its holder was erased")


class HeadShown(models_answers.Answer):
    """Who was the head, from when on."""

    license_ref: str
    first_page: str
    since: str


class SeatShown(models_answers.Answer):
    """Who kept the household, from when on."""

    issuer: str
    area_code: str | None
    since: str


class HouseholdShown(models_answers.Answer):
    """A household at a moment; nothing sealed."""

    household_ref: str
    license_type: str
    first_page_type: str
    head: str
    first_page: str
    issuer: str
    area_code: str | None
    is_over: bool = Field(description="Whether nobody is left in it")
    pages: list[PageShown] = Field(description="In it at the moment, or at some time on the day")
    former_pages: list[PageShown] = Field(description="Those that had left before")
    heads: list[HeadShown]
    seats: list[SeatShown]
    at: str = Field(description="The moment, or the end of the day")


class AskedPage(models.Strict):
    """Which page is used."""

    page: Literal["first", "own", "member"] = Field(description="首页, the page of `holder`, or another's")
    holder: models.Holder | None = Field(None, description="Of `member` alone: whose page")


class UsePages(models.Strict):
    """用证 of pages of the household of somebody; each is decided by itself."""

    holder: models.Holder = Field(description="Whose household")
    license_type: models.TypeCode = Field(description="The type of persons' pages")
    pages: Annotated[list[AskedPage], Field(min_length=1, max_length=20)]
    on: models.Day | None = Field(
        None, description="Which pages existed on this Beijing day is told; null: today"
    )
    fields: list[models.OpenedName] | None = Field(None, max_length=100)
    purpose: models.Purpose
    operator: models.Operator
    channel: models.Channel = "window"


class PageUse(models_answers.Answer):
    """The answer to the use of one page, which kept as a file is a proof bundle, and what is told beside."""

    page: str
    answer: models_answers.Used
    existed: bool | None = Field(
        description="Whether it was in the household on the day; null: no use was granted that tells it"
    )
    household_ref: str | None = Field(description="The household, of a page that was in it")
    since: str | None
    until: str | None


class PagesUsed(models_answers.Answer):
    """What became of each page, in the order of the request."""

    index: int
    on: str
    pages: list[PageUse]


class HouseholdsFound(models_answers.Answer):
    """Households of the number or of the person, that the caller may know of."""

    households: list[HouseholdShown]
