"""Read the desired folder, and the values that it only points to: secrets and files.

Everything is read once at the start of a command, so that a pass sees one state of it.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from reconciler.core.claiming import Claims
from reconciler.core.compile import compile_units
from reconciler.core.errors import CycleError, InputError, LocatedProblem, UnknownNameError
from reconciler.core.forgetting import with_forgotten
from reconciler.core.graph import build_graph
from reconciler.core.load import Loaded, load, reconsidered
from reconciler.core.ownership import find_former, kept_back, with_former
from reconciler.redact import Redactor
from reconciler.windows import unknown_zones
from resources.contract import SecretText
from resources.former import TAKING
from resources.kinds.registry import KINDS
from resources.releases.supposed import said_of, with_release
from resources.rules.registry import RULES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.compile import Catalog, Former
    from reconciler.core.diff import Observed
    from reconciler.core.graph import Graph
    from resources.cloud import Resource, Secrets
    from resources.contract import Address
    from resources.specs.secret import SecretSpec

COMMAND_TIMEOUT_S = 30
"""How long a Secret's command may take."""

EMPTY = "an empty declaration is taken for a mistake"
"""What is said of a folder that declares nothing: a wrong folder is more likely than a wish to have nothing."""


@dataclass(frozen=True, slots=True)
class Desired:
    """What the documents declare, ready to be compared with the world.

    `aliases` are the names that were followed: of things that were renamed since they were declared.
    `supposed` is empty, or a sentence that says how this differs from the documents: then it is only to be looked at.
    """

    loaded: Loaded
    catalog: Catalog
    graph: Graph
    redact: Redactor
    secrets: Secrets = field(default_factory=dict, repr=False)
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    aliases: Mapping[Address, str] = field(default_factory=dict)
    supposed: str = ""

    def former(self, observed: Mapping[Address, Observed]) -> Former:
        """Return what is ours on the hosts and not declared any more, and what they remember of which nothing is left."""
        return with_forgotten(find_former(self.catalog, observed, TAKING), self.catalog, observed)

    def with_former(self, former: Former) -> Desired:
        """Return what is declared together with what has to go; what cannot be brought into an order with it stays."""
        catalog = with_former(self.catalog, former)
        if catalog.units is self.catalog.units:
            return replace(self, catalog=catalog)
        try:
            return replace(self, catalog=catalog, graph=build_graph(catalog.units))
        except CycleError:
            catalog = with_former(self.catalog, kept_back(former))
            return replace(self, catalog=catalog, graph=build_graph(catalog.units))

    def claims(self) -> Claims:
        """Return who says what the hosts must remember of what is done."""
        return Claims(self.catalog, self.graph, TAKING)

    def following(self, aliases: Mapping[Address, str]) -> Desired:
        """Return what the same documents mean when those things are called so now."""
        catalog = compile_units(self.loaded, KINDS, self.secrets, self.files, aliases)
        return replace(self, catalog=catalog, graph=build_graph(catalog.units), aliases=aliases)


def is_text(text: str) -> bool:
    """Tell whether it was read from UTF-8; bytes that were none are surrogates in it."""
    return not any("\udc80" <= char <= "\udcff" for char in text)


def read_folder(folder: Path) -> dict[str, str]:
    """Return the texts of all YAML files below the folder, by the path to print. Raises InputError."""
    try:
        there, is_folder = folder.exists(), folder.is_dir()
    except OSError as error:
        raise InputError((_problem(str(folder), error.strerror or str(error)),)) from None
    if not is_folder:
        what = "is a file, not a folder" if there else "no such folder"
        raise InputError((_problem(str(folder), f"{what}: name the folder of the documents with --desired DIR"),))
    problems: list[LocatedProblem] = []
    paths = find_documents(folder, problems)
    if not (paths or problems):
        raise InputError((_problem(str(folder), f"no .yaml file in this folder: {EMPTY}"),))
    texts: dict[str, str] = {}
    for path in paths:
        try:
            texts[str(path)] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(_problem(str(path), f"cannot be read: {_reason(error)}"))
    if problems:
        raise InputError(tuple(problems))
    return texts


def is_document(name: str) -> bool:
    """Tell whether a file of that name holds documents."""
    return name.endswith((".yaml", ".yml")) and not name.startswith(".")


def find_documents(folder: Path, problems: list[LocatedProblem]) -> list[Path]:
    """Return the YAML files below the folder, hidden ones left out. What cannot be listed is a problem, not empty."""

    def unreadable(error: OSError) -> None:
        problems.append(_problem(str(error.filename), f"this folder cannot be read: {error.strerror}"))

    found: list[Path] = []
    for root, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if Path(root, name).is_symlink()]
        problems += [
            _problem(f"{root}/{name}", "is a link to a folder, which is not followed: link its files") for name in links
        ]
        found += (Path(root, name) for name in files if is_document(name))
    return sorted(found)


def load_folder(folder: Path) -> Loaded:
    """Return the validated resources of the folder. Raises InputError with every problem of all files."""
    return load_texts(read_folder(folder), folder)


def load_texts(texts: Mapping[str, str], folder: Path) -> Loaded:
    """Return the validated resources of the folder's texts. Raises InputError with every problem of all files."""
    loaded = load(texts, KINDS, RULES)
    if not loaded.resources:
        raise InputError((_problem(str(folder), f"no document in its .yaml files: {EMPTY}"),))
    if unknown := unknown_zones(loaded):
        raise InputError(unknown)
    return loaded


def compile_offline(folder: Path, release: str | None = None) -> tuple[Loaded, Catalog, Graph]:
    """Return what the folder means with placeholders for secrets and files: no secret is read, no host asked."""
    loaded, _ = _supposed(load_folder(folder), release)
    catalog = compile_units(loaded, KINDS, None, None)
    return loaded, catalog, build_graph(catalog.units)


async def read_desired(folder: Path, release: str | None = None) -> Desired:
    """Return what the folder means, or would mean if its cloud had another release; secrets and files read.

    Raises InputError, and UnknownNameError for a release that does not exist.
    """
    loaded, supposed = _supposed(load_folder(folder), release)
    secrets, files = await resolve(loaded)
    return replace(compiled(folder, loaded, secrets, files), supposed=supposed)


def compiled(folder: Path, loaded: Loaded, secrets: Secrets, files: Mapping[str, str]) -> Desired:
    """Return what the resources of the folder mean with what was read for them. Raises InputError, CycleError."""
    catalog = compile_units(loaded, KINDS, secrets, files)
    if not catalog.units:
        # else the cloud would be called as declared without a look at it
        raise InputError((_problem(str(folder), "declares nothing that could be looked at: no document is of kind Cluster"),))
    return Desired(loaded, catalog, build_graph(catalog.units), Redactor(secrets), secrets, files)


def _supposed(loaded: Loaded, release: str | None) -> tuple[Loaded, str]:
    """Return the resources with another release, all rules kept, and a sentence that says so; as they are without one."""
    if release is None:
        return loaded, ""
    try:
        resources = with_release(loaded.resources, release)
    except ValueError as error:
        raise UnknownNameError(str(error)) from None
    return reconsidered(loaded, resources, RULES), said_of(loaded.resources, release)


async def resolve(loaded: Loaded) -> tuple[Secrets, dict[str, str]]:
    """Return the values of all Secrets and the texts of the files that compiling needs. Raises InputError."""
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
    _try_others(loaded, problems)
    if problems:
        raise InputError(tuple(problems))
    return secrets, files


def _read_files(loaded: Loaded, problems: list[LocatedProblem]) -> dict[str, str]:
    files: dict[str, str] = {}
    for read in loaded.reads:
        try:
            files[read.file] = Path(read.file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(loaded.located(read.key, read.path, f"{read.file} cannot be read: {_reason(error)}"))
    return files


def _try_others(loaded: Loaded, problems: list[LocatedProblem]) -> None:
    """Find out what a login would find out on each host again: a private key that is not there. Secrets are read elsewhere."""
    for other in loaded.others:
        if other.key.kind != "Secret":
            try:
                Path(other.file).open("rb").close()
            except OSError as error:
                problems.append(loaded.located(other.key, other.path, f"{other.file} cannot be read: {_reason(error)}"))


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
    named = path.endswith((".yaml", ".yml"))
    try:
        content = Path(path).read_bytes()
        text = content.decode("utf-8", "strict" if named else "surrogateescape")
    except (OSError, UnicodeDecodeError) as error:
        raise _UnresolvedError("file", f"{path} cannot be read: {_reason(error)}") from None
    if not named:
        # of what is no text, such as the key that corosync-keygen makes, every byte counts
        return {"value": SecretText(text.rstrip("\r\n") if is_text(text) else text)}
    try:
        # every value is text as it stands: a password may look like a number, a date or a truth value
        values: Any = yaml.load(text, Loader=yaml.CBaseLoader)  # noqa: S506 - it makes nothing but texts, lists and mappings
    except yaml.YAMLError:
        # the parser's own message quotes the text, which is the secret
        raise _UnresolvedError("file", f"{path} is not valid YAML") from None
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise _UnresolvedError("file", f"{path} must hold a YAML mapping such as username: …, password: …")
    if wrong := [key for key, value in values.items() if not (isinstance(value, str) and value)]:
        raise _UnresolvedError("file", f"{path}: {', '.join(wrong)} must be a text that is not empty")
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
        raise _UnresolvedError("command", f"{argv[0]} cannot be run: {reason}") from None
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
    try:
        return out.decode().rstrip("\n")
    except UnicodeDecodeError:
        raise _UnresolvedError("command", f"{argv[0]} printed no UTF-8 text") from None


def _reason(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "the file is not UTF-8 text"
    return error.strerror or str(error)


def _problem(file: str, message: str) -> LocatedProblem:
    return LocatedProblem(file=file, line=0, column=0, key=None, path="", message=message, warning=False)
