"""The host helper on a real host: systemd services, and what it knows about the processes behind them.

The tests use a unit and folders of their own on one of the lab's hosts and take them away again.
"""

from __future__ import annotations

import textwrap
import time
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.targets.ssh import SshTarget
from resources.contract import Action, Query, Reply, TargetId
from resources.endpoints import SshEndpoint
from tests.lab import keys
from tests.lab.layout import host_named

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.lab.lab import Lab

pytestmark = pytest.mark.lab

HOST = "vol2"
"""A host whose user is not root: everything here goes through sudo as well."""

UNIT = "bivisor-probe.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
FOLDER = "/run/bivisor-probe"
CONFIG = f"{FOLDER}/probe.conf"
STATE = f"{FOLDER}/state"

UNIT_TEXT = textwrap.dedent(f"""\
    [Service]
    ExecStart=/bin/sh -c '. {CONFIG}; exec sleep infinity'
    [Install]
    WantedBy=multi-user.target
    """)


class Probe:
    """A service that loads one configuration file when it starts."""

    def __init__(self, lab: Lab, target: SshTarget) -> None:
        """Speak to it through the target, and behind its back through the lab."""
        self.lab = lab
        self.target = target

    async def do(self, op: str, **args: Any) -> Reply:
        """Do an action that has to go well."""
        reply = await self.target.do(Action(op, args))
        assert reply.ok, reply.error
        return reply

    async def show(self, digest: str = "d1") -> dict[str, Any]:
        """Return how the service stands, if that is the digest of what is declared."""
        (reply,) = await self.target.ask((Query("service.show", {"unit": UNIT, "loads": {CONFIG: digest}}),))
        assert reply.ok, reply.error
        return dict(reply.data)

    async def write(self, text: str, digest: str) -> None:
        """Write the configuration as Bivisor does."""
        (seen,) = await self.target.ask((Query("file.read", {"path": CONFIG}),))
        await self.do("file.write", path=CONFIG, text=text, if_digest=seen.data.get("digest"), owned=digest, readers=[UNIT])

    async def fresh(self, digest: str = "d1") -> bool:
        """Tell whether the running process has loaded what is declared."""
        return not (await self.show(digest))["stale"]

    async def invocation(self) -> str:
        """Return which process runs."""
        return str((await self.show())["invocation"])


@pytest.fixture
async def probe(lab: Lab) -> AsyncIterator[Probe]:
    """Return a probe that does not run yet."""
    host = host_named(HOST)
    host_key = keys.public_text(keys.host_key(HOST))
    endpoint = SshEndpoint(TargetId("ssh", HOST), host.address, 22, host.user, host_key, str(keys.CLIENT_KEY))
    target = SshTarget(endpoint, folder=STATE)
    probe = Probe(lab, target)
    try:
        await probe.do("file.write", path=UNIT_FILE, text=UNIT_TEXT, if_digest=None, mode="0644")
        await probe.do("systemd.reload")
        await probe.write("A=1\n", "d1")
        yield probe
    finally:
        await target.close()
        lab.script(HOST, f"systemctl stop {UNIT}; systemctl unmask {UNIT}; systemctl disable {UNIT}", check=False)
        lab.script(HOST, f"rm -rf {FOLDER} {UNIT_FILE}; systemctl daemon-reload; systemctl reset-failed", check=False)


async def test_the_life_of_a_service(probe: Probe) -> None:
    """Start, enable, stop, disable, mask and unmask are done when they are answered, and can be repeated."""
    assert (await probe.show())["active"] == "inactive"
    for op, states in (
        ("start", {"active": "active", "sub": "running"}),
        ("enable", {"enabled": "enabled"}),
        ("disable", {"enabled": "disabled"}),
        ("stop", {"active": "inactive", "main_pid": 0}),
    ):
        for _ in range(2):
            await probe.do(f"service.{op}", unit=UNIT)
            assert states.items() <= (await probe.show()).items()


async def test_masking(probe: Probe) -> None:
    """A masked unit cannot be started, and a unit can be masked before its package brings it."""
    await probe.do("file.remove", path=UNIT_FILE)
    for _ in range(2):
        await probe.do("service.mask", unit=UNIT)
        assert (await probe.show())["load"] == "masked"
    refused = await probe.target.do(Action("service.start", {"unit": UNIT}))
    assert (refused.code, "masked" in refused.error) == ("failed", True)
    await probe.do("service.unmask", unit=UNIT)
    assert (await probe.show())["load"] == "not-found"


async def test_a_start_that_fails_is_told(probe: Probe) -> None:
    """A service that does not come up is a reply with systemd's words; repaired, it starts at the next attempt."""
    broken = UNIT_TEXT.replace("[Service]", "[Service]\nType=oneshot\nRemainAfterExit=yes\nStartLimitBurst=1").replace(
        "exec sleep infinity", "exit $A"
    )
    probe.lab.script(HOST, f"cat > {UNIT_FILE} <<'END'\n{broken}END\nsystemctl daemon-reload")
    for _ in range(3):
        reply = await probe.target.do(Action("service.start", {"unit": UNIT}))
        assert (reply.code, UNIT in reply.error) == ("failed", True)
    await probe.write("A=0\n", "d2")
    await probe.do("service.start", unit=UNIT, loads={CONFIG: "d2"})
    assert await probe.fresh("d2")


async def test_a_unit_file_that_systemd_has_not_read(probe: Probe) -> None:
    """Systemd's own flag tells that a reload is due, and reloading clears it."""
    await probe.do("service.start", unit=UNIT)
    probe.lab.script(HOST, f"echo '# edited' >> {UNIT_FILE}")
    assert (await probe.show())["reload_needed"] is True
    await probe.do("systemd.reload")
    assert (await probe.show())["reload_needed"] is False


async def test_new_configuration_makes_the_process_stale_until_it_restarts(probe: Probe) -> None:
    """What is written after the start is not loaded; a restart loads it, and nothing else has to be remembered."""
    await probe.do("service.start", unit=UNIT, loads={CONFIG: "d1"})
    assert await probe.fresh("d1")
    assert not await probe.fresh("d2")
    await probe.write("A=2\n", "d2")
    assert not await probe.fresh("d2")
    before = await probe.invocation()
    started = (await probe.show())["started"]
    await probe.do("service.restart", unit=UNIT, loads={CONFIG: "d2"})
    assert await probe.fresh("d2")
    assert await probe.invocation() != before
    assert started <= (await probe.show())["started"] <= time.time() + 2


async def test_freshness_needs_no_witness(probe: Probe) -> None:
    """A restart by somebody else after the write counts, though nobody vouches for it: a crash in between loses nothing."""
    probe.lab.exec(HOST, "systemctl", "start", UNIT)
    assert await probe.fresh("d1")
    await probe.write("A=2\n", "d2")
    assert not await probe.fresh("d2")
    probe.lab.exec(HOST, "systemctl", "restart", UNIT)
    assert await probe.fresh("d2")


async def test_a_foreign_edit_and_its_repair_restart_nothing(probe: Probe) -> None:
    """A process from before a foreign edit is fresh, before and after the repair; a touch changes nothing either."""
    await probe.do("service.start", unit=UNIT)
    for edit in (f"echo A=9 > {CONFIG}", f"touch {CONFIG}", f"rm {CONFIG}"):
        probe.lab.script(HOST, edit)
        assert await probe.show() == {**await probe.show(), "stale": [], "stale_if_written": []}, edit
        await probe.write("A=1\n", "d1")
        assert await probe.fresh(), edit


async def test_a_process_started_with_a_foreign_edit_is_found_out(probe: Probe) -> None:
    """A process started between a foreign edit and its repair has loaded the edit: after the repair it is stale."""
    probe.lab.script(HOST, f"echo A=9 > {CONFIG}; systemctl start {UNIT}")
    assert (await probe.show())["stale_if_written"] == [CONFIG]
    await probe.write("A=1\n", "d1")
    assert not await probe.fresh()
    await probe.do("service.restart", unit=UNIT, loads={CONFIG: "d1"})
    assert await probe.fresh()


async def test_a_restart_vouches_for_nothing_that_the_file_does_not_hold(probe: Probe) -> None:
    """A process that Bivisor restarted in the middle of a foreign edit is stale once the edit is undone."""
    await probe.do("service.start", unit=UNIT, loads={CONFIG: "d1"})
    probe.lab.script(HOST, f"echo A=9 > {CONFIG}")
    await probe.do("service.restart", unit=UNIT, loads={CONFIG: "d1"})
    await probe.write("A=1\n", "d1")
    assert not await probe.fresh()


async def test_only_the_observed_process_is_restarted(probe: Probe) -> None:
    """Of two who saw the same stale process, the second restarts nothing."""
    await probe.do("service.start", unit=UNIT)
    seen = await probe.invocation()
    args = {"unit": UNIT, "loads": {CONFIG: "d1"}, "if_invocation": seen}
    await probe.do("service.restart", **args)
    now = await probe.invocation()
    assert now != seen
    assert (await probe.target.do(Action("service.restart", args))).code == "conflict"
    assert await probe.invocation() == now


async def test_starting_what_runs_vouches_for_nothing(probe: Probe) -> None:
    """A start that starts nothing does not make a stale process fresh."""
    await probe.do("service.start", unit=UNIT, loads={CONFIG: "d1"})
    await probe.write("A=2\n", "d2")
    await probe.do("service.start", unit=UNIT, loads={CONFIG: "d2"})
    assert not await probe.fresh("d2")


async def test_a_file_that_was_never_ours(probe: Probe) -> None:
    """A file that Bivisor never wrote counts as loaded by a younger process, and as not loaded by an older one."""
    probe.lab.script(HOST, f"rm -rf {STATE}; echo A=3 > {CONFIG}; systemctl start {UNIT}")
    seen = await probe.show("d3")
    assert (seen["stale"], seen["stale_if_written"]) == ([], [CONFIG])
    probe.lab.script(HOST, f"echo A=4 > {CONFIG}")
    assert not await probe.fresh("d3")


async def test_vouching_for_a_start_of_somebody_else(probe: Probe) -> None:
    """Who had a service restarted by other means can say what it was started with, if it is another process now."""
    await probe.do("service.start", unit=UNIT)
    before = await probe.invocation()
    await probe.do("service.vouch", unit=UNIT, loads={CONFIG: "d5"}, not_invocation=before)
    assert not await probe.fresh("d5")
    probe.lab.exec(HOST, "systemctl", "restart", UNIT)
    await probe.do("service.vouch", unit=UNIT, loads={CONFIG: "d5"}, not_invocation=before)
    assert await probe.fresh("d5")


async def test_many_units_cost_one_program(probe: Probe) -> None:
    """All services of one round are shown at once, each with its own state, in the order of the questions."""
    units = [UNIT, "ssh.service", "no-such-unit.service", UNIT]
    await probe.do("service.start", unit=UNIT)
    replies = await probe.target.ask([Query("service.show", {"unit": unit}) for unit in units])
    assert [reply.data["active"] for reply in replies] == ["active", "active", "inactive", "active"]
    assert [reply.data["load"] for reply in replies] == ["loaded", "loaded", "not-found", "loaded"]
