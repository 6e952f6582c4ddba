"""Watching real hosts: what happens there is told within a second, and silence in time.

On the demo's cloud; each test leaves it as it was.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from reconciler.targets import Signal, TargetError
from reconciler.targets.pacemaker import PacemakerTarget
from reconciler.targets.ssh import SshTarget
from resources.contract import Query, TargetId
from resources.endpoints import PacemakerEndpoint, SshEndpoint
from tests.lab import keys
from tests.lab.layout import host_named
from tests.lab.test_converge import computes, wait_for
from tests.lab.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]

WITHIN_S = 1.0
LOST_WITHIN_S = 30.0

CONF = "/etc/nova/nova.conf"
COMPUTE = "nova-compute.service"
PROBE = "bivisor-probe.service"
RING = ("ctl1", "ctl2", "ctl3")


@pytest.fixture(scope="module")
def desk(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A converged cloud."""
    return Workspace.converged(tmp_path_factory.mktemp("desk"), lab)


@pytest.fixture
async def hosts(desk: Workspace) -> AsyncIterator[Callable[[str], SshTarget]]:
    """Return what opens a target of a host, the same one each time."""
    assert desk
    opened: dict[str, SshTarget] = {}

    def target(name: str) -> SshTarget:
        host, host_key = host_named(name), keys.public_text(keys.host_key(name))
        endpoint = SshEndpoint(TargetId("ssh", name), host.address, 22, host.user, host_key, str(keys.CLIENT_KEY))
        return opened.setdefault(name, SshTarget(endpoint))

    yield target
    for found in opened.values():
        await found.close()


async def begun(signals: AsyncGenerator[Signal, None]) -> None:
    """Take the first signal; everything can be heard."""
    first = await anext(signals)
    assert (first.everything, first.deaf) == (True, ())


async def told(signals: AsyncGenerator[Signal, None], ready: Callable[[Signal], bool], what: str) -> None:
    """Take signals until one says so. Fails when none has within the limit."""
    try:
        async with asyncio.timeout(WITHIN_S):
            while not ready(await anext(signals)):
                pass
    except TimeoutError:
        pytest.fail(f"not told within {WITHIN_S} s: {what}")


async def test_an_edit_and_a_kill(lab: Lab, hosts: Callable[[str], SshTarget]) -> None:
    """A hand edit of nova.conf and the death of a nova-compute are told, each by its name; the look itself tells nothing."""
    target = hosts("kvm1")
    try:
        async with aclosing(target.watch([CONF], [COMPUTE])) as signals:
            await begun(signals)
            lab.script("kvm1", f"cp -p {CONF} /run/bivisor-was; echo '# by hand' >> {CONF}")
            await told(signals, lambda signal: CONF in signal.paths, "an edit")
            lab.exec("kvm1", "sed", "-i", "$d", CONF)
            await told(signals, lambda signal: CONF in signal.paths, "a file that was replaced")
            lab.exec("kvm1", "systemctl", "kill", "-s", "KILL", COMPUTE)
            await told(signals, lambda signal: COMPUTE in signal.units, "a process that was killed")
    finally:
        lab.script("kvm1", f"cat /run/bivisor-was > {CONF}; rm /run/bivisor-was; systemctl restart {COMPUTE}")
        wait_for(lambda: computes(lab)["kvm1"] == "up", "kvm1's nova-compute is up again")


async def test_what_concerns_unit_files(lab: Lab, hosts: Callable[[str], SshTarget]) -> None:
    """A mask of a unit that does not even exist is told; so is that systemd executed itself anew, and it is heard again."""
    target = hosts("vol2")
    try:
        async with aclosing(target.watch((), [PROBE])) as signals:
            await begun(signals)
            lab.exec("vol2", "systemctl", "mask", PROBE)
            await told(signals, lambda signal: PROBE in signal.units, "a mask")
            lab.exec("vol2", "systemctl", "daemon-reexec")
            heard = await anext(signals)
            while heard.deaf or not heard.everything:
                heard = await anext(signals)
            lab.exec("vol2", "systemctl", "unmask", PROBE)
            await told(signals, lambda signal: PROBE in signal.units, "that it is not masked any more")
    finally:
        lab.exec("vol2", "systemctl", "unmask", PROBE)


async def test_looking_is_no_news(hosts: Callable[[str], SshTarget]) -> None:
    """A look at units that rest and at files is followed by no signal, else each would be followed by another look."""
    target = hosts("vol2")
    units = ["rescue.service", "no-such-unit.service"]
    async with aclosing(target.watch(["/etc/hosts"], units)) as signals:
        await begun(signals)
        queries = [Query("service.show", {"unit": unit}) for unit in units]
        assert all(reply.ok for reply in await target.ask([*queries, Query("file.read", {"path": "/etc/hosts"})]))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await anext(signals)


async def test_the_configuration_of_the_cluster(lab: Lab, hosts: Callable[[str], SshTarget]) -> None:
    """A change of the CIB is told of the cluster, whoever makes it, and so is a member that vanishes."""
    endpoint = PacemakerEndpoint(TargetId("pacemaker", "demo"), {name: TargetId("ssh", name) for name in RING})
    target = PacemakerTarget(endpoint, {name: hosts(name) for name in RING})
    option = ("crm_attribute", "--type", "crm_config", "--name", "bivisor-probe")
    try:
        async with aclosing(target.watch((), (), cib=True)) as signals:
            heard: set[str] = set()
            while len(heard) < len(RING):  # each member begins with everything, at its own time
                await begun(signals)
                heard = {name for name in RING if hosts(name)._channel is not None}
            lab.exec("ctl1", *option, "--update", "1")
            await told(signals, lambda signal: signal.cib, "a new option")
            lab.exec("ctl2", *option, "--delete")
            await told(signals, lambda signal: signal.cib, "an option less")
    finally:
        lab.exec("ctl1", *option, "--delete", check=False)


async def test_a_cable_that_is_pulled(lab: Lab, hosts: Callable[[str], SshTarget]) -> None:
    """A host that is cut off, and closes nothing, is lost within 30 s; with its cable back it is watched anew."""
    target, clock = hosts("kvm1"), asyncio.get_running_loop()
    signals = target.watch([CONF], [COMPUTE])
    await begun(signals)
    lab.cut("kvm1")
    try:
        began = clock.time()
        with pytest.raises(TargetError, match="no sign of life"):
            await anext(signals)
        assert clock.time() - began < LOST_WITHIN_S
    finally:
        lab.mend("kvm1")
    async with aclosing(target.watch([CONF], [COMPUTE])) as again:
        await begun(again)
    wait_for(lambda: computes(lab)["kvm1"] == "up", "Nova hears of kvm1 again")
