"""The lab's command: `python -m tests.lab up|down|status|exec|reset|start|secrets|hostkeys`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tests.lab import ceph, keys, lifecycle, machines, simulated_vcenter, swift
from tests.lab.errors import LabError
from tests.lab.layout import CACHE, HOSTS, host_named
from tests.lab.progress import Progress
from tests.lab.requirements import check_machine
from tests.lab.status import report

_REPOSITORY = Path(__file__).parents[2]


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status (0, or 1 with the reason on standard error)."""
    asked = _parser().parse_args(argv)
    try:
        return _run(asked)
    except (LabError, LookupError) as reason:
        sys.stderr.write(f"lab: {reason}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("lab: interrupted; the next up or down clears away what is left\n")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description="A real mixed cloud on one machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="build what is missing and start everything; write <repository>/secrets")
    commands.add_parser("down", help="end everything; caches stay")
    commands.add_parser("status", help="what runs; status 1 if the lab is not up")
    commands.add_parser("reset", help="back to bare hosts, an untouched control plane and vCenter")
    commands.add_parser("check", help="can this machine run the lab?")
    commands.add_parser("hostkeys", help="print the hosts' public SSH keys")
    start = commands.add_parser("start", help="start storage of the cloud that is off until it is wanted")
    start.add_argument("storage", choices=("ceph", "swift"))
    run = commands.add_parser("exec", help="run a command in a host, as root, without the network")
    run.add_argument("host")
    run.add_argument("argv", nargs=argparse.REMAINDER, metavar="COMMAND …")
    secrets = commands.add_parser("secrets", help="write the demo's secrets into a folder")
    secrets.add_argument("folder", type=Path)
    return parser


def _run(asked: argparse.Namespace) -> int:
    match asked.command:
        case "up":
            lifecycle.up(Progress())
            keys.write_secrets(_REPOSITORY / "secrets", ca_file=simulated_vcenter.ca_file())
        case "down":
            lifecycle.down(Progress())
            print(f"the lab is down; its caches stay in {CACHE}")
        case "reset":
            lifecycle.reset(Progress())
        case "start":
            {"ceph": ceph.start, "swift": swift.start}[asked.storage]()
        case "check":
            check_machine()
        case "status":
            print(report())
            return 0 if lifecycle.is_running() else 1
        case "hostkeys":
            print(_hostkeys())
        case "secrets":
            keys.write_secrets(asked.folder, ca_file=simulated_vcenter.ca_file())
        case "exec":
            command = machines.inside(host_named(asked.host), asked.argv or ["bash", "-l"])
            os.execvp(command[0], command)  # noqa: S606 - the arguments are the person's own
    return 0


def _hostkeys() -> str:
    return "\n".join(f"{host.name:5} {host.address:12} {keys.public_text(keys.host_key(host.name))}" for host in HOSTS)


if __name__ == "__main__":
    sys.exit(main())
