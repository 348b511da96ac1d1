"""Names both ways: a member of this product and its GB/T 36903 short name, as OFD files carry it.

Core elements are fixed; fields of a type are surface items, whose short names begin with `KZ_`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

SURFACE_PREFIX = "KZ_"


class Name(NamedTuple):
    """One thing under both names."""

    field: str
    short_name: str
    name_zh: str


CORE = (
    Name("license_name", "ZZMC", "证照名称"),
    Name("name_zh", "ZZLXMC", "证照类型名称"),
    Name("license_type", "ZZLXDM", "证照类型代码"),
    Name("@license_number", "ZZBH", "证照编号"),
    Name("@license_id", "ZZBS", "证照标识"),
    Name("issuer_name", "ZZBFJG", "证照颁发机构"),
    Name("issuer", "ZZBFJGDM", "证照颁发机构代码"),
    Name("issuer_level", "ZZBFJGJB", "证照颁发机构级别"),
    Name("issued_on", "ZZBFRQ", "证照颁发日期"),
    Name("@holder_name", "CZZT", "持证主体"),
    Name("@holder_code", "CZZTDM", "持证主体代码"),
    Name("holder_code_type_name", "CZZTDMLX", "持证主体代码类型"),
    Name("@holder_code_type", "CZZTDMLXDM", "持证主体代码类型代码"),
    Name("valid_from", "ZZYXQQSRQ", "证照有效期起始日期"),
    Name("valid_to", "ZZYXQJZRQ", "证照有效期截止日期"),
    Name("copy_made_at", "JZJZZSJ", "加注件制作时间"),
    Name("copy_maker", "JZJZZZ", "加注件制作者"),
    Name("copy_reason", "JZJZZSY", "加注件制作事由"),
    Name("copy_valid_until", "JZJYXQJZSJ", "加注件有效期截止时间"),
)
"""GB/T 36903-2018; the version's short name is not confirmed and left out."""


def surface(fields: Iterable[tuple[str, str]], short_names: Iterable[tuple[str, str]]) -> tuple[Name, ...]:
    """The fields of a type that have a short name, with their labels."""
    labels = dict(fields)
    return tuple(Name(field, SURFACE_PREFIX + short, labels[field]) for field, short in short_names)
