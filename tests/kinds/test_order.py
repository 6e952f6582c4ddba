"""In which order things are declared, and in which file, decides nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.core.compile import compile_units
from reconciler.core.diff import Unobserved
from reconciler.core.graph import build_graph
from reconciler.core.load import load
from reconciler.core.plan import make_plan
from reconciler.core.policy import Rollout, apply_policy
from resources.kinds.registry import KINDS
from resources.rules.registry import RULES
from resources.units.package import Package
from tests.kinds.cloud import SECRETS, demo_texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.compile import Catalog
    from reconciler.core.diff import Observed
    from reconciler.core.plan import Plan
    from resources.contract import Address

DOCUMENTS = tuple(
    document for text in demo_texts().values() for document in re.split(r"^---\n", text, flags=re.MULTILINE) if document.strip()
)


def compiled(texts: Mapping[str, str]) -> Catalog:
    """Compile these documents."""
    loaded = load(texts, KINDS, RULES)
    return compile_units(loaded, KINDS, SECRETS, {read.file: "the CA's text\n" for read in loaded.reads})


DEMO = compiled({"desired/all.yaml": "---\n".join(DOCUMENTS)})


def planned(catalog: Catalog, observed: Mapping[Address, Observed]) -> Plan:
    """Return what would be done."""
    plan = make_plan(catalog, build_graph(catalog.units), observed)
    return apply_policy(plan, catalog, observed, Rollout())


@given(st.permutations(DOCUMENTS), st.integers(1, 5))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_order_of_declaration_is_irrelevant(documents: list[str], files: int) -> None:
    """The demo's documents in any order, in any number of files: the same units, and of the same world the same plan."""
    texts = {f"desired/{number}.yaml": "---\n".join(documents[number::files]) for number in range(files)}
    catalog = compiled(texts)
    assert catalog.units == DEMO.units
    assert list(catalog.units) == list(DEMO.units)
    assert catalog.endpoints == DEMO.endpoints
    for observed in worlds(DEMO):
        assert planned(catalog, dict(reversed(observed.items()))) == planned(DEMO, observed)


def worlds(catalog: Catalog) -> list[dict[Address, Observed]]:
    """Return worlds in which nobody knows, nothing is there, and the packages alone are."""
    nothing: dict[Address, Observed] = dict.fromkeys(catalog.units)
    unknown: dict[Address, Observed] = {address: Unobserved("no answer") for address in catalog.units}
    units = catalog.units.items()
    installed: dict[Address, Observed] = {
        address: unit.desired if isinstance(unit, Package) else None for address, unit in units
    }
    return [unknown, nothing, installed]
