"""The few words of the Glance API that are needed, in version 2, which every release has.

Everything here blocks: it runs in a thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from reconciler.targets.openstack_api import Api, ApiError, HalfAnswerError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATCH = "application/openstack-images-v2.1-json-patch"
"""In this form `add` sets a property whether it is there or not (Glance, api-ref, image updates)."""

_NOT_FOUND = 404
_PAGES = 100
"""More pages of images of one name than any cloud has: whoever sends them sends the same ones again and again."""


class Glance:
    """One look at Glance and what follows from it. `adapter` is keystoneauth's HTTP client for the image API."""

    def __init__(self, adapter: Any) -> None:
        """Nothing is asked yet."""
        self._api = Api(adapter, "Glance")
        self._project = adapter.get_project_id
        self._found: dict[str, list[dict[str, Any]]] = {}

    def images(self, name: str) -> list[dict[str, Any]]:
        """Return the images of that name that are public or of the account's own project: id, and texts by field.

        Properties are fields like all others. An admin sees the images of all projects: those that other people keep for
        themselves are not meant. Hidden ones are not listed. Raises ApiError and HalfAnswerError.
        """
        if name not in self._found:
            self._found[name] = self._ours([image for image in self._list({"name": name}) if image["name"] == name])
        return self._found[name]

    def all_images(self) -> list[dict[str, Any]]:
        """Return all images that `images` would find by their names; one without a name is none of them."""
        return self._ours([image for image in self._list({}) if image["name"]])

    def _ours(self, listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
        ours = (image for image in listed if image["visibility"] == "public" or image["owner"] == self._project())
        return [{"id": image["id"], "fields": _fields(image)} for image in ours]

    def set_properties(self, image: str, wanted: Mapping[str, str]) -> None:
        """Give an image those properties, where it does not have them. Raises RefusedError, ApiError, HalfAnswerError."""
        path = f"/images/{quote(image, safe='')}"
        try:
            found = _fields(_image(self._api.get(path)))
        except ApiError as error:
            if error.status == _NOT_FOUND:
                raise RefusedError("failed", f"there is no image {image} any more") from error
            raise
        body = [
            {"op": "add", "path": "/" + name.replace("~", "~0").replace("/", "~1"), "value": value}
            for name, value in wanted.items()
            if found.get(name) != value
        ]
        if body:
            self._api.write("PATCH", path, body, content_type=_PATCH)

    def _list(self, wanted: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return all pages of the listing; a page that names a next one is followed by it."""
        images: list[dict[str, Any]] = []
        query = urlencode(wanted)
        for _ in range(_PAGES):
            page, body = self._api.page(f"/images?{query}" if query else "/images", "images")
            images += map(_image, page)
            if not body.get("next"):
                return images
            query = urlsplit(str(body["next"])).query
        named = f' named "{wanted["name"]}"' if wanted else ""
        raise HalfAnswerError(f"Glance goes on listing images{named} after {_PAGES} pages")


def _fields(image: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in image.items() if isinstance(value, str)}


def _image(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict) or not body.keys() >= {"id", "name", "visibility", "owner"}:
        raise HalfAnswerError("Glance answered with half an image")
    return body
