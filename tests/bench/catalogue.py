"""What deciding alone costs for 20,000 units: CPU of each pure step, without any target."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import yaml

from reconciler.core.compile import compile_units
from reconciler.core.graph import build_graph
from reconciler.core.load import load
from reconciler.core.plan import make_plan
from reconciler.core.policy import Rollout, apply_policy
from resources.kinds.registry import KINDS
from resources.rules.registry import RULES
from tests.bench.declared import ROLE, WORKLOAD, document, workload

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.items import Items

UNITS = 20_000


def decide(items: Items) -> dict[str, float]:
    """Return the CPU seconds of each step for one pass over hosts that are all as declared."""
    hosts = UNITS // items.count
    nodes = [_node(number) for number in range(hosts)]
    texts = {"nodes.yaml": "---\n".join(nodes), "workload.yaml": yaml.safe_dump(workload(items))}
    kinds = {**KINDS, WORKLOAD.name: WORKLOAD}
    spent: dict[str, float] = {}
    loaded = _timed(spent, "load", lambda: load(texts, kinds, RULES))
    catalog = _timed(spent, "compile", lambda: compile_units(loaded, kinds, {}, {}))
    graph = _timed(spent, "graph", lambda: build_graph(catalog.units))
    observed = {address: unit.desired for address, unit in catalog.units.items()}
    plan = _timed(spent, "plan", lambda: make_plan(catalog, graph, observed))
    _timed(spent, "policy", lambda: apply_policy(plan, catalog, observed, Rollout(max_unavailable=1)))
    if plan.pending or plan.held or plan.unknown:
        raise RuntimeError("the generated catalogue is not as declared")
    return spent


def _node(number: int) -> str:
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return yaml.safe_dump(document("Node", f"host{number}", {"address": address, "roles": [ROLE]}))


def _timed(spent: dict[str, float], step: str, work: Callable[[], Any]) -> Any:
    begun = time.process_time()
    result = work()
    spent[step] = time.process_time() - begun
    return result
