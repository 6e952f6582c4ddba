"""Adopt a world in memory, and look into what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from reconciler.adopt import drafted
from resources.adoption.whole import Choices

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.adopted_files import Drafted
    from tests.adoption.world import World

CONTROLLERS = ("ctl1", "ctl2", "ctl3")
HOST = "vcenter-az1-cluster1"
HAND_WRITTEN = """\
[DEFAULT]
host = vcenter-az1-cluster1
compute_driver = vmwareapi.VMwareVCDriver

[vmware]
host_ip = 10.77.0.1
host_username = administrator@vsphere.local
host_password = pa$$$$word
cluster_name = DC0_C0
datastore_regex = ^LocalDS
insecure = True
api_retry_count = 7
cache_prefix = $host
"""


def draft_of(world: World, folder: Path) -> Drafted:
    """Adopt a world."""
    return drafted(world.seen(), Choices(), folder / "desired")


def documents(done: Drafted) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the written documents as data, by kind and name."""
    found = (one for text in done.texts.values() for one in yaml.safe_load_all(text))
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


def comments(done: Drafted, file: str) -> str:
    """Return a file's text as one line, in which comments read as sentences."""
    return " ".join(done.texts[file].replace("#", "").split())
