"""Write what was drafted of a running cloud: never over anything, secrets apart, and all of it or nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.errors import BivisorError
from resources.adoption.draft import secret_file, unknown_secrets
from resources.adoption.text import secret_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from resources.adoption.draft import Draft

SECRETS = "secrets"
ALWAYS = "keystone-admin.yaml"
"""A secret that every cloud has: where it is, a cloud was adopted before."""

_GITIGNORE = "# what is in here belongs into no history\n*\n"


class AdoptError(BivisorError):
    """Nothing was written, and why."""


@dataclass(frozen=True, slots=True)
class Drafted:
    """The draft, its texts by file name, and why its settings are not all there, or ''."""

    draft: Draft
    texts: Mapping[str, str]
    problem: str = ""


def refuse_taken(folder: Path) -> None:
    """Raise AdoptError where documents or their secrets are already: before anybody is asked."""
    if folder.exists() and (not folder.is_dir() or any(folder.rglob("*.y*ml"))):
        raise AdoptError(f"{folder} holds documents already, and nothing is overwritten: name another folder with --out DIR")
    beside = secrets_folder(folder)
    if (beside / ALWAYS).exists():
        raise AdoptError(
            f"{beside} holds the secrets of a cloud already, and nothing is overwritten. Secrets stand beside the folder of "
            "the documents: name one that is elsewhere with --out OTHER/desired"
        )


def secrets_folder(folder: Path) -> Path:
    """Return where the secrets of a folder's documents are: beside it, whatever it is called on the command line."""
    return (folder if folder.name not in {"", ".."} else folder.resolve()).parent / SECRETS


def write(done: Drafted, folder: Path) -> list[Path]:
    """Write documents, secrets (0600) and what they name; return the paths. Raises AdoptError; then nothing was written."""
    beside = secrets_folder(folder)
    documents = {folder / name: text for name, text in done.texts.items()}
    hidden = {
        beside / secret_file(name, value): secret_text(value)
        for name, value in done.draft.secrets.items()
        if name not in unknown_secrets(done.draft)
    }
    hidden |= {beside / name: text for name, text in done.draft.files.items() if text}
    taken = sorted(str(path) for path in (*documents, *hidden) if path.exists() or path.is_symlink())
    if taken:
        raise AdoptError(f"nothing is overwritten, and these files are there: {', '.join(taken)}")
    ignored = {} if (beside / ".gitignore").exists() else {beside / ".gitignore": _GITIGNORE}
    begun: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside.mkdir(mode=0o700, exist_ok=True)
        for path, text in {**ignored, **hidden, **documents}.items():
            _put(path, text, 0o644 if path in documents else 0o600)
            begun.append(path)
    except OSError as error:
        for path in begun:
            path.unlink(missing_ok=True)
        raise AdoptError(f"nothing was written: {error.filename or folder}: {error.strerror}") from error
    return [*documents, *hidden]


def unwritten(done: Drafted, folder: Path) -> list[Path]:
    """Return the files that documents name and whose content nobody said."""
    beside = secrets_folder(folder)
    values = [secret_file(name, done.draft.secrets[name]) for name in unknown_secrets(done.draft)]
    return [beside / name for name in (*values, *(name for name, text in done.draft.files.items() if not text))]


def _put(path: Path, text: str, mode: int) -> None:
    """Make a file that is not there yet, with that mode from the beginning; whole, or not at all. Raises OSError."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with open(number, "wb") as file:  # noqa: PTH123 - see above
            file.write(text.encode("utf-8", "surrogateescape"))
    except OSError:
        path.unlink()
        raise
