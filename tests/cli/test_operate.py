"""Operating the program that keeps running: what it tells over HTTP and to webhooks, its settings, and how it stops."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.test_port_groups import PROGRAM, desk, edit
from tests.cli.test_run import GROUP, PATIENCE_S, Running, running
from tests.drive.receiver import receiving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.lab.vcenter.process import Running as Vcenter

__all__ = ["desk"]
KEY = "canary-of-the-webhooks-key"
SETTINGS = """listen: 127.0.0.1:0
webhooks:
  - {name: ops, url: URL, secret: {file: secrets/webhook}}
"""


def settings(folder: Path, text: str) -> Path:
    """Write the settings and the webhook's key."""
    (folder / "secrets/webhook").write_text(KEY)
    path = folder / "run.yaml"
    path.write_text(text)
    return path


def asked(daemon: Running, path: str) -> tuple[int, str]:
    """Ask the daemon over HTTP: the status and the body."""
    daemon.until(lambda: daemon.lines("listening"), "it listens")
    try:
        with urllib.request.urlopen(f"http://{daemon.lines('listening')[0]['address']}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def metrics(daemon: Running) -> dict[str, float]:
    """Return each number that the daemon tells, by name and labels as they are written."""
    status, text = asked(daemon, "/metrics")
    assert status == 200
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


@contextmanager
def ended(daemon: Running) -> Iterator[Running]:
    """Have the process gone at the end, whatever it does."""
    try:
        yield daemon
    finally:
        daemon.process.kill()
        daemon.process.wait()


def test_numbers_health_and_news(desk: Path) -> None:
    """What it does is counted, what stands is told, and a webhook hears of documents; its secrets stand nowhere."""
    with receiving() as receiver:
        path = settings(desk, SETTINGS.replace("URL", receiver.url))
        with running(desk, "--settings", str(path)) as daemon:
            daemon.until(lambda: daemon.results() == ["converged"], "the port group is made")
            daemon.until(lambda: asked(daemon, "/readyz")[0] == 200, "it is ready")
            assert asked(daemon, "/healthz") == (200, '{"status":"ok","reasons":[]}')
            told = metrics(daemon)
            assert told["bivisor_steps_total{outcome=converged,verb=create}"] == 1
            assert told["bivisor_passes_total{result=converged}"] >= 1
            assert told["bivisor_desired_valid"] == told["bivisor_settings_valid"] == told["bivisor_acts"] == 1
            assert told["bivisor_units{verb=unknown}"] > 0
            assert told["bivisor_targets_unknown"] > 0
            assert told["bivisor_watch_healthy{target=ssh:ctl1}"] in (0, 1)
            assert told["bivisor_decision_duration_seconds_count"] >= 1
            assert told["process_open_fds"] > 0
            edit(desk / "desired/zones.yaml", "vlan: 100", "vlan: many")
            daemon.until(lambda: metrics(daemon)["bivisor_desired_valid"] == 0, "the refusal is counted")
            assert asked(daemon, "/readyz")[0] == 200, "the last good documents are in force"
            receiver.until(lambda: receiver.told("documents.refused"))
            edit(desk / "desired/zones.yaml", "vlan: many", "vlan: 100")
            receiver.until(lambda: receiver.told("documents.mended"))
        assert receiver.told("documents.taken")
        assert "desired/zones.yaml:" in receiver.told("documents.refused")[0]["reason"]
        log = daemon.log.read_text()
        assert KEY not in log
        assert receiver.url not in log
        assert all(line.startswith("{") for line in log.splitlines()), log


def test_the_address_that_is_told_can_be_asked(tmp_path: Path) -> None:
    """One of IPv6 too: it stands in brackets, as in the settings and in any URL."""
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as tried:
        try:
            tried.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no ::1")
    (tmp_path / "desired").mkdir()
    path = tmp_path / "run.yaml"
    path.write_text('listen: "[::1]:0"\n')
    with running(tmp_path, "--settings", str(path), "--observe-only") as daemon:
        assert asked(daemon, "/healthz")[0] == 200
        assert str(daemon.lines("listening")[0]["address"]).startswith("[::1]:")


def test_it_is_not_ready_before_it_has_documents(desk: Path) -> None:
    """Alive, and not ready, with the reason; then documents come."""
    path = settings(desk, "listen: 127.0.0.1:0\n")
    edit(desk / "desired/zones.yaml", "vlan: 100", "vlan: many")
    with running(desk, "--settings", str(path), "--observe-only") as daemon:
        daemon.until(lambda: daemon.lines("desired"), "the documents are refused")
        assert asked(daemon, "/healthz")[0] == 200
        status, body = asked(daemon, "/readyz")
        assert status == 503
        assert "desired/zones.yaml:" in json.loads(body)["reasons"][0]
        edit(desk / "desired/zones.yaml", "vlan: many", "vlan: 100")
        daemon.until(lambda: asked(daemon, "/readyz")[0] == 200, "it is ready")
        assert metrics(daemon)["bivisor_acts"] == 0


def test_settings_are_read_anew(desk: Path) -> None:
    """On SIGHUP: another webhook is told, bad settings keep the last good ones, and what must wait for a start says so."""
    path = settings(desk, "listen: 127.0.0.1:0\n")
    with receiving() as receiver, running(desk, "--settings", str(path), "--observe-only") as daemon:
        daemon.until(lambda: daemon.lines("decided"), "it has decided")
        path.write_text(SETTINGS.replace("URL", receiver.url).replace("127.0.0.1:0", "127.0.0.1:9"))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.until(lambda: [line["status"] for line in daemon.lines("settings")] == ["taken", "later"], "they are taken")
        assert metrics(daemon)["bivisor_webhook_deliveries_total{result=dropped,webhook=ops}"] == 0
        path.write_text("logLevel: loud\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.until(lambda: metrics(daemon)["bivisor_settings_valid"] == 0, "they are refused")
        assert 'logLevel: must be "debug"' in daemon.lines("settings")[-1]["message"]
        edit(desk / "desired/zones.yaml", "vlan: 100", "vlan: 101")
        receiver.until(lambda: receiver.told("documents.taken"))


def test_settings_that_bring_a_mistake_to_light_end_nobody(desk: Path) -> None:
    """A number that no clock can wait for, found on SIGHUP: the former settings stay in force, and the daemon goes on."""
    path = settings(desk, "listen: 127.0.0.1:0\n")
    with running(desk, "--settings", str(path), "--observe-only") as daemon:
        daemon.until(lambda: daemon.lines("decided"), "it has decided")
        path.write_text(f"stopWithinSeconds: 1{'0' * 400}\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.until(lambda: daemon.lines("settings"), "they are refused")
        assert metrics(daemon)["bivisor_settings_valid"] == 0
        path.write_text("listen: 127.0.0.1:0\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.until(lambda: metrics(daemon)["bivisor_settings_valid"] == 1, "they are taken")


def refusal(folder: Path, path: Path) -> str:
    """Return what the program says when it does not even start."""
    environment = {**os.environ, "BIVISOR_STATE": str(folder / "state")}
    done = subprocess.run(
        [PROGRAM, "run", "--settings", path], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    return done.stderr


def test_what_is_wrong_at_the_start_is_told(desk: Path) -> None:
    """Settings that cannot be read, and a port that somebody has, end it with a sentence."""
    assert refusal(desk, settings(desk, "logLevel: loud\n")).endswith(
        'run.yaml:1:1: logLevel: must be "debug", "info", "warning" or "error", not "loud"\n'
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = refusal(desk, settings(desk, f"listen: 127.0.0.1:{port}\n"))
    assert told.splitlines()[-1] == (
        f"listen: 127.0.0.1:{port}: Address already in use: name another address in the settings, or end who has it"
    )


SLOW = """listen: 127.0.0.1:0
webhooks:
  - name: ops
    url: http://127.0.0.1:9/
    secret: {command: [sh, -c, 'touch asked; until [ -e answers ]; do sleep 0.05; done; echo 0123456789abcdef']}
"""
"""Settings whose secret is told as soon as there is a file `answers`."""


def test_it_ends_well_while_it_still_begins(desk: Path) -> None:
    """SIGTERM during the command of a secret in the settings is the wish to stop as later, and so is the end."""
    with ended(Running(desk, "--settings", str(settings(desk, SLOW)), "--observe-only")) as daemon:
        daemon.until((desk / "asked").exists, "the secret is asked for")
        daemon.process.send_signal(signal.SIGTERM)
        try:
            assert daemon.process.wait(PATIENCE_S) == 0
        finally:
            (desk / "answers").touch()
        assert daemon.lines("stopped")
        assert not daemon.lines("starting")


def test_a_reload_while_it_still_begins_is_heeded_then(desk: Path) -> None:
    """SIGHUP during the command of a secret in the settings ends nobody: everything is read anew as soon as it runs."""
    path = settings(desk, SLOW)
    with ended(Running(desk, "--settings", str(path), "--observe-only")) as daemon:
        daemon.until((desk / "asked").exists, "the secret is asked for")
        path.write_text("listen: 127.0.0.1:0\nlogLevel: loud\n")
        daemon.process.send_signal(signal.SIGHUP)
        (desk / "answers").touch()
        daemon.until(lambda: daemon.lines("settings"), "they are read again")
        assert daemon.lines("settings")[0]["status"] == "refused"
        assert daemon.lines("listening")


def heard(systemd: socket.socket, holds: Callable[[list[str]], bool]) -> None:
    """Listen to what systemd is told until it holds."""
    lines: list[str] = []
    while not holds(lines):
        lines += systemd.recv(4096).decode().splitlines()


def test_systemd_hears_that_it_is_ready_and_lives(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """READY after the first decision, beats as the watchdog wants them, STOPPING at the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(desk / "notify"))
        systemd.settimeout(PATIENCE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(desk / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        with ended(Running(desk, "--observe-only")) as daemon:
            heard(systemd, lambda lines: "READY=1" in lines)
            heard(systemd, lambda lines: lines.count("WATCHDOG=1") == 5)
            daemon.process.send_signal(signal.SIGTERM)
            heard(systemd, lambda lines: "STOPPING=1" in lines)
            assert daemon.process.wait(PATIENCE_S) == 0


def test_a_webhook_that_hangs_at_the_end_is_no_step_in_hand(desk: Path) -> None:
    """The end waits three seconds for it, longer than for steps: nothing is called abandoned, and the end is a good one."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        path = settings(desk, f"stopWithinSeconds: 1\n{SETTINGS.replace('URL', url)}")
        with ended(Running(desk, "--settings", str(path), "--observe-only")) as daemon:
            daemon.until(lambda: daemon.lines("decided"), "it has decided, and told of its documents")
            daemon.process.send_signal(signal.SIGTERM)
            assert daemon.process.wait(PATIENCE_S) == 0
            assert daemon.lines("webhook_unsent")
            assert not daemon.lines("abandoned")


def begun(daemon: Running) -> bool:
    """Tell whether the port group is being made."""
    return any(line["address"] == GROUP for line in daemon.lines("step"))


def test_sigterm_finishes_the_step_in_hand(desk: Path, vcenter: Vcenter) -> None:
    """The vCenter takes three seconds to make the port group: it is waited for, and the end is a good one."""
    vcenter.control.delay("AddDVPortgroup_Task", 3000)
    with ended(Running(desk)) as daemon:
        daemon.until(lambda: begun(daemon), "the step is in hand")
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(PATIENCE_S) == 0
        assert daemon.results() == ["converged"]
        assert daemon.lines("stopped")


def test_sigterm_waits_no_longer_than_its_limit(desk: Path, vcenter: Vcenter) -> None:
    """The vCenter never answers: after the limit of the settings the step is abandoned, named, and the end is 143."""
    vcenter.control.black_hole("AddDVPortgroup_Task")
    daemon = Running(desk, "--settings", str(settings(desk, "stopWithinSeconds: 1\n")))
    with ended(daemon):
        daemon.until(lambda: begun(daemon), "the step is in hand")
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(PATIENCE_S) == 143
        assert [line["steps"] for line in daemon.lines("abandoned")] == [GROUP]
        assert daemon.results() == []
