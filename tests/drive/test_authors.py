"""Who wrote each line of a document, as git knows it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from reconciler.commit import authors_of
from tests.cli.repository import GOOD, Repository

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository with one commit."""
    return Repository(tmp_path)


async def test_each_line_has_its_author(repository: Repository) -> None:
    """The commit in full, the author's name and date in UTC, and its first line; for a line of today that it is of nobody."""
    file = repository.folder / "all.yaml"
    repository.commit("second: a line", {"cloud/desired/all.yaml": f"{GOOD}# more\n"})
    file.write_text(f"{GOOD}# more\n# today\n")
    written = (await authors_of([str(file)]))[str(file)]
    last = GOOD.count("\n") + 1
    assert [written[number].summary for number in (1, last, last + 1)] == ["first", "second: a line", ""]
    assert (written[1].author, written[1].date, len(written[1].commit)) == ("A", "2026-01-01T00:00:00Z", 40)
    assert written[last + 1].commit == ""
    assert len(written) == last + 1


async def test_a_file_that_is_not_committed_is_of_nobody(repository: Repository) -> None:
    """Be it new, or added and not committed; each of its lines."""
    new, added = repository.folder / "new.yaml", repository.folder / "added.yaml"
    for file in (new, added):
        file.write_text("a\nb\n")
    repository.git("add", str(added))
    found = await authors_of([str(new), str(added)])
    assert {found[str(file)][line].commit for file in (new, added) for line in (1, 2)} == {""}


async def test_what_git_does_not_know_is_left_out(tmp_path: Path) -> None:
    """No repository, no such file: no word about authors, and no error."""
    file = tmp_path / "a.yaml"
    file.write_text("a\n")
    gone = tmp_path / "gone.yaml"
    assert await authors_of([str(file), str(gone)]) == {str(file): {}, str(gone): {}}


async def test_a_file_behind_a_link_is_that_of_its_repository(repository: Repository, tmp_path: Path) -> None:
    """The folder of the documents may be reached by a link from elsewhere, or be called by a relative name."""
    link = tmp_path / "link"
    link.symlink_to(repository.folder)
    found = await authors_of([str(link / "all.yaml"), _relative(link / "all.yaml")])
    assert [written[1].summary for written in found.values()] == ["first", "first"]


def _relative(path: Path) -> str:
    return os.path.relpath(path)
