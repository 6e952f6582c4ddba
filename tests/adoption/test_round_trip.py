"""Documents, the cloud that they declare, and the documents that adoption writes of it: they mean the same."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, assume, event, given, settings

from reconciler.core.errors import InputError
from tests.adoption.compared import differences
from tests.adoption.generated import Declared, clouds
from tests.adoption.world import World
from tests.kinds.cloud import SECRETS, demo_texts


def test_the_demos_cloud_is_adopted_as_it_is(tmp_path: Path) -> None:
    """Of the converged demo nothing is lost: the documents that are written mean the same units."""
    world = World.of(demo_texts(), SECRETS)
    assert differences(world, tmp_path / "desired", {"10.77.0.1": "vc1"}) == []


PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
"""Without the last one of the library's, which explains a failure for minutes."""


@settings(
    max_examples=60, deadline=None, phases=PHASES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
@given(clouds())
def test_any_cloud_that_documents_declare_is_adopted_as_it_is(declared: Declared) -> None:
    """Whatever kinds, drivers, releases, placements and settings: what is adopted means the units that were declared."""
    try:
        world = World.of(declared.texts, declared.secrets)
    except InputError as error:
        event(f"no cloud: {error}")
        assume(condition=False)
    with tempfile.TemporaryDirectory() as folder:
        assert differences(world, Path(folder, "desired"), declared.vcenters) == []
