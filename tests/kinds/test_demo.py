"""What the demo's documents mean, unit by unit."""

from __future__ import annotations

import pytest

from reconciler.core.errors import InputError
from resources.contract import SecretText, digest_facts
from resources.units.primitive import Primitive
from resources.units.service import Service
from tests.kinds.cloud import SECRETS, compiled, declared, needs, unit

CONTROLLERS = ("ctl1", "ctl2", "ctl3")
COMPUTE = "nova-compute-vcenter-c0"
PRIMITIVE = f"pacemaker:demo/primitive/{COMPUTE}"


def test_a_vsphere_compute_is_the_same_on_every_controller() -> None:
    """Its whole configuration, state, unit and CA file are equal on all candidates, its packaged twin is masked."""
    catalog = compiled()
    for name in (
        "config_file//etc/nova/vcenter/vcenter-c0/nova.conf",
        "file//etc/nova/vcenter/vcenter-c0/vcenter-ca.pem",
        f"systemd_unit/{COMPUTE}.service",
        "directory//var/lib/nova/vcenter/vcenter-c0",
        "service/nova-compute",
    ):
        facts = [declared(catalog, f"ssh:{host}/{name}") for host in CONTROLLERS]
        assert facts[0] == facts[1] == facts[2], name
    assert declared(catalog, "ssh:ctl1/service/nova-compute") == {"masked": True, "active": False}


def test_a_vsphere_compute_knows_its_cluster_and_hides_nothing_behind_defaults() -> None:
    """The options that cost users days are all there; a dollar sign in the password is escaped for oslo.config."""
    facts = declared(compiled(), "ssh:ctl1/config_file//etc/nova/vcenter/vcenter-c0/nova.conf")
    expected = {
        "[DEFAULT] host": "vcenter-c0",
        "[DEFAULT] compute_driver": "vmwareapi.VMwareVCDriver",
        "[DEFAULT] state_path": "/var/lib/nova/vcenter/vcenter-c0",
        "[DEFAULT] reserved_host_memory_mb": "0",
        "[DEFAULT] report_interval": "5",
        "[cinder] cross_az_attach": "False",
        "[vmware] host_ip": "10.77.0.1",
        "[vmware] host_port": "9443",
        "[vmware] host_password": "pa$$$$word",
        "[vmware] cluster_name": "DC0_C0",
        "[vmware] datastore_regex": "^LocalDS",
        "[vmware] cache_prefix": "vcenter-c0",
        "[vmware] ca_file": "/etc/nova/vcenter/vcenter-c0/vcenter-ca.pem",
        "[vmware] task_poll_interval": "0.3",
        "[placement] region_name": "RegionOne",
        "mode": "0640",
        "group": "nova",
    }
    assert {name: facts[name] for name in expected} == expected
    assert "[vmware] insecure" not in facts


def test_credentials_are_tried_before_they_are_rolled_out() -> None:
    """No host's configuration is written before vCenter let the account in and has the cluster and a datastore."""
    catalog = compiled()
    tried = {"vcenter:vc1/session/vc1", "vcenter:vc1/compute_cluster/DC0_C0", "vcenter:vc1/datastores/DC0_C0 ^LocalDS"}
    for host in CONTROLLERS:
        assert tried <= needs(catalog, f"ssh:{host}/config_file//etc/nova/vcenter/vcenter-c0/nova.conf")
    assert "vcenter:vc1/session/vc1" in needs(catalog, "ssh:vol1/config_file//etc/cinder/cinder.conf")


def test_pacemaker_starts_a_compute_when_it_can_run_anywhere() -> None:
    """Before the resource exists each controller is ready, the ring is formed and the packaged compute is masked."""
    found = needs(compiled(), PRIMITIVE)
    for host in CONTROLLERS:
        assert {
            f"ssh:{host}/config_file//etc/nova/vcenter/vcenter-c0/nova.conf",
            f"ssh:{host}/systemd_unit/{COMPUTE}.service",
            f"ssh:{host}/directory//var/lib/nova/vcenter/vcenter-c0",
            f"ssh:{host}/service/nova-compute",
            f"ssh:{host}/service/pacemaker",
            f"pacemaker:demo/constraint/{COMPUTE}-on-{host}",
        } <= found
    assert {"pacemaker:demo/membership/ring", "pacemaker:demo/property/stonith-enabled"} <= found


def test_a_compute_knows_what_its_process_must_have_loaded() -> None:
    """The Pacemaker resource gets the digests of configuration, CA and unit file on each controller; they know it."""
    catalog = compiled()
    primitive = unit(catalog, PRIMITIVE)
    assert isinstance(primitive, Primitive)
    paths = (
        "/etc/nova/vcenter/vcenter-c0/nova.conf",
        "/etc/nova/vcenter/vcenter-c0/vcenter-ca.pem",
        f"/etc/systemd/system/{COMPUTE}.service",
    )
    assert {node: {path for path, _ in digests} for node, digests in primitive.loads_by_node} == {
        host: set(paths) for host in CONTROLLERS
    }
    written = unit(catalog, "ssh:ctl2/config_file//etc/nova/vcenter/vcenter-c0/nova.conf").actions((), None)
    assert written[0].args["readers"] == [f"{COMPUTE}.service"]
    assert written[0].args["owned"] == dict(dict(primitive.loads_by_node)["ctl2"])[paths[0]]


def test_another_password_is_another_digest_on_the_compute_alone() -> None:
    """A rotated vCenter password makes the vSphere compute and the VMDK service stale, and no libvirt compute."""
    before = compiled()
    after = compiled(secrets={**SECRETS, "vc1": {"username": SecretText("user"), "password": SecretText("other")}})
    stale = {
        str(address)
        for address, one in after.units.items()
        if one.loads
        and [after.units[load].digest() for load in one.loads] != [before.units[load].digest() for load in one.loads]
    }
    assert stale == {PRIMITIVE, "ssh:vol1/service/cinder-volume"}


def test_a_libvirt_compute() -> None:
    """Its packaged service runs with both files, under the node's name, and is a member of its zone when registered."""
    catalog = compiled()
    own = declared(catalog, "ssh:kvm1/config_file//etc/nova/nova-compute.conf")
    assert (own["mode"], own["group"]) == ("0640", "nova"), "a file that is made anew must be readable for the service"
    assert own["[DEFAULT] host"] == "kvm1"
    assert own["[libvirt] virt_type"] == "qemu"
    assert own["[libvirt] cpu_mode"] == "none"
    service = unit(catalog, "ssh:kvm1/service/nova-compute")
    assert isinstance(service, Service)
    assert set(service.digests) == {"/etc/nova/nova.conf", "/etc/nova/nova-compute.conf"}
    assert declared(catalog, "ssh:kvm1/config_file//etc/nova/nova.conf")["[cinder] cross_az_attach"] == "False"
    assert "ssh:kvm1/service/libvirtd" in needs(catalog, "ssh:kvm1/service/nova-compute")
    aggregate = "openstack:demo/aggregate/kvm-az"
    assert declared(catalog, aggregate) == {"availability_zone": "kvm-az", "host kvm1": True}
    assert {"openstack:demo/compute_service/kvm1", "ssh:kvm1/service/nova-compute"} <= needs(catalog, aggregate)


def test_the_hypervisors_package_is_installed_first() -> None:
    """Else apt would answer nova-compute's dependency with another hypervisor."""
    assert "ssh:kvm1/package/nova-compute-qemu" in needs(compiled(), "ssh:kvm1/package/nova-compute")


def test_of_the_existing_apis_only_a_few_options_are_owned() -> None:
    """nova-api may not let volumes cross zones, Glance keeps its store, and neither is enabled or started."""
    catalog = compiled()
    assert declared(catalog, "ssh:api1/config_file//etc/nova/nova.conf") == {"[cinder] cross_az_attach": "False"}
    assert declared(catalog, "ssh:api1/service/nova-api") == {"fresh": True}
    assert declared(catalog, "ssh:api1/config_file//etc/glance/glance-api.conf") == {
        "[DEFAULT] enabled_backends": "file:file",
        "[glance_store] default_backend": "file",
        "[file] filesystem_store_datadir": "/var/lib/glance/images",
    }


def test_a_ring_of_three() -> None:
    """Corosync's file names every member with its lasting id; the key is root's alone; Pacemaker runs on top."""
    catalog = compiled()
    conf = str(declared(catalog, "ssh:ctl3/file//etc/corosync/corosync.conf")["content"])
    for host, number in (("ctl1", 1), ("ctl2", 2), ("ctl3", 3)):
        assert f"    name: {host}\n    nodeid: {number}\n    ring0_addr: 10.77.0.1{number}\n" in conf
    assert "two_node" not in conf
    assert "sched_rr: no" in conf
    assert declared(catalog, "ssh:ctl1/file//etc/corosync/authkey")["mode"] == "0400"
    assert "ssh:ctl1/service/corosync" in needs(catalog, "ssh:ctl1/service/pacemaker")
    assert declared(catalog, "pacemaker:demo/membership/ring") == {"members": CONTROLLERS, "quorate": True}
    assert declared(catalog, "pacemaker:demo/property/symmetric-cluster") == {"value": "false"}


def test_a_ring_of_two_says_so() -> None:
    """Corosync needs to be told that there is no majority."""
    catalog = compiled({"controllers: {roles: [controller]}": "controllers: {names: [ctl1, ctl2]}", ", ctl3: 3}": "}"})
    assert "  two_node: 1\n" in str(declared(catalog, "ssh:ctl1/file//etc/corosync/corosync.conf")["content"])


def test_volume_backends() -> None:
    """Each backend has its section, the zone's name and its own identity, on its own node."""
    catalog = compiled()
    vmdk = declared(catalog, "ssh:vol1/config_file//etc/cinder/cinder.conf")
    assert vmdk["[DEFAULT] enabled_backends"] == "vmdk"
    assert vmdk["[vmdk] backend_availability_zone"] == "vcenter-az"
    assert vmdk["[vmdk] backend_host"] == "vmdk"
    assert vmdk["[vmdk] vmware_cluster_name"] == ("DC0_C0",)
    assert vmdk["[vmdk] vmware_ca_file"] == "/etc/cinder/vmdk-vcenter-ca.pem"
    nfs = declared(catalog, "ssh:vol2/config_file//etc/cinder/cinder.conf")
    assert nfs["[kvm] nfs_shares_config"] == "/etc/cinder/kvm-shares"
    assert declared(catalog, "ssh:vol2/file//etc/cinder/kvm-shares")["content"] == "nfshost:/kvmvols\n"


def test_two_backends_on_one_node_share_its_configuration() -> None:
    """Fragments of several documents are one file, and it enables both."""
    catalog = compiled({"roles: [cinder-nfs]\n": "roles: [cinder-nfs, cinder-vmdk]\n", "roles: [cinder-vmdk]\n": "roles: []\n"})
    facts = declared(catalog, "ssh:vol2/config_file//etc/cinder/cinder.conf")
    assert facts["[DEFAULT] enabled_backends"] == "kvm,vmdk"
    assert len(unit(catalog, "ssh:vol2/service/cinder-volume").origins) == 2


def test_a_controller_may_be_a_libvirt_compute_too() -> None:
    """Then its packaged nova-compute is that compute, and is not masked."""
    catalog = compiled({"placement: {nodes: {roles: [compute]}}": "placement: {nodes: {names: [kvm1, ctl1]}}"})
    assert declared(catalog, "ssh:ctl1/service/nova-compute")["active"] is True
    assert declared(catalog, "ssh:ctl2/service/nova-compute")["masked"] is True


def test_a_vsphere_compute_on_a_node_of_its_own_is_kept_by_systemd() -> None:
    """No Pacemaker resource then: the service starts at boot and again when it fails."""
    catalog = compiled({"placement: controllers": "placement: {nodes: {names: [vol2]}}"})
    assert not [address for address in catalog.units if address.type in ("primitive", "constraint")]
    content = str(declared(catalog, f"ssh:vol2/systemd_unit/{COMPUTE}.service")["content"])
    assert "Restart=on-failure\n" in content
    assert "WantedBy=multi-user.target\n" in content
    assert declared(catalog, f"ssh:vol2/service/{COMPUTE}")["active"] is True


def test_pacemaker_alone_starts_what_it_keeps() -> None:
    """The unit of a resource has no Install section and no Restart: systemd must not start a second one."""
    content = str(declared(compiled(), f"ssh:ctl1/systemd_unit/{COMPUTE}.service")["content"])
    assert "Restart=no\n" in content
    assert "[Install]" not in content


def test_since_2023_1_a_compute_has_one_identity_on_every_controller() -> None:
    """The identity file is equal everywhere, derived from the name, or the one that is declared."""
    path = "file//etc/nova/vcenter/vcenter-c0/compute_id"
    catalog = compiled({"release: zed": 'release: "2023.1"'})
    found = {declared(catalog, f"ssh:{host}/{path}")["content"] for host in CONTROLLERS}
    assert len(found) == 1
    known = "12345678-1234-1234-1234-123456789abc"
    catalog = compiled({"release: zed": "release: antelope", "host: vcenter-c0,": f"host: vcenter-c0, computeId: {known},"})
    assert declared(catalog, f"ssh:ctl1/{path}")["content"] == known
    assert not [address for address in compiled().units if address.name.endswith("compute_id")]


@pytest.mark.parametrize(
    ("secret", "value", "message"),
    [
        ("corosync-authkey", {"value": SecretText("short")}, 'Secret "corosync-authkey" must hold 128 to 4096 bytes, not 5'),
        (
            "transport-url",
            {"value": SecretText("user:pa55@mq")},
            'Secret "transport-url" must hold a URL such as rabbit://user:password@host:5672/',
        ),
        ("vc1", {"user": SecretText("u")}, 'Secret "vc1" has no key "username" (it has: user)'),
    ],
)
def test_a_secret_that_cannot_be_one(secret: str, value: dict[str, SecretText], message: str) -> None:
    """What a secret lacks is said at the field that names it, and the value is not shown."""
    with pytest.raises(InputError) as caught:
        compiled(secrets={**SECRETS, secret: value})
    assert message in str(caught.value)
    assert "pa55" not in str(caught.value)


def test_equal_documents_give_equal_units() -> None:
    """Compiling is a function: the digests of all units are the same every time."""
    first, second = compiled(), compiled()
    assert [digest_facts(unit.desired or {}) for unit in first.units.values()] == [
        digest_facts(unit.desired or {}) for unit in second.units.values()
    ]


def test_members_of_the_ring_restart_one_at_a_time() -> None:
    """The Corosync services are parts of one ring, and the ring is looked at after each of them was restarted."""
    catalog = compiled()
    parts = {str(address): one.exclusive() for address, one in catalog.units.items() if one.exclusive()}
    assert parts == {f"ssh:ctl{number}/service/corosync": "the ring of demo" for number in (1, 2, 3)}
    assert set(parts) <= set(needs(catalog, "pacemaker:demo/membership/ring"))
