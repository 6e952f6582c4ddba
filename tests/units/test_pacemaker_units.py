"""What Pacemaker's units ask, how they read the answers, and what they would do: each case is a promise."""

from __future__ import annotations

from typing import Any

import pytest

from resources.contract import Address, Change, Disruption, Facts, Reply, SecretText, TargetId
from resources.heard import Hearing
from resources.units.constraint import Constraint
from resources.units.membership import Membership
from resources.units.primitive import Primitive
from resources.units.property import Property
from tests.units.casebook import cases, check

RING = TargetId("pacemaker", "demo")
RUNNING: dict[str, Any] = {
    "running": True,
    "quorate": True,
    "maintenance": False,
    "exists": True,
    "xml": "<primitive id='c0'/>",
    "role": "Started",
    "node": "ctl1",
    "managed": True,
    "failed": False,
    "failures": [],
    "blocked": False,
    "stale": ["/etc/c0.conf"],
}


def _primitive(declared: dict[str, Any]) -> Primitive:
    loads = tuple((node, tuple(digests.items())) for node, digests in declared.get("loads", {}).items())
    address = Address(RING, "primitive", declared["id"])
    hearing = Hearing(TargetId("openstack", "demo"), declared["heard"]) if "heard" in declared else None
    fields, unit = declared["fields"], declared.get("unit", "")
    return Primitive(address=address, desired=fields, unit=unit, loads_by_node=loads, hearing=hearing)


def _constraint(declared: dict[str, Any]) -> Constraint:
    fields: Facts = {name: declared[name] for name in ("resource", "node", "score") if name in declared}
    desired = fields if "node" in fields else None
    return Constraint(address=Address(RING, "constraint", declared["id"]), desired=desired, resource=declared["resource"])


@pytest.mark.parametrize("case", cases("membership"))
def test_membership(case: dict[str, Any]) -> None:
    """A ring is what its online, clean members and their quorum say."""
    desired: Facts = {"members": tuple(case["declared"]["members"]), "quorate": True}
    hosts = {name: TargetId("ssh", name) for name in case["declared"]["members"]}
    check(case, lambda _: Membership(address=Address(RING, "membership", "ring"), desired=desired, hosts=hosts))


@pytest.mark.parametrize("case", cases("property"))
def test_property(case: dict[str, Any]) -> None:
    """A cluster option is changed where it stands."""

    def build(declared: dict[str, Any]) -> Property:
        desired = None if declared["value"] is None else {"value": declared["value"]}
        return Property(address=Address(RING, "property", declared["name"]), desired=desired)

    check(case, build)


@pytest.mark.parametrize("case", cases("constraint"))
def test_constraint(case: dict[str, Any]) -> None:
    """A location keeps its foreign attributes and tells when it would move something."""
    check(case, _constraint)


@pytest.mark.parametrize("case", cases("primitive"))
def test_primitive(case: dict[str, Any]) -> None:
    """A primitive is edited in place, restarted only where it must be, and cleaned up only when it is stuck."""
    check(case, _primitive)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"quorate": False}, "the partition has no quorum"),
        ({"maintenance": True}, "the cluster is in maintenance mode"),
        ({"managed": False}, "c0 is unmanaged"),
    ],
)
def test_nothing_disruptive_into_a_cluster_that_must_be_left_alone(state: dict[str, bool], reason: str) -> None:
    """A restart without quorum, in maintenance mode or of an unmanaged resource is forbidden, and says why."""
    unit = _primitive({"id": "c0", "fields": {"fresh": True, "running": True}})
    facts = unit.observe((Reply({**RUNNING, **state}),))
    disruption = unit.disruption((Change("fresh", before=False, after=True),), facts)
    assert disruption == Disruption("c0 on ctl1", forbidden=reason)


def test_loading_groups_digests_by_node() -> None:
    """Each node is asked about the paths that the process would load there, unit files by the path they lie at."""
    config = {node: Address(TargetId("ssh", node), "config_file", "/etc/c0.conf") for node in ("ctl1", "ctl2")}
    started_by = Address(TargetId("ssh", "ctl2"), "systemd_unit", "c0.service")
    unit = Primitive(
        address=Address(RING, "primitive", "c0"),
        desired={"fresh": True},
        unit="c0.service",
        loads=(config["ctl2"], config["ctl1"], started_by),
    )
    loaded = unit.loading({config["ctl1"]: "d1", config["ctl2"]: "d2", started_by: "u2"})
    assert loaded.queries()[0].args["loads"] == {
        "ctl1": {"/etc/c0.conf": "d1"},
        "ctl2": {"/etc/c0.conf": "d2", "/etc/systemd/system/c0.service": "u2"},
    }
    assert loaded.process() == "c0.service"


def test_a_secret_never_reaches_the_cib() -> None:
    """A primitive that is declared with a secret cannot be made."""
    with pytest.raises(TypeError, match="a secret must not be written into the CIB"):
        Primitive(address=Address(RING, "primitive", "c0"), desired={"param password": SecretText("canary")})
