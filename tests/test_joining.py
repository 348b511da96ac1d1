"""Files of one holder: joined and parted, and what is used, shown, ended and erased across them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from ledger import (
    ending_commands,
    errors,
    holder_commands,
    identifiers,
    joining,
    keeping,
    linking,
    linking_commands,
    reading,
    use,
    use_commands,
)
from ledger.state import LicenseRow, StreamRow
from tests.history import HALL, HOLDER, OTHER, REF, STRANGER, STREAMS, History, begun, granted, version
from tests.projecting import Projected, projected
from tests.world import AUDITOR, BUSINESS_LICENSE, CITIZEN_CARD, ENTERPRISE, World, citizen

EVIDENCE = bytes(32)
A, B, C, D = (letter * 16 for letter in (b"a", b"b", b"c", b"d"))


def told(*streams: bytes) -> History:
    """Holders with a license each."""
    history = begun()
    for number, stream in enumerate(streams):
        history.record(
            version(license_ref=bytes([number]) * 16, parties=(("holder", stream),)), stream=stream
        )
    return history


def joined(history: History, own: bytes, other: bytes) -> joining.HolderFilesJoined:
    rows = [history.row(StreamRow, one) for one in (own, other)]
    together = sorted({one for row in rows for one in joining.streams(row)})
    return joining.HolderFilesJoined(
        evidence_digest=EVIDENCE, other_stream=other, all_streams=tuple(together)
    )


def join(history: History, own: bytes, other: bytes) -> None:
    history.record(joined(history, own, other), stream=own, by=OTHER)


def part(history: History, own: bytes, other: bytes, *kept: bytes) -> None:
    everyone = set(joining.streams(history.row(StreamRow, own)))
    made = joining.HolderFilesParted(
        evidence_digest=EVIDENCE,
        other_stream=other,
        own_streams=tuple(sorted({own, *kept})),
        other_streams=tuple(sorted(everyone - {own, *kept})),
    )
    history.record(made, stream=own, by=OTHER)


def together(history: History, stream: bytes) -> set[bytes]:
    return set(joining.streams(history.row(StreamRow, stream)))


def test_joining_then_parting_restores_the_rows_exactly() -> None:
    history = told(A, B)
    before = dict(history.rows)
    join(history, A, B)
    assert together(history, A) == together(history, B) == {A, B}
    part(history, B, A)
    assert history.rows == before


@pytest.mark.parametrize("order", list(itertools.permutations([(A, B), (B, C), (C, D)])))
def test_files_hang_together_and_come_apart_where_they_were_joined(order: Any) -> None:
    history = told(A, B, C, D)
    for own, other in order:
        join(history, own, other)
    assert {frozenset(together(history, one)) for one in (A, B, C, D)} == {frozenset({A, B, C, D})}
    with pytest.raises(errors.NotFound):
        part(history, A, C)
    with pytest.raises(errors.Conflict):
        part(history, B, C)
    part(history, B, C, A)
    assert [together(history, one) for one in (A, B, C, D)] == [{A, B}, {A, B}, {C, D}, {C, D}]
    part(history, C, D)
    part(history, B, A)
    assert all(together(history, one) == {one} for one in (A, B, C, D))


def test_what_is_not_two_holders_is_not_joined() -> None:
    history = told(A, B, C)
    join(history, A, B)
    with pytest.raises(errors.AlreadyExists):
        join(history, B, A)
    wrong = joining.HolderFilesJoined(evidence_digest=EVIDENCE, other_stream=C, all_streams=(A, C))
    with pytest.raises(errors.Conflict):
        history.record(wrong, stream=A, by=OTHER)
    office = joining.HolderFilesJoined(
        evidence_digest=EVIDENCE, other_stream=STREAMS[HALL], all_streams=tuple(sorted((C, STREAMS[HALL])))
    )
    with pytest.raises(errors.NotFound):
        history.record(office, stream=C, by=OTHER)
    with pytest.raises(errors.ScopeMissing):
        history.record(joined(history, A, C), stream=A, by=HALL)


def test_a_contested_or_ended_holder_is_joined_with_no_other() -> None:
    history = told(A, B)
    history.record(linking.HolderCodeContested(evidence_digest=EVIDENCE), stream=B, by=OTHER)
    with pytest.raises(errors.HolderContestedConflict):
        join(history, A, B)
    history.record(linking.HolderCodeSettled(evidence_digest=EVIDENCE), stream=B, by=OTHER)
    join(history, A, B)
    with pytest.raises(errors.Conflict):
        history.record(linking.HolderCodeContested(evidence_digest=EVIDENCE), stream=B, by=OTHER)


def test_a_holder_has_at_most_sixteen_files() -> None:
    streams = [bytes([100 + number]) * 16 for number in range(17)]
    history = told(*streams)
    for other in streams[1:16]:
        join(history, streams[0], other)
    with pytest.raises(errors.Conflict):
        join(history, streams[0], streams[16])


def test_a_consent_covers_the_licenses_of_every_file_of_its_holder_and_no_others() -> None:
    history = begun()
    history.record(version())
    other = b"2" * 16
    history.record(version(license_ref=other, parties=(("holder", STRANGER),)), stream=STRANGER)
    history.record(granted())
    index = history.row(LicenseRow, other).version_index
    used = use.LicenseUsed(
        license_ref=other,
        version=1,
        license_index=index,
        authorization_ref=REF,
        mode="holder",
        fields=("name",),
        status="effective",
    )
    with pytest.raises(errors.Forbidden):
        history.record(used, stream=STRANGER, by=HALL)
    join(history, HOLDER, STRANGER)
    history.record(used, stream=STRANGER, by=HALL)
    part(history, HOLDER, STRANGER)
    with pytest.raises(errors.Forbidden):
        history.record(used, stream=STRANGER, by=HALL)


# --- through the append path ---


@pytest.fixture
def here(world: World) -> Iterator[Projected]:
    with projected(world) as made:
        yield made


@pytest.fixture
def registrar(world: World) -> Any:
    return world.register(AUDITOR, "holder:register")


OLD = identifiers.holder_code("099", "12345678-9")


def say(world: World, cls: Any, registrar: Any, **members: Any) -> Any:
    return world.do(cls(actor=registrar, evidence="00" * 32, **members)).recorded


def used(world: World, **asked: Any) -> list[bytes] | str:
    """The licenses used, or why not."""
    recorded = world.use(**asked)
    refused = recorded[0].event.fact.get("reason")
    return refused or sorted(item.event.fact["license_ref"] for item in recorded)


def stream_of(world: World, code: identifiers.HolderCode) -> bytes:
    reader = reading.Reader(world.ledger.ways.service, world.ledger.vault)
    try:
        found = reader.find("holder", code.code_type, code.code)
    finally:
        reader.close()
    assert found is not None
    return found.stream_id


def test_a_use_by_either_code_finds_the_licenses_of_both_files_until_they_are_parted(
    here: Projected, registrar: Any
) -> None:
    world = here.world
    new, old = world.issue(ENTERPRISE), world.issue(OLD)
    consent, code = world.grant_with_code(mode="holder", holder=OLD)
    before = [here.files.licenses(stream_of(world, one)).rows for one in (ENTERPRISE, OLD)]
    pair = {"holder": ENTERPRISE, "linked": OLD}
    (made,) = say(world, linking_commands.LinkHolderCodes, registrar, **pair)
    assert made.event.topic == "HolderFilesJoined"
    ways: list[dict[str, Any]] = [
        {"holder": ENTERPRISE, "type_code": BUSINESS_LICENSE},
        {"holder": OLD, "type_code": BUSINESS_LICENSE},
        {"use_code": code},
    ]
    assert [used(world, **way) for way in ways] == [sorted((new, old))] * 3
    assert used(world, license_ref=new) == [new]
    here.follow()
    streams = [stream_of(world, one) for one in (ENTERPRISE, OLD)]
    assert [item.license.license_ref for item in here.files.licenses(*streams).rows] == [new, old]
    (parted,) = say(world, linking_commands.UnlinkHolderCodes, registrar, **pair)
    assert parted.event.topic == "HolderFilesParted"
    assert [used(world, **way) for way in ways] == ["not-authorized", [old], [old]]
    assert used(world, license_ref=new) == "not-authorized"
    here.follow()
    after = [here.files.licenses(stream_of(world, one)).rows for one in (ENTERPRISE, OLD)]
    assert [[item.license.license_ref for item in rows] for rows in after] == [[new], [old]]
    assert before != after
    assert consent


def test_a_standing_authorization_finds_the_licenses_of_all_files(world: World, registrar: Any) -> None:
    refs = [world.issue(citizen(number), type_code=CITIZEN_CARD) for number in range(3)]
    world.grant(type_codes=(CITIZEN_CARD,))
    for number in (1, 2):
        say(
            world,
            linking_commands.LinkHolderCodes,
            registrar,
            holder=citizen(number - 1),
            linked=citizen(number),
        )
    for number in range(3):
        assert used(world, holder=citizen(number), type_code=CITIZEN_CARD) == sorted(refs)
    with pytest.raises(errors.NotFound):
        say(world, linking_commands.UnlinkHolderCodes, registrar, holder=citizen(0), linked=citizen(2))
    say(world, linking_commands.UnlinkHolderCodes, registrar, holder=citizen(1), linked=citizen(2))
    assert used(world, holder=citizen(2), type_code=CITIZEN_CARD) == [refs[2]]
    assert used(world, holder=citizen(0), type_code=CITIZEN_CARD) == sorted(refs[:2])


def test_a_file_of_several_streams_is_read_and_recorded(world: World, registrar: Any) -> None:
    refs = tuple(world.issue(citizen(number)) for number in (1, 2))
    read = holder_commands.ReadHolderFile(
        actor=world.hall,
        holder=citizen(1),
        evidence="00" * 32,
        license_refs=refs,
        salt=bytes(16),
        through=-1,
    )
    with pytest.raises(errors.LicenseNotFound):
        world.do(read)
    say(world, linking_commands.LinkHolderCodes, registrar, holder=citizen(1), linked=citizen(2))
    world.do(read)


def test_an_end_and_its_reversal_are_of_all_files(world: World, registrar: Any) -> None:
    refs = [world.issue(citizen(number)) for number in (1, 2)]
    world.grant()
    say(world, linking_commands.LinkHolderCodes, registrar, holder=citizen(1), linked=citizen(2))
    ended = say(world, ending_commands.EndHolder, registrar, holder=citizen(2), kind="death")
    assert {item.event.topic for item in ended} == {"HolderEnded"}
    assert len({item.event.stream_id for item in ended}) == 2
    for ref in refs:
        assert used(world, license_ref=ref) == "holder-ended"
    world.issue(citizen(3))
    with pytest.raises(errors.HolderEndedConflict):
        say(world, linking_commands.LinkHolderCodes, registrar, holder=citizen(1), linked=citizen(3))
    say(world, linking_commands.UnlinkHolderCodes, registrar, holder=citizen(1), linked=citizen(2))
    say(world, ending_commands.ReverseEnd, registrar, holder=citizen(1))
    assert used(world, license_ref=refs[0]) == [refs[0]]
    assert used(world, license_ref=refs[1]) == "holder-ended"


def test_erasure_is_of_all_files_and_of_every_code(world: World, registrar: Any) -> None:
    refs = [world.issue(citizen(number)) for number in (1, 2)]
    world.grant()
    say(world, linking_commands.LinkHolderCodes, registrar, holder=citizen(1), linked=citizen(2))
    say(world, linking_commands.LinkHolderCodes, registrar, holder=citizen(2), linked=OLD)
    result = keeping.erase_holder(world.ledger, world.appender, OLD, world.ledger.console)
    assert len(result.recorded) == 2
    outside = {stream_id for stream_id, _ in world.ledger.vault.wraps.load()}
    assert not outside & {item.event.stream_id for item in result.recorded}
    for number in (1, 2):
        assert used(world, holder=citizen(number), type_code=BUSINESS_LICENSE) == "not-covered"
    assert {used(world, license_ref=ref) for ref in refs} == {"not-authorized"}
    assert keeping.rotate_pepper(world.ledger)


def test_uses_in_the_batch_of_a_joining_are_decided_in_order(world: World, registrar: Any) -> None:
    refs = sorted(world.issue(citizen(number)) for number in (1, 2))
    world.grant()
    members: dict[str, Any] = {
        "actor": registrar,
        "evidence": "00" * 32,
        "holder": citizen(1),
        "linked": citizen(2),
    }
    use_it = use_commands.UseLicense(actor=world.hall, holder=citizen(1), type_code=BUSINESS_LICENSE)
    for _ in range(3):
        pending = [
            world.appender.submit(asked)
            for asked in (
                use_it,
                linking_commands.LinkHolderCodes(**members),
                use_it,
                linking_commands.UnlinkHolderCodes(**members),
                use_it,
            )
        ]
        counts = [len(future.result(timeout=60).recorded) for future in pending]
        assert set(counts) <= {1, 2}
        assert used(world, holder=citizen(1), type_code=BUSINESS_LICENSE) != refs
