"""A plan as a file: what it would do, and what that rests on.

`save` makes the file's content, `read` takes it back. Its parts are described where they are declared, in `PlanFile`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reconciler.core.diff import Unobserved
from reconciler.core.errors import PlanFileError
from reconciler.core.fields import map_marked
from reconciler.core.plan import PENDING, Verb
from reconciler.core.scope import rests_on
from reconciler.core.structured import plan_data
from resources.cloud import DocumentPath

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.compile import Catalog
    from reconciler.core.diff import Observed
    from reconciler.core.fields import Mark
    from reconciler.core.graph import Graph
    from reconciler.core.load import Loaded
    from reconciler.core.plan import Plan, Step
    from reconciler.core.seal import Seal
    from resources.contract import Address, Key, Unit

FORMAT: Final = "bivisor saved plan"
VERSION: Final = 1
"""The version of the file's shape; a program reads its own version only."""

_NOT_ONE = "is no saved plan"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Commit(_Part):
    """The git commit of the folder of the documents."""

    id: str = Field(description="The full hash of HEAD.")
    changed: tuple[str, ...] = Field(
        description="Files below the folder that were not committed as they stood; empty: it was clean."
    )


class SavedUnit(_Part):
    """A unit that the plan acts on, or that this rests on."""

    acts: bool = Field(description="Whether a step of the plan acts on it; if not, it has to be as declared for those that do.")
    declared: str = Field(description="Digest of all that is declared of it.")
    observed: dict[str, str] | None = Field(
        description="Digest of each declared field as it was seen, of what is to go of every field; null: it did not exist."
    )


class PlanFile(_Part):
    """The whole file. Every digest is keyed by all secrets together: 32 hexadecimal digits from which nothing is guessed."""

    format: Literal["bivisor saved plan"] = Field(description="What the file is.")
    version: Literal[1] = Field(description="The version of this shape.")
    engine: str = Field(description="The version of the program that made it; no other one carries it out.")
    made: str = Field(description="When the cloud had been looked at, in UTC (ISO 8601).")
    commit: Commit | None = Field(
        description="Of which commit the documents were; null outside of a git repository. Only told."
    )
    salt: str = Field(description="A random number that makes the digests of this file its own.")
    secrets: str = Field(description="A digest that is the same as long as the values of all Secrets are.")
    documents: dict[str, str] = Field(description="A digest of each document, by KIND/NAME.")
    aliases: dict[str, str] = Field(description="Present names of what was renamed since it was declared, by address.")
    plan: dict[str, Any] = Field(description="The plan as `plan --output json` prints it, secrets masked.")
    units: dict[str, SavedUnit] = Field(
        description="The units that the plan acts on, and those that this rests on, by address."
    )
    seal: str = Field(description="A digest of all of the above: a file that was edited no longer fits it.")


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved plan that was read, and the seal of its salt and the present secrets."""

    file: PlanFile
    seal: Seal


@dataclass(frozen=True, slots=True)
class Made:
    """What a plan was made with: engine version, when (ISO 8601), and the commit of the documents."""

    engine: str
    made: str
    commit: Commit | None


def touched(plan: Plan) -> dict[Address, Step]:
    """Return the steps that a saved plan carries out: those that are pending, and those that only wait for their turn."""
    found = (
        step for step in plan.steps if step.pending or (step.verb is Verb.HELD and step.later and step.intended in PENDING)
    )
    return {step.address: step for step in found}


def save(  # noqa: PLR0913 - all that a plan is bound to
    plan: Plan,
    loaded: Loaded,
    catalog: Catalog,
    graph: Graph,
    observed: Mapping[Address, Observed],
    *,
    aliases: Mapping[Address, str],
    made: Made,
    seal: Seal,
) -> dict[str, Any]:
    """Return the file's content as JSON data."""
    steps = touched(plan)
    still = {step.address for step in plan.steps if step.verb is Verb.NOTHING}
    units = [*steps, *(address for address in sorted(rests_on(steps, catalog, graph)) if address in still)]
    content = {
        "format": FORMAT,
        "version": VERSION,
        "engine": made.engine,
        "made": made.made,
        "commit": made.commit.model_dump(mode="json") if made.commit else None,
        "salt": seal.salt,
        "secrets": seal.secrets(),
        "documents": document_digests(loaded, seal),
        "aliases": {str(address): name for address, name in aliases.items()},
        "plan": plan_data(plan),
        "units": {
            str(address): {
                "acts": address in steps,
                "declared": seal.unit(catalog.units[address]),
                "observed": observed_digests(catalog.units[address], observed[address], seal),
            }
            for address in units
        },
    }
    return {**content, "seal": seal.digest("all", content)}


def read(name: str, text: str) -> PlanFile:
    """Return the content of the file of that name. Raises PlanFileError."""
    try:
        data = json.loads(text)
    except ValueError:
        raise PlanFileError(f"{name}: {_NOT_ONE}: no JSON; make one with: bivisor plan --out FILE") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise PlanFileError(f"{name}: {_NOT_ONE}; make one with: bivisor plan --out FILE")
    if data.get("version") != VERSION:
        raise PlanFileError(
            f"{name}: a saved plan of version {data.get('version')}; this program reads version {VERSION}: plan again with it"
        )
    try:
        return PlanFile.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise PlanFileError(f"{name}: a damaged saved plan: {where}: {first['msg']}; plan again") from None


def sealed(saved: Saved) -> bool:
    """Tell whether the content is what was saved."""
    return saved.file.seal == saved.seal.digest("all", saved.file.model_dump(mode="json", exclude={"seal"}))


def document_digests(loaded: Loaded, seal: Seal) -> dict[str, str]:
    """Return a digest of each document; where it stands, and in which folder all of them stand, does not matter."""
    return {str(key): _document(key, loaded, seal) for key in loaded.resources}


def _document(key: Key, loaded: Loaded, seal: Seal) -> str:
    resource = loaded.resources[key]
    above = loaded.positions[key].file.rpartition("/")[0]

    def from_here(mark: Mark, text: str, _: tuple[str | int, ...]) -> str:
        return _relative(text, above) if isinstance(mark, DocumentPath) and text else text

    spec = map_marked(resource.spec, from_here, ("spec",)).model_dump(mode="json")
    about = resource.metadata
    return seal.digest(f"document {key}", [spec, dict(about.labels), dict(about.annotations)])


def _relative(path: str, folder: str) -> str:
    """Return the path as seen from the folder; another checkout of the same documents declares the same."""
    here, there = (text.split("/") for text in (folder, path))
    same = 0
    while same < min(len(here), len(there)) and here[same] == there[same]:
        same += 1
    return "/".join([".."] * len([part for part in here[same:] if part]) + there[same:])


def observed_digests(unit: Unit, seen: Observed, seal: Seal) -> dict[str, str] | None:
    """Return a digest of each declared field that was seen; None for what did not exist.

    What else is there is somebody else's, and may move. Of what is to go all counts, but for the unit's own use.
    """
    if isinstance(seen, Unobserved):
        raise TypeError(f"{unit.address} is unknown, and no plan rests on that")
    if seen is None:
        return None
    counting = seen if unit.desired is None else unit.desired
    return {
        name: seal.fact(str(unit.address), name, value)
        for name, value in seen.items()
        if name in counting and not name.startswith("@")
    }
