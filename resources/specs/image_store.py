"""What an ImageStore document says."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from resources.cloud import Selector, Spec
from resources.specs.shapes import Shape


class File(Spec):
    """Options of driver file."""

    directory: Annotated[str, Shape(r"/\S+", "an absolute path")] = Field(
        default="/var/lib/glance/images", description="Where the images are kept."
    )


class ImageStoreSpec(Spec):
    """A store of Glance; its name is the store's id."""

    driver: Literal["file"] = Field(description="file: a directory of the Glance API's host.")
    default: bool = Field(default=False, description="Whether images that name no store go here. Exactly one store takes them.")
    nodes: Selector = Field(description="Hosts of the Glance API; theirs restart when this changes.")
    file: File = Field(default_factory=File, description="Options of driver file.")
