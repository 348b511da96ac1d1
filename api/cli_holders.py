"""What a registering organ says of holders, from the ledger's console: the group `holders`.

For organs without a system of their own. Codes and names are asked for, so that none stands in the list of
processes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from api import cli_console, cli_opened
from ledger import days, ending_commands, errors, identifiers, linking_commands, naming_commands

NAME_LENGTH_MAX = 200
CodeType = Annotated[str, typer.Option(help="Holder code type, 111 or 001.")]
Code = Annotated[str, typer.Option(prompt=True, hide_input=True, help="The code; asked for if not given.")]
OtherType = Annotated[str, typer.Option(help="Code type of the other code.")]
Other = Annotated[
    str, typer.Option(prompt="Other code", hide_input=True, help="The other code; asked for if not given.")
]
Evidence = Annotated[str, typer.Option(help="SHA-256 of the proof that the organ keeps, in hexadecimal.")]
Account = Annotated[str, typer.Option("--operator", help="Account of who says it.")]
Name = Annotated[str, typer.Option("--operator-name", help="Name of who says it.")]
Former = Annotated[
    str, typer.Option(prompt="Former name", hide_input=True, help="The former name; asked for if not given.")
]
New = Annotated[
    str, typer.Option(prompt="New name", hide_input=True, help="The new name; asked for if not given.")
]
Reason = Annotated[str, typer.Option(help="Why, sealed with the event.")]
_Linking = linking_commands.LinkHolderCodes | linking_commands.UnlinkHolderCodes


def add_to(group: typer.Typer) -> None:
    """Add the commands to the group `holders`."""
    for name, cls, told in _OF_TWO_CODES:
        group.command(name, help=told)(_of_two_codes(cls))
    for name, one, told in _OF_ONE_CODE:
        group.command(name, help=told)(_of_one_code(one))
    group.command("end")(end)
    group.command("rename")(rename)


_OF_TWO_CODES: tuple[tuple[str, type[_Linking], str], ...] = (
    (
        "link",
        linking_commands.LinkHolderCodes,
        """Link two codes of one holder, or join their files.

        Example: license-ledger holders link --code-type 001 --other-type 099 --evidence … --operator a …
        """,
    ),
    (
        "unlink",
        linking_commands.UnlinkHolderCodes,
        """Reverse a link, or part files that were joined.

        Example: license-ledger holders unlink --code-type 001 --other-type 099 --evidence … --operator a …
        """,
    ),
)
_OF_ONE_CODE: tuple[tuple[str, type[linking_commands.Registration], str], ...] = (
    (
        "contest",
        linking_commands.ContestHolderCode,
        """Contest a code that two persons share: nothing under it is used until it is settled.

        Example: license-ledger holders contest --code-type 111 --evidence … --operator a --operator-name …
        """,
    ),
    (
        "settle",
        linking_commands.SettleHolderCode,
        """Settle a contested code: its licenses have their right holders.

        Example: license-ledger holders settle --code-type 111 --evidence … --operator a --operator-name …
        """,
    ),
    (
        "reverse-end",
        ending_commands.ReverseEnd,
        """Reverse an end that was reported wrongly.

        Example: license-ledger holders reverse-end --code-type 111 --evidence … --operator a …
        """,
    ),
)


def _of_two_codes(cls: type[_Linking]) -> Callable[..., None]:
    """The command that says something of two codes of one holder."""

    def said(
        code_type: CodeType,
        code: Code,
        other_type: OtherType,
        other: Other,
        evidence: Evidence,
        account: Account,
        name: Name,
        reason: Reason,
        data: cli_console.Data = None,
    ) -> None:
        linked = _holder(other_type, other, field="other")
        _record(cls, (code_type, code), evidence, (account, name, reason), data, linked=linked)

    return said


def _of_one_code(cls: type[linking_commands.Registration]) -> Callable[..., None]:
    """The command that says something of the holder of one code."""

    def said(
        code_type: CodeType,
        code: Code,
        evidence: Evidence,
        account: Account,
        name: Name,
        reason: Reason,
        data: cli_console.Data = None,
    ) -> None:
        _record(cls, (code_type, code), evidence, (account, name, reason), data)

    return said


def end(
    code_type: CodeType,
    code: Code,
    kind: Annotated[str, typer.Option(help="death, declared-death, deregistration or merger.")],
    evidence: Evidence,
    account: Account,
    name: Name,
    reason: Reason,
    data: cli_console.Data = None,
) -> None:
    """Record the end of a holder: nothing of it is used any more, but kept licenses by law.

    Example: license-ledger holders end --code-type 001 --kind deregistration --evidence … --operator a …
    """
    _record(ending_commands.EndHolder, (code_type, code), evidence, (account, name, reason), data, kind=kind)


def rename(
    code_type: CodeType,
    code: Code,
    former_name: Former,
    new_name: New,
    changed_on: Annotated[str, typer.Option(help="The day from which the new name holds, YYYY-MM-DD.")],
    evidence: Evidence,
    account: Account,
    name: Name,
    reason: Reason,
    data: cli_console.Data = None,
) -> None:
    """Record a change of a holder's name; no license is rewritten.

    Example: license-ledger holders rename --code-type 111 --changed-on 2026-01-31 --evidence … --operator a …
    """
    try:
        day = days.parse(changed_on)
    except ValueError as error:
        raise errors.Invalid("a civil day is written YYYY-MM-DD", field="changed_on") from error
    names = {"former_name": _name(former_name, "former_name"), "new_name": _name(new_name, "new_name")}
    who = (account, name, reason)
    _record(naming_commands.ChangeName, (code_type, code), evidence, who, data, changed_on=day, **names)


def _name(said: str, field: str) -> str:
    """A name, kept exactly as given; raises Invalid."""
    if not said.strip() or len(said) > NAME_LENGTH_MAX:
        raise errors.Invalid(f"a name has 1 to {NAME_LENGTH_MAX} characters", field=field)
    return said


def _record(
    cls: type[linking_commands.Registration],
    code: tuple[str, str],
    evidence: str,
    who: tuple[str, str, str],
    data: Path | None,
    **members: object,
) -> None:
    if len(evidence) != 64 or not all(digit in "0123456789abcdef" for digit in evidence):
        raise errors.Invalid("64 hexadecimal digits", field="evidence")
    account, name, reason = who
    with cli_opened.ledger(data) as ledger, ledger.appending() as appender:
        actor = cli_opened.actor(ledger, operator=account, operator_name=name, reason=reason)
        asked = cls(actor=actor, holder=_holder(*code, field="code"), evidence=evidence, **members)  # type: ignore[arg-type]
        result = appender.submit(asked).result()
    cli_console.done(f"Recorded at index {result.indexes[0]}")


def _holder(code_type: str, code: str, *, field: str) -> identifiers.HolderCode:
    try:
        return identifiers.holder_code(code_type, code)
    except identifiers.IdentifierError as error:
        raise errors.InvalidHolderCode(str(error), field=field) from error
