"""The APIs of an OpenStack, found through Keystone and spoken to with keystoneauth, openstacksdk's session layer, in threads.

Queries      aggregate.get {name, zone?}     exists, id, availability_zone, hosts, metadata, instances (by host, where the
                                             zone is another one than `zone`, else null)
             compute_service.get {host}      exists, id, state, status, disabled_reason, hypervisor {type, hostname, state},
                                             reported_at, newest_report (of any service of Nova; Unix time),
                                             others_report (of any other nova-compute, or null)
             computes.list {}                computes [{host, state, status, reported_at}], newest_report
             hypervisors.list {type, uuids}  hypervisors [{hostname, host, uuid}], the last one '' unless `uuids` asks for it
             instances.list {host}           instances [name], those that are being moved to or from it included
             aggregates.list {}              aggregates [{name, availability_zone, hosts}]
             volume_service.get {host}       exists, state, status, disabled_reason, availability_zone, namesakes (of one that
                                             does not exist: other hosts that serve a section of that name)
             volumes.list {host}             volumes [name], of all projects; of one without a name its id
             volume_type.get {name}          exists, id, public, specs
             volume_services.list {}         volume_services [{host, state, zone}]
             volume_types.list {}            volume_types [{name, public, specs}]
             image.find {name}               images [{id, fields}]
             images.list {}                  images [{name, hypervisor_type}], of those that image.find would find
Actions      aggregate.create {name, availability_zone}      aggregate.set {name, availability_zone}
             aggregate.add_host {name, host}                 aggregate.remove_host {name, host}
             aggregate.delete {name}                         compute_service.enable {host}
             compute_service.disable {host, reason}          compute_service.delete {host}
             volume_service.enable {host}                   volume_service.disable {host, reason}
             volume_type.create {name, public, specs}        volume_type.set_specs {name, specs}
             volume_type.set_public {name, public}           volume_type.delete {name}
             image.set {id, properties}

Names are turned into ids here. An ask lists each collection that it needs once; an answer without the collection is an
error, not an empty one. Each action looks first and does nothing where nothing is left to do.
"""

from __future__ import annotations

import asyncio
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.targets import TargetError
from reconciler.targets.fence import UNFENCED, Fence
from reconciler.targets.openstack_api import RefusedError
from reconciler.targets.openstack_cinder import Cinder
from reconciler.targets.openstack_glance import Glance
from reconciler.targets.openstack_nova import Nova, moment
from reconciler.targets.openstack_session import close_connection, connect, explain, image_api, volume_api
from reconciler.targets.threads import Threads
from resources.contract import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resources.contract import Action, Query
    from resources.endpoints import OpenStackEndpoint

T = TypeVar("T")

_DEADLINE_S = 30.0
_SOCKET_TIMEOUT_S = 10.0
_CLOSE_S = 5.0


class Apis:
    """One look at the cloud: the APIs behind one login, each reached when it is asked."""

    def __init__(self, connection: Any) -> None:
        """Nothing is asked yet."""
        self._connection = connection

    @cached_property
    def nova(self) -> Nova:
        """The compute API."""
        return Nova(self._connection)

    @cached_property
    def cinder(self) -> Cinder:
        """The volume API."""
        return Cinder(volume_api(self._connection))

    @cached_property
    def glance(self) -> Glance:
        """The image API."""
        return Glance(image_api(self._connection))


class OpenStackTarget:
    """One OpenStack with one admin account. A token is kept as long as Keystone lets it live."""

    def __init__(
        self, endpoint: OpenStackEndpoint, *, deadline_s: float = _DEADLINE_S, socket_timeout_s: float = _SOCKET_TIMEOUT_S,
        fence: Fence = UNFENCED,
    ) -> None:  # fmt: skip
        """Know how to reach it; nothing is connected yet. `deadline_s` is for an ask or an action, the other for each read."""
        self._fence = fence
        self._endpoint = endpoint
        self._deadline_s = deadline_s
        self._socket_timeout_s = socket_timeout_s
        self._threads = Threads(str(endpoint.target))
        self._lock = asyncio.Lock()
        self._connection: Any = None

    async def ask(self, queries: Sequence[Query]) -> Sequence[Reply]:
        """Answer all queries from one listing of each collection. Raises TargetError when no API answers any of them."""
        answers = await self._with_apis(partial(_answer, tuple(queries)))
        return [answer if isinstance(answer, Reply) else self._failed(answer) for answer in answers]

    async def do(self, action: Action) -> Reply:
        """Carry out one action; a refusal is a reply. Raises TargetError when it is unknown whether it was done."""
        await self._fence.opened(self._endpoint.target)
        return await self._with_apis(partial(self._act, action))

    def _act(self, action: Action, apis: Apis) -> Reply:
        """Carry it out as long as we lead. Blocks."""
        with self._fence.sending(self._endpoint.target):
            return _act(action, apis)

    async def close(self) -> None:
        """Let go of the connections."""
        connection, self._connection = self._connection, None
        if connection is not None:
            close_connection(connection)

    async def _with_apis(self, call: Callable[[Apis], T]) -> T:
        """Run the call in a thread, one at a time; a connection that failed it is not used again."""
        async with self._lock:
            kept, self._connection = self._connection, None
            try:
                run = partial(self._run, kept, call)
                result, self._connection = await self._threads.run(run, deadline_s=self._deadline_s, dispose=_dispose)
            except TimeoutError as error:
                reason = f"no complete answer from the APIs behind {self._endpoint.auth_url} within {self._deadline_s:g} s"
                raise TargetError(self._endpoint.target, reason) from error
            return result

    def _failed(self, error: Exception) -> Reply:
        """Return what is said of a query whose API failed while another one answered: no answer, and no reason to act on."""
        return Reply({}, "unanswered", explain(self._endpoint, error, self._socket_timeout_s).reason)

    def _run(self, kept: Any, call: Callable[[Apis], T]) -> tuple[T, Any]:
        """Call with a connection. Raises TargetError. Blocks."""
        connection = kept
        try:
            connection = kept or connect(self._endpoint, timeout_s=self._socket_timeout_s, fence=self._fence)
            return call(Apis(connection)), connection
        except Exception as error:
            if connection is not None:
                close_connection(connection)
            if isinstance(error, TargetError):
                raise
            raise explain(self._endpoint, error, self._socket_timeout_s) from error


def _dispose(result: tuple[object, Any]) -> None:
    close_connection(result[1])


def _answer(queries: Sequence[Query], apis: Apis) -> list[Reply | Exception]:
    """Return each reply, or why its API gave none. Raises that when all failed; one that failed is not asked again."""
    errors: dict[str, Exception] = {}
    answers: list[Reply | Exception] = []
    for query in queries:
        api = _api_of(query.op)
        if api not in errors:
            try:
                answers.append(_reply(query, apis))
                continue
            except Exception as error:  # noqa: BLE001 - whatever ails one API, the other ones' answers count
                errors[api] = error
        answers.append(errors[api])
    if answers and all(isinstance(answer, Exception) for answer in answers):
        raise next(iter(errors.values()))
    return answers


def _api_of(op: str) -> str:
    return next((api for start, api in (("volume", "volume"), ("image", "image")) if op.startswith(start)), "compute")


def _reply(query: Query, apis: Apis) -> Reply:  # noqa: PLR0911 - one for each query
    args = query.args
    match query.op:
        case "aggregate.get":
            return Reply(_aggregate(args["name"], args.get("zone"), apis.nova))
        case "compute_service.get":
            return Reply(_compute(args["host"], apis.nova))
        case "computes.list":
            computes = [_row(found, "host", "state", "status") for found in apis.nova.compute_services()]
            return Reply({"computes": computes, "newest_report": apis.nova.newest_report})
        case "hypervisors.list":
            return Reply({"hypervisors": _hypervisors(args["type"], apis.nova, uuids=args["uuids"])})
        case "instances.list":
            return Reply({"instances": apis.nova.lodgers(args["host"])})
        case "volume_service.get":
            return Reply(_volume_service(args["host"], apis.cinder))
        case "volumes.list":
            return Reply({"volumes": apis.cinder.volumes(args["host"])})
        case "volume_type.get":
            return Reply(_volume_type(apis.cinder.volume_type(args["name"])))
        case "image.find":
            return Reply({"images": apis.glance.images(args["name"])})
        case _:
            return _listing(query.op, apis)


def _listing(op: str, apis: Apis) -> Reply:
    """Answer with a whole collection."""
    match op:
        case "aggregates.list":
            return Reply({"aggregates": [_fields(one, "name", "availability_zone", "hosts") for one in apis.nova.aggregates()]})
        case "volume_services.list":
            return Reply({"volume_services": [_fields(one, "host", "state", "zone") for one in apis.cinder.services()]})
        case "volume_types.list":
            types = ({"name": one["name"], **_volume_type(one)} for one in apis.cinder.volume_types())
            return Reply({"volume_types": [_fields(one, "name", "public", "specs") for one in types]})
        case "images.list":
            listed = ((one["fields"]["name"], one["fields"].get("hypervisor_type", "")) for one in apis.glance.all_images())
            return Reply({"images": [{"name": name, "hypervisor_type": kind} for name, kind in listed]})
        case _:
            return _unsupported(op)


def _fields(found: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: found.get(name) for name in names}


def _aggregate(name: str, zone: str | None, nova: Nova) -> dict[str, Any]:
    found = nova.aggregate(name)
    if found is None:
        return {"exists": False, "id": None, "availability_zone": None, "hosts": [], "metadata": {}, "instances": None}
    metadata = {key: value for key, value in found["metadata"].items() if key != "availability_zone"}
    told = {"availability_zone": found["availability_zone"], "hosts": sorted(found["hosts"]), "metadata": metadata}
    looked = zone is not None and zone != found["availability_zone"]
    instances = {host: nova.instances(host) for host in told["hosts"]} if looked else None
    return {"exists": True, "id": found["id"], **told, "instances": instances}


def _hypervisors(kind: str, nova: Nova, *, uuids: bool) -> list[dict[str, str]]:
    found = [each for each in nova.hypervisors() if each["hypervisor_type"] == kind]
    known = nova.hypervisor_uuids() if uuids and found else {}
    names = [(each["hypervisor_hostname"], each["service"]["host"]) for each in found]
    return [{"hostname": hostname, "host": host, "uuid": known.get(hostname, "")} for hostname, host in names]


def _compute(host: str, nova: Nova) -> dict[str, Any]:
    service, hypervisor = nova.compute_service(host), nova.hypervisor(host)
    shown = None
    if hypervisor is not None:
        shown = {
            "type": hypervisor["hypervisor_type"],
            "hostname": hypervisor["hypervisor_hostname"],
            "state": hypervisor.get("state"),
        }
    told = _row(service or {}, "id", "state", "status", "disabled_reason")
    return {"exists": service is not None, **told, **_clock(host, nova), "hypervisor": shown}


def _clock(host: str, nova: Nova) -> dict[str, int | None]:
    return {"newest_report": nova.newest_report, "others_report": nova.others_report(host)}


def _row(service: Mapping[str, Any], *fields: str) -> dict[str, Any]:
    return {**{field: service.get(field) for field in fields}, "reported_at": moment(service.get("updated_at"))}


def _volume_service(host: str, cinder: Cinder) -> dict[str, Any]:
    found = cinder.service(host)
    namesakes = [] if found else cinder.namesakes(host)
    told = {field: found.get(field) if found else None for field in ("state", "status", "disabled_reason")}
    return {"exists": found is not None, **told, "availability_zone": found["zone"] if found else None, "namesakes": namesakes}


def _volume_type(found: Mapping[str, Any] | None) -> dict[str, Any]:
    if found is None:
        return {"exists": False, "id": None, "public": None, "specs": {}}
    return {"exists": True, "id": found["id"], "public": found["is_public"], "specs": dict(found["extra_specs"])}


def _act(action: Action, apis: Apis) -> Reply:
    try:
        known = any(carry_out(action, apis) for carry_out in (_computes, _volumes, _images))
    except RefusedError as refusal:
        return Reply({}, refusal.code, str(refusal))
    return Reply({}) if known else _unsupported(action.op)


def _computes(action: Action, apis: Apis) -> bool:
    """Carry out an action on Nova; tell whether there is such a one. Raises RefusedError."""
    args = action.args
    match action.op:
        case "aggregate.create" | "aggregate.set":
            apis.nova.set_aggregate(args["name"], args["availability_zone"], create=action.op == "aggregate.create")
        case "aggregate.add_host" | "aggregate.remove_host":
            apis.nova.set_member(args["name"], args["host"], present=action.op == "aggregate.add_host")
        case "aggregate.delete":
            apis.nova.delete_aggregate(args["name"])
        case "compute_service.enable":
            apis.nova.enable(args["host"])
        case "compute_service.disable":
            apis.nova.disable(args["host"], args["reason"])
        case "compute_service.delete":
            apis.nova.delete_service(args["host"])
        case _:
            return False
    return True


def _volumes(action: Action, apis: Apis) -> bool:
    """Carry out an action on Cinder; tell whether there is such a one. Raises RefusedError."""
    args = action.args
    match action.op:
        case "volume_service.enable":
            apis.cinder.enable(args["host"])
        case "volume_service.disable":
            apis.cinder.disable(args["host"], args["reason"])
        case "volume_type.create":
            apis.cinder.create_type(args["name"], args["specs"], public=args["public"])
        case "volume_type.set_specs":
            apis.cinder.set_specs(args["name"], args["specs"])
        case "volume_type.set_public":
            apis.cinder.set_public(args["name"], public=args["public"])
        case "volume_type.delete":
            apis.cinder.delete_type(args["name"])
        case _:
            return False
    return True


def _images(action: Action, apis: Apis) -> bool:
    """Carry out an action on Glance; tell whether there is such a one. Raises RefusedError."""
    if action.op != "image.set":
        return False
    apis.glance.set_properties(action.args["id"], action.args["properties"])
    return True


def _unsupported(op: str) -> Reply:
    return Reply({}, "unsupported", f"an OpenStack has no {op}")
