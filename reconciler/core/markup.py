"""HTML as values: elements and texts, written in one place, which escapes. No text can become an element."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TypeAlias

from reconciler.core.shown import printable

_VOID = frozenset({"meta", "input"})
"""Elements without an end tag."""


@dataclass(frozen=True, slots=True)
class Element:
    """An element; an attribute whose value is True stands without one, one that is False not at all."""

    tag: str
    attributes: tuple[tuple[str, str | bool], ...] = ()
    children: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Own:
    """A text of the program's own that goes in as it is: a style, a script. Nothing that was read anywhere."""

    text: str


Node: TypeAlias = "Element | Own | str"


def tag(name: str, /, *children: Node, **attributes: str | bool) -> Element:
    """Return an element. In names of attributes `_` stands for `-`; one at the end is dropped (`class_`)."""
    found = tuple((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    return Element(name, found, children)


def to_text(node: Node) -> str:
    """Return the HTML of a node. What would not be seen as what it is, is written as an escape; line ends stay."""
    match node:
        case Own():
            return node.text
        case str():
            return html.escape(_seen(node), quote=False)
        case Element():
            inner = "".join(map(to_text, node.children))
            head = f"{node.tag}{''.join(map(_attribute, node.attributes))}"
            return f"<{head}>" if node.tag in _VOID else f"<{head}>{inner}</{node.tag}>"


def _attribute(attribute: tuple[str, str | bool]) -> str:
    name, value = attribute
    if isinstance(value, bool):
        return f" {name}" if value else ""
    return f' {name}="{html.escape(_seen(value))}"'


def _seen(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))
