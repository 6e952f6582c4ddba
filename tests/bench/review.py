"""What a reviewer's job measures: a git repository with the demo's cloud, grown to a hundred nodes, and one edit in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
NODES = 100
AUTHOR = {"GIT_AUTHOR_NAME": "bench", "GIT_AUTHOR_EMAIL": "bench@example.org"}
COMMITTER = {"GIT_COMMITTER_NAME": "bench", "GIT_COMMITTER_EMAIL": "bench@example.org"}


def write_repository(root: Path) -> Path:
    """Commit the demo's documents with more compute hosts, and then edit one option of the Cluster; return the folder."""
    folder = root / "desired"
    shutil.copytree(REPOSITORY / "desired", folder)
    known = sum(path.read_text().count("kind: Node\n") for path in folder.glob("*.yaml"))
    (folder / "more.yaml").write_text("---\n".join(_node(number) for number in range(NODES - known)))
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "a hundred nodes")):
        subprocess.run(["git", *arguments], cwd=root, env={**os.environ, **AUTHOR, **COMMITTER}, check=True)
    cluster = folder / "cluster.yaml"
    text = cluster.read_text()
    edited = text.replace("report_interval: 5", "report_interval: 7")
    if edited == text:
        raise RuntimeError("the demo's Cluster has no option report_interval to edit")
    cluster.write_text(edited)
    return folder


def _node(number: int) -> str:
    address = f"10.99.{number >> 8}.{number & 255}"
    return f"""\
apiVersion: bivisor/v1alpha1
kind: Node
metadata: {{name: more{number}}}
spec: {{address: {address}, roles: [compute]}}
"""
