"""Read what documents only point to: the values of Secrets, and files.

All of that may wait for a network mount that hangs: files are read in a thread, and whoever asks is not held up.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from reconciler.aside import aside
from reconciler.core.errors import InputError, LocatedProblem
from resources.contract import SecretText

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.load import Loaded
    from resources.cloud import Secrets
    from resources.specs.secret import SecretSpec

COMMAND_TIMEOUT_S = 30
"""How long a Secret's command may take."""


def is_text(text: str) -> bool:
    """Tell whether it was read from UTF-8; bytes that were none are surrogates in it."""
    return not any("\udc80" <= char <= "\udcff" for char in text)


async def resolve(loaded: Loaded) -> tuple[Secrets, dict[str, str]]:
    """Return the values of all Secrets and the texts of the files that compiling needs. Raises InputError."""
    problems: list[LocatedProblem] = []
    secrets: dict[str, Mapping[str, SecretText]] = {}
    wanted = [(key, resource) for key, resource in loaded.resources.items() if key.kind == "Secret"]
    answers = await asyncio.gather(*(read_secret(resource.spec) for _, resource in wanted), return_exceptions=True)
    for (key, _), answer in zip(wanted, answers, strict=True):
        if isinstance(answer, UnresolvedError):
            problems.append(loaded.located(key, ("spec", answer.field), str(answer)))
        elif isinstance(answer, BaseException):
            raise answer
        else:
            secrets[key.name] = answer
    files, others = await aside(_read_files, loaded)
    problems += others
    if problems:
        raise InputError(tuple(problems))
    return secrets, files


def _read_files(loaded: Loaded) -> tuple[dict[str, str], list[LocatedProblem]]:
    files: dict[str, str] = {}
    problems: list[LocatedProblem] = []
    for read in loaded.reads:
        try:
            files[read.file] = Path(read.file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(loaded.located(read.key, read.path, f"{read.file} cannot be read: {reason_of(error)}"))
    _try_others(loaded, problems)
    return files, problems


def _try_others(loaded: Loaded, problems: list[LocatedProblem]) -> None:
    """Find out what a login would find out on each host again: a private key that is not there. Secrets are read elsewhere."""
    for other in loaded.others:
        if other.key.kind != "Secret":
            try:
                Path(other.file).open("rb").close()
            except OSError as error:
                problems.append(loaded.located(other.key, other.path, f"{other.file} cannot be read: {reason_of(error)}"))


class UnresolvedError(Exception):
    """A secret could not be read; `field` of its spec says from where."""

    def __init__(self, field: str, message: str) -> None:
        """Keep the field beside the sentence."""
        super().__init__(message)
        self.field = field


async def read_secret(spec: SecretSpec) -> dict[str, SecretText]:
    """Return the values of a secret, a single text under the key "value". Raises UnresolvedError."""
    if spec.file is not None:
        return await aside(_from_file, spec.file)
    if spec.env is not None:
        value = os.environ.get(spec.env)
        if value is None:
            raise UnresolvedError("env", f"the environment has no variable {spec.env}")
        return {"value": SecretText(value)}
    return {"value": SecretText(await _from_command(spec.command or ()))}


def _from_file(path: str) -> dict[str, SecretText]:
    named = path.endswith((".yaml", ".yml"))
    try:
        content = Path(path).read_bytes()
        text = content.decode("utf-8", "strict" if named else "surrogateescape")
    except (OSError, UnicodeDecodeError) as error:
        raise UnresolvedError("file", f"{path} cannot be read: {reason_of(error)}") from None
    if not named:
        # of what is no text, such as the key that corosync-keygen makes, every byte counts
        return {"value": SecretText(text.rstrip("\r\n") if is_text(text) else text)}
    try:
        # every value is text as it stands: a password may look like a number, a date or a truth value
        values: Any = yaml.load(text, Loader=yaml.CBaseLoader)  # noqa: S506 - it makes nothing but texts, lists and mappings
    except yaml.YAMLError:
        # the parser's own message quotes the text, which is the secret
        raise UnresolvedError("file", f"{path} is not valid YAML") from None
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise UnresolvedError("file", f"{path} must hold a YAML mapping such as username: …, password: …")
    if wrong := [key for key, value in values.items() if not (isinstance(value, str) and value)]:
        raise UnresolvedError("file", f"{path}: {', '.join(wrong)} must be a text that is not empty")
    return {key: SecretText(value) for key, value in values.items()}


async def _from_command(argv: tuple[str, ...]) -> str:
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UnresolvedError("command", f"{argv[0]} cannot be run: {reason}") from None
    try:
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise UnresolvedError("command", f"{argv[0]} gave no answer within {COMMAND_TIMEOUT_S} s") from None
    if process.returncode:
        last = err.decode(errors="replace").strip().splitlines()[-1:] or ["no error output"]
        raise UnresolvedError("command", f"{argv[0]} ended with {process.returncode}: {last[0]}")
    try:
        return out.decode().rstrip("\n")
    except UnicodeDecodeError:
        raise UnresolvedError("command", f"{argv[0]} printed no UTF-8 text") from None


def reason_of(error: OSError | UnicodeDecodeError) -> str:
    """Return why it could not be read, for people."""
    if isinstance(error, UnicodeDecodeError):
        return "the file is not UTF-8 text"
    return error.strerror or str(error)
