"""A few small kinds with everything that loading and compiling must handle, so that these tests need no real kind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from resources.cloud import Cloud, Compiled, DocumentPath, Kind, Resource, SecretRef, Spec
from resources.contract import Address, Need, Problem, Reference, TargetId, Unit
from resources.endpoints import SshEndpoint
from resources.published import RolloutFacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from resources.cloud import Rule
    from resources.contract import Facts, Key


class SshSpec(Spec):
    """How to log in."""

    user: str = Field("root", description="The account; any other than root works through sudo.")
    port: int = Field(22, ge=1, le=65535)
    key_file: Annotated[str, DocumentPath()] = ""


class NodeSpec(Spec):
    """A plain host."""

    address: str = Field(description="Where it answers.", min_length=1)
    ssh: SshSpec = Field(default_factory=lambda: SshSpec.model_validate({}))
    roles: tuple[str, ...] = ()
    peer: Annotated[str, Reference("Node")] | None = None
    weights: dict[Annotated[str, Reference("Node")], int] = Field(default_factory=dict)


class TlsSpec(Spec):
    """How a server proves who it is: exactly one of these."""

    ca_file: Annotated[str, DocumentPath(read=True)] | None = None
    insecure: bool = False

    @model_validator(mode="after")
    def exactly_one(self) -> Self:
        """Refuse both and none."""
        if bool(self.ca_file) == self.insecure:
            raise ValueError("give exactly one of caFile and insecure: true")
        return self


class VCenterSpec(Spec):
    """How to reach a vCenter."""

    host: str
    credentials: SecretRef
    tls: TlsSpec | None = None


class Mode(StrEnum):
    """How many run at once."""

    NONE = "none"
    ACTIVE_PASSIVE = "active-passive"


class ComputeSpec(Spec):
    """One service for one vSphere cluster."""

    cluster: str
    host: str
    weight: float = Field(1.0, gt=0)


class NfsSpec(Spec):
    """Shares of an NFS server."""

    driver: Literal["nfs"]
    shares: tuple[str, ...] = Field(min_length=1)


class VmdkSpec(Spec):
    """Volumes in a vCenter."""

    driver: Literal["vmdk"]
    vcenter: Annotated[str, Reference("VCenter")]


class ZoneSpec(Spec):
    """An availability zone of one hypervisor type."""

    hypervisor: Literal["vmware", "libvirt"] = Field(description="What runs the instances.")
    vcenter: Annotated[str, Reference("VCenter")] | None = None
    computes: tuple[ComputeSpec, ...] = Field((), description="One for each vSphere cluster.")
    ha: Mode = Mode.NONE
    volumes: Annotated[NfsSpec | VmdkSpec, Field(discriminator="driver")] | None = None
    extra: dict[str, str | int | bool] = Field(default_factory=dict)
    password: SecretRef | None = None
    also: SshSpec | str | None = None


class SecretSpec(Spec):
    """Where a secret value comes from."""

    file: Annotated[str, DocumentPath()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing(Unit):
    """A unit for tests; `process()` is its name."""

    type: ClassVar[str] = "thing"
    readers: tuple[str, ...] = ()
    digests: tuple[tuple[str, str], ...] = ()
    label: str = ""

    def loading(self, digests: Mapping[Address, str]) -> Thing:
        """Keep the digests."""
        return replace(self, digests=tuple((str(address), digest) for address, digest in digests.items()))

    def read_by(self, processes: tuple[str, ...]) -> Thing:
        """Keep the processes."""
        return replace(self, readers=processes)

    def process(self) -> str:
        """Return its name."""
        return f"{self.address.name}.service" if self.loads else ""


def thing(host: str, name: str, desired: Facts | None, **more: Any) -> Thing:
    """Return a thing on a host."""
    return Thing(address=at(host, name), desired=desired, **more)


def at(host: str, name: str, kind: str = "ssh") -> Address:
    """Return the address of a thing."""
    return Address(TargetId(kind, host), "thing", name)


def nothing(_resource: Resource[Any], _cloud: Cloud) -> tuple[object, ...]:
    """Publish nothing."""
    return ()


def no_units(_resource: Resource[Any], _cloud: Cloud) -> Compiled:
    """Compile to nothing."""
    return Compiled()


def compile_node(resource: Resource[NodeSpec], _cloud: Cloud) -> Compiled:
    """Compile a node to its endpoint, a file, and a service that loads it."""
    name, spec = resource.metadata.name, resource.spec
    target = TargetId("ssh", name)
    file = thing(name, "/etc/a.conf", {"role": spec.roles[0] if spec.roles else None, "mode": "0640"})
    service = thing(name, "a", {"fresh": True}, loads=(file.address,), needs=(Need(file.address, "it reads this file"),))
    endpoint = SshEndpoint(target, spec.address, spec.ssh.port, spec.ssh.user, "", spec.ssh.key_file)
    return Compiled((file, service), (endpoint,))


def compile_vcenter(resource: Resource[VCenterSpec], cloud: Cloud) -> Compiled:
    """Compile a vCenter to a thing that holds its password, and its CA's text."""
    spec = resource.spec
    text = cloud.file(spec.tls.ca_file) if spec.tls and spec.tls.ca_file else ""
    desired: Facts = {"password": cloud.secret(spec.credentials, "password"), "ca": text}
    return Compiled((Thing(address=at(resource.metadata.name, "session", "vcenter"), desired=desired),))


KINDS: Mapping[str, Kind[Any]] = {
    kind.name: kind
    for kind in (
        Kind("Node", NodeSpec, nothing, compile_node),
        Kind("VCenter", VCenterSpec, lambda one, _: (RolloutFacts(one.metadata.name, 1),), compile_vcenter),
        Kind("HypervisorZone", ZoneSpec, nothing, no_units),
        Kind("Secret", SecretSpec, nothing, no_units),
    )
}


def one_zone_per_vcenter(resources: Mapping[Key, Resource[Any]]) -> Iterable[Problem]:
    """Demand that no two zones use one vCenter."""
    seen: dict[str, Key] = {}
    for key, resource in resources.items():
        if isinstance(resource.spec, ZoneSpec) and resource.spec.vcenter:
            first = seen.setdefault(resource.spec.vcenter, key)
            if first != key:
                message = f"{first} uses this vCenter already"
                yield Problem(key, ("spec", "vcenter"), message, "one_zone_per_vcenter")


def some_roles(resources: Mapping[Key, Resource[Any]]) -> Iterable[Problem]:
    """Warn of nodes that nothing chooses."""
    for key, resource in resources.items():
        if isinstance(resource.spec, NodeSpec) and not resource.spec.roles:
            yield Problem(key, ("spec", "roles"), "no role: nothing chooses this node", "some_roles", warning=True)


RULES: tuple[Rule, ...] = (one_zone_per_vcenter, some_roles)
