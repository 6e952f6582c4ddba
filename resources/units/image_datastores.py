"""The datastores in which a store of Glance keeps images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from resources.contract import Query, Unit, UnreadableError

if TYPE_CHECKING:
    from resources.contract import Action, Change, Facts, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDatastores(Unit):
    """Datastores that are there, called after the store: `vcenter:vc1/image_datastores/esx`.

    Field: `exist` (True: each of `places`, datacenter path and name, is). With a wrong name Glance starts all the same,
    and refuses every upload to that store (`configure_add` in glance_store's driver.py).
    """

    type: ClassVar[str] = "image_datastores"

    places: tuple[tuple[str, str], ...]

    def queries(self) -> tuple[Query, ...]:
        """Ask for the datastores of each datacenter."""
        return tuple(Query("datacenter.datastores", {"path": path}) for path in self._datacenters())

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read which of the places are there."""
        known: dict[str, tuple[str, ...] | None] = {}
        for path, reply in zip(self._datacenters(), replies, strict=True):
            if not reply.ok:
                raise UnreadableError(reply.error)
            known[path] = tuple(map(str, reply.data["names"])) if reply.data["exists"] else None
        wrong = tuple(_wrong(path, name, known[path]) for path, name in self.places if name not in (known[path] or ()))
        return {"exist": not wrong, "@wrong": wrong}

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:  # noqa: ARG002 - there are none
        """Return nothing: datastores belong to the vCenter's owner."""
        return ()

    def blocked(self, facts: Facts | None) -> str:
        """Tell which are missing, with those that there are."""
        wrong = (facts or {}).get("@wrong")
        return "; ".join(dict.fromkeys(wrong)) if isinstance(wrong, tuple) else ""

    def _datacenters(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(path for path, _ in self.places))


def _wrong(path: str, name: str, known: tuple[str, ...] | None) -> str:
    if known is None:
        return f'no datacenter "{path}" in vCenter'
    return f'no datastore "{name}" in datacenter "{path}" of vCenter (known: {", ".join(known) or "none"})'
