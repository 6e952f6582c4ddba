"""`make demo`: the main job, watched. From bare hosts and a vCenter to one OpenStack with two hypervisors, then a change.

Everything that stands below is really run: the commands are printed as one would type them, with their own output.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.lab import lifecycle
from tests.lab.errors import LabError
from tests.lab.lab import Lab
from tests.lab.progress import Progress
from tests.lab.workspace import PROGRAM, REPOSITORY, Workspace, invocations, started

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = REPOSITORY / ".demo"
BEFORE, AFTER = 'datastoreRegex: "^LocalDS"', 'datastoreRegex: "^LocalDS_0$"'


def main() -> int:
    """Run the demo; exits with 0 only if every step did what it says."""
    progress = Progress()
    keep = bool(os.environ.get("KEEP")) or lifecycle.is_running()
    begun = time.monotonic()
    try:
        title("A lab of real daemons: an OpenStack control plane, three controllers, a KVM host, two volume nodes, a vCenter")
        lab = Lab.up(progress)
        if FOLDER.exists():
            shutil.rmtree(FOLDER)
            lab.reset()
        tour(lab)
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except AssertionError as error:
        print(f"\ndemo: that should not have happened: {error}", file=sys.stderr)
        return 1
    finally:
        if not keep:
            lifecycle.down(progress)
    print(f"\nThe demo took {time.monotonic() - begun:.0f} s.")
    if keep:
        print("The lab is still up. Play with it: edit files in desired/, look, apply. `make lab-down` ends it.")
        print(f"  cd {FOLDER.name}; export PATH=$PWD/../.venv/bin:$PATH; bivisor plan")
    else:
        print("The lab is down again. To play with it: make demo KEEP=1")
    return 0


def tour(lab: Lab) -> None:
    """Walk through the main job."""
    desk = Workspace.make(FOLDER, lab)
    title("What is declared")
    shell("ls desired")
    shell("cat desired/zones.yaml")
    bivisor("validate")
    title("A dry run: what it would do to the bare hosts (it changes nothing)")
    bivisor("plan", last_lines=24)
    title("Make it so")
    bivisor("apply", "--yes")
    title("What OpenStack itself says now")
    print("\n".join(cloud_says(lab)))
    title("Look again: nothing to do")
    bivisor("plan", "--detailed-exitcode")

    title("Edit a file: the vCenter compute shall use one datastore only")
    processes = invocations(lab)
    desk.edit("desired/zones.yaml", BEFORE, AFTER)
    shell("diff -u ../desired/zones.yaml desired/zones.yaml", exits=1)
    title("The dry run names every file that changes, and the one service that restarts, and why")
    bivisor("plan", "--detailed-exitcode", exits=2)
    bivisor("apply", "--yes")
    title("Exactly the right service runs as another process")
    for host, unit in processes:
        another = (host, unit) in started(lab, processes)
        print(f"  {host:5} {unit:25} {'restarted' if another else 'the same process'}")
    restarted = {unit for _, unit in started(lab, processes)}
    assert restarted == {"nova-compute-vcenter-c0"}, f"restarted: {restarted}"


def title(text: str) -> None:
    """Print a headline."""
    print(f"\n== {text}\n", flush=True)


def bivisor(*arguments: str, exits: int = 0, last_lines: int = 0) -> None:
    """Run the program with its output on this terminal, or only the end of it."""
    print(f"$ bivisor {shlex.join(arguments)}", flush=True)
    done = subprocess.run(
        [PROGRAM, *arguments], cwd=FOLDER, check=False, text=True, stdout=subprocess.PIPE if last_lines else None
    )
    if last_lines:
        lines = done.stdout.splitlines()
        if len(lines) > last_lines:
            print(f"… {len(lines) - last_lines} lines")
        print("\n".join(lines[-last_lines:]), flush=True)
    assert done.returncode == exits, f"bivisor {shlex.join(arguments)} ended with {done.returncode}, not {exits}"


def shell(command: str, *, exits: int = 0) -> None:
    """Run a command as one would type it."""
    print(f"$ {command}", flush=True)
    done = subprocess.run(shlex.split(command), cwd=FOLDER, check=False)
    assert done.returncode == exits, f"{command} ended with {done.returncode}"


def cloud_says(lab: Lab) -> Iterator[str]:
    """Yield the cloud's own lists of computes, hypervisors and availability zones."""
    compute = lab.openstack().compute
    yield "  compute services"
    for service in compute.services(binary="nova-compute"):
        yield f"    {service.host:12} {service.state:5} zone {service.availability_zone}"
    yield "  hypervisors"
    for found in compute.hypervisors(details=True):
        yield f"    {found.hypervisor_type:22} {found.state:5} {found.name}"
    yield "  host aggregates"
    for found in compute.aggregates():
        yield f"    {found.name:12} zone {found.availability_zone:12} hosts {', '.join(found.hosts)}"


if __name__ == "__main__":
    sys.exit(main())
