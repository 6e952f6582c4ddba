"""The few words of the Glance API that are needed, in version 2, which every release has.

Everything here blocks: it runs in a thread.
"""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from reconciler.targets.openstack_nova import ApiError, HalfAnswerError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
"""In this form `add` sets a property whether it is there or not (Glance, api-ref, image updates)."""

_FORBIDDEN = 403
_NOT_FOUND = 404
_UNAUTHORIZED = 401
_SERVER_ERROR = 500
_LONGEST = 300
"""Characters of an error that are told: a page that is not Glance's may be long."""
_PAGES = 100
"""More pages of images of one name than any cloud has: whoever sends them sends the same ones again and again."""


class NoApiError(Exception):
    """The catalog has no such API. The text is the service's type."""


class Glance:
    """One look at Glance and what follows from it. `adapter` is keystoneauth's HTTP client for the image API."""

    def __init__(self, adapter: Any) -> None:
        """Nothing is asked yet."""
        self._adapter = adapter
        self._found: dict[str, list[dict[str, Any]]] = {}

    def images(self, name: str) -> list[dict[str, Any]]:
        """Return the images of that name that are public or of the account's own project: id, and texts by field.

        Properties are fields like all others. An admin sees the images of all projects: those that other people keep for
        themselves are not meant. Hidden ones are not listed. Raises ApiError, HalfAnswerError and NoApiError.
        """
        if name not in self._found:
            self._require()
            project = self._adapter.get_project_id()
            listed = [image for image in self._list(name) if image["name"] == name]
            ours = (image for image in listed if image["visibility"] == "public" or image["owner"] == project)
            self._found[name] = [{"id": image["id"], "fields": _fields(image)} for image in ours]
        return self._found[name]

    def set_properties(self, image: str, wanted: Mapping[str, str]) -> None:
        """Give an image those properties, where it does not have them. Raises RefusedError, ApiError, HalfAnswerError."""
        self._require()
        path = f"/images/{quote(image, safe='')}"
        try:
            found = _fields(_image(self._get(path)))
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
            response = self._adapter.request(path, "PATCH", json=body, headers=_PATCH)
            status = response.status_code
            if not response.ok and (status >= _SERVER_ERROR or status == _UNAUTHORIZED):
                raise ApiError(status, _told(response), "Glance")
            if not response.ok:
                code = "denied" if status == _FORBIDDEN else "failed"
                raise RefusedError(code, f"Glance refuses: {_told(response)}")

    def _require(self) -> None:
        """Raise NoApiError when the catalog has none: a missing endpoint alone would not say of which service."""
        from keystoneauth1.exceptions.catalog import EndpointNotFound  # noqa: PLC0415 - see openstack_session

        try:
            found = self._adapter.get_endpoint()
        except EndpointNotFound as error:
            raise NoApiError("image") from error
        if found is None:
            raise NoApiError("image")

    def _list(self, name: str) -> list[dict[str, Any]]:
        """Return all pages of the listing; a page that names a next one is followed by it."""
        images: list[dict[str, Any]] = []
        query = urlencode({"name": name})
        for _ in range(_PAGES):
            body = self._get(f"/images?{query}")
            page = body.get("images")
            if not isinstance(page, list):
                raise HalfAnswerError("Glance answered without images")
            images += map(_image, page)
            if not body.get("next"):
                return images
            query = urlsplit(str(body["next"])).query
        raise HalfAnswerError(f'Glance goes on listing images named "{name}" after {_PAGES} pages')

    def _get(self, path: str) -> dict[str, Any]:
        response = self._adapter.get(path)
        if not response.ok:
            raise ApiError(response.status_code, _told(response), "Glance")
        try:
            body = response.json()
        except ValueError as error:
            raise HalfAnswerError(f"{response.url} answered no JSON") from error
        if not isinstance(body, dict):
            raise HalfAnswerError(f"{response.url} answered something else")
        return body


def _fields(image: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in image.items() if isinstance(value, str)}


def _image(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict) or not body.keys() >= {"id", "name", "visibility", "owner"}:
        raise HalfAnswerError("Glance answered with half an image")
    return body


def _told(response: Any) -> str:
    """Return what an error page says below its headline (Glance writes errors in HTML), else the HTTP reason."""
    text = re.sub(r"(?s)<head>.*?</head>|<h1>.*?</h1>|<[^>]*>", " ", response.text)
    return " ".join(unescape(text).split())[:_LONGEST] or f"{response.status_code} {response.reason}"
