"""The main job, whole promises on real daemons: from bare hosts to one OpenStack with two hypervisors, and kept so."""

from __future__ import annotations

import random
import signal
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.keys import VCENTER_PASSWORD
from tests.lab.tenant import tenant
from tests.lab.workspace import VCENTER_COMPUTE, Census, Workspace, invocations, started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

COMPUTE = "nova-compute-vcenter-c0"
CANARY = "canary$7f3a-Zebra"
"""The vCenter's password at first, with a sign that means something to oslo.config; the lab's usual one is rotated in."""
CONF = "/etc/nova/vcenter/vcenter-c0/nova.conf"


def wait_for(holds: Callable[[], bool], what: str, timeout_s: float = 120) -> None:
    """Wait for a condition of the real world, with a deadline."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.5)


def compute_node(lab: Lab) -> str:
    """Return the host on which the vCenter compute lives."""
    (host,) = (host for host, found in lab.processes(VCENTER_COMPUTE).items() if found)
    return host


def computes(lab: Lab) -> dict[str, str]:
    """Return Nova's compute services: host to state."""
    return {service.host: service.state for service in lab.openstack().compute.services() if service.binary == "nova-compute"}


def world(lab: Lab) -> dict[str, object]:
    """Return a digest of all that a plan must not change: file systems, the CIB's configuration, aggregates."""
    digests: dict[str, object] = {host.name: lab.digest(host.name) for host in lab.hosts}
    cib = lab.exec("ctl1", "cibadmin", "--query", "--scope", "configuration", check=False)
    digests["cib"] = cib.stdout
    digests["aggregates"] = sorted(
        (aggregate.name, str(aggregate.availability_zone), sorted(aggregate.hosts or ()))
        for aggregate in lab.openstack().compute.aggregates()
    )
    return digests


@pytest.fixture(scope="module")
def desk(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Bare hosts, and documents that nobody has applied yet."""
    lab.begin()
    lab.vcenter.set_password(CANARY)
    desk = Workspace.make(tmp_path_factory.mktemp("desk"), lab)
    desk.edit("secrets/vc1.yaml", VCENTER_PASSWORD, CANARY)
    return desk


@pytest.fixture
def converged(lab: Lab, desk: Workspace) -> Workspace:
    """A desk whose cloud is as declared."""
    lab.vcenter.clear_faults()
    desk.run("apply", "--yes")
    return desk


def test_a_plan_for_bare_hosts_changes_nothing(lab: Lab, desk: Workspace) -> None:
    """A dry run on bare hosts shows work and leaves every file, the absent CIB and the aggregates as they are."""
    before = world(lab)
    assert desk.run("plan", "--detailed-exitcode", exits=2).stdout
    assert world(lab) == before


def test_from_bare_hosts_to_one_cloud_with_two_hypervisors(lab: Lab, desk: Workspace) -> None:
    """One apply converges; both computes are up, both hypervisors listed, each zone has its compute."""
    desk.run("apply", "--yes")
    assert computes(lab) == {"kvm1": "up", "vcenter-c0": "up"}
    cloud = lab.openstack()
    hypervisors = {found.hypervisor_type for found in cloud.compute.hypervisors(details=True)}
    assert hypervisors == {"QEMU", "VMware vCenter Server"}
    zones = {found.availability_zone: found.hosts for found in cloud.compute.aggregates()}
    assert zones == {"kvm-az": ["kvm1"], "vcenter-az": ["vcenter-c0"]}


def test_a_second_look_finds_nothing_and_restarts_nothing(lab: Lab, converged: Workspace) -> None:
    """Converged is converged: plan exits 0, apply does nothing, every process is the same."""
    before, processes = world(lab), invocations(lab)
    assert "No changes" in converged.run("plan", "--detailed-exitcode").stdout
    converged.run("apply", "--yes")
    assert invocations(lab) == processes
    assert world(lab) == before


def test_each_hypervisor_boots_and_attaches_its_own_volumes_only(lab: Lab, converged: Workspace) -> None:
    """In each zone an instance is ACTIVE and a volume attached and detached; across zones the API refuses, both ways."""
    del converged
    with tenant(lab.openstack()) as user:
        assert {server.status for server in user.servers.values()} == {"ACTIVE"}
        assert user.servers["kvm-az"].compute_host == "kvm1"
        assert user.servers["vcenter-az"].compute_host == "vcenter-c0"
        assert not user.may_cross("kvm-az", "vcenter-az")
        assert not user.may_cross("vcenter-az", "kvm-az")
        for zone in user.servers:
            user.attach(zone)
            user.detach(zone)


def test_the_packaged_compute_cannot_start_on_a_controller(lab: Lab, converged: Workspace) -> None:
    """The packaged nova-compute is masked where it would register a second time."""
    del converged
    for host in ("ctl1", "ctl2", "ctl3"):
        assert lab.exec(host, "systemctl", "start", "nova-compute", check=False).returncode != 0


def test_wrong_credentials_are_refused_before_any_host_is_touched(lab: Lab, converged: Workspace) -> None:
    """The vCenter is asked first: a password that it refuses reaches no host."""
    before, processes = world(lab), invocations(lab)
    converged.edit("secrets/vc1.yaml", CANARY, "no-such-password")
    try:
        refused = converged.run("apply", "--yes", exits=3)
    finally:
        converged.edit("secrets/vc1.yaml", "no-such-password", CANARY)
    assert "vCenter refuses the credentials of Secret/vc1" in refused.stdout
    assert "no-such-password" not in refused.stdout + refused.stderr
    assert world(lab) == before
    assert invocations(lab) == processes


def test_a_rotated_password_restarts_exactly_what_logs_in_with_it(lab: Lab, converged: Workspace) -> None:
    """The plan names both restarts and why; apply restarts that resource on its node, that volume service, and nothing else.

    Both passwords reach or leave their files, and no output, debug log, process argument, inventory, journal or CIB has them.
    """
    processes, node = invocations(lab), compute_node(lab)
    assert CANARY.replace("$", "$$") in lab.exec(node, "cat", CONF).stdout
    converged.hurry()
    lab.vcenter.set_password(VCENTER_PASSWORD)
    converged.edit("secrets/vc1.yaml", CANARY, VCENTER_PASSWORD)
    restarts = {step["address"]: " ".join(step["reasons"]) for step in converged.plan() if step["intended"] == "restart"}
    assert restarts.keys() == {f"pacemaker:demo/primitive/{COMPUTE}", "ssh:vol1/service/cinder-volume"}
    assert "[vmware] host_password" in restarts[f"pacemaker:demo/primitive/{COMPUTE}"]
    with arguments_seen() as arguments:
        forms = [("plan", "-o", form) for form in ("text", "json", "markdown", "html")]
        commands = (*forms, ("plan", "--full"), ("apply", "--yes"), ("status",), ("graph",), ("validate",))
        said = [converged.run("--log-level", "debug", "--log-json", *command, exits=None) for command in commands]
    assert started(lab, processes) == {(node, COMPUTE), ("vol1", "cinder-volume")}
    conf = lab.exec("ctl1", "cat", CONF).stdout
    assert VCENTER_PASSWORD in conf
    assert "Zebra" not in conf
    assert lab.exec("ctl1", "stat", "-c", "%a %U %G", CONF).stdout.split() == ["640", "root", "nova"]
    assert lab.exec("ctl1", "stat", "-c", "%a", "/var/lib/bivisor").stdout.strip() == "700"
    places = {
        "what bivisor said": "".join(one.stdout + one.stderr for one in said),
        # the simulator itself is told its first password so
        "arguments": "\n".join(one for one in arguments if "/vcenter-simulator-" not in one),
        "inventory": lab.exec("ctl1", "sh", "-c", "cat /var/lib/bivisor/*").stdout,
        "CIB": lab.exec("ctl1", "cibadmin", "--query").stdout,
        "journal": lab.exec("ctl1", "journalctl", "--no-pager", check=False).stdout,
    }
    for form in (CANARY, CANARY.replace("$", "$$"), "Zebra", VCENTER_PASSWORD):
        assert not [place for place, text in places.items() if form in text]
    wait_for(lambda: computes(lab)["vcenter-c0"] == "up", "the vCenter compute is up")


@contextmanager
def arguments_seen() -> Iterator[set[str]]:
    """Collect the arguments of every process on the machine and all hosts meanwhile."""
    seen: set[str] = set()
    end = threading.Event()

    def watch() -> None:
        while not end.wait(0.02):
            for folder in Path("/proc").iterdir():
                if folder.name.isdigit():
                    with suppress(OSError):
                        seen.add((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        end.set()
        thread.join()


def test_what_is_ours_is_repaired_and_what_is_not_stays(lab: Lab, converged: Workspace) -> None:
    """Owned keys, services, masks and aggregates come back; foreign keys and comments stay byte for byte."""
    path = "/etc/nova/nova.conf"
    declared = lab.exec("kvm1", "cat", path).stdout
    owned = next(line for line in declared.splitlines() if line.replace(" ", "").startswith("cross_az_attach="))
    foreign = "# somebody's remark  \n[somebodys_section]\nsomebodys_key   =  a value of theirs\t\n"
    edited = declared.replace(owned, "cross_az_attach = True") + foreign
    lab.exec("kvm1", "tee", path, stdin=edited)
    lab.exec("kvm1", "systemctl", "stop", "libvirtd")
    lab.exec("ctl2", "systemctl", "unmask", "nova-compute")
    cloud = lab.openstack()
    aggregate = cloud.compute.find_aggregate("vcenter-az", ignore_missing=False)
    cloud.compute.remove_host_from_aggregate(aggregate, "vcenter-c0")
    cloud.compute.delete_aggregate(aggregate)
    processes = invocations(lab)
    named = {step["address"] for step in converged.plan()}
    assert {
        f"ssh:kvm1/config_file/{path}",
        "ssh:kvm1/service/libvirtd",
        "ssh:ctl2/service/nova-compute",
        "openstack:demo/aggregate/vcenter-az",
    } <= named
    converged.run("apply", "--yes")
    assert lab.exec("kvm1", "cat", path).stdout == declared + foreign
    assert started(lab, processes) <= {("kvm1", "libvirtd")}, "repairing a foreign edit restarts nothing"
    assert lab.exec("ctl2", "systemctl", "is-enabled", "nova-compute", check=False).stdout.strip() == "masked"
    assert cloud.compute.find_aggregate("vcenter-az", ignore_missing=False).hosts == ["vcenter-c0"]
    assert "No changes" in converged.run("plan", "--detailed-exitcode").stdout


def test_a_controller_is_cut_off(lab: Lab, converged: Workspace) -> None:
    """Pacemaker moves the compute, never two alive; the host is unknown, the others go on, exit 3; then it returns."""
    node = compute_node(lab)
    other = next(name for name in ("ctl1", "ctl2", "ctl3") if name != node)
    with Census(lab) as census:
        lab.cut(node)
        try:
            wait_for(lambda: is_elsewhere(lab, other, node), "the compute runs elsewhere", 180)
            lab.exec("kvm1", "systemctl", "stop", "libvirtd")
            partial = converged.run("apply", "--yes", exits=3)
        finally:
            lab.mend(node)
        assert lab.exec("kvm1", "systemctl", "is-active", "libvirtd").stdout.strip() == "active", "the others go on"
        assert f"ssh:{node}" in partial.stdout
        assert "unknown" in partial.stdout
        wait_for(lambda: all(f"{name} online" in where(lab, other) for name in ("ctl1", "ctl2", "ctl3")), "back", 120)
        converged.run("apply", "--yes")
    assert census.samples > 50
    assert census.most == 1, f"two alive at once: {census.crowded[:3]}"


def where(lab: Lab, asked: str) -> str:
    """Return Pacemaker's own word on nodes and the compute, as `ctl1 online` and `Started ctl2`."""
    nodes = lab.exec(asked, "crm_mon", "-1", "--output-as=text", check=False).stdout
    lines = []
    for line in nodes.splitlines():
        if "Online:" in line:
            lines += [f"{name} online" for name in line.split("[")[1].split("]")[0].split()]
        if COMPUTE in line and "Started" in line:
            lines.append("Started " + line.split("Started")[1].split()[0])
    return "\n".join(lines)


def is_elsewhere(lab: Lab, asked: str, lost: str) -> bool:
    """Tell whether the majority runs the compute on a node that is not the lost one."""
    said = where(lab, asked)
    return "Started" in said and f"Started {lost}" not in said


KILLS = 50


def kill_in_the_middle(lab: Lab, desk: Workspace, turn: int) -> None:
    """Change what every compute loads, kill bivisor somewhere in its apply, apply again: nothing restarted twice."""
    chance = random.Random(turn)  # noqa: S311 - a seed that a failure can name
    desk.next_interval()
    processes = invocations(lab)
    process = desk.start("apply", "--yes")
    time.sleep(chance.uniform(0.3, 14.0))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    between = invocations(lab)
    desk.run("apply", "--yes")
    after = invocations(lab)
    expected = {("kvm1", "nova-compute"), (compute_node(lab), COMPUTE)}
    restarted = {service for service, invocation in after.items() if processes.get(service) != invocation}
    assert restarted == expected, f"turn {turn}"
    twice = {s for s in restarted if between.get(s) not in (processes.get(s), after[s]) and s in between}
    assert not twice, f"turn {turn}: restarted twice: {twice}"
    search = ("find", "/etc", "/var/lib/bivisor", "-name", ".bivisor-*")
    left = {host.name: lab.exec(host.name, *search, check=False).stdout for host in lab.hosts}
    assert not any(left.values()), f"turn {turn}: {left}"
    # right after a restart Nova may take the compute for down, until it has reported again
    wait_for(lambda: desk.run("plan", "--detailed-exitcode", exits=None).returncode == 0, f"turn {turn}: nothing to do", 60)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_killed_many_times(lab: Lab, converged: Workspace) -> None:
    """SIGKILL at a random moment of an apply needs no repair: the next apply converges and restarts nothing twice.

    Fifty times in a row, with other moments; `test_history.py` does it once, while a service restarts.
    """
    for turn in range(1000, 1000 + KILLS):
        kill_in_the_middle(lab, converged, turn)
