"""What the kinds tell each other: the values that `publish` gives and `compile` looks up in a `Cloud`, by type and name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.cloud import Selector
    from resources.contract import Need, SecretText, TargetId
    from resources.options import Options


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A plain host as others see it. `compute_host` is what Nova calls its own compute."""

    name: str
    address: str
    roles: frozenset[str]
    labels: Mapping[str, str]
    target: TargetId
    compute_host: str


@dataclass(frozen=True, slots=True)
class SshDefaults:
    """How the cluster `name`'s hosts are logged in to, where a node says nothing else."""

    name: str
    user: str
    port: int
    key_file: str


@dataclass(frozen=True, slots=True)
class VCenterFacts:
    """How services log in to a vCenter. `ca_pem` is the text of the CA file, empty without one.

    `session` is the unit that proves that the credentials work.
    """

    name: str
    host: str
    port: int
    username: str
    password: SecretText
    insecure: bool
    ca_pem: str
    thumbprint: str
    target: TargetId
    session: Need


@dataclass(frozen=True, slots=True)
class CloudFacts:
    """The one OpenStack, as its nodes' services must know it.

    `nova_options` stand in every nova-compute's configuration, `cinder_options` in every cinder-volume's, escaped for
    oslo.config already. `ring` is what must stand before Pacemaker is given a resource, first of all that
    it is formed. `fenced` tells whether a lost controller is proven dead by a fence device before its resources start
    elsewhere.
    """

    name: str
    release: str
    nova_options: Options
    cinder_options: Options
    controllers: Selector
    openstack: TargetId
    pacemaker: TargetId
    ring: tuple[Need, ...]
    fenced: bool


@dataclass(frozen=True, slots=True)
class DvsFacts:
    """The DVS agent that each vSphere compute of the cluster `name` has beside it.

    `neutron_options` stand in every agent's configuration, escaped for oslo.config already; `settings` are what people add.
    """

    name: str
    package: str
    program: str
    neutron_options: Options
    settings: Options


@dataclass(frozen=True, slots=True)
class MultiHostFacts:
    """The nova-network that each libvirt compute of the cluster `name` has beside it, with the options that it reads."""

    name: str
    options: Options


@dataclass(frozen=True, slots=True)
class WindowFacts:
    """A maintenance window: on which days it opens (Monday is 0), and from which minute of the day to which.

    It closes on the day after where `end` is not later than `start`; 1440 is midnight at the end of the day.
    """

    days: frozenset[int]
    start: int
    end: int
    time_zone: str


@dataclass(frozen=True, slots=True)
class RolloutFacts:
    """How much of the cluster `name` may be down at once, and how much of it may go at once undeclared.

    `canary` services of those that restart alike go first, 0: none does. No `windows`: always.
    """

    name: str
    max_unavailable: int
    delete_count: int = 10
    delete_percent: int = 20
    failure_budget: int = 1
    canary: int = 0
    windows: tuple[WindowFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class ZoneFacts:
    """An availability zone of one hypervisor type; `nodes` chooses those that run a libvirt compute of it.

    `clusters` are the present names of its vSphere clusters, `found` is what must be so before somebody relies on them,
    `hosts` are the computes that drive them.
    """

    name: str
    availability_zone: str
    hypervisor: str
    nodes: Selector
    vcenter: str = ""
    clusters: tuple[str, ...] = ()
    found: tuple[Need, ...] = ()
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VolumeBackendFacts:
    """A volume backend and its nodes. `kept` tells whether Pacemaker keeps its cinder-volume, a process of its own then.

    `service_host` is what Cinder calls the service, `volume_type` the type that leads there or ''; `remove`: it shall leave.
    """

    name: str
    nodes: Selector
    kept: bool
    service_host: str
    volume_type: str
    remove: bool


@dataclass(frozen=True, slots=True)
class ImageStoreFacts:
    """A store of Glance, and the nodes whose Glance API has it."""

    name: str
    driver: str
    default: bool
    nodes: Selector


@dataclass(frozen=True, slots=True)
class GlanceAccountFacts:
    """How Glance itself logs in to the cluster `name`'s Keystone, to reach its object storage."""

    name: str
    auth_url: str
    region: str
    username: str
    password: SecretText
    user_domain: str
    project: str
    project_domain: str
