"""What the hosts and the APIs of a running cloud answered, and how it is looked up.

All that is asked stands in `questions`; an answer that does not say what is raises UnreadableError, never an absence.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from resources.adoption.conf import Conf
from resources.adoption.draft import as_name
from resources.contract import UnreadableError
from resources.files import seen_file
from resources.ini import BrokenIniError, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.adoption.conf import Layers
    from resources.contract import Query, Reply, TargetId
    from resources.endpoints import OpenStackEndpoint
    from resources.ini import Document

Replies: TypeAlias = "Mapping[tuple[str, str], Reply]"
"""The answers of one target by question."""

_RUNS = frozenset({"active", "reloading", "refreshing", "activating"})


def asked(query: Query) -> tuple[str, str]:
    """Return what an answer is found by."""
    return query.op, json.dumps(query.args, sort_keys=True)


@dataclass(frozen=True)
class Host:
    """One host as it was named on the command line, and its answers. `name` is empty where the host's own one counts.

    `note` is what its document says of that name, or ''.
    """

    target: TargetId
    address: str
    user: str
    port: int
    name: str = ""
    host_key: str = ""
    note: str = ""
    replies: Replies = field(default_factory=dict, repr=False)

    @property
    def node(self) -> str:
        """The name of its Node: as given, else the host's own without its domain, as far as a Node can be called so."""
        return self.name or as_name(self.hostname.partition(".")[0])

    @property
    def hostname(self) -> str:
        """What it calls itself, by which its services call it where nothing else is configured."""
        return str(self._data("host.facts")["hostname"])

    def text(self, path: str) -> str | None:
        """Return a file's text; None where it is absent or was not asked for."""
        reply = self.replies.get(("file.read", json.dumps({"path": path})))
        seen = None if reply is None else seen_file(reply, path)
        return None if seen is None else seen.text

    def names(self, folder: str) -> tuple[str, ...]:
        """Return what is in a folder; nothing where there is none."""
        return tuple(map(str, self._data("file.list", path=folder)["names"]))

    def runs(self, service: str) -> bool:
        """Tell whether a systemd service has a process."""
        return self._data("service.show", unit=f"{service}.service", loads={})["active"] in _RUNS

    def at_boot(self, service: str) -> bool:
        """Tell whether a systemd service is enabled."""
        return str(self._data("service.show", unit=f"{service}.service", loads={})["enabled"]).startswith("enabled")

    def version(self, package: str) -> str | None:
        """Return a package's version; None where it is not installed."""
        for (op, args), reply in self.replies.items():
            if op == "package.query" and package in json.loads(args)["names"]:
                if not reply.ok:
                    raise UnreadableError(f"{self.address}: {reply.error}")
                found = reply.data["versions"][package]
                return None if found is None else str(found)
        return None

    @property
    def has_live_cib(self) -> bool:
        """Tell whether Pacemaker runs there."""
        return self.replies["cib.read", "{}"].ok

    @cached_property
    def cib(self) -> str:
        """The text of Pacemaker's configuration, live or saved; empty where it never ran."""
        reply = self.replies["cib.read", "{}"]
        if reply.code in {"not-running", "unsupported"}:
            return str(reply.data.get("saved") or "")
        if not reply.ok:
            raise UnreadableError(f"{self.address}: {reply.error}")
        return str(reply.data["cib"])

    def conf(self, path: str, service: str, release: str) -> Conf | None:
        """Return an oslo.config file; None where there is none. Raises UnreadableError."""
        return next(iter(self.layers(service, release, path)), None)

    def layers(self, service: str, release: str, *paths: str) -> Layers:
        """Return those of the files that are there, in that order, as one process reads them. Raises UnreadableError."""
        found = {path: _parsed(f"{self.address}:{path}", text) for path in paths if (text := self.text(path)) is not None}
        beside = tuple(found.values())
        return tuple(Conf(f"{self.address}:{path}", one, service, release, beside) for path, one in found.items())

    def _data(self, op: str, **args: Any) -> Mapping[str, Any]:
        reply = self.replies[op, json.dumps(args, sort_keys=True)]
        if not reply.ok:
            raise UnreadableError(f"{self.address}: {op}: {reply.error or reply.code}")
        return reply.data


@dataclass(frozen=True)
class Seen:
    """All hosts, and the OpenStack's answers; `account` is how Bivisor itself logged in there."""

    hosts: tuple[Host, ...]
    openstack: Replies
    account: OpenStackEndpoint

    def listed(self, op: str, what: str, **args: Any) -> tuple[Mapping[str, Any], ...]:
        """Return a collection of an API. Raises UnreadableError."""
        reply = self.openstack[op, json.dumps(args, sort_keys=True)]
        if not reply.ok:
            raise UnreadableError(f"{op}: {reply.error or reply.code}")
        return tuple(reply.data[what])


@lru_cache(maxsize=1024)  # files of thousands of lines, of many hosts, are looked into for every option
def _parsed(place: str, text: str) -> Document:
    try:
        return parse(text)
    except BrokenIniError as error:
        raise UnreadableError(f"{place}, {error}; no service starts with this file") from error
