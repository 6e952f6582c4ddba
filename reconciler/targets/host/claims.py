"""The query `inventory.read`: what this host remembers as ours."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from reconciler.targets.host.serve import Batch


def inventory_read(_args: "dict[str, Any]", batch: "Batch") -> "dict[str, Any]":
    """Answer `inventory.read`: the claims, all of them or none, and whether there is an inventory."""
    inventory = batch.inventory()
    return {"claims": inventory.claims, "known": inventory.known}
