"""What the helper hears from systemd: the socket, the wire, and which words count."""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.targets.host import unit_signals
from reconciler.targets.host.unit_signals import Units, object_path
from tests.targets.host_process import HostProcess
from tests.targets.small_systemd import CHANGED, SmallSystemd, changed, job_removed, message, of_manager

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDED = Path(__file__).parent / "recorded" / "systemd"
"""What systemd 252 said when somebody looked at a resting probe.service, started it, and killed it."""

COMPUTE = "nova-compute.service"
COMPUTE_PATH = "nova_2dcompute_2eservice"


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[SmallSystemd]:
    """Return a systemd that has let nobody in yet."""
    with SmallSystemd(tmp_path / "systemd/private") as systemd:
        yield systemd


@pytest.fixture
def units(systemd: SmallSystemd, tmp_path: Path) -> Iterator[Units]:
    """Return somebody who hears of a nova-compute and a probe."""
    units = Units(str(tmp_path / "systemd/private"))
    units.want([COMPUTE, "probe.service"])
    heard = systemd.let_in()
    assert heard == b"\0AUTH EXTERNAL %b\r\nBEGIN\r\n" % str(os.geteuid()).encode().hex().encode()
    yield units
    units.close()


def own_systemd(folder: Path) -> tuple[str, ...]:
    """Return what runs a helper for which `systemd` in that folder is the host's /run/systemd."""
    return ("unshare", "-m", "sh", "-c", 'mount --bind "$0" /run/systemd && exec "$@"', str(folder / "systemd"))


def test_a_state_is_told_once(units: Units, systemd: SmallSystemd) -> None:
    """A unit that tells of another state is named; one that tells the same again, or of another part of itself, is not."""
    for said, heard in (
        (changed(COMPUTE_PATH, "active"), {COMPUTE}),
        (changed(COMPUTE_PATH, "active"), set()),
        (changed(COMPUTE_PATH, "ready for work", interface="org.freedesktop.systemd1.Service"), set()),
        (changed("cron_2eservice", "failed"), set()),
        (changed(COMPUTE_PATH, "failed", order=">"), {COMPUTE}),
    ):
        systemd.say(said)
        assert units.read() == heard


def test_what_concerns_all_units(units: Units, systemd: SmallSystemd) -> None:
    """When unit files are read again, enabled or masked, any of the units may be another; the end of a job names its own."""
    every = {COMPUTE, "probe.service"}
    for said, heard in (
        (of_manager("Reloading", struct.pack("<I", 1), "b"), every),
        (of_manager("UnitFilesChanged"), every),
        (of_manager("StartupFinished"), set()),
        (job_removed(COMPUTE), {COMPUTE}),
        (job_removed("cron.service"), set()),
        (message("/elsewhere", "org.example.Manager.Reloading", b""), set()),
    ):
        systemd.say(said)
        assert units.read() == heard


def test_what_a_real_systemd_says(units: Units, systemd: SmallSystemd) -> None:
    """Looking at a unit is no news of it, for that systemd would tell at every look; a start and a kill are."""
    for name, heard in (("show", set()), ("start", {"probe.service"}), ("kill", {"probe.service"})):
        systemd.say((RECORDED / f"{name}.bin").read_bytes())
        assert units.read() == heard, name


def test_words_in_pieces(units: Units, systemd: SmallSystemd) -> None:
    """A message that arrives byte by byte is heard when it is whole, and the next one after it."""
    whole = changed(COMPUTE_PATH, "active") + job_removed("probe.service")
    for byte in whole[:-1]:
        systemd.say(bytes((byte,)))
        assert units.read() in (set(), {COMPUTE})
    systemd.say(whole[-1:])
    assert units.read() == {"probe.service"}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"l\x04\x01\x01" + struct.pack("<III", 2**31, 1, 8), "it is too large"),
        (b"REJECTED EXTERNAL\r\n", "REJECTED"),
        (message(unit_signals.UNITS + COMPUTE_PATH, CHANGED, b""), "no D-Bus message"),
    ],
)
def test_nonsense_ends_the_conversation(units: Units, systemd: SmallSystemd, said: bytes, why: str) -> None:
    """What cannot be understood makes everything unknown, is said, and is not listened to any longer."""
    assert units.read() == set()
    systemd.say(said)
    assert units.read() is None
    assert why in units.deaf
    assert (units.fd, units.read()) == (-1, set())


def test_nobody_there(tmp_path: Path) -> None:
    """Without systemd, what cannot be heard and why is said; nothing else stops."""
    units = Units(str(tmp_path / "private"))
    assert units.deaf.startswith("changes of services are not heard on this host: systemd (")
    assert "No such file or directory" in units.deaf
    units.mend()
    assert (units.fd, units.read()) == (-1, set())


@pytest.mark.parametrize("unit", ["nova-compute.service", "2.service", "a@b\\x2d.service", "ä.mount"])
def test_paths_are_those_of_systemd(unit: str) -> None:
    """A unit is known by the path that systemd gives it: all but letters and later digits as two hexadecimal digits."""
    label = object_path(unit).removeprefix(unit_signals.UNITS)
    assert label[0].isalpha() or label[0] == "_"
    assert label.isascii()
    parts = label.split("_")
    assert parts[0].encode() + b"".join(bytes.fromhex(part[:2]) + part[2:].encode() for part in parts[1:]) == unit.encode()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the helper gets a /run/systemd of its own")
def test_systemd_goes_and_comes_back(tmp_path: Path) -> None:
    """A unit's news arrive; when systemd executes itself anew, everything may have changed, and then its news arrive again."""
    socket = tmp_path / "systemd/private"
    with SmallSystemd(socket) as systemd, HostProcess(tmp_path / "state", within=own_systemd(tmp_path)) as host:
        assert host.watch(units=[COMPUTE], beat=0.5) == []
        systemd.let_in()
        systemd.say(changed(COMPUTE_PATH, "failed"))
        assert host.signal() == {"paths": [], "units": [COMPUTE], "cib": False, "all": False, "deaf": []}
        systemd.__exit__()
        told = host.signal()
        assert (told["all"], [why.rpartition(": ")[2] for why in told["deaf"]]) == (True, ["it closed the connection"])
        with SmallSystemd(socket) as again:
            again.let_in()
            while told["deaf"]:
                told = host.signal()
            assert told["all"] is True
            again.say(job_removed(COMPUTE))
            assert host.signal()["units"] == [COMPUTE]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the helper gets a /run/systemd of its own")
def test_systemd_need_not_wait_for_a_long_action(tmp_path: Path) -> None:
    """However much systemd says while an action is under way, it is taken from it, and told when that is answered."""
    with SmallSystemd(tmp_path / "systemd/private") as systemd, HostProcess(
        tmp_path / "state", within=own_systemd(tmp_path)
    ) as host:  # fmt: skip
        host.watch(units=[COMPUTE], beat=60)
        systemd.let_in()
        (tmp_path / "state").mkdir()
        with (tmp_path / "state/lock").open("w") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            host.send(do=["directory.make", {"path": str(tmp_path / "made")}])
            systemd.say(*(changed("cron_2eservice", str(number)) for number in range(5_000)), job_removed(COMPUTE))
            assert not host.has_answered(0)
        assert host.receive()["reply"] == [{}, "", ""]
        assert host.signal()["units"] == [COMPUTE]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the helper gets another Python's folder")
def test_a_python_without_ctypes(tmp_path: Path) -> None:
    """Where Python lacks a module that inotify needs, that is said, and nothing else stops."""
    (tmp_path / "ctypes").mkdir()
    (tmp_path / "ctypes/__init__.py").write_text("import _no_such_module\n")
    folder = Path(ctypes.__file__).parent
    within = ("unshare", "-m", "sh", "-c", f'mount --bind "$0" {folder} && exec "$@"', str(tmp_path / "ctypes"))
    with HostProcess(tmp_path / "state", within=within) as host:
        why, *_ = host.watch("/etc/hosts")
        assert "its python3 lacks a module" in why
