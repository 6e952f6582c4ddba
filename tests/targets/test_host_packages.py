"""Installing packages, through the real helper and programs that act like apt-get and dpkg."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.targets.host_process import HostProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Program = Callable[[str, str], None]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the helper gets programs of its own")

NAME = "bivisor-no-such-package"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Return what puts a program into the host's /usr/sbin; `$LOG` is a file that it may write."""
    (tmp_path / "sbin").mkdir()

    def put(name: str, script: str) -> None:
        path = tmp_path / "sbin" / name
        path.write_text(f"#!/bin/sh\nLOG={tmp_path}/log\necho {name} $* >> $LOG\n{script}\n")
        path.chmod(0o755)

    return put


@pytest.fixture
def host(tmp_path: Path, program: Program) -> Iterator[HostProcess]:
    """Return a helper with an apt-get that installs everything."""
    program("apt-get", "")
    with HostProcess(tmp_path / "state", sbin=tmp_path / "sbin") as host:
        yield host


def log(tmp_path: Path) -> list[str]:
    """Return which programs were called, with their first word and their last."""
    called = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    return [
        " ".join([words[0], *(word for word in words[1:] if not word.startswith("-") and "::" not in word)]) for words in called
    ]


def test_no_package_starts_its_daemon(host: HostProcess, program: Program, tmp_path: Path) -> None:
    """While packages are installed, Debian's policy script says that nothing may be started; afterwards it is gone."""
    program("apt-get", "/usr/sbin/policy-rc.d nova-compute start; echo policy $? >> $LOG")
    assert host.do("package.install", names=[NAME]) == ("", "")
    assert log(tmp_path) == [f"apt-get {NAME}".replace("apt-get", "apt-get install"), "policy 101"]
    assert not (tmp_path / "sbin/policy-rc.d").exists()


def test_an_interrupted_installation_is_completed(host: HostProcess, program: Program, tmp_path: Path) -> None:
    """A host that lost its power in the middle of dpkg needs nobody to repair it."""
    told = "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem."
    program("apt-get", f'[ -e $LOG.repaired ] || {{ echo "{told}" >&2; exit 100; }}')
    program("dpkg", "touch $LOG.repaired")
    assert host.do("package.install", names=[NAME]) == ("", "")
    assert log(tmp_path) == [f"apt-get install {NAME}", "dpkg", f"apt-get install {NAME}"]


def test_old_lists_are_fetched_anew(host: HostProcess, program: Program, tmp_path: Path) -> None:
    """What the lists do not know, newer lists may."""
    program(
        "apt-get",
        'case "$*" in *update*) touch $LOG.new;; *) [ -e $LOG.new ] || { echo "E: no package" >&2; exit 100; };; esac',
    )
    assert host.do("package.install", names=[NAME]) == ("", "")
    assert log(tmp_path) == [f"apt-get install {NAME}", "apt-get update", f"apt-get install {NAME}"]


def test_what_cannot_be_installed_is_told_in_apts_words(host: HostProcess, program: Program, tmp_path: Path) -> None:
    """A lock that somebody holds, a package that nobody has: the reply says what apt says, and nothing forbids starts."""
    program("apt-get", "echo 'E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (apt)' >&2; exit 100")
    code, error = host.do("package.install", names=[NAME])
    assert (code, "Could not get lock" in error) == ("failed", True)
    assert not (tmp_path / "sbin/policy-rc.d").exists()


def test_nothing_is_removed_for_a_package(host: HostProcess, program: Program) -> None:
    """What apt would have to remove stays, and the package is not installed: the plan showed no removal."""
    program("apt-get", 'case "$*" in *--no-remove*) echo "E: remove is disabled" >&2; exit 100;; esac')
    assert host.do("package.install", names=[NAME])[0] == "failed"


@pytest.mark.parametrize(("removed", "code"), [("nova-compute-kvm", ""), ("mariadb-server", "failed")])
def test_only_what_a_package_replaces_is_removed_for_it(
    host: HostProcess, program: Program, tmp_path: Path, removed: str, code: str
) -> None:
    """Of two packages that exclude each other one may go for the other, but nothing else with it."""
    program("apt-get", f'case "$*" in *--simulate*) echo "Remv {removed} [1.0]";; *update*) ;; *) touch $LOG.done;; esac')
    found, error = host.do("package.install", names=[NAME], replaces=["nova-compute-kvm"])
    assert (found, (tmp_path / "log.done").exists()) == (code, not code)
    assert not code or f"apt would remove {removed}" in error
