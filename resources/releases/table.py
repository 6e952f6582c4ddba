"""The OpenStack releases that a cloud may have, and what differs between them, each with its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LAST_NOVA_NETWORK = 20
"""Nova 21.0.0 (Ussuri) removed nova-network (Nova release notes, Ussuri, upgrade notes)."""

FIRST_COMPUTE_ID = 27
"""Since Nova 27.0.0 (2023.1) a nova-compute has an identity file, `compute_id` (nova/virt/node.py)."""

LAST_COMPUTE_NOTIFY = 33
"""Nova 34.0.0 (2026.2) runs nova-compute on native threads in one process, and then nobody tells systemd that it is ready
(nova/cmd/compute.py, `no_fork=True`; oslo.service 4.8.0, oslo_service/backend/_threading/service.py)."""


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
    def has_compute_id(self) -> bool:
        """Tell whether a nova-compute refuses to start elsewhere without its identity file."""
        return self.nova >= FIRST_COMPUTE_ID

    @property
    def has_compute_notify(self) -> bool:
        """Tell whether a nova-compute tells systemd when it is ready."""
        return self.nova <= LAST_COMPUTE_NOTIFY


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
    Release("flamingo", "2025.2", 32),
    Release("gazpacho", "2026.1", 33),
    Release("hibiscus", "2026.2", 34),
)

RELEASES: Mapping[str, Release] = {name: release for release in _ALL for name in (release.name, release.alias) if name}
"""By each of their names, oldest first."""
