"""Judges: programs and modules of others that say whether our formats are right.

Gives `need`. A judge that is absent skips the test with a line that says so; where
LEDGER_REQUIRE_JUDGES=1 is set, as in CI, its absence fails the test. Never installs anything.
"""

from __future__ import annotations

import importlib.util
import os
import shutil

import pytest


def need(judge: str) -> str:
    """The path of the program `judge`, or the name `judge` of an installed module; else the test ends here.

    A program is looked for first. A module is found, not imported.
    """
    program = shutil.which(judge)
    if program is not None:
        return program
    if _is_module(judge):
        return judge
    why = f"judge {judge!r} is absent: no program on the path and no module of that name"
    if os.environ.get("LEDGER_REQUIRE_JUDGES") == "1":
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


def _is_module(name: str) -> bool:
    if not name.replace(".", "_").isidentifier():
        return False
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
