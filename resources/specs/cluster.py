"""What a Cluster document says."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from resources.cloud import Account, DocumentPath, SecretRef, Selector, Spec
from resources.releases.table import known_release
from resources.specs.network import Network
from resources.specs.rollout import Rollout
from resources.specs.settings import SettingsField
from resources.specs.shapes import Shape


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
    glance: Account | None = Field(
        default=None, description="A Secret with username and password; image stores of driver swift need it."
    )
    project: str = Field(default="service", description="Project of these accounts.")
    user_domain: str = Field(default="Default", description="Domain of these accounts.")
    project_domain: str = Field(default="Default", description="Domain of that project.")


class Databases(Spec):
    """Databases of services that speak to them directly; a nova-compute does not."""

    cinder: SecretRef | None = Field(default=None, description="SQLAlchemy URL of Cinder's database; volume backends need it.")


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
    """The Corosync and Pacemaker cluster that keeps the vCenter computes and active-passive volume services."""

    controllers: Selector = Field(description="Chooses its members: three can lose one, five can lose two.")
    authkey: SecretRef = Field(description="A text of 128 to 4096 bytes by which the members know each other.")
    remote_authkey: SecretRef | None = Field(
        default=None,
        description="A text of 128 to 4096 bytes by which members and pacemaker_remote nodes know each other (/etc/pacemaker/"
        "authkey); active-passive volume backends off the controllers need it.",
    )
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
    gone: tuple[Annotated[str, Shape(r"\S+", "the host of a compute")], ...] = Field(
        default=(),
        description="Hosts of computes that are no more: their rows are removed from Nova once they are down and no instance "
        "lives there.",
    )


class ClusterSpec(Spec):
    """One OpenStack."""

    release: Annotated[str, AfterValidator(known_release)] = Field(
        description="OpenStack release, such as zed or '2023.1'; it decides what options are called."
    )
    region: str = Field(default="RegionOne", min_length=1, description="Region in Keystone's catalogue.")
    identity: Identity = Field(description="Keystone, and the account that Bivisor uses.")
    messaging: Messaging = Field(description="How the services reach RabbitMQ.")
    services: ServiceAccounts = Field(description="The Keystone accounts of the services themselves.")
    databases: Databases = Field(default_factory=Databases, description="Databases that volume services speak to.")
    network: Network = Field(default_factory=Network, description="How instances are connected; without it by Neutron.")
    ssh: Ssh = Field(default_factory=Ssh, description="How hosts are logged in to, where a Node says nothing else.")
    pacemaker: PacemakerSpec = Field(description="The Corosync and Pacemaker cluster of the controllers.")
    api: Api = Field(default_factory=Api, description="Where the existing Nova API runs.")
    compute: Compute = Field(default_factory=Compute, description="What all computes have in common.")
    rollout: Rollout = Field(default_factory=Rollout, description="How much may be down at once, and when.")
