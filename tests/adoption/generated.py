"""Clouds that documents could declare, generated: every kind, and of each what it can say that leaves a trace in the world."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from hypothesis import strategies as st

from resources.contract import SecretText
from resources.releases.table import RELEASES

if TYPE_CHECKING:
    from resources.cloud import Secrets

Draw = Any

NEW = ("zed", "2023.1", "2024.1", "2026.2")
OLD = ("mitaka", "queens", "stein", "train")
"""Not Juno, whose drivers check no certificate and say nothing of one: of such a cloud a person has to say it."""

SERVICES = {"project": "services", "userDomain": "Services", "projectDomain": "Services"}
# what oslo.config, URLs, XML, YAML and shells each take for something of their own
PASSWORDS = st.text(alphabet="aB3$%&<>'\"#:@/\\{}é ", min_size=4, max_size=12).filter(lambda text: text == text.strip())
WORDS = st.from_regex(r"[a-z][a-z0-9]{2,6}", fullmatch=True)
SETTINGS = st.dictionaries(
    st.sampled_from(["DEFAULT", "workarounds", "oslo_messaging_rabbit"]),
    st.dictionaries(
        st.sampled_from(["report_interval", "debug", "some_option", "heartbeat_rate"]),
        st.one_of(st.integers(0, 9999), st.booleans(), st.sampled_from(["$state_path/x", "a, b", "0.3", "07", "yes", "C:\\x"])),
        min_size=1,
        max_size=2,
    ),
    max_size=2,
)


_KEY = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + b"k" * 32
HOST_KEY = f"ssh-ed25519 {base64.b64encode(_KEY).decode()}"


@dataclass(frozen=True)
class Declared:
    """Documents, the values of their secrets, and the names of their vCenters by host."""

    texts: dict[str, str]
    secrets: Secrets
    vcenters: dict[str, str]


def document(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Return a document as YAML's data, fields without a value left out."""
    there = {key: value for key, value in spec.items() if value is not None}
    return {"apiVersion": "bivisor/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": there}


@st.composite
def clouds(draw: Draw) -> Declared:
    """Return a cloud."""
    release = draw(st.sampled_from(NEW + OLD))
    vmware = draw(st.booleans())
    dvs = vmware and draw(st.booleans())
    zones = [*draw(libvirt_zones(0 if vmware else 1)), *(draw(vmware_zones(release, dvs=dvs)) if vmware else [])]
    backends = draw(volume_backends(zones, release))
    stores = draw(image_stores(release, vmware=vmware))
    nodes = draw(_nodes(zones))
    secrets = draw(_secrets())
    hosts = {"vc1": "10.9.0.1", "vc2": "vcenter.example"}
    imaging = {one["spec"]["vmware"]["vcenter"] for one in stores if one["spec"].get("vmware")}
    used = {zone["spec"]["vmware"]["vcenter"] for zone in zones if "vmware" in zone["spec"]}
    documents = [
        draw(clusters(release, dvs=dvs, vmware=vmware, backends=backends, stores=stores)), *nodes,
        *(draw(vcenters(name, host, https=name in imaging)) for name, host in hosts.items() if name in used),
        *zones, *backends, *stores,
        *(document("Secret", name, {"file": f"{name}.yaml" if len(values) > 1 else name}) for name, values in secrets.items()),
    ]  # fmt: skip
    return Declared(
        {"desired/all.yaml": yaml.safe_dump_all(documents, allow_unicode=True)},
        secrets,
        {host: name for name, host in hosts.items()},
    )


@st.composite
def clusters(  # noqa: PLR0913 - all that it depends on
    draw: Draw, release: str, *, dvs: bool, vmware: bool, backends: list[Any], stores: list[Any]
) -> dict[str, Any]:
    """Return the Cluster."""
    kept = any(one["spec"].get("ha") == "active-passive" for one in backends)
    fenced = draw(st.booleans())
    flags = st.sampled_from([{}, {"moveToRootCgroup": False}, {"moveToRootCgroup": True, "schedRr": False}])
    properties = {
        key: value for key, value in (("symmetric-cluster", "true"), ("start-failure-is-fatal", "true")) if draw(st.booleans())
    }
    pacemaker = {
        "controllers": {"roles": ["controller"]},
        "authkey": {"secret": "authkey"},
        "remoteAuthkey": {"secret": "remotekey"} if kept else None,
        "stonith": None if fenced else {"enabled": False, "reason": "a test"},
        "noQuorumPolicy": draw(st.sampled_from([None, "freeze", "stop"])),
        "nodeIds": draw(st.sampled_from([None, {"ctl1": 3, "ctl2": 1, "ctl3": 7}])),
        "properties": properties or None,
        "system": draw(flags),
    }
    spec = {
        "release": release,
        "region": draw(st.sampled_from([None, "Region Two"])),
        "identity": {
            "authUrl": "http://keystone:5000/v3",
            "credentials": {"secret": "admin"},
            **draw(_domains()),
            **draw(st.sampled_from([{}, {"caFile": __file__}])),
        },
        "messaging": {"transportUrl": {"secret": "transport"}},
        "services": {
            "nova": {"secret": "nova"},
            **({"cinder": {"secret": "cinder"}} if backends else {}),
            **({"glance": {"secret": "glance"}} if any(one["spec"]["driver"] == "swift" for one in stores) else {}),
            # with nova-network no older service says them
            **(draw(st.sampled_from([{}, SERVICES])) if RELEASES[release].nova >= RELEASES["queens"].nova else {}),
        },
        "databases": {"cinder": {"secret": "database"}} if backends else None,
        "network": draw(_networks(release, dvs=dvs, vmware=vmware)),
        "ssh": draw(st.sampled_from([None, {"user": "ops", "port": 2222}])),
        "pacemaker": {key: value for key, value in pacemaker.items() if value is not None},
        "api": draw(st.sampled_from([None, {"nodes": {"roles": ["api"]}}])),
        "compute": {"settings": {**draw(SETTINGS), **_glance_of(release)}},
    }
    return document("Cluster", "demo", spec)


@st.composite
def vcenters(draw: Draw, name: str, host: str, *, https: bool) -> dict[str, Any]:
    """Return a VCenter; Glance takes its port for granted."""
    tls = draw(st.sampled_from([{"insecure": True}, {"caFile": "ca.pem"}]))
    port = None if https else draw(st.sampled_from([None, 9443]))
    return document("VCenter", name, {"host": host, "port": port, "credentials": {"secret": name}, "tls": tls})


@st.composite
def libvirt_zones(draw: Draw, least: int) -> list[dict[str, Any]]:
    """Return up to two zones of libvirt computes."""
    zones = []
    for number in range(1, draw(st.integers(least, 2)) + 1):
        libvirt = {
            "virtType": draw(st.sampled_from(["kvm", "qemu"])),
            "cpuMode": draw(st.sampled_from([None, "none", "host-model"])),
            "imagesType": draw(st.sampled_from([None, "qcow2", "rbd"])),
            "settings": draw(SETTINGS),
        }
        spec = {
            "availabilityZone": draw(st.sampled_from([f"kvm-{number}", f"KVM zone {number}"])),
            "hypervisor": "libvirt",
            "libvirt": {key: value for key, value in libvirt.items() if value is not None},
            "placement": {"nodes": {"roles": [f"compute{number}"]}},
            "images": draw(st.sampled_from([None, [{"name": f"kvm image {number}"}]])),
        }
        zones.append(document("HypervisorZone", f"kvm-az{number}", spec))
    return zones


@st.composite
def vmware_zones(draw: Draw, release: str, *, dvs: bool) -> list[dict[str, Any]]:
    """Return one or two zones of vSphere computes, each with its vCenter."""
    zones = []
    for number in range(1, draw(st.integers(1, 2)) + 1):
        on_controllers = draw(st.booleans())
        computes = [_compute(draw, release, number, index) for index in range(draw(st.integers(1, 2)))]
        if dvs and draw(st.booleans()):
            computes = [{**compute, "dvs": draw(_maps())} for compute in computes]
        vmware = {
            "vcenter": f"vc{number}",
            "computes": computes,
            "program": draw(st.sampled_from([None, "/opt/nova/bin/nova-compute"])),
            "settings": draw(SETTINGS),
            "dvs": draw(_maps()) if dvs else None,
        }
        spec = {
            "availabilityZone": f"vc-{number}",
            "hypervisor": "vmware",
            "vmware": {key: value for key, value in vmware.items() if value is not None},
            "placement": "controllers" if on_controllers else {"nodes": {"roles": [f"vmware{number}"]}},
        }
        zones.append(document("HypervisorZone", f"vc-az{number}", spec))
    return zones


def _compute(draw: Draw, release: str, number: int, index: int) -> dict[str, Any]:
    compute: dict[str, Any] = {
        "cluster": draw(st.sampled_from([f"DC{number}_C{index}", f"Cluster #{number} $ {index}"])),
        "host": f"vc{number}-c{index}",
        "datastoreRegex": draw(st.sampled_from(["", "^Local$", "^ds[0-9]+: x"])),
    }
    if RELEASES[release].has_compute_id and draw(st.booleans()):
        compute["computeId"] = f"5f0c0a3e-0000-4000-8000-00000000{number}{index}00"
    return compute


@st.composite
def volume_backends(draw: Draw, zones: list[dict[str, Any]], release: str) -> list[dict[str, Any]]:
    """Return up to three backends for these zones."""
    found: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 3)) if zones else 0):
        zone = draw(st.sampled_from(zones))
        name = f"store{number}"
        vmware = zone["spec"]["hypervisor"] == "vmware"
        driver = draw(st.sampled_from(["vmdk", "fcd"] if vmware else ["lvm", "rbd", "nfs"]))
        disks = st.sampled_from([None, {"folder": "Disks of ours", "allowedTypes": ["streamOptimized"]}])
        # older releases have no such helper
        modern = [{"volumeGroup": "vg-1", "targetHelper": "nvmet", "targetProtocol": "nvmet_tcp"}] if release in NEW else []
        rbd = {"pool": "p", "user": "u", "secretUuid": "5f0c0a3e-0000-4000-8000-000000000001", "cephConf": "/etc/ceph/b.conf"}
        blocks = {
            "vmdk": disks,
            "fcd": disks,
            "lvm": st.sampled_from([{"volumeGroup": "vg0"}, {"volumeGroup": "vg0", "targetHelper": "lioadm"}, *modern]),
            "rbd": st.sampled_from([{"pool": "p"}, rbd]),
            "nfs": st.sampled_from([{"shares": ["a:/x", "b:/y"]}, {"shares": ["a:/x"], "mountOptions": "vers=4.1,nosuid"}]),
        }
        ha = "none" if driver == "lvm" else draw(st.sampled_from(["none", "active-passive", "shared-host"]))
        spec = {
            "zone": zone["metadata"]["name"],
            "driver": driver,
            "placement": {"nodes": {"names": ["vol1"] if ha == "none" else ["vol1", "vol2"]}},
            "ha": ha,
            "volumeType": draw(st.sampled_from([None, f"fast {number}"])),
            "backendHost": draw(st.sampled_from([None, f"former-host{number}"])),
            "vmware" if vmware else driver: draw(blocks[driver]),
            "settings": {name: {"some_option": draw(st.integers(0, 9))}} if draw(st.booleans()) else {},
        }
        found.append(document("VolumeBackend", name, spec))
    return found


@st.composite
def image_stores(draw: Draw, release: str, *, vmware: bool) -> list[dict[str, Any]]:
    """Return one store of each of several drivers, one of them the default; or none."""
    drivers = ["file", "rbd", "swift", *(["vmware"] if vmware else [])]
    chosen = draw(st.lists(st.sampled_from(drivers), unique=True, max_size=3))
    if release == "stein":
        chosen = chosen[:1]
    blocks = {
        "file": st.sampled_from([None, {"directory": "/srv/images"}]),
        "rbd": st.sampled_from([None, {"pool": "p", "user": "u", "cephConf": "/etc/ceph/b.conf"}]),
        "swift": st.sampled_from([None, {"container": "c", "reference": "ref1", "createContainer": False}]),
        "vmware": st.sampled_from([{"vcenter": "vc1", "datastores": ["DC0:ds1:10", "DC0:ds 2"], "imageDir": "x"}]),
    }
    named = RELEASES[release].has_glance_multistore
    return [
        document(
            "ImageStore", f"images{number}" if named else driver,
            {
                "driver": driver,
                "default": number == 0,
                "nodes": {"roles": ["image"]},
                driver: draw(blocks[driver]),
                "settings": draw(st.sampled_from([{}, {f"images{number}" if named else "glance_store": {"some_option": 7}}])),
            },
        )
        for number, driver in enumerate(chosen)
    ]  # fmt: skip


@st.composite
def _networks(draw: Draw, release: str, *, dvs: bool, vmware: bool) -> dict[str, Any]:
    if dvs:
        api = {
            "nodes": {"roles": ["network"]},
            "mechanismDrivers": ["openvswitch", "vmware_dvs"],
            "tenantNetworkTypes": ["vlan"],
        }
        found = {
            "package": "python3-networking-vsphere",
            "program": draw(st.sampled_from([None, "/opt/dvs/agent"])),
            "api": draw(st.sampled_from([None, api, {**api, "services": ["neutron-api", "neutron-rpc-server"]}])),
            "settings": draw(st.sampled_from([{}, {"DVS_AGENT": {"report_interval": 10}}])),
        }
        return {"manager": "neutron", "dvs": {key: value for key, value in found.items() if value is not None}}
    if RELEASES[release].has_nova_network and draw(st.booleans()):
        kinds = [{}, {"type": "vlan", "interface": "eth1"}, {"bridge": "br7", "interface": "eth1", "publicInterface": "eth0"}]
        mode = "single-host" if vmware else "multi-host"
        host = {"host": draw(st.sampled_from(["nova-network-ha", "the-network"]))} if vmware else {}
        return {"manager": "nova-network", "mode": mode, "novaNetwork": {**draw(st.sampled_from(kinds)), **host}}
    return {"manager": "neutron"}


@st.composite
def _maps(draw: Draw) -> dict[str, Any]:
    uplinks = [{}, {"physnet1": {"active": ["up1", "up2"], "standby": ["up3"]}, "physnet2": {"active": ["up 4"]}}]
    return {"networkMaps": {"physnet1": "DVS0", "physnet2": "Other Switch"}, "uplinkMaps": draw(st.sampled_from(uplinks))}


def _domains() -> Any:
    return st.sampled_from([{}, {"project": "ops", "userDomain": "Ops", "projectDomain": "Ops"}])


def _glance_of(release: str) -> dict[str, Any]:
    """Before Queens it must be said where Glance is."""
    return {} if RELEASES[release].nova > 16 else {"glance": {"api_servers": "http://glance:9292"}}


@st.composite
def _nodes(draw: Draw, zones: list[dict[str, Any]]) -> list[dict[str, Any]]:
    roles = {f"ctl{number}": ["controller"] for number in (1, 2, 3)}
    roles |= {"api1": ["api", "image", "network"], "vol1": [], "vol2": []}
    for number in (1, 2):
        roles |= {f"kvm{number}{letter}": [f"compute{number}"] for letter in ("a", "b")[: draw(st.integers(1, 2))]}
        roles[f"vmw{number}"] = [f"vmware{number}"]
    del zones
    ssh = st.sampled_from([None, {"user": "ops"}, {"port": 2200}, {"hostKey": HOST_KEY}])
    return [
        document(
            "Node", name, {"address": f"10.8.0.{index}", "roles": found, "ssh": draw(ssh), "computeHost": _host(draw, name)}
        )
        for index, (name, found) in enumerate(roles.items(), start=1)
    ]


def _host(draw: Draw, name: str) -> str | None:
    """Return what Nova calls the compute of a libvirt host, where that is not its name."""
    return draw(st.sampled_from([None, f"{name}.example.com"])) if name.startswith("kvm") else None


@st.composite
def _secrets(draw: Draw) -> Secrets:
    def account() -> dict[str, SecretText]:
        return {"username": SecretText(draw(WORDS)), "password": SecretText(draw(PASSWORDS))}

    found: dict[str, dict[str, SecretText]] = {name: account() for name in ("admin", "nova", "cinder", "glance", "vc1", "vc2")}
    found["transport"] = {"value": SecretText(f"rabbit://u:{draw(WORDS)}$x@mq:5672/")}
    found["database"] = {"value": SecretText("mysql+pymysql://c:p%24@db/cinder")}
    binary = b"\x80\xff\n" + b"k" * 126
    keys = [b"k" * 128, binary, b"k" * 130 + b"\xfe\n"]
    for name in ("authkey", "remotekey"):
        found[name] = {"value": SecretText(draw(st.sampled_from(keys)).decode("utf-8", "surrogateescape"))}
    return found
