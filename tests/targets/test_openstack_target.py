"""The openstack target, against Keystone and Nova over real HTTP."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.targets import TargetError
from reconciler.targets.openstack import OpenStackTarget
from resources.contract import Action, Query, Reply, SecretText, TargetId
from resources.endpoints import OpenStackEndpoint
from tests.lab.vcenter.certificates import ensure_certificates
from tests.targets.small_openstack import REGION, Cloud, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

DEMO = TargetId("openstack", "demo")
KVM_AZ = Query("aggregate.get", {"name": "kvm-az"})
KVM1 = Query("compute_service.get", {"host": "kvm1"})
MAKE = Action("aggregate.create", {"name": "kvm-az", "availability_zone": "kvm-az"})
MIDNIGHT = 1767225600
"""2026-01-01T00:00:00, when all services of the small cloud reported."""
JOIN = Action("aggregate.add_host", {"name": "kvm-az", "host": "kvm1"})


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """A cloud with one KVM compute and one of a vCenter, and no aggregates."""
    with serving() as cloud:
        cloud.add_compute("kvm1", "QEMU")
        cloud.add_compute(
            "vcenter-c0", "VMware vCenter Server", status="disabled", disabled_reason="set by vmwareapi host_state"
        )
        yield cloud


def endpoint(cloud: Cloud) -> OpenStackEndpoint:
    """Return how to reach the cloud with the right account."""
    return OpenStackEndpoint(
        DEMO, f"{cloud.url}/identity/v3", REGION, "admin", SecretText(cloud.password), "admin", "Default", "Default"
    )


@pytest.fixture
async def target(cloud: Cloud) -> AsyncIterator[OpenStackTarget]:
    """A target over the cloud, closed at the end."""
    target = OpenStackTarget(endpoint(cloud), deadline_s=20, socket_timeout_s=5)
    yield target
    await target.close()


async def test_what_is_there_is_told(cloud: Cloud, target: OpenStackTarget) -> None:
    """Aggregates and computes are found by name, with all that the units ask for."""
    cloud.aggregates.append(
        {
            "id": 4,
            "name": "kvm-az",
            "availability_zone": "kvm-az",
            "hosts": ["kvm2", "kvm1"],
            "metadata": {"availability_zone": "kvm-az", "ssd": "true"},
        }
    )
    aggregate, compute = await target.ask([KVM_AZ, Query("compute_service.get", {"host": "vcenter-c0"})])
    expected = {"id": 4, "availability_zone": "kvm-az", "hosts": ["kvm1", "kvm2"], "metadata": {"ssd": "true"}}
    assert aggregate.data == {"exists": True, **expected, "instances": None}
    assert compute.data == {
        "exists": True,
        "id": 2,
        "state": "up",
        "status": "disabled",
        "disabled_reason": "set by vmwareapi host_state",
        "reported_at": MIDNIGHT,
        "newest_report": MIDNIGHT,
        "others_report": MIDNIGHT,
        "hypervisor": {"type": "VMware vCenter Server", "hostname": "vcenter-c0.hypervisor", "state": "up"},
    }


async def test_novas_own_clock_is_told(cloud: Cloud, target: OpenStackTarget) -> None:
    """The newest report of any service of Nova is its "now"; a compute that never reported has no moment."""
    cloud.add_compute("silent", "QEMU", state="down", updated_at=None)
    cloud.computes.append({**cloud.computes[0], "binary": "nova-scheduler", "updated_at": "2026-01-01T00:05:00.000000"})
    silent, rows = await target.ask([Query("compute_service.get", {"host": "silent"}), Query("computes.list", {})])
    assert (silent.data["reported_at"], silent.data["newest_report"]) == (None, MIDNIGHT + 300)
    assert silent.data["others_report"] == MIDNIGHT, "a scheduler needs no message queue to report"
    assert rows.data["newest_report"] == MIDNIGHT + 300
    assert [(row["host"], row["state"], row["reported_at"]) for row in rows.data["computes"]] == [
        ("kvm1", "up", MIDNIGHT),
        ("vcenter-c0", "up", MIDNIGHT),
        ("silent", "down", None),
    ]


async def test_the_hypervisors_of_one_type_are_told(target: OpenStackTarget) -> None:
    """Each with the compute that drives it."""
    wanted = {"type": "VMware vCenter Server"}
    for uuids, uuid in ((False, ""), (True, "uuid-of-vcenter-c0")):
        (reply,) = await target.ask([Query("hypervisors.list", {**wanted, "uuids": uuids})])
        assert reply.data == {"hypervisors": [{"hostname": "vcenter-c0.hypervisor", "host": "vcenter-c0", "uuid": uuid}]}


async def test_instances_are_looked_for_only_where_a_zone_is_another_one(cloud: Cloud, target: OpenStackTarget) -> None:
    """They decide whether a zone may change; one that is as wanted costs no listing of instances."""
    await target.do(MAKE)
    await target.do(JOIN)
    cloud.instances["kvm1"] = ["web", "db"]
    same, other = (Query("aggregate.get", {"name": "kvm-az", "zone": zone}) for zone in ("kvm-az", "other"))
    (reply,) = await target.ask([same])
    assert reply.data["instances"] is None
    assert cloud.count("GET /compute/v2.1/servers") == 0
    reply, listed = await target.ask([other, Query("instances.list", {"host": "kvm1"})])
    assert reply.data["instances"] == {"kvm1": ["db", "web"]}
    assert listed.data == {"instances": ["db", "web"]}


async def test_what_is_being_moved_needs_both_hosts(cloud: Cloud, target: OpenStackTarget) -> None:
    """An instance that was moved and not confirmed is its new host's, and needs the former one; what is over needs neither."""
    cloud.instances["vcenter-c0"] = ["web"]
    hosts = {"source_compute": "kvm1", "dest_compute": "vcenter-c0"}
    for status, uuid in (("finished", "web"), ("running", "db"), ("confirmed", "old")):
        cloud.migrations.append({"status": status, "instance_uuid": uuid, **hosts})
    former, new = await target.ask([Query("instances.list", {"host": host}) for host in ("kvm1", "vcenter-c0")])
    assert former.data == {"instances": ["db, which is being moved", "web, which is being moved"]}
    assert new.data == {"instances": ["web", "db, which is being moved"]}


async def test_a_cell_that_is_down_hides_what_lives_there(cloud: Cloud, target: OpenStackTarget) -> None:
    """Nova leaves it out of its listings: nobody then knows that a compute is empty. A Nova before cells cannot say so."""
    listed = Query("instances.list", {"host": "kvm1"})
    cloud.down_cell = ("kvm1",)
    with pytest.raises(TargetError, match="half an answer: a cell of Nova does not answer, that of kvm1"):
        await target.ask([listed])
    cloud.newest_microversion = "2.38"
    (reply,) = await target.ask([listed])
    assert reply.data == {"instances": []}


async def test_a_compute_is_disabled_and_forgotten(cloud: Cloud, target: OpenStackTarget) -> None:
    """Told twice, done once; Nova itself forgets no compute with instances."""
    disable = Action("compute_service.disable", {"host": "kvm1", "reason": "leaves"})
    forget = Action("compute_service.delete", {"host": "kvm1"})
    assert [await target.do(disable) for _ in range(2)] == [Reply({}), Reply({})]
    assert (cloud.computes[0]["status"], cloud.computes[0]["disabled_reason"]) == ("disabled", "leaves")
    assert cloud.count("PUT /compute/v2.1/os-services/disable-log-reason") == 1
    cloud.instances["kvm1"] = ["web"]
    refused = await target.do(forget)
    assert (refused.code, "hosting instances" in refused.error) == ("failed", True)
    cloud.instances.clear()
    assert [await target.do(forget) for _ in range(2)] == [Reply({}), Reply({})]
    assert [compute["host"] for compute in cloud.computes] == ["vcenter-c0"]


async def test_what_is_not_there_is_absent(target: OpenStackTarget) -> None:
    """A name that is not in a whole listing does not exist."""
    aggregate, compute = await target.ask([KVM_AZ, Query("compute_service.get", {"host": "kvm9"})])
    assert aggregate.data["exists"] is False
    assert (compute.data["exists"], compute.data["hypervisor"]) == (False, None)


async def test_each_collection_is_listed_once_and_only_if_asked_for(cloud: Cloud, target: OpenStackTarget) -> None:
    """Many questions cost one listing; the token is kept for the next ask."""
    await target.ask([KVM_AZ] * 5)
    assert cloud.count("GET /compute/v2.1/os-aggregates") == 1
    assert cloud.count("GET /compute/v2.1/os-services") == 0
    await target.ask([KVM1] * 5)
    assert cloud.count("GET /compute/v2.1/os-services") == 1
    assert cloud.count("GET /compute/v2.1/os-hypervisors/detail") == 1
    assert cloud.count("POST /identity/v3/auth/tokens") == 1


async def test_aggregates_are_made_changed_and_deleted(cloud: Cloud, target: OpenStackTarget) -> None:
    """The whole life of an aggregate, each step done once although it is told twice."""
    rezone = Action("aggregate.set", {"name": "kvm-az", "availability_zone": "other"})
    leave = Action("aggregate.remove_host", {"name": "kvm-az", "host": "kvm1"})
    for action in (MAKE, JOIN, rezone, leave):
        assert [await target.do(action) for _ in range(2)] == [Reply({}), Reply({})]
    (made,) = cloud.aggregates
    assert (made["availability_zone"], made["hosts"]) == ("other", [])
    await target.do(JOIN)
    assert [await target.do(Action("aggregate.delete", {"name": "kvm-az"})) for _ in range(2)] == [Reply({}), Reply({})]
    assert cloud.aggregates == []
    writes = [line for line in cloud.seen if not line.startswith("GET") and "compute" in line]
    assert len(writes) == 7


async def test_a_compute_is_enabled(cloud: Cloud, target: OpenStackTarget) -> None:
    """A disabled compute is put back to work, and left alone when it is at work."""
    enable = Action("compute_service.enable", {"host": "vcenter-c0"})
    assert [await target.do(enable) for _ in range(2)] == [Reply({}), Reply({})]
    assert cloud.computes[1]["status"] == "enabled"
    assert cloud.count("PUT /compute/v2.1/os-services/enable") == 1


async def test_a_refusal_of_nova_is_a_reply_in_its_words(target: OpenStackTarget) -> None:
    """A host that Nova does not know, or that is in another zone, is refused, and the step says why."""
    await target.do(MAKE)
    stranger = Action("aggregate.add_host", {"name": "kvm-az", "host": "kvm9"})
    assert await target.do(stranger) == Reply({}, "failed", "Nova refuses: Compute host kvm9 could not be found.")
    await target.do(JOIN)
    await target.do(Action("aggregate.create", {"name": "second", "availability_zone": "second"}))
    reply = await target.do(Action("aggregate.add_host", {"name": "second", "host": "kvm1"}))
    assert reply == Reply({}, "failed", "Nova refuses: Cannot add host kvm1: it is in another availability zone.")
    missing = await target.do(Action("aggregate.add_host", {"name": "third", "host": "kvm1"}))
    assert missing == Reply({}, "failed", 'there is no aggregate "third"')


async def test_wrong_credentials_are_no_answer(cloud: Cloud) -> None:
    """The account, the place to correct it, and no password; trying again by itself is of no use."""
    cloud_endpoint = replace(endpoint(cloud), password=SecretText("wrong-canary"))
    with pytest.raises(TargetError) as caught:
        await OpenStackTarget(cloud_endpoint).ask([KVM_AZ])
    refused = f'Keystone at {cloud.url}/identity/v3 refuses user "admin" of project "admin": '
    assert caught.value.reason == refused + "correct the credentials that spec.identity of the Cluster names"
    assert caught.value.retry is False
    assert "canary" not in repr(caught.value)


async def test_a_region_that_the_catalog_does_not_have_is_told(cloud: Cloud) -> None:
    """The region is named, and where to correct it."""
    with pytest.raises(TargetError, match=r'no compute API in region "RegionTwo": correct spec\.region') as caught:
        await OpenStackTarget(replace(endpoint(cloud), region="RegionTwo")).ask([KVM_AZ])
    assert caught.value.retry is False


async def test_a_catalog_url_without_a_version_is_enough(cloud: Cloud, target: OpenStackTarget) -> None:
    """Nova is found behind the plain URL that newer clouds have in their catalog."""
    cloud.catalog_path = "/compute"
    assert (await target.ask([KVM1]))[0].data["exists"]


async def test_a_token_that_ends_is_replaced(cloud: Cloud, target: OpenStackTarget) -> None:
    """Keystone revokes the token between two asks: the second logs in again and is whole."""
    await target.ask([KVM1])
    cloud.tokens.clear()
    (reply,) = await target.ask([KVM1])
    assert reply.data["exists"]
    assert cloud.count("POST /identity/v3/auth/tokens") == 2


@pytest.mark.parametrize("path", ["/identity/v3/auth/tokens", "/compute/v2.1/os-aggregates"])
async def test_a_silent_api_ends_in_time(cloud: Cloud, path: str) -> None:
    """An API that takes a request and never answers is an error within the deadline, or at the socket's own time-out."""
    cloud.silent.add(path)
    async with asyncio.timeout(10):
        with pytest.raises(TargetError, match=r"no complete answer from the APIs behind .* within 0\.5 s"):
            await OpenStackTarget(endpoint(cloud), deadline_s=0.5, socket_timeout_s=60).ask([KVM_AZ])
        with pytest.raises(TargetError, match=r"an API behind .* does not answer within 0\.5 s"):
            await OpenStackTarget(endpoint(cloud), deadline_s=20, socket_timeout_s=0.5).ask([KVM_AZ])


async def test_a_silent_action_is_unknown(cloud: Cloud) -> None:
    """Nobody knows whether Nova made the aggregate: that is an error, not a refusal."""
    cloud.silent.add("/compute/v2.1/os-aggregates")
    with pytest.raises(TargetError, match="no complete answer"):
        await OpenStackTarget(endpoint(cloud), deadline_s=0.5, socket_timeout_s=60).do(MAKE)


@pytest.mark.parametrize("path", ["/identity/v3/auth/tokens", "/compute/v2.1/os-aggregates"])
async def test_half_an_answer_is_no_answer(cloud: Cloud, path: str) -> None:
    """A body that breaks off is not an empty list."""
    cloud.aggregates.append({"id": 1, "name": "x" * 500, "availability_zone": None, "hosts": [], "metadata": {}})
    cloud.half.add(path)
    target = OpenStackTarget(endpoint(cloud), socket_timeout_s=5)
    with pytest.raises(TargetError):
        await target.ask([KVM_AZ])
    cloud.half.clear()
    assert (await target.ask([KVM_AZ]))[0].data["exists"] is False
    await target.close()


@pytest.mark.parametrize("text", ["{}", "[]", "<html>", '{"aggregates": null}'])
async def test_success_without_the_collection_is_no_answer(cloud: Cloud, text: str) -> None:
    """Something in between that answers 200 with other words does not make aggregates vanish."""
    cloud.broken["/compute/v2.1/os-aggregates"] = (200, text)
    with pytest.raises(TargetError, match=r"half an answer: .*/os-aggregates answered (without aggregates|no JSON)"):
        await OpenStackTarget(endpoint(cloud)).ask([KVM_AZ])


async def test_an_error_of_nova_is_no_answer(cloud: Cloud, target: OpenStackTarget) -> None:
    """A 500 says nothing about what exists, or about what was done; a 403 asks for an admin."""
    cloud.broken["/compute/v2.1/os-aggregates"] = (500, '{"computeFault": {"code": 500, "message": "Unexpected API Error."}}')
    with pytest.raises(TargetError, match=r"Nova answered 500: Unexpected API Error\."):
        await target.ask([KVM_AZ])
    with pytest.raises(TargetError, match="Nova answered 500"):
        await target.do(MAKE)
    cloud.broken["/compute/v2.1/os-aggregates"] = (403, '{"forbidden": {"code": 403, "message": "Policy does not allow it."}}')
    with pytest.raises(TargetError, match="Bivisor needs an admin of the cloud") as caught:
        await target.ask([KVM_AZ])
    assert caught.value.retry is False


async def test_an_api_that_is_down_is_told() -> None:
    """Refused connections name the address; trying again may help."""
    with serving() as cloud:
        gone = endpoint(cloud)
    with pytest.raises(
        TargetError, match=r"an API behind http://127\.0\.0\.1:\d+/identity/v3 cannot be reached: .*refused"
    ) as caught:
        await OpenStackTarget(gone).ask([KVM_AZ])
    assert caught.value.retry is True


async def test_a_certificate_must_be_trusted(tmp_path: Path) -> None:
    """With the CA file it works; without it the message says what is not trusted."""
    files = ensure_certificates(tmp_path, ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)
    with serving(context) as cloud:
        trusting = OpenStackTarget(replace(endpoint(cloud), ca_file=str(files.ca)))
        assert (await trusting.ask([KVM_AZ]))[0].data["exists"] is False
        await trusting.close()
        with pytest.raises(
            TargetError, match=r"is not trusted by the system's authorities: .*certificate verify failed"
        ) as caught:
            await OpenStackTarget(endpoint(cloud)).ask([KVM_AZ])
    assert caught.value.retry is False


async def test_the_environment_has_no_say(cloud: Cloud, target: OpenStackTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator's OS_ variables of another cloud do not leak in."""
    for name in ("OS_AUTH_URL", "OS_USERNAME", "OS_PASSWORD", "OS_REGION_NAME", "OS_CLOUD"):
        monkeypatch.setenv(name, "another")
    assert (await target.ask([KVM1]))[0].data["exists"]
    assert cloud.count("POST /identity/v3/auth/tokens") == 1


async def test_unknown_words_are_refused(target: OpenStackTarget) -> None:
    """The vocabulary is closed, for questions and for actions."""
    (reply,) = await target.ask([Query("weather.show", {})])
    assert (reply.code, reply.error) == ("unsupported", "an OpenStack has no weather.show")
    assert (await target.do(Action("weather.set", {}))).code == "unsupported"


def test_a_plan_that_does_not_ask_does_not_pay_for_keystoneauth() -> None:
    """Importing the target does not import the library."""
    script = "import sys, reconciler.targets.openstack; sys.exit('keystoneauth1' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0
