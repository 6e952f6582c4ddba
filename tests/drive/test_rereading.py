"""The settings of a daemon that runs are read anew when somebody asks for that, whatever became of the time before."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from reconciler import operate
from reconciler.cli.chronicle import Chronicle
from reconciler.operate import Given, Operation
from reconciler.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest


async def until(holds: Callable[[], object]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - what a daemon has read is told in its log alone
            await asyncio.sleep(0.01)


async def test_settings_that_hang_are_told_and_read_anew_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pipe that nobody writes to stands for a file on a mount that hangs: the former stay, and who asks later is heard."""
    monkeypatch.setenv("BIVISOR_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(operate, "READ_S", 0.2)
    path = tmp_path / "run.yaml"
    os.mkfifo(path)
    (tmp_path / "desired").mkdir()
    with Chronicle(tmp_path / "desired", acts=True) as chronicle:
        operation = Operation(tmp_path / "desired", chronicle, chronicle.recorder, Given(path), acts=True)
        async with operation.around(Settings(stop_within_s=7)):
            operation.reload()
            await until(lambda: not operation._state.settings_valid)
            assert operation.settings.stop_within_s == 7
            said = capsys.readouterr().err
            assert f"the former ones stay in force: {path}: is not read" in said
            assert "does the file system of it and of its secrets answer" in said
            path.unlink()
            path.write_text("stopWithinSeconds: 8\n")
            operation.reload()
            await until(lambda: operation._state.settings_valid)
            assert operation.settings.stop_within_s == 8
