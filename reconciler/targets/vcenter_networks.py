"""A vCenter's distributed switches and port groups: found by name, made, and set to a VLAN. Everything here blocks."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from reconciler.targets.vcenter_inventory import retrieve
from reconciler.targets.vcenter_session import HalfAnswerError, reading
from resources.contract import Reply

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from reconciler.targets.vcenter_session import Session
    from resources.contract import Action, Query

QUERIES = frozenset({"switch.find", "port_group.find"})
ACTIONS = frozenset({"port_group.create", "port_group.set_vlan"})

_TASK_S = 20.0
_POLL_S = 0.1
_ENCODED = str.maketrans({"%": "%25", "/": "%2f", "\\": "%5c"})
"""How vCenter wants these in names (vSphere API, ManagedEntity.name)."""

PLACES = dict.fromkeys(("Network", "DistributedVirtualSwitch", "Folder", "Datacenter"), ("name", "parent"))
_LISTED = ("Network", "Portgroup", "Switch")
OWNERS = {
    "DistributedVirtualSwitch": ("config.uplinkPortgroup",),
    "dvs.DistributedVirtualPortgroup": ("config.distributedVirtualSwitch",),
}


@dataclass(frozen=True, slots=True)
class Network:
    """A network by name, in its datacenter (a MoRef). `switch` is the MoRef of a port group's switch, else empty."""

    moref: str
    name: str
    datacenter: str
    switch: str
    uplink: bool


@dataclass(frozen=True, slots=True)
class Networks:
    """Everything that has a network's name; `switches` by MoRef."""

    switches: Mapping[str, Network]
    networks: tuple[Network, ...]

    def called(self, switch: str) -> tuple[Network, ...]:
        """Return the distributed switches of that name; each datacenter may have one."""
        return tuple(found for found in self.switches.values() if found.name == switch)


def read_networks(content: Any) -> Networks:
    """List switches, port groups and standard networks. Raises LostSessionError, HalfAnswerError, and what pyVmomi raises."""
    places: dict[str, dict[str, Any]] = defaultdict(dict)
    kinds: dict[str, str] = {}
    with reading():
        for properties in (PLACES, OWNERS):
            for item in retrieve(content, content.rootFolder, properties):
                moref = item.obj._moId  # noqa: SLF001 - the documented name of it
                kinds[moref] = type(item.obj).__name__.rpartition(".")[2]
                places[moref].update(_complete(moref, item))
    return arranged(kinds, places)


def arranged(kinds: Mapping[str, str], places: Mapping[str, Mapping[str, Any]]) -> Networks:
    """Return the networks among listed objects, given their types and properties by MoRef. Raises HalfAnswerError."""
    datacenters = {moref for moref, kind in kinds.items() if kind == "Datacenter"}
    if not datacenters:
        raise HalfAnswerError("it shows no datacenter at all; may this account read the inventory?")
    within = {moref: _datacenter(moref, places, datacenters) for moref, kind in kinds.items() if kind.endswith(_LISTED)}
    switches = {moref: _network(moref, places[moref], within[moref]) for moref in within if kinds[moref].endswith("Switch")}
    uplinks = {uplink for moref in switches for uplink in _morefs(places[moref].get("config.uplinkPortgroup"))}
    networks = []
    for moref in within.keys() - switches.keys():
        networks.append(_network(moref, places[moref], within[moref], uplink=moref in uplinks))
        if kinds[moref].endswith("Portgroup") and networks[-1].switch not in switches:
            raise HalfAnswerError(f"port group {networks[-1].name} comes without its switch")
    return Networks(switches, tuple(sorted(networks, key=lambda network: network.moref)))


def answer(query: Query, session: Session, networks: Networks) -> Reply:
    """Answer one of QUERIES. Raises LostSessionError, HalfAnswerError, and what pyVmomi raises."""
    vds = query.args["name" if query.op == "switch.find" else "vds"]
    switches = networks.called(vds)
    known = sorted(switch.name for switch in networks.switches.values())
    if query.op == "switch.find":
        return Reply({"switches": len(switches), "known": known})
    return Reply({"switches": len(switches), "known": known, **_port_group(session, networks, switches, query.args["name"])})


def _port_group(session: Session, networks: Networks, switches: Sequence[Network], name: str) -> dict[str, Any]:
    here = [
        found for found in networks.networks if found.name == name and found.datacenter in {one.datacenter for one in switches}
    ]
    morefs = {switch.moref for switch in switches}
    groups = [found for found in here if found.switch in morefs]
    namesakes = [_described(found, networks) for found in here if found not in groups[:1]]
    return {"group": _configured(session, groups[0]) if groups else None, "namesakes": sorted(namesakes)}


def change_port_group(action: Action, session: Session) -> Reply:
    """Carry out one of ACTIONS; what vCenter refuses is a reply. Raises LostSessionError, and what pyVmomi raises."""
    from pyVmomi import vim, vmodl  # noqa: PLC0415 - see vcenter_session

    try:
        with reading():
            task = _create(session, action) if action.op == "port_group.create" else _set_vlan(session, action)
            if isinstance(task, Reply):
                return task
            _finish(task)
    except vim.fault.ConcurrentAccess:
        return Reply({}, "conflict", "the port group was changed by somebody else meanwhile")
    except vim.fault.DuplicateName:
        return Reply({}, "conflict", "vCenter has something of that name already")
    except vim.fault.NoPermission as fault:
        return Reply({}, "denied", f"vCenter does not let this account do it (it lacks {fault.privilegeId})")
    except (vim.fault.VimFault, vmodl.RuntimeFault) as fault:
        return Reply(
            {}, "failed", f"vCenter refuses ({type(fault).__name__.rpartition('.')[2]}): {fault.msg or 'no reason given'}"
        )
    return Reply({})


def _create(session: Session, action: Action) -> Any:
    """Begin to make the port group: ports are assigned when a machine is made (early binding), and grow in number."""
    from pyVmomi import vim  # noqa: PLC0415 - see vcenter_session

    vds = action.args["vds"]
    switches = read_networks(session.content).called(vds)
    if len(switches) != 1:
        return Reply({}, "conflict", f'{len(switches) or "no"} distributed switches are named "{vds}"')
    spec = vim.dvs.DistributedVirtualPortgroup.ConfigSpec(
        name=action.args["name"].translate(_ENCODED),
        type="earlyBinding",
        autoExpand=True,
        description="Made by Bivisor, which keeps its VLAN.",
        defaultPortConfig=_setting(action.args["vlan"]),
    )
    return vim.DistributedVirtualSwitch(switches[0].moref, session.stub).AddDVPortgroup_Task([spec])


def _set_vlan(session: Session, action: Action) -> Any:
    """Begin to change the VLAN and nothing else, if the configuration is still the version that was read."""
    from pyVmomi import vim  # noqa: PLC0415 - see vcenter_session

    spec = vim.dvs.DistributedVirtualPortgroup.ConfigSpec(
        configVersion=action.args["if_version"], defaultPortConfig=_setting(action.args["vlan"])
    )
    group = vim.dvs.DistributedVirtualPortgroup(action.args["moref"], session.stub)
    return group.ReconfigureDVPortgroup_Task(spec)


def _setting(vlan: int) -> Any:
    from pyVmomi import vim  # noqa: PLC0415 - see vcenter_session

    switch = vim.dvs.VmwareDistributedVirtualSwitch
    return switch.VmwarePortConfigPolicy(vlan=switch.VlanIdSpec(inherited=False, vlanId=vlan))


def _finish(task: Any) -> None:
    """Wait for a task, within a bound. Raises TimeoutError, and the fault that ended it."""
    deadline = time.monotonic() + _TASK_S
    while (info := task.info).state not in ("success", "error"):
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(_POLL_S)
    if info.state == "error":
        raise info.error


def _configured(session: Session, group: Network) -> dict[str, Any]:
    """Return a port group with its VLAN, read on its own: the setting of every port group would be much."""
    from pyVmomi import vim, vmodl  # noqa: PLC0415 - see vcenter_session

    collector = vmodl.query.PropertyCollector
    kind = vim.dvs.DistributedVirtualPortgroup
    spec = collector.FilterSpec(
        objectSet=[collector.ObjectSpec(obj=kind(group.moref, session.stub))],
        propSet=[collector.PropertySpec(type=kind, pathSet=["config.configVersion", "config.defaultPortConfig"])],
    )
    with reading():
        answer = session.content.propertyCollector.RetrievePropertiesEx([spec], collector.RetrieveOptions())
    values = {one.name: one.val for item in (answer.objects if answer else ()) for one in item.propSet}
    vlan = _vlan(getattr(values.get("config.defaultPortConfig"), "vlan", None))
    if vlan is None:
        raise HalfAnswerError(f"port group {group.name} comes without its VLAN")
    version = values.get("config.configVersion", "")
    return {"moref": group.moref, "vlan": vlan, "version": version, "uplink": group.uplink}


def _vlan(spec: Any) -> int | str | None:
    """Return the VLAN id (0: none), or in words what a port group carries instead of one."""
    if spec is None:
        return None
    if hasattr(spec, "pvlanId"):
        return f"private {spec.pvlanId}"
    if isinstance(spec.vlanId, int):
        return int(spec.vlanId)
    return "trunk " + ",".join(f"{span.start}-{span.end}" for span in spec.vlanId)


def _complete(moref: str, item: Any) -> dict[str, Any]:
    """Return the object's properties. Raises HalfAnswerError when one is kept back; an empty list may just not be there."""
    for missing in item.missingSet:
        raise HalfAnswerError(
            f"{moref} comes without {missing.path} ({getattr(missing.fault.fault, 'msg', None) or 'not told'})"
        )
    return {found.name: found.val for found in item.propSet}


def _network(moref: str, values: Mapping[str, Any], datacenter: str, *, uplink: bool = False) -> Network:
    if "name" not in values:
        raise HalfAnswerError(f"{moref} comes without a name")
    owner = _morefs([values["config.distributedVirtualSwitch"]] if "config.distributedVirtualSwitch" in values else ())
    return Network(moref, unquote(values["name"]), datacenter, "".join(owner), uplink)


def _datacenter(moref: str, places: Mapping[str, Mapping[str, Any]], datacenters: Container[str]) -> str:
    """Return the MoRef of the datacenter above. Raises HalfAnswerError when the way there was not listed."""
    below = moref
    while below not in datacenters:
        parent = "".join(_morefs([places.get(below, {}).get("parent")]))
        if not parent:
            raise HalfAnswerError(f"{moref} is in no datacenter that this account may read")
        below = parent
    return below


def _described(network: Network, networks: Networks) -> str:
    if not network.switch:
        return "a standard port group"
    return f'a port group of switch "{networks.switches[network.switch].name}"'


def _morefs(references: Iterable[Any] | None) -> tuple[str, ...]:
    return tuple(reference._moId for reference in references or () if reference is not None)  # noqa: SLF001 - as above
