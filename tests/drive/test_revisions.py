"""What reading the folder from git promises: the same texts as in the folder, and clear words where that cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.compared import compare_declarations
from reconciler.core.errors import InputError
from reconciler.core.plan import Verb
from reconciler.desired import read_folder
from reconciler.revisions import RevisionError, find_revision
from tests.cli.repository import GOOD, LIBVIRT, Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository with one commit."""
    return Repository(tmp_path)


def test_a_revision_is_read_as_the_folder_is(repository: Repository) -> None:
    """The same files by the same names: in folders below, not hidden, whatever characters they have; and nothing is written."""
    files = {'b c/é"d.yml': "{}", ".hidden.yaml": "x", ".git-ignored/e.yaml": "x", "notes.txt": "x", "empty.yaml": ""}
    repository.commit("more", {f"cloud/desired/{name}": text for name, text in files.items()})
    before = {path: path.stat().st_mtime_ns for path in repository.root.rglob("*")}
    texts = find_revision(repository.folder, "main").texts()
    assert texts == read_folder(repository.folder)
    assert sorted(Path(path).name for path in texts) == ["all.yaml", "empty.yaml", 'é"d.yml']
    assert {path: path.stat().st_mtime_ns for path in repository.root.rglob("*")} == before


def test_the_folder_may_be_the_repository_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is found from wherever the program was started, as a relative name too."""
    repository = Repository(tmp_path)
    texts = find_revision(tmp_path, "HEAD").texts()
    assert list(texts) == [str(tmp_path / "cloud/desired/all.yaml")]
    monkeypatch.chdir(repository.folder)
    assert find_revision(Path(), "HEAD").texts() == {"all.yaml": GOOD}


def test_the_folder_need_not_be_there_any_more(repository: Repository) -> None:
    """Two revisions are compared whatever stands in the folder now."""
    repository.commit("moved", {"cloud/desired/all.yaml": None, "cloud/keep": ""})
    texts = find_revision(repository.folder, "HEAD~1").texts()
    assert list(texts.values()) == [GOOD]
    with pytest.raises(RevisionError, match=r"main has no \.yaml file below .*/cloud/desired: there is nothing"):
        compare_declarations(repository.folder, "HEAD~1", "main")


def test_a_hooks_environment_misleads_nobody(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git tells its hooks where it works; that is not where the folder is, or is told relative to another place."""
    monkeypatch.setenv("GIT_DIR", ".git")
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/index")
    assert find_revision(repository.folder, "main").texts()


@pytest.mark.parametrize("name", ["nope", "--help", "-x", "main:cloud", "HEAD~7", "", "main...main"])
def test_an_unknown_revision_is_told(repository: Repository, name: str) -> None:
    """What is no commit is said to be none, with what helps; it is never taken for an option of git."""
    with pytest.raises(RevisionError, match=r"git knows no commit .* git fetch --unshallow"):
        find_revision(repository.folder, name)


def test_without_a_repository_that_is_said(tmp_path: Path) -> None:
    """A folder that no repository holds cannot be compared."""
    with pytest.raises(RevisionError, match=r"git finds no repository around this folder: not a git repository"):
        find_revision(tmp_path, "main")


def test_without_git_that_is_said(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program that is missing is named, and how to get it."""
    monkeypatch.setenv("PATH", str(repository.root))
    with pytest.raises(RevisionError, match=r"the program git is needed and was not found: apt-get install git"):
        find_revision(repository.folder, "main")


def test_what_is_wrong_in_a_revision_has_its_place_there(repository: Repository) -> None:
    """All problems at once, each at its line in that revision, in the words that `git show` takes."""
    broken = GOOD.replace(LIBVIRT, f"{LIBVIRT}, libvirt: {{virtType: qemo}}")
    assert broken != GOOD
    repository.commit("broken", {"cloud/desired/all.yaml": broken, "cloud/desired/more.yaml": "kind: ["})
    repository.commit("mended", {"cloud/desired/all.yaml": GOOD, "cloud/desired/more.yaml": None})
    with pytest.raises(InputError) as caught:
        compare_declarations(repository.folder, "HEAD~1")
    places = [line.split(": ")[0] for line in str(caught.value).splitlines()]
    assert places[0].startswith("HEAD~1:cloud/desired/all.yaml:")
    assert places[-1].startswith("HEAD~1:cloud/desired/more.yaml:1:")


def test_links_and_bytes_are_told(repository: Repository) -> None:
    """A link that leads out of a revision is not followed, and what is no text is none there either."""
    (repository.folder / "link.yaml").symlink_to("/etc/all.yaml")
    (repository.folder / "bytes.yaml").write_bytes(b"\xff")
    repository.commit("odd", {})
    with pytest.raises(InputError) as caught:
        find_revision(repository.folder, "main").texts()
    assert str(caught.value).splitlines() == [
        "main:cloud/desired/bytes.yaml: cannot be read: the file is not UTF-8 text",
        "main:cloud/desired/link.yaml: is a symbolic link that leads to no file of the revision",
    ]


def test_a_certificate_counts_where_git_has_it(repository: Repository) -> None:
    """A file that documents name is compared by its text, if both sides have it; otherwise its name stands for both."""
    named = GOOD.replace("tls: {insecure: true}", "tls: {caFile: ca.pem}")
    assert named != GOOD
    repository.commit("named", {"cloud/desired/all.yaml": named})
    (repository.folder / "ca.pem").write_text("NOT IN GIT")
    assert not changed(repository, "main")
    repository.commit("in git", {"cloud/desired/ca.pem": "ONE\n"})
    (repository.folder / "ca.pem").write_text("TWO\n")
    assert changed(repository, "main")
    assert not changed(repository, "HEAD~1")


@pytest.mark.parametrize("link", [None, "../certificates/ca.pem", "/etc/hostname", "nowhere"])
def test_a_clean_folder_differs_in_nothing(repository: Repository, link: str | None) -> None:
    """Whatever line ends a file has and wherever a link leads, what is committed is what is there: both are read alike."""
    (repository.folder / "all.yaml").write_bytes(GOOD.replace("tls: {insecure: true}", "tls: {caFile: ca.pem}").encode())
    (repository.root / "cloud/certificates").mkdir()
    (repository.root / "cloud/certificates/ca.pem").write_bytes(b"ONE\r\nTWO\r\n")
    if link:
        (repository.folder / "ca.pem").symlink_to(link)
    else:
        (repository.folder / "ca.pem").write_bytes(b"ONE\r\nTWO\r\n")
    repository.commit("odd", {})
    assert not changed(repository, "HEAD")


def test_a_link_inside_the_revision_is_followed(repository: Repository) -> None:
    """A document that is linked to from elsewhere in the repository is read, as it is in the folder."""
    (repository.folder / "all.yaml").rename(repository.root / "cloud/shared.yaml")
    (repository.folder / "all.yaml").symlink_to("../shared.yaml")
    repository.commit("linked", {"cloud/desired/crlf.yaml": "# a\r\n"})
    assert find_revision(repository.folder, "HEAD").texts() == read_folder(repository.folder)


def changed(repository: Repository, before: str) -> list[str]:
    """Return the addresses of what the folder declares otherwise."""
    report, _ = compare_declarations(repository.folder, before)
    return [str(step.address) for step in report.plan.steps if step.verb is not Verb.NOTHING]


def test_no_secret_and_no_host_is_needed(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing opens no socket and reads no Secret's file: that they do not exist matters to nobody."""
    monkeypatch.setattr("socket.socket.connect", None)
    assert not (repository.root / "cloud/account.yaml").exists()
    (repository.folder / "all.yaml").write_text(GOOD.replace(LIBVIRT, f"{LIBVIRT}, libvirt: {{virtType: qemu}}"))
    assert changed(repository, "main")
    assert os.environ.get("GIT_DIR") is None
