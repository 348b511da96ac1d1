"""The ledger that a command works on, and the person who gives the command there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ledger import account, command, config, embedded, errors, opening


@contextlib.contextmanager
def ledger(data: Path | None) -> Iterator[opening.Ledger]:
    """The ledger in a data folder; raises LedgerError."""
    try:
        with opening.opened(config.load(data=data)) as found:
            yield found
    except embedded.EmbeddedError as error:
        raise errors.Unavailable(str(error)) from error


def actor(at: opening.Ledger, *, operator: str, operator_name: str, reason: str) -> command.Actor:
    """A person at the ledger's console, who says why; raises Invalid for an account that nobody can read."""
    account.refuse_unfit(operator, field="operator")
    if not operator_name.strip() or not reason.strip():
        raise errors.Invalid("say it", field="reason" if operator_name.strip() else "operator-name")
    who = command.Operator(account=operator, name=operator_name)
    return replace(at.console, operator=who, reason=reason)
