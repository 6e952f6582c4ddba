"""Documents, the cloud that they declare, and the documents that adoption writes of it: they mean the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.adoption.compared import differences
from tests.adoption.world import World
from tests.kinds.cloud import SECRETS, demo_texts

if TYPE_CHECKING:
    from pathlib import Path


def test_the_demos_cloud_is_adopted_as_it_is(tmp_path: Path) -> None:
    """Of the converged demo nothing is lost: the documents that are written mean the same units."""
    world = World.of(demo_texts(), SECRETS)
    assert differences(world, tmp_path / "desired", {"10.77.0.1": "vc1"}) == []
