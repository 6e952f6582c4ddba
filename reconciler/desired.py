"""Read the desired folder, and the values that it only points to: secrets and files.

Everything is read once at the start of a command, so that a pass sees one state of it.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from reconciler.core.compile import compile_units
from reconciler.core.errors import InputError, LocatedProblem
from reconciler.core.graph import build_graph
from reconciler.core.load import Loaded, load
from reconciler.redact import Redactor
from resources.contract import SecretText
from resources.kinds.registry import KINDS
from resources.rules.registry import RULES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.compile import Catalog
    from reconciler.core.graph import Graph
    from resources.cloud import Resource, Secrets
    from resources.specs.secret import SecretSpec

COMMAND_TIMEOUT_S = 30
"""How long a Secret's command may take."""


@dataclass(frozen=True, slots=True)
class Desired:
    """What the documents declare, ready to be compared with the world."""

    loaded: Loaded
    catalog: Catalog
    graph: Graph
    redact: Redactor


def read_folder(folder: Path) -> dict[str, str]:
    """Return the texts of all YAML files below the folder, by the path to print. Raises InputError."""
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "no such folder"
        raise InputError((_problem(str(folder), f"{what}: name the folder of the documents with --desired DIR"),))
    paths = sorted(path for pattern in ("*.yaml", "*.yml") for path in folder.rglob(pattern) if path.is_file())
    visible = [path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if not visible:
        raise InputError((_problem(str(folder), "no .yaml file in this folder: an empty declaration is taken for a mistake"),))
    texts: dict[str, str] = {}
    problems: list[LocatedProblem] = []
    for path in visible:
        try:
            texts[str(path)] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(_problem(str(path), f"cannot be read as UTF-8 text: {error}"))
    if problems:
        raise InputError(tuple(problems))
    return texts


def load_folder(folder: Path) -> Loaded:
    """Return the validated resources of the folder. Raises InputError with every problem of all files."""
    return load(read_folder(folder), KINDS, RULES)


def compile_offline(folder: Path) -> tuple[Loaded, Catalog, Graph]:
    """Return what the folder means with placeholders for secrets and files: no secret is read, no host asked."""
    loaded = load_folder(folder)
    catalog = compile_units(loaded, KINDS, None, None)
    return loaded, catalog, build_graph(catalog.units)


async def read_desired(folder: Path) -> Desired:
    """Return what the folder means, secrets and files read. Raises InputError."""
    loaded = load_folder(folder)
    secrets, files = await _resolve(loaded)
    catalog = compile_units(loaded, KINDS, secrets, files)
    return Desired(loaded, catalog, build_graph(catalog.units), Redactor(secrets))


async def _resolve(loaded: Loaded) -> tuple[Secrets, dict[str, str]]:
    problems: list[LocatedProblem] = []
    secrets: dict[str, Mapping[str, SecretText]] = {}
    wanted = [(key, resource) for key, resource in loaded.resources.items() if key.kind == "Secret"]
    answers = await asyncio.gather(*(_secret(resource) for _, resource in wanted), return_exceptions=True)
    for (key, _), answer in zip(wanted, answers, strict=True):
        if isinstance(answer, _UnresolvedError):
            problems.append(loaded.located(key, ("spec", answer.field), str(answer)))
        elif isinstance(answer, BaseException):
            raise answer
        else:
            secrets[key.name] = answer
    files = _read_files(loaded, problems)
    if problems:
        raise InputError(tuple(problems))
    return secrets, files


def _read_files(loaded: Loaded, problems: list[LocatedProblem]) -> dict[str, str]:
    files: dict[str, str] = {}
    for read in loaded.reads:
        try:
            files[read.file] = Path(read.file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(loaded.located(read.key, read.path, _reason(error)))
    return files


class _UnresolvedError(Exception):
    """A secret could not be read; `field` of its spec says from where."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


async def _secret(resource: Resource[SecretSpec]) -> dict[str, SecretText]:
    spec = resource.spec
    if spec.file is not None:
        return _from_file(spec.file)
    if spec.env is not None:
        value = os.environ.get(spec.env)
        if value is None:
            raise _UnresolvedError("env", f"the environment has no variable {spec.env}")
        return {"value": SecretText(value)}
    return {"value": SecretText(await _from_command(spec.command or ()))}


def _from_file(path: str) -> dict[str, SecretText]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _UnresolvedError("file", _reason(error)) from None
    if not path.endswith((".yaml", ".yml")):
        return {"value": SecretText(text.rstrip("\n"))}
    try:
        values: Any = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        # the parser's own message quotes the text, which is the secret
        raise _UnresolvedError("file", f"{path} is not valid YAML") from None
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise _UnresolvedError("file", f"{path} must hold a YAML mapping such as username: …, password: …")
    return {key: SecretText(str(value)) for key, value in values.items()}


async def _from_command(argv: tuple[str, ...]) -> str:
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise _UnresolvedError("command", f"{argv[0]} cannot be run: {error.strerror}") from None
    try:
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise _UnresolvedError("command", f"{argv[0]} gave no answer within {COMMAND_TIMEOUT_S} s") from None
    if process.returncode:
        last = err.decode(errors="replace").strip().splitlines()[-1:] or ["no error output"]
        raise _UnresolvedError("command", f"{argv[0]} ended with {process.returncode}: {last[0]}")
    return out.decode().rstrip("\n")


def _reason(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "the file is not UTF-8 text"
    return f"{error.strerror}: {error.filename}"


def _problem(file: str, message: str) -> LocatedProblem:
    return LocatedProblem(file=file, line=0, column=0, key=None, path="", message=message, warning=False)
