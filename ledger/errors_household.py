"""Leaves of the tree of errors about households; `ledger.errors` gives them with all others."""

from __future__ import annotations

from ledger.errors_tree import Conflict


class PageTaken(Conflict):
    """A page, or the person whose page it is, is in a household already."""

    type = "page-taken"
    title = "The page or its holder is in a household already"
    title_zh = "该页或该人已在户内"


class HouseholdConflict(Conflict):
    """A change that does not follow from what is known of the household."""

    type = "household-conflict"
    title = "What is known of the household does not allow this"
    title_zh = "户内登记状态不允许此变更"
