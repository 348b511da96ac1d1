"""A row of the stock is judged as a whole: the license that it says, or all of its faults at once."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import days, errors, license_id, state, stock_commands, stock_file, stock_row
from ledger.command import Actor
from ledger.errors import Fault
from tests import history, stock_world
from tests.stock_world import row

NOON = history.NOON


class Digests:
    """Of the vault, what a judge asks: a digest that differs where what it is of does."""

    def body_digest(self, body: object) -> bytes:
        return repr(body).encode()


def judge(begun: history.History, **changes: Any) -> stock_row.Judge:
    actor = Actor(client_id=history.CLIENTS[history.ISSUER], organization=history.ISSUER, generation=0)
    return stock_row.Judge(
        Digests(),  # type: ignore[arg-type]
        actor,
        row=lambda cls, key: begun.rows.get((cls, key)),
        now=lambda: NOON,
        **changes,
    )


def judged(**changes: Any) -> stock_commands.ImportLicense | list[Fault]:
    said = row(1, **{"license_type": history.FREE, "fields": '{"name": "甲"}', **changes})
    record = stock_file.Record(line=2, values=said, end=0, lines=2)
    return judge(history.begun()).judge(record)


def made(**changes: Any) -> stock_commands.ImportLicense:
    found = judged(**changes)
    assert isinstance(found, stock_commands.ImportLicense), found
    return found


def faults(**changes: Any) -> set[tuple[str, str]]:
    found = judged(**changes)
    assert isinstance(found, list)
    return set(found)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("20150601", "2015-06-01"),
        ("2015-06-01", "2015-06-01"),
        ("2015-6-1", "2015-06-01"),
        ("2015/6/1", "2015-06-01"),
        ("2015.6.1", "2015-06-01"),
        ("2015年6月1日", "2015-06-01"),
    ],
)
def test_dates_are_read_in_the_forms_of_the_stock(text: str, day: str) -> None:
    content = made(issued_on=text, valid_to=None).content
    assert (content.issued_on, content.valid_from, content.valid_to) == (
        days.parse(day),
        days.parse(day),
        None,
    )


@pytest.mark.parametrize(
    "text", ["2015-02-30", "201561", "2015-06/01", "15-6-1", "1899-12-31", "2015-13-01", "x"]
)
def test_a_date_that_is_none_is_a_fault(text: str) -> None:
    assert faults(issued_on=text) == {("issued_on", "date")}


@pytest.mark.parametrize("text", ["长期", "永久", "", None])
def test_a_license_without_an_end_is_long_term(text: str | None) -> None:
    assert made(valid_to=text).content.valid_to is None


def test_all_faults_are_told_at_once() -> None:
    found = faults(
        license_type="nothing",
        number=None,
        holder_code="3501021900010110",
        issued_on="never",
        area_code="35",
        origin="rumor",
        trust_level="E",
        issuer="123",
    )
    assert found == {
        ("license_type", "license-type-unknown"),
        ("number", "missing"),
        ("holder_code", "length"),
        ("issued_on", "date"),
        ("area_code", "area-code"),
        ("origin", "choice"),
        ("trust_level", "choice"),
        ("issuer", "length"),
    }


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"holder_code_type": "005"}, ("holder_code_type", "code-type-unknown")),
        ({"holder_code": "350102190001011078"}, ("holder_code", "check-character")),
        ({"holder_code": "123456789", "holder_code_type": "001"}, ("holder_code", "length")),
        ({"holder_name": "甲\n乙"}, ("holder_name", "name")),
        ({"holder_name": "甲^乙"}, ("holder_code", "holder-count")),
        ({"holder_role": "parent"}, ("holder_role", "holder-count")),
        ({"valid_to": "2010-01-01"}, ("valid_to", "before-valid-from")),
        ({"issuer": "350102190001011077"}, ("issuer", "citizen-id")),
        ({"issuer": history.HALL}, ("issuer", "not-the-issuer")),
        ({"number": "x" * 129}, ("number", "length")),
        ({"license_id": "x" * 201}, ("license_id", "length")),
        ({"source_id": "a\tb"}, ("source_id", "unprintable")),
        ({"fields": "{"}, ("fields", "json-syntax")),
        ({"fields": "[]"}, ("fields", "json-object")),
        ({"fields": '{"@license_id": "1"}'}, ("fields", "field-unknown")),
        ({"fields.name": "乙"}, ("fields.name", "twice")),
        ({"fields": '{"name": "' + "x" * 10_001 + '"}'}, ("fields.name", "length")),
        ({"parties": "{}"}, ("parties", "json-array")),
        ({"parties": '[{"role": "spouse"}]'}, ("parties", "party")),
        ({"parties": '[{"role": "x", "code_type": "099", "code": "1", "name": "乙"}]'}, ("parties", "role")),
        ({"number": 7}, ("number", "text")),
        ({"colour": "red"}, ("*", "unknown-column")),
    ],
)
def test_each_fault_names_its_column_and_its_rule(changes: dict[str, Any], fault: tuple[str, str]) -> None:
    assert faults(**changes) == {fault}


def test_no_fault_repeats_a_value() -> None:
    code = stock_world.row(2)["holder_code"]
    assert code not in str(
        faults(holder_code=code[:-1] + "?", issued_on=code, fields="{" + code, number=code * 9)
    )


def test_the_names_of_the_exchange_are_understood() -> None:
    said = row(1)
    renamed = {
        "ZZLXDM": history.FREE,
        "ZZBH": said["number"],
        "CZZTDM": said["holder_code"],
        "CZZTDMLXDM": "111",
        "CZZT": "甲",
        "ZZBFRQ": "20150601",
        "certificate_source_id": "S1",
        "ZZYXQJZRQ": "长期",
        "ZZBFJG": "合成机关",
    }
    found = judge(history.begun())
    found.columns(renamed)
    made_ = found.judge(stock_file.Record(line=2, values=renamed, end=0, lines=2))
    assert isinstance(made_, stock_commands.ImportLicense)
    assert made_.source == made(source_id="S1").source


@pytest.mark.parametrize(
    "columns", [["license_type"], [*row(1), "colour red"], [*row(1), "ZZBH"], [*row(1), "fields.Name"]]
)
def test_a_file_whose_columns_are_strange_is_refused_whole(columns: list[str]) -> None:
    with pytest.raises(errors.Invalid):
        judge(history.begun()).columns(columns)


def test_a_file_without_a_line_of_names_is_refused_without_a_word_of_it() -> None:
    said = [*row(1), "350102190001010011", "合成居民"]
    with pytest.raises(errors.Invalid) as refused:
        judge(history.begun()).columns(said)
    told = str(refused.value.extra)
    assert f"column {len(said) - 1} is unknown" in told
    assert not any(text in told for text in said[-2:])


def test_further_parties_bring_their_own_fields() -> None:
    text = (
        '[{"role": "spouse", "code_type": "099", "code": "X1", "name": "乙", "fields": {"domicile": "榕城"}}]'
    )
    found = made(parties=text)
    (spouse,) = found.parties
    assert (spouse.role, spouse.field_names) == ("spouse", ("domicile",))
    assert found.content.values == {"name": "甲", "domicile": "榕城"}


def test_a_row_is_known_by_its_source_else_by_all_it_says() -> None:
    assert made(source_id="1").source == made(source_id="1", number="another").source
    assert made(source_id="1").source != made(source_id="2").source
    assert made(source_id=None).source == made(source_id=None).source
    assert made(source_id=None).source != made(source_id=None, number="another").source


def test_what_the_type_is_unsure_of_is_a_finding_and_no_fault() -> None:
    begun = history.begun()
    retired = state.altered(begun.row(state.TypeRow, history.FREE), is_retired=True)
    found = made(license_id=stock_world.SHAPELESS_ID)
    assert stock_commands.doubts(retired, None, found) == ["license-id-bad", "license-type-retired"]
    assert found.identifier is not None
    assert found.identifier.judged.verdict is license_id.Verdict.BAD
