"""A vCenter, read through pyVmomi in threads; one session is kept, and one more for each watch.

Queries      session.check {}             logged_in, fault, about {version, instance_uuid, full_name}
             cluster.find {name}          exists, moref, matches, hosts, usable_hosts, drs, names (of all clusters, by MoRef),
                                          instance_uuid (of the vCenter)
             datastores.list {cluster}    datastores [{name, type, accessible, maintenance, multiple_host_access,
                                          capacity, free}]
             datacenter.datastores {path} exists, names
             switch.find {name}           switches (how many distributed switches have that name), known (all their names)
             port_group.find {vds, name}  switches, known, group {moref, vlan, version, uplink} or None,
                                          namesakes (other networks of that name where the switch is)
Actions      port_group.create {vds, name, vlan}
             port_group.set_vlan {moref, vlan, if_version}
Nothing else is ever changed in a vCenter.

A refused login is an answer, in `session.check`; the other questions then get code `denied`. An ask lists the inventory
once and in full; when the session was lost, it logs in and lists again, once.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.targets import BEAT_S, TargetError
from reconciler.targets.fence import UNFENCED, Fence
from reconciler.targets.threads import Threads
from reconciler.targets.vcenter_inventory import Inventory, read_datastore_names, read_inventory
from reconciler.targets.vcenter_networks import ACTIONS, QUERIES, Networks, answer, change_port_group, read_networks
from reconciler.targets.vcenter_session import (
    HalfAnswerError,
    LoginRefusedError,
    LostSessionError,
    Session,
    explain,
    open_session,
)
from reconciler.targets.vcenter_watch import Ear, watch_vcenter
from resources.contract import Query, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Sequence

    from reconciler.targets import Signal
    from resources.contract import Action
    from resources.endpoints import VCenterEndpoint

T = TypeVar("T")

_DEADLINE_S = 30.0
_SOCKET_TIMEOUT_S = 10.0
_CLOSE_S = 5.0
_PROOF_S = 300.0
"""A session goes on when its password changes in vCenter, so it proves the credentials for a while only."""
_REFUSAL_S = 60.0
"""vCenter locks an account after five refused logins within three minutes (its default); this asks for three at most."""


class VCenterTarget:
    """One vCenter with one account."""

    def __init__(
        self,
        endpoint: VCenterEndpoint,
        *,
        deadline_s: float = _DEADLINE_S,
        socket_timeout_s: float = _SOCKET_TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
        fence: Fence = UNFENCED,
    ) -> None:
        """Know how to reach it; nothing is connected yet. `deadline_s` is for an ask, the other for each read."""
        self._fence = fence
        self._endpoint = endpoint
        self._deadline_s = deadline_s
        self._socket_timeout_s = socket_timeout_s
        self._threads = Threads(str(endpoint.target))
        self._lock = asyncio.Lock()
        self._clock = clock
        self._session: Session | None = None
        self._proved_at = -math.inf
        self._refusal: tuple[float, LoginRefusedError] | None = None
        self._one_login = threading.Lock()
        self._ears: set[Ear] = set()

    async def ask(self, queries: Sequence[Query]) -> Sequence[Reply]:
        """Answer all queries from one session and one listing. Raises TargetError."""
        try:
            return await self._logged_in(partial(_answer, tuple(queries)))
        except LoginRefusedError as refusal:
            return [_refused(query, refusal) for query in queries]

    async def do(self, action: Action) -> Reply:
        """Make or change a port group, of which vCenter is asked again whether it is still as it was. Raises TargetError."""
        if action.op not in ACTIONS:
            return Reply({}, "unsupported", f"a vCenter has no {action.op}")
        await self._fence.opened(self._endpoint.target)
        try:
            return await self._logged_in(partial(self._change, action))
        except LoginRefusedError as refusal:
            return _denied(refusal)

    def watch(
        self,
        paths: Collection[str],  # noqa: ARG002 - what other targets hold
        units: Collection[str],  # noqa: ARG002 - as above
        *,
        cib: bool = False,  # noqa: ARG002 - as above
        beat_s: float = BEAT_S,
    ) -> AsyncGenerator[Signal, None]:
        """Tell when something may have changed there; see Watchable, and watch_vcenter."""
        return watch_vcenter(self._endpoint, self._log_in, self._ears, beat_s)

    def _change(self, action: Action, session: Session) -> Reply:
        """Carry it out as long as we lead. Blocks."""
        with self._fence.sending(self._endpoint.target):
            return change_port_group(action, session)

    async def close(self) -> None:
        """Log out everywhere, within a few seconds or not at all; who watches is told that it is over."""
        session, self._session = self._session, None
        async with asyncio.TaskGroup() as group:
            for logged_in in (*self._ears, *((session,) if session else ())):
                group.create_task(self._log_out(logged_in))
        with suppress(TimeoutError):  # who gave up asking left a session behind, which is logged out in its thread
            await self._threads.ended(deadline_s=_CLOSE_S)

    async def _log_out(self, logged_in: Session | Ear) -> None:
        with suppress(TimeoutError):
            await self._threads.run(logged_in.close, deadline_s=_CLOSE_S)

    async def _logged_in(self, call: Callable[[Session], T]) -> T:
        """Run the call in a thread, one at a time. Raises TargetError and LoginRefusedError."""
        async with self._lock:
            self._heed_refusal()
            # It comes back only with a good answer; one that failed or is late is never used again.
            kept, self._session = self._session, None
            try:
                run = partial(self._run, call, kept)
                answer, session = await self._threads.run(run, deadline_s=self._deadline_s, dispose=_dispose)
            except TimeoutError as error:
                place = f"{self._endpoint.host}:{self._endpoint.port}"
                reason = f"no complete answer from {place} within {self._deadline_s:g} s"
                raise TargetError(self._endpoint.target, reason) from error
            self._session = session
            return answer

    def _heed_refusal(self) -> None:
        """Raise LoginRefusedError when the last one was not long ago."""
        if self._refusal and self._clock() - self._refusal[0] < _REFUSAL_S:
            raise self._refusal[1]

    def _log_in(self, socket_timeout_s: float) -> Session:
        """Return a new session; a refusal counts for everybody who asks or watches. Blocks.

        Raises TargetError and LoginRefusedError.
        """
        with self._one_login:
            self._heed_refusal()
            try:
                session = open_session(self._endpoint, socket_timeout_s=socket_timeout_s, fence=self._fence)
            except LoginRefusedError as refusal:
                self._refusal = self._clock(), refusal
                self._proved_at = -math.inf
                raise
            self._proved_at = self._clock()
            return session

    def _run(self, call: Callable[[Session], T], kept: Session | None) -> tuple[T, Session]:
        """Call, with a new session when the kept one was lost. Raises TargetError and LoginRefusedError. Blocks."""
        try:
            if kept is not None:
                with suppress(LostSessionError):
                    return self._with(kept, call)
            return self._with(None, call)
        except (LoginRefusedError, TargetError):
            raise
        except Exception as error:
            raise explain(self._endpoint, error, self._socket_timeout_s) from error

    def _with(self, kept: Session | None, call: Callable[[Session], T]) -> tuple[T, Session]:
        """Call with that session, or from a new one when there is none or it has proved its credentials long enough."""
        if kept is not None and self._clock() - self._proved_at >= _PROOF_S:
            kept.close()
            kept = None
        session = kept or self._log_in(self._socket_timeout_s)
        try:
            if session is kept:
                session.prove()
            return call(session), session
        except HalfAnswerError:
            session.close()
            raise
        except Exception:
            session.drop()
            raise


def _answer(queries: Sequence[Query], session: Session) -> list[Reply]:
    listing = any(query.op in {"cluster.find", "datastores.list"} for query in queries)
    inventory = read_inventory(session.content) if listing else Inventory((), {}, {})
    connected = any(query.op in QUERIES for query in queries)
    networks = read_networks(session.content) if connected else Networks({}, ())
    return [_reply(query, session, inventory, networks) for query in queries]


def _reply(query: Query, session: Session, inventory: Inventory, networks: Networks) -> Reply:
    match query.op:
        case op if op in QUERIES:
            return answer(query, session, networks)
        case "session.check":
            about = session.content.about
            told = {"version": about.version, "instance_uuid": about.instanceUuid, "full_name": about.fullName}
            return Reply({"logged_in": True, "fault": "", "about": told})
        case "cluster.find":
            uuid = str(session.content.about.instanceUuid)
            return Reply({**_found(inventory, query.args["name"]), "instance_uuid": uuid})
        case "datastores.list":
            return _datastores(inventory, query.args["cluster"])
        case "datacenter.datastores":
            names = read_datastore_names(session.content, query.args["path"])
            return Reply({"exists": names is not None, "names": list(names or ())})
        case _:
            return Reply({}, "unsupported", f"a vCenter has no {query.op}")


def _found(inventory: Inventory, name: str) -> dict[str, Any]:
    matches = [cluster for cluster in inventory.clusters if cluster.name == name]
    hosts = [inventory.hosts[moref] for moref in matches[0].hosts] if matches else []
    return {
        "exists": bool(matches),
        "moref": matches[0].moref if matches else "",
        "matches": len(matches),
        "hosts": len(hosts),
        "usable_hosts": sum(host.connected and not host.maintenance for host in hosts),
        "drs": matches[0].drs if matches else "",
        "names": {cluster.moref: cluster.name for cluster in inventory.clusters},
    }


def _datastores(inventory: Inventory, cluster_name: str) -> Reply:
    for cluster in inventory.clusters:
        if cluster.name == cluster_name:
            stores = sorted((inventory.datastores[moref] for moref in cluster.datastores), key=lambda store: store.name)
            return Reply({"datastores": [asdict(store) for store in stores]})
    return Reply({}, "failed", f'no cluster named "{cluster_name}" in vCenter')


def _refused(query: Query, refusal: LoginRefusedError) -> Reply:
    if query.op == "session.check":
        return Reply({"logged_in": False, "fault": refusal.fault, "about": {}})
    return _denied(refusal)


def _denied(refusal: LoginRefusedError) -> Reply:
    return Reply({}, "denied", f"vCenter refuses the login ({refusal.fault})")


def _dispose(answer: tuple[object, Session]) -> None:
    answer[1].close()
