"""Where a branch that is followed is kept: one private folder below the state folder, made by nobody but us.

    cloud-main-1a2b3c4d5e/
        clone.git/           what was fetched
        trees/COMMIT/        a checkout of one commit, whole from the moment on in which it has this name
        tree -> trees/COMMIT what is in force: the link is put in its place by one rename
    cloud-main-1a2b3c4d5e.sqlite    the history

Whoever looks at `tree/desired` sees what is in force, whatever is fetched meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CLONE, TREES, TREE = "clone.git", "trees", "tree"


def place_around(folder: Path) -> Path | None:
    """Return the place in whose checkout that folder lies, whichever commit is checked out there now; None for others."""
    for path in (folder.absolute(), folder.resolve()):
        for part in (path, *path.parents):
            above = part.parent.parent if part.parent.name == TREES else part.parent if part.name == TREE else None
            if above is not None and (above / CLONE).is_dir():
                return above
    return None
