"""Comparing declarations asks units about worlds that nobody saw: each type of unit must bear that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.core.compare import compare
from reconciler.core.compile import compile_units
from reconciler.core.graph import build_graph
from reconciler.core.load import load
from reconciler.core.plan import Verb
from resources.kinds.registry import KINDS
from resources.rules.registry import RULES

if TYPE_CHECKING:
    from reconciler.core.compile import Catalog

GOOD = (Path(__file__).parents[1] / "rules/good.yaml").read_text()
DEMO = "---\n".join(path.read_text() for path in sorted((Path(__file__).parents[2] / "desired").glob("*.yaml")))


def compiled(text: str) -> Catalog:
    """Return what documents mean, without any secret."""
    return compile_units(load({"desired/all.yaml": text}, KINDS, RULES), KINDS, None, None)


@pytest.mark.parametrize("text", [GOOD, DEMO], ids=["good", "demo"])
def test_any_field_of_any_unit_may_change(text: str) -> None:
    """Whichever declared field comes, goes or changes, the comparison says so for that unit."""
    catalog = compiled(text)
    graph = build_graph(catalog.units)
    for address, unit in catalog.units.items():
        for name in unit.desired or {}:
            if name in ("fresh", "remembered"):
                continue  # seen and kept in mind, never written
            fewer = {key: value for key, value in (unit.desired or {}).items() if key != name}
            for was in (fewer, {**fewer, name: "another"}, {**fewer, name: None, "more": "x"}):
                before = replace(catalog, units={**catalog.units, address: replace(unit, desired=was)})
                steps = {step.address: step for step in compare(before, catalog, graph).steps}
                changed = {change.field for change in steps[address].changes}
                assert "more" not in was or "more" in changed, address
                assert name in changed or (unit.desired or {})[name] is None, address


def test_a_new_password_of_a_vcenter_restarts_its_compute() -> None:
    """A reference to another Secret is a change of the file, and a restart of what Pacemaker runs; no secret is needed."""
    after = (
        DEMO.replace("secret: vc1}", "secret: vc2}")
        + "---\napiVersion: bivisor/v1alpha1\nkind: Secret\nmetadata: {name: vc2}\nspec: {env: VC2}\n"
    )
    assert after.count("secret: vc2}")
    now = compiled(after)
    plan = compare(compiled(DEMO), now, build_graph(now.units))
    restarts = {
        str(step.address): step.disruption.service for step in plan.steps if step.verb is Verb.RESTART and step.disruption
    }
    assert restarts["pacemaker:demo/primitive/nova-compute-vcenter-c0"] == "nova-compute-vcenter-c0"


def test_a_removed_zone_is_declared_no_more() -> None:
    """Everything that only the removed documents declared leaves; nothing else changes but what shared with them."""
    kept = "---\n".join(part for part in DEMO.split("---\n") if "kind: VolumeBackend" not in part)
    now = compiled(kept)
    plan = compare(compiled(DEMO), now, build_graph(now.units))
    changed = [step for step in plan.steps if step.verb is not Verb.NOTHING]
    assert changed
    assert {step.verb for step in changed} == {Verb.DELETE}
    assert {origin.kind for step in changed for origin in step.origins} == {"VolumeBackend"}
