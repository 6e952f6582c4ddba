"""The daemon's own settings: what the file may say, and what is said of its mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.core.errors import InputError
from reconciler.news import Event
from reconciler.settings import STOP_WITHIN_S, Settings, Webhook, read_settings

if TYPE_CHECKING:
    from pathlib import Path

KEY = "0123456789abcdef0123456789abcdef"


async def read(folder: Path, text: str) -> Settings:
    """Return the settings of that text."""
    path = folder / "run.yaml"
    path.write_text(text)
    return await read_settings(path)


async def refused(folder: Path, text: str) -> list[str]:
    """Return what is said of that text, a line for each problem, without the folder."""
    with pytest.raises(InputError) as error:
        await read(folder, text)
    return str(error.value).replace(f"{folder}/", "").splitlines()


async def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    """Everything may be left out: nothing listens, nobody is told."""
    assert await read(tmp_path, "") == Settings(None, None, STOP_WITHIN_S, ())


async def test_everything_that_it_may_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are sought beside the settings; keys come as text or, after whsec_, in base64."""
    (tmp_path / "key").write_text(f"{KEY}\n")
    monkeypatch.setenv("HOOK_KEY", "whsec_MDEyMzQ1Njc4OWFiY2RlZg==")
    found = await read(
        tmp_path,
        """
        listen: "[::1]:9180"
        logLevel: debug
        stopWithinSeconds: 90
        webhooks:
          - {name: ops, url: https://ops.example.org/in, secret: {file: key}, events: [step.failed]}
          - {name: all, url: http://127.0.0.1:8000/, secret: {env: HOOK_KEY}}
          - {name: told, url: http://127.0.0.1:8000/, secret: {command: [printf, 0123456789abcdef]}}
        """,
    )
    hooks = (
        Webhook("ops", "https://ops.example.org/in", KEY.encode(), frozenset({Event.STEP_FAILED})),
        Webhook("all", "http://127.0.0.1:8000/", b"0123456789abcdef", frozenset(Event)),
        Webhook("told", "http://127.0.0.1:8000/", b"0123456789abcdef", frozenset(Event)),
    )
    assert found == Settings(("::1", 9180), "debug", 90.0, hooks)
    shown = found.redact(f"{KEY} https://ops.example.org/in")
    assert shown == "(secret) (secret)"
    assert KEY not in repr(found)


async def test_every_mistake_at_once_with_its_place(tmp_path: Path) -> None:
    """Line, column, field, what is wrong and what would be right; never only the first."""
    text = """listen: 127.0.0.1
logLevel: loud
stopWithinSeconds: 0
webhooks:
  - {name: ops, url: ftp://x, secret: {env: A, file: b}, events: [step.fail]}
retain: 3
"""
    words = ", ".join(f'"{event}"' for event in list(Event)[:-1])
    assert await refused(tmp_path, text) == [
        'run.yaml:1:1: listen: must be HOST:PORT, such as 127.0.0.1:9180, not "127.0.0.1"',
        'run.yaml:2:1: logLevel: must be "debug", "info", "warning" or "error", not "loud"',
        "run.yaml:3:1: stopWithinSeconds: must be at least 1, not 0",
        'run.yaml:5:17: webhooks[0].url: must be an address such as https://ops.example.org/bivisor, not "ftp://x"',
        "run.yaml:5:31: webhooks[0].secret: needs exactly one of file, env and command, and has file and env",
        (
            f'run.yaml:5:67: webhooks[0].events[0]: must be {words} or "documents.taken", not "step.fail" '
            '(did you mean "step.failed"?)'
        ),
        'run.yaml:6:1: retain: unknown field "retain" (fields here: listen, logLevel, retention, stopWithinSeconds, webhooks)',
    ]


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("{file: nowhere}", "secret.file: {folder}/nowhere cannot be read: No such file or directory"),
        ("{env: NO_SUCH_VARIABLE}", "secret.env: the environment has no variable NO_SUCH_VARIABLE"),
        ("{command: [false]}", "secret.command[0]: must be text"),
        ('{command: ["false"]}', "secret.command: false ended with 1: no error output"),
        ("{command: [echo, short]}", "secret: is too short for a key: 16 bytes at least"),
        ("{command: [echo, whsec_no base64]}", "secret: what follows whsec_ must be base64"),
        ("{file: many.yaml}", "secret: must hold one text: name a file that does not end in .yaml"),
    ],
)
async def test_a_key_that_cannot_be_one(tmp_path: Path, secret: str, said: str) -> None:
    """Its place is told, and never the value."""
    (tmp_path / "many.yaml").write_text("{username: a, password: b}")
    with pytest.raises(InputError) as error:
        await read(tmp_path, f"webhooks:\n- {{name: a, url: http://x, secret: {secret}}}\n")
    assert said.format(folder=tmp_path) in str(error.value)
    assert str(error.value).startswith(f"{tmp_path}/run.yaml:2:")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\n---\nb: 2\n", "run.yaml:3:1: settings are one document: a second one begins here"),
        ("listen: a:70000\n", "run.yaml:1:1: listen: the port must be at most 65535"),
        ("listen: 9180\n", 'listen: must be text, but 9180 without quotes is a number in YAML: write "9180"'),
        ("listen: a:1\nlisten: a:2\n", 'run.yaml:2:1: "listen" stands here twice (first in line 1)'),
        (f"stopWithinSeconds: {10**400}\n", "run.yaml:1:1: stopWithinSeconds: must be at most 86400, not "),
        (f"retention: {{events: {10**30}}}\n", "run.yaml:1:13: retention.events: must be at most 1000000000, not "),
        (f"retention: {{megabytes: {10**30}}}\n", "run.yaml:1:13: retention.megabytes: must be at most 1000000000, not "),
        (
            "webhooks:\n- {name: a, url: http://x, secret: {env: HOME}}\n- {name: a, url: http://y, secret: {env: HOME}}\n",
            'run.yaml:1:1: webhooks: the name "a" stands here twice',
        ),
    ],
)
async def test_what_else_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """Two documents, two of a name, ports that cannot be."""
    assert said in "\n".join(await refused(tmp_path, text))


async def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The remedy is named."""
    with pytest.raises(InputError) as error:
        await read_settings(tmp_path / "run.yaml")
    said = f"{tmp_path}/run.yaml: cannot be read: No such file or directory: "
    assert str(error.value) == f"{said}name the file with --settings FILE, or leave that away"
