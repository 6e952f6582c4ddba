"""The Cluster's part on DVS agents, from the agents' own files and the Neutron server's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from resources.adoption.questions import AGENT_HOMES, ML2_CONF, NEUTRON_SERVICES

if TYPE_CHECKING:
    from resources.adoption.survey import Survey

PACKAGE = "python3-networking-vsphere"
_PROGRAM = re.compile(r"^ExecStart=(\S+) --config-file", re.MULTILINE)
_DEFAULT_PROGRAM = "/usr/bin/neutron-dvs-agent"
_ROLE = "network-api"


def network(survey: Survey) -> tuple[dict[str, Any] | None, dict[str, list[str]]]:
    """Return `spec.network` where a compute has a DVS agent, and the roles of the Neutron servers; else None."""
    found = [(host, name) for host in survey.seen.hosts for name in host.names(AGENT_HOMES)]
    if not found:
        return None, {}
    texts = (host.text(f"/etc/systemd/system/neutron-dvs-agent-{name}.service") or "" for host, name in found)
    program = next((match[1] for text in texts if (match := _PROGRAM.search(text))), _DEFAULT_PROGRAM)
    dvs: dict[str, Any] = {"package": PACKAGE, "program": program if program != _DEFAULT_PROGRAM else None}
    roles: dict[str, list[str]] = {}
    for host in survey.seen.hosts:
        conf = host.conf(ML2_CONF, "neutron", survey.release)
        drivers = (conf.get("ml2", "mechanism_drivers") or "") if conf else ""
        services = [name for name in NEUTRON_SERVICES if host.runs(name)]
        if conf is None or "dvs" not in drivers or not services:
            continue
        roles[host.node] = [_ROLE]
        types = conf.get("ml2", "tenant_network_types")
        dvs["api"] = {
            "nodes": {"roles": [_ROLE]},
            "mechanismDrivers": [name.strip() for name in drivers.split(",")],
            "tenantNetworkTypes": [name.strip() for name in types.split(",")] if types else None,
            "services": services if services != ["neutron-server"] else None,
        }
    return {"manager": "neutron", "dvs": dvs}, roles
