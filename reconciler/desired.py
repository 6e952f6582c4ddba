"""Read the desired folder, and have what it declares compiled with the values that it only points to.

Everything is read once at the start of a command, so that a pass sees one state of it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.claiming import Claims
from reconciler.core.compile import compile_units
from reconciler.core.errors import CycleError, InputError, LocatedProblem, UnknownNameError
from reconciler.core.forgetting import with_forgotten
from reconciler.core.graph import build_graph
from reconciler.core.load import Loaded, load, reconsidered
from reconciler.core.ownership import find_former, kept_back, with_former
from reconciler.redact import Redactor
from reconciler.resolve import reason_of, resolve
from reconciler.windows import unknown_zones
from resources.former import TAKING
from resources.kinds.registry import KINDS
from resources.releases.supposed import said_of, with_release
from resources.rules.registry import RULES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.compile import Catalog, Former
    from reconciler.core.diff import Observed
    from reconciler.core.graph import Graph
    from resources.cloud import Secrets
    from resources.contract import Address

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
            problems.append(_problem(str(path), f"cannot be read: {reason_of(error)}"))
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


def _problem(file: str, message: str) -> LocatedProblem:
    return LocatedProblem(file=file, line=0, column=0, key=None, path="", message=message, warning=False)
