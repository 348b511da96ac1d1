"""From a command to encoded events: decide, ask the rules, seal, encode; pure but for randomness.

`record` runs one command on a view. Whatever it raises costs that command alone: the view is dropped.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ledger import command, errors, fact
from ledger.command import Command, View
from ledger.fact import Draft
from signing import event, ids, seal


class Encoded(NamedTuple):
    """An event with its stored bytes, and its fact."""

    event: event.Event
    data: bytes
    fact: fact.Fact


def record(asked: Command, view: View) -> list[Encoded]:
    """The events that `asked` leads to, applied to the view's state; raises a LedgerError.

    That the asking client is current is the caller's to see to.
    """
    drafts = asked.decide(view)
    operator_ref = view.operator_ref(asked.actor)
    request = _request(asked, view)
    encoded = []
    for offset, draft in enumerate(drafts):
        about = _unsealed(asked, draft, operator_ref, view)
        fact.allow_actor(draft.fact, about, view.state)
        draft.fact.allow(about, view.state)
        draft.fact.evolve(about, view.state, view.size + offset)
        encoded.append(_encode(draft, about, request, view))
    return encoded


Part = tuple[str, bytes, Any]
"""(name, owner stream, content)."""


def _request(asked: Command, view: View) -> tuple[Part, ...]:
    """What the caller wrote, sealed with every event of the command."""
    request = asked.actor.sealed_request()
    if not request:
        return ()
    owner = command.actor_stream(asked.actor, view)
    assert owner is not None, "whoever writes something has a stream"
    return (("request", owner, request),)


def _unsealed(asked: Command, draft: Draft, operator_ref: bytes | None, view: View) -> event.Event:
    ring, actor = view.vault.ring, asked.actor
    is_license_change = draft.fact.needed_scope(view.state) == "license:issue"
    return event.drafted(
        suite=ring.suite_name,
        ledger_id=ring.ledger_id,
        event_id=view.random.take(ids.ID_BYTES),
        topic=draft.fact.topic,
        stream_id=draft.stream_id,
        effective_at=view.at if draft.effective_at is None else draft.effective_at,
        recorded_at=view.at,
        client=actor.client_id,
        organization=actor.organization,
        operator_ref=operator_ref,
        issuer=actor.responsible if is_license_change else None,
        case_number=actor.case_number,
        service_item=actor.service_item,
        channel=actor.channel,
        fact=fact.to_map(draft.fact),
        sealed={},
    )


def _encode(draft: Draft, about: event.Event, request: tuple[Part, ...], view: View) -> Encoded:
    assert isinstance(about.sealed, dict), "drafted without parts, to be filled here"
    parts = (*draft.seals, *request)
    if len(parts) > 1:
        parts = tuple(sorted(parts, key=lambda part: (len(part[0]), part[0])))
    for name, owner, content in parts:
        about.sealed[name] = _seal(about, name, owner, content, view)
    try:
        return Encoded(about, event.encode_ordered(about), draft.fact)
    except event.EventInvalid as error:
        raise errors.TooLarge(str(error)) from error


def _seal(about: event.Event, name: str, owner: bytes, content: Any, view: View) -> list[Any]:
    suite = view.vault.suite
    return seal.seal(
        content,
        key=view.data_key(owner),
        place=about.place(name),
        nonce=view.random.take(suite.nonce_bytes),
        suite=suite,
        is_ordered=name == "request",
    )
