"""What the tests of this folder share."""

from __future__ import annotations

import pytest

from tests.adoption.world import World
from tests.kinds.cloud import SECRETS, demo_texts


@pytest.fixture
def demo() -> World:
    """The demo's cloud."""
    return World.of(demo_texts(), SECRETS)
