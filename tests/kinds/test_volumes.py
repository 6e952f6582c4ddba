"""What volume backends mean: their drivers, where their services run, and what Cinder is told."""

from __future__ import annotations

import pytest

from resources.contract import SecretText
from resources.endpoints import PacemakerEndpoint
from resources.units.primitive import Primitive
from tests.kinds.cloud import SECRETS, compiled, declared, needs, unit

BOTH = ("vol1", "vol2")
SERVICE = "cinder-volume-vmdk"
PRIMITIVE = f"pacemaker:demo/primitive/{SERVICE}"
CONF = f"config_file//etc/cinder/{SERVICE}.conf"
VMDK = "  placement: {nodes: {roles: [cinder-vmdk]}}\n  ha: none\n"
PLACEMENT = "  placement: {nodes: {roles: [cinder-nfs]}}\n"
NFS = '  driver: nfs\n  nfs: {shares: ["nfshost:/kvmvols"]}\n' + PLACEMENT
KEY = {
    "authkey: {secret: corosync-authkey}": "authkey: {secret: corosync-authkey}\n    remoteAuthkey: {secret: corosync-authkey}"
}
REMOTE = {**KEY, VMDK: "  placement: {nodes: {names: [vol1, vol2]}}\n  ha: active-passive\n"}
ON_CONTROLLERS = {VMDK: "  placement: {nodes: {roles: [controller]}}\n  ha: active-passive\n"}
FENCED = {"enabled: false\n      reason:": "enabled: true\n      reason:"}


def test_an_active_passive_backend_is_the_same_on_every_node() -> None:
    """Configuration, CA and unit files are equal on all of its nodes, and complete without the node's shared file."""
    catalog = compiled(REMOTE)
    for name in (CONF, "file//etc/cinder/vmdk-vcenter-ca.pem", f"systemd_unit/{SERVICE}.service"):
        first, second = (declared(catalog, f"ssh:{host}/{name}") for host in BOTH)
        assert first == second, name
    facts = declared(catalog, f"ssh:vol1/{CONF}")
    expected = {
        "[DEFAULT] enabled_backends": "vmdk",
        "[DEFAULT] state_path": "/var/lib/cinder",
        "[DEFAULT] transport_url": "rabbit://user:p@mq:5672/",
        "[DEFAULT] report_interval": "5",
        "[DEFAULT] vmdk_allowed_types": "streamOptimized,monolithicSparse",
        "[database] connection": "mysql+pymysql://user:p@db/cinder",
        "[vmdk] backend_host": "vmdk",
        "[vmdk] volume_backend_name": "vmdk",
        "[vmdk] backend_availability_zone": "vcenter-az",
        "[vmdk] vmware_host_password": "pa$$$$word",
    }
    assert {name: facts[name] for name in expected} == expected
    unit_file = str(declared(catalog, f"ssh:vol1/systemd_unit/{SERVICE}.service")["content"])
    assert f"ExecStart=/usr/bin/cinder-volume --config-file /etc/cinder/{SERVICE}.conf\n" in unit_file
    assert "User=cinder\n" in unit_file
    assert "Restart=no\n" in unit_file


def test_a_section_is_the_same_in_every_mode() -> None:
    """Volumes belong to host and section: another way to keep the service running leaves every option of it alone."""
    shared = {VMDK: "  placement: {nodes: {names: [vol1, vol2]}}\n  ha: shared-host\n"}
    sections = [
        {name: value for name, value in declared(compiled(changes), address).items() if name.startswith("[vmdk]")}
        for changes, address in (
            ({}, "ssh:vol1/config_file//etc/cinder/cinder.conf"),
            (shared, "ssh:vol1/config_file//etc/cinder/cinder.conf"),
            (shared, "ssh:vol2/config_file//etc/cinder/cinder.conf"),
            (REMOTE, f"ssh:vol2/{CONF}"),
            (ON_CONTROLLERS, f"ssh:ctl2/{CONF}"),
        )
    ]
    assert all(section == sections[0] for section in sections)


def test_pacemaker_keeps_it_on_remote_nodes() -> None:
    """Each node off the ring has the daemon and the key; the ring's members may hold the connection; places name both."""
    catalog = compiled(REMOTE)
    for host, address in zip(BOTH, ("10.77.0.31", "10.77.0.32"), strict=True):
        assert declared(catalog, f"ssh:{host}/service/pacemaker_remote")["active"] is True
        key = declared(catalog, f"ssh:{host}/file//etc/pacemaker/authkey")
        assert key == declared(catalog, "ssh:ctl3/file//etc/pacemaker/authkey")
        assert (key["mode"], key["group"]) == ("0640", "haclient")
        connection = declared(catalog, f"pacemaker:demo/primitive/{host}")
        assert (connection["provider"], connection["agent"], connection["param server"]) == ("pacemaker", "remote", address)
        assert declared(catalog, f"pacemaker:demo/constraint/{host}-on-ctl1")["node"] == "ctl1"
        assert declared(catalog, f"pacemaker:demo/constraint/{SERVICE}-on-{host}") == {
            "resource": SERVICE,
            "node": host,
            "score": "0",
        }
        found = needs(catalog, PRIMITIVE)
        assert {f"pacemaker:demo/primitive/{host}", f"ssh:{host}/{CONF}"} <= found
        assert {"ssh:ctl2/file//etc/pacemaker/authkey", f"pacemaker:demo/constraint/{host}-on-ctl2"} <= found
    (endpoint,) = (found for found in catalog.endpoints.values() if isinstance(found, PacemakerEndpoint))
    assert set(endpoint.members) == {"ctl1", "ctl2", "ctl3"}
    assert {name: str(target) for name, target in endpoint.remotes.items()} == {"vol1": "ssh:vol1", "vol2": "ssh:vol2"}


def test_a_lost_remote_node_comes_back_by_itself_only_where_it_was_fenced() -> None:
    """Else Pacemaker would try in vain, think that the lost service runs, and restart the next one: it stays out till asked."""
    connection = "pacemaker:demo/primitive/vol1"
    facts = declared(compiled(REMOTE), connection)
    assert facts["op monitor on-fail"] == "stop"
    assert declared(compiled(REMOTE), "pacemaker:demo/property/cluster-recheck-interval") == {"value": "30s"}
    assert "param reconnect_interval" not in facts
    facts = declared(compiled({**REMOTE, **FENCED}), connection)
    assert facts["param reconnect_interval"] == "20s"
    assert "op monitor on-fail" not in facts
    for catalog in (compiled({**REMOTE, **FENCED}), compiled(ON_CONTROLLERS)):
        assert not [address for address in catalog.units if address.name == "cluster-recheck-interval"]


def test_on_controllers_no_remote_node_is_needed() -> None:
    """A backend whose nodes are all in the ring is like a vSphere compute there: nothing of pacemaker_remote is declared."""
    catalog = compiled(ON_CONTROLLERS)
    assert not [address for address in catalog.units if "remote" in address.name or address.name == "/etc/pacemaker/authkey"]
    assert "corosync-quorumtool" in str(declared(catalog, f"ssh:ctl1/systemd_unit/{SERVICE}.service")["content"])
    assert declared(catalog, f"pacemaker:demo/constraint/{SERVICE}-on-ctl3")["node"] == "ctl3"


def test_a_service_knows_what_its_process_must_have_loaded() -> None:
    """The Pacemaker resource gets the digests of what it loads on each node, remote ones too."""
    primitive = unit(compiled(REMOTE), PRIMITIVE)
    assert isinstance(primitive, Primitive)
    assert primitive.unit == f"{SERVICE}.service"
    paths = {f"/etc/cinder/{SERVICE}.conf", "/etc/cinder/vmdk-vcenter-ca.pem", f"/etc/systemd/system/{SERVICE}.service"}
    found = {node: {path for path, _ in digests} for node, digests in primitive.loads_by_node}
    assert all(paths <= found[host] for host in BOTH)


def test_a_remote_node_that_is_cut_off_stops_its_service_where_nothing_fences_it() -> None:
    """Without fencing the service is bound to a lifeline, and a start waits while a node is missing; else neither is there."""
    catalog = compiled(REMOTE)
    content = str(declared(catalog, f"ssh:vol1/systemd_unit/{SERVICE}.service")["content"])
    assert f"BindsTo={SERVICE}-lifeline.service\n" in content
    assert "crm_mon -1" in content
    lifeline = str(declared(catalog, f"ssh:vol1/systemd_unit/{SERVICE}-lifeline.service")["content"])
    assert "StopWhenUnneeded=yes\n" in lifeline
    fenced = compiled({**REMOTE, **FENCED})
    content = str(declared(fenced, f"ssh:vol1/systemd_unit/{SERVICE}.service")["content"])
    assert not [word for word in ("BindsTo", "ExecStartPre") if word in content]
    assert not [address for address in fenced.units if "lifeline" in address.name]


def test_the_packaged_service_is_masked_unless_a_backend_needs_it() -> None:
    """Beside an active-passive backend it would be a second live process; the other backend of its node keeps it."""
    catalog = compiled(REMOTE)
    assert {f"ssh:{host}/service/cinder-volume" for host in BOTH} <= needs(catalog, PRIMITIVE), "it has let go of vmdk"
    assert declared(catalog, "ssh:vol1/service/cinder-volume") == {"masked": True, "active": False}
    assert declared(catalog, "ssh:vol2/service/cinder-volume")["active"] is True
    assert declared(catalog, "ssh:vol2/config_file//etc/cinder/cinder.conf")["[DEFAULT] enabled_backends"] == "kvm"


def test_in_shared_host_mode_all_nodes_serve_as_one() -> None:
    """The packaged service runs on each node with one identity, and Cinder has one service of it."""
    catalog = compiled({VMDK: "  placement: {nodes: {names: [vol1, vol2]}}\n  ha: shared-host\n"})
    assert all(declared(catalog, f"ssh:{host}/service/cinder-volume")["active"] is True for host in BOTH)
    assert not [address for address in catalog.units if address.name.startswith(SERVICE)]
    services = [str(address) for address in catalog.units if address.type == "volume_service"]
    assert sorted(services) == ["openstack:demo/volume_service/kvm@kvm", "openstack:demo/volume_service/vmdk@vmdk"]
    found = needs(catalog, "openstack:demo/volume_service/vmdk@vmdk")
    assert {f"ssh:{host}/service/cinder-volume" for host in BOTH} <= found


def test_cinder_is_asked_for_the_service_and_users_get_a_type() -> None:
    """The service is up in its zone once it is kept; the type leads to the backend, and to its zone alone."""
    catalog = compiled({**REMOTE, "  volumeType: vmdk\n": "  volumeType: fast\n  backendHost: vcenter-volumes\n"})
    service = "openstack:demo/volume_service/vcenter-volumes@vmdk"
    assert declared(catalog, service) == {
        "registered": True,
        "state": "up",
        "availability_zone": "vcenter-az",
        "left_closed": False,
    }
    assert PRIMITIVE in needs(catalog, service)
    assert declared(catalog, "openstack:demo/volume_type/fast") == {
        "public": True,
        "spec volume_backend_name": "vmdk",
        "spec RESKEY:availability_zones": "vcenter-az",
    }


def test_a_backend_without_a_type_makes_none() -> None:
    """Types are made only where they are declared."""
    catalog = compiled({"  volumeType: kvm\n": ""})
    assert [address.name for address in catalog.units if address.type == "volume_type"] == ["vmdk"]


@pytest.mark.parametrize(
    ("block", "expected", "packages"),
    [
        (
            "  driver: lvm\n  lvm: {volumeGroup: cinder-volumes}\n" + PLACEMENT,
            {
                "volume_driver": "cinder.volume.drivers.lvm.LVMVolumeDriver",
                "volume_group": "cinder-volumes",
                "target_helper": "tgtadm",
                "target_protocol": "iscsi",
                "target_ip_address": "10.77.0.32",
            },
            {"tgt"},
        ),
        (
            "  driver: rbd\n  rbd: {pool: volumes, secretUuid: 457eb676-33da-42ec-9a8c-9293d545c337}\n" + PLACEMENT,
            {
                "volume_driver": "cinder.volume.drivers.rbd.RBDDriver",
                "rbd_pool": "volumes",
                "rbd_user": "cinder",
                "rbd_ceph_conf": "/etc/ceph/ceph.conf",
                "rbd_secret_uuid": "457eb676-33da-42ec-9a8c-9293d545c337",
            },
            {"ceph-common", "python3-rbd"},
        ),
        (
            NFS.replace('kvmvols"]', 'kvmvols"], mountOptions: "vers=4"'),
            {
                "volume_driver": "cinder.volume.drivers.nfs.NfsDriver",
                "nfs_shares_config": "/etc/cinder/kvm-shares",
                "nfs_mount_options": "vers=4",
            },
            set(),
        ),
    ],
)
def test_drivers_of_libvirt_zones(block: str, expected: dict[str, str], packages: set[str]) -> None:
    """Each driver gets its own options beside those that all have, and the packages that it needs."""
    catalog = compiled({NFS: block})
    facts = declared(catalog, "ssh:vol2/config_file//etc/cinder/cinder.conf")
    assert {name: facts[f"[kvm] {name}"] for name in expected} == expected
    assert facts["[DEFAULT] glance_api_servers"] is None, "Debian's file looks for Glance on the volume node"
    assert "[DEFAULT] vmdk_allowed_types" not in facts
    found = {address.name for address in catalog.units if address.type == "package" and address.target.name == "vol2"}
    assert found == {"cinder-volume", *packages}


def test_first_class_disks_have_the_options_of_vmdk() -> None:
    """The fcd driver has no options of its own: only its class and its image formats differ."""
    changes = {"  driver: vmdk\n": "  driver: fcd\n  vmware: {folder: fcds, allowedTypes: [streamOptimized]}\n"}
    facts = declared(compiled(changes), "ssh:vol1/config_file//etc/cinder/cinder.conf")
    assert facts["[vmdk] volume_driver"] == "cinder.volume.drivers.vmware.fcd.VMwareVStorageObjectDriver"
    assert facts["[vmdk] vmware_volume_folder"] == "fcds"
    assert facts["[vmdk] vmware_cluster_name"] == ("DC0_C0",)
    assert facts["[DEFAULT] vmdk_allowed_types"] == "streamOptimized"


def test_another_password_makes_the_kept_service_stale() -> None:
    """A rotated vCenter password reaches the kept service by a Pacemaker restart, on whichever node it is."""
    before = compiled(REMOTE)
    after = compiled(REMOTE, secrets={**SECRETS, "vc1": {"username": SecretText("user"), "password": SecretText("other")}})
    old, new = (unit(catalog, PRIMITIVE) for catalog in (before, after))
    assert isinstance(old, Primitive)
    assert isinstance(new, Primitive)
    assert [node for node, _ in new.loads_by_node] == list(BOTH)
    assert all(one != other for one, other in zip(old.loads_by_node, new.loads_by_node, strict=True))
