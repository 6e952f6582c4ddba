"""How a repository is reached, when it is not, and what nobody may read of it."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import subprocess
import threading
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.core.status import Truth
from reconciler.git_remote import Remote
from resources.contract import MASK
from tests.drive.branch import SHORT_PATIENCE, Branch, followed, named, refused
from tests.drive.told import NODES, node

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

TOKEN = "s3cr3t-t0ken"  # noqa: S105 - it is none


@pytest.fixture
def branch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Branch:
    """Return a repository that can be followed, and a state folder of its own."""
    monkeypatch.setenv("BIVISOR_STATE", str(tmp_path / "state"))
    return Branch(tmp_path)


@asynccontextmanager
async def black_hole() -> AsyncIterator[int]:
    """Have a port on which somebody accepts and says nothing."""
    ended = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            ended.set()


def children() -> set[str]:
    """Return the names of the programs that we began and that still run."""
    asked = subprocess.run(["ps", "-o", "comm=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=True)
    return set(asked.stdout.split()) - {"ps"}


async def test_a_remote_that_says_nothing_is_given_up(branch: Branch) -> None:
    """What was in force is read at once, though the remote hangs; that is told in a while, and nothing is left running."""
    following = branch.following
    async with followed(following) as (_, told):
        await told.nodes(*NODES)
    async with black_hole() as port:
        silent = replace(following, remote=Remote(f"git://127.0.0.1:{port}/x"))
        silent.place.parent.mkdir(exist_ok=True)
        following.place.rename(silent.place)  # another address of the same repository
        async with followed(silent) as (source, told):
            state = await told.nodes(*NODES)
            assert named(state, "Fetched").status is Truth.UNKNOWN
            message = await refused(told, "Unreachable", "Fetched")
            assert f"no answer within {SHORT_PATIENCE.silence:g} s" in message
            assert message.endswith("It is tried again every 0.2 s")
            source.reload()
    assert "git" not in children()


async def test_a_remote_that_is_away_comes_back(branch: Branch) -> None:
    """Without anything that was fetched before there is nothing to keep until it does."""
    away = branch.root.with_name("away")
    branch.root.rename(away)
    async with followed(branch.following) as (_, told):
        message = await refused(told, "NoRepository", "Fetched")
        assert "does not appear to be a git repository: name another one with --git" in message
        assert told.now.stuck
        away.rename(branch.root)
        assert named(await told.nodes(*NODES), "Fetched").status is Truth.TRUE
        branch.root.rename(away)
        await refused(told, "NoRepository", "Fetched")
        assert not told.now.stuck
        away.rename(branch.root)
        branch.commit({"desired/more.yaml": node("a")})
        await told.nodes(*NODES, "a")


async def test_a_branch_that_is_not_there_is_told(branch: Branch) -> None:
    """With the option that names another one; it is taken when it is pushed."""
    async with followed(replace(branch.following, branch="prod")) as (_, told):
        assert "push that branch, or name another one with --branch" in await refused(told, "NoBranch", "Fetched")
        branch.git("branch", "prod")
        await told.nodes(*NODES)


async def test_over_gits_own_protocol(branch: Branch, unused_port: int) -> None:
    """From a real git daemon, which goes away and comes back."""
    url = f"git://127.0.0.1:{unused_port}/repository"
    following = replace(branch.following, remote=Remote.of(url))
    with git_daemon(branch.root.parent, unused_port):
        async with followed(following) as (_, told):
            await told.nodes(*NODES)
            branch.commit({"desired/more.yaml": node("a")})
            await told.nodes(*NODES, "a")
    async with followed(following) as (_, told):
        await told.nodes(*NODES, "a")
        assert "unable to connect" in await refused(told, "Unreachable", "Fetched")
        branch.commit({"desired/more.yaml": node("b")})
        with git_daemon(branch.root.parent, unused_port):
            await told.nodes(*NODES, "b")


@contextmanager
def git_daemon(folder: Path, port: int) -> Iterator[None]:
    """Serve the repositories of the folder."""
    arguments = [f"--base-path={folder}", "--export-all", "--listen=127.0.0.1", f"--port={port}", "--reuseaddr", str(folder)]
    exec_path = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()
    process = subprocess.Popen([f"{exec_path}/git-daemon", *arguments], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pytest.fixture
async def unused_port() -> int:
    """Return a port on which nobody listens now."""
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as server:
        port: int = server.sockets[0].getsockname()[1]
    return port


class Guarded(SimpleHTTPRequestHandler):
    """Serves files to whoever knows the token."""

    asked: list[str]

    def do_GET(self) -> None:
        """Ask for it first."""
        given = self.headers.get("Authorization", "")
        if given != f"Basic {base64.b64encode(f'deploy:{TOKEN}'.encode()).decode()}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def web(folder: Path) -> Iterator[int]:
    """Serve the folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *given: Guarded(*given, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_a_password_of_the_address_is_used_and_never_shown(
    branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git gets it without its arguments holding it, and no condition or file of the clone does; a wrong one is told."""
    seen = tmp_path / "seen"
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "git").write_text(f'#!/bin/sh\necho "$@" >> {seen}\nexec {shutil.which("git")} "$@"\n')
    (programs / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    branch.git("update-server-info")
    with web(branch.root) as port:
        wrong = Remote.of(f"http://deploy:{TOKEN}-no@127.0.0.1:{port}/.git")
        async with followed(replace(branch.following, remote=wrong)) as (_, told):
            message = await refused(told, "NotAllowed", "Fetched")
            assert TOKEN not in message
        remote = Remote.of(f"http://deploy:{TOKEN}@127.0.0.1:{port}/.git")
        following = replace(branch.following, remote=remote)
        async with followed(following) as (_, told):
            await told.nodes(*NODES)
        assert TOKEN not in repr(following)
    assert "fetch" in seen.read_text()
    assert TOKEN not in seen.read_text()
    held = [path for path in following.place.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert held == []


def test_addresses_are_shown_without_what_only_we_may_know() -> None:
    """Of the web neither user nor password, whatever it is a token of; the user of ssh is a name and stays."""
    shown = {
        f"https://{TOKEN}@host/cloud.git": f"https://{MASK}@host/cloud.git",
        f"https://anna:{TOKEN}@host:8443/cloud.git": "https://host:8443/cloud.git",
        f"ssh://git:{TOKEN}@host/cloud.git": f"ssh://{MASK}@host/cloud.git",
        "ssh://git@host/cloud.git": "ssh://git@host/cloud.git",
        "git@host:cloud.git": "git@host:cloud.git",
        "/srv/cloud.git": "/srv/cloud.git",
    }
    assert {url: Remote.of(url).shown for url in shown} == shown
    remote = Remote.of(f"https://anna:{TOKEN}%2F@host/x")
    assert TOKEN not in remote.mask(f"fatal: no {TOKEN}/ for https://anna:{TOKEN}%2F@host/x")
    assert "\x1b" not in remote.words("fatal: \x1b[31mred\n")


@pytest.mark.parametrize("url", ["", "-oProxyCommand=x", "https://host/\nx"])
def test_what_is_no_address_is_refused(url: str) -> None:
    """Git would take it for an option, or for two lines."""
    with pytest.raises(ValueError, match="is no address of a git repository"):
        Remote.of(url)


def test_a_relative_folder_is_the_same_repository_wherever_one_stands() -> None:
    """So it has the same place."""
    assert Remote.of("cloud.git") == Remote.of(str(Path("cloud.git").absolute()))


def test_what_ssh_says_is_told() -> None:
    """Its lines end as a terminal wants them; progress that git writes over itself is none of what is told."""
    said = "remote: Counting objects:  50%\rremote: Counting objects: 100%\nHost key verification failed.\r\n"
    trouble = Remote.of("ssh://git@host/cloud.git").trouble(said)
    assert trouble.reason == "HostUnknown"
    assert str(trouble).startswith("ssh://git@host/cloud.git: Host key verification failed.: add the host's key to")
