"""Scenarios: declared units, observed facts and the expected pages in one text file that a person can read.

    # A sentence about what this shows.
    maxUnavailable 1                         how many services may be down at once (1 if not said)
    passes 2                                 how often to plan; between two plans all pending steps succeed
    page width 80 ascii full                 how it is written down, or `page json`; `page status` adds the table,
                                             `page target` groups by target
    resource Cluster/demo paused             an annotated resource (full, observe or paused)

    unit ssh:kvm1/service/nova-compute by Cluster/demo
      desired active = true                  or: desired absent
      observed active = false                or: observed absent | as desired | unknown WHY
      needs ADDRESS because WHY
      loads ADDRESS
      only waits                             no action helps, or:
      refuses WHY                            neither acting nor waiting helps, or:
      forbidden WHY                          it must not be disrupted now
      notes SENTENCE                         it is worth knowing

    ---- pass 1
    the page

Values are JSON; a list is a multi-valued option, `secret "text"` a secret. A `service` is a daemon.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from reconciler.core.diff import Unobserved
from reconciler.core.graph import build_graph
from reconciler.core.plan import make_plan
from reconciler.core.policy import Rollout, apply_policy
from reconciler.core.render import report_lines, status_lines
from reconciler.core.report import Grouping, Report, foreseen_waves
from reconciler.core.shown import Paper, text_of
from reconciler.core.status import fold
from reconciler.core.structured import report_data
from resources.contract import Key, Need, SecretText
from tests.core.simple import Daemon, Simple, address, carried_out, catalog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.diff import Observed
    from reconciler.core.plan import Plan
    from resources.contract import Address, Unit, Value


@dataclass
class Scenario:
    """What the upper part of a scenario says."""

    units: dict[Address, Unit] = field(default_factory=dict)
    observed: dict[Address, Observed] = field(default_factory=dict)
    manage: dict[Key, str] = field(default_factory=dict)
    rollout: Rollout = field(default_factory=Rollout)
    passes: int = 1
    page: tuple[str, ...] = ()


def play(text: str) -> str:
    """Return the scenario's text with the pages that the core writes today."""
    declared = text.split("\n---- ", maxsplit=1)[0].rstrip()
    scenario = read(declared)
    parts = [declared]
    declared_catalog = catalog(scenario.units.values(), scenario.manage)
    world = scenario.observed
    for number in range(scenario.passes):
        plan = planned(scenario, world)
        parts.append(f"---- pass {number + 1}\n{page(told(plan, scenario), scenario.page)}")
        if "status" in scenario.page:
            lines = status_lines(fold(plan, {}, declared_catalog), paper(scenario.page))
            parts.append("---- status\n" + "\n".join(map(text_of, lines)))
        world = carried_out(plan, declared_catalog.units, world)
    return "\n\n".join(parts) + "\n"


def planned(scenario: Scenario, world: Mapping[Address, Observed]) -> Plan:
    """Return the plan for a world, after policy."""
    declared = catalog(scenario.units.values(), scenario.manage)
    plan = make_plan(declared, build_graph(declared.units), world)
    return apply_policy(plan, declared, world, scenario.rollout)


def told(plan: Plan, scenario: Scenario) -> Report:
    """Return what is told of the plan of a pass."""
    return Report(plan, waves=foreseen_waves(plan, scenario.units, scenario.rollout.max_unavailable))


def page(report: Report, words: tuple[str, ...]) -> str:
    """Return the plan as the `page` directive wants it."""
    if "json" in words:
        return json.dumps(report_data(report), indent=2, ensure_ascii=False)
    by = Grouping.TARGET if "target" in words else Grouping.RESOURCE
    return "\n".join(text_of(line) for line in report_lines(report, paper(words), by))


def paper(words: tuple[str, ...]) -> Paper:
    """Return the paper that the `page` directive describes."""
    width = int(words[words.index("width") + 1]) if "width" in words else 100
    return Paper(width=width, unicode="ascii" not in words, full="full" in words)


def read(text: str) -> Scenario:
    """Read the upper part of a scenario. Raises ValueError for a line that says nothing."""
    scenario = Scenario()
    unit: Unit | None = None
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        match word:
            case "" | "#":
                pass
            case "maxUnavailable":
                scenario.rollout = Rollout(int(rest))
            case "passes":
                scenario.passes = int(rest)
            case "page":
                scenario.page = tuple(rest.split())
            case "resource":
                name, _, mode = rest.partition(" ")
                scenario.manage[_key(name)] = mode or "full"
            case "unit":
                name, _, by = rest.partition(" by ")
                kind = Daemon if "/service/" in name else Simple
                unit = kind(address=address(name), desired={}, origins=tuple(map(_key, by.split(", "))) if by else ())
                scenario.units[unit.address] = unit
                scenario.observed[unit.address] = {}
            case _:
                if unit is None:
                    raise ValueError(line)
                unit = _detail(unit, word, rest, scenario.observed)
                scenario.units[unit.address] = unit
    return scenario


def _detail(unit: Unit, word: str, rest: str, observed: dict[Address, Observed]) -> Unit:
    change: dict[str, Any]
    match word:
        case "desired":
            change = {"desired": None if rest == "absent" else {**(unit.desired or {}), **_fact(rest)}}
        case "needs":
            name, _, why = rest.partition(" because ")
            change = {"needs": (*unit.needs, Need(address(name), why or "the scenario says so"))}
        case "loads":
            change = {"loads": (*unit.loads, address(rest))}
        case "only":
            change = {"only_waits": True, "settle_s": 180.0}
        case "notes":
            change = {"notes": (rest,)}
        case "refuses" | "forbidden":
            change = {word: rest}
        case "observed":
            observed[unit.address] = _seen(unit, rest, observed[unit.address])
            change = {}
        case _:
            raise ValueError(f"{word} {rest}")
    return replace(unit, **change)


def _seen(unit: Unit, rest: str, before: Observed) -> Observed:
    if rest == "absent":
        return None
    if rest == "as desired":
        return unit.desired
    if rest.startswith("unknown "):
        return Unobserved(rest.removeprefix("unknown "))
    assert isinstance(before, dict), rest
    return {**before, **_fact(rest)}


def _fact(text: str) -> dict[str, Value]:
    name, _, written = text.partition(" = ")
    if written.startswith("secret "):
        return {name: SecretText(json.loads(written.removeprefix("secret ")))}
    value = json.loads(written)
    return {name: tuple(value) if isinstance(value, list) else value}


def _key(text: str) -> Key:
    kind, _, name = text.partition("/")
    return Key(kind, name)
