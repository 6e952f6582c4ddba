"""What documents say about distributed switches: which physical network is which switch, and port groups to be kept."""

from __future__ import annotations

from typing import Annotated, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from resources.cloud import Spec
from resources.specs.shapes import Shape, not_empty

Listed: TypeAlias = Annotated[str, Shape(r"[^\s,:;]([^\r\n\t,:;]*[^\s,:;])?", "a name without comma, colon and semicolon")]
"""A name that stands in one of the agent's lists, which these characters divide."""

Named: TypeAlias = Annotated[str, Shape(r"\S([^\r\n\t]*\S)?", "a name")]

LAST_VLAN = 4094
"""IEEE 802.1Q; 4095 means "all" to vSphere, and no network is called so."""


class Uplinks(Spec):
    """Which of a switch's uplinks a physical network uses."""

    active: Annotated[tuple[Listed, ...], AfterValidator(not_empty)] = Field(description="Uplinks in use, by name.")
    standby: tuple[Listed, ...] = Field(default=(), description="Uplinks that take over.")


class DvsMaps(Spec):
    """Which distributed switch carries which of Neutron's physical networks, for the agent of a vSphere compute."""

    network_maps: dict[Listed, Listed] = Field(
        description="Physical network of Neutron to distributed switch: {physnet1: DVS0}."
    )
    uplink_maps: dict[Listed, Uplinks] = Field(
        default_factory=dict, description="Physical network to uplinks; without it the switch's own policy counts."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.network_maps:
            raise ValueError("networkMaps must name at least one physical network")
        if len(set(self.network_maps.values())) != len(self.network_maps):
            raise ValueError("networkMaps: two physical networks are one switch, so their VLANs would be the same")
        if unknown := sorted(self.uplink_maps.keys() - self.network_maps.keys()):
            raise ValueError(f"uplinkMaps: networkMaps has no {', '.join(unknown)}")
        return self


class PortGroupSpec(Spec):
    """A port group that carries one VLAN, for a provider network."""

    name: Named = Field(description="Name of the port group; Nova finds networks by name.", max_length=80)
    vds: Named = Field(description="Name of the distributed switch that it is on. It must exist.")
    vlan: int = Field(ge=0, le=LAST_VLAN, description="VLAN id; 0 is untagged.")
