"""A repository to which people push, and whoever follows a branch of it; also as a program, to be killed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.status import Condition, Truth
from reconciler.git_clone import Patience
from reconciler.git_remote import Remote
from reconciler.git_source import Follower, Following, GitSource, keeping
from tests.cli.repository import ENVIRONMENT, write_files
from tests.drive.told import QUICK, Told, nodes_of, ran, write_cloud

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from reconciler.folder import Folder

OFTEN_S = 0.2
SHORT_PATIENCE = Patience(fetch=20.0, silence=1.0, local=20.0)


class Branch:
    """The branch main of a repository with the documents of a cloud below `desired`; their secrets are apart from it."""

    def __init__(self, root: Path) -> None:
        """Make it, with one commit."""
        self.root = root / "repository"
        self.secrets = root / "secrets"
        write_cloud(self.root)
        (self.root / "secrets").rename(self.secrets)
        self.git("init", "-q", "-b", "main")
        self.first = self.commit({"README.md": "a cloud\n"})

    @property
    def following(self) -> Following:
        """How it is followed unless a test says otherwise."""
        return Following(Remote.of(str(self.root)), "main", "desired", every_s=OFTEN_S, secrets=self.secrets)

    @property
    def head(self) -> str:
        """The commit that the branch is now."""
        return self.git("rev-parse", "main")

    def commit(self, files: Mapping[str, str | None], *options: str) -> str:
        """Write the files, commit all of it; return the commit."""
        write_files(self.root, files)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "more", *options)
        return self.head

    def git(self, *arguments: str) -> str:
        """Run git there; return what it prints."""
        done = subprocess.run(["git", *arguments], cwd=self.root, env=ENVIRONMENT, check=True, capture_output=True, text=True)
        return done.stdout.strip()


def named(state: Folder, kind: str) -> Condition:
    """Return the condition of that type."""
    return next(condition for condition in state.conditions if condition.type == kind)


async def refused(told: Told, reason: str, kind: str = "Current") -> str:
    """Wait until that condition is false for that reason; return its message."""

    def holds(state: Folder) -> bool:
        return any((one.type, one.status, one.reason) == (kind, Truth.FALSE, reason) for one in state.conditions)

    return named(await told.until(holds), kind).message


@asynccontextmanager
async def followed(following: Following) -> AsyncIterator[tuple[GitSource, Told]]:
    """Follow it meanwhile."""
    with keeping(following):
        await Follower(following).clone.open()
        told = Told()
        source = GitSource(following, told.tell, QUICK, SHORT_PATIENCE)
        async with ran(source):
            yield source, told


async def _program(root: Path) -> None:
    """Follow the branch below that folder; print each set of nodes that is in force."""
    secrets = root / "secrets"
    following = Following(Remote.of(str(root / "repository")), "main", "desired", every_s=0.01, secrets=secrets)

    def tell(state: Folder) -> None:
        print(state.revision, *sorted(nodes_of(state)), flush=True)  # noqa: T201 - it is a program

    with keeping(following):
        await Follower(following).clone.open()
        await GitSource(following, tell, replace(QUICK, glance=0.01)).run()


if __name__ == "__main__":
    os.environ.setdefault("BIVISOR_STATE", sys.argv[2])
    asyncio.run(_program(Path(sys.argv[1])))
