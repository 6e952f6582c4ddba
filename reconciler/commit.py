"""Of which git commit a folder of documents is. Only told: what binds a plan to its documents are their own digests."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from reconciler import git
from reconciler.core.saved import Commit

if TYPE_CHECKING:
    from pathlib import Path

GIT_S = 10.0
"""How long git may take; a saved plan without its commit is better than none."""


async def commit_of(folder: Path) -> Commit | None:
    """Return the commit, and the files below the folder that differ from it; None without git, or outside of a repository."""
    head = await _git(folder, "rev-parse", "HEAD")
    changed = await _git(folder, "status", "--porcelain", "-z", "--untracked-files=all", "--no-renames", "--", ".")
    if head is None or changed is None:
        return None
    return Commit(id=head.strip(), changed=tuple(line[3:] for line in changed.split("\0") if line))


async def branch_of(folder: Path) -> str:
    """Return the branch that is checked out there, '' where there is none."""
    return (await _git(folder, "symbolic-ref", "--short", "--quiet", "HEAD") or "").strip()


async def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints, None when it does not do as told."""
    quiet, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
    command = ("git", "--no-optional-locks", "-C", str(folder), *arguments)
    try:
        process = await asyncio.create_subprocess_exec(*command, env=git.environment(), stdin=quiet, stdout=pipe, stderr=quiet)
    except OSError:
        return None
    try:
        async with asyncio.timeout(GIT_S):
            out, _ = await process.communicate()
    except TimeoutError:
        return None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return None if process.returncode else out.decode(errors="surrogateescape")
