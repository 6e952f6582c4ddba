"""What a host remembers as ours. Its answer is what allows anything to be taken away there."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

from resources import claims
from resources.contract import REMEMBERED, Action, Address, Query, Unit, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.claims import Claim
    from resources.contract import Change, Facts, Reply, TargetId


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory(Unit):
    """Address `ssh:NODE/inventory/CLUSTER`. Field: readable; what is made or removed writes it in the same step.

    Field remembered, where claims are to be `forgotten` of which nothing is left: that none of them is held.

    The hidden fact `@claims` holds one JSON text for each claim. Those of other clusters, and those about another host,
    are none of this one's business.
    """

    type: ClassVar[str] = "inventory"

    forgotten: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, target: TargetId, cloud: str) -> Self:
        """Declare that the host can tell what it remembers for that cluster."""
        return cls(address=Address(target, cls.type, cloud), desired={"readable": True})

    def queries(self) -> tuple[Query, ...]:
        """Ask for all of it."""
        return (Query("inventory.read", {}),)

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read the claims; one that is half told makes the whole list unreadable."""
        (reply,) = replies
        if not reply.ok:
            raise UnreadableError(reply.error or reply.code)
        match reply.data:
            case {"claims": dict() as found, "known": bool() as known}:
                texts = tuple(json.dumps([address, found[address]], sort_keys=True) for address in sorted(found))
                facts: Facts = {"readable": True, "@known": known, "@claims": texts}
            case _:
                raise UnreadableError("the inventory: half an answer")
        try:
            told = self.claims(facts)
        except ValueError as error:
            raise UnreadableError(f"the inventory: {error}") from error
        return {**facts, REMEMBERED: not any(map(self._holds, told))}

    def forgetting(self, claims: Mapping[str, Any]) -> Self:
        """Return the unit with these claims as ones that must not be held."""
        return replace(self, desired={"readable": True, REMEMBERED: True}, forgotten=claims)

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:  # noqa: ARG002 - all go at once
        """Forget what is to be forgotten."""
        return (Action("inventory.claim", {"claims": dict(self.forgotten)}),) if self.forgotten else ()

    def _holds(self, claim: Claim) -> bool:
        """Tell whether what is remembered has to be forgotten, wholly or in part."""
        forgotten = self.forgotten.get(str(claim.address), {"without": ()})
        return forgotten is None or not claim.fields.isdisjoint(forgotten["without"])

    def claims(self, facts: Facts | None) -> tuple[Claim, ...]:
        """Return the claims of this cluster on this host and on what is no host's own. Raises ValueError."""
        return tuple(claim for claim in self._all(facts) if self._concerns(claim.address.target))

    def blocked(self, facts: Facts | None) -> str:
        """Say so where all that is remembered of this host was made under another name: what lives there goes by that one."""
        targets = {claim.address.target for claim in self._all(facts) if claim.address.target.kind == self.address.target.kind}
        if not targets or self.address.target in targets:
            return ""
        names = " or ".join(sorted(target.name for target in targets))
        return (
            f"Bivisor knows this host as {names}: give the Node that name again; if it is to have the new one, or is a copy "
            "of that host, see docs/explanation/ownership.md"
        )

    def remarks(self, facts: Facts | None) -> tuple[str, ...]:
        """Tell whose things stand there as well: another folder's, or this one's from before its Cluster was renamed."""
        clouds = Counter(claim.cloud for claim in self._told(facts) if claim.cloud != self.address.name)
        return tuple(
            f"{'1 thing here is' if count == 1 else f'{count} things here are'} of the Cluster {cloud}, and left to it"
            for cloud, count in sorted(clouds.items())
        )

    def _all(self, facts: Facts | None) -> tuple[Claim, ...]:
        return tuple(claim for claim in self._told(facts) if claim.cloud == self.address.name)

    def _told(self, facts: Facts | None) -> tuple[Claim, ...]:
        texts = (facts or {}).get("@claims")
        return tuple(map(_read, texts)) if isinstance(texts, tuple) else ()

    def _concerns(self, target: TargetId) -> bool:
        return target == self.address.target or target.kind != self.address.target.kind


@lru_cache(maxsize=1 << 16)
def _read(text: str) -> Claim:
    """Read one claim; they seldom change, and each look reads all of them."""
    return claims.read(*json.loads(text))
