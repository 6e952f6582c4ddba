"""Check options against the definitions that the installed services register. Runs on a host of the lab, by its python3.

Standard input: JSON `{"service": "nova", "own": ["vmdk"], "options": [["DEFAULT", "host"], …]}`; `own` are the sections of
backends or stores. Standard output: JSON, one sentence for each option that is unknown or deprecated. One service per
process: two of them register different options under one name.
"""

import json
import sys
import warnings
from typing import Any

from keystoneauth1 import loading
from oslo_config import generator

_LIBRARIES = ("oslo.concurrency", "oslo.db", "oslo.log", "oslo.messaging")
_NAMESPACES = {
    "nova": ("nova.conf", "oslo.service.service", *_LIBRARIES),
    "cinder": ("cinder", "oslo.service.service", *_LIBRARIES),
    "glance": ("glance.api", "glance.multi_store", *_LIBRARIES),
}
_OWN = "<own>"
"""The section of any backend or store."""

_OWN_LISTED = {("cinder", "backend_defaults"), ("glance.multi_store", "")}
"""Under which namespace and section the lists have what belongs into a section of that kind; "" is any."""

_ACCOUNTS = {"cinder": ("nova", "service_user")}
"""Sections for which keystoneauth registers its options when the service starts, which its list has not all of."""

_AT_START = {"cinder": ((_OWN, "backend_host"),)}
"""Registered for each backend when a cinder-volume starts (cinder/cmd/volume.py)."""

_Place = tuple[str, str]


def main() -> None:
    """Read the question, print the answer."""
    asked = json.load(sys.stdin)
    known, deprecated = definitions(asked["service"])
    said = []
    for section, name in asked["options"]:
        place = (_OWN if section in asked["own"] else section, name)
        if place in deprecated:
            said.append(f"[{section}] {name} is deprecated: {deprecated[place]}")
        elif place not in known:
            said.append(f"[{section}] {name} is unknown")
    json.dump(said, sys.stdout)


def definitions(service: str) -> tuple[set[_Place], dict[_Place, str]]:
    """Return which options there are, by section and name, and which of them are deprecated, and why."""
    known: set[_Place] = set(_AT_START.get(service, ()))
    going: dict[_Place, str] = {}
    old_names: dict[_Place, str] = {}
    for section, option in _listed(service):
        known.add((section, _plain(option.name)))
        if option.deprecated_for_removal:
            going[section, _plain(option.name)] = str(option.deprecated_reason or "it will be removed")
        for old in option.deprecated_opts:
            old_names[old.group or section, _plain(old.name or option.name)] = f"it is called [{section}] {option.name} now"
    return known, {**{place: why for place, why in old_names.items() if place not in known}, **going}


def _listed(service: str) -> "list[tuple[str, Any]]":
    """Return every option with its section."""
    found = []
    for namespace, listing in generator._list_opts(list(_NAMESPACES[service])):
        for group, options in listing:
            section = str(getattr(group, "name", group) or "DEFAULT")
            found += [(section, option) for option in options]
            if {(namespace, section), (namespace, "")} & _OWN_LISTED:
                found += [(_OWN, option) for option in options]
    password = (*loading.get_auth_common_conf_options(), *loading.get_auth_plugin_conf_options("password"))
    found += [(section, option) for section in _ACCOUNTS.get(service, ()) for option in password]
    return found


def _plain(name: str) -> str:
    """Return an option's name as configuration files have it."""
    return name.replace("-", "_")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
