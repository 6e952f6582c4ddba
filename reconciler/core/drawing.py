"""The graph as a drawing in the languages dot (Graphviz) and Mermaid.

Units stand in a frame per target. An arrow leads from what must be converged first to what needs it; reasons stand
beside the arrows as long as there are few enough to be read. With more, Graphviz' svg shows the reason of the arrow under
the pointer, and Mermaid's drawing has none.
"""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING

from reconciler.core.shown import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.core.graph import Graph
    from resources.contract import Address, Need, TargetId

MOST_LABELS = 60
"""With more arrows than that no reasons stand beside them: they would cover the drawing."""


def to_dot(graph: Graph) -> str:
    """Return the graph in Graphviz' language; `dot -Tsvg` draws it."""
    names = _names(graph)
    lines = [
        "digraph units {",
        '  graph [rankdir=LR, fontname="sans-serif", ranksep=0.8];',
        '  node [shape=box, style=rounded, fontname="sans-serif", fontsize=11];',
        '  edge [fontname="sans-serif", fontsize=9, color=gray40];',
    ]
    for number, (target, addresses) in enumerate(_by_target(graph)):
        lines += [f"  subgraph cluster_{number} {{", f"    label={_dot_text(str(target))};", "    color=gray70;"]
        lines += [f"    {names[address]} [label={_dot_text(address.type, address.name)}];" for address in addresses]
        lines.append("  }")
    arrows = _arrows(graph)
    shown = "label" if len(arrows) <= MOST_LABELS else "tooltip"
    for need, address in arrows:
        why = f" [{shown}={_dot_text(need.reason)}]" if need.reason else ""
        lines.append(f"  {names[need.address]} -> {names[address]}{why};")
    return "\n".join([*lines, "}"])


def to_mermaid(graph: Graph) -> str:
    """Return the graph in Mermaid's language, which code forges draw within a Markdown page."""
    names = _names(graph)
    lines = ["flowchart LR"]
    for number, (target, addresses) in enumerate(_by_target(graph)):
        lines.append(f"  subgraph t{number}[{_mermaid_text(str(target))}]")
        lines += [f"    {names[address]}[{_mermaid_text(address.type, address.name)}]" for address in addresses]
        lines.append("  end")
    arrows = _arrows(graph)
    for need, address in arrows:
        why = f"|{_mermaid_text(need.reason)}|" if need.reason and len(arrows) <= MOST_LABELS else ""
        lines.append(f"  {names[need.address]} -->{why} {names[address]}")
    return "\n".join(lines)


def _names(graph: Graph) -> Mapping[Address, str]:
    """Return short names that both languages take; the same units have the same names in every run."""
    return {address: f"u{number}" for number, address in enumerate(graph.order)}


def _by_target(graph: Graph) -> Iterable[tuple[TargetId, list[Address]]]:
    ordered = sorted(graph.order, key=lambda address: str(address.target))
    return [(target, list(addresses)) for target, addresses in groupby(ordered, key=lambda address: address.target)]


def _arrows(graph: Graph) -> list[tuple[Need, Address]]:
    return [(need, address) for address in graph.order for need in graph.needs(address)]


def _dot_text(*lines: str) -> str:
    """Return a quoted text of several lines, with the line ends that Graphviz understands."""
    return '"' + "\\n".join(json.dumps(printable(line), ensure_ascii=False)[1:-1] for line in lines) + '"'


def _mermaid_text(*lines: str) -> str:
    """Return a quoted text; what Mermaid would read as its own is written as an entity code."""
    escaped = (
        printable(line).replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;") for line in lines
    )
    return '"' + "<br/>".join(escaped) + '"'
