"""Identity across targets: a vCenter over its real protocol, Nova over real HTTP, the demo's documents, silent hosts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from reconciler.core.compile import compile_units
from reconciler.core.graph import build_graph
from reconciler.core.load import load
from reconciler.core.plan import Verb
from reconciler.desired import Desired
from reconciler.reconcile import Reconciler
from reconciler.redact import Redactor
from reconciler.targets import Target, TargetError
from reconciler.targets.fake import FakeTarget
from reconciler.targets.openstack import OpenStackTarget
from reconciler.targets.vcenter import VCenterTarget
from resources.contract import Action, Query, Reply, SecretText, TargetId
from resources.endpoints import OpenStackEndpoint, VCenterEndpoint
from resources.kinds.registry import KINDS
from resources.rules.registry import RULES
from tests.kinds.cloud import SECRETS, demo_texts
from tests.lab.vcenter.process import PASSWORD
from tests.targets.small_openstack import REGION, Cloud, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from reconciler.core.plan import Step
    from tests.lab.vcenter.process import Running

CLUSTER = "vcenter:vc1/compute_cluster/DC0_C0"
ROW = "openstack:demo/compute_service/vcenter-c0"


@dataclass(frozen=True)
class Reachable:
    """The targets that answer; all hosts are silent."""

    targets: Mapping[TargetId, Target]

    def get(self, target: TargetId) -> Target:
        """Return the target of that name."""

        def silent(_: Query | Action) -> Reply:
            raise TargetError(target, "no route to host")

        return self.targets.get(target) or FakeTarget(silent)


@pytest.fixture
def cloud(vcenter: Running) -> Iterator[Cloud]:
    """A Nova that knows the first cluster of the vCenter as the demo's compute."""
    moref = next(cluster.moref for cluster in vcenter.control.state().clusters if cluster.name == "DC0_C0")
    with serving() as cloud:
        cloud.add_compute("vcenter-c0", "VMware vCenter Server")
        cloud.hypervisors[0]["hypervisor_hostname"] = f"{moref}.dbed6e0c-bd88-4ef6-b594-21283e1c677f"
        yield cloud


@pytest.fixture
async def reachable(vcenter: Running, cloud: Cloud) -> AsyncIterator[Reachable]:
    """Both, closed at the end."""
    user, ca = vcenter.settings.user, str(vcenter.settings.certificates.ca)
    vc1, demo = TargetId("vcenter", "vc1"), TargetId("openstack", "demo")
    password = SecretText(cloud.password)
    targets: dict[TargetId, Target] = {
        vc1: VCenterTarget(VCenterEndpoint(vc1, vcenter.host, vcenter.port, user, SecretText(PASSWORD), "vc1", ca_file=ca)),
        demo: OpenStackTarget(
            OpenStackEndpoint(demo, f"{cloud.url}/identity/v3", REGION, "admin", password, "admin", "Default", "Default")
        ),
    }
    yield Reachable(targets)
    for target in targets.values():
        await target.close()


async def look(reachable: Reachable, changes: Mapping[str, str] | None = None) -> dict[str, Step]:
    """Return the steps of a first look at the demo, by address."""
    texts = demo_texts()
    for old, new in (changes or {}).items():
        texts = {name: text.replace(old, new) for name, text in texts.items()}
    loaded = load(texts, KINDS, RULES)
    files = {read.file: "the CA's text\n" for read in loaded.reads}
    catalog = compile_units(loaded, KINDS, SECRETS, files)
    desired = Desired(loaded, catalog, build_graph(catalog.units), Redactor(SECRETS), SECRETS, files)
    seen = await Reconciler(desired, reachable).look()  # type: ignore[arg-type]  # it is enough of Targets
    return {str(step.address): step for step in seen.plan.steps}


async def test_a_compute_on_its_own_cluster_is_as_declared(reachable: Reachable) -> None:
    """Nova's name of the hypervisor and vCenter's name of the cluster are the same one."""
    step = (await look(reachable))[CLUSTER]
    assert (step.verb, step.remarks) == (Verb.NOTHING, ())


async def test_a_rename_in_vcenter_is_followed(vcenter: Running, reachable: Reachable) -> None:
    """The cluster under its new name is as declared, and what uses the name is compiled with it."""
    vcenter.control.rename_cluster("DC0_C0", "gold")
    steps = await look(reachable)
    assert steps[CLUSTER].verb is Verb.NOTHING
    assert steps[CLUSTER].remarks[0].startswith('it is called "gold" in vCenter now, and is followed (domain-c')
    assert steps["vcenter:vc1/datastores/DC0_C0 ^LocalDS"].verb is Verb.NOTHING


async def test_another_host_is_refused(reachable: Reachable) -> None:
    """Nova knows the cluster by the former host."""
    step = (await look(reachable, {"host: vcenter-c0,": "host: renamed,"}))[CLUSTER]
    assert step.verb is Verb.HELD
    assert step.held.startswith('Nova knows this cluster as the compute "vcenter-c0"')


async def test_another_cluster_of_the_same_name_is_refused(cloud: Cloud, reachable: Reachable) -> None:
    """The compute drove a cluster that vCenter does not have any more."""
    cloud.hypervisors[0]["hypervisor_hostname"] = "domain-c4711.dbed6e0c-bd88-4ef6-b594-21283e1c677f"
    step = (await look(reachable))[CLUSTER]
    assert step.verb is Verb.HELD
    assert "drives (domain-c4711), which is no more" in step.held


async def test_what_the_driver_left_disabled_waits_for_the_vcenter(
    vcenter: Running, cloud: Cloud, reachable: Reachable
) -> None:
    """It is enabled when the vCenter is well, and not before."""
    cloud.computes[0] |= {"status": "disabled", "disabled_reason": "set by vmwareapi host_state"}
    row = (await look(reachable))[ROW]
    assert [change.field for change in row.changes] == ["driver_disabled"]
    assert row.intended is Verb.UPDATE
    for host in ("DC0_C0_H0", "DC0_C0_H1", "DC0_C0_H2"):
        vcenter.control.disconnect_host(host)
    steps = await look(reachable)
    assert steps[CLUSTER].verb is Verb.HELD
    assert CLUSTER in {str(need) for need in steps[ROW].needs}
