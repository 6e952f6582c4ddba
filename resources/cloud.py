"""What a kind is, and how kinds hear of each other: siblings below `kinds/` never import each other, they publish values.

Each kind has a `publish` step, run for all resources before any `compile` step, and `compile` reads the others'
words from a `Cloud`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from resources.contract import Address, Key, Problem, Reference, SecretText, Unit
from resources.published import NodeFacts

if TYPE_CHECKING:
    from resources.endpoints import Endpoint

T = TypeVar("T")
SpecT = TypeVar("SpecT", bound=BaseModel)


class Spec(BaseModel):
    """The base of all that people write: unknown fields are errors, values are frozen, YAML names are camelCase.

    A model's validator is built when the first document of its kind is read: most folders do not use all kinds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True, defer_build=True)


class SecretRef(Spec):
    """Points to a Secret resource, and to one `key` of it when it holds several values."""

    secret: Annotated[str, Reference("Secret")] = Field(description="Name of the Secret.")
    key: str | None = Field(default=None, description="Which of its values, where it holds several; without it the only one.")


def _whole(ref: SecretRef) -> SecretRef:
    if ref.key is not None:
        raise ValueError('names a Secret that holds both "username" and "password": leave key away')
    return ref


Account: TypeAlias = Annotated[SecretRef, AfterValidator(_whole)]
"""A reference to a Secret that holds `username` and `password`."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """The `metadata` of a document."""

    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Resource(Generic[SpecT]):
    """A declared document after validation: who it is and its typed spec."""

    key: Key
    metadata: Metadata
    spec: SpecT


@dataclass(frozen=True, slots=True)
class DocumentPath:
    """Marks a spec field that names a file, relative to the folder of its document; loading makes it absolute.

    The texts of those marked `read` reach `compile` as `Cloud.file(path)`.
    """

    read: bool = False


class Selector(Spec):
    """Chooses nodes: each given condition must hold; an empty selector chooses none."""

    roles: tuple[str, ...] = Field(default=(), description="Nodes that have one of these roles.")
    labels: dict[str, str] = Field(default_factory=dict, description="Nodes whose metadata.labels have all of these.")
    names: tuple[Annotated[str, Reference("Node")], ...] = Field(default=(), description="These nodes.")

    def chooses(self, node: NodeFacts) -> bool:
        """Tell whether the node has one of the roles, all labels, and one of the names, as far as given."""
        if not (self.roles or self.labels or self.names):
            return False
        return (
            (not self.roles or bool(node.roles.intersection(self.roles)))
            and all(node.labels.get(label) == value for label, value in self.labels.items())
            and (not self.names or node.name in self.names)
        )


Secrets = Mapping[str, Mapping[str, SecretText]]
"""Secret name to its values: {"vc1": {"username": …, "password": …}}; a single text stands under the key "value"."""


class Cloud:
    """All that the kinds published, looked up by type and name. Read-only."""

    def __init__(
        self,
        published: Iterable[object],
        secrets: Secrets | None,
        files: Mapping[str, str] | None,
        aliases: Mapping[Address, str] | None = None,
    ) -> None:
        """Index the published values by their type, then by their `name`.

        `secrets` or `files` of None mean "not resolved" (validate, graph): each lookup gives a placeholder. `aliases` are the
        present names of things that were renamed since they were declared.
        """
        index: dict[type, dict[str, Any]] = {}
        for item in published:
            index.setdefault(type(item), {})[item.name] = item  # type: ignore[attr-defined]
        self._index = index
        self._secrets = secrets
        self._files = files
        self._aliases = aliases or {}

    def all(self, of: type[T]) -> tuple[T, ...]:
        """Return every published value of that type, sorted by name."""
        found = self._index.get(of, {})
        return tuple(found[name] for name in sorted(found))

    def get(self, of: type[T], name: str) -> T:
        """Return the one of that name. Raises KeyError; loading has already refused dangling references."""
        found: T = self._index[of][name]
        return found

    def nodes(self, selector: Selector) -> tuple[NodeFacts, ...]:
        """Return the nodes that the selector chooses, sorted by name."""
        return tuple(node for node in self.all(NodeFacts) if selector.chooses(node))

    def secret(self, ref: SecretRef, default_key: str = "value", unfit: Callable[[str], str] | None = None) -> SecretText:
        """Return the value a reference points to. `unfit` tells, without showing it, why a value cannot be one, or ''.

        Raises MissingSecretError with the keys that exist, and UnfitSecretError.
        """
        key = ref.key or default_key
        if self._secrets is None:
            return SecretText(f"({key} of Secret/{ref.secret})")
        values = self._secrets[ref.secret]
        if key not in values:
            raise MissingSecretError(ref.secret, key, tuple(values))
        if unfit is not None and (problem := unfit(values[key].reveal)):
            raise UnfitSecretError(ref.secret, key, problem)
        return values[key]

    def account(self, ref: SecretRef) -> tuple[str, SecretText]:
        """Return user name and password of a Secret that holds an account; the name may be shown. Raises MissingSecretError."""
        return self.secret(ref, "username").reveal, self.secret(ref, "password")

    def called(self, address: Address) -> str:
        """Return the name that this unit's thing has now: that of its address, unless it was seen to be renamed."""
        return self._aliases.get(address, address.name)

    def was_seen(self, address: Address) -> bool:
        """Tell whether this unit told something of itself (`Unit.alias`): that a backend is empty, say. Unknown is no."""
        return address in self._aliases

    def file(self, path: str) -> str:
        """Return the text of a file named by a `DocumentPath(read=True)` field."""
        return f"unresolved {path}" if self._files is None else self._files[path]


class SecretError(Exception):
    """A Secret does not hold what a resource needs of it: its name, the key that was asked for, and a sentence."""

    def __init__(self, secret: str, key: str, message: str) -> None:
        """Keep which value it is about; the message never holds the value."""
        super().__init__(message)
        self.secret = secret
        self.key = key


class MissingSecretError(SecretError):
    """A Secret has no such key."""

    def __init__(self, secret: str, key: str, known: tuple[str, ...]) -> None:
        """Say which keys the secret has."""
        message = f'Secret "{secret}" has no key "{key}" (it has: {", ".join(sorted(known)) or "none"})'
        super().__init__(secret, key, message)


class UnfitSecretError(SecretError):
    """A value cannot be what it is used as."""

    def __init__(self, secret: str, key: str, problem: str) -> None:
        """Say what is wrong with it, not what it is."""
        where = f'Secret "{secret}"' if key == "value" else f'"{key}" of Secret "{secret}"'
        super().__init__(secret, key, f"{where} {problem}")


class UnfitReleaseError(Exception):
    """The cloud's OpenStack release cannot do what a resource declares. `reasons` say for each: release, why, the way out."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        """Keep the sentences."""
        super().__init__("; ".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True, slots=True)
class Compiled:
    """What one resource means: its units, and how to reach the targets it introduces."""

    units: tuple[Unit, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind(Generic[SpecT]):
    """A kind of resource. Rules inside one document that a type cannot say are validators of `spec`.

    `publish(resource, cloud)` gives the values of this module that others look up; `compile(resource, cloud)` gives
    the units. Neither does I/O. `publish` gets a Cloud that holds the secrets and files only.
    """

    name: str
    spec: type[SpecT]
    publish: Callable[[Resource[SpecT], Cloud], Iterable[object]]
    compile: Callable[[Resource[SpecT], Cloud], Compiled]


Rule = Callable[[Mapping[Key, Resource[Any]]], Iterable[Problem]]
"""A cross-resource rule: a small pure function over all resources, named after what it demands."""
