"""The daemon on the lab's own controllers: the program, the documents and the keys there, and the resource in Pacemaker."""

from __future__ import annotations

import json
import shutil
import sysconfig
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.lab.errors import CommandError
from tests.lab.layout import CONTROLLERS
from tests.lab.workspace import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.lab import Lab
    from tests.lab.layout import Host
    from tests.lab.workspace import Workspace

PROGRAM = Path("/opt/bivisor")
FOLDER = Path("/srv/cloud")
AGENT = Path("/usr/lib/ocf/resource.d/bivisor/bivisor")
STATE = Path("/var/lib/bivisor-run")
LOG = "/var/log/bivisor.log"
LISTEN = "127.0.0.1:9180"
NAMES = tuple(host.name for host in CONTROLLERS)

RUNNING = r"/opt/bivisor/bin/bivisor .*run --leader"
"""Finds the daemons by their arguments."""

_DEVELOPMENT = ("mypy*", "*__mypyc*", "pip*", "setuptools*", "grimp*", "hypothesis*", "pytest*", "_pytest", "openstack",
                "ruff*", "pygments*", "jsonschema*", "__pycache__", "__editable__*", "tests", "*-stubs")  # fmt: skip
"""What of the environment's packages only the tests need."""

_START = f"#!{PROGRAM}/bin/python3\nfrom reconciler.cli.start import main\n\nmain()\n"

STOP_S = 150
"""Seconds in which Pacemaker must have stopped it: a start of something else that it has in hand comes first."""

RESOURCE = f"""
<primitive id="bivisor" class="ocf" provider="bivisor" type="bivisor">
  <instance_attributes id="bivisor-params">
    <nvpair id="bivisor-params-settings" name="settings" value="{FOLDER}/settings.yaml"/>
  </instance_attributes>
  <operations>
    <op id="bivisor-monitor" name="monitor" interval="2s" timeout="10s" on-fail="restart"/>
    <op id="bivisor-start" name="start" interval="0" timeout="60s"/>
    <op id="bivisor-stop" name="stop" interval="0" timeout="30s"/>
  </operations>
  <meta_attributes id="bivisor-meta">
    <nvpair id="bivisor-meta-threshold" name="migration-threshold" value="1"/>
    <nvpair id="bivisor-meta-timeout" name="failure-timeout" value="60s"/>
    <nvpair id="bivisor-meta-stickiness" name="resource-stickiness" value="100"/>
  </meta_attributes>
</primitive>
"""


def install(lab: Lab, desk: Workspace, hosts: Sequence[Host] = CONTROLLERS) -> None:
    """Put program, agent, documents, keys and settings on these controllers."""
    first, *others = (lab.root(host.name) / PROGRAM.relative_to("/") for host in hosts)
    _make_program(lab, hosts[0].name, first)
    for home in others:
        shutil.copytree(first, home, symlinks=True, dirs_exist_ok=True)
    for host in hosts:
        root = lab.root(host.name)
        _program(root / AGENT.relative_to("/"), (REPOSITORY / "packaging/ocf/bivisor").read_text())
        folder = root / FOLDER.relative_to("/")
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("desired", "secrets"):
            shutil.copytree(desk.folder / name, folder / name)
        (folder / "settings.yaml").write_text(f"listen: {LISTEN}\n")


def _make_program(lab: Lab, host: str, home: Path) -> None:
    """Install it on one host, compiled: there it stands at the same path as on the others."""
    packages = Path(sysconfig.get_paths()["purelib"])
    lab.exec(host, "python3", "-m", "venv", "--without-pip", str(PROGRAM))
    library = next(home.glob("lib/python3*/site-packages"))
    shutil.copytree(packages, library, ignore=shutil.ignore_patterns(*_DEVELOPMENT), dirs_exist_ok=True)
    for name in ("reconciler", "resources"):
        shutil.copytree(REPOSITORY / name, library / name, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    _program(home / "bin/bivisor", _START)
    lab.exec(host, "python3", "-m", "compileall", "-q", str(PROGRAM / "lib"), check=False, timeout_s=300)


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def stop(lab: Lab) -> None:
    """Have Pacemaker stop it, if it is there."""
    first = CONTROLLERS[0].name
    lab.exec(first, "crm_resource", "--resource", "bivisor", "--set-parameter", "target-role", "--meta",
             "--parameter-value", "Stopped", check=False)  # fmt: skip
    lab.exec(first, "crm_resource", "--wait", "--timeout", str(STOP_S), check=False, timeout_s=STOP_S + 30)


def at_rest(lab: Lab, host: str) -> bool:
    """Tell whether Pacemaker has nothing in hand, as that host sees it: it starts no leader before that is done."""
    return lab.exec(host, "crm_resource", "--wait", "--timeout", "1", check=False).returncode == 0


def remove(lab: Lab) -> None:
    """Take all of it away again, the epoch included."""
    first = CONTROLLERS[0].name
    stop(lab)
    for host in CONTROLLERS:
        lab.exec(first, "cibadmin", "--delete", "--xml-text", f'<rsc_location id="bivisor-on-{host.name}"/>', check=False)
    lab.exec(first, "cibadmin", "--delete", "--xml-text", '<primitive id="bivisor"/>', check=False)
    lab.exec(first, "cibadmin", "--delete", "--xml-text", '<cluster_property_set id="bivisor-lead"/>', check=False)
    lab.exec(first, "crm_resource", "--cleanup", "--resource", "bivisor", check=False)
    for host in CONTROLLERS:
        (lab.root(host.name) / LOG.lstrip("/")).unlink(missing_ok=True)
        for place in (PROGRAM, FOLDER, STATE, AGENT.parent):
            shutil.rmtree(lab.root(host.name) / place.relative_to("/"), ignore_errors=True)


def declare(lab: Lab) -> None:
    """Have Pacemaker run it, on any controller: this ring runs nothing where no constraint lets it."""
    first = CONTROLLERS[0].name
    lab.exec(first, "cibadmin", "--create", "--scope", "resources", "--xml-text", RESOURCE)
    for host in CONTROLLERS:
        place = f'<rsc_location id="bivisor-on-{host.name}" rsc="bivisor" node="{host.name}" score="0"/>'
        lab.exec(first, "cibadmin", "--create", "--scope", "constraints", "--xml-text", place)


def prefer(lab: Lab, host: str, score: int) -> None:
    """Have Pacemaker like it better there; one that runs elsewhere stays for its stickiness, which is 100."""
    place = f'<rsc_location id="bivisor-on-{host}" rsc="bivisor" node="{host}" score="{score}"/>'
    lab.exec(CONTROLLERS[0].name, "cibadmin", "--modify", "--scope", "constraints", "--xml-text", place)


@dataclass(frozen=True, slots=True)
class Epoch:
    """Who leads, as the CIB has it."""

    number: int
    leader: str


def epoch(lab: Lab, host: str) -> Epoch:
    """Return what that host's CIB says of who leads; 0 for nobody."""
    try:
        shown = lab.exec(host, "cibadmin", "--query", "--xpath", "//cluster_property_set[@id='bivisor-lead']").stdout
    except CommandError:
        return Epoch(0, "")
    values = {
        part.split('name="')[1].split('"')[0]: part.split('value="')[1].split('"')[0] for part in shown.split("<nvpair ")[1:]
    }
    return Epoch(int(values["bivisor-epoch"]), values["bivisor-leader"])


def lines(lab: Lab, host: str) -> list[dict[str, Any]]:
    """Return what the daemon of a controller has told in its log, all its lives one after the other."""
    path = lab.root(host) / LOG.lstrip("/")
    found = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in found if line.startswith("{") and line.endswith("}")]


def metric(lab: Lab, host: str, name: str) -> float:
    """Return a number that a controller's daemon tells Prometheus."""
    program = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())"
    page = lab.exec(host, "python3", "-c", program, f"http://{LISTEN}/metrics").stdout
    (line,) = (line for line in page.splitlines() if line.startswith(f"{name} "))
    return float(line.split()[1])


def told(lab: Lab, host: str, event: str) -> list[dict[str, Any]]:
    """Return the lines of that event in the log of a controller's daemon."""
    return [line for line in lines(lab, host) if line.get("event") == event]


def since_it_leads(lab: Lab, host: str) -> list[dict[str, Any]]:
    """Return what a host's daemon has told since it took the lead last; nothing if it never did, or has begun anew since."""
    found = lines(lab, host)
    marks = [place for place, line in enumerate(found) if line.get("event") in ("leads", "starting")]
    return found[marks[-1] + 1 :] if marks and found[marks[-1]]["event"] == "leads" else []


def moment(timestamp: str) -> float:
    """Return a time of a log as Unix time."""
    return datetime.fromisoformat(timestamp).timestamp()


class Note(NamedTuple):
    """A line of a host's journal, and when it was written (Unix time)."""

    at: float
    text: str


def journal(lab: Lab, host: str, since: float) -> list[Note]:
    """Return what the helper told the host's journal since then (Unix time)."""
    argv = ["journalctl", "--quiet", "--identifier=bivisor", "--output=short-unix", f"--since=@{since:.6f}"]
    words = (line.split(" ", 3) for line in lab.exec(host, *argv).stdout.splitlines())
    return [Note(float(at), text) for at, _, _, text in words]
