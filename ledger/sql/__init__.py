"""SQL by name: each `.sql` file holds statements under `-- name --` lines with a sentence each.

`load` reads a file once and gives its statements. Nothing is built or run here.
"""

from __future__ import annotations

import functools
import importlib.resources
import re
from types import MappingProxyType

Statements = MappingProxyType[str, str]
"""Name to text."""
_HEADING = re.compile(r"^-- (\w+) --\n", re.MULTILINE)


@functools.cache
def load(name: str, *, package: str = __name__) -> Statements:
    """The statements of `<name>.sql` in `package`, in their order."""
    text = (importlib.resources.files(package) / f"{name}.sql").read_text(encoding="utf-8")
    pieces = _HEADING.split(text)[1:]
    return MappingProxyType(
        {heading: _without_comment(body) for heading, body in zip(pieces[::2], pieces[1::2], strict=True)}
    )


def _without_comment(body: str) -> str:
    return "\n".join(line for line in body.splitlines() if not line.startswith("-- ")).strip()
