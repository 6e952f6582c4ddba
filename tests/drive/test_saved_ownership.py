"""A saved plan that takes away what is declared no more."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from reconciler import plan_file
from reconciler.cli import saved, session
from reconciler.core.errors import StalePlanError
from reconciler.core.shown import Paper
from tests.drive.test_ownership import Host, _unheard, host

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["host"]
DAY = timedelta(days=1)


async def saved_removal(host: Host, path: Path) -> None:
    """Make a file, declare it no more, save the plan."""
    assert (await host.converge(host.file("file"))).converged
    engine = host.reconciler()
    look = await engine.look()
    await plan_file.write_plan(path, path.parent, engine.desired, look)


async def test_it_goes_by_the_saved_plan(host: Host, tmp_path: Path) -> None:
    """Another run of the program asks the hosts what is ours, and takes away what the plan showed."""
    await saved_removal(host, tmp_path / "plan.json")
    engine = host.reconciler()
    cloud = session.Session(engine.desired, engine)
    file = plan_file.read_plan(tmp_path / "plan.json")
    within, look = await saved.look_again(tmp_path / "plan.json", file, cloud, DAY, session.Press(Paper()))
    assert look is not None
    assert [done async for done in within.reconciler.passes(look, _unheard)][-1].converged
    assert host.text("file") is None


async def test_what_is_declared_again_meanwhile_stays(host: Host, tmp_path: Path) -> None:
    """The documents are others then: nothing is done."""
    await saved_removal(host, tmp_path / "plan.json")
    engine = host.reconciler(host.file("file"))
    file = plan_file.read_plan(tmp_path / "plan.json")
    with pytest.raises(StalePlanError):
        await saved.look_again(
            tmp_path / "plan.json", file, session.Session(engine.desired, engine), DAY, session.Press(Paper())
        )
    assert host.text("file") == "text\n"


async def test_what_is_gone_already_is_forgotten_by_the_saved_plan(host: Host, tmp_path: Path) -> None:
    """A person removed the file: the plan that was saved is to forget it, and what is made there later is theirs."""
    assert (await host.converge(host.file("file"))).converged
    (host.folder / "file").unlink()
    planner = host.reconciler()
    look = await planner.look()
    await plan_file.write_plan(tmp_path / "plan.json", tmp_path, planner.desired, look)
    engine = host.reconciler()
    file = plan_file.read_plan(tmp_path / "plan.json")
    cloud = session.Session(engine.desired, engine)
    within, again = await saved.look_again(tmp_path / "plan.json", file, cloud, DAY, session.Press(Paper()))
    assert again is not None
    assert [done async for done in within.reconciler.passes(again, _unheard)][-1].converged
    (host.folder / "file").write_text("text\n")
    assert await host.steps() == []
