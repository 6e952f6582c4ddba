"""What a Cluster document says about how instances are connected."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from resources.cloud import Selector, Spec
from resources.specs.settings import SettingsField
from resources.specs.shapes import Shape, not_empty

_PACKAGE = Shape(r"[a-z0-9][a-z0-9+.-]+", "the name of a Debian package")
_DEVICE = Shape(r"[^\s/]{1,15}", "the name of a network device, 15 characters at most")
_WORD = Shape(r"[^\s,]+", "a name without commas")
_HOST = Shape(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "a name of letters, digits, dots and -")

_AGENTS_OWN = frozenset(
    {"vsphere_hostname", "host_port", "vsphere_login", "ca_file", "insecure", "network_maps", "uplink_maps"}
)


def _agent_settings(settings: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    """Refuse what the VCenter and the maps decide; services do not tell [ML2_VMWARE] from [ml2_vmware]."""
    for section, options in settings.items():
        taken = sorted(_AGENTS_OWN.intersection(options)) if section.lower() == "ml2_vmware" else []
        if taken:
            raise ValueError(f"[{section}] {taken[0]} cannot be set here: the VCenter and the zone's dvs block decide it")
        if section.lower() == "ml2_vmware" and section != "ml2_vmware":
            raise ValueError(f"[{section}] is written [ml2_vmware] here: it must be one section")
    return settings


class NeutronApi(Spec):
    """Hosts of the existing Neutron server, of which Bivisor owns only these options of ML2."""

    nodes: Selector = Field(description="Chooses the hosts; their services restart when this changes.")
    mechanism_drivers: Annotated[tuple[Annotated[str, _WORD], ...], AfterValidator(not_empty)] = Field(
        description="All of ML2's mechanism drivers in their order, that of the DVS agent among them: one option holds them."
    )
    tenant_network_types: tuple[Literal["vlan", "flat", "vxlan", "gre", "geneve", "local"], ...] = Field(
        default=(), description="Types that tenants' networks get, in their order; without it they stay as they are."
    )
    services: Annotated[tuple[Annotated[str, _WORD], ...], AfterValidator(not_empty)] = Field(
        default=("neutron-server",),
        description="systemd services that load them; Debian has neutron-api and neutron-rpc-server.",
    )


class Dvs(Spec):
    """A DVS agent beside every vSphere compute, and its mechanism driver. No distribution has one: bring your own package."""

    package: Annotated[str, _PACKAGE] = Field(
        description="Package of agent and mechanism driver, from an archive that the hosts have."
    )
    program: Annotated[str, Shape(r"/[^\s%$]+", "an absolute path")] = Field(
        default="/usr/bin/neutron-dvs-agent", description="The agent's program in that package."
    )
    api: NeutronApi | None = Field(
        default=None, description="Where the existing Neutron server runs; without it nothing there is ours."
    )
    settings: Annotated[SettingsField, AfterValidator(_agent_settings)] = Field(
        default_factory=dict, description="Further options of every agent, by section: {DVS_AGENT: {report_interval: 10}}."
    )


class NovaNetwork(Spec):
    """How nova-network connects instances; for releases that have it."""

    type: Literal["flat-dhcp", "vlan"] = Field(default="flat-dhcp", description="One network for all, or a VLAN per project.")
    bridge: Annotated[str, _DEVICE] = Field(
        default="br100", description="Of flat-dhcp: bridge on the hosts, and name of the port group that vSphere computes use."
    )
    interface: Annotated[str, _DEVICE] | None = Field(
        default=None, description="Device of the hosts that carries instances' traffic."
    )
    public_interface: Annotated[str, _DEVICE] | None = Field(
        default=None, description="Device on which floating addresses are."
    )
    host: Annotated[str, _HOST] = Field(
        default="nova-network-ha",
        description="Of single-host: the service's identity, for ever; networks in Nova's database name it.",
    )
    settings: SettingsField = Field(default_factory=dict, description="Further options of nova-network, by section.")


class Network(Spec):
    """How instances are connected."""

    manager: Literal["neutron", "nova-network"] = Field(
        default="neutron", description="nova-network is only in releases before Ussuri."
    )
    mode: Literal["single-host", "multi-host"] | None = Field(
        default=None, description="Of nova-network: single-host where a vCenter takes part, else multi-host."
    )
    dvs: Dvs | None = Field(default=None, description="Of neutron: the agents by which vSphere instances are connected.")
    nova_network: NovaNetwork | None = Field(default=None, description="Of nova-network: how it connects instances.")

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if (self.mode is None) == (self.manager == "nova-network"):
            raise ValueError("mode belongs to nova-network: give both or neither")
        if self.nova_network is not None and self.manager != "nova-network":
            raise ValueError("novaNetwork belongs to manager nova-network")
        if self.dvs is not None and self.manager != "neutron":
            raise ValueError("dvs belongs to manager neutron")
        return self
