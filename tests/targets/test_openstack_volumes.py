"""The openstack target and Cinder, over real HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.targets import TargetError
from reconciler.targets.openstack import OpenStackTarget
from resources.contract import Action, Query, Reply, SecretText, TargetId
from resources.endpoints import OpenStackEndpoint
from resources.heard import Hearing
from tests.targets.small_openstack import REGION, Cloud, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

VMDK = Query("volume_type.get", {"name": "vmdk"})
SERVICE = Query("volume_service.get", {"host": "vmdk@vmdk"})
SPECS = {"volume_backend_name": "vmdk", "RESKEY:availability_zones": "vcenter-az"}
MAKE = Action("volume_type.create", {"name": "vmdk", "public": True, "specs": SPECS})
TYPES = "/volume/v3/p/types"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """A cloud with one volume service and no types."""
    with serving() as cloud:
        cloud.cinder.add_service("vmdk@vmdk", "vcenter-az")
        yield cloud


@pytest.fixture
async def target(cloud: Cloud) -> AsyncIterator[OpenStackTarget]:
    """A target over the cloud, closed at the end."""
    url, account = f"{cloud.url}/identity/v3", ("admin", SecretText(cloud.password), "admin", "Default", "Default")
    target = OpenStackTarget(OpenStackEndpoint(TargetId("openstack", "demo"), url, REGION, *account), socket_timeout_s=5)
    yield target
    await target.close()


async def test_what_is_there_is_told(cloud: Cloud, target: OpenStackTarget) -> None:
    """Services and types are found by name, be the type public or not, with all that the units ask for."""
    cloud.cinder.add_type("vmdk", public=False, volume_backend_name="vmdk")
    service, kind = await target.ask([SERVICE, VMDK])
    assert service.data == {
        "exists": True,
        "state": "up",
        "status": "enabled",
        "disabled_reason": None,
        "availability_zone": "vcenter-az",
        "namesakes": [],
    }
    assert kind.data == {"exists": True, "id": "type-1", "public": False, "specs": {"volume_backend_name": "vmdk"}}


async def test_what_is_not_there_is_absent(target: OpenStackTarget) -> None:
    """A name that is not in a whole listing does not exist."""
    service, kind = await target.ask([Query("volume_service.get", {"host": "vmdk@other"}), VMDK])
    assert (service.data["exists"], kind.data["exists"]) == (False, False)


async def test_each_collection_is_listed_once_and_with_one_login(cloud: Cloud, target: OpenStackTarget) -> None:
    """Many questions to both services cost one listing each, and one token."""
    await target.ask([VMDK, SERVICE, Query("aggregate.get", {"name": "a"})] * 4)
    assert [cloud.count(f"GET {path}") for path in (TYPES, "/volume/v3/p/os-services")] == [1, 1]
    assert cloud.count("POST /identity/v3/auth/tokens") == 1


async def test_every_page_of_a_listing_is_read(cloud: Cloud, target: OpenStackTarget) -> None:
    """A type on the last of several pages exists."""
    cloud.cinder.page = 2
    for name in ("a", "b", "c", "d", "vmdk"):
        cloud.cinder.add_type(name)
    assert (await target.ask([VMDK]))[0].data["exists"] is True
    assert cloud.count(f"GET {TYPES}") == 3


async def test_types_are_made_changed_and_deleted(cloud: Cloud, target: OpenStackTarget) -> None:
    """The whole life of a type, each step done once although it is told twice; foreign specs stay."""
    hide = Action("volume_type.set_public", {"name": "vmdk", "public": False})
    zone = Action("volume_type.set_specs", {"name": "vmdk", "specs": {"RESKEY:availability_zones": "other", "gone": None}})
    assert [await target.do(MAKE) for _ in range(2)] == [Reply({}), Reply({})]
    cloud.cinder.types[0]["extra_specs"] |= {"gone": "x", "vmware:vmdk_type": "thin"}
    for action in (hide, zone):
        assert [await target.do(action) for _ in range(2)] == [Reply({}), Reply({})]
    (made,) = cloud.cinder.types
    kept = {"volume_backend_name": "vmdk", "vmware:vmdk_type": "thin"}
    assert (made["is_public"], made["extra_specs"]) == (False, {**kept, "RESKEY:availability_zones": "other"})
    assert [await target.do(Action("volume_type.delete", {"name": "vmdk"})) for _ in range(2)] == [Reply({}), Reply({})]
    assert cloud.cinder.types == []
    writes = [line for line in cloud.seen if not line.startswith("GET") and line.split()[1].startswith("/volume")]
    assert len(writes) == 5


async def test_a_refusal_of_cinder_is_a_reply_in_its_words(cloud: Cloud, target: OpenStackTarget) -> None:
    """Cinder does not change the specs of a type that volumes are of, and the step says so; so it is with no such type."""
    action = Action("volume_type.set_specs", {"name": "vmdk", "specs": {"volume_backend_name": "other"}})
    assert await target.do(action) == Reply({}, "failed", 'there is no volume type "vmdk"')
    await target.do(MAKE)
    cloud.cinder.in_use = {"vmdk"}
    assert await target.do(action) == Reply({}, "failed", "Cinder refuses: Volume Type is currently in use.")


@pytest.mark.parametrize("text", ["{}", "[]", "<html>", '{"volume_types": null}'])
async def test_success_without_the_collection_is_no_answer(cloud: Cloud, target: OpenStackTarget, text: str) -> None:
    """Something in between that answers 200 with other words does not make types vanish."""
    cloud.broken[TYPES] = (200, text)
    with pytest.raises(TargetError, match=r"half an answer: .*/types.* answered (without volume_types|no JSON)"):
        await target.ask([VMDK])


async def test_a_type_without_its_specs_is_half_an_answer(cloud: Cloud, target: OpenStackTarget) -> None:
    """Cinder hides extra specs from those who may not see them: they are not absent."""
    del cloud.cinder.add_type("vmdk")["extra_specs"]
    with pytest.raises(TargetError, match='half an answer: Cinder told no extra_specs of the volume type "vmdk"'):
        await target.ask([VMDK])


async def test_an_error_of_cinder_is_no_answer(cloud: Cloud, target: OpenStackTarget) -> None:
    """A 500 says nothing about what exists, and names the service."""
    cloud.broken[TYPES] = (500, '{"computeFault": {"code": 500, "message": "The server has erred."}}')
    with pytest.raises(TargetError, match=r"Cinder answered 500: The server has erred\."):
        await target.ask([VMDK])


async def test_a_catalog_without_cinder_is_told(cloud: Cloud, target: OpenStackTarget) -> None:
    """The missing API is named; who asks only Nova does not notice."""
    cloud.has_cinder = False
    assert (await target.ask([Query("aggregate.get", {"name": "a"})]))[0].data["exists"] is False
    with pytest.raises(TargetError, match=r'no volume API in region "RegionOne"') as caught:
        await target.ask([VMDK])
    assert caught.value.retry is False


async def test_one_api_that_fails_does_not_spoil_the_others_answers(cloud: Cloud, target: OpenStackTarget) -> None:
    """With Cinder broken, Nova's aggregates are known and Cinder's types are not; Cinder is not asked again and again."""
    cloud.broken[TYPES] = (503, "down")
    aggregate, first, second = await target.ask([Query("aggregate.get", {"name": "a"}), VMDK, VMDK])
    assert aggregate.data["exists"] is False
    assert (first.code, first.error) == ("unanswered", "Cinder answered 503: down")
    assert second == first
    assert cloud.count(f"GET {TYPES}") == 1


async def test_volumes_of_a_service_are_told_whosever_they_are(cloud: Cloud, target: OpenStackTarget) -> None:
    """Those in its pools, by name or else by id; not those of others, nor one that is nowhere yet."""
    for name, host in (("b", "vmdk@vmdk#one"), (None, "vmdk@vmdk"), ("c", "vmdk@vmdk2#one"), ("d", None)):
        cloud.cinder.add_volume(name, host)
    first, other = await target.ask([Query("volumes.list", {"host": host}) for host in ("vmdk@vmdk", "vmdk@other")])
    assert (first.data, other.data) == ({"volumes": ["b", "volume-2"]}, {"volumes": []})


async def test_volumes_whose_host_is_hidden_are_half_an_answer(cloud: Cloud, target: OpenStackTarget) -> None:
    """Cinder shows hosts to admins only: nobody then knows that a backend is empty."""
    cloud.cinder.add_volume("a", None)
    del cloud.cinder.volumes[0]["os-vol-host-attr:host"]
    with pytest.raises(TargetError, match="half an answer: Cinder told no hosts of the volumes"):
        await target.ask([Query("volumes.list", {"host": "vmdk@vmdk"})])


async def test_a_service_is_closed_once(cloud: Cloud, target: OpenStackTarget) -> None:
    """It is disabled with the reason, once although it is told twice; there must be one."""
    close = Action("volume_service.disable", {"host": "vmdk@vmdk", "reason": "it leaves"})
    assert [await target.do(close) for _ in range(2)] == [Reply({}), Reply({})]
    (service,) = cloud.cinder.services
    assert (service["status"], service["disabled_reason"]) == ("disabled", "it leaves")
    assert sum(line.startswith("PUT") for line in cloud.seen) == 1
    other = Action("volume_service.disable", {"host": "no@no", "reason": "it leaves"})
    assert await target.do(other) == Reply({}, "failed", 'there is no cinder-volume "no@no"')


async def test_a_service_that_is_not_there_may_be_called_otherwise(target: OpenStackTarget) -> None:
    """Another host that serves a section of the same name is told with the answer; of one that is there, none."""
    other, service = await target.ask([Query("volume_service.get", {"host": "typo@vmdk"}), SERVICE])
    assert (other.data["exists"], other.data["namesakes"]) == (False, ["vmdk@vmdk"])
    assert (service.data["exists"], service.data["namesakes"]) == (True, [])


async def test_a_service_is_opened_again_once(cloud: Cloud, target: OpenStackTarget) -> None:
    """One that was closed is enabled, once although it is told twice."""
    await target.do(Action("volume_service.disable", {"host": "vmdk@vmdk", "reason": "it leaves"}))
    opened = Action("volume_service.enable", {"host": "vmdk@vmdk"})
    assert [await target.do(opened) for _ in range(2)] == [Reply({}), Reply({})]
    assert cloud.cinder.services[0]["status"] == "enabled"
    assert sum(line.startswith("PUT") for line in cloud.seen) == 2


async def test_a_nova_that_fails_is_no_answer_about_a_compute(cloud: Cloud, target: OpenStackTarget) -> None:
    """A process whose hearing nobody can tell is still seen on its own host, whether one API is away or all of them."""
    cloud.broken["/compute/v2.1/os-services"] = (503, "down")
    heard, service = await target.ask([Query("compute_service.get", {"host": "kvm1"}), SERVICE])
    facts = Hearing(TargetId("openstack", "demo"), "kvm1").facts(heard, runs=True, started=1000)
    assert facts == {"heard": True, "@deaf": "whether Nova hears of kvm1 is unknown: Nova answered 503: down"}
    assert service.data["exists"]
