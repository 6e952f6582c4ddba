"""What a vCenter holds, listed in full through its property collector. Everything here blocks: it runs in a thread."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from reconciler.targets.vcenter_session import HalfAnswerError, reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PAGE = 1000
_DRS = "configuration.drsConfig"

PROPERTIES = {
    "ClusterComputeResource": ("name", "host", "datastore", _DRS),
    "HostSystem": ("name", "runtime.connectionState", "runtime.inMaintenanceMode"),
    "Datastore": (
        "name",
        "summary.type",
        "summary.accessible",
        "summary.multipleHostAccess",
        "summary.maintenanceMode",
        "summary.capacity",
        "summary.freeSpace",
    ),
}
_OPTIONAL = frozenset({_DRS, "summary.multipleHostAccess", "summary.maintenanceMode"})
"""Properties that vCenter may leave unset; any other that is missing makes the answer a half one."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A vSphere cluster; `hosts` and `datastores` are MoRefs, `drs` the automation level or '' when it is off."""

    moref: str
    name: str
    hosts: tuple[str, ...]
    datastores: tuple[str, ...]
    drs: str


@dataclass(frozen=True, slots=True)
class Host:
    """An ESXi host."""

    name: str
    connected: bool
    maintenance: bool


@dataclass(frozen=True, slots=True)
class Datastore:
    """A datastore; sizes in bytes, `type` in vCenter's words (VMFS, NFS, NFS41, vsan)."""

    name: str
    type: str
    accessible: bool
    maintenance: bool
    multiple_host_access: bool
    capacity: int
    free: int


@dataclass(frozen=True, slots=True)
class Inventory:
    """Clusters sorted by name; hosts and datastores by MoRef."""

    clusters: tuple[Cluster, ...]
    hosts: Mapping[str, Host]
    datastores: Mapping[str, Datastore]


def read_inventory(content: Any) -> Inventory:
    """List clusters, hosts and datastores. Raises LostSessionError, HalfAnswerError, and what pyVmomi raises."""
    found: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in PROPERTIES}
    with reading():
        for item in retrieve(content, content.rootFolder, PROPERTIES):
            kind, moref = type(item.obj).__name__.rpartition(".")[2], item.obj._moId  # noqa: SLF001 - the documented name of it
            found[kind][moref] = _complete(kind, moref, item)
    hosts = {moref: _host(values) for moref, values in found["HostSystem"].items()}
    datastores = {moref: _datastore(values) for moref, values in found["Datastore"].items()}
    clusters = tuple(_cluster(moref, values, hosts, datastores) for moref, values in found["ClusterComputeResource"].items())
    if not clusters and not hosts:
        raise HalfAnswerError("it shows no cluster and no host at all; may this account read the inventory?")
    return Inventory(tuple(sorted(clusters, key=lambda cluster: (cluster.name, cluster.moref))), hosts, datastores)


def read_datastore_names(content: Any, datacenter: str) -> tuple[str, ...] | None:
    """Return the names of a datacenter's datastores; None when no datacenter is at that path (`Folder/DC`).

    Raises LostSessionError, HalfAnswerError, and what pyVmomi raises.
    """
    from pyVmomi import vim  # noqa: PLC0415 - see vcenter_session

    with reading():
        found = content.searchIndex.FindByInventoryPath(datacenter)
        if not isinstance(found, vim.Datacenter):
            return None
        properties = {"Datastore": ("name",)}
        items = list(retrieve(content, found, properties))
        return tuple(sorted(unquote(_complete("Datastore", item.obj._moId, item, properties)["name"]) for item in items))  # noqa: SLF001 - the documented name of it


def retrieve(content: Any, root: Any, properties: Mapping[str, Sequence[str]]) -> Iterator[Any]:
    """Yield every object of these types below `root`, over all pages, through a view that is given back at the end.

    `properties` maps types, by their names in pyVmomi's `vim`, to the paths wanted of each.
    """
    from pyVmomi import vmodl  # noqa: PLC0415 - see vcenter_session

    view, spec = over(content, root, properties)
    options = vmodl.query.PropertyCollector.RetrieveOptions(maxObjects=_PAGE)
    page = content.propertyCollector.RetrievePropertiesEx([spec], options)
    while page is not None:
        yield from page.objects
        page = content.propertyCollector.ContinueRetrievePropertiesEx(page.token) if page.token else None
    view.DestroyView()


def over(content: Any, root: Any, properties: Mapping[str, Sequence[str]]) -> tuple[Any, Any]:
    """Return a view of every object of these types below `root`, and what filters these properties of them."""
    from pyVmomi import vim, vmodl  # noqa: PLC0415 - see vcenter_session

    collector = vmodl.query.PropertyCollector
    types = {name: attrgetter(name)(vim) for name in properties}
    view = content.viewManager.CreateContainerView(root, list(types.values()), recursive=True)
    walk = collector.TraversalSpec(name="view", path="view", skip=False, type=vim.view.ContainerView)
    spec = collector.FilterSpec(
        objectSet=[collector.ObjectSpec(obj=view, skip=True, selectSet=[walk])],
        propSet=[collector.PropertySpec(type=types[name], pathSet=list(paths)) for name, paths in properties.items()],
    )
    return view, spec


def _complete(kind: str, moref: str, item: Any, properties: Mapping[str, tuple[str, ...]] = PROPERTIES) -> dict[str, Any]:
    """Return the object's properties. Raises HalfAnswerError when one is missing that every such object has."""
    values = {found.name: found.val for found in item.propSet}
    reasons = {missing.path: getattr(missing.fault.fault, "msg", None) or "not told" for missing in item.missingSet}
    for path in properties[kind]:
        if path not in values and path not in _OPTIONAL and not (path in {"host", "datastore"} and path not in reasons):
            raise HalfAnswerError(f"{kind} {moref} comes without {path} ({reasons.get(path, 'no reason given')})")
    return values


def _host(values: Mapping[str, Any]) -> Host:
    connected = str(values["runtime.connectionState"]) == "connected"
    return Host(unquote(values["name"]), connected, bool(values["runtime.inMaintenanceMode"]))


def _datastore(values: Mapping[str, Any]) -> Datastore:
    return Datastore(
        name=unquote(values["name"]),
        type=str(values["summary.type"]),
        accessible=bool(values["summary.accessible"]),
        maintenance=values.get("summary.maintenanceMode", "normal") != "normal",
        multiple_host_access=bool(values.get("summary.multipleHostAccess")),
        capacity=int(values["summary.capacity"]),
        free=int(values["summary.freeSpace"]),
    )


def _cluster(moref: str, values: Mapping[str, Any], hosts: Mapping[str, Host], datastores: Mapping[str, Datastore]) -> Cluster:
    drs = values.get(_DRS)
    return Cluster(
        moref=moref,
        name=unquote(values["name"]),
        hosts=_references(moref, values.get("host"), hosts),
        datastores=_references(moref, values.get("datastore"), datastores),
        drs=str(drs.defaultVmBehavior or "") if drs is not None and drs.enabled else "",
    )


def _references(moref: str, listed: Any, known: Mapping[str, object]) -> tuple[str, ...]:
    """Return the MoRefs of a list. Raises HalfAnswerError for one that the same listing did not hold."""
    morefs = tuple(reference._moId for reference in listed or ())  # noqa: SLF001 - the documented name of it
    for found in morefs:
        if found not in known:
            raise HalfAnswerError(f"cluster {moref} refers to {found}, which is not listed")
    return morefs
