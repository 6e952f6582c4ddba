"""Random declared clouds and what is observed of them, for the properties that must hold in every one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from reconciler.core.diff import Unobserved
from reconciler.core.graph import build_graph
from reconciler.core.plan import make_plan
from reconciler.core.policy import Rollout, apply_policy
from resources.contract import Address, Key, Need, TargetId
from tests.core.simple import Daemon, Simple, catalog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import DrawFn, SearchStrategy

    from reconciler.core.compile import Catalog
    from reconciler.core.diff import Observed
    from reconciler.core.plan import Plan
    from resources.contract import Facts, Unit

TARGETS = (TargetId("ssh", "kvm1"), TargetId("ssh", "kvm2"), TargetId("ssh", "kvm10"), TargetId("openstack", "demo"))


@dataclass(frozen=True, slots=True)
class World:
    """What is declared, what is there, and how much may be down."""

    catalog: Catalog
    observed: Mapping[Address, Observed]
    rollout: Rollout

    def plan(self) -> Plan:
        """Return the plan before policy."""
        return make_plan(self.catalog, build_graph(self.catalog.units), self.observed)

    def allowed(self, plan: Plan) -> Plan:
        """Return the plan after policy."""
        return apply_policy(plan, self.catalog, self.observed, self.rollout)


@st.composite
def worlds(draw: DrawFn, *, troubled: bool = True) -> World:
    """Draw a world; one that is not `troubled` is fully known, refuses nothing, and may always have one service down."""
    units: list[Unit] = []
    observed: dict[Address, Observed] = {}
    for number in range(draw(st.integers(1, 12))):
        unit = draw(_units(number, units, troubled=troubled))
        units.append(unit)
        observed[unit.address] = draw(_seen(unit, troubled=troubled))
    rollout = Rollout(draw(st.integers(0 if troubled else 1, 3)), canary=draw(st.integers(0, 2)))
    modes = st.sampled_from(["full", "full", "full", "observe", "paused"]) if troubled else st.just("full")
    manage = {key: draw(modes) for key in _origins()}
    return World(catalog(draw(st.permutations(units)), manage), observed, rollout)


@st.composite
def _units(draw: DrawFn, number: int, before: list[Unit], *, troubled: bool) -> Unit:
    earlier = [unit.address for unit in before]
    some = st.lists(st.sampled_from(earlier), unique=True, max_size=3) if earlier else st.just([])
    needs = tuple(Need(address, "it was drawn so") for address in draw(some))
    origins = (draw(st.sampled_from(_origins())),)
    target = draw(st.sampled_from(TARGETS))
    if draw(st.booleans()):
        return Daemon(
            address=Address(target, "service", f"d{number}"),
            desired=draw(st.fixed_dictionaries({"active": st.booleans(), "fresh": st.just(value=True)})),
            needs=needs,
            loads=tuple(draw(some)),
            origins=origins,
            forbidden=draw(st.sampled_from(["", "", "", "no quorum"])) if troubled else "",
            part_of=draw(st.sampled_from(["", "", "the ring"])),
            kin=draw(st.sampled_from(["", "nova"])),
        )
    return Simple(
        address=Address(target, "simple", f"s{number}"),
        desired=draw(st.none() | _facts()),
        needs=needs,
        origins=origins,
        only_waits=draw(st.booleans()),
        refuses=draw(st.sampled_from(["", "", "", "refused"])) if troubled else "",
    )


def _origins() -> list[Key]:
    return [Key("Zone", "one"), Key("Zone", "two"), Key("Cluster", "demo")]


def _facts() -> SearchStrategy[Facts]:
    values = st.none() | st.integers(0, 1) | st.booleans() | st.sampled_from(["", "a", "b"]) | st.just(("a", "b"))
    return st.dictionaries(st.sampled_from(["x", "y", "z", "@own"]), values, max_size=3)


@st.composite
def _seen(draw: DrawFn, unit: Unit, *, troubled: bool) -> Observed:
    kinds = ["as desired", "other", "absent", *(["unknown"] if troubled else [])]
    match draw(st.sampled_from(kinds)):
        case "as desired":
            return unit.desired
        case "unknown":
            return Unobserved("no answer")
        case "absent":
            return None
        case _ if isinstance(unit, Daemon):
            return draw(st.fixed_dictionaries({"active": st.booleans(), "fresh": st.booleans()}))
        case _:
            return draw(_facts())
