"""Signed commits, by real keys: only those count that somebody named."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from reconciler.core.status import Truth
from reconciler.git_clone import SHORT
from reconciler.git_signers import Signers
from tests.drive.branch import Branch, followed, named, refused
from tests.drive.told import NODES, node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.git_source import Following


@pytest.fixture
def branch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Branch:
    """Return a repository that can be followed, and a state folder of its own."""
    monkeypatch.setenv("BIVISOR_STATE", str(tmp_path / "state"))
    return Branch(tmp_path)


@dataclass(frozen=True)
class Key:
    """A key of ssh-keygen. `line` is that of an allowed-signers file."""

    file: Path
    line: str

    @property
    def options(self) -> tuple[str, ...]:
        """How git signs by it."""
        return ("-c", "gpg.format=ssh", "-c", f"user.signingkey={self.file}")


def ssh_key(folder: Path, name: str) -> Key:
    """Make one."""
    file = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file], check=True)
    return Key(file, f"{name}@example.org {file.with_suffix('.pub').read_text()}")


def signed(branch: Branch, files: dict[str, str | None], *options: str) -> str:
    """Commit the files, signed as the options say."""
    branch.commit(files)
    branch.git(*options, "commit", "-q", "--amend", "--no-edit", "-S")
    return branch.head


def by(branch: Branch, file: Path) -> Following:
    """How the branch is followed when only these signers count."""
    return replace(branch.following, signers=Signers(file))


async def test_only_the_signature_of_an_allowed_signer_counts(branch: Branch, tmp_path: Path) -> None:
    """Without one, or by a key that nobody named, a commit is refused; naming the key is enough, and so is signing anew."""
    anna, eve = ssh_key(tmp_path, "anna"), ssh_key(tmp_path, "eve")
    allowed = tmp_path / "signers"
    allowed.write_text(anna.line)
    async with followed(by(branch, allowed)) as (_, told):
        message = await refused(told, "Unsigned")
        assert "nothing is in force: it is not signed" in message
        first = signed(branch, {"README.md": "signed"}, *anna.options)
        assert (await told.nodes(*NODES)).revision == first
        branch.commit({"desired/more.yaml": node("a")})
        assert f"{first[:SHORT]} stays in force" in await refused(told, "Unsigned")
        by_eve = signed(branch, {"desired/more.yaml": node("b")}, *eve.options)
        assert str(allowed) in await refused(told, "Untrusted")
        assert told.now.revision == first
        allowed.write_text(anna.line + eve.line)
        assert (await told.nodes(*NODES, "b")).revision == by_eve
        await told.until(lambda state: named(state, "Current").status is Truth.TRUE)


async def test_what_is_in_force_counts_no_more_when_its_signer_does_not(branch: Branch, tmp_path: Path) -> None:
    """At the next start it is looked at again: whoever takes a signer away does not want what they signed."""
    anna, eve = ssh_key(tmp_path, "anna"), ssh_key(tmp_path, "eve")
    allowed = tmp_path / "signers"
    allowed.write_text(eve.line)
    signed(branch, {"desired/more.yaml": node("a")}, *eve.options)
    async with followed(by(branch, allowed)) as (_, told):
        await told.nodes(*NODES, "a")
    allowed.write_text(anna.line)
    async with followed(by(branch, allowed)) as (_, told):
        assert "nothing is in force" in await refused(told, "Untrusted")
        assert told.now.desired is None
        signed(branch, {"desired/more.yaml": node("b")}, *anna.options)
        await told.nodes(*NODES, "b")


async def test_signers_that_cannot_be_read_refuse_everything(branch: Branch, tmp_path: Path) -> None:
    """A missing file is not an empty wish: option, file, reason and remedy are told."""
    async with followed(by(branch, tmp_path / "none")) as (_, told):
        said = await refused(told, "NoSigners")
        assert f"--verify-signatures {tmp_path}/none: cannot be read: No such file or directory: put your signers' keys" in said
        (tmp_path / "none").write_text("")
        await refused(told, "Unsigned")


async def test_signers_that_come_back_are_enough_to_go_on(branch: Branch, tmp_path: Path) -> None:
    """What was in force is in force again as soon as it can be verified, though nothing can be fetched."""
    anna, allowed = ssh_key(tmp_path, "anna"), tmp_path / "signers"
    allowed.write_text(anna.line)
    signed(branch, {"README.md": "signed"}, *anna.options)
    async with followed(by(branch, allowed)) as (_, told):
        await told.nodes(*NODES)
    branch.root.rename(tmp_path / "away")
    allowed.rename(tmp_path / "aside")
    async with followed(by(branch, allowed)) as (_, told):
        await refused(told, "NoSigners")
        await refused(told, "NoRepository", "Fetched")
        (tmp_path / "aside").rename(allowed)
        assert named(await told.nodes(*NODES), "Current").status is Truth.UNKNOWN


@pytest.fixture
def keyring() -> Iterator[Path]:
    """Return the home of a gpg that has two keys; its path is short enough for the socket of gpg's agent."""
    with TemporaryDirectory(prefix="gpg-", ignore_cleanup_errors=True) as home:
        for name in ("anna", "eve"):
            gpg(Path(home), "--passphrase", "", "--quick-generate-key", f"{name}@example.org", "ed25519", "sign", "never")
        yield Path(home)
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)


def gpg(home: Path, *arguments: str) -> bytes:
    """Run it; return what it prints."""
    return subprocess.run(["gpg", "--homedir", home, "--batch", *arguments], check=True, capture_output=True).stdout


@pytest.mark.skipif(shutil.which("gpg") is None, reason="needs gpg")
@pytest.mark.parametrize("armour", [("--armor",), ()])
async def test_only_the_signature_of_a_keyring_counts(
    branch: Branch, tmp_path: Path, keyring: Path, armour: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys that were exported count, as text or as bytes; neither the others of whoever runs this, nor a key of ssh."""
    exported = tmp_path / "anna.gpg"
    exported.write_bytes(gpg(keyring, *armour, "--export", "anna@example.org"))
    monkeypatch.setenv("GNUPGHOME", str(keyring))  # of who runs this: it knows eve, too
    program = tmp_path / "gpg"
    program.write_text(f'#!/bin/sh\nexec gpg --homedir {keyring} "$@"\n')
    program.chmod(0o755)
    with_gpg = ("-c", f"gpg.program={program}", "-c")
    async with followed(by(branch, exported)) as (_, told):
        await refused(told, "Unsigned")
        first = signed(branch, {"README.md": "signed"}, *with_gpg, "user.signingkey=anna@example.org")
        assert (await told.nodes(*NODES)).revision == first
        signed(branch, {"desired/more.yaml": node("a")}, *with_gpg, "user.signingkey=eve@example.org")
        assert "No public key" in await refused(told, "Untrusted")
        branch.git("reset", "-q", "--hard", first)
        signed(branch, {"desired/more.yaml": node("b")}, *ssh_key(tmp_path, "anna").options)
        await told.until(lambda state: branch.head[:SHORT] in named(state, "Current").message)
        assert named(told.now, "Current").reason == "Untrusted"
    ssh = tmp_path / "signers"
    ssh.write_text(ssh_key(tmp_path, "other").line)
    branch.git("reset", "-q", "--hard", first)
    async with followed(by(branch, ssh)) as (_, told):
        assert "No public key" in await refused(told, "Untrusted")
