"""All kinds by name: the one module that knows its siblings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resources.kinds.cluster import CLUSTER
from resources.kinds.hypervisor_zone import HYPERVISOR_ZONE
from resources.kinds.image_store import IMAGE_STORE
from resources.kinds.node import NODE
from resources.kinds.secret import SECRET
from resources.kinds.vcenter import VCENTER
from resources.kinds.volume_backend import VOLUME_BACKEND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.cloud import Kind

_ALL: tuple[Kind[Any], ...] = (CLUSTER, NODE, VCENTER, HYPERVISOR_ZONE, VOLUME_BACKEND, IMAGE_STORE, SECRET)

KINDS: Mapping[str, Kind[Any]] = {kind.name: kind for kind in _ALL}
"""Kind name to kind, in the order in which a newcomer meets them."""
