"""Units of an OpenStack and of a vCenter, with clouds that they might find."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from resources.contract import Address
from resources.units.aggregate import Aggregate
from resources.units.compute_cluster import HYPERVISOR, ComputeCluster
from resources.units.compute_exit import ComputeExit
from resources.units.compute_service import ComputeService
from resources.units.computes import Computes
from resources.units.datastores import Datastores
from resources.units.distributed_switch import DistributedSwitch
from resources.units.image_datastores import ImageDatastores
from resources.units.image_property import ImageProperty
from resources.units.port_group import PortGroup
from resources.units.session import Session
from resources.units.volume_exit import VolumeExit
from resources.units.volume_service import VolumeService
from resources.units.volume_type import VolumeType
from tests.units.drawn import DEMO, VC1, Case, some
from tests.units.model.openstack import OpenStack
from tests.units.model.vcenter import VCenter

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from resources.contract import Facts

zones = st.sampled_from(["kvm-az", "nova"])
lodgers = st.lists(st.sampled_from(["web", "db"]), max_size=2)
reasons = st.sampled_from([None, "new disks", "set by vmwareapi host_state"])


def rows(**more: SearchStrategy[Any]) -> SearchStrategy[dict[str, Any]]:
    """Draw the row of a service."""
    states, switched = st.sampled_from(["up", "down"]), st.sampled_from(["enabled", "disabled"])
    return st.fixed_dictionaries({"state": states, "status": switched, "disabled_reason": reasons, **more})


def computes() -> SearchStrategy[dict[str, Any]]:
    """Draw the row of a nova-compute."""
    hypervisor = st.sampled_from([None, {"type": "QEMU", "hostname": "kvm1"}, {"type": HYPERVISOR, "hostname": "domain-c8.u"}])
    return rows(id=st.just(1), hypervisor=hypervisor, reported_at=st.sampled_from([None, 9_000]))


@st.composite
def aggregates(draw: DrawFn) -> Case:
    """Draw a zone with hosts that must be in it or must not, and an aggregate with these and others."""
    member = st.sampled_from([True, None])
    desired = {"availability_zone": draw(zones), **draw(some(**{"host kvm1": member, "host kvm2": member}))}
    unit = Aggregate(address=Address(DEMO, "aggregate", "kvm-az"), desired=draw(st.sampled_from([desired, desired, None])))
    cloud = OpenStack(aggregates={"other": {"availability_zone": "other", "hosts": ["kvm9"]}})
    if draw(st.booleans()):
        hosts = draw(st.sets(st.sampled_from(["kvm1", "kvm2", "theirs"])))
        cloud.aggregates["kvm-az"] = {"availability_zone": draw(zones | st.none()), "hosts": sorted(hosts)}
    cloud.instances = draw(some(kvm1=lodgers, theirs=lodgers))
    return Case(unit, {DEMO: cloud}, frozenset({"aggregates kvm-az"}))


@st.composite
def compute_services(draw: DrawFn) -> Case:
    """Draw a compute that must be there or must be gone, and what Nova has of it."""
    desired: Facts = {"registered": True, "state": "up", "hypervisor": "QEMU", "driver_disabled": False}
    unit = ComputeService(address=Address(DEMO, "compute_service", "kvm1"), desired=draw(st.sampled_from([desired, None])))
    found = draw(some(kvm1=computes()))
    cloud = OpenStack(computes={"kvm9": {"state": "down", "status": "enabled"}, **found}, instances=draw(some(kvm1=lodgers)))
    return Case(unit, {DEMO: cloud}, frozenset({"computes kvm1"}))


@st.composite
def all_computes(draw: DrawFn) -> Case:
    """Draw computes that documents speak of, or not."""
    known = tuple(draw(st.sets(st.sampled_from(["kvm1", "kvm2"]))))
    unit = Computes(address=Address(DEMO, "computes", "all"), desired={}, known=known)
    return Case(unit, {DEMO: OpenStack(computes=draw(some(kvm1=computes(), kvm3=computes())))})


@st.composite
def compute_exits(draw: DrawFn) -> Case:
    """Draw a stage of a compute's way out."""
    desired: Facts = draw(st.sampled_from([{"disabled": True}, {"instances": 0}, {"state": "down"}]))
    unit = ComputeExit(address=Address(DEMO, "compute_exit", "c0 stage"), desired=desired, host="c0")
    cloud = OpenStack(computes=draw(some(c0=computes(), c1=computes())), instances=draw(some(c0=lodgers)))
    return Case(unit, {DEMO: cloud}, frozenset({"computes c0"}))


@st.composite
def volume_exits(draw: DrawFn) -> Case:
    """Draw a stage of a volume backend's way out."""
    desired: Facts = draw(st.sampled_from([{"disabled": True}, {"volumes": 0}, {"state": "down"}]))
    unit = VolumeExit(address=Address(DEMO, "volume_exit", "b@b stage"), desired=desired, host="b@b")
    found = draw(st.sampled_from([{}, {"b@b": draw(rows())}]))
    cloud = OpenStack(volume_services={"c@c": {"state": "up", "status": "enabled"}, **found})
    cloud.volumes = {"b@b": draw(lodgers)}
    return Case(unit, {DEMO: cloud}, frozenset({"volume_services b@b"}))


@st.composite
def volume_services(draw: DrawFn) -> Case:
    """Draw what Cinder has of a volume service."""
    desired: Facts = {"registered": True, "state": "up", "availability_zone": "kvm-az"}
    unit = VolumeService(address=Address(DEMO, "volume_service", "b@b"), desired=desired)
    found = draw(st.sampled_from([{}, {"b@b": draw(rows(availability_zone=zones))}]))
    return Case(unit, {DEMO: OpenStack(volume_services=found)})


@st.composite
def volume_types(draw: DrawFn) -> Case:
    """Draw a type with specs that must be there or must not, and one with these and others."""
    wanted = {"spec volume_backend_name": st.sampled_from(["vmdk", None]), "spec RESKEY:availability_zones": zones}
    desired = draw(some(public=st.booleans(), **wanted))
    unit = VolumeType(address=Address(DEMO, "volume_type", "vmdk"), desired=draw(st.sampled_from([desired, desired, None])))
    cloud = OpenStack(types={"other": {"public": True, "specs": {"volume_backend_name": "x"}}})
    if draw(st.booleans()):
        specs = draw(some(volume_backend_name=st.sampled_from(["vmdk", "x"]), theirs=st.just("1")))
        cloud.types["vmdk"] = {"public": draw(st.booleans()), "specs": specs}
    return Case(unit, {DEMO: cloud}, frozenset({"types vmdk"}))


@st.composite
def image_properties(draw: DrawFn) -> Case:
    """Draw properties of an image, and none, one or two images of its name."""
    desired = draw(some(hypervisor_type=st.just("vmware"), vmware_disktype=st.sampled_from(["sparse", "preallocated"])))
    unit = ImageProperty(address=Address(DEMO, "image_property", "tiny"), desired=desired)
    fields = some(hypervisor_type=st.sampled_from(["vmware", "qemu"]), theirs=st.just("1"))
    names = draw(st.sets(st.sampled_from(["1", "2"]), max_size=2))
    cloud = OpenStack(images={key: {"name": "tiny", "fields": draw(fields)} for key in sorted(names)})
    cloud.images["9"] = {"name": "other", "fields": {"hypervisor_type": "qemu"}}
    return Case(unit, {DEMO: cloud}, frozenset({"images 1", "images 2"}))


@st.composite
def port_groups(draw: DrawFn) -> Case:
    """Draw a port group, its switch or several, and what is in its way."""
    unit = PortGroup.on(VC1, "DVS0", "provider", vlan=draw(st.sampled_from([0, 100])), needs=())
    vcenter = VCenter(switches=draw(st.sampled_from([[], ["DVS0"], ["DVS0", "DVS1"], ["DVS0", "DVS0"]])))
    vcenter.groups["DVS1", "provider"] = {"vlan": 7, "version": "1", "uplink": False}
    vcenter.namesakes = draw(some(provider=st.just(["a standard port group"])))
    if "DVS0" in vcenter.switches and draw(st.booleans()):
        vlan = draw(st.sampled_from([0, 100, 200, "trunk 0-4094"]))
        vcenter.groups["DVS0", "provider"] = {"vlan": vlan, "version": "3", "uplink": draw(st.booleans())}
    return Case(unit, {VC1: vcenter}, frozenset({"groups DVS0/provider"}))


@st.composite
def sessions(draw: DrawFn) -> Case:
    """Draw whether vCenter lets us in."""
    unit = Session(address=Address(VC1, "session", "vc1"), desired={"logged_in": True}, secret="vc1")  # noqa: S106 - a name
    said = {"logged_in": draw(st.booleans()), "fault": "InvalidLogin", "about": {}}
    return Case(unit, {VC1: VCenter(said={"session.check": said})})


@st.composite
def compute_clusters(draw: DrawFn) -> Case:
    """Draw a cluster that is there, is not, is twice, is another one, or has no host."""
    desired = {"exists": True, "usable_hosts": True}
    moref, uuid = draw(st.sampled_from(["", "domain-c8"])), draw(st.sampled_from(["", "id-1"]))
    address = Address(VC1, "compute_cluster", "DC0_C0")
    unit = ComputeCluster(address=address, desired=desired, host="c0", openstack=DEMO, moref=moref, compute_id=uuid)
    found = draw(st.sampled_from(["", "domain-c8", "domain-c9"]))
    hosts = draw(st.integers(0, 2))
    said = {
        "exists": bool(found),
        "moref": found,
        "matches": draw(st.integers(1, 2)) if found else 0,
        "hosts": hosts,
        "usable_hosts": draw(st.integers(0, hosts)),
        "names": {"domain-c8": draw(st.sampled_from(["DC0_C0", "renamed"]))},
        "instance_uuid": "u",
    }
    known = {"hostname": draw(st.sampled_from(["domain-c8.u", "domain-c8.v", "domain-c9.u"])), "host": "c0", "uuid": "id-2"}
    cloud = OpenStack(hypervisors=draw(st.sampled_from([[], [known]])))
    return Case(unit, {VC1: VCenter(said={"cluster.find": said}), DEMO: cloud})


@st.composite
def datastores(draw: DrawFn) -> Case:
    """Draw datastores that can be used, or not."""
    regex = draw(st.sampled_from(["", "^LocalDS", "("]))
    address = Address(VC1, "datastores", "DC0_C0")
    unit = Datastores(address=address, desired={"matching": True}, cluster="DC0_C0", regex=regex)
    flags = {"maintenance": st.booleans(), "accessible": st.booleans()}
    kinds = st.sampled_from(["VMFS", "vsan", "odd"])
    store = st.fixed_dictionaries({"name": st.sampled_from(["LocalDS_0", "x"]), "type": kinds, **flags})
    return Case(unit, {VC1: VCenter(said={"datastores.list": {"datastores": draw(st.lists(store, max_size=2))}})})


@st.composite
def switches(draw: DrawFn) -> Case:
    """Draw a switch that is there, or not."""
    unit = DistributedSwitch(address=Address(VC1, "distributed_switch", "DVS0"), desired={"exists": True})
    return Case(unit, {VC1: VCenter(switches=draw(st.sampled_from([[], ["DVS0"], ["DVS1"]])))})


@st.composite
def image_datastores(draw: DrawFn) -> Case:
    """Draw the places of a store, and a datacenter with some datastores, or none."""
    places = tuple(("DC0", name) for name in draw(st.sets(st.sampled_from(["a", "b"]), min_size=1)))
    unit = ImageDatastores(address=Address(VC1, "image_datastores", "esx"), desired={"exist": True}, places=places)
    said = {"exists": draw(st.booleans()), "names": draw(st.lists(st.sampled_from(["a", "b", "c"]), unique=True))}
    return Case(unit, {VC1: VCenter(said={"datacenter.datastores": said})})
