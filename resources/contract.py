"""The words both rooms speak: what `resources` declares and `reconciler` decides and carries out.

A resource (a declared document) compiles into units. A unit is the smallest thing that converges alone, on one
target. It is pure: it says what to ask (`queries`), reads the answer into facts (`observe`), and says which
actions would make given changes (`actions`). Facts are flat mappings from field names to plain values in the form
of the declaration, so that comparing them needs no knowledge of what they mean.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resources.claims import Claim


@dataclass(frozen=True, slots=True)
class SecretText:
    """A value that is compared and carried to the hosts, and never shown.

    `str()` and `repr()` give a mask; only code at the border to a target reads `reveal`.
    """

    reveal: str = field(repr=False)

    def __str__(self) -> str:
        """Return the mask that stands in every output."""
        return MASK

    def __repr__(self) -> str:
        """Return the mask as well: a traceback must not show the value."""
        return MASK


MASK = "(secret)"

Value: TypeAlias = str | int | bool | tuple[str, ...] | SecretText | None
"""A fact. None is absent. A tuple is a multi-valued option or an ordered list of names."""

REMEMBERED = "remembered"
"""The field of a unit whose host remembers what was last written: that it is what is declared now. Bookkeeping."""

EXISTS = "exists"
"""The field of the one change that a thing's whole existence is."""

PROCESS = "@invocation"
"""The hidden fact, of units that have one, that tells one run of a process from the next."""

Facts: TypeAlias = Mapping[str, Value]
"""Field name to value. Fields that begin with `@` are observed for the unit's own use and never compared."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """The identity of a resource: `HypervisorZone/vcenter-az`."""

    kind: str
    name: str

    def __str__(self) -> str:
        """Return `kind/name`."""
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class TargetId:
    """The identity of a target: `ssh:ctl1`, `pacemaker:demo`, `vcenter:vc1`, `openstack:demo`."""

    kind: str
    name: str

    def __str__(self) -> str:
        """Return `kind:name`."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """The identity of a unit: `ssh:ctl1/config_file//etc/nova/nova.conf`."""

    target: TargetId
    type: str
    name: str

    def __str__(self) -> str:
        """Return `target/type/name`."""
        return f"{self.target}/{self.type}/{self.name}"


@dataclass(frozen=True, slots=True)
class Need:
    """A unit must be converged before the one that holds this need acts, and why."""

    address: Address
    reason: str


@dataclass(frozen=True, slots=True)
class Query:
    """A question to a target; it changes nothing. `op` is from the target's closed vocabulary, `args` JSON data.

    It goes to the unit's own target, or to `target` where the truth about a unit lies in two places: what Nova heard of
    a process that a host runs, which hypervisor Nova has for a cluster of a vCenter.
    """

    op: str
    args: Mapping[str, Any]
    target: TargetId | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """A change on a target. `args` is JSON data; secrets in it are already revealed, so it is never logged or shown."""

    op: str
    args: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a target answered. A failed command is a reply too: `error` says what failed, for a person.

    `code` is a short constant for programs: `conflict` (somebody changed it between look and write), `failed`,
    `not-running`, `denied`, `unsupported`. Both are empty when all went well. `unanswered` is what a unit reads where
    another target than its own gave no answer, or one of several APIs behind a target; without an answer of its own
    target it is not read at all.
    """

    data: Mapping[str, Any]
    code: str = ""
    error: str = ""

    @property
    def ok(self) -> bool:
        """Tell whether the target did what was asked."""
        return not self.code


class UnreadableError(Exception):
    """A reply that does not say what is: half an answer, an error, nonsense. The unit is then unobserved, not absent."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs: observed `before`, declared `after`. None is absent."""

    field: str
    before: Value
    after: Value


@dataclass(frozen=True, slots=True)
class Disruption:
    """What a person loses while a step acts.

    `service` names it (`nova-compute on kvm1`). `forbidden` is empty, or says why the step must not be done now
    whatever the budget (`the partition has no quorum`).
    """

    service: str
    forbidden: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """The smallest thing that converges alone, on one target. Subclasses are frozen data and pure functions.

    `desired`     fields to compare; None means that the whole thing must not exist.
    `needs`       units that must be converged first.
    `loads`       configuration units that the process behind this unit reads when it starts; compiling hands their
                  digests to `loading`, so that "has it loaded what is declared?" is a fact like any other.
    `origins`     the resources that declare it; several when fragments were merged.
    `settle_s`    seconds within which the facts may still become as declared by themselves after an action or after
                  a need converged (a service that starts, a compute that registers). A unit without actions for its
                  changes can only wait: the verb of its step is then `wait`.
    `steady_s`    seconds for which a unit that was interrupted must stay as declared, in one and the same process, before
                  its restart counts as done: a service that cannot live with its new configuration ends after its start.
    """

    type: ClassVar[str]

    address: Address
    desired: Facts | None
    needs: tuple[Need, ...] = ()
    loads: tuple[Address, ...] = ()
    origins: tuple[Key, ...] = ()
    settle_s: float = 0.0
    steady_s: float = 0.0

    def queries(self) -> tuple[Query, ...]:
        """Return what to ask the target; the replies come back in the same order."""
        raise NotImplementedError

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read the replies into facts; None when the thing does not exist. Raises UnreadableError."""
        raise NotImplementedError

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:
        """Return what would make the changes, in order; empty when only waiting can."""
        raise NotImplementedError

    def disruption(self, changes: tuple[Change, ...], facts: Facts | None) -> Disruption | None:  # noqa: ARG002 - the default reads neither
        """Return what a person loses while the changes are made; None when nothing."""
        return None

    def down(self, facts: Facts | None) -> str:  # noqa: ARG002 - the default has no service
        """Return the name of the service that is declared to run and does not, in `Disruption.service`'s words, or ''."""
        return ""

    def exclusive(self) -> str:
        """Return the name of what would lose more than the sum if two units of that name were down at once, or ''.

        `the ring of demo` would lose its quorum: two of its members are never interrupted together, whatever the budget.
        """
        return ""

    def alike(self) -> str:
        """Return the name of what runs, which others of the same resource share that restart for the same reasons, or ''.

        The nova-computes of a zone are alike: of these one may be restarted before all others.
        """
        return ""

    def remarks(self, facts: Facts | None) -> tuple[str, ...]:  # noqa: ARG002 - the default has none
        """Return what is worth knowing without being a difference (`an operator disabled it: new disks`), as sentences."""
        return ()

    def alias(self, facts: Facts | None) -> str:  # noqa: ARG002 - the default is called as declared
        """Return the name that the thing has now, where it was renamed since it was declared, or ''.

        What is declared is then compiled again with that name (`Cloud.called`), so that whatever uses it follows. A unit
        without a name to tell may so say of itself that a state was reached on which depends what is declared
        (`Cloud.was_seen`).
        """
        return ""

    def blocked(self, facts: Facts | None) -> str:  # noqa: ARG002 - the default never is
        """Return why neither acting nor waiting can help (`vCenter refuses the credentials of Secret/vc1`), or ''."""
        return ""

    def lost(self, facts: Facts | None) -> tuple[TargetId, ...]:  # noqa: ARG002 - the default knows nobody
        """Return the targets that are gone according to who knows of them beside us: a ring, of its members."""
        return ()

    def loading(self, digests: Mapping[Address, str]) -> Unit:  # noqa: ARG002 - the default loads nothing
        """Return the unit with the digests of what it `loads` (address to the `digest` of that unit)."""
        return self

    def foreseen(self, facts: Facts | None, rewritten: frozenset[Address]) -> Facts | None:  # noqa: ARG002 - the default loads nothing
        """Return the facts as they will be when those units among its `loads` are written anew, which a plan must show.

        A process that has loaded the declared content may not have loaded the file that is about to be repaired.
        """
        return facts

    def ownable(self, name: str) -> bool:  # noqa: ARG002 - the default can be taken away by nobody
        """Tell whether that field (`exists`: the whole thing) is ours once we wrote it, to be taken away when undeclared."""
        return False

    def dispensable(self, name: str) -> bool:  # noqa: ARG002 - the default needs all of its fields
        """Tell whether the unit can do without that field, so that a document may leave it to others."""
        return False

    def memory(self) -> Mapping[str, str]:
        """Return what must be remembered of it to take it away later, beside its address: `Claim.about`."""
        return {}

    @classmethod
    def former(cls, claim: Claim) -> Unit | None:  # noqa: ARG003 - the default is not taken away
        """Return the unit as it must become when nobody declares it any more, without needs; None when it stays."""
        return None

    def without(self, fields: frozenset[str], claim: Claim) -> Unit:  # noqa: ARG002 - the default has no such parts
        """Return the unit, which is declared still, with these fields as ones that must go."""
        return self

    def claims(self, facts: Facts | None) -> tuple[Claim, ...]:  # noqa: ARG002 - the default remembers nothing
        """Return what is remembered as ours, of the one unit type that reads an inventory. Raises ValueError."""
        return ()

    def forgetting(self, claims: Mapping[str, Any]) -> Unit:  # noqa: ARG002 - as above
        """Return the unit, which reads an inventory, as one that must not hold these claims any more (`inventory.claim`)."""
        return self

    def digest(self) -> str:
        """Return the SHA-256 of what a process reads from this unit; a file's mode and owner, say, are no part of it."""
        return digest_facts(self.desired or {})

    def read_by(self, processes: tuple[str, ...]) -> Unit:  # noqa: ARG002 - the default is read by nobody
        """Return the unit with the systemd units that load it; the counterpart of `loading`."""
        return self

    def process(self) -> str:
        """Return the systemd unit behind this unit if it has `loads`, else ''."""
        return ""


@dataclass(frozen=True, slots=True)
class Reference:
    """Marks a spec field that names another resource: `Annotated[str, Reference("VCenter")]`."""

    kind: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in the declared documents.

    `path` leads to the field below the document's root, e.g. ("spec", "vmware", "computes", 0, "host").
    `message` says what is wrong and what would be right. A warning does not stop anything.
    """

    key: Key
    path: tuple[str | int, ...]
    message: str
    rule: str
    warning: bool = False


def changed_fields(changes: Iterable[Change]) -> frozenset[str]:
    """Return the names of the fields that change."""
    return frozenset(change.field for change in changes)


def digest_facts(facts: Facts) -> str:
    """Return the SHA-256 (hex) of declared facts: equal facts, equal digest, on every machine and in every run."""
    plain = {name: _plain(value) for name, value in facts.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _plain(value: Value) -> str | int | bool | list[str] | None:
    match value:
        case SecretText():
            return value.reveal
        case tuple():
            return list(value)
        case _:
            return value
