"""The shell lines in the units of services that Pacemaker keeps, really run, with programs of the tests' own around them."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.kinds.cloud import compiled, declared
from tests.kinds.test_volumes import ON_CONTROLLERS, REMOTE, SERVICE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WHOLE = '<node name="ctl1" online="true"/><node name="vol1" online="true" type="remote"/><node name="ctl1" cached="true"/>'
MISSING = WHOLE.replace('vol1" online="true"', 'vol1" online="false"')


def script(content: object, key: str) -> str:
    """Return what sh gets of a unit's line: systemd's own escapes are undone."""
    found = re.search(rf"^{key}=\+?/bin/sh -c '([^']*)'$", str(content), re.MULTILINE)
    assert found
    return found[1].replace("$$", "$").replace("%%", "%")


def run(folder: Path, text: str, programs: Mapping[str, str]) -> tuple[int, list[str]]:
    """Run the text with these programs before the machine's own; return its exit code and what `sleep` was told."""
    for name, body in {"sleep": f'echo "$1" >> {folder}/slept', **programs}.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    done = subprocess.run(["/bin/sh", "-c", text], env={"PATH": f"{folder}:/usr/bin:/bin"}, timeout=60, check=False)
    slept = folder / "slept"
    return done.returncode, slept.read_text().split() if slept.exists() else []


@pytest.mark.parametrize(
    ("crm_mon", "slept"),
    [(f"echo '{WHOLE}'", []), (f"echo '{MISSING}'", ["62"]), ("exit 102", ["62"])],
)
def test_a_start_waits_while_a_node_is_missing(tmp_path: Path, crm_mon: str, slept: list[str]) -> None:
    """A whole cluster waits for nothing; with a node offline, or a cluster that does not answer, the start waits."""
    unit = declared(compiled(REMOTE), f"ssh:vol1/systemd_unit/{SERVICE}.service")["content"]
    assert run(tmp_path, script(unit, "ExecStartPre"), {"crm_mon": crm_mon}) == (0, slept)


@pytest.mark.parametrize(("total", "slept"), [(3, []), (2, ["50"])])
def test_a_start_on_a_controller_waits_while_one_is_missing(tmp_path: Path, total: int, slept: list[str]) -> None:
    """Votes that are expected and not there are a lost controller."""
    unit = declared(compiled(ON_CONTROLLERS), f"ssh:ctl1/systemd_unit/{SERVICE}.service")["content"]
    votes = f"echo 'Expected votes:   3'; echo 'Total votes:      {total}'"
    assert run(tmp_path, script(unit, "ExecStartPre"), {"corosync-quorumtool": votes}) == (0, slept)


def test_a_lifeline_ends_when_the_cluster_is_silent_for_long(tmp_path: Path) -> None:
    """It asks every two seconds, forgives a short silence, and ends with an error after 20 s without an answer."""
    unit = declared(compiled(REMOTE), f"ssh:vol1/systemd_unit/{SERVICE}-lifeline.service")["content"]
    clock, asked = tmp_path / "clock", tmp_path / "asked"
    clock.write_text("100\n")
    programs = {
        "date": f"cat {clock}",
        # each pause lets the clock go on; answers come for a while, fail for 18 s, come once more, and then no longer
        "sleep": f'echo "$1" >> {tmp_path}/slept; echo $(($(cat {clock}) + $1)) > {clock}',
        "timeout": 'shift; exec "$@"',
        "cibadmin": f'echo x >> {asked}; t=$(cat {clock}); test "$t" -lt 110 -o "$t" -eq 126',
    }
    code, slept = run(tmp_path, script(unit, "ExecStart"), programs)
    assert code == 1
    assert set(slept) == {"2"}
    assert int(clock.read_text()) == 126 + 20
    assert len(asked.read_text().split()) == len(slept)
