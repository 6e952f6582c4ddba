"""Git, asked as a program, from wherever somebody called us."""

from __future__ import annotations

import os

_OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
"""What git tells its hooks: relative to another folder than the one that is asked about."""


def environment() -> dict[str, str]:
    """Return our own environment without what a hook was told, so that git looks where it is asked about."""
    return {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
