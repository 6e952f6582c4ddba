"""Who a compute is, on real daemons: its cluster is renamed, its host is not, clusters and vCenters come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import simulated_vcenter
from tests.lab.tenant import instance_in
from tests.lab.test_converge import COMPUTE, compute_node, computes, wait_for, world
from tests.lab.workspace import Workspace, invocations, started

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]

C0 = '      - {cluster: DC0_C0, host: vcenter-c0, datastoreRegex: "^LocalDS"}\n'
C1 = '      - {cluster: DC0_C1, host: vcenter-c1, datastoreRegex: "^LocalDS"}\n'
CONTROLLERS = ("ctl1", "ctl2", "ctl3")
BERLIN = """\
apiVersion: bivisor/v1alpha1
kind: VCenter
metadata: {{name: berlin}}
spec: {{host: 10.77.0.1, port: {port}, credentials: {{secret: vc1}}, tls: {{caFile: ../secrets/vc1-ca.pem}}}}
---
apiVersion: bivisor/v1alpha1
kind: HypervisorZone
metadata: {{name: berlin-az}}
spec:
  availabilityZone: berlin-az
  hypervisor: vmware
  vmware: {{vcenter: berlin, computes: [{{cluster: DC0_C0, host: berlin-c0}}]}}
  placement: controllers
"""


@pytest.fixture(scope="module")
def desk(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A converged cloud, in which restarts need not follow each other."""
    desk = Workspace.converged(tmp_path_factory.mktemp("desk"), lab)
    desk.hurry()
    return desk


def hypervisors(lab: Lab) -> dict[str, str]:
    """Return Nova's hypervisors: the compute's host to the hypervisor's name."""
    return {found.service_details["host"]: found.name for found in lab.openstack().compute.hypervisors(details=True)}


def test_a_renamed_cluster_is_followed(lab: Lab, desk: Workspace) -> None:
    """The plan says so and shows the new name; the compute restarts once, and is the same compute on the same cluster."""
    before, processes = hypervisors(lab), invocations(lab)
    lab.vcenter.rename_cluster("DC0_C0", "gold")
    try:
        page = desk.run("plan", "--detailed-exitcode", exits=2).stdout
        assert 'called "gold" in vCenter now' in page
        assert '"DC0_C0" → "gold"' in page
        desk.run("apply", "--yes")
        conf = lab.exec(compute_node(lab), "cat", "/etc/nova/vcenter/vcenter-c0/nova.conf").stdout
        assert "gold" in conf
        # the volume service of the zone uses the cluster's name as well
        assert started(lab, processes) == {(compute_node(lab), COMPUTE), ("vol1", "cinder-volume")}
        assert hypervisors(lab) == before
        assert computes(lab) == {"kvm1": "up", "vcenter-c0": "up"}
        assert "No changes" in desk.run("plan", "--detailed-exitcode").stdout
    finally:
        lab.vcenter.rename_cluster("gold", "DC0_C0")
        desk.run("apply", "--yes")
    assert hypervisors(lab) == before


def test_another_host_is_refused(lab: Lab, desk: Workspace) -> None:
    """No file is written, nothing is restarted, and the plan tells the way out."""
    before, processes = world(lab), invocations(lab)
    desk.edit("desired/zones.yaml", "host: vcenter-c0,", "host: renamed,")
    try:
        page = desk.run("apply", "--yes", exits=3).stdout
    finally:
        desk.edit("desired/zones.yaml", "host: renamed,", "host: vcenter-c0,")
    assert "write host: vcenter-c0 again" in " ".join(page.split())
    assert invocations(lab) == processes
    after = world(lab)
    assert {name: after[name] for name in CONTROLLERS} == {name: before[name] for name in CONTROLLERS}
    assert computes(lab) == {"kvm1": "up", "vcenter-c0": "up"}


def test_a_cluster_comes_and_goes(lab: Lab, desk: Workspace) -> None:
    """Adding it restarts nothing of the others; removing waits for its instance, then takes away all that was its own."""
    processes, cloud = invocations(lab), lab.openstack()
    desk.edit("desired/zones.yaml", C0, C0 + C1)
    desk.run("apply", "--yes")
    assert started(lab, processes) <= {("vol1", "cinder-volume")}
    assert computes(lab) == {"kvm1": "up", "vcenter-c0": "up", "vcenter-c1": "up"}
    with instance_in(cloud, "vcenter-az", "last", "vcenter-c1"):
        desk.edit("desired/zones.yaml", "host: vcenter-c1,", "host: vcenter-c1, remove: true,")
        held = " ".join(desk.run("apply", "--yes", exits=3).stdout.split())
        assert "1 instance lives (last) on vcenter-c1" in held
        (row,) = (found for found in cloud.compute.services() if found.host == "vcenter-c1")
        assert (row.status, row.state) == ("disabled", "up")
    desk.run("apply", "--yes")
    assert computes(lab) == {"kvm1": "up", "vcenter-c0": "up"}
    for node in CONTROLLERS:
        assert lab.exec(node, "ls", "/etc/nova/vcenter/vcenter-c1", check=False).stdout.split() == []
        assert lab.exec(node, "test", "-e", "/etc/systemd/system/nova-compute-vcenter-c1.service", check=False).returncode
    assert "vcenter-c1" not in lab.exec("ctl1", "cibadmin", "--query", "--scope", "configuration").stdout
    assert cloud.compute.find_aggregate("vcenter-az", ignore_missing=False).hosts == ["vcenter-c0"]
    assert "No changes" in desk.run("plan", "--detailed-exitcode").stdout
    desk.edit("desired/zones.yaml", C1.replace("host: vcenter-c1,", "host: vcenter-c1, remove: true,"), "")
    desk.run("apply", "--yes")
    wait_for(lambda: desk.run("plan", "--detailed-exitcode", exits=None).returncode == 0, "nothing left", 60)


@pytest.mark.soak
def test_a_second_vcenter_comes_and_goes(lab: Lab, desk: Workspace, tmp_path: Path) -> None:
    """Its cluster has the name and the MoRef of the first one's, and is another hypervisor; nothing of the first is touched."""
    processes, first = invocations(lab), hypervisors(lab)
    document = desk.folder / "desired/berlin.yaml"
    with simulated_vcenter.another(tmp_path) as berlin:
        document.write_text(BERLIN.format(port=berlin.port))
        desk.run("apply", "--yes")
        assert started(lab, processes) == set()
        assert computes(lab) == {"kvm1": "up", "vcenter-c0": "up", "berlin-c0": "up"}
        second = hypervisors(lab).pop("berlin-c0")
        moref, _, identity = first["vcenter-c0"].partition(".")
        assert second.startswith(f"{moref}.")
        assert not second.endswith(identity)
        zone = lab.openstack().compute.find_aggregate("berlin-az", ignore_missing=False)
        assert (zone.availability_zone, zone.hosts) == ("berlin-az", ["berlin-c0"])
        assert "No changes" in desk.run("plan", "--detailed-exitcode").stdout
        document.write_text(document.read_text().replace("host: berlin-c0", "host: berlin-c0, remove: true"))
        desk.run("apply", "--yes")
        assert hypervisors(lab) == first
        assert "berlin" not in lab.exec("ctl1", "cibadmin", "--query", "--scope", "configuration").stdout
    document.unlink()
    assert "No changes" in desk.run("plan", "--detailed-exitcode").stdout
    assert started(lab, processes) == set()
