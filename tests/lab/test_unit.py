"""The daemon as the service that is shipped: with the few rights of its unit it does all of its work."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.lab import controllers
from tests.lab.layout import host_named
from tests.lab.led_cloud import CONF
from tests.lab.test_converge import wait_for
from tests.lab.workspace import REPOSITORY, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

HOST = "ctl2"
SHIPPED = {
    "bivisor.service": "/etc/systemd/system/bivisor.service",
    "bivisor.sysusers": "/usr/lib/sysusers.d/bivisor.conf",
    "run.yaml": "/etc/bivisor/run.yaml",
}
STATE = "/var/lib/bivisor-run"
HASTE = "/etc/systemd/system/bivisor.service.d/haste.conf"
"""In the unit a beat may be missing for a minute; a test does not wait for so long."""

READY = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:9180/readyz').status)"


@pytest.fixture
def service(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A converged cloud, and the service on a controller, installed as its page says; afterwards it is gone."""
    desk = Workspace.converged(tmp_path_factory.mktemp("desk"), lab)
    controllers.install(lab, desk, (host_named(HOST),))
    root = lab.root(HOST)
    for name, place in SHIPPED.items():
        path = root / place.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / "packaging/systemd" / name, path)
    haste = root / HASTE.lstrip("/")
    haste.parent.mkdir(parents=True, exist_ok=True)
    haste.write_text("[Service]\nWatchdogSec=6\nRestartSec=1\n")
    lab.exec(HOST, "systemd-sysusers")
    lab.exec(HOST, "chown", "--recursive", "bivisor:", str(controllers.FOLDER))
    lab.exec(HOST, "systemctl", "daemon-reload")
    try:
        yield
    finally:
        lab.exec(HOST, "systemctl", "stop", "bivisor", check=False)
        for place in (*SHIPPED.values(), HASTE):
            (root / place.lstrip("/")).unlink()
        shutil.rmtree(root / STATE.lstrip("/"), ignore_errors=True)
        lab.exec(HOST, "systemctl", "daemon-reload")
        controllers.remove(lab)


def shown(lab: Lab, name: str) -> str:
    """Return a property of the service."""
    return lab.exec(HOST, "systemctl", "show", "--value", "--property", name, "bivisor").stdout.strip()


def drift_is_repaired(lab: Lab) -> None:
    """Edit an option by hand and wait until it is as declared."""
    lab.exec("kvm1", "sed", "-i", "s/^vif_plugging_timeout.*/vif_plugging_timeout = 3/", CONF)
    wait_for(lambda: "vif_plugging_timeout = 0" in lab.exec("kvm1", "cat", CONF).stdout, "the drift is repaired", 60)


@pytest.mark.usefixtures("service")
def test_with_the_rights_of_its_unit_it_does_its_work(lab: Lab) -> None:
    """It becomes ready, repairs, remembers, reads its settings anew, is restarted when it hangs, and ends as it is told."""
    lab.exec(HOST, "systemctl", "start", "bivisor", timeout_s=90)
    wait_for(lambda: lab.exec(HOST, "python3", "-c", READY, check=False).stdout.strip() == "200", "it is ready", 60)
    assert shown(lab, "User") == "bivisor"
    drift_is_repaired(lab)
    lab.exec(HOST, "systemctl", "reload", "bivisor")
    journal = ("journalctl", "--unit", "bivisor", "--output", "cat")
    wait_for(lambda: '"event": "settings"' in lab.exec(HOST, *journal).stdout, "the settings are taken", 30)
    history = f"cd {controllers.FOLDER} && BIVISOR_STATE={STATE} {controllers.PROGRAM}/bin/bivisor history"
    assert "vif_plugging_timeout" in lab.script(HOST, f"{history} ssh:kvm1/config_file/{CONF}").stdout
    lab.exec(HOST, "systemctl", "kill", "--signal", "STOP", "bivisor")
    wait_for(lambda: shown(lab, "NRestarts") == "1" and shown(lab, "ActiveState") == "active", "systemd starts it anew", 60)
    drift_is_repaired(lab)
    lab.exec(HOST, "systemctl", "stop", "bivisor", timeout_s=60)
    assert (shown(lab, "Result"), shown(lab, "ExecMainStatus")) == ("success", "0")
