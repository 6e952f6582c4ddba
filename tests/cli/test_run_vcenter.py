"""The program keeps running and hears the vCenter simulator: what is changed there by hand is repaired before any sweep."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from pyVmomi import vim

from reconciler.keep import SWEEP_S
from reconciler.queue import JITTER
from tests.cli.test_port_groups import desk, vlan_of
from tests.cli.test_run import running

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.cli.test_run import Running
    from tests.lab.vcenter.process import Running as VCenter

    Login = Callable[..., AbstractContextManager[Any]]

__all__ = ["desk"]

BEFORE_A_SWEEP_S = SWEEP_S["vcenter"] * (1.0 - JITTER) - 5.0
"""A vCenter that was just looked at is not swept sooner."""


def set_vlan(content: Any, vlan: int) -> None:
    """Change the VLAN by hand."""
    switch = vim.dvs.VmwareDistributedVirtualSwitch
    group, _ = vlan_of(content)
    setting = switch.VmwarePortConfigPolicy(vlan=switch.VlanIdSpec(inherited=False, vlanId=vlan))
    spec = vim.dvs.DistributedVirtualPortgroup.ConfigSpec(configVersion=group.config.configVersion, defaultPortConfig=setting)
    assert group.ReconfigureDVPortgroup_Task(spec).info.state == "success"


def repaired(daemon: Running, content: Any, times: int) -> None:
    """Wait until it was repaired so often, because it was heard and not because it was looked at anyway."""
    began = time.monotonic()
    daemon.until(lambda: daemon.results() == ["converged"] * times, "it is made as declared")
    assert time.monotonic() - began < BEFORE_A_SWEEP_S
    assert vlan_of(content)[1] == 100


def silences(daemon: Running, event: str) -> list[str]:
    """Return the vCenters of which the log tells that."""
    return [line["target"] for line in daemon.lines(event) if line["target"].startswith("vcenter:")]


@pytest.mark.timeout(600)
def test_a_change_by_hand_is_heard_and_repaired(desk: Path, vcenter: VCenter, login: Login) -> None:
    """So it is after the session was ended, which the log tells; when it stops it has logged out everywhere."""
    with login() as owner, running(desk) as daemon:
        daemon.until(lambda: daemon.results() == ["converged"], "the port group is made")
        set_vlan(owner.content, 7)
        repaired(daemon, owner.content, 2)
        assert not silences(daemon, "deaf")

        theirs = owner.content.sessionManager.currentSession.key
        ours = [session.key for session in vcenter.control.state().sessions if session.key != theirs]
        owner.content.sessionManager.TerminateSession(ours)
        daemon.until(lambda: silences(daemon, "heard_again"), "it is heard again")
        assert len(silences(daemon, "deaf")) == 1
        set_vlan(owner.content, 8)
        repaired(daemon, owner.content, 3)
    assert {session.key for session in vcenter.control.state().sessions} <= {theirs}
