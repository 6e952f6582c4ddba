"""Compare two declarations without asking a host: two revisions of the desired folder, or one and the folder as it is.

No network and no secret is needed: secrets stand as the references that they are, and so do files that one side lacks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from reconciler.core.compare import compare, compare_documents
from reconciler.core.compile import compile_units
from reconciler.core.errors import InputError
from reconciler.core.graph import build_graph
from reconciler.core.load import load
from reconciler.core.report import Report
from reconciler.desired import load_folder, load_texts
from reconciler.revisions import RevisionError, find_revision
from resources.kinds.registry import KINDS
from resources.rules.registry import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.core.compile import Catalog
    from reconciler.core.load import Loaded
    from reconciler.revisions import Revision

T = TypeVar("T")

NOTE = (
    "No host was asked: these are the steps for a cloud that is as the older one declares it. Secrets stand as references. "
    "What leaves is declared no more: what becomes of it tells a plan that looks."
)

SHORT = 10
"""As many characters of a commit's hash are shown."""


@dataclass(frozen=True, slots=True)
class _Side:
    """One declaration: its name for people, and the revision that it is from, or None for the folder as it is."""

    name: str
    loaded: Loaded
    revision: Revision | None = None

    def file(self, path: str) -> str | None:
        """Return the text of a file that a document names, or None where this side does not have it."""
        if self.revision is not None:
            return self.revision.file(path)
        try:
            return Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None


def compare_declarations(folder: Path, before: str, after: str | None = None) -> tuple[Report, Loaded]:
    """Return what changes from one revision of the folder to another one, or to the folder as it is; and what that declares.

    Raises RevisionError, InputError with places in the revision (`main:desired/zones.yaml:14:5`), and CycleError.
    """
    old = _side(folder, before, newer=False)
    new = _Side(str(folder), load_folder(folder)) if after is None else _side(folder, after)
    was, now = (_catalog(side, files) for side, files in zip((old, new), _files(old, new), strict=True))
    plan = compare(was, now, build_graph(now.units))
    report = Report(
        plan,
        compared=(new.name, old.name),
        note=NOTE,
        at_once=now.max_unavailable,
        documents=compare_documents(old.loaded.resources, new.loaded.resources),
    )
    return report, replace(new.loaded, warnings=(*new.loaded.warnings, *now.warnings))


def _side(folder: Path, name: str, *, newer: bool = True) -> _Side:
    """Return what a revision declares. An older one from before the folder declares nothing; a newer one may not."""
    revision = find_revision(folder, name)
    texts = revision.texts()
    if newer and not texts:
        raise RevisionError(f"{name} has no .yaml file below {folder}: there is nothing to compare with")
    shown = name if revision.commit.startswith(name) else f"{name} ({revision.commit[:SHORT]})"
    read = load_texts if texts else lambda *_: load({}, KINDS, RULES)
    return _Side(shown, _placed(revision, lambda: read(texts, folder)), revision)


def _catalog(side: _Side, files: Mapping[str, str]) -> Catalog:
    return _placed(side.revision, lambda: compile_units(side.loaded, KINDS, None, files))


def _placed(revision: Revision | None, work: Callable[[], T]) -> T:
    """Return what the work gives. Raises its InputError with places in the revision."""
    try:
        return work()
    except InputError as error:
        if revision is None:
            raise
        raise type(error)(map(revision.located, error.problems)) from None


def _files(*sides: _Side) -> tuple[Mapping[str, str], ...]:
    """Return the texts of the files that compiling reads, for each side; where one lacks a file, its name stands for both."""
    read = [{each.file: side.file(each.file) for each in side.loaded.reads} for side in sides]
    lacking = {name for texts in read for name, text in texts.items() if text is None}
    return tuple(
        {name: f"unresolved {name}" if name in lacking or text is None else text for name, text in texts.items()}
        for texts in read
    )
