"""What vCenter's units ask and how they read the answers: each case is a promise."""

from __future__ import annotations

from typing import Any

import pytest

from resources.contract import Address, TargetId
from resources.units.compute_cluster import ComputeCluster
from resources.units.datastores import Datastores
from resources.units.distributed_switch import DistributedSwitch
from resources.units.image_datastores import ImageDatastores
from resources.units.port_group import PortGroup
from resources.units.session import Session
from tests.units.casebook import cases, check

VC1 = TargetId("vcenter", "vc1")


@pytest.mark.parametrize("case", cases("session"))
def test_session(case: dict[str, Any]) -> None:
    """Credentials that are refused block what needs them, by the name of their Secret."""
    address = Address(VC1, "session", "vc1")
    check(case, lambda _: Session(address=address, desired={"logged_in": True}, secret="vc1"))  # noqa: S106 - a Secret's name


@pytest.mark.parametrize("case", cases("compute_cluster"))
def test_compute_cluster(case: dict[str, Any]) -> None:
    """A cluster is never made; one that is missing, ambiguous or another one is told, and a rename is followed."""

    def build(declared: dict[str, Any]) -> ComputeCluster:
        return ComputeCluster(
            address=Address(VC1, "compute_cluster", declared["name"]),
            desired={"exists": True, "usable_hosts": True},
            host="c0",
            openstack=TargetId("openstack", "demo"),
            moref=declared.get("moref", ""),
            called=declared.get("called", ""),
            compute_id=declared.get("computeId", ""),
        )

    check(case, build)


@pytest.mark.parametrize("case", cases("datastores"))
def test_datastores(case: dict[str, Any]) -> None:
    """A datastore counts when the drivers would take it."""

    def build(declared: dict[str, Any]) -> Datastores:
        address = Address(VC1, "datastores", declared["cluster"])
        return Datastores(address=address, desired={"matching": True}, cluster=declared["cluster"], regex=declared["regex"])

    check(case, build)


@pytest.mark.parametrize("case", cases("port_group"))
def test_port_group(case: dict[str, Any]) -> None:
    """A port group is made and its VLAN kept, on the one switch of that name, where nothing else has its name."""
    check(case, lambda declared: PortGroup.on(VC1, declared["vds"], declared["name"], vlan=declared["vlan"], needs=()))


@pytest.mark.parametrize("case", cases("distributed_switch"))
def test_distributed_switch(case: dict[str, Any]) -> None:
    """A switch is never made; one that is missing is named together with those that exist."""

    def build(declared: dict[str, Any]) -> DistributedSwitch:
        return DistributedSwitch(address=Address(VC1, "distributed_switch", declared["name"]), desired={"exists": True})

    check(case, build)


@pytest.mark.parametrize("case", cases("image_datastores"))
def test_image_datastores(case: dict[str, Any]) -> None:
    """Datastores for images are there before a Glance gets their names."""

    def build(declared: dict[str, Any]) -> ImageDatastores:
        places = tuple(map(tuple, declared["places"]))
        return ImageDatastores(address=Address(VC1, "image_datastores", "esx"), desired={"exist": True}, places=places)

    check(case, build)
