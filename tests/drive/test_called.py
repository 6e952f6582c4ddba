"""What is kept of a folder of documents goes with the path by which people name it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.history import History
from reconciler.pauses_file import PausesFile


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two releases of documents, and links to the first: `desired` to the documents, `current` to the folder around them."""
    monkeypatch.setenv("BIVISOR_STATE", str(tmp_path / "state"))
    for name in ("41", "42"):
        (tmp_path / "releases" / name / "desired").mkdir(parents=True)
    link(tmp_path, "41")
    return tmp_path


def link(root: Path, name: str) -> None:
    """Have the links lead to that release, as a deployment does."""
    for made, target in (("current", f"releases/{name}"), ("desired", f"releases/{name}/desired")):
        (root / "new").symlink_to(target)
        (root / "new").rename(root / made)


@pytest.mark.parametrize("name", ["desired", "current/desired"])
def test_a_link_that_leads_to_another_release_takes_nothing_away(releases: Path, name: str) -> None:
    """History, status, events and pauses are found as before, by whoever asks, and by a daemon that starts anew."""
    before = History.place(releases / name), PausesFile.of(releases / name).path
    link(releases, "42")
    assert (History.place(releases / name), PausesFile.of(releases / name).path) == before


def test_where_somebody_went_by_a_link_is_named_by_that_link(releases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`cd current` and a relative path is what the daemon was told in full; what another shell remembers counts for nothing."""
    wanted = History.place(releases / "current/desired")
    monkeypatch.chdir(releases / "current")
    monkeypatch.setenv("PWD", str(releases / "current"))
    assert History.place(Path("desired")) == wanted
    monkeypatch.setenv("PWD", str(releases))
    assert History.place(Path("desired")) == History.place(releases / "releases/41/desired") != wanted
    monkeypatch.delenv("PWD")
    assert History.place(Path("desired")) == History.place(releases / "releases/41/desired")


def test_what_lies_beside_the_place_of_a_link_is_named_by_its_own(releases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel takes `..` behind a link for the folder around the link's target: so does the name."""
    monkeypatch.chdir(releases / "current")
    monkeypatch.setenv("PWD", str(releases / "current"))
    assert History.place(Path("../42/desired")) == History.place(releases / "releases/42/desired")
    assert History.place(Path(os.curdir) / "desired/../desired") == History.place(releases / "current/desired")
