"""The Swift that exists already: proxy, account, container and object server on `api1`, one copy of everything.

Its configuration and rings are part of the control plane's layer; it is started by the tests that want it.
Nothing replicates or audits: there is one device, a folder of the host's own file system.
"""

from __future__ import annotations

from tests.lab import machines
from tests.lab.commands import run, wait_until
from tests.lab.controlplane_config import auth_token, render
from tests.lab.errors import CommandError
from tests.lab.layout import API

PORT = 8080
ADDRESS = f"http://{API.address}:{PORT}"

RINGS = {"account": 6202, "container": 6201, "object": 6200}
"""The servers behind the proxy, and their ports on the loopback address."""

UNITS = (*(f"swift-{server}" for server in RINGS), "swift-proxy")

_FOLDER = "/etc/swift"
_DEVICES = "/srv/node"
_DEVICE = "d1"
_LOOPBACK = "127.0.0.1"
_PARTITION_POWER = 6
_TIMEOUT_S = 60

_MAKE_RINGS = f"""
from swift.common.ring import RingBuilder

for server, port in {RINGS}.items():
    builder = RingBuilder({_PARTITION_POWER}, replicas=1, min_part_hours=1)
    builder.add_dev(dict(region=1, zone=1, weight=1, ip="{_LOOPBACK}", port=port, device="{_DEVICE}"))
    builder.rebalance()
    builder.get_ring().save(f"{_FOLDER}/{{server}}.ring.gz")
"""
"""What `swift-ring-builder` does in nine runs of more than a second each."""


def files() -> dict[str, str]:
    """Every file that replaces the packaged one on `api1`, by path."""
    servers = {f"{_FOLDER}/{server}-server.conf": render(_server(server, port)) for server, port in RINGS.items()}
    return servers | {
        f"{_FOLDER}/swift.conf": render(_cluster()),
        f"{_FOLDER}/proxy-server.conf": render(_proxy()),
    }


def made_of() -> list[object]:
    """Everything that decides what `initialise` makes."""
    return [files(), _MAKE_RINGS]


def initialise() -> None:
    """Make the rings and the device on `api1`; its files are in place and nothing of Swift runs."""
    run(machines.inside(API, ["python3", "-"]), stdin=_MAKE_RINGS)
    run(machines.inside(API, ["install", "-d", "-o", "swift", "-g", "swift", f"{_DEVICES}/{_DEVICE}"]))


def start() -> None:
    """Start Swift if it is off; returns when all its servers say that they are healthy."""
    run(machines.inside(API, ["systemctl", "start", *UNITS]))
    wait_until(_healthy, what=f"Swift on {API.name}", timeout_s=_TIMEOUT_S)


def _healthy() -> bool:
    servers = [*(f"http://{_LOOPBACK}:{port}" for port in RINGS.values()), ADDRESS]
    asking = ["curl", "--silent", "--fail", "--fail-early", "--max-time", "2", *(f"{server}/healthcheck" for server in servers)]
    try:
        run(machines.inside(API, asking))
    except CommandError:
        return False
    return True


def _cluster() -> dict[str, dict[str, str]]:
    return {
        "swift-hash": {"swift_hash_path_prefix": "lab", "swift_hash_path_suffix": "lab"},
        "storage-policy:0": {"name": "lab", "default": "yes"},
    }


def _server(server: str, port: int) -> dict[str, dict[str, str]]:
    """One process; the device is a folder, not a mounted disk."""
    return {
        "DEFAULT": {
            "bind_ip": _LOOPBACK,
            "bind_port": str(port),
            "workers": "0",
            "user": "swift",
            "devices": _DEVICES,
            "mount_check": "false",
            "log_level": "WARNING",
        },
        "pipeline:main": {"pipeline": f"healthcheck {server}-server"},
        "filter:healthcheck": {"use": "egg:swift#healthcheck"},
        f"app:{server}-server": {"use": f"egg:swift#{server}"},
    }


def _proxy() -> dict[str, dict[str, str]]:
    """Tokens are Keystone's; who is admin in a project may use the project's account."""
    filters = {
        "catch_errors": {},
        "gatekeeper": {},
        "healthcheck": {},
        "cache": {"use": "egg:swift#memcache", "memcache_servers": f"{API.address}:11211"},
        "authtoken": {
            "use": "egg:keystonemiddleware#auth_token",
            "delay_auth_decision": "true",
            **auth_token("swift"),
        },
        "keystoneauth": {"operator_roles": "admin"},
        "slo": {},
        "dlo": {},
    }
    return {
        "DEFAULT": {"bind_ip": API.address, "bind_port": str(PORT), "workers": "0", "user": "swift", "log_level": "WARNING"},
        "pipeline:main": {"pipeline": " ".join([*filters, "proxy-server"])},
        "app:proxy-server": {"use": "egg:swift#proxy", "account_autocreate": "true"},
        **{f"filter:{name}": {"use": f"egg:swift#{name}"} | options for name, options in filters.items()},
    }
