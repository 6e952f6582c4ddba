"""What leaving means: until it is known to be empty all is kept, then it goes in the reverse order, and others stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.core.diff import diff
from resources.contract import Address, Reply, TargetId
from tests.kinds.cloud import compiled, declared, needs, unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.compile import Catalog

CINDER_CONF = "ssh:vol1/config_file//etc/cinder/cinder.conf"
KEPT_CONF = "/etc/cinder/cinder-volume-vmdk.conf"
SERVICE = "openstack:demo/volume_service/vmdk@vmdk"
EXIT = "openstack:demo/volume_exit/vmdk@vmdk"
PLACE = "  placement: {nodes: {roles: [cinder-vmdk]}}\n  ha: none\n"
LEAVES = {PLACE: f"{PLACE}  remove: true\n"}
ON_CONTROLLERS = {PLACE: "  placement: {nodes: {roles: [controller]}}\n  ha: active-passive\n  remove: true\n"}
BESIDE = {**LEAVES, "{nodes: {roles: [cinder-nfs]}}": "{nodes: {names: [vol1]}}"}
ZONE = "openstack:demo/aggregate/kvm-az"
LIBVIRT = {"virtType: qemu": "virtType: qemu\n    leaving: [kvm1]"}
KVM1_EMPTY = {Address(TargetId("openstack", "demo"), "compute_exit", "kvm1 empty"): "drained"}
EMPTY = {Address(TargetId("openstack", "demo"), "volume_exit", "vmdk@vmdk empty"): "drained"}


def gone(catalog: Catalog) -> set[str]:
    """Return what must not exist."""
    return {str(address) for address, found in catalog.units.items() if found.desired is None}


def test_a_backend_with_volumes_is_closed_and_kept_as_it_is() -> None:
    """Its service runs, its section stays right and its type is there, as long as nobody knows that it is empty."""
    before, catalog = compiled(), compiled(LEAVES)
    added = {str(address) for address in catalog.units.keys() - before.units.keys()}
    assert added == {f"{EXIT} closed", f"{EXIT} empty"}
    others = {str(address) for address, found in before.units.items() if found.desired != catalog.units[address].desired}
    assert others == {SERVICE}
    assert declared(before, SERVICE).keys() - declared(catalog, SERVICE).keys() == {"left_closed"}
    assert f"{EXIT} closed" in needs(catalog, CINDER_CONF)
    assert f"{EXIT} closed" in needs(catalog, "ssh:vol1/service/cinder-volume")


def test_an_empty_backend_alone_on_its_node_goes_with_the_packaged_service() -> None:
    """The service is stopped, then section, files and type go; nothing of the other backend changes."""
    catalog = compiled(LEAVES, aliases=EMPTY)
    assert declared(catalog, "ssh:vol1/service/cinder-volume") == {"enabled": False, "active": False}
    conf = declared(catalog, CINDER_CONF)
    assert set(conf.values()) == {None}
    assert {"[DEFAULT] enabled_backends", "[vmdk] vmware_host_password", "[vmdk] vmware_api_retry_count"} <= conf.keys()
    assert f"{EXIT} empty" in needs(catalog, "ssh:vol1/service/cinder-volume")
    assert "ssh:vol1/service/cinder-volume" in needs(catalog, CINDER_CONF) & needs(catalog, f"{EXIT} silent")
    assert gone(catalog) == {"ssh:vol1/file//etc/cinder/vmdk-vcenter-ca.pem", "openstack:demo/volume_type/vmdk"}
    theirs = {address: found for address, found in compiled().units.items() if address.target.name == "vol2"}
    assert all(catalog.units[address] == found for address, found in theirs.items())


def test_an_empty_backend_beside_another_gives_up_its_section() -> None:
    """The packaged service goes on for the other one, and has to load that it serves no longer two."""
    full, empty = compiled(BESIDE), compiled(BESIDE, aliases=EMPTY)
    assert declared(full, CINDER_CONF)["[DEFAULT] enabled_backends"] == "kvm,vmdk"
    conf = declared(empty, CINDER_CONF)
    assert (conf["[DEFAULT] enabled_backends"], conf["[kvm] backend_host"]) == ("kvm", "kvm")
    assert {value for name, value in conf.items() if name.startswith("[vmdk]")} == {None}
    service = declared(empty, "ssh:vol1/service/cinder-volume")
    assert (service["active"], service["fresh"]) == (True, True)
    assert "ssh:vol1/service/cinder-volume" in needs(empty, "ssh:vol1/file//etc/cinder/vmdk-vcenter-ca.pem")
    assert "ssh:vol1/file//etc/cinder/kvm-shares" not in gone(empty)


def test_an_empty_backend_that_pacemaker_keeps_goes_with_all_that_is_its_own() -> None:
    """The resource first, then its places and, on every node, configuration, files and unit."""
    catalog = compiled(ON_CONTROLLERS, aliases=EMPTY)
    resource = "pacemaker:demo/primitive/cinder-volume-vmdk"
    expected = {resource, "openstack:demo/volume_type/vmdk"}
    for node in ("ctl1", "ctl2", "ctl3"):
        expected.add(f"pacemaker:demo/constraint/cinder-volume-vmdk-on-{node}")
        expected.add(f"ssh:{node}/systemd_unit/cinder-volume-vmdk.service")
        expected |= {f"ssh:{node}/file/{path}" for path in (KEPT_CONF, "/etc/cinder/vmdk-vcenter-ca.pem")}
    assert gone(catalog) == expected
    assert all(f"{EXIT} empty" in needs(catalog, address) for address in expected)
    files = [address for address in expected if address.startswith("ssh:")]
    assert all(resource in needs(catalog, address) for address in files)


def test_the_type_of_a_backend_that_leaves_may_be_its_successors() -> None:
    """Another backend that declares the same type has it; nobody deletes it."""
    catalog = compiled({**LEAVES, "volumeType: kvm\n": "volumeType: vmdk\n"}, aliases=EMPTY)
    assert declared(catalog, "openstack:demo/volume_type/vmdk")["spec volume_backend_name"] == "kvm"


def test_of_two_backends_that_leave_one_speaks_of_their_type() -> None:
    """The second one may have taken the type over from the first: they do not contradict each other."""
    nfs = "  placement: {nodes: {roles: [cinder-nfs]}}\n"
    catalog = compiled({**LEAVES, "volumeType: kvm\n": "volumeType: vmdk\n", nfs: f"{nfs}  remove: true\n"})
    assert declared(catalog, "openstack:demo/volume_type/vmdk")["spec volume_backend_name"] == "kvm"


def test_a_libvirt_compute_is_emptied_before_it_is_stopped_and_forgotten() -> None:
    """Stages in their order; it is let go of its aggregate when it is empty; package and libvirt stay."""
    full, catalog = compiled(LIBVIRT), compiled(LIBVIRT, aliases=KVM1_EMPTY)
    mine = [str(address) for address in catalog.units if address.target.name == "kvm1"]
    assert mine == ["ssh:kvm1/inventory/demo", "ssh:kvm1/service/nova-compute"]
    assert declared(catalog, "ssh:kvm1/service/nova-compute") == {"enabled": False, "active": False}
    row, out = "openstack:demo/compute_service/kvm1", "openstack:demo/compute_exit/kvm1"
    assert (gone(full), gone(catalog)) == (set(), {row})
    assert {f"{out} closed", f"{out} empty", "ssh:kvm1/service/nova-compute", f"{out} silent"} <= needs(catalog, row)
    assert f"{out} empty" in needs(catalog, "ssh:kvm1/service/nova-compute")
    assert "host kvm1" not in declared(full, ZONE)
    assert declared(catalog, ZONE)["host kvm1"] is None
    assert ZONE in needs(catalog, row)


def test_a_vcenter_that_nothing_refers_to_is_logged_in_to_and_no_more() -> None:
    """With its zone and backend deleted, nothing on hosts is of it."""
    catalog = compiled({"kind: VCenter\nmetadata: {name: vc1}": _two_vcenters()})
    mine = [str(address) for address, found in catalog.units.items() if "VCenter/vc2" in map(str, found.origins)]
    assert mine == ["vcenter:vc2/session/vc2"]


def _two_vcenters() -> str:
    second = "spec: {host: vc2.example, credentials: {secret: vc1}, tls: {insecure: true}}"
    head = "kind: VCenter\nmetadata: {name: vc2}"
    return f"{head}\n{second}\n---\napiVersion: bivisor/v1alpha1\nkind: VCenter\nmetadata: {{name: vc1}}"


def test_only_a_known_empty_backend_says_so() -> None:
    """Volumes, or no answer, leave everything declared as it was."""
    found = unit(compiled(LEAVES), f"{EXIT} empty")
    row: Mapping[str, object] = {"exists": True, "state": "up", "status": "disabled", "disabled_reason": None}
    empty, full = (found.observe((Reply(row), Reply({"volumes": names}))) for names in ([], ["data"]))
    assert (found.alias(empty), found.alias(full), found.alias(None)) == ("drained", "", "")
    assert diff(found, empty) == ()
    assert found.blocked(full).startswith("1 volume lives (data) on vmdk@vmdk")
