"""What a host remembers as ours. Its answer is what allows anything to be taken away there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Self

from resources import claims
from resources.contract import Address, Query, Unit, UnreadableError

if TYPE_CHECKING:
    from resources.claims import Claim
    from resources.contract import Action, Change, Facts, Reply, TargetId


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory(Unit):
    """Address `ssh:NODE/inventory/CLUSTER`. Field: readable. It has no actions: what is made or removed writes it.

    The hidden fact `@claims` holds one JSON text for each claim. Those of other clusters, and those about another host,
    are none of this one's business.
    """

    type: ClassVar[str] = "inventory"

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
            self.claims(facts)
        except ValueError as error:
            raise UnreadableError(f"the inventory: {error}") from error
        return facts

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:  # noqa: ARG002 - there are none
        """Return nothing."""
        return ()

    def claims(self, facts: Facts | None) -> tuple[Claim, ...]:
        """Return the claims of this cluster on this host and on what is no host's own. Raises ValueError."""
        texts = (facts or {}).get("@claims")
        found = map(_read, texts) if isinstance(texts, tuple) else ()
        return tuple(claim for claim in found if claim.cloud == self.address.name and self._concerns(claim.address.target))

    def _concerns(self, target: TargetId) -> bool:
        return target == self.address.target or target.kind != self.address.target.kind


@lru_cache(maxsize=1 << 16)
def _read(text: str) -> Claim:
    """Read one claim; they seldom change, and each look reads all of them."""
    return claims.read(*json.loads(text))
