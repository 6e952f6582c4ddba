"""That every host hears who leads, before and beside what is written there: it refuses a former leader from then on."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from reconciler import log
from reconciler.mistakes import outlived
from reconciler.targets import TargetError
from reconciler.targets.fence import UNFENCED
from resources.contract import Action

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.targets.fence import Fence
    from reconciler.targets.open import Targets
    from resources.contract import TargetId
    from resources.endpoints import Endpoint

TELL_EVERY_S = 30.0
MOST_REST_S = 300.0
"""Seconds after which a host that refused is told again who leads, and one that did not answer: twice as long each time."""


class Tidings:
    """That this one leads, for every host; a host that is not there is told when it is `heard`, or with the first write."""

    def __init__(self, fence: Fence, targets: Targets, endpoints: Mapping[TargetId, Endpoint]) -> None:
        """Have told nobody yet."""
        self._fence = fence
        self._targets = targets
        hosts = () if fence is UNFENCED else (host for host in endpoints if host.kind == "ssh")
        self._untold = {host: asyncio.Event() for host in hosts}

    async def run(self) -> None:
        """Tell all of them at once, until each has heard it or this one leads no more."""
        async with asyncio.TaskGroup() as group:
            for host, heard in self._untold.items():
                group.create_task(self._tell(host, heard))

    def heard(self, host: TargetId) -> None:
        """Tell it at once if it is still to be told: there is news of it, it may be back."""
        if host in self._untold:
            self._untold[host].set()

    async def _tell(self, host: TargetId, heard: asyncio.Event) -> None:
        """Tell one host.

        One that refuses is told of in the log: what it has heard is its own, and the ring's word goes on being that we lead.
        """
        before, silent_s = "", TELL_EVERY_S
        while not self._fence.closed:
            heard.clear()
            rest_s = silent_s
            with outlived(f"tell {host} who leads"), suppress(TargetError):
                reply = await self._targets.get(host).do(Action("epoch.raise", {}))
                if reply.ok:
                    return
                rest_s = TELL_EVERY_S  # it answers: that costs little, and a person may be mending it
                if reply.error != before:
                    before = reply.error
                    log.logger().error("host_refuses_the_leader", target=str(host), reason=reply.error)
            silent_s = min(rest_s * 2.0, MOST_REST_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(rest_s):
                    await heard.wait()
