"""The OpenStack releases that a cloud may have, and the features that only some of them have, each with its source."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Release:
    """One release: its lower-case name, the other name that people write, and Nova's major version.

    Of Juno and Kilo, whose versions were dates, `nova` is the number that would have been.
    """

    name: str
    alias: str
    nova: int

    def __str__(self) -> str:
        """Return the name as people say it: `Zed`, `Antelope (2023.1)`."""
        return f"{self.name.capitalize()} ({self.alias})" if self.alias else self.name.capitalize()

    def within(self, first: str, last: str) -> bool:
        """Tell whether it is one of the releases from `first` to `last`; an empty `last` means there is no end yet."""
        return RELEASES[first].nova <= self.nova and (not last or self.nova <= RELEASES[last].nova)

    def has(self, feature: str) -> bool:
        """Tell whether it has a feature of FEATURES. Raises KeyError for any other name."""
        return self.within(FEATURES[feature].first, FEATURES[feature].last)

    @property
    def has_nova_network(self) -> bool:
        """Tell whether instances may be connected without Neutron."""
        return self.has("nova-network")

    @property
    def has_compute_id(self) -> bool:
        """Tell whether a nova-compute refuses to start elsewhere without its identity file."""
        return self.has("compute_id")

    @property
    def has_compute_notify(self) -> bool:
        """Tell whether a nova-compute tells systemd when it is ready."""
        return self.has("compute-notify")

    @property
    def has_glance_multistore(self) -> bool:
        """Tell whether Glance names its stores (`enabled_backends`), several of one driver if need be."""
        return self.has("glance-multistore")

    @property
    def has_fcd_volumes(self) -> bool:
        """Tell whether Nova can attach what Cinder's fcd driver makes."""
        return self.has("fcd-volumes")

    @property
    def nova_network_wants_cells(self) -> bool:
        """Tell whether nova-network starts only where Cells v1 is on."""
        return self.has("nova-network-of-cells")

    @property
    def has_volume_type_zones(self) -> bool:
        """Tell whether a volume type can be bound to availability zones."""
        return self.has("volume-type-zones")


@dataclass(frozen=True, slots=True)
class Feature:
    """Something that only some releases have: what it is, the first release with it, the last (empty: not gone yet)."""

    name: str
    first: str
    last: str
    meaning: str
    source: str


_ALL = (
    Release("juno", "2014.2", 10),
    Release("kilo", "2015.1", 11),
    Release("liberty", "", 12),
    Release("mitaka", "", 13),
    Release("newton", "", 14),
    Release("ocata", "", 15),
    Release("pike", "", 16),
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
"""Oldest first (openstack/releases, data/series_status.yaml; Nova 34.0.0 is on the package index)."""

RELEASES: Mapping[str, Release] = {name: release for release in _ALL for name in (release.name, release.alias) if name}
"""By each of their names, oldest first."""

_FEATURES = (
    Feature(
        "nova-network",
        "juno",
        "train",
        "instances connected without Neutron",
        "Nova release notes, 14.0.0 (deprecated) and 21.0.0 (removed)",
    ),
    Feature(
        "nova-network-of-cells",
        "ocata",
        "train",
        "nova-network ends at once where Cells v1 is off",
        "Nova release notes, 15.0.0; nova/cmd/network.py, 15.1.5",
    ),
    Feature(
        "glance-multistore",
        "train",
        "",
        "several Glance stores at once, each with a name and a section of its own (experimental in Rocky and Stein)",
        "glance/common/wsgi.py, absent in 15.0.2, there in 17.0.1; Glance, admin/multistores",
    ),
    Feature(
        "fcd-volumes",
        "yoga",
        "",
        "first class disks of a vCenter as volumes (Cinder has the driver since Queens, Nova attaches them since Yoga)",
        "cinder/volume/drivers/vmware/fcd.py, absent in 11.2.2, there in 12.0.10; Nova release notes, 25.0.0",
    ),
    Feature(
        "volume-type-zones",
        "rocky",
        "",
        "volume types bound to zones by the extra spec RESKEY:availability_zones (volume API 3.52)",
        "cinder/api/openstack/api_version_request.py, absent in 12.0.10, there in 13.0.9",
    ),
    Feature(
        "compute-notify",
        "juno",
        "gazpacho",
        "a nova-compute tells systemd when it is ready",
        "nova/cmd/compute.py 34.0.0, no_fork=True; oslo.service 4.8.0, oslo_service/backend/_threading/service.py",
    ),
    Feature(
        "compute_id",
        "antelope",
        "",
        "a nova-compute has an identity file and refuses to start without it, once it is known to Nova",
        "nova/virt/node.py, 27.0.0; Nova release notes, 2023.1",
    ),
)

FEATURES: Mapping[str, Feature] = {feature.name: feature for feature in _FEATURES}
"""By name."""


def known_release(name: str) -> str:
    """Return the name if it is a release's. Raises ValueError with the nearest name, or with all that there are."""
    if name not in RELEASES:
        near = difflib.get_close_matches(name.casefold(), RELEASES, n=1)
        meant = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(RELEASES)}"
        raise ValueError(f'no OpenStack release "{name}" is known ({meant})')
    return name
