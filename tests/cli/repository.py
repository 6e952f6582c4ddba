"""A git repository with documents in it, for whoever compares revisions."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

GOOD = (Path(__file__).parents[1] / "rules/good.yaml").read_text()
LIBVIRT = "hypervisor: libvirt"
"""Where the type of its hypervisor may be written behind."""

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
}  # fmt: skip


def write_files(root: Path, files: Mapping[str, str | None]) -> None:
    """Write files below a folder, each by its name, byte for byte; where there is no text, remove the file."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.unlink()
        else:
            path.write_bytes(text.encode())


class Repository:
    """A repository whose documents stand below `cloud/desired`; commits are made by `commit`."""

    def __init__(self, root: Path) -> None:
        """Make it, with one commit of good documents on the branch main."""
        self.root = root
        self.folder = root / "cloud/desired"
        self.git("init", "-q", "-b", "main")
        self.commit("first", {"cloud/desired/all.yaml": GOOD, "README.md": "no document"})

    def commit(self, message: str, files: Mapping[str, str | None]) -> None:
        """Write the files and commit everything."""
        write_files(self.root, files)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def git(self, *arguments: str) -> None:
        """Run git there."""
        subprocess.run(["git", *arguments], cwd=self.root, env=ENVIRONMENT, check=True, capture_output=True)
