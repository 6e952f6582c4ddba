"""The datastores that Nova's and Cinder's VMware drivers would take."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from resources.contract import Query, Unit, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.contract import Action, Change, Facts, Reply

# What Nova's ALL_SUPPORTED_DS_TYPES takes (nova/virt/vmwareapi/ds_util.py, Zed); Cinder takes these as well.
_USABLE_TYPES = frozenset({"VMFS", "NFS", "NFS41", "vsan"})

_MOST_NAMED = 4
"""As many datastores are named in one sentence; the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Datastores(Unit):
    """At least one datastore of the cluster is for OpenStack: `vcenter:vc1/datastores/DC0_C0`.

    Field: `matching` (True: an accessible one of a usable type matches `regex`). An empty `regex` matches all. The
    drivers match at the start of the name, as `re.match` does.
    """

    type: ClassVar[str] = "datastores"

    cluster: str
    regex: str = ""

    def queries(self) -> tuple[Query, ...]:
        """Ask for the datastores of the cluster."""
        return (Query("datastores.list", {"cluster": self.cluster}),)

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read which datastores match, and which of these can be used now."""
        (reply,) = replies
        if not reply.ok:
            raise UnreadableError(reply.error)
        stores = reply.data["datastores"]
        named = [store for store in stores if self._matches(str(store["name"]))]
        usable = [str(store["name"]) for store in named if not _unusable(store)]
        return {
            "matching": bool(usable),
            "@names": tuple(sorted(usable)),
            "@unusable": tuple(sorted(f"{store['name']} {why}" for store in named if (why := _unusable(store)))),
            "@known": tuple(sorted(str(store["name"]) for store in stores)),
        }

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:  # noqa: ARG002 - there are none
        """Return nothing: datastores belong to the vCenter's owner."""
        return ()

    def blocked(self, facts: Facts | None) -> str:
        """Tell that no datastore has a matching name, or that none of these can be used now."""
        if facts is None or facts["matching"]:
            return ""
        if isinstance(unusable := facts["@unusable"], tuple) and unusable:
            more = f" and {len(unusable) - _MOST_NAMED} more" if len(unusable) > _MOST_NAMED else ""
            return f'no datastore of cluster "{self.cluster}" can be used: {", ".join(unusable[:_MOST_NAMED])}{more}'
        known = facts["@known"]
        names = ", ".join(known) if isinstance(known, tuple) and known else "none"
        if not self.regex:
            return f'cluster "{self.cluster}" has no datastore'
        return f'no datastore of cluster "{self.cluster}" matches "{self.regex}" (known: {names})'

    def _matches(self, name: str) -> bool:
        try:
            return re.match(self.regex, name) is not None
        except re.error as error:
            raise UnreadableError(f'"{self.regex}" is not a regular expression: {error}') from error


def _unusable(store: Mapping[str, Any]) -> str:
    """Return what keeps the drivers from taking it, or ''."""
    if store["type"] not in _USABLE_TYPES:
        return f"is of type {store['type']}"
    if store["maintenance"]:
        return "is in maintenance"
    return "" if store["accessible"] else "is not accessible"
