"""What a VolumeBackend document says."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from resources.cloud import Spec
from resources.contract import Reference
from resources.specs.hypervisor_zone import NodesPlacement
from resources.specs.settings import SettingsField
from resources.specs.shapes import Shape, not_empty

Word = Annotated[str, Shape(r"[A-Za-z0-9][A-Za-z0-9._+-]*", "a name of letters, digits, dots, _, + and -")]


def _uuid(text: str | None) -> str | None:
    if text is not None:
        try:
            UUID(text)
        except ValueError:
            raise ValueError(f'must be a UUID, not "{text}"') from None
    return text


class VmwareVolumes(Spec):
    """Options of drivers vmdk and fcd; vCenter, account and clusters are those of the zone."""

    allowed_types: Annotated[
        tuple[Annotated[str, Shape(r"[A-Za-z0-9]+", "a subformat such as streamOptimized")], ...], AfterValidator(not_empty)
    ] = Field(
        default=("streamOptimized", "monolithicSparse"),
        description="Subformats of VMDK images that may become volumes. Those that name other files, such as monolithicFlat, "
        "let an image read the host (CVE-2022-47951).",
    )
    folder: Annotated[str, Shape(r"\S([^\r\n]*\S)?", "a name")] | None = Field(
        default=None, description="Folder of the volumes in vCenter. Without it Cinder's own default, Volumes."
    )


class Lvm(Spec):
    """Options of driver lvm."""

    volume_group: Word = Field(description="The volume group, which exists on the node already.")
    target_helper: Literal["tgtadm", "lioadm", "nvmet"] = Field(
        default="tgtadm", description="What exports the volumes to the computes."
    )
    target_protocol: Literal["iscsi", "iser", "nvmet_rdma", "nvmet_tcp"] = Field(
        default="iscsi", description="How they are exported; the nvmet protocols go with helper nvmet."
    )

    @model_validator(mode="after")
    def _helper_speaks_protocol(self) -> Self:
        if (self.target_helper == "nvmet") != self.target_protocol.startswith("nvmet"):
            raise ValueError(f"targetHelper {self.target_helper} does not export by {self.target_protocol}")
        return self


class Rbd(Spec):
    """Options of driver rbd. Ceph's configuration and the user's keyring on the nodes are yours."""

    pool: Word = Field(description="The pool, which exists already.")
    user: Word = Field(default="cinder", description="Ceph's user, without client.: its keyring is on the nodes.")
    ceph_conf: Annotated[str, Shape(r"/\S+", "an absolute path")] = Field(
        default="/etc/ceph/ceph.conf", description="Ceph's configuration on the nodes."
    )
    secret_uuid: Annotated[str | None, AfterValidator(_uuid)] = Field(
        default=None,
        description="UUID of the libvirt secret with that user's key on the computes. Without it Cinder names the id of "
        "the Ceph cluster.",
    )


class Nfs(Spec):
    """Options of driver nfs."""

    shares: Annotated[
        tuple[Annotated[str, Shape(r"\S+:/\S*", "an export such as server:/path")], ...], AfterValidator(not_empty)
    ] = Field(description="The exports, server:/path.")
    mount_options: Annotated[str, Shape(r"\S*", "options without spaces")] = Field(
        default="", description="Options of mount.nfs, separated by commas."
    )


class VolumeBackendSpec(Spec):
    """A storage of volumes for the instances of one zone."""

    zone: Annotated[str, Reference("HypervisorZone")] = Field(description="Name of the HypervisorZone whose instances use it.")
    driver: Literal["vmdk", "fcd", "lvm", "rbd", "nfs"] = Field(
        description="For vmware zones vmdk (disks of hidden VMs in the vCenter's datastores) or fcd (First Class Disks, "
        "vSphere 6.5 and later); for libvirt zones lvm (a volume group of its one node), rbd (Ceph) or nfs (files on exports)."
    )
    placement: NodesPlacement = Field(description="Where its cinder-volume runs: {nodes: …}.")
    ha: Literal["none", "active-passive", "shared-host"] = Field(
        default="none",
        description="none: on exactly one node. active-passive: on one of the nodes at a time, kept by Pacemaker; nodes off "
        "the controllers take part by pacemaker_remote. shared-host: on all of the nodes at once under one identity, which "
        "Cinder discourages.",
    )
    min_nodes: int | None = Field(
        default=None, ge=2, description="Fewer nodes than this are an error; without it fewer than two are a warning."
    )
    volume_type: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="The public volume type by which users choose it: made, bound to the backend and to the zone, and kept so.",
    )
    backend_host: Annotated[str, Shape(r"[A-Za-z0-9][A-Za-z0-9._-]*", "a name of letters, digits, dots and -")] | None = Field(
        default=None,
        description="The service's identity in Cinder, for ever: volumes belong to it. Without it the backend's own name.",
    )
    vmware: VmwareVolumes | None = Field(default=None, description="Options of drivers vmdk and fcd; it may be left away.")
    lvm: Lvm | None = Field(default=None, description="Options of driver lvm; only there, and needed there.")
    rbd: Rbd | None = Field(default=None, description="Options of driver rbd; only there, and needed there.")
    nfs: Nfs | None = Field(default=None, description="Options of driver nfs; only there, and needed there.")
    remove: bool = Field(
        default=False,
        description="Take the backend out of the cloud: close it, wait until no volume lives there, then remove its service, "
        "its files and its volume type. Delete the document when nothing is left to do.",
    )
    settings: SettingsField = Field(
        default_factory=dict, description="Further options of cinder.conf, by section; the backend's own section has its name."
    )

    @model_validator(mode="after")
    def _driver_block(self) -> Self:
        blocks = {"nfs": (self.nfs, "the shares"), "lvm": (self.lvm, "the volumeGroup"), "rbd": (self.rbd, "the pool")}
        for name, (block, what) in blocks.items():
            if (self.driver == name) != (block is not None):
                wanted = f"so an {name} block must name {what}" if self.driver == name else f"so there must be no {name} block"
                raise ValueError(f"driver is {self.driver}, {wanted}")
        if self.vmware is not None and self.driver not in ("vmdk", "fcd"):
            raise ValueError(f"driver is {self.driver}, so there must be no vmware block")
        return self

    @model_validator(mode="after")
    def _several_nodes(self) -> Self:
        if self.min_nodes is not None and self.ha == "none":
            raise ValueError("minNodes is for several nodes, and ha is none: take active-passive, or leave minNodes away")
        return self
