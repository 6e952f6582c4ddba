"""What the numbers say of the documents."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from reconciler.core.errors import BivisorError
from reconciler.core.pauses import Pause
from reconciler.core.status import Condition, Truth
from reconciler.folder import Folder
from reconciler.keep import Keeper
from reconciler.metrics import Metrics, State
from reconciler.news import News, Newsroom
from reconciler.pauses_file import PausesFile
from reconciler.permits import Permits
from reconciler.recorder import Origin
from tests.drive.test_keep import Kept
from tests.drive.world import World, desired_of, thing

if TYPE_CHECKING:
    from pathlib import Path

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


async def test_what_is_paused_is_counted_and_told(tmp_path: Path) -> None:
    """With the time of the oldest that has no end; each pause is one piece of news, and so is its end."""
    file, told = PausesFile(tmp_path / "pauses.json"), list[News]()
    kept = Kept(World())
    kept.keeper = Keeper(kept.world.reconciler(permits=Permits(file, lambda: 1_800_000_000.0)), kept)
    room = Newsroom(told.append, lambda: Origin("run"))
    metrics = Metrics(room, State())
    for each in (room, metrics):
        each.keeping(kept.keeper, SimpleNamespace(deaf={}, watched=()))  # type: ignore[arg-type] # enough of watches

    def numbers() -> list[float | None]:
        kept.keeper.reconciler.heed()
        room.decided(kept.keeper.reconciler.decide())
        names = "bivisor_pauses", "bivisor_pause_oldest_timestamp_seconds"
        return [metrics.registry.get_sample_value(name) for name in names]

    assert numbers() == [0, 0]
    ends = Pause("ssh:a", "bert", "1970-01-01T00:00:05Z", "2099-01-01T00:00:00Z")
    file.change(lambda _: (ends, Pause("", "anna", "1970-01-01T00:01:00Z", reason="quiet")))
    assert numbers() == [2, 60]
    file.change(lambda _: (ends,))
    assert numbers() == [1, 0]
    assert [(str(news.event), [(each["name"], each["reason"]) for each in news.data["subjects"]]) for news in told] == [
        ("pause.began", [("everything", "paused by anna: quiet"), ("ssh:a", "paused by bert until 2099-01-01T00:00:00Z")]),
        ("pause.ended", [("everything", "paused by anna: quiet")]),
    ]
