"""The declared resources as if their cloud had another OpenStack release: to look at an upgrade before it is made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from resources.releases.table import RELEASES, known_release

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.cloud import Resource
    from resources.contract import Key


def with_release(resources: Mapping[Key, Resource[Any]], release: str) -> Mapping[Key, Resource[Any]]:
    """Return the resources with that release in each Cluster. Raises ValueError with the known names."""
    known_release(release)
    return {
        key: replace(resource, spec=resource.spec.model_copy(update={"release": release}))
        if key.kind == "Cluster"
        else resource
        for key, resource in resources.items()
    }


def said_of(resources: Mapping[Key, Resource[Any]], release: str) -> str:
    """Return a sentence about what is supposed: of which Cluster which release, and what is declared."""
    declared = ", ".join(f"{key} is {RELEASES[one.spec.release]}" for key, one in resources.items() if key.kind == "Cluster")
    return f"As if the release were {RELEASES[release]}; {declared}."
