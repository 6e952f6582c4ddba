"""The declared properties of an image that somebody uploaded to Glance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from resources.contract import Action, Query, Unit, UnreadableError

if TYPE_CHECKING:
    from resources.contract import Change, Facts, Reply, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageProperty(Unit):
    """An image, called after its name: `openstack:demo/image_property/tiny-vmw`.

    Fields: the declared properties, by name (text). Its other properties and its content are not touched. Bivisor
    uploads no images: one that is not there holds the step until it is.
    """

    type: ClassVar[str] = "image_property"

    def dispensable(self, name: str) -> bool:  # noqa: ARG002 - all are alike
        """Each property may be left to others."""
        return True

    def queries(self) -> tuple[Query, ...]:
        """Ask for the images of that name."""
        return (Query("image.find", {"name": self.address.name}),)

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read the declared properties of the one image; None when there is none. Of several, none is the one that is meant."""
        (reply,) = replies
        if not reply.ok:
            raise UnreadableError(reply.error)
        images = reply.data["images"]
        if not images:
            return None
        if len(images) > 1:
            return {"@ids": tuple(sorted(str(image["id"]) for image in images))}
        (image,) = images
        fields = image["fields"]
        facts: dict[str, Value] = {name: str(fields[name]) for name in self.desired or {} if name in fields}
        return {**facts, "@id": str(image["id"])}

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:
        """Set what differs, on the very image that was seen."""
        image = (facts or {}).get("@id")
        if image is None:
            return ()
        return (Action("image.set", {"id": image, "properties": {change.field: change.after for change in changes}}),)

    def blocked(self, facts: Facts | None) -> str:
        """Say that the image is still to be uploaded, or which ones have its name."""
        name = self.address.name
        if facts is None:
            return f'there is no image "{name}" that is public or of Bivisor\'s project: upload it, then its properties are set'
        ids = facts.get("@ids")
        if isinstance(ids, tuple):
            return f'{len(ids)} images are named "{name}" ({", ".join(ids)}): rename or hide all but one'
        return ""
