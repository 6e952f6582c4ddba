"""The program beside a vCenter that answers, in a cloud of which nothing else does: its port groups are kept nevertheless."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pyVmomi import vim

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.lab.vcenter.process import Running

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("bivisor")
NOBODY = 9
"""A port on which nothing listens."""

SECRETS = {
    "keystone-admin.yaml": "{username: admin, password: x}",
    "nova-service.yaml": "{username: nova, password: x}",
    "cinder-service.yaml": "{username: cinder, password: x}",
    "transport-url": "rabbit://user:x@127.0.0.1:9/",
    "cinder-database": "mysql+pymysql://user:x@127.0.0.1/cinder",
    "corosync-authkey": "k" * 256,
}


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that occurs exactly once."""
    text = path.read_text()
    assert text.count(old) == 1, f"{path.name} holds {old!r} {text.count(old)} times"
    path.write_text(text.replace(old, new))


@pytest.fixture
def desk(tmp_path: Path, vcenter: Running) -> Path:
    """The demo's documents; its vCenter is the simulator, and every other address is one where nobody listens."""
    shutil.copytree(ROOT / "desired", tmp_path / "desired")
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    named = (tmp_path / "desired/secrets.yaml").read_text()
    for path in re.findall(r"\.\./secrets/([\w.-]+)", named):
        (secrets / path).write_text(SECRETS.get(path, ""))
    settings = vcenter.settings
    (secrets / "vc1.yaml").write_text(f"{{username: '{settings.user}', password: '{settings.password}'}}")
    shutil.copy(settings.certificates.ca, secrets / "vc1-ca.pem")
    nodes, cluster = tmp_path / "desired/nodes.yaml", tmp_path / "desired/cluster.yaml"
    nodes.write_text(re.sub(r"10\.77\.0\.", "127.0.0.", nodes.read_text()))
    edit(cluster, "10.77.0.50:5000", f"127.0.0.1:{NOBODY}/{vcenter.port}")  # a cloud of its own, as its vCenter
    edit(cluster, "ssh: {user: root, keyFile: ../secrets/id_ed25519}", f"ssh: {{user: root, port: {NOBODY}}}")
    edit(tmp_path / "desired/vcenter.yaml", "host: 10.77.0.1\n", f"host: {vcenter.host}\n")
    edit(tmp_path / "desired/vcenter.yaml", "port: 9443", f"port: {vcenter.port}")
    groups = "portGroups: [{name: provider-100, vds: DVS0, vlan: 100}, {name: VM Network, vds: DVS0, vlan: 7}]"
    edit(tmp_path / "desired/zones.yaml", "  vmware:\n", f"  vmware:\n    {groups}\n")
    return tmp_path


def bivisor(desk: Path, *arguments: str) -> str:
    """Run the program: hosts that do not answer make it end with 3."""
    done = subprocess.run([PROGRAM, *arguments], cwd=desk, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 3, done.stdout + done.stderr
    return done.stdout


def vlan_of(content: Any) -> tuple[Any, int]:
    """Return the port group and its VLAN."""
    folder = content.rootFolder.childEntity[0].networkFolder
    group = next(found for found in folder.childEntity if found.name == "provider-100")
    return group, group.config.defaultPortConfig.vlan.vlanId


def test_port_groups_are_made_and_repaired(desk: Path, login: Callable[..., AbstractContextManager[Any]]) -> None:
    """A plan changes nothing; apply makes the port group; a VLAN set by hand is shown, then set again; a taken name is held."""
    switch = vim.dvs.VmwareDistributedVirtualSwitch
    with login() as client:
        folder = client.content.rootFolder.childEntity[0].networkFolder
        before = {found.name for found in folder.childEntity}
        page = bivisor(desk, "plan")
        assert re.search(r"create +port_group +DVS0/provider-100", page)
        assert '"VM Network" is the name of a standard port group too' in page
        assert {found.name for found in folder.childEntity} == before
        bivisor(desk, "apply", "--yes")
        group, vlan = vlan_of(client.content)
        assert vlan == 100
        assert {found.name for found in folder.childEntity} == {*before, "provider-100"}
        setting = switch.VmwarePortConfigPolicy(vlan=switch.VlanIdSpec(inherited=False, vlanId=200))
        spec = vim.dvs.DistributedVirtualPortgroup.ConfigSpec(
            configVersion=group.config.configVersion, description="theirs", defaultPortConfig=setting
        )
        group.ReconfigureDVPortgroup_Task(spec)
        assert re.search(r"vlan +200 +(→|->) +100", bivisor(desk, "plan"))
        bivisor(desk, "apply", "--yes")
        group, vlan = vlan_of(client.content)
        assert (vlan, group.config.description) == (100, "theirs")
        assert "provider-100" not in bivisor(desk, "plan")
