"""The steps of a plan as a drawing in SVG: what comes first stands left, and an arrow leads to what needs it.

It is drawn here, not by Graphviz: a report must look the same wherever it is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.markup import Element, tag
from reconciler.core.report import SIGNS
from reconciler.core.shown import natural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.core.plan import Plan, Step
    from reconciler.core.report import Item
    from resources.contract import Address

MOST_BOXES = 120
"""Of more steps than that a drawing would show nothing."""

WIDTH, HEIGHT = 208, 40
GAP_X, GAP_Y = 56, 12
MARGIN = 8
MOST_LETTERS, MOST_BOLD = 31, 23
"""As many letters fit into a box: of the first line, and of the name below it."""


@dataclass(frozen=True, slots=True)
class _Box:
    """A step of the plan (or the same one on several targets) at its place: column and row count from 0."""

    item: Item
    name: str
    column: int
    row: int

    @property
    def left(self) -> int:
        return MARGIN + self.column * (WIDTH + GAP_X)

    @property
    def top(self) -> int:
        return MARGIN + self.row * (HEIGHT + GAP_Y)


def chart(plan: Plan, items: Mapping[str, Item]) -> Element | None:
    """Return the drawing of items by the names under which they stand on the page; None where it would help nobody."""
    if len(items) > MOST_BOXES:
        return None
    home = {step.address: name for name, item in items.items() for step in item.steps}
    steps = [step for step in plan.steps if step.address in home]
    arrows = _arrows(steps, home)
    if not arrows:
        return None
    boxes = _placed(steps, items, arrows)
    width = MARGIN + max(box.left + WIDTH for box in boxes.values())
    height = MARGIN + max(box.top + HEIGHT for box in boxes.values())
    head = tag("path", d="M0,0 L8,4 L0,8 z", class_="tip")
    marker = tag("marker", head, id="tip", markerWidth="8", markerHeight="8", refX="8", refY="4", orient="auto")
    return tag(
        "svg",
        tag("title", "What comes before what"),
        tag("defs", marker),
        *(_arrow(boxes[first], boxes[then]) for first, then in arrows),
        *(_box(box) for box in boxes.values()),
        viewBox=f"0 0 {width} {height}",
        width=str(width),
        height=str(height),
        role="img",
    )


def _arrows(steps: Sequence[Step], home: Mapping[Address, str]) -> list[tuple[str, str]]:
    """Return which item must come before which, without what follows from the others; steps stand in their order."""
    before: dict[Address, set[Address]] = {}
    arrows: dict[tuple[str, str], None] = {}
    for step in steps:
        needs = [need for need in step.needs if need in before]
        followed = set().union(*(before[need] for need in needs))
        before[step.address] = followed.union(needs)
        arrows |= {(home[need], home[step.address]): None for need in needs if need not in followed}
    return [(first, then) for first, then in arrows if first != then]


def _placed(steps: Sequence[Step], items: Mapping[str, Item], arrows: Sequence[tuple[str, str]]) -> Mapping[str, _Box]:
    """Return every item's box: one column behind what it needs, near to its height."""
    depth: dict[Address, int] = {}
    for step in steps:
        depth[step.address] = 1 + max((depth[need] for need in step.needs if need in depth), default=-1)
    columns: dict[int, list[str]] = {}
    for name, item in items.items():
        columns.setdefault(max(depth[step.address] for step in item.steps), []).append(name)
    boxes: dict[str, _Box] = {}
    for column, number in enumerate(sorted(columns)):
        heights = {
            name: [boxes[first].row for first, then in arrows if then == name and first in boxes] for name in columns[number]
        }
        mean = {name: sum(rows) / len(rows) if rows else -1.0 for name, rows in heights.items()}
        ordered = sorted(columns[number], key=lambda name: (mean[name], natural(items[name].step.address.name)))
        boxes |= {name: _Box(items[name], name, column, row) for row, name in enumerate(ordered)}
    return boxes


def _box(box: _Box) -> Element:
    step, targets = box.item.step, tuple(dict.fromkeys(box.item.targets))
    kind, name = (step.address.type, step.address.name) if box.item.one_thing else ("", f"{len(box.item.steps)} units")
    where = targets[0] if len(targets) == 1 else f"{len(targets)} targets"
    what = f"{kind}, {where}" if kind else where
    return tag(
        "a",
        tag("title", f"{box.item.word} {kind} {name} on {', '.join(targets)}"),
        tag("rect", x=str(box.left), y=str(box.top), width=str(WIDTH), height=str(HEIGHT), rx="4", class_="box"),
        tag("rect", x=str(box.left), y=str(box.top), width="5", height=str(HEIGHT), class_=f"bar {step.verb}"),
        _text(box, 16, _cut(f"{SIGNS[step.verb]} {what}", MOST_LETTERS), "kind"),
        _text(box, 32, name if len(name) <= MOST_BOLD else f"…{name[1 - MOST_BOLD :]}", "name"),
        href=f"#{box.name}",
        class_="node",
        data_item=box.name,
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _text(box: _Box, below: int, text: str, role: str) -> Element:
    return tag("text", text, x=str(box.left + 14), y=str(box.top + below), class_=role)


def _arrow(first: _Box, then: _Box) -> Element:
    x1, y1 = first.left + WIDTH, first.top + HEIGHT // 2
    x2, y2 = then.left, then.top + HEIGHT // 2
    bend = max(GAP_X // 2, abs(x2 - x1) // 2)
    path = f"M{x1},{y1} C{x1 + bend},{y1} {x2 - bend},{y2} {x2},{y2}"
    return tag("path", d=path, class_="arrow", marker_end="url(#tip)", data_from=first.name, data_to=then.name)
