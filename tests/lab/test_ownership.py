"""What is declared no more, on real daemons: what was ours goes, in a safe order, and what may be lived in stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.test_converge import wait_for
from tests.lab.workspace import Census, Workspace, invocations, started

if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]

SETTINGS = "        vif_plugging_timeout: 0\n"
MARK = "        reserved_host_disk_mb: 7\n"
OTHER_MARK = "        max_concurrent_builds: 7\n"
ROLLOUT = "  rollout: {maxUnavailable: 99}\n"
LEAST = "  rollout: {maxUnavailable: 99, maxDeletes: {count: 1}}\n"
VMDK = "  placement: {nodes: {roles: [cinder-vmdk]}}\n  ha: none\n"
KEPT = "  placement: {nodes: {roles: [controller]}}\n  ha: active-passive\n"
ANY_CINDER = r"bin/cinder-volume( |$)"
OTHER_BACKEND = "vol2"
CONF = "/etc/nova/nova.conf"
ON_CONTROLLERS = "/etc/nova/vcenter/vcenter-c0/nova.conf"


@pytest.fixture(scope="module")
def desk(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A converged cloud, in which restarts need not follow each other; the tests below leave it as the demo declares it."""
    desk = Workspace.converged(tmp_path_factory.mktemp("desk"), lab)
    desk.hurry()
    return desk


def said(desk: Workspace, *arguments: str, exits: int) -> str:
    """Return what the program prints, in one line."""
    return " ".join(desk.run(*arguments, exits=exits).stdout.split())


def test_an_option_of_ours_goes_when_confirmed_and_a_hands_stays(lab: Lab, desk: Workspace) -> None:
    """Over maxDeletes nothing goes until a person says so; then what is ours goes, and only the two computes restart.

    What a hand added stays, and so does the value that a hand gave to an option of ours, which is told; what a hand has
    removed is forgotten, and is theirs from then on.
    """
    desk.edit("desired/cluster.yaml", SETTINGS, SETTINGS + MARK + OTHER_MARK)
    desk.run("apply", "--yes")
    by_hand = "-es/^reserved_host_disk_mb.*/&\\n# by hand\\nby_hand = 1/"
    lab.exec("kvm1", "sed", "-i", by_hand, "-es/^max_concurrent_builds.*/max_concurrent_builds = 8/", CONF)
    lab.exec("ctl1", "sed", "-i", "/^max_concurrent_builds/d", ON_CONTROLLERS)
    before = invocations(lab)
    desk.edit("desired/cluster.yaml", SETTINGS + MARK + OTHER_MARK, SETTINGS)
    desk.edit("desired/cluster.yaml", ROLLOUT, LEAST)
    page = said(desk, "plan", exits=3)
    assert "no document declares [DEFAULT] reserved_host_disk_mb any more" in page
    assert "things that no document declares any more would go, and maxDeletes allows 1" in page
    assert "somebody has changed it since Bivisor wrote it: it stays" in page
    assert f"forgets [DEFAULT] max_concurrent_builds of ssh:ctl1/config_file/{ON_CONTROLLERS}" in page
    desk.run("apply", "--yes", exits=3)
    assert "reserved_host_disk_mb = 7" in lab.exec("kvm1", "cat", CONF).stdout
    assert started(lab, before) == set()
    desk.run("apply", "--yes", "--confirm-deletes")
    text = lab.exec("kvm1", "cat", CONF).stdout
    assert "reserved_host_disk_mb = 7" not in text
    assert "# by hand\nby_hand = 1\n" in text
    assert "max_concurrent_builds = 8" in text
    assert "max_concurrent_builds" not in lab.exec("ctl2", "cat", ON_CONTROLLERS).stdout
    assert {name for _, name in started(lab, before)} == {"nova-compute", "nova-compute-vcenter-c0"}
    desk.edit("desired/cluster.yaml", LEAST, ROLLOUT)
    lab.exec("ctl1", "sed", "-i", "s/^\\[DEFAULT\\]/&\\nmax_concurrent_builds = 9/", ON_CONTROLLERS)
    assert "No changes" in said(desk, "plan", "--detailed-exitcode", exits=0)
    lab.exec("kvm1", "sed", "-i", "-e/by.hand/d", "-e/^max_concurrent_builds/d", CONF)
    lab.exec("ctl1", "sed", "-i", "/^max_concurrent_builds/d", ON_CONTROLLERS)


def test_a_backend_that_changes_its_keeper_never_runs_twice(lab: Lab, desk: Workspace) -> None:
    """From the boot link to Pacemaker and back: the old process ends first, and its configuration, unit and resource go."""
    with Census(lab, ANY_CINDER) as census:
        desk.edit("desired/volumes.yaml", VMDK, KEPT)
        desk.run("apply", "--yes")
        assert lab.exec("vol1", "systemctl", "is-active", "cinder-volume", check=False).stdout.strip() == "inactive"
        conf = lab.exec("vol1", "cat", "/etc/cinder/cinder.conf").stdout
        assert not [line for line in conf.splitlines() if line.startswith(("enabled_backends", "backend_host", "vmware_"))]
        assert "No changes" in said(desk, "plan", "--detailed-exitcode", exits=0)
        desk.edit("desired/volumes.yaml", KEPT, VMDK)
        assert "--confirm-deletes" in said(desk, "plan", exits=3)  # three controllers with four things each
        desk.run("apply", "--yes", "--confirm-deletes")
    assert census.samples > 50
    assert not [hosts for hosts in census.crowded if len({*hosts} - {OTHER_BACKEND}) > 1]
    assert lab.exec("vol1", "systemctl", "is-active", "cinder-volume").stdout.strip() == "active"
    assert "cinder-volume-vmdk" not in lab.exec("ctl1", "cibadmin", "--query", "--scope", "configuration").stdout
    for node in ("ctl1", "ctl2", "ctl3"):
        assert lab.exec(node, "find", "/etc/cinder", "/etc/systemd/system", "-name", "*vmdk*").stdout.split() == []
    assert "No changes" in said(desk, "plan", "--detailed-exitcode", exits=0)


def test_a_backend_whose_document_vanished_is_held(lab: Lab, desk: Workspace) -> None:
    """Volumes may live there: the plan says how to let it leave, nothing is done, and with the document back all is quiet."""
    path = desk.folder / "desired/volumes.yaml"
    whole = path.read_text()
    path.write_text(whole.split("\n---\n")[0] + "\n")
    before = invocations(lab)
    page = said(desk, "apply", "--yes", exits=3)
    assert "VolumeBackend/kvm no longer declares kvm@kvm, where volumes may live" in page
    assert "docs/how-to/remove-from-the-cloud.md" in page
    assert invocations(lab) == before
    assert "backend_host = kvm" in lab.exec("vol2", "cat", "/etc/cinder/cinder.conf").stdout
    path.write_text(whole)
    assert "No changes" in said(desk, "plan", "--detailed-exitcode", exits=0)


def test_a_host_that_is_silent_or_has_forgotten_loses_nothing(lab: Lab, desk: Workspace) -> None:
    """Cut off, nobody knows what is ours there; with its inventory lost, nothing is, and the plan says so."""
    lab.cut("vol2")
    try:
        assert "ssh:vol2" in said(desk, "plan", exits=3)
    finally:
        lab.mend("vol2")
    wait_for(lambda: "No changes" in desk.run("plan", exits=None).stdout, "vol2 answers again", 60)
    lab.exec("vol2", "mv", "/var/lib/bivisor", "/var/lib/bivisor.away")
    path = desk.folder / "desired/volumes.yaml"
    whole = path.read_text()
    try:
        page = said(desk, "plan", exits=0)
        assert "not known to be Bivisor's (was the host made anew?)" in page
        path.write_text(whole.split("\n---\n")[0] + "\n")
        assert "No changes" in said(desk, "plan", exits=0)
    finally:
        path.write_text(whole)
        lab.script("vol2", "rm -rf /var/lib/bivisor && mv /var/lib/bivisor.away /var/lib/bivisor")


def test_a_host_whose_node_was_renamed_is_left_alone(lab: Lab, desk: Workspace) -> None:
    """Its instances live by the former name: nothing is done until it has that one again."""
    before = invocations(lab)
    desk.edit("desired/nodes.yaml", "metadata: {name: kvm1}", "metadata: {name: kvm9}")
    assert "Bivisor knows this host as kvm1: give the Node that name again" in said(desk, "apply", "--yes", exits=3)
    assert invocations(lab) == before
    assert "kvm9" not in lab.exec("kvm1", "cat", CONF, "/etc/nova/nova-compute.conf").stdout
    desk.edit("desired/nodes.yaml", "metadata: {name: kvm9}", "metadata: {name: kvm1}")
    assert "No changes" in said(desk, "plan", "--detailed-exitcode", exits=0)
