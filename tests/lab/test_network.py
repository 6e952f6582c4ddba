"""How both hypervisors are connected, in the lab: port groups in the vCenter, and a DVS agent that Pacemaker keeps.

Nobody packages a DVS agent any more. Its place is taken by a program that reads what an agent reads, tells it, and lives;
its package is the one of Debian that brings the user and the folders of Neutron.
"""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from pyVmomi import SoapStubAdapter, vim

from tests.lab import simulated_vcenter
from tests.lab.keys import VCENTER_PASSWORD, VCENTER_USER
from tests.lab.test_converge import wait_for
from tests.lab.workspace import Workspace, invocations, started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

CONTROLLERS = ("ctl1", "ctl2", "ctl3")
AGENT = "neutron-dvs-agent-vcenter-c0"
PROGRAM = "/usr/local/bin/dvs-agent-stand-in"
LOG = f"/var/log/neutron/{AGENT}.log"
ALIVE = r"dvs-agent-stand-in --config-file /etc/neutron/vcenter/vcenter-c0/dvs-agent\.ini"

STAND_IN = """\
#!/usr/bin/python3
import signal, sys
from oslo_config import cfg

conf = cfg.ConfigOpts()
conf.register_opts([cfg.StrOpt("host"), cfg.StrOpt("log_file"), cfg.StrOpt("transport_url", secret=True)])
conf.register_opts([cfg.StrOpt("vsphere_password", secret=True), cfg.ListOpt("network_maps")], "ML2_VMWARE")
conf(sys.argv[1:], default_config_files=[])
vsphere = conf.ML2_VMWARE
with open(conf.log_file, "a") as log:
    log.write(f"{conf.host} {','.join(vsphere.network_maps)} {vsphere.vsphere_password}\\n")
signal.pause()
"""

DVS = f"network: {{manager: neutron, dvs: {{package: neutron-common, program: {PROGRAM}}}}}"
GROUPS = """
    dvs: {networkMaps: {physnet1: DVS0}}
    portGroups:
      - {name: provider-100, vds: DVS0, vlan: 100}
"""
SWITCH = vim.dvs.VmwareDistributedVirtualSwitch


@pytest.fixture(scope="module")
def desk(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The demo's cloud, and then with agents and a port group."""
    desk = Workspace.converged(tmp_path_factory.mktemp("desk"), lab)
    desk.edit("desired/cluster.yaml", "network: {manager: neutron}", DVS)
    desk.edit("desired/zones.yaml", "  vmware:\n", f"  vmware:{GROUPS}")
    for host in CONTROLLERS:
        lab.exec(host, "tee", PROGRAM, stdin=STAND_IN)
        lab.exec(host, "chmod", "755", PROGRAM)
    desk.run("apply", "--yes")
    return desk


@contextmanager
def vcenter_owner() -> Iterator[Any]:
    """Yield the content of the vCenter to its owner, who is logged in beside Bivisor."""
    host, _, port = simulated_vcenter.LISTEN.rpartition(":")
    trust = ssl.create_default_context(cafile=str(simulated_vcenter.ca_file()))
    stub = SoapStubAdapter(host=host, port=int(port), version="vim.version.version9", sslContext=trust)
    try:
        content: Any = vim.ServiceInstance("ServiceInstance", stub).RetrieveContent()
        content.sessionManager.Login(VCENTER_USER, VCENTER_PASSWORD)
        yield content
    finally:
        stub.DropConnections()


def port_group(content: Any) -> Any:
    """Return the declared port group."""
    networks = content.rootFolder.childEntity[0].networkFolder.childEntity
    return next(found for found in networks if found.name == "provider-100")


def agent_node(lab: Lab) -> str:
    """Return the one host on which the agent lives."""
    (host,) = (host for host, found in lab.processes(ALIVE).items() if found)
    return host


def is_elsewhere(lab: Lab, asked: str, lost: str) -> bool:
    """Tell whether the majority runs the agent on a node that is not the lost one."""
    shown = lab.exec(asked, "crm_mon", "-1", "--output-as=text", check=False).stdout
    return any(AGENT in line and "Started" in line and f"Started {lost}" not in line for line in shown.splitlines())


def test_a_port_group_is_made_and_its_vlan_kept(lab: Lab, desk: Workspace) -> None:
    """It is there after an apply; a VLAN changed by hand is shown and set again; no process anywhere is another one."""
    processes = invocations(lab)
    with vcenter_owner() as content:
        group = port_group(content)
        assert group.config.distributedVirtualSwitch.name == "DVS0"
        assert group.config.defaultPortConfig.vlan.vlanId == 100
        setting = SWITCH.VmwarePortConfigPolicy(vlan=SWITCH.VlanIdSpec(inherited=False, vlanId=200))
        spec = vim.dvs.DistributedVirtualPortgroup.ConfigSpec(
            configVersion=group.config.configVersion, description="theirs", defaultPortConfig=setting
        )
        group.ReconfigureDVPortgroup_Task(spec)
        (step,) = desk.plan(exits=0)
        assert (step["address"], step["verb"]) == ("vcenter:vc1/port_group/DVS0/provider-100", "update")
        desk.run("apply", "--yes")
        after = port_group(content).config
        assert (after.defaultPortConfig.vlan.vlanId, after.description) == (100, "theirs")
    assert started(lab, processes) == set()
    assert "No changes" in desk.run("plan", "--detailed-exitcode").stdout


def test_a_name_that_is_taken_is_held(desk: Workspace) -> None:
    """A standard port group of the declared name is in the way: nothing is made, and the reason is told."""
    desk.edit("desired/zones.yaml", "name: provider-100", "name: VM Network")
    try:
        page = desk.run("apply", "--yes", exits=3).stdout
    finally:
        desk.edit("desired/zones.yaml", "name: VM Network", "name: provider-100")
    assert '"VM Network" is the name of a standard port group too' in page


def test_one_agent_runs_with_its_computes_identity(lab: Lab, desk: Workspace) -> None:
    """It lives on one controller, and has read the host of its compute and the declared switch; its packaged twin is masked."""
    del desk
    node = agent_node(lab)
    assert lab.exec(node, "tail", "-n", "1", LOG).stdout.strip() == f"vcenter-c0 physnet1:DVS0 {VCENTER_PASSWORD}"
    for host in CONTROLLERS:
        state = lab.exec(host, "systemctl", "is-enabled", "neutron-dvs-agent", check=False).stdout.strip()
        assert state == "masked", host


@pytest.mark.soak
def test_an_agent_moves_when_its_controller_is_lost(lab: Lab, desk: Workspace) -> None:
    """Pacemaker starts it elsewhere; the controller comes back, and there is still one."""
    node = agent_node(lab)
    other = next(name for name in CONTROLLERS if name != node)
    lab.cut(node)
    try:
        wait_for(lambda: is_elsewhere(lab, other, node), "the agent runs elsewhere", 180)
    finally:
        lab.mend(node)
    wait_for(lambda: sum(bool(found) for found in lab.processes(ALIVE).values()) == 1, "one agent is left")
    wait_for(lambda: desk.run("apply", "--yes", exits=None).returncode == 0, "converged again", 300)
