"""The APIs of an OpenStack, found through Keystone and spoken to with keystoneauth, openstacksdk's session layer, in threads.

Queries      aggregate.get {name, zone?}     exists, id, availability_zone, hosts, metadata, instances (by host, where the
                                             zone is another one than `zone`, else null)
             compute_service.get {host}      exists, id, state, status, disabled_reason, hypervisor {type, hostname, state},
                                             reported_at, newest_report (of any service of Nova; Unix time)
             computes.list {}                computes [{host, state, status, reported_at}], newest_report
             hypervisors.list {type, uuids}  hypervisors [{hostname, host, uuid}], the last one '' unless `uuids` asks for it
             instances.list {host}           instances [name]
Actions      aggregate.create {name, availability_zone}      aggregate.set {name, availability_zone}
             aggregate.add_host {name, host}                 aggregate.remove_host {name, host}
             aggregate.delete {name}                         compute_service.enable {host}
             compute_service.disable {host, reason}          compute_service.delete {host}

Names are turned into ids here. An ask lists each collection that it needs once; an answer without the collection is an
error, not an empty one. Each action looks first and does nothing where nothing is left to do.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.targets import TargetError
from reconciler.targets.openstack_nova import Nova, RefusedError, moment
from reconciler.targets.openstack_session import close_connection, connect, explain
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


class OpenStackTarget:
    """One OpenStack with one admin account. A token is kept as long as Keystone lets it live."""

    def __init__(
        self, endpoint: OpenStackEndpoint, *, deadline_s: float = _DEADLINE_S, socket_timeout_s: float = _SOCKET_TIMEOUT_S
    ) -> None:
        """Know how to reach it; nothing is connected yet. `deadline_s` is for an ask or an action, the other for each read."""
        self._endpoint = endpoint
        self._deadline_s = deadline_s
        self._socket_timeout_s = socket_timeout_s
        self._threads = Threads(str(endpoint.target))
        self._lock = asyncio.Lock()
        self._connection: Any = None

    async def ask(self, queries: Sequence[Query]) -> Sequence[Reply]:
        """Answer all queries from one listing of each collection. Raises TargetError."""
        return await self._with_nova(partial(_answer, tuple(queries)))

    async def do(self, action: Action) -> Reply:
        """Carry out one action; a refusal is a reply. Raises TargetError when it is unknown whether it was done."""
        return await self._with_nova(partial(_act, action))

    async def close(self) -> None:
        """Let go of the connections."""
        connection, self._connection = self._connection, None
        if connection is not None:
            close_connection(connection)

    async def _with_nova(self, call: Callable[[Nova], T]) -> T:
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

    def _run(self, kept: Any, call: Callable[[Nova], T]) -> tuple[T, Any]:
        """Call with a connection. Raises TargetError. Blocks."""
        connection = kept
        try:
            connection = kept or connect(self._endpoint, timeout_s=self._socket_timeout_s)
            return call(Nova(connection)), connection
        except Exception as error:
            if connection is not None:
                close_connection(connection)
            raise explain(self._endpoint, error, self._socket_timeout_s) from error


def _dispose(result: tuple[object, Any]) -> None:
    close_connection(result[1])


def _answer(queries: Sequence[Query], nova: Nova) -> list[Reply]:
    return [_reply(query, nova) for query in queries]


def _reply(query: Query, nova: Nova) -> Reply:
    match query.op:
        case "aggregate.get":
            return Reply(_aggregate(query.args["name"], query.args.get("zone"), nova))
        case "compute_service.get":
            return Reply(_compute(query.args["host"], nova))
        case "computes.list":
            computes = [_row(found, "host", "state", "status") for found in nova.compute_services()]
            return Reply({"computes": computes, "newest_report": nova.newest_report()})
        case "hypervisors.list":
            return Reply({"hypervisors": _hypervisors(query.args["type"], nova, uuids=query.args["uuids"])})
        case "instances.list":
            return Reply({"instances": nova.instances(query.args["host"])})
        case _:
            return _unsupported(query.op)


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
    return {"exists": service is not None, **told, "newest_report": nova.newest_report(), "hypervisor": shown}


def _row(service: Mapping[str, Any], *fields: str) -> dict[str, Any]:
    return {**{field: service.get(field) for field in fields}, "reported_at": moment(service.get("updated_at"))}


def _act(action: Action, nova: Nova) -> Reply:
    args = action.args
    try:
        match action.op:
            case "aggregate.create" | "aggregate.set":
                nova.set_aggregate(args["name"], args["availability_zone"], create=action.op == "aggregate.create")
            case "aggregate.add_host" | "aggregate.remove_host":
                nova.set_member(args["name"], args["host"], present=action.op == "aggregate.add_host")
            case "aggregate.delete":
                nova.delete_aggregate(args["name"])
            case "compute_service.enable":
                nova.enable(args["host"])
            case "compute_service.disable":
                nova.disable(args["host"], args["reason"])
            case "compute_service.delete":
                nova.delete_service(args["host"])
            case _:
                return _unsupported(action.op)
    except RefusedError as refusal:
        return Reply({}, refusal.code, str(refusal))
    return Reply({})


def _unsupported(op: str) -> Reply:
    return Reply({}, "unsupported", f"an OpenStack has no {op}")
