"""A volume type of Cinder: by it users choose a backend, and it says in which zone its volumes are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from resources.contract import Action, Query, Unit, UnreadableError, changed_fields

if TYPE_CHECKING:
    from resources.contract import Change, Facts, Reply

_SPEC = "spec "


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeType(Unit):
    """A volume type, called after its name: `openstack:demo/volume_type/vmdk`.

    Fields: `public` (True: every project sees it), `spec NAME` (text, or None for one that must not be set): its extra
    specs. Other extra specs, its description and its volumes are not touched.
    """

    type: ClassVar[str] = "volume_type"

    def dispensable(self, name: str) -> bool:  # noqa: ARG002 - all are alike
        """Each extra spec, and who sees it, may be left to others."""
        return True

    def queries(self) -> tuple[Query, ...]:
        """Ask for the type by its name."""
        return (Query("volume_type.get", {"name": self.address.name}),)

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read who sees it and its extra specs."""
        (reply,) = replies
        if not reply.ok:
            raise UnreadableError(reply.error)
        if not reply.data["exists"]:
            return None
        specs: Facts = {_SPEC + str(name): str(value) for name, value in reply.data["specs"].items()}
        return {**specs, "public": bool(reply.data["public"]), "@id": str(reply.data["id"])}

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:
        """Make the type with its specs, or set what differs: first the specs, so that nobody sees a type without them.

        Cinder has its own rules for types that volumes use; its refusal is then the step's.
        """
        name = self.address.name
        if self.desired is None:
            return (Action("volume_type.delete", {"name": name}),)
        specs = {change.field.removeprefix(_SPEC): change.after for change in changes if change.field.startswith(_SPEC)}
        if facts is None:
            return (Action("volume_type.create", {"name": name, "public": self.desired.get("public", True), "specs": specs}),)
        writes = (Action("volume_type.set_specs", {"name": name, "specs": specs}),) if specs else ()
        if "public" not in changed_fields(changes):
            return writes
        return (*writes, Action("volume_type.set_public", {"name": name, "public": self.desired["public"]}))
