"""Options of the whole test run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# a loaded machine is slow; how long an example takes is a benchmark's matter, never a test's
hypothesis.settings.register_profile("bivisor", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("bivisor")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare `--require-lab`."""
    parser.addoption("--require-lab", action="store_true", help="fail instead of skipping where the lab cannot run")


def pytest_configure() -> None:
    """Say that there is no event loop outside of tests.

    Else pytest-asyncio (1.5), looking for one to restore, makes the interpreter create one that nobody closes.
    """
    asyncio.set_event_loop(None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long runs out unless they are asked for by `-m soak`."""
    if "soak" in config.option.markexpr:
        return
    kept = [item for item in items if "soak" not in item.keywords]
    config.hook.pytest_deselected(items=[item for item in items if "soak" in item.keywords])
    items[:] = kept


@pytest.fixture(scope="session", autouse=True)
def _state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let what the tests apply be recorded beside them, never in the home of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIVISOR_STATE", str(tmp_path_factory.mktemp("state")))
        yield
