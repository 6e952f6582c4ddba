"""Where declared things are read from, and what is said when they cannot be."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.core.errors import InputError
from reconciler.core.load import Read, load
from reconciler.desired import read_folder
from reconciler.redact import Redactor
from reconciler.resolve import resolve
from resources.contract import MASK, Key, SecretText
from resources.kinds.registry import KINDS
from tests.drive.test_aside import told

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENT = "apiVersion: bivisor/v1alpha1\nkind: Secret\nmetadata: {name: it}\nspec: "


async def value(tmp_path: Path, spec: str) -> dict[str, str]:
    """Return the values of a Secret."""
    secrets, _ = await resolve(load({f"{tmp_path}/s.yaml": DOCUMENT + spec}, KINDS, ()))
    return {key: text.reveal for key, text in secrets["it"].items()}


@pytest.mark.parametrize(
    "password",
    ["0123456", "1_000", "1.10", "12:30:45", "2026-01-01", "yes", "null", "~", "0x1F", "pa$$ %d \\n", "#not-a-comment", "ünï"],
)
async def test_a_password_is_what_stands_there(tmp_path: Path, password: str) -> None:
    """No value of a secrets file is taken for a number, a date or a truth value, which would change it silently."""
    (tmp_path / "it.yaml").write_text(f"username: admin\npassword: {password!r}\n".replace("'", ""))
    if password.startswith("#"):
        (tmp_path / "it.yaml").write_text(f'username: admin\npassword: "{password}"\n')
    found = await value(tmp_path, "{file: it.yaml}")
    assert found["username"] == "admin"
    assert found["password"] == password.replace("\\n", "\\\\n")


@pytest.mark.parametrize("content", ["password:\n", "password: ''\n", "password: [a]\n", "password: {a: b}\n"])
async def test_a_value_that_is_no_text_is_refused(tmp_path: Path, content: str) -> None:
    """An empty or structured value is told by its name."""
    (tmp_path / "it.yaml").write_text(f"username: admin\n{content}")
    with pytest.raises(InputError, match=r"it\.yaml: password must be a text that is not empty"):
        await value(tmp_path, "{file: it.yaml}")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["printf", "\\377"], "printf printed no UTF-8 text"),
        (["no-such-program"], "no-such-program cannot be run: No such file or directory"),
        (["sh", "-c", "echo locked >&2; exit 3"], "sh ended with 3: locked"),
        (["a\0b"], "cannot be run: embedded null byte"),
    ],
)
async def test_a_command_that_gives_no_text_is_told(tmp_path: Path, argv: list[str], words: str) -> None:
    """Whatever is wrong with a Secret's command is a problem at its field."""
    written = ", ".join(f'"{part}"' for part in argv).replace("\0", "\\0").replace("\\377", "\\\\377")
    with pytest.raises(InputError) as refused:
        await value(tmp_path, f"{{command: [{written}]}}")
    assert words in str(refused.value)
    assert "spec.command" in str(refused.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become somebody else")
async def test_a_private_key_that_is_not_there_is_told_once(tmp_path: Path) -> None:
    """A mistake in a document is told at its place before anybody is asked, not as an unknown host for each host."""
    node = "apiVersion: bivisor/v1alpha1\nkind: Node\nmetadata: {name: it}\nspec: {address: a, ssh: {keyFile: id}}\n"
    loaded = load({f"{tmp_path}/n.yaml": node}, KINDS, ())
    with pytest.raises(InputError, match=r"n\.yaml:4:26: Node/it: spec\.ssh\.keyFile: .*/id cannot be read: No such file"):
        await resolve(loaded)
    (tmp_path / "id").write_text("a key")
    assert await resolve(loaded) == ({}, {})


def test_a_folder_that_may_not_be_read_is_not_empty(tmp_path: Path) -> None:
    """A part of the declaration that cannot be seen is an error: what stands there must not count as undeclared."""
    closed = tmp_path / "desired/zones"
    closed.mkdir(parents=True)
    (tmp_path / "desired/a.yaml").write_text("")
    (closed / "b.yaml").write_text("")
    closed.chmod(0)
    tmp_path.chmod(0o755)
    assert "desired/zones: this folder cannot be read: Permission denied" in _as_nobody(tmp_path, "desired")
    assert "desired/zones/more: Permission denied" in _as_nobody(tmp_path, "desired/zones/more")


def _as_nobody(folder: Path, name: str) -> str:
    program = f"""
import os, pathlib
from reconciler.core.errors import InputError
from reconciler.desired import read_folder
os.chdir({str(folder)!r})
os.setegid(65534)
os.seteuid(65534)
try:
    read_folder(pathlib.Path({name!r}))
except InputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return done.stdout


async def test_a_key_that_is_no_text_is_taken_byte_by_byte(tmp_path: Path) -> None:
    """What corosync-keygen makes is bytes at random: they reach the host as they are, line ends included, and are masked."""
    key = bytes(range(128, 256)) + b"\n"
    (tmp_path / "key").write_bytes(key)
    found = (await value(tmp_path, "{file: key}"))["value"]
    assert found.encode("utf-8", "surrogateescape") == key
    assert Redactor({"it": {"value": SecretText(found)}})(f"before {found} after") == f"before {MASK} after"


def test_a_link_to_a_folder_is_told(tmp_path: Path) -> None:
    """It is not followed: silently, all in it would be declared no more from the day on which the folder became a link."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "desired").mkdir()
    (tmp_path / "desired/zones").symlink_to("../elsewhere")
    (tmp_path / "desired/a.yaml").write_text("")
    with pytest.raises(InputError, match="desired/zones: is a link to a folder, which is not followed: link its files"):
        read_folder(tmp_path / "desired")


def test_hidden_files_are_not_declared(tmp_path: Path) -> None:
    """Only visible YAML files count, in the order of their names, in any folder below."""
    for name in ("b.yaml", "a/c.yml", ".hidden.yaml", ".git/d.yaml", "a/.x/e.yaml", "readme.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(name)
    assert list(read_folder(tmp_path).values()) == ["a/c.yml", "b.yaml"]


@pytest.mark.parametrize("kind", ["secret", "file"])
async def test_a_file_that_hangs_holds_up_nobody_else(tmp_path: Path, kind: str) -> None:
    """A pipe stands for a file of a mount that hangs: what the loop does meanwhile is done, here the writing into it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    loaded = load({f"{tmp_path}/s.yaml": DOCUMENT + ("{file: pipe}" if kind == "secret" else "{env: PATH}")}, KINDS, ())
    if kind == "file":
        loaded = replace(loaded, reads=(Read(str(pipe), Key("Secret", "it"), ("spec",)),))
    reading = asyncio.create_task(resolve(loaded))
    await told(pipe, "text")
    secrets, files = await reading
    assert "text" in (*files.values(), secrets["it"]["value"].reveal)
