"""Synthetic holders and bodies of the demonstration: valid codes, invented names, nobody real.

Every citizen ID has the birth date 1900-01-01; every credit code is computed from a counter. Same seed,
same world.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from ledger import identifiers

_REGIONS = (
    "350102",
    "350103",
    "350104",
    "350105",
    "350111",
    "350121",
    "350122",
    "350123",
    "350124",
    "350125",
)
_SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜"
_GIVEN = "安宁和平清源明远思齐若水知行乐天文博子衿书航雨桐浩然静宜嘉禾景行望舒"
_TRADES = ("茶业", "海运", "机电", "纺织", "渔业", "建材", "食品", "软件", "石材", "竹木")


@dataclass(frozen=True, kw_only=True)
class Person:
    """A synthetic holder."""

    code_type: str
    code: str
    name: str


def people(count: int, *, seed: int) -> list[Person]:
    """`count` natural persons with different codes."""
    chance = random.Random(seed)  # noqa: S311 - a world to be made again, nothing secret
    made = []
    for number in range(count):
        region = _REGIONS[number % len(_REGIONS)]
        body = f"{region}19000101{number // len(_REGIONS) + 100:03}"
        code = body + identifiers.citizen_id_check_character(body)
        name = chance.choice(_SURNAMES) + "".join(chance.sample(_GIVEN, chance.choice((1, 2))))
        made.append(Person(code_type="111", code=code, name=name))
    return made


def enterprises(count: int, *, seed: int) -> list[Person]:
    """`count` enterprises with different credit codes."""
    chance = random.Random(seed)  # noqa: S311 - a world to be made again, nothing secret
    made = []
    for number in range(count):
        code = credit_code("91350100", f"MA{number + 5000:06}")
        name = f"福州{chance.choice(_GIVEN)}{chance.choice(_GIVEN)}{chance.choice(_TRADES)}有限公司"
        made.append(Person(code_type="001", code=code, name=name))
    return made


def organization(number: int) -> str:
    """The credit code of synthetic government body `number`."""
    return credit_code("11350100", f"MB{number + 7000:06}")


def credit_code(head: str, subject: str) -> str:
    """A credit code with both check characters (GB 32100, GB 11714)."""
    body = head + subject + identifiers.subject_code_check_character(subject)
    return body + identifiers.credit_code_check_character(body)
