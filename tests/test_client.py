"""Clients and the catalog: given facts, when one more is recorded, then row or error; no database."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ledger import catalog, client, errors, log
from ledger.batch import Batch
from ledger.command import Actor, View, require_current_client
from ledger.state import ClientRow, LedgerRow, OrganizationRow, StreamRow, TypeRow
from tests.history import (
    CLIENTS,
    FREE,
    HALL,
    HOLDER,
    ISSUER,
    OPERATOR,
    OTHER,
    REGISTRY,
    STREAMS,
    History,
    begun,
    registered_client,
    registered_type,
    version,
)

NEW = "91350100MA0000007A"
SUSPENDED = client.ClientSuspended(client_id=CLIENTS[ISSUER])


def key_change(**members: Any) -> client.ClientKeyChanged:
    values: dict[str, Any] = {
        "client_id": CLIENTS[ISSUER],
        "algorithm": "ES256",
        "keys": ('{"n":2}',),
    }
    return client.ClientKeyChanged(**values | members)


def test_an_organizations_stream_begins_with_its_first_client() -> None:
    history = begun()
    assert history.row(OrganizationRow, HALL).stream_id == STREAMS[HALL]
    assert history.row(StreamRow, STREAMS[HALL]).kind == "organization"
    second = registered_client(HALL, "audit:read", client_id=b"2" * 16)
    history.record(second, stream=REGISTRY, by=None)
    assert history.row(ClientRow, b"2" * 16).generation == 0


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"organization": "12350100000000027e"}, "organization"),
        ({"scopes": ()}, "scopes"),
        ({"scopes": ("license:use", "ledger:own")}, "scopes"),
        ({"algorithm": "HS256"}, "algorithm"),
        ({"keys": ()}, "keys"),
        ({"keys": ("a", "a")}, "keys"),
        ({"keys": tuple("abcde")}, "keys"),
        ({"organization": "350102190001010015"}, "organization"),
    ],
)
def test_a_bad_registration_is_refused_and_the_member_is_named(members: dict[str, Any], field: str) -> None:
    members = {"organization": OTHER, "client_id": b"n" * 16, "scopes": ("license:use",)} | members
    made = registered_client(members.pop("organization"), **members)
    with pytest.raises(errors.Invalid) as refused:
        begun().record(made, stream=REGISTRY, by=None)
    assert refused.value.field == field


def test_a_client_is_registered_once_and_never_with_the_stream_of_another() -> None:
    history = begun()
    with pytest.raises(errors.AlreadyExists):
        history.record(registered_client(HALL, "license:use"), stream=REGISTRY, by=None)
    history.record(version())
    for organization, stream in (
        (HALL, STREAMS[OTHER]),
        (NEW, STREAMS[OTHER]),
        (NEW, HOLDER),
        (NEW, REGISTRY),
    ):
        made = registered_client(organization, "license:use", client_id=b"n" * 16, organization_stream=stream)
        with pytest.raises(errors.Conflict):
            history.record(made, stream=REGISTRY, by=None)


def test_a_suspended_client_records_nothing() -> None:
    history = begun()
    history.record(SUSPENDED, stream=REGISTRY, by=None)
    with pytest.raises(errors.ClientSuspended):
        history.record(version())
    with pytest.raises(errors.Conflict):
        history.record(SUSPENDED, stream=REGISTRY, by=None)


def test_an_unknown_client_records_nothing_and_one_acts_for_its_organization_only() -> None:
    with pytest.raises(errors.ClientSuspended):
        begun().record(version(), client=b"?" * 16)
    with pytest.raises(errors.Forbidden):
        begun().record(version(), organization=HALL)
    with pytest.raises(errors.Forbidden):
        begun().record(version(), by=None, organization=HALL)


def current(history: History, generation: int) -> None:
    """The question every command is asked first: is its access token of the client's present keys?"""
    vault = SimpleNamespace(compromised=frozenset())
    batch = Batch(vault=vault, at=0, size=0)  # type: ignore[arg-type]
    batch.rows[ClientRow, CLIENTS[ISSUER]] = history.row(ClientRow, CLIENTS[ISSUER])
    actor = Actor(client_id=CLIENTS[ISSUER], organization=ISSUER, generation=generation)
    require_current_client(actor, View(batch))


def test_a_key_change_ends_the_tokens_made_before_it() -> None:
    history = begun()
    current(history, 0)
    history.record(key_change(), stream=REGISTRY, by=None)
    row = history.row(ClientRow, CLIENTS[ISSUER])
    assert (row.generation, row.algorithm, row.keys) == (1, "ES256", ('{"n":2}',))
    for generation in (0, 2):
        with pytest.raises(errors.ClientSuspended):
            current(history, generation)
    current(history, 1)


def test_a_suspension_ends_every_token_also_after_another_key_change() -> None:
    history = begun()
    history.record(SUSPENDED, stream=REGISTRY, by=None)
    history.record(key_change(), stream=REGISTRY, by=None)
    assert history.row(ClientRow, CLIENTS[ISSUER]).is_suspended
    for generation in range(4):
        with pytest.raises(errors.ClientSuspended):
            current(history, generation)


def test_keys_change_to_fit_ones_of_a_known_client() -> None:
    history = begun()
    for made, error in (
        (key_change(client_id=b"?" * 16), errors.NotFound),
        (key_change(algorithm="none"), errors.Invalid),
        (key_change(keys=()), errors.Invalid),
        (client.ClientSuspended(client_id=b"?" * 16), errors.NotFound),
    ):
        with pytest.raises(error):
            history.record(made, stream=REGISTRY, by=None)


@pytest.mark.parametrize("organization", [ISSUER, HALL, OTHER])
def test_clients_keys_and_log_are_changed_from_the_console_alone(organization: str) -> None:
    history = begun()
    key = log.SigningKeyIntroduced(purpose="log", key_id=b"k" * 16, public=bytes(32))
    for made in (SUSPENDED, key_change(), key):
        with pytest.raises(errors.ScopeMissing):
            history.record(made, stream=REGISTRY, by=organization)


def test_types_are_registered_by_who_writes_the_catalog() -> None:
    history = begun()
    made = registered_type("11100000MB0143028R009", "conditional")
    with pytest.raises(errors.ScopeMissing):
        history.record(made, stream=REGISTRY, by=HALL)
    history.record(made, stream=REGISTRY, by=ISSUER)
    assert history.row(TypeRow, "11100000MB0143028R009").field_names == ("domicile", "name")
    with pytest.raises(errors.AlreadyExists):
        history.record(made, stream=REGISTRY, by=ISSUER)


@pytest.mark.parametrize(
    ("type_code", "sharing_class", "field"),
    [
        ("11100000MB0143028R00", "none", "type_code"),
        ("11100000MB0143028R00A", "none", "type_code"),
        ("11100000MB0143028X009", "none", "type_code"),
        ("11100000MB0143028R009", "public", "sharing_class"),
    ],
)
def test_a_bad_type_is_refused(type_code: str, sharing_class: str, field: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        begun().record(registered_type(type_code, sharing_class), stream=REGISTRY, by=None)
    assert refused.value.field == field


def test_the_national_catalog_is_acceptable_as_it_is_shipped() -> None:
    history = begun()
    for made in catalog.national_catalog(OPERATOR):
        if made.type_code != FREE:
            history.record(made, stream=REGISTRY, by=None)
    assert sum(cls is TypeRow for cls, _ in history.rows) > 70


def test_a_ledger_opens_once() -> None:
    history = begun()
    with pytest.raises(errors.AlreadyExists):
        history.record(
            log.LedgerOpened(origin="other.example/x/0", operator=OPERATOR, suite="intl"),
            stream=REGISTRY,
            by=None,
        )
    assert history.row(LedgerRow, 0).operator == OPERATOR


def test_a_signing_key_comes_once_and_goes_once() -> None:
    history = begun()
    key = log.SigningKeyIntroduced(purpose="log", key_id=b"k" * 16, public=bytes(32))
    gone = log.SigningKeyRetired(key_id=b"k" * 16)
    for made, error in ((gone, errors.NotFound), (key, None), (key, errors.AlreadyExists)):
        if error is None:
            history.record(made, stream=REGISTRY, by=None)
        else:
            with pytest.raises(error):
                history.record(made, stream=REGISTRY, by=None)
    history.record(gone, stream=REGISTRY, by=None)
    with pytest.raises(errors.Conflict):
        history.record(gone, stream=REGISTRY, by=None)
