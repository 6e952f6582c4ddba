"""Resources become units: what each kind says, merged where several documents own parts of one thing.

Kinds first publish what others look up, then compile. Fragments with one address merge; where they disagree, someone
has to change a document. At the end every unit knows the digests of what it loads and the processes that read it.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from reconciler.core.errors import DisagreementError, InputError, LocatedProblem
from reconciler.core.wording import dotted, quoted
from resources.cloud import Cloud, Compiled, MissingSecretError, RolloutFacts, SecretRef
from resources.contract import MASK, SecretText

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from reconciler.core.documents import Path, Positions
    from reconciler.core.load import Loaded
    from resources.cloud import Kind, Resource, Secrets
    from resources.contract import Address, Facts, Key, TargetId, Unit, Value
    from resources.endpoints import Endpoint

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that is declared, in the form that observing and planning work with; units sorted by address."""

    units: Mapping[Address, Unit]
    endpoints: Mapping[TargetId, Endpoint]
    resources: Mapping[Key, Resource[Any]]
    positions: Mapping[Key, Positions]
    rollouts: tuple[RolloutFacts, ...] = ()


def compile_units(
    loaded: Loaded, kinds: Mapping[str, Kind[Any]], secrets: Secrets | None, files: Mapping[str, str] | None
) -> Catalog:
    """Return the catalogue of all units and endpoints.

    `secrets` by Secret name, `files` by the names in `loaded.reads`; None means "not resolved" (validate, graph).
    Raises InputError (a secret without the key that is asked for, a need for something nobody declares) and its
    DisagreementError.
    """
    published = _publish(loaded, kinds, Cloud((), secrets, files))
    compiled = _compile(loaded, kinds, Cloud(published, secrets, files))
    units = _Merge(loaded).units(compiled)
    _refuse_dangling(units, loaded)
    return Catalog(
        units=_introduce(units),
        endpoints=_endpoints(compiled, loaded),
        resources=loaded.resources,
        positions=loaded.positions,
        rollouts=tuple(sorted((item for item in published if isinstance(item, RolloutFacts)), key=lambda item: item.name)),
    )


def _publish(loaded: Loaded, kinds: Mapping[str, Kind[Any]], cloud: Cloud) -> tuple[object, ...]:
    found = _for_each(loaded, lambda resource: tuple(kinds[resource.key.kind].publish(resource, cloud)))
    return tuple(item for items in found.values() for item in items)


def _compile(loaded: Loaded, kinds: Mapping[str, Kind[Any]], cloud: Cloud) -> Mapping[Key, Compiled]:
    return _for_each(loaded, lambda resource: kinds[resource.key.kind].compile(resource, cloud))


def _for_each(loaded: Loaded, step: Callable[[Resource[Any]], T]) -> Mapping[Key, T]:
    """Return what the step says of each resource. Raises InputError with all secrets' keys that are missing."""
    found: dict[Key, T] = {}
    problems = []
    for key, resource in loaded.resources.items():
        try:
            found[key] = step(resource)
        except MissingSecretError as error:
            path = next(_references(resource.spec, error, ("spec",)), ())
            problems.append(_problem(loaded, key, str(error), path))
    if problems:
        raise InputError(problems)
    return found


def _references(value: Any, error: MissingSecretError, path: Path) -> Iterator[Path]:
    """Yield the paths of the references to the secret's key that is missing."""
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


def _problem(loaded: Loaded, key: Key, message: str, path: Path = ()) -> LocatedProblem:
    at = loaded.positions[key].of(path)
    return LocatedProblem(at.file, at.line, at.column, key, dotted(path), message)


class _Merge:
    """Joins the fragments of each unit, and remembers who declared which field to name them where they disagree."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._units: dict[Address, Unit] = {}
        self._declared: dict[tuple[Address, str], Key] = {}
        self._problems: list[LocatedProblem] = []
        self._own: dict[type[Unit], Mapping[str, Any]] = {}

    def units(self, compiled: Mapping[Key, Compiled]) -> Mapping[Address, Unit]:
        """Return the merged units sorted by address. Raises DisagreementError with all disagreements."""
        for key, one in compiled.items():
            for unit in one.units:
                fragment = unit if key in unit.origins else replace(unit, origins=(*unit.origins, key))
                first = self._units.get(unit.address)
                self._units[unit.address] = self._join(first, fragment, key) if first else fragment
                for name in ("", *self._own_fields(unit), *(unit.desired or {})):
                    self._declared.setdefault((unit.address, name), key)
        if self._problems:
            raise DisagreementError(self._problems)
        return dict(sorted(self._units.items(), key=lambda item: _order(item[0])))

    def _join(self, first: Unit, second: Unit, key: Key) -> Unit:
        """Return both fragments as one unit; what they disagree about is noted, and the first one's stands."""
        if type(first) is not type(second):
            self._disagree(first.address, "", f"a {type(first).__name__}", f"a {type(second).__name__}", key)
            return first
        own = {name: self._join_own(first, second, name, key) for name in self._own_fields(second)}
        return replace(
            first,
            desired=self._join_desired(first, second, key),
            needs=tuple(dict.fromkeys(first.needs + second.needs)),
            loads=tuple(dict.fromkeys(first.loads + second.loads)),
            origins=tuple(dict.fromkeys(first.origins + second.origins)),
            settle_s=max(first.settle_s, second.settle_s),
            **own,
        )

    def _join_desired(self, first: Unit, second: Unit, key: Key) -> Facts | None:
        mine, other = first.desired, second.desired
        if mine is None or other is None:
            if mine is not other:
                words = ["absent" if facts is None else "present" for facts in (mine, other)]
                self._disagree(first.address, "", words[0], words[1], key)
            return mine
        for name in mine.keys() & other.keys():
            if mine[name] != other[name]:
                self._disagree(first.address, name, _shown(mine[name]), _shown(other[name]), key)
        return {**mine, **other}

    def _join_own(self, first: Unit, second: Unit, name: str, key: Key) -> Any:
        """Return the value of a field that only this type of unit has: the one that says something, mappings merged."""
        mine, other = getattr(first, name), getattr(second, name)
        default = self._own_fields(first)[name]
        if other in (mine, default):
            return mine
        if mine == default:
            return other
        if (
            isinstance(mine, dict)
            and isinstance(other, dict)
            and all(mine[at] == other[at] for at in mine.keys() & other.keys())
        ):
            return {**other, **mine}
        self._disagree(first.address, name, _shown(mine), _shown(other), key)
        return mine

    def _own_fields(self, unit: Unit) -> Mapping[str, Any]:
        if type(unit) not in self._own:
            self._own[type(unit)] = _own_fields(type(unit))
        return self._own[type(unit)]

    def _disagree(self, address: Address, name: str, mine: str, other: str, key: Key) -> None:
        first = self._declared[(address, name)] if (address, name) in self._declared else self._declared[(address, "")]
        what = f"{name} of {address}" if name else str(address)
        message = f"{what} is {mine} by {self._named(first)} and {other} by {self._named(key)}: one of them must go"
        self._problems.append(_problem(self._loaded, key, message))

    def _named(self, key: Key) -> str:
        return f"{key} ({self._loaded.positions[key].of()})"


_COMMON = frozenset({"address", "desired", "needs", "loads", "origins", "settle_s"})


def _own_fields(unit: type[Unit]) -> Mapping[str, Any]:
    """Return the fields that only this type of unit has, with their defaults."""
    return {
        one.name: one.default_factory() if one.default_factory is not MISSING else one.default
        for one in fields(unit)
        if one.name not in _COMMON
    }


def _shown(value: Value | object) -> str:
    match value:
        case SecretText():
            return MASK
        case str():
            return quoted(value)
        case None:
            return "absent"
        case bool():
            return "true" if value else "false"
        case tuple():
            return f"[{', '.join(map(_shown, value))}]"
        case _:
            return str(value)


def _refuse_dangling(units: Mapping[Address, Unit], loaded: Loaded) -> None:
    """Raise InputError if a unit needs or loads something that no document declares."""
    problems = []
    for address, unit in units.items():
        wanted = [(need.address, f"needs {need.address} ({need.reason})") for need in unit.needs]
        wanted += [(loads, f"loads {loads}") for loads in unit.loads]
        problems += [
            _problem(loaded, unit.origins[0], f"{address} {words}, which no document declares")
            for other, words in wanted
            if other not in units
        ]
    if problems:
        raise InputError(problems)


def _introduce(units: Mapping[Address, Unit]) -> Mapping[Address, Unit]:
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


def _endpoints(compiled: Mapping[Key, Compiled], loaded: Loaded) -> Mapping[TargetId, Endpoint]:
    """Return the endpoints by target. Raises DisagreementError if one target is to be reached in two ways."""
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
                problems.append(_problem(loaded, key, message))
    if problems:
        raise DisagreementError(problems)
    return {target: found[target][0] for target in sorted(found)}


def _order(address: Address) -> tuple[str, str, str, str]:
    """Return what addresses are sorted by, in their own order; comparing plain texts is much faster."""
    return (address.target.kind, address.target.name, address.type, address.name)
