"""What an ImageStore document says."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from resources.cloud import Selector, Spec
from resources.contract import Reference
from resources.specs.settings import SettingsField
from resources.specs.shapes import Shape, not_empty


class File(Spec):
    """Options of driver file."""

    directory: Annotated[str, Shape(r"/\S+", "an absolute path")] = Field(
        default="/var/lib/glance/images", description="Where the images are kept."
    )


class Swift(Spec):
    """Options of driver swift; it logs in as Glance's own account, `services.glance` of the Cluster."""

    container: Annotated[str, Shape(r"[^\s/]{1,256}", "a name without slashes and spaces")] = Field(
        default="glance", description="The container that holds the images."
    )
    create_container: bool = Field(default=True, description="Whether Glance makes the container when it is not there.")
    reference: Annotated[str, Shape(r"[A-Za-z0-9][A-Za-z0-9._-]*", "a name of letters, digits, dots and -")] | None = Field(
        default=None,
        description="The name of the account in the addresses of the images that are in the store already (ref1, say), for "
        "ever. Without it the store's own name.",
    )


class Rbd(Spec):
    """Options of driver rbd; the cluster, its pool and the user's keyring are yours to make."""

    pool: Annotated[str, Shape(r"\S+", "a name without spaces")] = Field(default="images", description="The pool.")
    user: Annotated[str, Shape(r"\S+", "a name without spaces")] = Field(
        default="glance", description="The user, without client. before it."
    )
    ceph_conf: Annotated[str, Shape(r"/\S+", "an absolute path")] = Field(
        default="/etc/ceph/ceph.conf", description="Where the hosts' ceph.conf is, which names the monitors and the keyring."
    )


class VmwareStore(Spec):
    """Options of driver vmware."""

    vcenter: Annotated[str, Reference("VCenter")] = Field(description="Name of the VCenter. Its port must be 443.")
    datastores: Annotated[
        tuple[Annotated[str, Shape(r"[^:\r\n]*[^:\s][^:\r\n]*:[^:\r\n]*[^:\s][^:\r\n]*(:[0-9]+)?", "datacenter:datastore or "
                                   "datacenter:datastore:weight")], ...],
        AfterValidator(not_empty),
    ] = Field(
        description="Datastores for images, each as datacenter:datastore or datacenter:datastore:weight; the heaviest one with "
        "room for the image gets it."
    )  # fmt: skip
    image_dir: Annotated[str, Shape(r"/?[^\s/]+(/[^\s/]+)*", "a path without spaces")] = Field(
        default="openstack_glance", description="Folder of the images in each datastore."
    )


class ImageStoreSpec(Spec):
    """A store of Glance; from Train on its name is the store's id."""

    driver: Literal["file", "swift", "rbd", "vmware"] = Field(
        description="file: a directory of the Glance API's host. swift: the cloud's object storage. rbd: a pool of a Ceph "
        "cluster. vmware: datastores of a vCenter."
    )
    default: bool = Field(default=False, description="Whether images that name no store go here. Exactly one store takes them.")
    nodes: Selector = Field(description="Hosts of the Glance API, for each store the same; theirs restart when this changes.")
    file: File | None = Field(default=None, description="Options of driver file; only there.")
    swift: Swift | None = Field(default=None, description="Options of driver swift; only there.")
    rbd: Rbd | None = Field(default=None, description="Options of driver rbd; only there.")
    vmware: VmwareStore | None = Field(default=None, description="Options of driver vmware; only there, and needed there.")
    settings: SettingsField = Field(
        default_factory=dict,
        description="Further options of glance-api.conf, by section; the store's own section has its name, before Train it is "
        "glance_store.",
    )

    @model_validator(mode="after")
    def _driver_block(self) -> Self:
        for other in ("file", "swift", "rbd", "vmware"):
            if other != self.driver and getattr(self, other) is not None:
                raise ValueError(f"driver is {self.driver}, so there must be no {other} block")
        if self.driver == "vmware" and self.vmware is None:
            raise ValueError("driver is vmware, so a vmware block must name the vCenter and its datastores")
        return self
