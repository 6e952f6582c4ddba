"""What a Cluster document says."""

from __future__ import annotations

import difflib
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from resources.cloud import Account, DocumentPath, SecretRef, Selector, Spec
from resources.releases.table import RELEASES
from resources.specs.settings import SettingsField
from resources.specs.shapes import Shape


def _known_release(name: str) -> str:
    if name not in RELEASES:
        near = difflib.get_close_matches(name.casefold(), RELEASES, n=1)
        meant = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(RELEASES)}"
        raise ValueError(f'no OpenStack release "{name}" is known ({meant})')
    return name


class Identity(Spec):
    """Keystone, and the admin account that Bivisor itself uses; all other APIs are found in its catalogue."""

    auth_url: Annotated[str, Shape(r"https?://\S+/v3/?", "a URL such as http://keystone:5000/v3")] = Field(
        description="Keystone's address."
    )
    credentials: Account = Field(description="A Secret with username and password of an admin of this cloud.")
    project: str = Field(default="admin", description="Project in which that account is an admin.")
    user_domain: str = Field(default="Default", description="Domain of that account.")
    project_domain: str = Field(default="Default", description="Domain of that project.")
    ca_file: Annotated[str | None, DocumentPath()] = Field(
        default=None,
        description="CA (PEM) by which Bivisor checks the APIs, relative to this document; the hosts use their own trust.",
    )


class Messaging(Spec):
    """RabbitMQ."""

    transport_url: SecretRef = Field(description="URL with account and password: rabbit://user:password@host:5672/.")


class ServiceAccounts(Spec):
    """The Keystone accounts by which the services speak to each other."""

    nova: Account = Field(description="A Secret with username and password.")
    cinder: Account | None = Field(default=None, description="A Secret with username and password; volume backends need it.")
    project: str = Field(default="service", description="Project of these accounts.")
    user_domain: str = Field(default="Default", description="Domain of these accounts.")
    project_domain: str = Field(default="Default", description="Domain of that project.")


class Databases(Spec):
    """Databases of services that speak to them directly; a nova-compute does not."""

    cinder: SecretRef | None = Field(default=None, description="SQLAlchemy URL of Cinder's database; volume backends need it.")


class Network(Spec):
    """How instances are connected."""

    manager: Literal["neutron", "nova-network"] = Field(
        default="neutron", description="nova-network is only in releases before Ussuri."
    )
    mode: Literal["single-host", "multi-host"] | None = Field(
        default=None, description="Of nova-network: single-host where a vCenter takes part, else multi-host."
    )

    @model_validator(mode="after")
    def _mode_of_nova_network(self) -> Self:
        if (self.mode is None) == (self.manager == "nova-network"):
            raise ValueError("mode belongs to nova-network: give both or neither")
        return self


class Ssh(Spec):
    """How hosts are logged in to, where a Node says nothing else."""

    user: str = Field(default="root", min_length=1, description="Account; one that is not root needs passwordless sudo.")
    port: int = Field(default=22, ge=1, le=65535, description="TCP port of sshd.")
    key_file: Annotated[str | None, DocumentPath()] = Field(
        default=None,
        description="Private key, relative to this document. Without it the agent's and the user's own keys are tried.",
    )


class Stonith(Spec):
    """Fencing: the power to switch a node off that nobody hears any more, so that nothing can run twice."""

    enabled: bool = Field(
        default=True,
        description="Whether a lost node is switched off before its work moves. The fence devices are yours to configure; "
        "without one Pacemaker starts nothing while this is true.",
    )
    reason: str = Field(default="", description="Why it is switched off, for whoever reads this after the first split brain.")

    @model_validator(mode="after")
    def _explained(self) -> Self:
        if not self.enabled and not self.reason.strip():
            raise ValueError("enabled: false needs a reason: without fencing, a node that only lost its network goes on")
        return self


class CorosyncSystem(Spec):
    """Corosync's `system` section; leave it away on real hosts, containers need both switched off."""

    move_to_root_cgroup: bool | None = Field(default=None, description="Leave systemd's cgroup for real-time scheduling.")
    sched_rr: bool | None = Field(default=None, description="Ask for real-time scheduling.")


class PacemakerSpec(Spec):
    """The Corosync and Pacemaker cluster that keeps the vCenter computes."""

    controllers: Selector = Field(description="Chooses its members: three can lose one, five can lose two.")
    authkey: SecretRef = Field(description="A text of 128 to 4096 bytes by which the members know each other.")
    stonith: Stonith = Field(default_factory=Stonith, description="Fencing: on, or off with a reason.")
    no_quorum_policy: Literal["stop", "freeze", "suicide", "ignore", "demote"] = Field(
        default="stop", description="What a minority does with what it runs; anything but stop may run a compute twice."
    )
    node_ids: dict[str, Annotated[int, Field(ge=1, le=2**31)]] = Field(
        default_factory=dict,
        description="Node name to Corosync node id. Without it ids count from 1 in the order of names, and a new name in "
        "between shifts them: give them before you add a member.",
    )
    properties: dict[str, str] = Field(default_factory=dict, description="Further cluster options, by name.")
    system: CorosyncSystem = Field(
        default_factory=CorosyncSystem, description="Leave it away on real hosts; containers need both off."
    )

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        if len(set(self.node_ids.values())) != len(self.node_ids):
            raise ValueError("nodeIds: two nodes have the same id")
        return self


class Api(Spec):
    """Hosts of the existing Nova API, of which Bivisor owns only `[cinder] cross_az_attach = False`."""

    nodes: Selector = Field(
        default_factory=Selector, description="Chooses the hosts; their nova-api restarts when that changes."
    )


class Compute(Spec):
    """What all computes have in common."""

    settings: SettingsField = Field(
        default_factory=dict, description="Further options of every nova-compute, by section: {DEFAULT: {report_interval: 5}}."
    )


class Rollout(Spec):
    """How careful changes are rolled out."""

    max_unavailable: int = Field(default=1, ge=1, description="So many services may be down at once, whatever the reason.")


class ClusterSpec(Spec):
    """One OpenStack."""

    release: Annotated[str, AfterValidator(_known_release)] = Field(description="OpenStack release, such as zed or '2023.1'.")
    region: str = Field(default="RegionOne", min_length=1, description="Region in Keystone's catalogue.")
    identity: Identity = Field(description="Keystone, and the account that Bivisor uses.")
    messaging: Messaging = Field(description="How the services reach RabbitMQ.")
    services: ServiceAccounts = Field(description="The Keystone accounts of Nova and Cinder themselves.")
    databases: Databases = Field(default_factory=Databases, description="Databases that volume services speak to.")
    network: Network = Field(default_factory=Network, description="How instances are connected; without it by Neutron.")
    ssh: Ssh = Field(default_factory=Ssh, description="How hosts are logged in to, where a Node says nothing else.")
    pacemaker: PacemakerSpec = Field(description="The Corosync and Pacemaker cluster of the controllers.")
    api: Api = Field(default_factory=Api, description="Where the existing Nova API runs.")
    compute: Compute = Field(default_factory=Compute, description="What all computes have in common.")
    rollout: Rollout = Field(default_factory=Rollout, description="How much may be down at once.")
