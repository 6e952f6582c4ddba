"""Images, through the openstack target, against Keystone and Glance over real HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.targets import TargetError
from reconciler.targets.openstack import OpenStackTarget
from resources.contract import Action, Query, Reply, SecretText, TargetId
from resources.endpoints import OpenStackEndpoint
from tests.targets.small_openstack import REGION, Cloud, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

TINY = Query("image.find", {"name": "tiny"})


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """A cloud without images."""
    with serving() as cloud:
        yield cloud


@pytest.fixture
async def target(cloud: Cloud) -> AsyncIterator[OpenStackTarget]:
    """A target over the cloud, closed at the end."""
    auth_url, password = f"{cloud.url}/identity/v3", SecretText(cloud.password)
    endpoint = OpenStackEndpoint(
        TargetId("openstack", "demo"), auth_url, REGION, "admin", password, "admin", "Default", "Default"
    )
    target = OpenStackTarget(endpoint, deadline_s=20, socket_timeout_s=5)
    yield target
    await target.close()


async def test_an_image_is_found_with_its_properties(cloud: Cloud, target: OpenStackTarget) -> None:
    """By its exact name, with what people gave it."""
    cloud.add_image("tiny", hypervisor_type="qemu", os_distro="debian")
    cloud.add_image("tiny-vmw", hypervisor_type="vmware")
    found, missing = await target.ask([TINY, Query("image.find", {"name": "none"})])
    (image,) = found.data["images"]
    assert image["id"] == "image-1"
    assert (image["fields"]["hypervisor_type"], image["fields"]["os_distro"]) == ("qemu", "debian")
    assert missing.data == {"images": []}


async def test_other_peoples_private_images_are_not_meant(cloud: Cloud, target: OpenStackTarget) -> None:
    """Images of the name count when they are public or of Bivisor's own project; nobody's upload makes a name ambiguous."""
    cloud.add_image("tiny", visibility="private", owner="somebody")
    cloud.add_image("tiny", visibility="community", owner="somebody")
    cloud.add_image("tiny", visibility="private", owner="p")
    cloud.add_image("tiny", visibility="public", owner="somebody")
    cloud.add_image("tiny", os_hidden=True)
    (found,) = await target.ask([TINY])
    assert [image["id"] for image in found.data["images"]] == ["image-3", "image-4"]


async def test_all_pages_are_read_once(cloud: Cloud, target: OpenStackTarget) -> None:
    """A listing in pages is followed to its end, and a name that is asked for twice is listed once."""
    for _ in range(5):
        cloud.add_image("tiny")
    first, second = await target.ask([TINY, TINY])
    assert len(first.data["images"]) == 5
    assert first == second
    assert cloud.count("GET /image/v2/images") == 3


async def test_properties_are_set_and_the_others_stay(cloud: Cloud, target: OpenStackTarget) -> None:
    """A missing one is added, a drifted one replaced; told twice, it is written once."""
    image = cloud.add_image("tiny", hypervisor_type="qemu", os_distro="debian")
    action = Action("image.set", {"id": "image-1", "properties": {"hypervisor_type": "vmware", "vmware_disktype": "sparse"}})
    assert [await target.do(action) for _ in range(2)] == [Reply({}), Reply({})]
    wanted = {"hypervisor_type": "vmware", "vmware_disktype": "sparse", "os_distro": "debian", "name": "tiny"}
    assert {name: image[name] for name in wanted} == wanted
    assert cloud.count("PATCH /image/v2/images/image-1") == 1


async def test_a_refusal_of_glance_is_a_reply_in_its_words(cloud: Cloud, target: OpenStackTarget) -> None:
    """What Glance forbids is denied, and an image that went away in between is no reason to guess."""
    cloud.add_image("tiny")
    reserved = Action("image.set", {"id": "image-1", "properties": {"os_glance_x": "1"}})
    assert await target.do(reserved) == Reply({}, "denied", "Glance refuses: Property 'os_glance_x' is reserved.")
    gone = await target.do(Action("image.set", {"id": "image-9", "properties": {"a": "b"}}))
    assert gone == Reply({}, "failed", "there is no image image-9 any more")


@pytest.mark.parametrize("text", ["{}", "[]", "<html>", '{"images": null}', '{"images": [{"id": "i", "name": "tiny"}]}'])
async def test_success_without_images_is_no_answer(cloud: Cloud, target: OpenStackTarget, text: str) -> None:
    """Something in between that answers 200 with other words does not make images vanish."""
    cloud.broken["/image/v2/images"] = (200, text)
    with pytest.raises(TargetError, match="half an answer"):
        await target.ask([TINY])


async def test_pages_without_an_end_are_no_answer(cloud: Cloud, target: OpenStackTarget) -> None:
    """A listing that always names a next page ends in an error, not in a pass that never ends."""
    cloud.broken["/image/v2/images"] = (200, '{"images": [], "next": "/v2/images?name=tiny"}')
    with pytest.raises(TargetError, match="goes on listing images"):
        await target.ask([TINY])


async def test_an_error_of_glance_is_no_answer(cloud: Cloud, target: OpenStackTarget) -> None:
    """A 500 says nothing about what exists, or about what was done."""
    cloud.add_image("tiny")
    cloud.broken["/image/v2/images"] = (500, "<html><h1>500 Error</h1>Out of<br />order</html>")
    cloud.broken["/image/v2/images/image-1"] = (503, "<html>")
    with pytest.raises(TargetError, match="Glance answered 500: Out of order"):
        await target.ask([TINY])
    with pytest.raises(TargetError, match="Glance answered 503: 503 Service Unavailable"):
        await target.do(Action("image.set", {"id": "image-1", "properties": {"a": "b"}}))


async def test_a_cloud_without_an_image_api(cloud: Cloud, target: OpenStackTarget) -> None:
    """The catalog lacks it: that is told with the region, and everything that does not ask for images works."""
    cloud.has_image_api = False
    (aggregate,) = await target.ask([Query("aggregate.get", {"name": "kvm-az"})])
    assert aggregate.data["exists"] is False
    with pytest.raises(TargetError, match=r'no image API in region "RegionOne": correct spec\.region') as caught:
        await target.ask([TINY])
    assert caught.value.retry is False
