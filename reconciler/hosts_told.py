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
"""Seconds after which a host that did not answer is told again who leads."""


async def tell_hosts(fence: Fence, targets: Targets, endpoints: Mapping[TargetId, Endpoint]) -> None:
    """Tell every host at once who leads; one that does not answer is told when it is back, or with the first write.

    One that refuses is told of in the log: what it has heard is its own, and the ring's word goes on being that we lead.
    """

    async def tell(host: TargetId) -> None:
        before = ""
        while not fence.closed:
            with outlived(f"tell {host} who leads"), suppress(TargetError):
                reply = await targets.get(host).do(Action("epoch.raise", {}))
                if reply.ok:
                    return
                if reply.error != before:
                    before = reply.error
                    log.logger().error("host_refuses_the_leader", target=str(host), reason=reply.error)
            await asyncio.sleep(TELL_EVERY_S)

    async with asyncio.TaskGroup() as group:
        for host in () if fence is UNFENCED else endpoints:
            if host.kind == "ssh":
                group.create_task(tell(host))
