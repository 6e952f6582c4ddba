"""Saved plans on disk, and on the clock: written whole and for their owner alone, carried out only while they fit.

What is checked before anything is asked of the world stands in `fitting`, in the order in which it makes sense to a person.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.commit import commit_of
from reconciler.core.errors import PlanFileError, StalePlanError
from reconciler.core.saved import Made, PlanFile, Saved, read, save, sealed
from reconciler.core.seal import SALT_BYTES, Seal
from reconciler.core.stale import aliases_of, changed_documents, changed_units, scope_of

if TYPE_CHECKING:
    from reconciler.core.scope import Scope
    from reconciler.desired import Desired
    from reconciler.reconcile import Look

CLOCKS = timedelta(minutes=5)
"""By so much the clocks of two machines may differ."""


async def write_plan(path: Path, folder: Path, desired: Desired, look: Look) -> None:
    """Save what a look found to be done. Raises PlanFileError when the file cannot be written."""
    place = place_of(path)
    made = Made(version("bivisor"), now().isoformat(timespec="seconds"), await commit_of(folder))
    content = save(
        look.plan,
        desired.loaded,
        desired.catalog,
        desired.graph,
        look.observed,
        aliases=desired.aliases,
        made=made,
        seal=Seal.of(secrets.token_hex(SALT_BYTES), desired.secrets),
    )
    _replace(place, json.dumps(content, indent=2) + "\n")


def place_of(path: Path) -> Path:
    """Return where the file of that name stands or would stand, links followed. Raises PlanFileError where none can be written.

    A device or a pipe is refused: the file is put in the place of what was there.
    """
    try:
        place = path.resolve()
        if not path.name or (path.exists() and not path.is_file()):
            why = "a saved plan is a file, and this is none"
        elif not place.parent.is_dir():
            why = f"there is no folder {place.parent}"
        elif not os.access(place.parent, os.W_OK | os.X_OK):
            why = f"nothing can be written into {place.parent}"
        else:
            return place
    except (OSError, RuntimeError) as error:  # a loop of links, or a folder on the way that may not be entered
        why = getattr(error, "strerror", None) or "links lead in a circle"
    raise PlanFileError(f"{path}: cannot be written: {why}")


def read_plan(path: Path) -> PlanFile:
    """Return the saved plan. Raises PlanFileError."""
    try:
        return read(str(path), path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlanFileError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise PlanFileError(f"{path}: is no saved plan: no text; make one with: bivisor plan --out FILE") from None


def command(name: str, option: str, path: Path, folder: Path) -> str:
    """Return `bivisor NAME OPTION PATH` as it is typed into a shell, for the documents in that folder."""
    elsewhere = () if folder == Path("desired") else ("--desired", str(folder))
    return shlex.join(("bivisor", name, option, str(path), *elsewhere))


def fitting(path: Path, file: PlanFile, desired: Desired, max_age: timedelta, again: str) -> tuple[Saved, Desired]:
    """Return the plan, and what is declared as it was followed then. `again` says how to plan again.

    Raises StalePlanError when the documents, a secret, the program or the time is another one, and PlanFileError when the
    file was edited.
    """
    try:
        saved = Saved(file, Seal.of(file.salt, desired.secrets))
    except ValueError:
        raise PlanFileError(f"{path}: a damaged saved plan: its salt is none. {again}") from None
    engine = version("bivisor")
    if file.engine != engine:
        raise StalePlanError(f"{path}: made by bivisor {file.engine}, and this is {engine}", again)
    if file.secrets != saved.seal.secrets():
        message = "a Secret has another value than when the plan was made (the file holds nothing that tells which)"
        raise StalePlanError(f"{path}: {message}", again)
    if not sealed(saved):
        raise PlanFileError(f"{path}: was edited after it was made; nothing of it is carried out. {again}")
    _young_enough(path, file, max_age, again)
    followed = desired.following(aliases_of(saved)) if file.aliases else desired
    if lines := changed_documents(saved, followed.loaded):
        raise StalePlanError(f"{path}: the documents are not those that it was made of; nothing was changed", again, lines)
    return saved, followed


def reach(path: Path, saved: Saved, desired: Desired, again: str) -> Scope:
    """Return the scope of what may be done. Raises StalePlanError when a unit of the plan means something else now."""
    if lines := changed_units(saved, desired.catalog):
        raise StalePlanError(f"{path}: what it was made of means something else now; nothing was changed", again, lines)
    return scope_of(saved, desired.catalog)


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


def _young_enough(path: Path, file: PlanFile, max_age: timedelta, again: str) -> None:
    age = now() - datetime.fromisoformat(file.made)
    if age > max_age:
        raise StalePlanError(f"{path}: made {file.made}, longer ago than --max-age allows ({_words(max_age)})", again)
    if age < -CLOCKS:
        raise StalePlanError(f"{path}: made {file.made}, which is still to come: the clocks of two machines differ", again)


def _words(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    unit, length = next(
        ((unit, length) for unit, length in (("h", 3600), ("m", 60)) if seconds and seconds % length == 0), ("s", 1)
    )
    return f"{seconds // length}{unit}"


def _replace(path: Path, text: str) -> None:
    """Write the file whole, with mode 0600. Raises PlanFileError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with suppress(FileNotFoundError):
            beside.unlink()
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise PlanFileError(f"{path}: cannot be written: {error.strerror}") from None
