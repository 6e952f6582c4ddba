"""Clouds as strangers have them: what nobody foresaw is left alone and told, and never declared as something else."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from reconciler.adopt import drafted
from reconciler.adopted_files import AdoptError
from reconciler.cli import adopt as cli
from resources.adoption.whole import Choices
from resources.contract import Reply
from tests.adoption.adopted import CONTROLLERS, HAND_WRITTEN, HOST, comments, documents, draft_of
from tests.adoption.world import World
from tests.kinds.cloud import SECRETS, demo_texts

if TYPE_CHECKING:
    from pathlib import Path

NOVA, COMPUTE, CINDER = "/etc/nova/nova.conf", "/etc/nova/nova-compute.conf", "/etc/cinder/cinder.conf"
OBSERVED = {"bivisor/manage": "observe"}


def keep(world: World, kind: str, node: str) -> None:
    """Let Pacemaker keep a packaged service, on this node among others."""
    resources, nodes = (world.pacemaker.find(f"configuration/{name}") for name in ("resources", "nodes"))
    assert resources is not None
    assert nodes is not None
    resources.append(ET.fromstring(f'<primitive id="p_{kind}" class="systemd" type="{kind}"/>'))  # noqa: S314
    ET.SubElement(nodes, "node", {"uname": node})


def move(world: World, node: str, text: str) -> None:
    """Take the vSphere compute of the demo away, and give a node one of its own that systemd runs."""
    for name in CONTROLLERS:
        world.files[name] = {path: text for path, text in world.files[name].items() if "vcenter-c0" not in path}
    world.files.setdefault(node, {})[COMPUTE] = text
    world.services.setdefault(node, {})["nova-compute"] = {"active": True}


@pytest.mark.parametrize("driver", ["ironic.IronicDriver", "nova.virt.hyperv.driver.HyperVDriver"])
def test_a_compute_of_a_third_kind_is_no_libvirt_one(demo: World, tmp_path: Path, driver: str) -> None:
    """Whatever is neither libvirt nor vCenter is in no zone, and what would mask it is only observed."""
    demo.files["ctl1"][COMPUTE] = f"[DEFAULT]\nhost = bare\ncompute_driver = {driver}\n"
    demo.services["ctl1"]["nova-compute"] = {"active": True}
    demo.computes.append("bare")
    done = draft_of(demo, tmp_path)
    assert "compute" not in documents(done)["Node", "ctl1"]["spec"]["roles"]
    assert documents(done)["HypervisorZone", "vcenter-az"]["metadata"]["annotations"] == OBSERVED
    assert done.draft.left_out == (f"the nova-compute of ctl1 has the driver {driver}, which no HypervisorZone can name",)


def test_a_compute_that_never_ran_is_not_begun(demo: World, tmp_path: Path) -> None:
    """A package that somebody installed and that nothing uses is no compute: declaring it would start one."""
    demo.files["vol1"][COMPUTE] = "[DEFAULT]\ncompute_driver = libvirt.LibvirtDriver\n"
    demo.at_boot["vol1"] = {"nova-compute"}
    done = draft_of(demo, tmp_path)
    assert "compute" not in documents(done)["Node", "vol1"]["spec"]["roles"]
    assert "does not run, and Nova has none called vol1" in done.draft.left_out[0]


def test_a_file_of_a_compute_that_is_gone_brings_none_back(demo: World, tmp_path: Path) -> None:
    """What is left of a vSphere compute that Nova does not have is told, and not declared."""
    demo.files["ctl1"]["/etc/nova/nova-compute.d/old.conf"] = HAND_WRITTEN
    done = draft_of(demo, tmp_path)
    assert [one["host"] for one in documents(done)["HypervisorZone", "vcenter-az"]["spec"]["vmware"]["computes"]] == [
        "vcenter-c0"
    ]
    assert any(f"the compute {HOST} of a vSphere cluster is configured, but" in told for told in done.draft.left_out)


def test_a_compute_of_several_clusters_is_left_alone(demo: World, tmp_path: Path) -> None:
    """One process for two clusters, as Nova could do before Liberty: a document would lose one of them."""
    move(demo, "vol1", HAND_WRITTEN.replace("cluster_name = DC0_C0", "cluster_name = DC0_C0\ncluster_name = DC0_C1"))
    demo.computes.append(HOST)
    done = draft_of(demo, tmp_path)
    assert not any(kind == "VCenter" and name != "vc1" for kind, name in documents(done))
    assert any("drives 2 clusters (DC0_C0, DC0_C1)" in told for told in done.draft.left_out)


def test_a_compute_of_another_vcenter_is_not_led_to_this_one(demo: World, tmp_path: Path) -> None:
    """A zone has one vCenter; the other's computes in it are left alone, and the reason is told."""
    for name in CONTROLLERS:
        text = demo.files[name]["/etc/nova/vcenter/vcenter-c0/nova.conf"]
        other = text.replace("10.77.0.1", "10.77.0.99").replace("host = vcenter-c0", "host = vcenter-z9")
        demo.files[name]["/etc/nova/vcenter/vcenter-z9/nova.conf"] = other
    demo.computes.append("vcenter-z9")
    next(one for one in demo.aggregates if one["name"] == "vcenter-az")["hosts"].append("vcenter-z9")
    done = draft_of(demo, tmp_path)
    assert not done.problem
    (told,) = done.draft.left_out
    assert told.startswith(
        "the compute vcenter-z9 of a vSphere cluster is left alone: its zone has computes of another vCenter"
    )


def test_computes_of_a_zone_that_run_on_two_hosts_are_not_declared_for_both(demo: World, tmp_path: Path) -> None:
    """Off Pacemaker one node runs all computes of a zone; what runs elsewhere is left alone, and the documents are valid."""
    move(demo, "vol1", HAND_WRITTEN)
    move(demo, "vol2", HAND_WRITTEN.replace(HOST, "other").replace("DC0_C0", "DC0_C1"))
    demo.computes += [HOST, "other"]
    demo.aggregates.append({"name": "esx", "availability_zone": "esx", "hosts": [HOST, "other"]})
    done = draft_of(demo, tmp_path)
    assert not done.problem
    assert len(documents(done)["HypervisorZone", "esx"]["spec"]["vmware"]["computes"]) == 1
    assert any("other computes of its zone run on another host" in told for told in done.draft.left_out)


def test_a_zone_is_kept_by_pacemaker_or_not(demo: World, tmp_path: Path) -> None:
    """A compute on a host of its own beside one on the controllers: the zone has one placement, and the other is told."""
    demo.files["vol1"][COMPUTE] = HAND_WRITTEN.replace("DC0_C0", "DC0_C1").replace(
        "10.77.0.1\n", "10.77.0.1\nhost_port = 9443\n"
    )
    demo.services["vol1"]["nova-compute"] = {"active": True}
    demo.computes.append(HOST)
    next(one for one in demo.aggregates if one["name"] == "vcenter-az")["hosts"].append(HOST)
    done = draft_of(demo, tmp_path)
    assert not done.problem
    assert len(documents(done)["HypervisorZone", "vcenter-az"]["spec"]["vmware"]["computes"]) == 1
    assert "a zone has one placement" in done.draft.left_out[0]


def test_a_damaged_configuration_of_pacemaker_is_told(demo: World, tmp_path: Path) -> None:
    """Cut off by a full disk, say: nothing is written on half of it."""
    seen = demo.seen()
    broken = {("cib.read", "{}"): Reply({"saved": "<cib><config"}, "not-running", "")}
    hosts = tuple(replace(host, replies={**host.replies, **broken}) for host in seen.hosts)
    with pytest.raises(AdoptError, match="Pacemaker's configuration cannot be read: not XML"):
        drafted(replace(seen, hosts=hosts), Choices(), tmp_path / "desired")


def test_a_compute_called_as_its_host_keeps_its_name(demo: World, tmp_path: Path) -> None:
    """Nova's name is for ever, a Node's is not: the Node is called otherwise, and that is told."""
    move(demo, "vol1", HAND_WRITTEN.replace(f"host = {HOST}\n", ""))
    demo.computes.append("vol1")
    done = draft_of(demo, tmp_path)
    assert not done.problem
    assert documents(done)["HypervisorZone", "vcenter-az"]["spec"]["vmware"]["computes"][0]["host"] == "vol1"
    assert ("Node", "vol1-host") in documents(done)
    assert "this name is a guess" in comments(done, "nodes.yaml")


@pytest.mark.parametrize(
    ("service", "node", "key"),
    [("cinder-volume", "vol1", ("VolumeBackend", "vmdk")), ("nova-compute", "kvm1", ("HypervisorZone", "kvm-az"))],
)
def test_what_pacemaker_keeps_as_a_package_is_observed(
    demo: World, tmp_path: Path, service: str, node: str, key: tuple[str, str]
) -> None:
    """A packaged service that Pacemaker moves about must not be started by systemd as well: there would be two."""
    assert "annotations" not in documents(draft_of(demo, tmp_path))[key]["metadata"]
    keep(demo, service, node)
    done = draft_of(demo, tmp_path)
    assert documents(done)[key]["metadata"]["annotations"] == OBSERVED
    assert f"the resource p_{service} of Pacemaker" in comments(done, "volumes.yaml") + comments(done, "zones.yaml")


@pytest.mark.parametrize("called", ["KVM_1", "Kvm 1", "kvm.1.example"])
def test_a_host_of_any_name_is_a_node(demo: World, tmp_path: Path, called: str) -> None:
    """A Node has the nearest name that it can have, and says what Nova calls its compute."""
    demo.hostnames["kvm1"] = called
    done = draft_of(demo, tmp_path)
    assert not done.problem
    (node,) = (one for one in documents(done).values() if one["spec"].get("address") == "10.77.0.21")
    assert node["spec"]["computeHost"] == "kvm1"


def test_members_of_odd_names_are_not_renamed(demo: World, tmp_path: Path) -> None:
    """A name that no Node can have is one that Pacemaker would not know: the Cluster is only observed."""
    for name in CONTROLLERS:
        demo.hostnames[name] = name.replace("ctl", "CTL_")
        for other in CONTROLLERS:
            path = "/etc/corosync/corosync.conf"
            text = demo.files[name][path]
            demo.files[name][path] = text.replace(f"name: {other}\n", f"name: {other.replace('ctl', 'CTL_')}\n")
    done = draft_of(demo, tmp_path)
    assert documents(done)["Cluster", "demo"]["metadata"]["annotations"] == OBSERVED
    assert "CTL_1 is Node/ctl-1" in comments(done, "cluster.yaml")


def test_zones_of_alike_names_stay_two(demo: World, tmp_path: Path) -> None:
    """Two aggregates whose documents would be called the same keep their zones; each document chooses its own nodes."""
    demo.files["vol2"][COMPUTE] = "[DEFAULT]\nhost = vol2\ncompute_driver = libvirt.LibvirtDriver\n"
    demo.services["vol2"]["nova-compute"] = {"active": True}
    demo.computes.append("vol2")
    demo.aggregates.append({"name": "KVM AZ", "availability_zone": "Second Zone", "hosts": ["vol2"]})
    done = draft_of(demo, tmp_path)
    assert not done.problem
    found = {name: one["spec"] for (kind, name), one in documents(done).items() if kind == "HypervisorZone"}
    assert {name: spec["availabilityZone"] for name, spec in found.items()} == {
        "kvm-az": "kvm-az", "kvm-az-2": "Second Zone", "vcenter-az": "vcenter-az"
    }  # fmt: skip
    assert found["kvm-az"]["placement"] != found["kvm-az-2"]["placement"]
    assert 'aggregate of this zone is called "KVM AZ"' in comments(done, "zones.yaml")


def test_aggregates_of_one_zone_are_one_document(demo: World, tmp_path: Path) -> None:
    """Nova may make one zone of several aggregates; the documents name one, and tell of the others."""
    demo.files["vol2"][COMPUTE] = "[DEFAULT]\nhost = vol2\ncompute_driver = libvirt.LibvirtDriver\n"
    demo.services["vol2"]["nova-compute"] = {"active": True}
    demo.computes.append("vol2")
    demo.aggregates.append({"name": "SSD", "availability_zone": "kvm-az", "hosts": ["vol2", "nobody"]})
    done = draft_of(demo, tmp_path)
    assert not done.problem
    assert {name for kind, name in documents(done) if kind == "HypervisorZone"} == {"kvm-az", "vcenter-az"}
    assert 'these aggregates are of this zone too, and stay: "SSD"' in comments(done, "zones.yaml")


def test_a_zone_of_both_hypervisors_is_not_divided_unasked(demo: World, tmp_path: Path) -> None:
    """Each hypervisor needs its own; the second one's name is a guess, and no compute changes its zone for it."""
    for one in demo.aggregates:
        one["availability_zone"] = "all"
    done = draft_of(demo, tmp_path)
    assert not done.problem
    assert "annotations" not in documents(done)["HypervisorZone", "kvm-az"]["metadata"]
    assert documents(done)["HypervisorZone", "vcenter-az"]["metadata"]["annotations"] == OBSERVED
    assert 'observed only: "all" holds both hypervisors' in comments(done, "zones.yaml")


def test_a_port_that_is_none_is_told(demo: World, tmp_path: Path) -> None:
    """With the place, and without a stack trace."""
    for name in CONTROLLERS:
        path = "/etc/nova/vcenter/vcenter-c0/nova.conf"
        demo.files[name][path] = demo.files[name][path].replace("host_port = 9443", "host_port = 9443 # TLS")
    with pytest.raises(AdoptError, match=r'vcenter-c0/nova\.conf: "9443 # TLS" is no port'):
        draft_of(demo, tmp_path)


def test_folders_that_count_more_are_told(demo: World, tmp_path: Path) -> None:
    """What a service reads after its file may contradict all that was taken from there."""
    demo.files["kvm1"]["/etc/nova/nova.conf.d/90-site.conf"] = "[DEFAULT]\nhost = other\n"
    (told,) = draft_of(demo, tmp_path).draft.left_out
    assert told.startswith("/etc/nova/nova.conf.d/90-site.conf of kvm1: what it sets counts more")


def test_a_name_in_a_value_is_what_that_option_says(demo: World, tmp_path: Path) -> None:
    """`$name` is replaced by whatever file of the process says it, as the service does; an escaped sign is itself."""
    for files in demo.files.values():
        for path, text in files.items():
            files[path] = text.replace("rabbit://user:p@mq:5672/", "rabbit://user:${pass_word}$$x@$mq_host:5672/").replace(
                "[DEFAULT]\n", "[DEFAULT]\npass_word = s3$$cret\nmq_host = mq\n"
            )
    assert draft_of(demo, tmp_path).draft.secrets["transport-url"] == "rabbit://user:s3$cret$x@mq:5672/"


def test_a_name_that_no_file_explains_is_not_taken_for_the_value(demo: World, tmp_path: Path) -> None:
    """Written down as it stands it would be rolled out with the sign; the message quotes nothing of what may be a secret."""
    for files in demo.files.values():
        for path, text in files.items():
            files[path] = text.replace("rabbit://user:p@mq:5672/", "rabbit://user:canary$canary@mq:5672/")
    with pytest.raises(AdoptError, match=r"nova\.conf: \[DEFAULT\] transport_url has a \$ that means") as told:
        draft_of(demo, tmp_path)
    assert "canary" not in str(told.value)


def test_types_that_lead_to_a_backend_by_another_name_are_told(demo: World, tmp_path: Path) -> None:
    """A backend is called as its section; every volume type that knows it otherwise would lose it without a word."""
    files = demo.files["vol1"]
    files[CINDER] = files[CINDER].replace("volume_backend_name = vmdk", "volume_backend_name = VMDK_SSD")
    for one in demo.volume_types:
        if one["specs"]["volume_backend_name"] == "vmdk":
            one["specs"]["volume_backend_name"] = "VMDK_SSD"
    demo.volume_types.append({"name": "gold", "public": True, "specs": {"volume_backend_name": "VMDK_SSD"}})
    done = draft_of(demo, tmp_path)
    assert documents(done)["VolumeBackend", "vmdk"]["spec"]["volumeType"] == "vmdk"
    assert 'its volume_backend_name is "VMDK_SSD", and becomes "vmdk"' in comments(done, "volumes.yaml")
    assert "change gold when you apply this" in comments(done, "volumes.yaml")


def test_what_stays_in_shared_files_is_named(demo: World, tmp_path: Path) -> None:
    """Options that nobody declares stay as they are, and each document of such a file tells which they are."""
    demo.files["kvm1"][NOVA] += "[quota]\ncores = 9\n"
    demo.files["vol2"][CINDER] += "[backend_defaults]\nmax_over_subscription_ratio = 1.5\n"
    demo.files["api1"]["/etc/glance/glance-api.conf"] += "[paste_deploy]\nflavor = keystone\n"
    done = draft_of(demo, tmp_path)
    assert re.search(r"also set in its nodes' nova.conf, and left as it is: .*\[quota\] cores", comments(done, "zones.yaml"))
    assert re.search(r"nodes' cinder.conf, and left as it is: .*\[backend_defaults\] max_over", comments(done, "volumes.yaml"))
    assert re.search(r"nodes' glance-api.conf, and left as it is: .*\[paste_deploy\] flavor", comments(done, "images.yaml"))


def test_an_account_of_another_region_is_another_cloud(demo: World, tmp_path: Path) -> None:
    """Without OS_REGION_NAME the first region is taken; hosts of the second one would be declared as the first one's."""
    for files in demo.files.values():
        for path, text in files.items():
            files[path] = text.replace("region_name = RegionOne", "region_name = RegionTwo")
    with pytest.raises(AdoptError, match="of the region RegionTwo, the APIs that answered of RegionOne: set OS_REGION"):
        draft_of(demo, tmp_path)


def test_what_debian_ships_is_nobodys_word(demo: World, tmp_path: Path) -> None:
    """The package's file has a region and a user without a password, which say nothing of the cloud."""
    shipped = "[keystone_authtoken]\nusername = nova\nauth_url = http://localhost:5000\nregion_name = regionOne\n"
    for files in demo.files.values():
        for path in files:
            files[path] += shipped if path == NOVA else ""
    done = draft_of(demo, tmp_path)
    assert documents(done)["Cluster", "demo"]["spec"]["identity"]["authUrl"] == "http://10.77.0.50:5000/v3"
    assert done.draft.secrets["nova-service"] == {"username": "user", "password": "pa$$word"}


def test_novas_own_account_is_not_that_of_another_service(demo: World, tmp_path: Path) -> None:
    """As installation guides make it: an account for each service that Nova speaks to, and one of its own."""
    for files in demo.files.values():
        for path, text in files.items():
            files[path] = text.replace("[service_user]", "[of_nobody]")
    demo.files["kvm1"][NOVA] += "[keystone_authtoken]\nusername = nova\npassword = own\n"
    assert draft_of(demo, tmp_path).draft.secrets["nova-service"] == {"username": "nova", "password": "own"}


@pytest.mark.parametrize(("stores", "names"), [("file,http", ["file"]), ("file,http,cinder", [])])
def test_older_stores_are_declared_all_or_none(tmp_path: Path, stores: str, names: list[str]) -> None:
    """Before Train too one option lists them all; http, which keeps nothing, is in it anyway."""
    texts = {path: text.replace("release: zed", "release: stein") for path, text in demo_texts().items()}
    world = World.of(texts, SECRETS)
    path = "/etc/glance/glance-api.conf"
    world.files["api1"][path] = re.sub(r"(?m)^stores = .*$", f"stores = {stores}", world.files["api1"][path])
    done = draft_of(world, tmp_path)
    assert [name for kind, name in documents(done) if kind == "ImageStore"] == names
    assert bool(names) is not any("stores that no ImageStore can name (cinder)" in told for told in done.draft.left_out)


def test_what_backends_share_counts_for_each(demo: World, tmp_path: Path) -> None:
    """Options of Cinder's backend_defaults are those of a backend that does not say them itself."""
    files = demo.files["vol1"]
    line = next(line for line in files[CINDER].splitlines(keepends=True) if line.startswith("vmware_host_username"))
    files[CINDER] = files[CINDER].replace(line, "") + f"[backend_defaults]\n{line}"
    done = draft_of(demo, tmp_path)
    assert ("VolumeBackend", "vmdk") in documents(done)
    assert done.draft.left_out == ()  # the account is the one of the vCenter's computes


def test_nova_knows_a_compute_better_than_a_file_that_others_share(tmp_path: Path) -> None:
    """/var/lib/nova/compute_id of a controller may be that of its packaged compute: it is asked last."""
    texts = {path: text.replace("release: zed", 'release: "2024.1"') for path, text in demo_texts().items()}
    world = World.of(texts, SECRETS)
    move(world, "vol1", HAND_WRITTEN)
    world.files["vol1"]["/var/lib/nova/compute_id"] = "5f0c0a3e-0000-4000-8000-00000000aaaa"
    world.computes.append(HOST)
    world.hypervisors.append({"host": HOST, "hostname": "domain-c1.x", "uuid": "5f0c0a3e-0000-4000-8000-00000000bbbb"})
    (compute,) = documents(draft_of(world, tmp_path))["HypervisorZone", "vcenter-az"]["spec"]["vmware"]["computes"]
    assert compute["computeId"].endswith("bbbb")


def test_names_of_others_are_no_control_characters(demo: World, tmp_path: Path) -> None:
    """Nova takes any name for an aggregate; a comment must be a line, and a terminal must not obey it."""
    next(one for one in demo.aggregates if one["name"] == "kvm-az")["name"] = "kvm\x1b[2J\naz\x07"
    demo.computes.append("gone\x1b[31m")
    done = draft_of(demo, tmp_path)
    assert not done.problem
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", "".join(done.texts.values()))
    assert "\x1b" not in "".join(cli._told(done, [], accepted=False))
