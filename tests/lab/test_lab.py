"""The lab itself: it is what it says, comes back to its beginning, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import asyncssh
import pytest

from tests.lab import keys, lifecycle, machines
from tests.lab.commands import run, wait_until
from tests.lab.errors import CommandError
from tests.lab.layout import BARE, BRIDGE, CACHE, HOSTS, STATE, host_named
from tests.lab.processes import all_pids, arguments, namespace_of, pids_in_namespace

if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = pytest.mark.lab

REPOSITORY = Path(__file__).parents[2]
PROBE = "/etc/lab-probe"


async def uid_over_ssh(name: str) -> str:
    """Log in as Bivisor would, with the pinned key and nothing else, and become root."""
    host = host_named(name)
    pinned = asyncssh.import_known_hosts(f"{host.address} {keys.public_text(keys.host_key(name))}")
    async with asyncssh.connect(
        host.address, username=host.user, client_keys=[str(keys.CLIENT_KEY)], known_hosts=pinned, connect_timeout=3
    ) as connection:
        done = await connection.run("sudo -n id -u", check=True)
    return str(done.stdout).strip()


async def test_every_host_shows_the_key_that_its_name_gives(lab: Lab) -> None:
    """Each host answers over SSH with its pinned key, and its login account can become root."""
    assert {host.name: await uid_over_ssh(host.name) for host in lab.hosts} == {host.name: "0" for host in lab.hosts}


def test_the_demo_pins_the_keys_of_the_lab() -> None:
    """The documents in `desired/` name the host keys that the lab's hosts really have."""
    documents = (REPOSITORY / "desired/nodes.yaml").read_text()
    missing = [host.name for host in HOSTS if keys.public_text(keys.host_key(host.name)) not in documents]
    assert not missing


@pytest.fixture(scope="module")
def fresh(lab: Lab) -> Lab:
    """A lab that was changed everywhere and then reset."""
    for host in lab.hosts:
        lab.script(host.name, f"echo mine > {PROBE}; mkdir -p /var/lib/bivisor")
    lab.exec("kvm1", "systemctl", "enable", "--now", "libvirtd")
    lab.openstack().compute.create_aggregate(name="mine", availability_zone="mine")
    lab.vcenter.set_password("changed")
    lab.vcenter.rename_cluster("DC0_C0", "renamed")
    lab.reset()
    return lab


def test_reset_brings_everything_back_to_the_beginning(fresh: Lab) -> None:
    """After a reset the hosts have only their names and keys, the cloud no aggregate, vCenter its first names."""
    for host in BARE:
        assert set(fresh.manifest(host.name)) | machines.LOGIN == machines.IDENTITY
    assert not list(fresh.openstack().compute.aggregates())
    assert [cluster.name for cluster in fresh.vcenter.state().clusters] == ["DC0_C0", "DC0_C1"]
    services = fresh.openstack().compute.services()
    assert {service.binary for service in services} == {"nova-conductor", "nova-scheduler"}
    assert fresh.is_bare()
    fresh.script("vol2", f"echo mine > {PROBE}")
    assert not fresh.is_bare()
    fresh.script("vol2", f"rm {PROBE}")


def test_bare_hosts_have_packages_but_nothing_runs(fresh: Lab) -> None:
    """Nothing that Bivisor manages is configured, enabled or running on its hosts; all of it can be started."""
    units = ("nova-compute", "cinder-volume", "corosync")
    for host in BARE:
        states = fresh.exec(host.name, "systemctl", "is-enabled", *units, check=False).stdout.split()
        assert states == ["disabled"] * len(units)
    found = fresh.processes(r"nova|cinder|corosync|pacemaker|libvirt")
    assert not any(found[host.name] for host in BARE)
    assert "cross_az_attach" not in fresh.exec("api1", "cat", "/etc/nova/nova.conf").stdout


def test_the_digest_sees_content_mode_and_owner_and_nothing_else(lab: Lab) -> None:
    """What a configuration tool could change changes the digest; what happens by itself does not."""
    before = lab.digest("vol1")
    for change, undo in (
        (f"echo x > {PROBE}", f"rm {PROBE}"),
        ("chmod 600 /etc/hosts", "chmod 644 /etc/hosts"),
        ("chown nova /etc/hosts", "chown root /etc/hosts"),
        ("mv /etc/services /etc/gone", "mv /etc/gone /etc/services"),
        ("ln -s /dev/null /etc/systemd/system/tgt.service", "rm /etc/systemd/system/tgt.service"),
        ("mkdir /var/lib/bivisor-probe", "rmdir /var/lib/bivisor-probe"),
    ):
        lab.script("vol1", change)
        assert lab.digest("vol1") != before, change
        lab.script("vol1", undo)
        assert lab.digest("vol1") == before, undo
    lab.script("vol1", "touch /etc/hosts; echo x > /var/log/probe; echo x > /tmp/probe; logger probe")
    assert lab.digest("vol1") == before


async def test_a_host_that_is_cut_off_runs_on_and_is_seen_from_outside(lab: Lab) -> None:
    """Without its cable a host answers nobody, its processes are still seen, and it comes back whole."""
    lab.cut("ctl2")
    try:
        with pytest.raises((OSError, asyncssh.Error)):
            await uid_over_ssh("ctl2")
        assert lab.processes("sshd")["ctl2"]
        assert lab.exec("ctl2", "hostname").stdout.strip() == "ctl2"
    finally:
        lab.mend("ctl2")
    machines.wait_for_ssh(host_named("ctl2"))
    assert await uid_over_ssh("ctl2") == "0"


def test_a_killed_host_starts_again_over_the_same_disk(lab: Lab) -> None:
    """A power cut takes every process at once; after power-on the disk says what it said before."""
    lab.script("vol2", f"echo kept > {PROBE}")
    before = lab.digest("vol2")
    first = machines.leader(host_named("vol2"))
    lab.kill("vol2")
    assert "vol2" not in lab.processes("")
    assert not lifecycle.is_up()
    lab.power_on("vol2")
    assert machines.leader(host_named("vol2")) != first
    assert lab.digest("vol2") == before
    lab.script("vol2", f"rm {PROBE}")


def test_a_failed_command_says_what_it_said(lab: Lab) -> None:
    """`exec` raises with the command's own words; unchecked it gives the status."""
    with pytest.raises(CommandError, match="no-such-file"):
        lab.exec("kvm1", "cat", "/no-such-file")
    assert lab.exec("kvm1", "false", check=False).returncode == 1


def test_nothing_is_forwarded_out_of_the_lab(lab: Lab) -> None:
    """The lab's bridge passes no packet on to the machine's other links."""
    assert Path(f"/proc/sys/net/ipv4/conf/{BRIDGE}/forwarding").read_text().strip() == "0"
    assert lab.exec("ctl1", "cat", "/etc/resolv.conf").stdout.startswith("#")


def remains() -> list[str]:
    """Everything of the lab that the machine still has: mounts, links, namespaces, groups, processes."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    found = [mount for mount in mounts if mount.startswith((f"{STATE}/", f"{CACHE}/"))]
    found += [link for link in run(["ip", "-oneline", "link"]).split() if link.startswith(("bvlab", "bv-"))]
    found += [str(name) for name in Path("/run/netns").glob("bvlab-*")]
    found += [str(group) for group in Path("/sys/fs/cgroup").glob("**/bvlab*")]
    found += [f"process {pid}" for pid in all_pids() if belongs(arguments(pid))]
    return found


def belongs(argv: tuple[str, ...]) -> bool:
    """Is this the command line of a host's keeper or of the lab's vCenter?"""
    keeper = any(argument.startswith(f"--directory={STATE}") for argument in argv)
    vcenter = bool(argv) and argv[0].startswith(str(CACHE)) and any(str(STATE) in argument for argument in argv)
    return keeper or vcenter


def test_down_leaves_nothing_and_a_killed_up_is_cleared_by_the_next(lab: Lab) -> None:
    """After `down`, and after SIGKILL to an `up` plus `down`, the machine is as before; `up` works over ruins, too."""
    inside = {namespace_of(first.pid, "pid") for host in HOSTS if (first := machines.leader(host))}
    assert len(inside) == len(HOSTS)
    lab.down()
    assert remains() == []
    assert not [pid for pid in all_pids() if namespace_of(pid, "pid") in inside]

    kill_an_up()
    assert remains() != []
    lab.down()
    assert remains() == []

    kill_an_up()
    lifecycle.up(lab._progress)
    assert lifecycle.is_up()
    assert {lab.exec(host.name, "hostname").stdout.strip() for host in HOSTS} == {host.name for host in HOSTS}


def kill_an_up() -> None:
    """Start `up` and kill it when some of the hosts are running and others are not."""
    with (STATE / "log" / "killed-up.log").open("w") as log:
        starting = subprocess.Popen(
            [sys.executable, "-m", "tests.lab", "up"], cwd=REPOSITORY, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
    wait_until(lambda: machines.leader(HOSTS[2]) or starting.poll() is not None, what="half a lab", timeout_s=60, every_s=0.01)
    starting.send_signal(signal.SIGKILL)
    starting.wait()


@pytest.mark.usefixtures("lab")
def test_a_build_dies_with_the_one_who_wanted_it() -> None:
    """SIGKILL to a run that builds ends its commands and their children at once, so nothing goes on unseen."""
    marker = f"lab-{os.getpid()}"
    code = "import sys; from tests.lab.commands import run_jailed; run_jailed(['sh', '-c', 'sleep 600 & wait', sys.argv[1]])"
    building = subprocess.Popen([sys.executable, "-c", code, marker], cwd=REPOSITORY, stdin=subprocess.DEVNULL)

    def jailed() -> list[int]:
        return [pid for pid in all_pids() if marker in arguments(pid) and pid != building.pid]

    wait_until(lambda: any("sh" in arguments(pid)[:1] for pid in jailed()), what="the build", timeout_s=20)
    space = {namespace_of(pid, "pid") for pid in jailed()} - {namespace_of(os.getpid(), "pid")}
    assert len(space) == 1
    building.kill()
    building.wait()
    wait_until(lambda: not jailed() and not any(pids_in_namespace("pid", one) for one in space), what="its end", timeout_s=5)


def test_it_says_why_it_cannot_run() -> None:
    """On a machine without the programs the command refuses, names them and says how to install them."""
    refused = subprocess.run(
        [sys.executable, "-m", "tests.lab", "up"],
        cwd=REPOSITORY,
        env={"PATH": "/nonexistent", "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == 1
    assert "systemd-nspawn" in refused.stderr
    assert "apt-get install" in refused.stderr
    assert "Traceback" not in refused.stderr
