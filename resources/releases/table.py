"""The OpenStack releases that a cloud may have, and what differs between them, each with its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LAST_NOVA_NETWORK = 20
"""Nova 21.0.0 (Ussuri) removed nova-network (Nova release notes, Ussuri, upgrade notes)."""

FIRST_FCD = 25
"""Since Nova 25.0.0 (Yoga) the vmwareapi driver attaches First Class Disks (Nova release notes, Yoga, new features)."""

FIRST_NOVA_NETWORK_OF_CELLS = 15
"""Since Nova 15.0.0 (Ocata) nova-network ends at once where Cells v1 is off (nova/cmd/network.py)."""

FIRST_COMPUTE_ID = 27
"""Since Nova 27.0.0 (2023.1) a nova-compute has an identity file, `compute_id` (nova/virt/node.py)."""

FIRST_GLANCE_MULTISTORE = 20
"""Train (Nova 20, Glance 19.0.0) supports several stores of one Glance; Rocky and Stein had them as an experiment (Glance
release notes; admin/multistores)."""


@dataclass(frozen=True, slots=True)
class Release:
    """One release: its lower-case name, the other name that people write, and Nova's major version."""

    name: str
    alias: str
    nova: int

    @property
    def has_nova_network(self) -> bool:
        """Tell whether instances may be connected without Neutron."""
        return self.nova <= LAST_NOVA_NETWORK

    @property
    def has_fcd_volumes(self) -> bool:
        """Tell whether Nova can attach what Cinder's fcd driver makes."""
        return self.nova >= FIRST_FCD

    @property
    def nova_network_wants_cells(self) -> bool:
        """Tell whether nova-network starts only where Cells v1 is on."""
        return self.nova >= FIRST_NOVA_NETWORK_OF_CELLS

    @property
    def has_compute_id(self) -> bool:
        """Tell whether a nova-compute refuses to start elsewhere without its identity file."""
        return self.nova >= FIRST_COMPUTE_ID

    @property
    def has_glance_multistore(self) -> bool:
        """Tell whether Glance names its stores (`enabled_backends`), several of one driver if need be."""
        return self.nova >= FIRST_GLANCE_MULTISTORE


_ALL = (
    Release("queens", "", 17),
    Release("rocky", "", 18),
    Release("stein", "", 19),
    Release("train", "", 20),
    Release("ussuri", "", 21),
    Release("victoria", "", 22),
    Release("wallaby", "", 23),
    Release("xena", "", 24),
    Release("yoga", "", 25),
    Release("zed", "", 26),
    Release("antelope", "2023.1", 27),
    Release("bobcat", "2023.2", 28),
    Release("caracal", "2024.1", 29),
    Release("dalmatian", "2024.2", 30),
    Release("epoxy", "2025.1", 31),
)

RELEASES: Mapping[str, Release] = {name: release for release in _ALL for name in (release.name, release.alias) if name}
"""By each of their names, oldest first."""
