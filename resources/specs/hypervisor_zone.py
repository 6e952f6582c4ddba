"""What a HypervisorZone document says."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from resources.cloud import Selector, Spec
from resources.contract import Reference
from resources.specs.dvs import DvsMaps, PortGroupSpec
from resources.specs.settings import SettingsField
from resources.specs.shapes import Shape, not_empty


def _no_default_zone(name: str) -> str:
    if name == "nova":
        raise ValueError('"nova" is what Nova calls hosts without a zone: an aggregate must not be called so')
    return name


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f'"{text}" is not a regular expression: {error}') from None
    return text


def _compute_id(text: str | None) -> str | None:
    if text is not None:
        try:
            UUID(text)
        except ValueError:
            raise ValueError(f'must be a UUID, not "{text}"') from None
    return text


class VmwareComputeSpec(Spec):
    """One vSphere cluster and the nova-compute that drives it."""

    cluster: Annotated[str, Shape(r"\S([^\r\n\t]*\S)?", "a name")] = Field(description="Name of the cluster in vCenter.")
    host: Annotated[str, Shape(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "a name of letters, digits, dots and -")] = Field(
        description="The compute's identity in Nova, for ever: another name is another compute, and the instances of the "
        "former one are lost. Take a name that nobody will want to change, no zone's and no cluster's.",
    )
    moref: Annotated[str, Shape(r"domain-c[0-9]+", "a cluster's MoRef such as domain-c9")] | None = Field(
        default=None,
        description="The cluster's lasting name in vCenter. Without it Bivisor holds on to the one that Nova has for this "
        "compute; with it also where Nova has none.",
    )
    datastore_regex: Annotated[str, AfterValidator(_regex)] = Field(
        default="",
        description="Datastores for instances: a regular expression, matched from the beginning of the name; empty: all of the "
        "cluster.",
    )
    compute_id: Annotated[str | None, AfterValidator(_compute_id)] = Field(
        default=None,
        description="From 2023.1 on, the UUID by which Nova knows a compute that exists already; a new one gets its own, and a "
        "plan tells when this one is needed.",
    )
    remove: bool = Field(
        default=False,
        description="Take the compute out of the cloud: close it, wait until no instance lives there, then remove its "
        "resource, its files and its row. Delete the line when nothing is left to do.",
    )
    dvs: DvsMaps | None = Field(default=None, description="The switches of this cluster, where they are not those of the zone.")


class Vmware(Spec):
    """The computes of a zone of hypervisor vmware."""

    vcenter: Annotated[str, Reference("VCenter")] = Field(description="Name of the VCenter.")
    computes: Annotated[tuple[VmwareComputeSpec, ...], AfterValidator(not_empty)] = Field(
        description="One nova-compute per vSphere cluster."
    )
    dvs: DvsMaps | None = Field(default=None, description="Distributed switches that the DVS agents of these computes work on.")
    port_groups: tuple[PortGroupSpec, ...] = Field(
        default=(), description="Port groups of provider networks: made where they are missing, and their VLAN kept."
    )
    program: Annotated[str, Shape(r"/[^\s%$\"']+", "an absolute path")] | None = Field(
        default=None,
        description="A nova-compute of your own, such as /opt/nova/bin/nova-compute. The package is then not installed; the "
        "user nova, /etc/nova, /var/lib/nova and /var/log/nova must be there.",
    )
    settings: SettingsField = Field(
        default_factory=dict, description="Further options of these computes, by section: {DEFAULT: {report_interval: 5}}."
    )


class Libvirt(Spec):
    """The computes of a zone of hypervisor libvirt: one on each chosen node."""

    virt_type: Literal["kvm", "qemu"] = Field(
        default="kvm", description="kvm needs hardware virtualisation on the nodes; qemu emulates and is slow."
    )
    cpu_mode: Literal["host-model", "host-passthrough", "custom", "none"] | None = Field(
        default=None, description="What guests see of the processor; none goes with qemu. Without it Nova decides."
    )
    images_type: Literal["default", "raw", "flat", "qcow2", "rbd"] | None = Field(
        default=None, description="How disks of instances are kept. Without it Nova decides."
    )
    leaving: tuple[Annotated[str, Reference("Node")], ...] = Field(
        default=(),
        description="Nodes, among those that placement chooses, whose compute leaves the cloud: closed, kept until no instance "
        "lives there, then stopped, and its row removed. When nothing is left to do, take the node out of here and of the "
        "placement.",
    )
    settings: SettingsField = Field(
        default_factory=dict, description="Further options of these computes, by section: {DEFAULT: {report_interval: 5}}."
    )


_OWN_FIELDS = (
    "checksum container_format created_at direct_url disk_format file id locations min_disk min_ram name os_hash_algo "
    "os_hash_value os_hidden owner protected schema self size status stores tags updated_at virtual_size visibility"
)
"""What every image has by itself (Glance, api-ref v2): a property cannot be called so."""


def _open_properties(properties: dict[str, str]) -> dict[str, str]:
    for name in properties:
        if name == "hypervisor_type":
            raise ValueError("hypervisor_type follows from the zone's hypervisor: leave it away")
        if name in _OWN_FIELDS.split() or name.startswith("os_glance"):
            raise ValueError(f"{name} is Glance's own and no property")
    return properties


class Image(Spec):
    """An image for the zone's hypervisor. You upload it; Bivisor keeps its properties."""

    name: Annotated[str, Shape(r"\S([^\r\n]*\S)?", "a name")] = Field(
        max_length=255, description="Its name in Glance, which must be that of one image."
    )
    properties: Annotated[
        dict[Annotated[str, Shape(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*", "the name of a property")], str],
        AfterValidator(_open_properties),
    ] = Field(
        default_factory=dict,
        description="Properties beside hypervisor_type, which the zone decides, as texts: {vmware_disktype: sparse}.",
    )


class NodesPlacement(Spec):
    """On nodes of one's own choice."""

    nodes: Selector = Field(description="Chooses the nodes.")


class HypervisorZoneSpec(Spec):
    """An availability zone of one hypervisor type, the same string for Nova and for Cinder."""

    availability_zone: Annotated[
        str, Shape(r"[^\s:]([^\r\n:]*\S)?", "a name without a colon"), AfterValidator(_no_default_zone)
    ] = Field(
        max_length=255,
        description="The zone's name, one string for Nova and Cinder: a volume is attached only where both have the same.",
    )
    hypervisor: Literal["libvirt", "vmware"] = Field(
        description="What the zone's computes drive: KVM or QEMU through libvirt, or vSphere clusters."
    )
    libvirt: Libvirt | None = Field(default=None, description="Options of a zone of hypervisor libvirt; it may be left away.")
    vmware: Vmware | None = Field(default=None, description="The vCenter and the clusters of a zone of hypervisor vmware.")
    placement: Literal["controllers"] | NodesPlacement = Field(
        description="Where the computes run: controllers (kept by Pacemaker, for vmware), or {nodes: …}."
    )
    images: tuple[Image, ...] = Field(
        default=(),
        description="Images that boot here: each gets hypervisor_type, so that none is booted on another hypervisor.",
    )

    @model_validator(mode="after")
    def _one_hypervisor(self) -> Self:
        other = "vmware" if self.hypervisor == "libvirt" else "libvirt"
        if getattr(self, other) is not None:
            raise ValueError(f"hypervisor is {self.hypervisor}, so there must be no {other} block")
        if self.vmware is None and self.hypervisor == "vmware":
            raise ValueError("hypervisor is vmware, so a vmware block must name the vCenter and its clusters")
        if self.hypervisor == "libvirt" and self.placement == "controllers":
            raise ValueError("placement controllers is for vmware: a libvirt compute runs where its instances are, on nodes")
        return self
