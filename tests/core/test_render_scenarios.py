"""The golden scenarios: what the plan's page says about a declared and an observed cloud.

`REWRITE_SCENARIOS=1 pytest tests/core/test_render_scenarios.py` writes today's pages into the files; read the diff.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.core.scenario import play

SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios").glob("*.txt"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    """A scenario's pages are, to the letter, those that stand in its file."""
    text = path.read_text(encoding="utf-8")
    played = play(text)
    if os.environ.get("REWRITE_SCENARIOS"):
        path.write_text(played, encoding="utf-8")
    else:
        assert played == text
