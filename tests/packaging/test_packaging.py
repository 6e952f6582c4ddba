"""What is shipped to operate the daemon fits the daemon: unit, alert rules, dashboard."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from reconciler.metrics import Metrics, State
from reconciler.news import Newsroom
from reconciler.recorder import Origin
from reconciler.settings import STOP_WITHIN_S, read_settings
from tests.cli.test_port_groups import PROGRAM
from tests.docs.markdown import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGING = ROOT / "packaging"
UNIT = PACKAGING / "systemd/bivisor.service"
RULES = PACKAGING / "prometheus/bivisor.rules.yml"
DASHBOARD = PACKAGING / "grafana/bivisor.json"
OF_PROMETHEUS = {"up", "ALERTS"}
"""Series that Prometheus itself makes."""


@pytest.fixture(scope="module")
def series() -> dict[str, set[str]]:
    """The names of all series that the daemon tells, each with its labels."""
    metrics = Metrics(Newsroom(lambda _: None, lambda: Origin("run")), State())
    found: dict[str, set[str]] = {}
    for family in metrics.registry.collect():
        labels = set(getattr(family, "_labelnames", ())) | {label for sample in family.samples for label in sample.labels}
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        for suffix in suffixes:
            found[f"{family.name}{suffix}"] = labels | ({"le"} if suffix == "_bucket" else set())
    return found


def named(expression: str) -> set[str]:
    """Return the series that a query names."""
    return set(re.findall(r"\b((?:bivisor|process)_\w+|up|ALERTS)\b(?!\()", re.sub(r'"[^"]*"', '""', expression)))


def queries(value: Any) -> Iterator[str]:
    """Yield every query of a dashboard."""
    if isinstance(value, dict):
        yield from (text for key, text in value.items() if key in ("expr", "definition") and isinstance(text, str))
        for inner in value.values():
            yield from queries(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from queries(inner)


def rules() -> list[dict[str, Any]]:
    """Return every alert."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_exists(rule: dict[str, Any], series: dict[str, set[str]]) -> None:
    """Every series of its query is told; it says how urgent it is and what to do, and has a test and a line in the docs."""
    assert named(rule["expr"])
    assert named(rule["expr"]) <= series.keys() | OF_PROMETHEUS
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert set(rule["annotations"]) == {"summary", "description"}
    assert f'alertname="{rule["alert"]}"' in RULES.with_suffix(".test.yml").read_text()
    assert f"`{rule['alert']}`" in (ROOT / "docs/how-to/operate-the-daemon.md").read_text()


def test_the_dashboard_asks_for_what_exists(series: dict[str, set[str]]) -> None:
    """Every query names series that are told; panels have numbers of their own, a text, and do not overlap."""
    dashboard = json.loads(DASHBOARD.read_text())
    asked = list(queries(dashboard))
    assert len(asked) > 20
    for query in asked:
        assert named(query), query
        assert named(query) <= series.keys(), query
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        assert panel["description"].endswith(".")
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_queries_group_by_labels_that_exist(series: dict[str, set[str]]) -> None:
    """A legend or a grouping by a label that no series has would show nothing."""
    known = set().union(*series.values()) | {"instance"}
    texts = [*queries(json.loads(DASHBOARD.read_text())), *(rule["expr"] for rule in rules())]
    for text in texts:
        for group in re.findall(r"\b(?:by|without) \(([^)]*)\)", text):
            assert {label.strip() for label in group.split(",")} <= known, text


def test_every_series_of_ours_is_named_as_prometheus_wants(series: dict[str, set[str]]) -> None:
    """A prefix, base units, and few values for each label: only targets and webhooks are named by people."""
    ours = {name: labels for name, labels in series.items() if name.startswith("bivisor_")}
    assert {label for labels in ours.values() for label in labels} <= {
        "class", "le", "outcome", "priority", "python", "result", "target", "verb", "version", "webhook",
    }  # fmt: skip
    assert not [name for name in ours if re.search(r"_(ms|milliseconds|minutes|bytes_total_total)$", name)]


def promtool() -> str:
    """Return Prometheus' own tool, or skip where it is not there."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which("promtool", path=os.pathsep.join((beside, os.environ.get("PATH", os.defpath))))
    if found is None:
        pytest.skip("there is no promtool (scripts/promtool.sh fetches it, as `make test` does)")
    return found


def test_the_tests_go_on_where_promtool_cannot_be_fetched(tmp_path: Path) -> None:
    """On a machine whose apt reaches no mirror `make test` says so, and leaves the rules unchecked."""
    for name in ("scripts", ".venv/bin", "bin"):
        (tmp_path / name).mkdir(parents=True)
    shutil.copy(ROOT / "scripts/promtool.sh", tmp_path / "scripts")
    for name in ("sh", "dirname", "mktemp", "chmod", "id", "rm"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or name)
    (tmp_path / "bin/apt-get").write_text("#!/bin/sh\necho E: no mirror answers >&2\nexit 100\n")
    (tmp_path / "bin/apt-get").chmod(0o755)
    done = subprocess.run(
        [tmp_path / "scripts/promtool.sh"], env={"PATH": str(tmp_path / "bin")}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "no mirror answers" in done.stderr
    assert "promtool: it is missing, and apt-get cannot fetch it: the alert rules stay unchecked" in done.stderr


@pytest.mark.parametrize("words", [("check", "rules", RULES), ("test", "rules", RULES.with_suffix(".test.yml"))])
def test_prometheus_takes_the_rules(words: tuple[object, ...]) -> None:
    """Promtool finds no mistake, and each alert fires when it is to, and only then."""
    done = subprocess.run([promtool(), *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_installed_program_has_all_of_its_modules() -> None:
    """Only Python is packaged, and only folders that are packages: another file, or a folder without, would be missing."""
    for folder in (ROOT / "reconciler", ROOT / "resources"):
        found = [path for path in folder.rglob("*") if "__pycache__" not in path.parts]
        assert not [path for path in found if path.is_file() and path.suffix != ".py"]
        assert not [path for path in found if path.is_dir() and not (path / "__init__.py").exists()]


def unit() -> ConfigParser:
    """Return the unit."""
    found = ConfigParser(strict=False, interpolation=None)
    found.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's names have capitals
    found.read(UNIT)
    return found


def test_the_unit_leaves_time_for_the_daemons_own_limit() -> None:
    """Systemd waits longer than the daemon does by itself; it hears that it is ready and lives."""
    service = unit()["Service"]
    assert service["Type"] == "notify"
    assert int(service["TimeoutStopSec"].removesuffix("min")) * 60 > STOP_WITHIN_S + 60
    assert 10 <= int(service["WatchdogSec"]) <= 120
    assert service["ExecStart"].endswith("run --settings /etc/bivisor/run.yaml")


def test_what_the_watchdog_ends_leaves_no_memory_behind() -> None:
    """It ends by SIGABRT, which would dump core, with secrets in it."""
    assert unit()["Service"]["LimitCORE"] == "0"


def test_the_unit_names_the_documents_in_full() -> None:
    """Systemd says by no PWD that /srv/cloud is a link: else what is paused would be forgotten with the next release."""
    service = unit()["Service"]
    folder = service["Environment"].removeprefix("BIVISOR_DESIRED=")
    assert folder == f"{service['WorkingDirectory']}/desired"
    asked = f"export BIVISOR_STATE=/var/lib/{service['StateDirectory']} BIVISOR_DESIRED={folder}\n"
    assert asked in (ROOT / "docs/how-to/operate-the-daemon.md").read_text()


async def test_the_shipped_settings_are_settings(tmp_path: Path) -> None:
    """As they are, and with everything in them that stands in comments."""
    text = (PACKAGING / "systemd/run.yaml").read_text()
    path = tmp_path / "run.yaml"
    (tmp_path / "webhook.key").write_text("0123456789abcdef")
    for now in (text, re.sub(r"^# ( *(?:- )?\w+:)", r"\1", text, flags=re.MULTILINE)):
        path.write_text(now)
        found = await read_settings(path)
        assert found.listen == ("127.0.0.1", 9180)
    assert [hook.name for hook in found.webhooks] == ["ops"]
    assert found.stop_within_s == STOP_WITHIN_S


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """systemd-analyze finds no mistake in it, and little that it may do beyond its work."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not there")
    copy = tmp_path / "bivisor.service"
    copy.write_text(UNIT.read_text().replace("/opt/bivisor/bin/bivisor", str(PROGRAM)))
    verified = subprocess.run([analyze, "verify", copy], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    told = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", copy], capture_output=True, text=True, check=False
    )
    exposure = re.search(r"Overall exposure level for bivisor.service: ([\d.]+)", told.stdout)
    assert exposure, told.stdout + told.stderr
    assert float(exposure[1]) < 2.0


def test_systemd_takes_the_drop_in_that_follows_a_branch(tmp_path: Path) -> None:
    """As the docs have it: it replaces the command by one that the program takes, and needs no folder that nobody makes."""
    page = (ROOT / "docs/how-to/follow-a-git-branch.md").read_text()
    (text,) = re.findall(r"```ini\n(.*?)```", page, re.DOTALL)
    drop_in = ConfigParser(strict=False, interpolation=None)
    drop_in.optionxform = str  # type: ignore[assignment,method-assign]  # as above
    drop_in.read_string(text)
    service, home = drop_in["Service"], (PACKAGING / "systemd/bivisor.sysusers").read_text().split()[-1]
    assert service["WorkingDirectory"] == home == f"/var/lib/{unit()['Service']['StateDirectory']}"
    assert f"{home}/.ssh/known_hosts" in page
    _, *arguments = service["ExecStart"].split()
    asked = subprocess.run([PROGRAM, *arguments, "--help"], capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr
    options = set(re.findall(r"--[a-z-]+", service["ExecStart"])) - {"--log-json"}
    assert options <= set(re.findall(r"--[a-z-]+", asked.stdout))
    if (analyze := shutil.which("systemd-analyze")) is None:
        pytest.skip("systemd-analyze is not there")
    for path, content in (("bivisor.service", UNIT.read_text()), ("bivisor.service.d/git.conf", text)):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(content.replace("/opt/bivisor/bin/bivisor", str(PROGRAM)))
    verified = subprocess.run([analyze, "verify", tmp_path / "bivisor.service"], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")


def test_the_log_on_the_controllers_is_rotated_while_it_is_written(tmp_path: Path) -> None:
    """The file names the log that the agent names; the daemon, which keeps it open, goes on writing into it."""
    shipped = (PACKAGING / "logrotate/bivisor").read_text()
    (default,) = re.findall(r"OCF_RESKEY_log:-(\S+)}", (PACKAGING / "ocf/bivisor").read_text())
    assert re.findall(r"^(\S+) {$", shipped, re.MULTILINE) == [default]
    if (logrotate := shutil.which("logrotate")) is None:
        pytest.skip("logrotate is not installed (Debian: apt-get install logrotate)")
    log, rules = tmp_path / "bivisor.log", tmp_path / "rules"
    rules.write_text(shipped.replace(default, str(log)))
    rules.chmod(0o644)
    with log.open("a") as daemon:
        print("before", file=daemon, flush=True)
        command = [logrotate, "--force", "--state", str(tmp_path / "state"), str(rules)]
        subprocess.run(command, check=True, capture_output=True)
        print("after", file=daemon, flush=True)
    assert log.read_text() == "after\n"
    assert (tmp_path / "bivisor.log.1").read_text() == "before\n"
