"""The one lab that a test run shares."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab import lifecycle
from tests.lab.errors import UnfitMachineError
from tests.lab.lab import Lab
from tests.lab.progress import Progress
from tests.lab.requirements import check_machine

if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE = Path(__file__).parent

_FIRST_UP_TIMEOUT_S = 1200
"""A lab from nothing takes longer than any test may: whoever needs it first may wait that long."""

_SDK_TO_ITSELF = "ignore::openstack.warnings._RemovedInSDKWarning"
"""openstacksdk 4.22 warns of parameters that only its own code passes."""


_ON_THE_DEMOS_CLOUD = (
    *("converge", "host_helper", "identity", "lessons", "options", "release", "refusals", "images", "saved_plan"),
    *("history", "why", "signals", "run", "pause", "leader", "unit", "stream"),
    *("ownership", "ceph_volumes", "network", "volumes", "leaving"),
    *("lab", "adopt"),
)
"""These modules follow each other without a reset: the first makes the demo's cloud, each finds what it needs of it as
declared or has it made so, and from "leaving" much is gone. The lab's own tests bring it back to the beginning, where
adopting begins."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let modules that share a cloud follow each other; give tests with the lab the time that building it takes.

    And silence a library's talk to itself.
    """
    places = [place for place, item in enumerate(items) if item.path.parent == _HERE]
    ordered = sorted((items[place] for place in places), key=_turn)
    for place, item in zip(places, ordered, strict=True):
        items[place] = item
    for item in items:
        if "lab" not in getattr(item, "fixturenames", ()):
            continue
        item.add_marker(pytest.mark.filterwarnings(_SDK_TO_ITSELF))
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(_FIRST_UP_TIMEOUT_S))


def _turn(item: pytest.Item) -> int:
    name = item.path.stem.removeprefix("test_")
    return _ON_THE_DEMOS_CLOUD.index(name) if name in _ON_THE_DEMOS_CLOUD else len(_ON_THE_DEMOS_CLOUD)


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Bring the lab up if it is not, and take it down at the end if it was not.

    Where the machine cannot run it the test is skipped with the reason, or fails with it under
    `--require-lab`.
    """
    try:
        check_machine()
    except UnfitMachineError as reason:
        if request.config.getoption("--require-lab"):
            pytest.fail(str(reason), pytrace=False)
        pytest.skip(str(reason))
    was_up = lifecycle.is_running()
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        running = Lab.up(Progress())
    yield running
    if not was_up:
        running.down()
