"""Names as strangers see them: enough to compare with the paper in hand, too little to learn one from it.

A person's name keeps its first character and, from three on, its last. A body's name is shown in full
where the catalog publishes it; else it keeps two characters at either end. Pure.
"""

from __future__ import annotations

_MARK = "*"
_MARKS_MAX = 4
"""So that a long name does not tell its length."""


def person(name: str) -> str:
    """张* of 张三, 李*明 of 李小明."""
    return _masked(name.strip(), ends=1)


def body(name: str) -> str:
    """榕城****公司 of 榕城示例有限公司."""
    plain = name.strip()
    return _masked(plain, ends=2 if len(plain) > 4 else 1)


def _masked(name: str, *, ends: int) -> str:
    if len(name) < 2:
        return _MARK
    if len(name) == 2:
        return name[0] + _MARK
    hidden = min(len(name) - 2 * ends, _MARKS_MAX)
    return name[:ends] + _MARK * hidden + name[-ends:]
