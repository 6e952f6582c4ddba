"""What runs of the lab, as text for a person."""

from __future__ import annotations

from pathlib import Path

from tests.lab import controlplane, lifecycle, machines, network, simulated_vcenter
from tests.lab.controlplane_config import PORTS
from tests.lab.layout import API, HOSTS
from tests.lab.processes import namespace_of, pids_in_namespace


def report() -> str:
    """A line for each host, for vCenter and for the control plane's APIs."""
    lines = [f"{'host':6} {'address':12} {'login':6} state"]
    for host in HOSTS:
        first = machines.leader(host)
        state = "off"
        if first:
            pids = pids_in_namespace("pid", namespace_of(first.pid, "pid"))
            memory = sum(_resident_mib(pid) for pid in pids)
            cable = "" if network.is_plugged(host) else ", cut off"
            state = f"running{cable}, {len(pids)} processes, {memory:.0f} MiB"
        lines.append(f"{host.name:6} {host.address:12} {host.user:6} {state}")
    vcenter = "running" if simulated_vcenter.running() else "off"
    lines.append(f"vCenter on {simulated_vcenter.LISTEN}: {vcenter}, controls on {simulated_vcenter.CONTROL}")
    if machines.leader(API):
        silent = [unit for unit in PORTS if not controlplane.answers(unit)]
        lines.append(f"APIs: {'all answer' if not silent else 'silent: ' + ', '.join(silent)}")
    lines.append(_summary())
    return "\n".join(lines)


def _summary() -> str:
    if lifecycle.is_up():
        return "the lab is up"
    if lifecycle.is_running():
        return "the lab is up, but its sources have changed since: the next `up` starts it anew"
    return "the lab is not up"


def _resident_mib(pid: int) -> float:
    """Its memory that no other process shares the counting of (proportional set size)."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024
