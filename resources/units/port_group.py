"""A port group of a distributed switch that carries one VLAN: what a provider network is in vSphere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from resources.contract import Action, Address, Query, Unit, UnreadableError

if TYPE_CHECKING:
    from resources.contract import Change, Facts, Need, Reply, TargetId


@dataclass(frozen=True, slots=True, kw_only=True)
class PortGroup(Unit):
    """A port group, called after its switch and its name: `vcenter:vc1/port_group/DVS0/provider-100`.

    Field: `vlan` (0 to 4094, 0 is untagged; a trunk or a private VLAN is observed as text). A new one binds its ports
    early and grows. Whatever else there is to a port group is not looked at and stays.
    """

    type: ClassVar[str] = "port_group"

    vds: str
    name: str

    @classmethod
    def on(cls, target: TargetId, vds: str, name: str, *, vlan: int, needs: tuple[Need, ...]) -> Self:
        """Declare a port group of a switch."""
        return cls(address=Address(target, cls.type, f"{vds}/{name}"), desired={"vlan": vlan}, needs=needs, vds=vds, name=name)

    def queries(self) -> tuple[Query, ...]:
        """Ask for the port group by the names of its switch and its own."""
        return (Query("port_group.find", {"vds": self.vds, "name": self.name}),)

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read the VLAN; None where there is room for the port group and nothing in its way."""
        (reply,) = replies
        if not reply.ok:
            raise UnreadableError(reply.error)
        data, group = reply.data, reply.data["group"]
        surroundings: Facts = {
            "@switches": int(data["switches"]),
            "@known": tuple(map(str, data["known"])),
            "@namesakes": tuple(map(str, data["namesakes"])),
        }
        if group is None:
            free = surroundings["@switches"] == 1 and not surroundings["@namesakes"]
            return None if free else surroundings
        found: Facts = {"vlan": group["vlan"], "@uplink": bool(group["uplink"])}
        return {**surroundings, **found, "@moref": str(group["moref"]), "@version": str(group["version"])}

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:  # noqa: ARG002 - one field
        """Make it, or set its VLAN if it is still the one that was read. Never delete it: machines may be connected."""
        if self.desired is None or (facts is not None and "@moref" not in facts):
            return ()
        vlan = self.desired["vlan"]
        if facts is None:
            return (Action("port_group.create", {"vds": self.vds, "name": self.name, "vlan": vlan}),)
        return (Action("port_group.set_vlan", {"moref": facts["@moref"], "vlan": vlan, "if_version": facts["@version"]}),)

    def remarks(self, facts: Facts | None) -> tuple[str, ...]:
        """Tell what another VLAN does to the machines that are connected."""
        if not facts or facts.get("@uplink", True) or not self.desired or facts["vlan"] == self.desired["vlan"]:
            return ()
        return (f"machines that are connected to {self.name} are in another network from the moment its VLAN is set",)

    def blocked(self, facts: Facts | None) -> str:
        """Tell that the switch is missing or ambiguous, that the name is taken, or that it is the way out of the switch."""
        if facts is None:
            return ""
        known, namesakes = facts["@known"], facts["@namesakes"]
        if not facts["@switches"]:
            names = ", ".join(known) if isinstance(known, tuple) and known else "none"
            return f'no distributed switch named "{self.vds}" in vCenter (known: {names})'
        if facts["@switches"] != 1:
            return f'{facts["@switches"]} distributed switches are named "{self.vds}" in vCenter: rename the others'
        if isinstance(namesakes, tuple) and namesakes:
            others = " and ".join(namesakes)
            return f'"{self.name}" is the name of {others} too, and Nova finds networks by name: rename one of them'
        if facts.get("@uplink"):
            return f'"{self.name}" is the uplink port group of switch "{self.vds}": all of its networks would lose their VLANs'
        return ""
