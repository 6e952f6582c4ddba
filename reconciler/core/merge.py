"""Several documents own parts of one thing: their fragments become one unit, or disagreements that name both documents."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from reconciler.core.wording import quoted
from resources.contract import MASK, SecretText

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from resources.contract import Facts, Key, Unit


@dataclass(frozen=True, slots=True)
class Fragment:
    """What one resource says of a unit."""

    owner: Key
    unit: Unit


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two resources give a field two values; `what` names the field (empty: the whole unit). Secrets are masked."""

    what: str
    first: Key
    first_value: str
    second: Key
    second_value: str


_COMMON = frozenset({"address", "desired", "needs", "loads", "origins", "settle_s", "steady_s"})


def merge(fragments: Sequence[Fragment]) -> tuple[Unit, tuple[Disagreement, ...]]:
    """Return the fragments of one address as one unit, and what they disagree about; there the first one's word stands.

    Desired fields, needs, loads and origins are united; of fields that only this type of unit has, the word of those
    counts that do not leave it at its default.
    """
    first = fragments[0].unit
    if len(fragments) == 1:
        owners = (*first.origins, fragments[0].owner)
        return first if fragments[0].owner in first.origins else replace(first, origins=owners), ()
    types = [(fragment.owner, f"a {type(fragment.unit).__name__}") for fragment in fragments]
    problems = list(_compared("", types))
    if problems:
        return first, tuple(problems)
    own: dict[str, Any] = {}
    for name, default in _own_fields(type(first)).items():
        said = [(fragment.owner, getattr(fragment.unit, name)) for fragment in fragments]
        said = [(owner, value) for owner, value in said if value != default]
        problems += _compared(name, said)
        if said:
            own[name] = said[0][1]
    desired, disputed = _desired(fragments)
    units = [fragment.unit for fragment in fragments]
    unit = replace(
        first,
        desired=desired,
        needs=_united(unit.needs for unit in units),
        loads=_united(unit.loads for unit in units),
        origins=_united((*fragment.unit.origins, fragment.owner) for fragment in fragments),
        settle_s=max(unit.settle_s for unit in units),
        steady_s=max(unit.steady_s for unit in units),
        **own,
    )
    return unit, (*problems, *disputed)


def _desired(fragments: Sequence[Fragment]) -> tuple[Facts | None, tuple[Disagreement, ...]]:
    """Return all fields that are desired; None when the thing must not exist."""
    presence = [(fragment.owner, "absent" if fragment.unit.desired is None else "present") for fragment in fragments]
    problems = list(_compared("", presence))
    if problems or fragments[0].unit.desired is None:
        return fragments[0].unit.desired, tuple(problems)
    said: dict[str, list[tuple[Key, Any]]] = {}
    for fragment in fragments:
        for name, value in (fragment.unit.desired or {}).items():
            said.setdefault(name, []).append((fragment.owner, value))
    for name, values in said.items():
        problems += _compared(name, values)
    return {name: values[0][1] for name, values in said.items()}, tuple(problems)


def _compared(what: str, said: Sequence[tuple[Key, Any]]) -> Iterator[Disagreement]:
    """Yield a disagreement for each value that is not the first one."""
    for owner, value in said[1:]:
        first, expected = said[0]
        if value != expected:
            shown = [str(one) if not what else _shown(one) for one in (expected, value)]
            yield Disagreement(what, first, shown[0], owner, shown[1])


def _united(parts: Iterable[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Return everything in the parts, each once, in their order."""
    return tuple(dict.fromkeys(one for part in parts for one in part))


def _own_fields(unit: type[Unit]) -> Mapping[str, Any]:
    """Return the fields that only this type of unit has, with their defaults."""
    return {
        one.name: one.default_factory() if one.default_factory is not MISSING else one.default
        for one in fields(unit)
        if one.name not in _COMMON
    }


def _shown(value: Any) -> str:
    """Return a value for a message, secrets masked."""
    match value:
        case SecretText():
            return MASK
        case None:
            return "absent"
        case bool():
            return "true" if value else "false"
        case tuple():
            return f"[{', '.join(map(_shown, value))}]"
        case _:
            return quoted(str(value))
