"""All nova-computes that Nova lists: which of them no document declares and nobody runs any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from resources.contract import Query, Unit, UnreadableError

if TYPE_CHECKING:
    from resources.contract import Action, Change, Facts, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Computes(Unit):
    """The list as a whole: `openstack:demo/computes/all`. Nothing is declared of it; it has remarks.

    `known` are the hosts of which documents speak. A row that is left of a compute that is no more fails health
    checks for ever (LP1529840); it is told, and removed only when a document declares the compute gone.
    """

    type: ClassVar[str] = "computes"

    known: tuple[str, ...] = ()

    def queries(self) -> tuple[Query, ...]:
        """Ask for all of them."""
        return (Query("computes.list", {}),)

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read which are down and nobody's."""
        (reply,) = replies
        if not reply.ok:
            raise UnreadableError(reply.error)
        rows = reply.data["computes"]
        stale = sorted(str(row["host"]) for row in rows if row["state"] != "up" and row["host"] not in self.known)
        return {"@stale": tuple(stale)}

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:  # noqa: ARG002 - there are none
        """Return nothing: there is nothing declared that could differ."""
        return ()

    def remarks(self, facts: Facts | None) -> tuple[str, ...]:
        """Name each row that nobody declares and nobody runs, with the two ways out."""
        stale = (facts or {}).get("@stale")
        return tuple(
            f'Nova lists the compute "{host}", which is down, and no document speaks of it: declare it, or name it in '
            "Cluster.spec.compute.gone to have its row removed"
            for host in (stale if isinstance(stale, tuple) else ())
        )
