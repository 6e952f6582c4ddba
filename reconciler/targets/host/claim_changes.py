"""The action `inventory.claim`: remember what is ours, or forget it."""

import time

from reconciler.targets.host.inventory import Inventory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Args = dict[str, Any]
    Claim = dict[str, Any]


def inventory_claim(args: "Args", folder: str) -> "dict[str, Any]":
    """Do `inventory.claim`: take in claims by address, drop those that are null; reply what they were `before`.

    A claim adds its `fields` to those that are remembered and takes `without` away from them; one that has none left is
    forgotten. What another cloud has claimed stays that one's. Each says `at` when it was written. `whole` ones are taken as
    they are: to undo.
    """
    inventory = Inventory(folder)
    before = {address: inventory.claims.get(address) for address in args["claims"]}
    for address, claim in args["claims"].items():
        after = claim if args.get("whole") else _joined(inventory.claims.get(address), claim)
        if after:
            inventory.claims[address] = after
        else:
            inventory.claims.pop(address, None)
    if any(inventory.claims.get(address) != claim for address, claim in before.items()):
        inventory.save()
    return {"before": before}


def _joined(old: "Claim | None", new: "Claim | None") -> "Claim | None":
    """Return the claim with the fields of both; None when nothing is ours."""
    if new is None:
        return None
    if old and old.get("cloud") != new.get("cloud"):
        return old  # joined, what the other cloud's Bivisor wrote would become this one's, and be taken away by it
    fields = set(new["fields"]).union(old["fields"] if old else ()).difference(new["without"])
    if not fields:
        return None
    joined = dict(new, fields=sorted(fields), at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    del joined["without"]
    return joined
