"""What the numbers say of the documents."""

from __future__ import annotations

import pytest

from reconciler.core.errors import BivisorError
from reconciler.core.status import Condition, Truth
from reconciler.folder import Folder
from reconciler.metrics import Metrics, State
from reconciler.news import Newsroom
from reconciler.recorder import Origin
from tests.drive.world import desired_of, thing

DESIRED = desired_of((thing("a", "x", size=1),))


@pytest.mark.parametrize(
    ("folder", "valid"),
    [
        (Folder(), 0),
        (Folder(desired=DESIRED), 1),
        (Folder(desired=DESIRED, refused=BivisorError("no")), 0),
        (Folder(desired=DESIRED, waiting="a rebase has stopped for a person"), 0),
        (Folder(desired=DESIRED, source=(Condition("Current", Truth.FALSE, "Unsigned", "c0ffee is not taken"),)), 0),
    ],
)
def test_documents_that_are_not_in_force_are_told(folder: Folder, valid: int) -> None:
    """Whatever keeps those that stand there now from being in force, the number says what the condition says."""
    metrics = Metrics(Newsroom(lambda _: None, lambda: Origin("run")), State())
    metrics.folder(folder)
    assert metrics.registry.get_sample_value("bivisor_desired_valid") == valid


def test_the_epoch_is_that_of_the_moment() -> None:
    """It is asked for with each scrape: who leads now may not lead with the next."""
    epochs = iter((0, 1795000000))
    metrics = Metrics(Newsroom(lambda _: None, lambda: Origin("run")), State(epoch=lambda: next(epochs)))
    assert [metrics.registry.get_sample_value("bivisor_lead_epoch") for _ in range(2)] == [0, 1795000000]
