"""Open targets as they are needed, keep them open, close them all at the end.

Each protocol's library is imported when the first target of that kind is opened: a cloud without a vCenter does not
pay for pyVmomi.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from reconciler.mistakes import outlived
from reconciler.targets import TargetError
from reconciler.targets.fence import UNFENCED, Fence
from resources.endpoints import OpenStackEndpoint, PacemakerEndpoint, SshEndpoint, VCenterEndpoint

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from types import TracebackType

    from reconciler.targets import Target
    from reconciler.targets.ssh_connection import ConnectGate
    from resources.contract import TargetId
    from resources.endpoints import Endpoint


class Targets:
    """All targets of a catalog. An async context manager: leaving it closes what was opened."""

    def __init__(self, endpoints: Mapping[TargetId, Endpoint], fence: Fence = UNFENCED) -> None:
        """Know how to reach the targets; nothing is connected yet. Whatever is written passes the fence."""
        self._fence = fence
        self._endpoints = endpoints
        self._open: dict[TargetId, Target] = {}
        self._former: list[Target] = []
        self._gate: ConnectGate | None = None

    async def __aenter__(self) -> Self:
        """Enter; connecting happens at the first question."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every target that was opened, all at the same time."""
        targets = [*self._open.values(), *self._former]
        self._open.clear()
        await self.close(targets)

    def replace(self, endpoints: Mapping[TargetId, Endpoint]) -> Mapping[TargetId, Target]:
        """Reach targets in these ways from now on; return those that are reached otherwise or not at all, still open.

        Somebody may be in the middle of something with them: who knows when that has ended has to `close` them then. A
        cluster is spoken to through its hosts: with one of those it is replaced as well. A host that joins the ring, or
        leaves it, is told otherwise who leads.
        """
        places = self._places()
        before, self._endpoints = self._endpoints, endpoints
        changed = {target for target in self._open if before.get(target) != endpoints.get(target)}
        changed |= {target for target, place in self._places().items() if place != places[target]}
        if any(target.kind == "ssh" for target in changed):
            changed |= {target for target in self._open if target.kind == "pacemaker"}
        former = {target: self._open.pop(target) for target in changed}
        self._former += former.values()
        return former

    async def renew(self, target: TargetId) -> None:
        """Close a target; whoever asks for it next has another one, on a new connection."""
        if target in self._open:
            await self._close(self._open.pop(target))

    async def close(self, targets: Collection[Target]) -> None:
        """Close these targets, all at the same time."""
        async with asyncio.TaskGroup() as group:
            for target in targets:
                group.create_task(self._close(target))

    async def _close(self, target: Target) -> None:
        with outlived("close a target"):
            await target.close()
        self._former = [other for other in self._former if other is not target]

    def get(self, target_id: TargetId) -> Target:
        """Return the target, the same one each time. Raises TargetError for one that no document declares any more."""
        if target_id not in self._endpoints:
            raise TargetError(target_id, "no document declares it any more", retry=False)
        if target_id not in self._open:
            self._open[target_id] = self._make(self._endpoints[target_id])
        return self._open[target_id]

    def _make(self, endpoint: Endpoint) -> Target:
        match endpoint:
            case SshEndpoint():
                from reconciler.targets.load_asyncssh import load_asyncssh  # noqa: PLC0415 - see the module's docstring

                load_asyncssh()
                from reconciler.targets.ssh import SshTarget  # noqa: PLC0415 - as above
                from reconciler.targets.ssh_connection import ConnectGate  # noqa: PLC0415 - as above

                self._gate = self._gate or ConnectGate()
                return SshTarget(endpoint, self._gate, fence=self._fence, place=self._place(endpoint.target))
            case PacemakerEndpoint():
                from reconciler.targets.pacemaker import PacemakerTarget  # noqa: PLC0415 - as above

                hosts = {**endpoint.remotes, **endpoint.members}
                return PacemakerTarget(endpoint, {name: self.get(host) for name, host in hosts.items()})
            case VCenterEndpoint():
                from reconciler.targets.vcenter import VCenterTarget  # noqa: PLC0415 - as above

                return VCenterTarget(endpoint, fence=self._fence)
            case OpenStackEndpoint():
                from reconciler.targets.openstack import OpenStackTarget  # noqa: PLC0415 - as above

                return OpenStackTarget(endpoint, fence=self._fence)

    def _places(self) -> dict[TargetId, str]:
        """Return what each open host is in the ring, where that is told to it."""
        return {} if self._fence is UNFENCED else {host: self._place(host) for host in self._open if host.kind == "ssh"}

    def _place(self, host: TargetId) -> str:
        """Return what the host is in the ring: '', member, or here, if it is where the leader runs."""
        rings = (found.members for found in self._endpoints.values() if isinstance(found, PacemakerEndpoint))
        names = [name for members in rings for name, member in members.items() if member == host]
        return "here" if self._fence.node in names else "member" if names else ""
