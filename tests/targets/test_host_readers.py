"""How the helper reads what systemd, dpkg and Pacemaker print; the texts are from a real Debian 12."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from reconciler.targets.host.pacemaker_changes import version_of
from reconciler.targets.host.package_changes import allow_starts, forbid_starts
from reconciler.targets.host.packages import from_status, installed
from reconciler.targets.host.services import expect_invocation, is_name, process_start, read_units, unix_time
from reconciler.targets.host.wire import Refusal

if TYPE_CHECKING:
    from pathlib import Path

SHOWN = """\
Type=notify
MainPID=159
ExecMainStartTimestampMonotonic=3199200196
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
InactiveExitTimestampMonotonic=3199200437
NeedDaemonReload=no
InvocationID=3779cb7b43014c81a6979a902b78723e

Type=
MainPID=0
ExecMainStartTimestampMonotonic=0
LoadState=not-found
ActiveState=inactive
SubState=dead
UnitFileState=
InactiveExitTimestampMonotonic=0
NeedDaemonReload=no
InvocationID=
"""

STATUS = b"""\
Package: nova-compute
Status: install ok installed
Priority: optional
Source: nova
Version: 2:26.2.2-1~deb12u5
Depends: adduser, nova-common (= 2:26.2.2-1~deb12u5), nova-compute-kvm | nova-compute-hypervisor
Description: OpenStack Compute - compute node base
 Version: not a field but a description

Package: corosync
Status: deinstall ok config-files
Version: 3.1.7-1+deb12u2

Package: pacemaker
Status: hold ok installed
Version: 2.1.5-1+deb12u1

Package: libc6
Status: install ok half-configured
Architecture: i386
Version: 2.36-9

Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u10
"""


def test_units_are_read_in_the_order_they_were_asked() -> None:
    """Each block belongs to the name at its place; a unit that systemd does not know has a block too."""
    units = read_units(SHOWN, ["nova-compute.service", "nope.service"])
    assert (units["nova-compute.service"]["MainPID"], units["nope.service"]["LoadState"]) == ("159", "not-found")


def test_half_an_answer_of_systemd_is_refused() -> None:
    """A block too few is never filled in by guessing whose it is."""
    with pytest.raises(Refusal):
        read_units(SHOWN, ["a.service", "b.service", "c.service"])


def shown(state: str, kind: str, main: int, left: int) -> dict[str, str]:
    """Return the properties that tell when a process was started, in microseconds."""
    times = {"ExecMainStartTimestampMonotonic": str(main), "InactiveExitTimestampMonotonic": str(left)}
    return {"ActiveState": state, "Type": kind, **times}


@pytest.mark.parametrize(
    ("unit", "start"),
    [
        (shown("active", "notify", 1_500_000, 900_000), 1.5),
        (shown("activating", "simple", 1_500_000, 900_000), 1.5),
        (shown("inactive", "notify", 1_500_000, 900_000), None),
        (shown("failed", "notify", 1_500_000, 900_000), None),
        (shown("active", "forking", 9_000_000, 5_000_000), 5.0),
        (shown("active", "oneshot", 0, 5_000_000), 5.0),
    ],
)
def test_when_a_process_was_started(unit: dict[str, str], start: float | None) -> None:
    """The main process counts; of a daemon that forks the moment at which its unit began; nothing runs: None."""
    assert process_start(unit) == start


def test_the_start_of_a_process_in_unix_time() -> None:
    """It is right to about a second, so that others can compare it with what they saw; no process has none."""
    assert abs(unix_time(time.monotonic()) - time.time()) <= 2
    assert unix_time(None) == 0


def test_only_the_observed_process_is_restarted() -> None:
    """Whoever comes second finds another process, or none, and restarts nothing."""
    now = {**shown("active", "notify", 1_500_000, 900_000), "InvocationID": "i2"}
    expect_invocation("a.service", now, None)
    expect_invocation("a.service", now, "i2")
    for other in ({**now, "InvocationID": "i3"}, {**now, "ActiveState": "inactive"}):
        with pytest.raises(Refusal) as refused:
            expect_invocation("a.service", other, "i2")
        assert refused.value.code == "conflict"


@pytest.mark.parametrize("name", ["nova-compute.service", "a@b.service", r"a\x2db.mount"])
def test_names_of_units(name: str) -> None:
    """What systemd takes as the name of a unit, so does the helper."""
    assert is_name(name)


@pytest.mark.parametrize("name", ["nova", "-H.service", "a b.service", "", "a/b.service", ".service"])
def test_what_is_no_name_of_a_unit(name: str) -> None:
    """What is no name of a unit never reaches systemctl's command line."""
    assert not is_name(name)


def test_packages_are_read_from_dpkgs_own_file() -> None:
    """Installed is what dpkg calls so: neither removed with configuration left, nor half configured."""
    names = ["nova-compute", "corosync", "pacemaker", "libc6", "nova"]
    versions = {"nova-compute": "2:26.2.2-1~deb12u5", "pacemaker": "2.1.5-1+deb12u1", "libc6": "2.36-9+deb12u10"}
    assert from_status(STATUS, names) == versions
    assert from_status(STATUS.rstrip(b"\n"), ["libc6"]) == {"libc6": "2.36-9+deb12u10"}


def test_no_dpkg_is_said(tmp_path: Path) -> None:
    """A host of another family is told as such, not as one without the package."""
    with pytest.raises(Refusal, match="no dpkg") as refused:
        installed(["nova"], str(tmp_path))
    assert refused.value.code == "unsupported"


def test_what_counts_as_the_same_cib() -> None:
    """The version of a configuration is its epochs; num_updates also counts what happens in it."""
    cib = '<cib crm_feature_set="3.16.2" epoch="7" num_updates="13" admin_epoch="0">\n  <configuration epoch="9"/></cib>'
    assert version_of(cib) == ("0", "7")
    with pytest.raises(Refusal):
        version_of("<cib/>")


def test_packages_start_nothing_while_they_are_installed(tmp_path: Path) -> None:
    """While the installing process lives, the policy forbids starts; with its end, the operator's own decides again."""
    policy, saved = tmp_path / "policy-rc.d", tmp_path / "policy-rc.d.bivisor-saved"
    policy.write_text("#!/bin/sh\nexit 104\n")
    policy.chmod(0o755)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as installing:
        forbid_starts(installing.pid, str(policy), str(saved))
        assert subprocess.run([policy], check=False).returncode == 101
    assert subprocess.run([policy], check=False).returncode == 104
    allow_starts(str(policy), str(saved))
    assert (policy.read_text(), saved.exists()) == ("#!/bin/sh\nexit 104\n", False)


def test_a_policy_that_was_left_behind_forbids_nothing_and_goes(tmp_path: Path) -> None:
    """What a killed helper left there has no effect, and the next installation takes it away, but no other's."""
    policy, saved = str(tmp_path / "policy-rc.d"), str(tmp_path / "policy-rc.d.bivisor-saved")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as installing:
        forbid_starts(installing.pid, policy, saved)
    assert subprocess.run([policy], check=False).returncode == 0
    forbid_starts(os.getpid(), policy, saved)
    allow_starts(policy, saved)
    assert list(tmp_path.iterdir()) == []
    allow_starts(policy, saved)
    (tmp_path / "policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
    allow_starts(policy, saved)
    assert (tmp_path / "policy-rc.d").exists()
