"""`bivisor why`, on real daemons: what is there, which line says otherwise, who wrote it, and whom it asks."""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.test_converge import wait_for
from tests.lab.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

CONF = "/etc/nova/nova.conf"
UNIT = f"ssh:kvm1/config_file/{CONF}"
FIELD = "[DEFAULT] report_interval"


@pytest.fixture
def desk(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A converged cloud whose documents are committed; as declared again at the end."""
    desk = Workspace.converged(tmp_path_factory.mktemp("desk"), lab)
    for arguments in (("init", "-q"), ("add", "desired"), ("commit", "-q", "-m", "The demo's documents")):
        subprocess.run(
            ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", *arguments], cwd=desk.folder, check=True
        )
    yield desk
    desk.run("apply", "--yes")


def why(desk: Workspace, *arguments: str, exits: int = 0) -> dict[str, Any]:
    """Return the answer."""
    answer: dict[str, Any] = json.loads(desk.run("why", *arguments, "-o", "json", exits=exits).stdout)
    return answer


def test_a_hand_edit_is_explained(lab: Lab, desk: Workspace) -> None:
    """The line of the document and its author, the value that is there, since when, the repair, and who needs it."""
    lines = (desk.folder / "desired/cluster.yaml").read_text().splitlines()
    (line,) = (number for number, text in enumerate(lines, start=1) if text.startswith("        report_interval:"))
    lab.exec("kvm1", "sed", "-i", "s/^report_interval.*/report_interval = 77/", CONF)
    answer = why(desk, "kvm1/nova.conf", "report_interval")
    (field,) = answer["fields"]
    assert (answer["address"], field["name"], field["found"], field["differs"]) == (UNIT, FIELD, "77", True)
    (source,) = field["sources"]
    assert (source["file"], source["line"], source["by"]["author"]) == ("desired/cluster.yaml", line, "Ada")
    assert (answer["state"]["verb"], answer["state"]["drift"], field["ours"]) == ("update", "corrective", True)
    assert answer["state"]["since"]
    assert answer["needed_by"] == ["ssh:kvm1/service/nova-compute"]
    page = desk.run("why", "kvm1/nova.conf").stdout
    assert f"desired/cluster.yaml:{line}" in page
    assert "corrective: something else changed it after Bivisor last wrote it" in page
    assert "by the next `bivisor apply`" in page
    service = why(desk, "ssh:kvm1/service/nova-compute")
    assert UNIT in [need["address"] for need in service["needs"] if need["verb"] == "update"]
    desk.run("apply", "--yes")
    repaired = why(desk, "kvm1/nova.conf")
    assert repaired["state"]["verb"] == "nothing"
    last = repaired["past"][0]
    assert (last["verb"], last["outcome"], last["changes"][0]["field"]) == ("update", "converged", FIELD)


def test_a_lost_host_keeps_nobody_waiting_who_asks_about_another(lab: Lab, desk: Workspace) -> None:
    """What needs it says so down to the root; what does not is answered at once, and as plan would."""
    lab.exec("kvm1", "sed", "-i", "s/^report_interval.*/report_interval = 77/", CONF)
    lab.cut("vol1")
    try:
        begun = time.monotonic()
        assert why(desk, "kvm1/nova.conf")["state"]["verb"] == "update"
        took = time.monotonic() - begun
        lost = why(desk, "VolumeBackend/vmdk", exits=3)
        assert lost["worst"]["state"]["verb"] == "unknown"
        assert lost["worst"]["address"].startswith("ssh:vol1/")
    finally:
        lab.mend("vol1")
    wait_for(lambda: desk.run("why", "Node/vol1", exits=None).returncode == 0, "vol1 answers again", 60)
    assert took < 10, f"it took {took:.1f} s although nobody had to ask the lost host ({os.cpu_count()} cores)"
