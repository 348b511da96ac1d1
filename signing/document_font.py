"""The font of documents: where its file lies, and which characters it has.

Noto Sans CJK (SIL Open Font License), from a package that pins its bytes. Only the face for simplified
Chinese is used. Its character map is read once (OpenType §cmap, format 12); a character is looked up before a
page is laid out, so that nothing is ever printed as a blank or borrowed from another font.
"""

from __future__ import annotations

import bisect
import functools
import importlib.util
import mmap
import struct
from pathlib import Path

FAMILY = "Noto Sans CJK SC"
_PACKAGE = "noto_cjk_sans_otc"
_FILE = "NotoSansCJK-Regular.ttc"
_FACE = 2
"""The place of the family in the collection's file."""
_WINDOWS_FULL_UNICODE = (3, 10)


def folder() -> Path:
    """The folder of the font's file."""
    found = importlib.util.find_spec(_PACKAGE)
    assert found is not None, "the font's package is installed"
    assert found.submodule_search_locations, "it is a package"
    return Path(found.submodule_search_locations[0])


def lacks(text: str) -> str | None:
    """The first character of `text` for which the font has no glyph, or None."""
    starts, ends = _ranges()
    for character in text:
        place = bisect.bisect_right(starts, ord(character)) - 1
        if place < 0 or ord(character) > ends[place]:
            return character
    return None


@functools.cache
def _ranges() -> tuple[list[int], list[int]]:
    """First and last code points of the runs of characters that the face has."""
    with (folder() / _FILE).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = _character_map(data)
        (count,) = struct.unpack_from(">I", data, at + 12)
        groups = [struct.unpack_from(">III", data, at + 16 + 12 * place) for place in range(count)]
    return [start for start, _, _ in groups], [end for _, end, _ in groups]


def _character_map(data: mmap.mmap) -> int:
    """Where the face's map of full Unicode begins."""
    (face,) = struct.unpack_from(">I", data, 12 + 4 * _FACE)
    (tables,) = struct.unpack_from(">H", data, face + 4)
    records = (struct.unpack_from(">4sIII", data, face + 12 + 16 * place) for place in range(tables))
    (table,) = (offset for tag, _, offset, _ in records if tag == b"cmap")
    (maps,) = struct.unpack_from(">H", data, table + 2)
    for place in range(maps):
        platform, encoding, offset = struct.unpack_from(">HHI", data, table + 4 + 8 * place)
        if (platform, encoding) == _WINDOWS_FULL_UNICODE:
            return int(table + offset)
    raise AssertionError("the font has a map of full Unicode")
