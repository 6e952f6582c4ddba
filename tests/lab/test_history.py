"""What was done on real daemons stands in the history, also of an apply that was killed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.history import History
from tests.lab.test_converge import COMPUTE, compute_node, wait_for
from tests.lab.workspace import Workspace, invocations, started

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

RESTARTS = {"ssh:kvm1/service/nova-compute", f"pacemaker:demo/primitive/{COMPUTE}"}


@pytest.fixture(scope="module")
def desk(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A converged cloud."""
    return Workspace.converged(tmp_path_factory.mktemp("desk"), lab)


def history(desk: Workspace) -> History:
    """Return the history that the program writes at this desk."""
    return History(History.place(desk.folder / "desired"))


def passes(desk: Workspace, *arguments: str) -> list[dict[str, Any]]:
    """Return what history tells, newest first."""
    found: list[dict[str, Any]] = json.loads(desk.run("history", *arguments, "-o", "json").stdout)["passes"]
    return found


def test_a_killed_apply_and_the_next_one_are_told(lab: Lab, desk: Workspace) -> None:
    """SIGKILL while a compute restarts: that step is told as begun, in an interrupted apply; the next one does what is left.

    No service restarts twice, and no file is left half written. Each restart is told with its reason, what it took, and for
    whom; no secret is in the file.
    """
    before, processes = history(desk).numbers()[1], invocations(lab)
    desk.next_interval()
    process = desk.start("apply", "--yes")

    def restarting() -> bool:
        assert process.poll() is None, "the apply ended before a restart was seen"
        steps = [step for one in history(desk).passes() if one.number > before for step in one.steps]
        return any((step.verb, step.outcome) == ("restart", "begun") for step in steps)

    wait_for(restarting, "a restart has begun", 120)
    process.kill()
    process.communicate()
    killed = passes(desk, "--limit", "1")[0]
    assert (killed["result"], killed["duration_s"]) == ("interrupted", None)
    (begun,) = (step["address"] for step in killed["steps"] if (step["verb"], step["outcome"]) == ("restart", "begun"))
    desk.run("apply", "--yes")
    assert "  interrupted\n" in desk.run("history", str(killed["number"])).stdout
    done = [one for one in passes(desk) if one["number"] > killed["number"]]
    assert (done[0]["result"], done[0]["steps"]) == ("converged", [])
    restarts = [step for one in done for step in one["steps"] if (step["verb"], step["outcome"]) == ("restart", "converged")]
    addresses = [step["address"] for step in restarts]
    assert {begun, *addresses} == RESTARTS
    assert all(step["duration_s"] > 0.1 and step["reasons"] and step["origins"] for step in restarts)
    told = desk.run("history", addresses[0], "--limit", "1").stdout
    assert "converged  restart  " in told
    assert started(lab, processes) == {("kvm1", "nova-compute"), (compute_node(lab), COMPUTE)}
    assert len(addresses) == len(set(addresses))
    search = ("find", "/etc", "/var/lib/bivisor", "-name", ".bivisor-*")
    assert not [host.name for host in lab.hosts if lab.exec(host.name, *search, check=False).stdout]
    written = b"".join(path.read_bytes() for path in history(desk).path.parent.iterdir())
    for secret in secrets(desk.folder / "secrets"):
        assert secret.encode() not in written


def secrets(folder: Path) -> list[str]:
    """Return what nobody may read: the words of the secrets, users' names left out, that no accident could bring about."""
    files = [path for path in folder.iterdir() if path.suffix != ".pem"]  # a certificate is no secret
    lines = [line for path in files for line in path.read_text(errors="ignore").splitlines()]
    words = {word.strip("'\"{},") for line in lines if not line.startswith("username:") for word in line.split()}
    return [word for word in words if len(word) > 11 and not word.startswith("-----")]
