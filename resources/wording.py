"""Sentences that several units say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_NAMED = 3
"""As many things are named in one sentence; the rest is counted."""


def counted(names: Sequence[str], noun: str) -> str:
    """Say how many live somewhere, and the first ones' names: `5 instances live (a, b, c and 2 more)`."""
    shown = ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
    return f"1 {noun} lives ({shown})" if len(names) == 1 else f"{len(names)} {noun}s live ({shown})"
