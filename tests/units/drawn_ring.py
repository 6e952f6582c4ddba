"""Units of a Pacemaker cluster, with clusters that they might find."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from hypothesis import strategies as st

from resources.contract import Address, Facts
from resources.heard import Hearing
from resources.units.constraint import Constraint
from resources.units.membership import Membership
from resources.units.primitive import Primitive
from resources.units.property import Property
from tests.units.drawn import DEMO, RING, Case, some
from tests.units.model.openstack import OpenStack
from tests.units.model.pacemaker import Ring, Running

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

CONF = "/etc/c0.conf"
OTHERS = '<primitive id="theirs" class="ocf" provider="heartbeat" type="Dummy"/>'
numbers = st.sampled_from(["3", "5"])


def a_ring(*, options: str = "", resources: str = "", constraints: str = "", more: str = OTHERS) -> Ring:
    """Return a cluster with a foreign resource, and these elements."""
    return Ring(
        cib=f"<cib><configuration><crm_config>{options}</crm_config><nodes/><resources>{more}{resources}</resources>"
        f'<constraints><rsc_location id="theirs-here" rsc="theirs" node="ctl1" score="1"/>{constraints}</constraints>'
        "</configuration></cib>",
        states={"theirs": Running()},
        files={CONF: "d1"},
    )


def _pairs(tag: str, found: dict[str, str]) -> str:
    inside = "".join(f'<nvpair id="c0-{tag}-{name}" name="{name}" value={quoteattr(value)}/>' for name, value in found.items())
    return f'<{tag} id="c0-{tag}">{inside}</{tag}>' if found else ""


@st.composite
def memberships(draw: DrawFn) -> Case:
    """Draw who is online, and whether they may decide."""
    unit = Membership(address=Address(RING, "membership", "ring"), desired={"members": ("ctl1", "ctl2"), "quorate": True})
    nodes = {name: draw(st.booleans()) for name in ("ctl1", "ctl2", "ctl3")}
    return Case(unit, {RING: Ring(nodes=nodes, quorate=draw(st.booleans()))})


@st.composite
def properties(draw: DrawFn) -> Case:
    """Draw an option, wanted or not, and where somebody has set it."""
    name = draw(st.sampled_from(["no-quorum-policy", "symmetric-cluster"]))
    value = draw(st.sampled_from(["stop", "false", "true"]))
    desired = draw(st.sampled_from([{"value": value}, {"value": value}, None]))
    unit = Property(address=Address(RING, "property", name), desired=desired)
    home = draw(st.sampled_from(["", "cib-bootstrap-options", "mine"]))
    found = draw(st.sampled_from(["stop", "no", "freeze"]))
    foreign = '<nvpair id="mine-theirs" name="theirs" value="1"/>'
    option = f'<nvpair id="{home}-{name}" name="{name}" value="{found}"/>' if home else ""
    ring = a_ring(options=f'<cluster_property_set id="{home or "mine"}">{foreign}{option}</cluster_property_set>')
    return Case(unit, {RING: ring}, frozenset({f"cib {home or 'cib-bootstrap-options'}-{name}"}))


@st.composite
def constraints(draw: DrawFn) -> Case:
    """Draw a place of a resource, wanted or not, and one that stands there, for it or another, by a rule or not."""
    desired: Facts = {
        "resource": "c0",
        "node": draw(st.sampled_from(["ctl1", "ctl2"])),
        "score": draw(st.sampled_from(["0", "INFINITY"])),
    }
    unit = Constraint(
        address=Address(RING, "constraint", "c0-on-x"), desired=draw(st.sampled_from([desired, desired, None])), resource="c0"
    )
    who = draw(st.sampled_from(['rsc="c0"', 'rsc="other"', 'rsc-pattern="^c0$"']))
    where = draw(st.sampled_from(['node="ctl1" score="0"', 'node="ctl2" score="INFINITY"', ""]))
    rule = '<rule id="r" score="1"><expression id="e" attribute="#uname" operation="eq" value="ctl1"/></rule>'
    element = f'<rsc_location id="c0-on-x" {who} {where} resource-discovery="never">{"" if where else rule}</rsc_location>'
    ring = a_ring(constraints=draw(st.sampled_from(["", element])))
    ring.states["c0"] = Running(node=draw(st.sampled_from(["ctl1", "ctl2"])))
    # a resource without its place moves or stops: Pacemaker's affair, and no part of the model
    return Case(unit, {RING: ring}, frozenset({"cib c0-on-x"}))


@st.composite
def states(draw: DrawFn) -> Running:
    """Draw how a resource is doing, in Pacemaker's own combinations."""
    state = Running(
        node=draw(st.sampled_from(["ctl1", "ctl2"])),
        managed=draw(st.booleans()),
        loaded=draw(st.sampled_from([{CONF: "d1"}, {CONF: "d0"}])),
        started=draw(st.sampled_from([9_000, 9_990])),
    )
    state.role, state.failed, state.blocked, state.failures = draw(
        st.sampled_from(
            [
                ("Started", False, False, ()),
                ("Started", False, False, ()),
                ("Started", True, False, ("not ready",)),
                ("Stopped", False, False, ()),
                ("Stopped", False, False, ("not ready",)),
                ("Stopped", True, True, ("not ready",)),
            ]
        )
    )
    return state


@st.composite
def primitives(draw: DrawFn) -> Case:
    """Draw a resource, wanted or not, with any options, and one that stands there in other words, in any state."""
    fields = draw(
        some(
            **{
                "meta migration-threshold": numbers,
                "meta failure-timeout": st.sampled_from(["60", "1min"]),
                "param config": numbers,
                "op monitor interval": st.sampled_from(["10s", "10", "30s"]),
                "op start timeout": st.sampled_from(["120s", "2min"]),
            }
        )
    )
    hearing = draw(st.sampled_from([None, Hearing(DEMO, "c0")]))
    seen = {"running": True, "fresh": True, **({"heard": True} if hearing else {})}
    desired: Facts = {"class": "systemd", "agent": "c0", **fields, **seen}
    unit = Primitive(
        address=Address(RING, "primitive", "c0"),
        desired=draw(st.sampled_from([desired, desired, desired, None])),
        unit="c0.service",
        loads_by_node=tuple((node, ((CONF, "d1"),)) for node in ("ctl1", "ctl2")),
        hearing=hearing,
    )
    metas = {"migration-threshold": numbers, "target-role": st.just("Stopped"), "theirs": st.just("1")}
    operation = draw(st.sampled_from(["", '<operations><op id="c0-monitor-10s" name="monitor" interval="10s"/></operations>']))
    inside = (
        _pairs("meta_attributes", draw(some(**metas))) + operation + _pairs("instance_attributes", draw(some(config=numbers)))
    )
    agent = draw(st.sampled_from(["c0", "other"]))
    ring = a_ring(
        resources=draw(st.sampled_from(["", f'<primitive id="c0" class="systemd" type="{agent}">{inside}</primitive>']))
    )
    ring.quorate, ring.maintenance = draw(st.sampled_from([(True, False), (True, False), (False, False), (True, True)]))
    if 'id="c0"' in ring.cib:
        state = ring.states["c0"] = draw(states())
        if "target-role" in inside:  # and Pacemaker has done so
            state.role, state.failed = "Stopped", state.blocked
    row = {
        "state": draw(st.sampled_from(["up", "down"])),
        "status": "enabled",
        "reported_at": draw(st.sampled_from([8_000, 9_999])),
    }
    cloud = OpenStack(computes=draw(st.sampled_from([{}, {"c0": row}])))
    return Case(unit, {RING: ring, DEMO: cloud}, frozenset({"cib c0", "states c0"}))
