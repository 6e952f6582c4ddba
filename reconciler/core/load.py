"""Texts become resources, or every problem of all texts at once, each with its place.

What is wrong is found in stages, so that no problem is reported that is only the echo of another: YAML; the head of
each document and its spec; duplicates and references; and, when all of that is clean, the rules across resources.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field

from reconciler.core.documents import read_documents
from reconciler.core.errors import InputError, LocatedProblem
from reconciler.core.fields import map_marked
from reconciler.core.validate import Finding, validate
from reconciler.core.wording import dotted, hint, listed, nearest, one_of, quoted
from resources.cloud import DocumentPath, Metadata, Resource, Spec
from resources.contract import Key, Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from reconciler.core.documents import Document, Path, Positions
    from reconciler.core.fields import Mark
    from resources.cloud import Kind, Rule

API_VERSION: Final = "bivisor/v1alpha1"
MANAGE: Final = "bivisor/manage"
MANAGE_WORDS: Final = ("full", "observe", "paused")
"""The annotation that says whether a resource's units are acted on, and its values; full is the default."""

PAUSE_REASON: Final = "bivisor/pause-reason"
"""The annotation that says why a resource is paused or only observed, for whoever reads the plan."""

IGNORE: Final = "bivisor/ignore"
"""The annotation that leaves fields of a resource's units to others: one `TYPE/NAME FIELD` a line, `*` for anything."""

ANNOTATIONS: Final = (MANAGE, PAUSE_REASON, IGNORE)
"""All annotations that are read."""

NAME_PATTERN: Final = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
"""A DNS label."""

_FEW_NAMES = 8
_IGNORING = re.compile(r"[^/ ]+/[^ ]+ +\S.*|\* +\S.*")


@dataclass(frozen=True, slots=True, order=True)
class Read:
    """A file, and the field that names it."""

    file: str
    key: Key
    path: Path


@dataclass(frozen=True, slots=True)
class Loaded:
    """All that the documents declare, in the order of their keys, however they are spread over files.

    `reads` are the files whose texts compiling needs (`DocumentPath(read=True)`), `others` all other files that are named;
    sorted, with the field that names each.
    """

    resources: Mapping[Key, Resource[Any]]
    positions: Mapping[Key, Positions]
    warnings: tuple[LocatedProblem, ...] = ()
    reads: tuple[Read, ...] = ()
    others: tuple[Read, ...] = ()

    def located(self, key: Key, path: Path, message: str, *, warning: bool = False) -> LocatedProblem:
        """Return a problem at a field of a resource."""
        at = self.positions[key].of(path)
        return LocatedProblem(at.file, at.line, at.column, key, dotted(path), message, warning)


class MetadataModel(Spec):
    """What identifies a document, and what people hang on it."""

    name: str
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class HeadModel(Spec):
    """The four fields of each document; the spec is read by its kind."""

    api_version: str
    kind: str
    metadata: MetadataModel
    spec: dict[str, Any] = Field(default_factory=dict)


def load(texts: Mapping[str, str], kinds: Mapping[str, Kind[Any]], rules: Sequence[Rule]) -> Loaded:
    """Return the resources that the texts (file name to content) declare.

    File names are given as they shall be printed. Relative `DocumentPath`s are joined to the folder of their document.
    Raises InputError with all problems.
    """
    found = _Found()
    for file in sorted(texts):
        documents, problems = read_documents(file, texts[file])
        found.problems += problems
        found.nameless |= bool(problems)
        for document in documents:
            _read_document(document, kinds, found)
    for resource in _without_duplicates(found):
        _follow_marks(resource, found)
    if found.problems:
        raise InputError(found.problems)
    loaded = Loaded(
        resources={key: found.resources[key] for key in sorted(found.resources)},
        positions={key: found.positions[key] for key in sorted(found.resources)},
        reads=tuple(sorted(found.reads)),
        others=tuple(sorted(found.others)),
    )
    return replace(loaded, warnings=_keep_rules(loaded, rules))


def reconsidered(loaded: Loaded, resources: Mapping[Key, Resource[Any]], rules: Sequence[Rule]) -> Loaded:
    """Return what was loaded with these resources in place of its own. Raises InputError if they break a rule."""
    changed = replace(loaded, resources=resources)
    return replace(changed, warnings=_keep_rules(changed, rules))


@dataclass(slots=True)
class _Found:
    """What was read so far. `nameless` tells that some document could not be identified, so some names are unknown."""

    problems: list[LocatedProblem] = field(default_factory=list)
    resources: dict[Key, Resource[Any]] = field(default_factory=dict)
    declared: list[tuple[Key, Positions, Resource[Any] | None]] = field(default_factory=list)
    positions: dict[Key, Positions] = field(default_factory=dict)
    reads: set[Read] = field(default_factory=set)
    others: set[Read] = field(default_factory=set)
    nameless: bool = False

    def report(self, positions: Positions, key: Key | None, path: Path, message: str) -> None:
        at = positions.of(path)
        self.problems.append(LocatedProblem(at.file, at.line, at.column, key, dotted(path), message))


def _read_document(document: Document, kinds: Mapping[str, Kind[Any]], found: _Found) -> None:
    """Read one document as far as it goes; note its name even when other things are wrong with it."""
    key = _identity(document.value)
    found.problems += (replace(problem, key=key) for problem in document.problems)
    findings = list(_head_findings(document, kinds))
    kind = kinds.get(key.kind) if key else None
    spec: Any = None
    if kind is not None:
        outcome = validate(kind.spec, document.value.get("spec", {}), at=("spec",), plain=document.plain)
        if isinstance(outcome, tuple):
            findings += outcome
        else:
            spec = outcome
    for finding in dict.fromkeys(findings):
        found.report(document.positions, key, finding.path, finding.message)
    if key is None or kind is None:
        found.nameless = True
        return
    good = spec is not None and not findings
    found.declared.append((key, document.positions, _resource(key, document.value, spec) if good else None))


def _identity(value: Any) -> Key | None:
    """Return kind and name of a document if it has both, whatever else is wrong."""
    match value:
        case {"kind": str(kind), "metadata": {"name": str(name)}}:
            return Key(kind, name)
        case _:
            return None


def _head_findings(document: Document, kinds: Mapping[str, Kind[Any]]) -> Iterator[Finding]:
    value = document.value
    if not isinstance(value, dict):
        yield Finding((), "a document must be a mapping with apiVersion, kind, metadata and spec")
        return
    head = validate(HeadModel, value, plain=document.plain)
    if isinstance(head, tuple):
        yield from head
    version, kind = value.get("apiVersion"), value.get("kind")
    if isinstance(version, str) and version != API_VERSION:
        yield Finding(("apiVersion",), f"unknown apiVersion {quoted(version)} (write {API_VERSION})")
    if isinstance(kind, str) and kind not in kinds:
        yield Finding(("kind",), f"unknown kind {quoted(kind)} {hint(kind, kinds, 'kinds')}")
    if isinstance(head, HeadModel):
        yield from _metadata_findings(head.metadata)


def _metadata_findings(metadata: MetadataModel) -> Iterator[Finding]:
    if not re.fullmatch(NAME_PATTERN, metadata.name):
        wanted = "1 to 63 characters of a-z, 0-9 and -, a letter or digit first and last"
        yield Finding(("metadata", "name"), f"{quoted(metadata.name)} cannot be a name: {wanted}")
    for name, value in metadata.annotations.items():
        path = ("metadata", "annotations", name)
        if name == MANAGE and value not in MANAGE_WORDS:
            near = nearest(value, MANAGE_WORDS)
            meant = f" (did you mean {quoted(near)}?)" if near else ""
            yield Finding(path, f"must be {one_of(MANAGE_WORDS)}, not {quoted(value)}{meant}")
        for line in value.splitlines() if name == IGNORE else ():
            if line.strip() and not _IGNORING.fullmatch(line.strip()):
                example = "config_file//etc/nova/nova.conf [DEFAULT] debug"
                yield Finding(
                    path, f'{quoted(line.strip())} must be TYPE/NAME FIELD, "*" for anything, such as {quoted(example)}'
                )
        if name == PAUSE_REASON and metadata.annotations.get(MANAGE, "full") == "full":
            yield Finding(path, f"says why, and nothing is paused: add {MANAGE}: paused, or take this away")
        if name.startswith("bivisor/") and name not in ANNOTATIONS:
            yield Finding(path, f"unknown annotation {quoted(name)} {hint(name, ANNOTATIONS)}")


def _resource(key: Key, value: Mapping[str, Any], spec: Any) -> Resource[Any]:
    metadata = value["metadata"]
    labels, annotations = metadata.get("labels", {}), metadata.get("annotations", {})
    return Resource(key, Metadata(key.name, labels, annotations), spec)


def _without_duplicates(found: _Found) -> tuple[Resource[Any], ...]:
    """Note each identity once, report the others; return the good resources."""
    for key, positions, resource in found.declared:
        if key in found.positions:
            first = found.positions[key].of()
            found.report(positions, key, ("metadata", "name"), f"is declared twice (first at {first})")
            continue
        found.positions[key] = positions
        if resource is not None:
            found.resources[key] = resource
    return tuple(found.resources.values())


def _follow_marks(resource: Resource[Any], found: _Found) -> None:
    """Check where the fields of a resource point to, and make its file names independent of where it stands."""
    positions = found.positions[resource.key]
    folder = posixpath.dirname(positions.file)

    def handle(mark: Mark, text: str, path: Path) -> str:
        if isinstance(mark, DocumentPath):
            absolute = posixpath.normpath(posixpath.join(folder, text)) if text else text
            if absolute:
                (found.reads if mark.read else found.others).add(Read(absolute, resource.key, path))
            return absolute
        _check_reference(mark, text, path)
        return text

    def _check_reference(mark: Reference, name: str, path: Path) -> None:
        if Key(mark.kind, name) in found.positions or found.nameless:
            return
        known = [key.name for key in found.positions if key.kind == mark.kind]
        found.report(positions, resource.key, path, f"no {mark.kind} named {quoted(name)} {_known_names(name, known)}")

    spec = map_marked(resource.spec, handle, ("spec",))
    found.resources[resource.key] = replace(resource, spec=spec)


def _known_names(name: str, known: Sequence[str]) -> str:
    if not known:
        return "(none is declared)"
    return f"(known: {listed(known)})" if len(known) <= _FEW_NAMES else hint(name, known)


def _keep_rules(loaded: Loaded, rules: Iterable[Rule]) -> tuple[LocatedProblem, ...]:
    """Return the warnings of the rules. Raises InputError if there is more than warnings."""
    found = (problem for rule in rules for problem in rule(loaded.resources))
    problems = [loaded.located(one.key, one.path, one.message, warning=one.warning) for one in found]
    if not all(problem.warning for problem in problems):
        raise InputError(problems)
    return tuple(sorted(dict.fromkeys(problems), key=lambda problem: problem.order))
