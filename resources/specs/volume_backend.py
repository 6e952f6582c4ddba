"""What a VolumeBackend document says."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from resources.cloud import Spec
from resources.contract import Reference
from resources.specs.hypervisor_zone import NodesPlacement
from resources.specs.settings import SettingsField
from resources.specs.shapes import Shape, not_empty


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
    driver: Literal["vmdk", "nfs"] = Field(description="vmdk: datastores of the zone's vCenter. nfs: files on NFS exports.")
    placement: NodesPlacement = Field(description="Where its cinder-volume runs: {nodes: …}.")
    ha: Literal["none"] = Field(default="none", description="none: on exactly one node.")
    volume_type: str | None = Field(
        default=None,
        min_length=1,
        description="The volume type by which users choose it; for your own record today, Bivisor makes no volume types yet.",
    )
    backend_host: Annotated[str, Shape(r"[A-Za-z0-9][A-Za-z0-9._-]*", "a name of letters, digits, dots and -")] | None = Field(
        default=None,
        description="The service's identity in Cinder, for ever: volumes belong to it. Without it the backend's own name.",
    )
    nfs: Nfs | None = Field(default=None, description="Options of driver nfs; only there, and needed there.")
    settings: SettingsField = Field(
        default_factory=dict, description="Further options of cinder.conf, by section; the backend's own section has its name."
    )

    @model_validator(mode="after")
    def _driver_block(self) -> Self:
        if (self.driver == "nfs") != (self.nfs is not None):
            wanted = "so an nfs block must name the shares" if self.driver == "nfs" else "so there must be no nfs block"
            raise ValueError(f"driver is {self.driver}, {wanted}")
        return self
