"""HTML made of elements, in which every text is escaped; nothing becomes markup but what was made here."""

from __future__ import annotations

import html

VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})
_RENAMED = {"class_": "class", "for_": "for"}


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(tag: str, /, *children: Markup | str | None, **attributes: str | bool | None) -> Markup:
    """One element; attributes that are None or False are left out, `aria_label` is written `aria-label`."""
    said = "".join(
        f" {_name(key)}" if value is True else f' {_name(key)}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    inner = "".join(map(_inner, children))
    if tag in VOID:
        assert not inner, "a void element has no content"
        return Markup(f"<{tag}{said}>")
    return Markup(f"<{tag}{said}>{inner}</{tag}>")


def joined(*parts: Markup | str | None) -> Markup:
    """Several in a row."""
    return Markup("".join(map(_inner, parts)))


def trusted(text: str) -> Markup:
    """Markup or a style sheet that stands in our own files; never anything from a request or the ledger."""
    return Markup(text)


def _inner(child: Markup | str | None) -> str:
    if child is None:
        return ""
    return child if isinstance(child, Markup) else html.escape(child, quote=False)


def _name(key: str) -> str:
    return _RENAMED.get(key, key.replace("_", "-"))
