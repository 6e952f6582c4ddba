"""One of OpenStack's HTTP APIs: collections are listed once, errors are told apart from refusals.

Bodies are read here and not by openstacksdk's own models: those take an answer without its collection for an empty one.
Everything here blocks: it runs in a thread.
"""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping

_CODES = {403: "denied"}
"""A 409 is a service's word for one of its rules (a host in two zones), not for a change between look and write."""
_SERVER_ERROR = 500
_UNAUTHORIZED = 401
_LONGEST = 300
"""Characters of an error that are told: a page that is not the service's may be long."""


class HalfAnswerError(Exception):
    """An API answered with success, and not with what was asked for."""


class ApiError(Exception):
    """An API answered with an error, and nothing is known by it. `status` is the HTTP status, `api` the service's name."""

    def __init__(self, status: int, told: str, api: str = "Nova") -> None:
        """Keep the status and the service's own words."""
        super().__init__(told)
        self.status = status
        self.api = api


class RefusedError(Exception):
    """A service refuses an action, in its own words. `code` is the reply's: denied or failed."""

    def __init__(self, code: str, told: str) -> None:
        """Keep the service's words."""
        super().__init__(told)
        self.code = code


class Api:
    """One look at one API. `adapter` is keystoneauth's HTTP client for it, `name` what people call the service."""

    def __init__(self, adapter: Any, name: str) -> None:
        """Nothing is listed yet."""
        self._adapter = adapter
        self._name = name
        self._listed: dict[tuple[str, str | None], list[dict[str, Any]]] = {}

    def collect(self, path: str, collection: str, microversion: str | None = None) -> list[dict[str, Any]]:
        """Return a collection with all its pages, asked for once. Raises ApiError and HalfAnswerError."""
        known = (path, microversion)
        if known not in self._listed:
            items, body = self.page(path, collection, microversion)
            found = list(items)
            while items and _has_next(body):
                join = "&" if "?" in path else "?"
                items, body = self.page(f"{path}{join}marker={items[-1]['id']}", collection, microversion)
                found += items
            self._listed[known] = found
        return self._listed[known]

    def page(self, path: str, collection: str, microversion: str | None = None) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Return the items of one page of a collection, and all of its body. Raises ApiError and HalfAnswerError."""
        body = self.get(path, microversion)
        found = body.get(collection)
        if not isinstance(found, list):
            raise HalfAnswerError(f"{self._name}'s {path} answered without {collection}")
        return found, body

    def get(self, path: str, microversion: str | None = None) -> dict[str, Any]:
        """Return the object that the API answers; no object at all is an empty one. Raises ApiError and HalfAnswerError."""
        response = self._adapter.get(path, microversion=microversion)
        if not response.ok:
            raise ApiError(response.status_code, _told(response), self._name)
        try:
            body = response.json()
        except ValueError as error:
            raise HalfAnswerError(f"{response.url} answered no JSON") from error
        return body if isinstance(body, dict) else {}

    def write(self, method: str, path: str, body: Any, *, content_type: str = "application/json") -> None:
        """Send a change. Raises RefusedError and ApiError."""
        response = self._adapter.request(path, method, json=body, headers={"Content-Type": content_type})
        if not response.ok:
            self._refuse(response)

    def _refuse(self, response: Any) -> NoReturn:
        """Raise RefusedError where the service surely did nothing, else ApiError."""
        status = response.status_code
        if status >= _SERVER_ERROR or status == _UNAUTHORIZED:
            raise ApiError(status, _told(response), self._name)
        raise RefusedError(_CODES.get(status, "failed"), f"{self._name} refuses: {_told(response)}")


def _has_next(body: Mapping[str, Any]) -> bool:
    """Tell whether the page says that there is another: by `services_links`, or Cinder's `volume_type_links`."""
    links = (links for name, links in body.items() if name.endswith("_links"))
    return any(link.get("rel") == "next" for found in links for link in found or ())


def _told(response: Any) -> str:
    """Return the message of an error body ({"conflictingRequest": {"code", "message"}}), else the HTTP reason.

    Glance writes errors in HTML: of those, what stands below the headline.
    """
    try:
        body = response.json()
    except ValueError:
        text = re.sub(r"(?s)<head>.*?</head>|<h1>.*?</h1>|<[^>]*>", " ", response.text)
        return " ".join(unescape(text).split())[:_LONGEST] or f"{response.status_code} {response.reason}"
    for part in body.values() if isinstance(body, dict) else ():
        if isinstance(part, dict) and isinstance(part.get("message"), str):
            return str(part["message"])
    return f"{response.status_code} {response.reason}"
