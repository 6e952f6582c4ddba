"""Resources become units: what each kind says, merged where several documents own parts of one thing.

Kinds first publish what others look up, then compile. Fragments with one address merge; where they disagree, someone
has to change a document. At the end every unit knows the digests of what it loads and the processes that read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from reconciler.core.errors import DisagreementError, InputError
from reconciler.core.ignore import Ignored, idle, ignored_by
from reconciler.core.load import IGNORE
from reconciler.core.merge import Fragment, merge
from reconciler.core.wording import quoted
from resources.cloud import Cloud, Compiled, SecretError, SecretRef, UnfitReleaseError
from resources.published import RolloutFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from reconciler.core.documents import Path, Positions
    from reconciler.core.errors import LocatedProblem
    from reconciler.core.load import Loaded
    from reconciler.core.merge import Disagreement
    from resources.claims import Claim
    from resources.cloud import Kind, Resource, Secrets
    from resources.contract import Address, Key, Need, TargetId, Unit
    from resources.endpoints import Endpoint

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Former:
    """What is ours and declared no more.

    `units`    take it away.
    `without`  are declared units, each with a claim of the fields that must go from it.
    `after`    is what declared units need besides: the end of what stood in their place.
    `held`     says why something stays for the time being.
    `doubtful` says of what may still keep something, which nobody can count, why a person has to agree before it goes.
    `unaware`  are processes that have loaded what goes, and that nobody restarts or ends.
    `claims`   are all that is ours, declared or not.
    `forgotten` is what hosts have to forget because it is ours no more: claims by the address of the host's inventory.
    """

    units: Mapping[Address, Unit] = field(default_factory=dict)
    without: Mapping[Address, Claim] = field(default_factory=dict)
    after: Mapping[Address, tuple[Need, ...]] = field(default_factory=dict)
    held: Mapping[Address, str] = field(default_factory=dict)
    doubtful: Mapping[Address, str] = field(default_factory=dict)
    unaware: Mapping[Address, tuple[str, ...]] = field(default_factory=dict)
    claims: Mapping[Address, Claim] = field(default_factory=dict)
    forgotten: Mapping[Address, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that is declared, in the form that observing and planning work with; units sorted by address.

    `ignored` is what documents leave to others, and `warnings` tell what of that is nothing; `former` what is ours and
    declared no more, once the hosts have told what they remember. `owners` says which resource describes a target.
    """

    units: Mapping[Address, Unit]
    endpoints: Mapping[TargetId, Endpoint]
    resources: Mapping[Key, Resource[Any]]
    positions: Mapping[Key, Positions]
    rollouts: tuple[RolloutFacts, ...] = ()
    ignored: Ignored = field(default_factory=lambda: Ignored({}))
    warnings: tuple[LocatedProblem, ...] = ()
    former: Former = field(default_factory=Former)
    owners: Mapping[TargetId, Key] = field(default_factory=dict)

    @property
    def max_unavailable(self) -> int:
        """Return how many services may be down at once: of several Clusters the most careful one counts."""
        return min((rollout.max_unavailable for rollout in self.rollouts), default=1)

    @property
    def failure_budget(self) -> int:
        """Return how many services may not come through their restart before no other is interrupted; likewise."""
        return min((rollout.failure_budget for rollout in self.rollouts), default=1)

    @property
    def canary(self) -> int:
        """Return how many of the services that restart alike go first; likewise."""
        return max((rollout.canary for rollout in self.rollouts), default=0)


def compile_units(
    loaded: Loaded,
    kinds: Mapping[str, Kind[Any]],
    secrets: Secrets | None,
    files: Mapping[str, str] | None,
    aliases: Mapping[Address, str] | None = None,
) -> Catalog:
    """Return the catalogue of all units and endpoints.

    `secrets` by Secret name, `files` by the `file` of `loaded.reads`; None means "not resolved" (validate, graph).
    `aliases` are present names, by the address of the unit whose thing was renamed.
    Raises InputError (a secret without the key that is asked for, something the release does not have, a need for
    something nobody declares) and its DisagreementError.
    """
    published = _publish(loaded, kinds, Cloud((), secrets, files, aliases))
    compiled = _compile(loaded, kinds, Cloud(published, secrets, files, aliases))
    ignored = ignored_by(loaded.resources)
    merged = _merge(compiled, loaded)
    units = ignored.left_out(merged)
    _refuse_dangling(units, loaded)
    endpoints = _endpoints(compiled, loaded)
    return Catalog(
        units=introduce(units),
        endpoints={target: endpoint for target, (endpoint, _) in endpoints.items()},
        owners={target: owner for target, (_, owner) in endpoints.items()},
        resources=loaded.resources,
        positions=loaded.positions,
        ignored=ignored,
        warnings=tuple(_idle(key, line, loaded) for key, line in idle(loaded.resources, merged)),
        rollouts=tuple(sorted((item for item in published if isinstance(item, RolloutFacts)), key=lambda item: item.name)),
    )


def _publish(loaded: Loaded, kinds: Mapping[str, Kind[Any]], cloud: Cloud) -> tuple[object, ...]:
    found = _for_each(loaded, lambda resource: tuple(kinds[resource.key.kind].publish(resource, cloud)))
    return tuple(item for items in found.values() for item in items)


def _compile(loaded: Loaded, kinds: Mapping[str, Kind[Any]], cloud: Cloud) -> Mapping[Key, Compiled]:
    return _for_each(loaded, lambda resource: kinds[resource.key.kind].compile(resource, cloud))


def _for_each(loaded: Loaded, step: Callable[[Resource[Any]], T]) -> Mapping[Key, T]:
    """Return what the step says of each resource. Raises InputError with all that a secret or the release does not allow."""
    found: dict[Key, T] = {}
    problems = []
    for key, resource in loaded.resources.items():
        try:
            found[key] = step(resource)
        except SecretError as error:
            path = next(_references(resource.spec, error, ("spec",)), ())
            problems.append(loaded.located(key, path, str(error)))
        except UnfitReleaseError as error:
            problems += [loaded.located(key, ("spec",), reason) for reason in error.reasons]
    if problems:
        raise InputError(problems)
    return found


def _references(value: Any, error: SecretError, path: Path) -> Iterator[Path]:
    """Yield the paths of the references to the secret's key that is missing or unfit."""
    match value:
        case SecretRef():
            if value.secret == error.secret and value.key in {None, error.key}:
                yield path
        case BaseModel():
            for name, info in type(value).model_fields.items():
                yield from _references(getattr(value, name), error, (*path, info.alias or name))
        case dict():
            for name, item in value.items():
                yield from _references(item, error, (*path, str(name)))
        case tuple() | list():
            for index, item in enumerate(value):
                yield from _references(item, error, (*path, index))
        case _:
            return


def _merge(compiled: Mapping[Key, Compiled], loaded: Loaded) -> Mapping[Address, Unit]:
    """Return the merged units sorted by address. Raises DisagreementError with all disagreements."""
    fragments: dict[Address, list[Fragment]] = {}
    for owner, one in compiled.items():
        for unit in one.units:
            fragments.setdefault(unit.address, []).append(Fragment(owner, unit))
    units, problems = {}, []
    for address in sorted(fragments, key=order_of):
        units[address], disagreements = merge(fragments[address])
        problems += [_located(address, one, loaded) for one in disagreements]
    if problems:
        raise DisagreementError(problems)
    return units


def _idle(key: Key, line: str, loaded: Loaded) -> LocatedProblem:
    message = f"{quoted(line)} fits nothing that this document declares and could leave to others: write it as plan shows it"
    return loaded.located(key, ("metadata", "annotations", IGNORE), message, warning=True)


def _located(address: Address, one: Disagreement, loaded: Loaded) -> LocatedProblem:
    what = f"{one.what} of {address}" if one.what else str(address)
    sides = (
        f"{value} by {owner} ({loaded.positions[owner].of()})"
        for owner, value in ((one.first, one.first_value), (one.second, one.second_value))
    )
    return loaded.located(one.second, (), f"{what} is {' and '.join(sides)}: one of them must go")


def _refuse_dangling(units: Mapping[Address, Unit], loaded: Loaded) -> None:
    """Raise InputError if a unit needs or loads something that no document declares."""
    problems = []
    for address, unit in units.items():
        wanted = [(need.address, f"needs {need.address} ({need.reason})") for need in unit.needs]
        wanted += [(loads, f"loads {loads}") for loads in unit.loads]
        problems += [
            loaded.located(unit.origins[0], (), f"{address} {words}, which no document declares")
            for other, words in wanted
            if other not in units
        ]
    if problems:
        raise InputError(problems)


def introduce(units: Mapping[Address, Unit]) -> Mapping[Address, Unit]:
    """Return the units knowing the digests of what they load, and the processes that read them."""
    processes: dict[Address, dict[str, None]] = {}
    known = dict(units)
    for address, unit in units.items():
        if not unit.loads:
            continue
        known[address] = unit.loading({loads: units[loads].digest() for loads in unit.loads})
        process = unit.process()
        for loads in unit.loads if process else ():
            if loads.target == address.target or loads.target.kind != address.target.kind:
                processes.setdefault(loads, {})[process] = None
    for address, names in processes.items():
        known[address] = known[address].read_by(tuple(sorted(names)))
    return known


def _endpoints(compiled: Mapping[Key, Compiled], loaded: Loaded) -> Mapping[TargetId, tuple[Endpoint, Key]]:
    """Return endpoints and their owners by target. Raises DisagreementError if one target is to be reached in two ways."""
    found: dict[TargetId, tuple[Endpoint, Key]] = {}
    problems = []
    for key, one in compiled.items():
        for endpoint in one.endpoints:
            first, owner = found.setdefault(endpoint.target, (endpoint, key))
            if first != endpoint:
                places = [f"{who} ({loaded.positions[who].of()})" for who in (owner, key)]
                message = (
                    f"{endpoint.target} is reached in one way by {places[0]} and in another by {places[1]}: one of them must go"
                )
                problems.append(loaded.located(key, (), message))
    if problems:
        raise DisagreementError(problems)
    return {target: found[target] for target in sorted(found)}


def order_of(address: Address) -> tuple[str, str, str, str]:
    """Return what addresses are sorted by, in their own order; comparing plain texts is much faster."""
    return (address.target.kind, address.target.name, address.type, address.name)
