"""Adopting, on real daemons: what Bivisor made is known again from the cloud alone, and what Fuel's way made comes over."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.lab.keys import AUTH_URL, CLIENT_KEY, PASSWORD
from tests.lab.test_converge import computes, wait_for
from tests.lab.workspace import Census, Workspace, invocations, started

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]

CONTROLLERS = ("ctl1", "ctl2", "ctl3")
OURS = "nova-compute-vcenter-c0"
FUELS = "p_nova_compute_vmware_vcenter-c0"
SHARED = "/etc/nova/nova.conf"
OWN = "/etc/nova/nova-compute.d/vmware-vcenter_c0.conf"
ANY_COMPUTE = r"nova-compute .*(/etc/nova/vcenter/vcenter-c0/|nova-compute\.d/)"
ACCOUNT = {
    "OS_AUTH_URL": AUTH_URL, "OS_USERNAME": "admin", "OS_PASSWORD": PASSWORD, "OS_PROJECT_NAME": "admin",
    "OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_NAME": "Default", "OS_REGION_NAME": "RegionOne",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _converged(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A cloud from nothing, as the demo declares it; nobody has its documents afterwards."""
    lab.begin()
    Workspace.converged(tmp_path_factory.mktemp("before"), lab)


def forget(lab: Lab) -> None:
    """Take away what Bivisor remembers on the hosts."""
    for host in lab.hosts:
        lab.exec(host.name, "rm", "-rf", "/var/lib/bivisor")


def adopt(lab: Lab, folder: Path) -> tuple[Workspace, subprocess.CompletedProcess[str]]:
    """Adopt the lab's cloud into an empty folder, with nothing but an account and an SSH key."""
    folder.mkdir()
    (folder / "id").write_text(CLIENT_KEY.read_text())
    (folder / "id").chmod(0o600)
    hosts = [f"{host.user}@{host.address}" for host in lab.hosts]
    desk = Workspace(folder)
    options = ("--key-file", "id", "--accept-host-keys", "--vcenter", "vc1=10.77.0.1")
    process = desk.start("adopt", *hosts, *options, environment={**ACCOUNT, "HOME": str(folder)})
    out, err = process.communicate(timeout=300)
    return desk, subprocess.CompletedProcess((), process.returncode, out, err)


def test_what_is_forgotten_is_adopted_again(lab: Lab, tmp_path: Path) -> None:
    """Without the documents and without the hosts' memory, adopting finds all of it: no change, and nothing restarts."""
    forget(lab)
    processes = invocations(lab)
    desk, done = adopt(lab, tmp_path / "after")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No changes" in done.stdout
    assert "Not in the documents" not in done.stdout
    assert "No changes" in desk.run("plan", "--detailed-exitcode").stdout
    desk.run("apply", "--yes")
    assert started(lab, processes) == set()
    texts = "".join(path.read_text() for path in (desk.folder / "desired").glob("*.yaml"))
    for secret in (desk.folder / "secrets").iterdir():
        assert secret.stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in texts


def test_a_compute_of_fuels_layout_comes_over(lab: Lab, tmp_path: Path) -> None:
    """One shared nova.conf and nova-compute.d: the plan holds all of it, handing over keeps the row, never two alive."""
    row = row_of(lab)
    as_fuel_makes_it(lab)
    forget(lab)
    desk, done = adopt(lab, tmp_path / "after")
    assert done.returncode in (0, 3), done.stdout + done.stderr
    zones = (desk.folder / "desired/zones.yaml").read_text()
    assert "host: vcenter-c0" in zones
    assert "bivisor/manage: observe" in zones
    with Census(lab, ANY_COMPUTE) as census:
        theirs = lab.processes(ANY_COMPUTE)
        desk.run("apply", "--yes", exits=3)
        assert lab.processes(ANY_COMPUTE) == theirs, "observed only: Fuel's own goes on"
        wait_for(lambda: computes(lab)["vcenter-c0"] == "up", "Nova has heard of it")
        lab.script("ctl1", delete(FUELS))
        wait_for(lambda: not any(lab.processes(ANY_COMPUTE).values()), "Fuel's compute has ended")
        wait_for(lambda: computes(lab)["vcenter-c0"] == "down", "Nova calls it down")
        desk.edit("desired/zones.yaml", "bivisor/manage: observe", "bivisor/manage: full")
        desk.run("apply", "--yes")
    assert census.most == 1, f"two alive at once: {census.crowded[:3]}"
    assert row_of(lab) == row, "the same compute in Nova: its instances are its own"
    assert desk.plan(exits=0) == []


def row_of(lab: Lab) -> str:
    """Return the id of the compute's row in Nova."""
    (row,) = (found.id for found in lab.openstack().compute.services(binary="nova-compute") if found.host == "vcenter-c0")
    return str(row)


def as_fuel_makes_it(lab: Lab) -> None:
    """Take Bivisor's layout of the vCenter compute away and put Fuel's in its place, by hand."""
    conf = lab.exec("ctl1", "cat", "/etc/nova/vcenter/vcenter-c0/nova.conf").stdout
    lab.script("ctl1", delete(OURS))
    wait_for(lambda: not any(lab.processes(ANY_COMPUTE).values()), "Bivisor's compute has ended")
    ca = "/etc/nova/vcenter-ca.pem"
    vmware = re.search(r"^\[vmware\]\n(?:(?!\[).*\n)*", conf, re.MULTILINE)
    assert vmware is not None
    shared = conf.replace(vmware[0], "")
    shared = re.sub(r"^(host|state_path|log_file|lock_path|compute_driver) = .*\n", "", shared, flags=re.MULTILINE)
    shared = shared.replace("[DEFAULT]\n", "[DEFAULT]\nstate_path = /var/lib/nova\nlog_dir = /var/log/nova\n", 1)
    section = re.sub(r"^ca_file = .*$", f"ca_file = {ca}", vmware[0], flags=re.MULTILINE)
    own = f"[DEFAULT]\nhost = vcenter-c0\ncompute_driver = vmwareapi.VMwareVCDriver\n\n{section}"
    for name in CONTROLLERS:
        lab.exec(name, "cp", "/etc/nova/vcenter/vcenter-c0/vcenter-ca.pem", ca)
        lab.exec(name, "chgrp", "nova", ca)
        lab.script(name, f"rm -rf /etc/nova/vcenter /etc/systemd/system/{OURS}.service; mkdir -p {OWN.rpartition('/')[0]}")
        for path, text in ((SHARED, shared), (OWN, own)):
            lab.exec(name, "tee", path, stdin=text)
            lab.script(name, f"chgrp nova {path}; chmod 640 {path}")
        lab.script(name, "systemctl daemon-reload; systemctl unmask nova-compute; systemctl disable nova-compute")
    lab.exec("ctl1", "cibadmin", "--create", "--scope", "resources", "--xml-text", PRIMITIVE)
    for name in CONTROLLERS:
        place = f'<rsc_location id="{FUELS}-on-{name}" rsc="{FUELS}" node="{name}" score="100"/>'
        lab.exec("ctl1", "cibadmin", "--create", "--scope", "constraints", "--xml-text", place)
    wait_for(lambda: any(lab.processes(ANY_COMPUTE).values()), "Fuel's compute runs")
    wait_for(lambda: computes(lab)["vcenter-c0"] == "up", "Fuel's compute is up")


PRIMITIVE = f"""\
<primitive id="{FUELS}" class="ocf" provider="heartbeat" type="anything">
  <instance_attributes id="{FUELS}-params">
    <nvpair id="{FUELS}-binfile" name="binfile" value="/usr/bin/nova-compute"/>
    <nvpair id="{FUELS}-options" name="cmdline_options" value="--config-file={SHARED} --config-file={OWN}"/>
    <nvpair id="{FUELS}-user" name="user" value="nova"/>
    <nvpair id="{FUELS}-pidfile" name="pidfile" value="/var/lib/nova/by-hand.pid"/>
    <nvpair id="{FUELS}-workdir" name="workdir" value="/var/lib/nova"/>
  </instance_attributes>
</primitive>
"""


def delete(resource: str) -> str:
    """Return a script that takes a resource and its places out of Pacemaker, which then stops it."""
    places = "".join(
        f"cibadmin --delete --scope constraints --xml-text '<rsc_location id=\"{resource}-on-{name}\"/>'\n"
        for name in CONTROLLERS
    )
    return f"{places}cibadmin --delete --scope resources --xml-text '<primitive id=\"{resource}\"/>'\n"
