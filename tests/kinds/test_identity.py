"""Who a compute is, several vCenters and clusters, and what adding and removing changes for the others: nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.core.compile import compile_units
from reconciler.core.load import load
from resources.contract import Address, TargetId
from resources.kinds.registry import KINDS
from resources.rules.registry import RULES
from tests.kinds.cloud import SECRETS, compiled, declared, demo_texts, needs, unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.compile import Catalog

C0 = '      - {cluster: DC0_C0, host: vcenter-c0, datastoreRegex: "^LocalDS"}'
C1 = '      - {cluster: DC0_C1, host: vcenter-c1, datastoreRegex: "^LocalDS"}'
CONF = "config_file//etc/nova/vcenter/{}/nova.conf"
CINDER = "ssh:vol1/config_file//etc/cinder/cinder.conf"
CONTROLLERS = ("ctl1", "ctl2", "ctl3")

SECOND_VCENTER = """
---
apiVersion: bivisor/v1alpha1
kind: VCenter
metadata: {name: vc2}
spec: {host: 10.77.0.2, port: 9443, credentials: {secret: vc1}, tls: {insecure: true}}
---
apiVersion: bivisor/v1alpha1
kind: HypervisorZone
metadata: {name: berlin}
spec:
  availabilityZone: berlin
  hypervisor: vmware
  vmware: {vcenter: vc2, computes: [{cluster: DC0_C0, host: berlin-c0}, {cluster: DC0_C1, host: berlin-c1}]}
  placement: controllers
"""
"""Another vCenter, whose clusters happen to be called as those of the first one."""

KVM2 = """
---
apiVersion: bivisor/v1alpha1
kind: Node
metadata: {name: kvm2}
spec:
  address: 10.77.0.22
  ssh: {hostKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIImp78lKTh/Ty+gn3RUPmlHJBfU42ZzaCebjNG1fvA4X}
  roles: [compute]
"""

BACKEND = """
---
apiVersion: bivisor/v1alpha1
kind: VolumeBackend
metadata: {name: archive}
spec:
  zone: kvm-az
  driver: nfs
  nfs: {shares: ["nfshost:/archive"]}
  placement: {nodes: {names: [kvm1]}}
  ha: none
"""


def with_more(text: str) -> Catalog:
    """Compile the demo with further documents."""
    texts = {**demo_texts(), "desired/more.yaml": text}
    loaded = load(texts, KINDS, RULES)
    return compile_units(loaded, KINDS, SECRETS, {read.file: "the CA's text\n" for read in loaded.reads})


def touched(before: Catalog, after: Catalog) -> set[str]:
    """Return the addresses of the units of before that are other units afterwards or none, whosever they are."""
    others = {address: replace(one, origins=()) for address, one in after.units.items()}
    return {str(address) for address, one in before.units.items() if replace(one, origins=()) != others.get(address)}


def test_several_vcenters_with_several_clusters_each() -> None:
    """Each cluster has its compute with everything of its own, and logs in to its own vCenter, whatever its name."""
    catalog = with_more(SECOND_VCENTER)
    for host, vcenter, cluster in (
        ("vcenter-c0", "vc1", "DC0_C0"),
        ("berlin-c0", "vc2", "DC0_C0"),
        ("berlin-c1", "vc2", "DC0_C1"),
    ):
        for node in CONTROLLERS:
            facts = declared(catalog, f"ssh:{node}/{CONF.format(host)}")
            assert (facts["[DEFAULT] host"], facts["[vmware] cluster_name"]) == (host, cluster)
            assert facts["[DEFAULT] state_path"] == f"/var/lib/nova/vcenter/{host}"
            found = needs(catalog, f"ssh:{node}/{CONF.format(host)}")
            assert {name for name in found if "/session/" in name} == {f"vcenter:{vcenter}/session/{vcenter}"}
            assert f"vcenter:{vcenter}/compute_cluster/{cluster}" in found
        assert unit(catalog, f"pacemaker:demo/primitive/nova-compute-{host}").desired
    assert declared(catalog, "openstack:demo/aggregate/berlin") == {
        "availability_zone": "berlin",
        "host berlin-c0": True,
        "host berlin-c1": True,
    }


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (SECOND_VCENTER, {"openstack:demo/computes/all"}),
        (KVM2, {"openstack:demo/aggregate/kvm-az", "openstack:demo/computes/all"}),
        (BACKEND, set()),
    ],
    ids=["a vCenter", "a node", "a backend"],
)
def test_what_is_added_leaves_the_others_alone(more: str, expected: set[str]) -> None:
    """Of all that was declared before, only the list of members and of computes is another one."""
    assert touched(compiled(), with_more(more)) == expected


def test_a_cluster_is_added_to_a_zone() -> None:
    """Its zone's aggregate and volume service learn of it; the other computes are left alone."""
    assert touched(compiled(), compiled({C0: f"{C0}\n{C1}"})) == {
        "openstack:demo/aggregate/vcenter-az",
        "openstack:demo/computes/all",
        "ssh:vol1/config_file//etc/cinder/cinder.conf",
        "ssh:vol1/service/cinder-volume",
    }


def test_a_compute_leaves_while_the_others_stay() -> None:
    """It is closed, emptied, stopped and taken away, in this order; the other compute is left alone."""
    before = compiled({C0: f"{C0}\n{C1}"})
    empty = "openstack:demo/compute_exit/vcenter-c1 empty"
    drained = {Address(TargetId("openstack", "demo"), "compute_exit", "vcenter-c1 empty"): "drained"}
    after = compiled({C0: f"{C0}\n{C1.replace('host: vcenter-c1', 'host: vcenter-c1, remove: true')}"}, aliases=drained)
    assert not [name for name in touched(before, after) if "vcenter-c0" in name]
    members = declared(after, "openstack:demo/aggregate/vcenter-az")
    assert (members["host vcenter-c0"], members["host vcenter-c1"]) == (True, None)
    closed, silent = (f"openstack:demo/compute_exit/vcenter-c1 {stage}" for stage in ("closed", "silent"))
    resource = "pacemaker:demo/primitive/nova-compute-vcenter-c1"
    places = {f"pacemaker:demo/constraint/nova-compute-vcenter-c1-on-{node}" for node in CONTROLLERS}
    assert closed in needs(after, empty)
    assert empty in needs(after, resource)
    assert {resource, *places} <= needs(after, silent)
    assert silent in needs(after, "openstack:demo/compute_service/vcenter-c1")
    for node in CONTROLLERS:
        for name in ("systemd_unit/nova-compute-vcenter-c1.service", "file//etc/nova/vcenter/vcenter-c1/nova.conf"):
            assert unit(after, f"ssh:{node}/{name}").desired is None
            assert {resource, *places} <= needs(after, f"ssh:{node}/{name}")
    for gone in (resource, *places, "openstack:demo/compute_service/vcenter-c1"):
        assert unit(after, gone).desired is None


def renamed(aliases: Mapping[Address, str]) -> Catalog:
    """Compile the demo as it is when those things have other names now."""
    loaded = load(demo_texts(), KINDS, RULES)
    return compile_units(loaded, KINDS, SECRETS, {read.file: "the CA's text\n" for read in loaded.reads}, aliases)


def test_a_renamed_cluster_is_followed_by_all_that_use_its_name() -> None:
    """The compute's and the volume service's configuration have the new name, and nothing else changes but what loads it."""
    address = Address(TargetId("vcenter", "vc1"), "compute_cluster", "DC0_C0")
    before, after = compiled(), renamed({address: "gold"})
    for node in CONTROLLERS:
        assert declared(after, f"ssh:{node}/{CONF.format('vcenter-c0')}")["[vmware] cluster_name"] == "gold"
    assert declared(after, "ssh:vol1/config_file//etc/cinder/cinder.conf")["[vmdk] vmware_cluster_name"] == ("gold",)
    assert touched(before, after) == {
        str(address),
        "vcenter:vc1/datastores/DC0_C0 ^LocalDS",
        "pacemaker:demo/primitive/nova-compute-vcenter-c0",
        "ssh:vol1/config_file//etc/cinder/cinder.conf",
        "ssh:vol1/service/cinder-volume",
        *(f"ssh:{node}/{CONF.format('vcenter-c0')}" for node in CONTROLLERS),
    }


def test_nobody_writes_a_clusters_name_without_having_seen_it() -> None:
    """While the cluster is not seen, nobody knows whether it was renamed: no file gets the declared name on a guess."""
    catalog = compiled()
    cluster = "vcenter:vc1/compute_cluster/DC0_C0"
    for address in (*(f"ssh:{node}/{CONF.format('vcenter-c0')}" for node in CONTROLLERS), CINDER):
        assert cluster in {str(need.address) for need in unit(catalog, address).needs}


def test_a_computes_identity_is_in_no_shared_directory() -> None:
    """`compute_id` lies beside the one configuration file that the compute is started with, and nowhere else."""
    catalog = compiled({"release: zed": 'release: "2023.1"', C0: f"{C0}\n{C1}"})
    found = {address.name for address in catalog.units if address.name.endswith("/compute_id")}
    assert found == {f"/etc/nova/vcenter/{host}/compute_id" for host in ("vcenter-c0", "vcenter-c1")}
    for host in ("vcenter-c0", "vcenter-c1"):
        content = str(declared(catalog, f"ssh:ctl1/systemd_unit/nova-compute-{host}.service")["content"])
        (line,) = (line for line in content.splitlines() if line.startswith("ExecStart="))
        assert line == f"ExecStart=/usr/bin/nova-compute --config-file /etc/nova/vcenter/{host}/nova.conf"


def test_a_compute_of_another_program_needs_no_package() -> None:
    """A nova-compute from elsewhere is started by our unit; the packaged one is masked, if it ever comes."""
    catalog = compiled({"    vcenter: vc1\n": "    vcenter: vc1\n    program: /opt/nova/bin/nova-compute\n"})
    content = str(declared(catalog, "ssh:ctl1/systemd_unit/nova-compute-vcenter-c0.service")["content"])
    assert "ExecStart=/opt/nova/bin/nova-compute --config-file " in content
    assert not [address for address in catalog.units if str(address) == "ssh:ctl1/package/nova-compute"]
    assert declared(catalog, "ssh:ctl1/service/nova-compute") == {"masked": True, "active": False}


def test_a_cluster_whose_compute_is_replaced_is_named_once_to_its_volume_service() -> None:
    """The compute that leaves may stand beside the one that comes: cinder-volume is not restarted for it, twice."""
    both = f"{C0}\n{C0.replace('host: vcenter-c0', 'host: vcenter-new')}"
    leaves = both.replace("host: vcenter-c0,", "host: vcenter-c0, remove: true,")
    section = declared(compiled({C0: leaves}), "ssh:vol1/config_file//etc/cinder/cinder.conf")
    assert section["[vmdk] vmware_cluster_name"] == ("DC0_C0",)
