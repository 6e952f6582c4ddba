"""Clouds that somebody made by hand: what is written of them, what is left out, and what is never put at risk."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from reconciler.adopt import Login as HostLogin
from reconciler.adopt import drafted, hosts_of
from reconciler.adopted_files import AdoptError, unwritten, write
from reconciler.cli import adopt as cli
from reconciler.core.compile import compile_units
from reconciler.core.diff import diff
from reconciler.core.graph import build_graph
from reconciler.core.load import load
from reconciler.core.plan import Verb, make_plan
from resources.adoption.remains import why
from resources.adoption.whole import Choices
from resources.contract import Change, Reply, Unit
from resources.kinds.registry import KINDS
from resources.rules.registry import RULES
from tests.adoption.adopted import CONTROLLERS, HAND_WRITTEN, HOST, comments, documents, draft_of

if TYPE_CHECKING:
    from tests.adoption.world import World

RESOURCE = f"""\
<primitive id="p_nova_compute_vmware_{HOST}" class="ocf" provider="fuel" type="nova-compute">
  <instance_attributes id="a">
    <nvpair id="b" name="config" value="/etc/nova/nova.conf"/>
    <nvpair id="c" name="additional_parameters" value="--config-file=/etc/nova/nova-compute.d/vmware-vcenter_cluster1.conf"/>
  </instance_attributes>
</primitive>
"""


@pytest.fixture
def fuels(demo: World) -> World:
    """The demo's cloud, with its vSphere compute in the layout of Fuel: one nova.conf, a file per cluster beside it."""
    shared = next(text for path, text in demo.files["ctl1"].items() if path.endswith("/vcenter-c0/nova.conf"))
    shared = (
        shared.split("[vmware]")[0]
        .replace("host = vcenter-c0\n", "")
        .replace("vmwareapi.VMwareVCDriver", "libvirt.LibvirtDriver")
    )
    shared += "[vmware]\npbm_enabled = True\napi_retry_count = 3\n"
    for name in CONTROLLERS:
        kept = {path: text for path, text in demo.files[name].items() if "vcenter-c0" not in path}
        own = {"/etc/nova/nova.conf": shared, "/etc/nova/nova-compute.d/vmware-vcenter_cluster1.conf": HAND_WRITTEN}
        demo.files[name] = {**kept, **own}
    resources = demo.pacemaker.find("configuration/resources")
    assert resources is not None
    resources.clear()
    resources.append(ET.fromstring(RESOURCE))  # noqa: S314 - the test's own
    demo.computes.remove("vcenter-c0")
    demo.computes.append(HOST)
    demo.aggregates = [{"name": "vcenter", "availability_zone": "vcenter", "hosts": [HOST]}]
    return demo


def test_fuels_layout_is_observed_and_keeps_its_host(fuels: World, tmp_path: Path) -> None:
    """A compute that Fuel made keeps host, cluster and zone; nothing of it is done while Fuel's resource runs it."""
    done = draft_of(fuels, tmp_path)
    zone = documents(done)["HypervisorZone", "vcenter"]
    assert zone["metadata"]["annotations"] == {"bivisor/manage": "observe"}
    assert zone["spec"]["availabilityZone"] == "vcenter"
    assert zone["spec"]["vmware"]["computes"] == [{"cluster": "DC0_C0", "host": HOST, "datastoreRegex": "^LocalDS"}]
    assert zone["spec"]["placement"] == "controllers"
    assert zone["spec"]["vmware"]["settings"] == {"vmware": {"api_retry_count": 7, "pbm_enabled": True}}
    assert f"the resource p_nova_compute_vmware_{HOST} of Pacemaker" in comments(done, "zones.yaml")
    assert done.draft.secrets["vc1"] == {"username": "administrator@vsphere.local", "password": "pa$$word"}


def test_nothing_of_a_second_process_is_begun_while_the_first_one_runs(fuels: World, tmp_path: Path) -> None:
    """The plan shows every part of Bivisor's layout, all of it held; no step touches the compute."""
    done = draft_of(fuels, tmp_path)
    folder = tmp_path / "desired"
    loaded = load({str(folder / name): text for name, text in done.texts.items()}, KINDS, RULES)
    catalog = compile_units(loaded, KINDS, None, None)
    plan = make_plan(catalog, build_graph(catalog.units), dict.fromkeys(catalog.units))
    ours = [step for step in plan.steps if HOST in str(step.address) and step.address.type != "computes"]
    assert {step.address.type for step in ours} >= {"config_file", "systemd_unit", "primitive", "constraint"}
    assert {step.verb for step in ours} == {Verb.HELD}
    assert all("observe" in step.held for step in ours if step.root is None)


def test_a_compute_that_nova_knows_by_its_domain_name_keeps_it(demo: World, tmp_path: Path) -> None:
    """Its host never changes; the Node, which cannot be called so, says what Nova calls it."""
    files, path = demo.files["kvm1"], "/etc/nova/nova-compute.conf"
    files[path] = files[path].replace("host = kvm1\n", "")
    demo.hostnames["kvm1"] = "kvm1.example.com"
    demo.computes[demo.computes.index("kvm1")] = "kvm1.example.com"
    (zone,) = (one for one in demo.aggregates if one["name"] == "kvm-az")
    zone["hosts"] = ["kvm1.example.com"]
    done = draft_of(demo, tmp_path)
    assert done.draft.left_out == ()
    assert documents(done)["Node", "kvm1"]["spec"]["computeHost"] == "kvm1.example.com"
    folder = tmp_path / "desired"
    loaded = load({str(folder / name): text for name, text in done.texts.items()}, KINDS, RULES)
    units = {str(unit.address): unit for unit in compile_units(loaded, KINDS, None, None).units.values()}
    assert "openstack:demo/compute_service/kvm1.example.com" in units
    assert "openstack:demo/compute_service/kvm1" not in units
    assert (units["openstack:demo/aggregate/kvm-az"].desired or {})["host kvm1.example.com"] is True
    assert (units[f"ssh:kvm1/config_file/{path}"].desired or {})["[DEFAULT] host"] == "kvm1.example.com"


def test_no_packaged_compute_is_masked_that_runs_instances(demo: World, tmp_path: Path) -> None:
    """A controller that is a KVM compute of a name that no document can say: the zone that would mask it is only observed."""
    demo.files["ctl1"] |= {
        "/etc/nova/nova-compute.conf": "[DEFAULT]\nhost = under the stairs\ncompute_driver = libvirt.LibvirtDriver\n"
    }
    demo.services["ctl1"]["nova-compute"] = {"active": True}
    done = draft_of(demo, tmp_path)
    zone = documents(done)["HypervisorZone", "vcenter-az"]
    assert zone["metadata"]["annotations"] == {"bivisor/manage": "observe"}
    assert "would be masked on ctl1" in comments(done, "zones.yaml")


def test_computes_without_a_zone_get_a_guess_that_is_told(demo: World, tmp_path: Path) -> None:
    """Nova's own zone cannot be declared; a comment says that the name was made up."""
    demo.aggregates = [one for one in demo.aggregates if one["name"] != "kvm-az"]
    done = draft_of(demo, tmp_path)
    assert documents(done)["HypervisorZone", "kvm-az"]["spec"]["availabilityZone"] == "kvm-az"
    assert "# a guess: these computes are in no aggregate" in done.texts["zones.yaml"]


def test_a_zone_that_cinder_calls_otherwise_is_told(demo: World, tmp_path: Path) -> None:
    """Fuel gave Nova and Cinder two names for one zone; the backend joins its hypervisor's, with the risk said."""
    path = "/etc/cinder/cinder.conf"
    demo.files["vol1"][path] = demo.files["vol1"][path].replace(
        "backend_availability_zone = vcenter-az", "backend_availability_zone = vcenter-cinder"
    )
    done = draft_of(demo, tmp_path)
    assert documents(done)["VolumeBackend", "vmdk"]["spec"]["zone"] == "vcenter-az"
    assert "volumes that exist keep the zone in which they were made" in comments(done, "volumes.yaml")


def test_one_section_on_two_nodes_is_two_backends(demo: World, tmp_path: Path) -> None:
    """Where each node serves its own volumes under one name of a section, nothing is declared that would mix them up."""
    path = "/etc/cinder/cinder.conf"
    text = demo.files["vol2"][path].replace("backend_host = kvm\n", "")
    for node in ("vol1", "vol2"):
        demo.files[node] |= {path: text, "/etc/cinder/kvm-shares": demo.files["vol2"]["/etc/cinder/kvm-shares"]}
    done = draft_of(demo, tmp_path)
    assert ("VolumeBackend", "kvm") not in documents(done)
    assert any("another backend on each of vol1, vol2" in sentence for sentence in done.draft.left_out)


def test_backends_of_one_service_are_declared_all_or_none(demo: World, tmp_path: Path) -> None:
    """A service that also serves what no document can name is left alone: its one list of backends would lose that."""
    path = "/etc/cinder/cinder.conf"
    files = demo.files["vol1"]
    files[path] = files[path].replace("enabled_backends = vmdk", "enabled_backends = vmdk,netapp_1")
    done = draft_of(demo, tmp_path)
    assert ("VolumeBackend", "vmdk") not in documents(done)
    assert any("vmdk shares service or node" in sentence for sentence in done.draft.left_out)


def test_stores_are_declared_all_or_none(demo: World, tmp_path: Path) -> None:
    """The same holds for Glance: beside a store that no document can name, none is declared."""
    files = demo.files["api1"]
    path = "/etc/glance/glance-api.conf"
    files[path] = files[path].replace("enabled_backends = file:file", "enabled_backends = file:file,old:cinder")
    done = draft_of(demo, tmp_path)
    assert not any(kind == "ImageStore" for kind, _ in documents(done))
    assert any("old:cinder" in sentence for sentence in done.draft.left_out)


def test_a_compute_of_a_host_of_its_own_is_observed_too(demo: World, tmp_path: Path) -> None:
    """The packaged nova-compute with the vCenter driver, on one node: its host stays, and who runs it is told."""
    driver = "compute_driver = vmwareapi.VMwareVCDriver"
    for name in CONTROLLERS:
        demo.files[name] = {path: text for path, text in demo.files[name].items() if "vcenter-c0" not in path}
    demo.files["vol1"]["/etc/nova/nova-compute.conf"] = HAND_WRITTEN
    demo.services["vol1"]["nova-compute"] = {"active": True}
    assert driver in HAND_WRITTEN
    demo.computes.append(HOST)
    zone = documents(draft_of(demo, tmp_path))["HypervisorZone", "vcenter-az"]
    assert zone["metadata"]["annotations"] == {"bivisor/manage": "observe"}
    assert zone["spec"]["placement"] == {"nodes": {"roles": ["compute-vcenter-az"]}}
    assert zone["spec"]["vmware"]["computes"][0]["host"] == HOST


def test_a_vcenter_that_hosts_trust_is_trusted_as_they_do(demo: World, tmp_path: Path) -> None:
    """Without a CA of its own a service goes by its host's: those are copied, and it is said that one of them is meant."""
    trusted = "-----BEGIN CERTIFICATE-----\nof somebody\n-----END CERTIFICATE-----\n"
    for files in demo.files.values():
        for path, text in files.items():
            files[path] = "".join(line for line in text.splitlines(keepends=True) if "ca_file" not in line)
        files["/etc/ssl/certs/ca-certificates.crt"] = trusted
    done = draft_of(demo, tmp_path)
    assert done.draft.files == {"vc1-ca.pem": trusted}
    assert "trust the authorities of their hosts" in done.texts["vcenters.yaml"]


def test_what_contradicts_is_a_setting_and_no_change(demo: World, tmp_path: Path) -> None:
    """An option that somebody set otherwise than Bivisor would is kept, as long as it is nobody's identity or secret."""
    for name in CONTROLLERS:
        files = demo.files[name]
        path = "/etc/nova/vcenter/vcenter-c0/nova.conf"
        files[path] = files[path].replace("reserved_host_memory_mb = 0", "reserved_host_memory_mb = 512")
    settings = documents(draft_of(demo, tmp_path))["HypervisorZone", "vcenter-az"]["spec"]["vmware"]["settings"]
    assert settings["DEFAULT"] == {"reserved_host_memory_mb": 512}


def test_an_account_of_another_password_is_not_half_kept(demo: World, tmp_path: Path) -> None:
    """A section with another account stays out of the settings: user name and password belong together."""
    files = demo.files["kvm1"]
    text = files["/etc/nova/nova.conf"]
    head, tail = text.split("[placement]")
    mine = tail.replace("username = user", "username = placement", 1).replace("password = pa$$$$word", "password = other", 1)
    files["/etc/nova/nova.conf"] = f"{head}[placement]{mine}"
    done = draft_of(demo, tmp_path)
    assert "placement" not in str(documents(done)["Cluster", "demo"]["spec"].get("compute"))
    assert done.draft.secrets["nova-service"] == {"username": "user", "password": "pa$$word"}


def test_secrets_are_files_of_their_owner_and_nothing_is_overwritten(demo: World, tmp_path: Path) -> None:
    """Secrets stand beside the documents, for their owner alone; a file that is there already stops everything."""
    done = draft_of(demo, tmp_path)
    folder = tmp_path / "desired"
    written = write(done, folder)
    assert {path.stat().st_mode & 0o777 for path in written if path.parent.name == "secrets"} == {0o600}
    assert not any("pa$$word" in text for text in done.texts.values())
    before = {path: path.read_bytes() for path in written}
    with pytest.raises(AdoptError, match="nothing is overwritten"):
        write(done, folder)
    assert {path: path.read_bytes() for path in written} == before


def test_what_finds_no_room_leaves_nothing(demo: World, tmp_path: Path) -> None:
    """The disk is full in the middle: what was written is taken away again, so that the next try is none over something."""
    done = draft_of(demo, tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1200, hard))
    try:
        with pytest.raises(AdoptError, match="nothing was written"):
            write(done, tmp_path / "desired")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert write(done, tmp_path / "desired")


def test_documents_written_here_find_their_secrets(demo: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the present folder named as such, secrets stand beside it and not in it."""
    (tmp_path / "desired").mkdir()
    monkeypatch.chdir(tmp_path / "desired")
    write(drafted(demo.seen(), Choices(), Path()), Path())
    assert (tmp_path / "secrets/keystone-admin.yaml").exists()
    assert not (tmp_path / "desired/secrets").exists()


def test_no_secret_becomes_a_setting(demo: World, tmp_path: Path) -> None:
    """What is called like a secret stays where it is: documents are for git."""
    files, path = demo.files["kvm1"], "/etc/nova/nova-compute.conf"
    more = "[key_manager]\nfixed_key = canary1\n[profiler]\nhmac_keys = canary2\n[x]\napi_token = canary3\ncpus = 7\n"
    files[path] += more
    done = draft_of(demo, tmp_path)
    assert documents(done)["HypervisorZone", "kvm-az"]["spec"]["libvirt"]["settings"] == {"x": {"cpus": 7}}
    assert "canary" not in "".join(done.texts.values())


def test_bytes_that_are_no_text_are_told(demo: World, tmp_path: Path) -> None:
    """A password of another encoding than UTF-8 can be in no YAML; as a setting it stays where it is."""
    files, path = demo.files["kvm1"], "/etc/nova/nova-compute.conf"
    files[path] += "[x]\nname = caf\udce9\ncpus = 7\n"
    assert documents(draft_of(demo, tmp_path))["HypervisorZone", "kvm-az"]["spec"]["libvirt"]["settings"] == {"x": {"cpus": 7}}
    for node in demo.files.values():
        for path, text in node.items():
            node[path] = text.replace("password = pa$$$$word", "password = caf\udce9")
    with pytest.raises(AdoptError, match=r"nova\.conf: \[\w+\] \w+ holds bytes that are no UTF-8"):
        draft_of(demo, tmp_path)


def test_a_name_for_a_vcenter_that_nobody_uses_is_told(demo: World, tmp_path: Path) -> None:
    """Somebody mistyped the address: the VCenter is called vc1 then, and that has a reason."""
    done = drafted(demo.seen(), Choices(vcenters={"10.77.0.9": "main"}), tmp_path / "desired")
    assert done.draft.left_out == ("--vcenter main=10.77.0.9: no service on these hosts logs in there",)


def test_a_secret_that_nobody_said_is_named_and_not_made_up(demo: World, tmp_path: Path) -> None:
    """Where no file has a password, the document only points to the file that a person has to write."""
    for files in demo.files.values():
        for path in files:
            files[path] = "\n".join(line for line in files[path].splitlines() if not line.startswith("transport_url")) + "\n"
    done = draft_of(demo, tmp_path)
    written = write(done, tmp_path / "desired")
    assert unwritten(done, tmp_path / "desired") == [tmp_path / "secrets/transport-url"]
    assert tmp_path / "secrets/transport-url" not in written
    assert ("Secret", "transport-url") in documents(done)


def test_without_a_ring_the_guess_is_valid_and_told(demo: World, tmp_path: Path) -> None:
    """Hosts without Corosync: the documents load, with a new key for the ring that is not formed before somebody says where."""
    for name in CONTROLLERS:
        demo.files[name] = {}
        demo.services[name] = {}
    resources = demo.pacemaker.find("configuration/resources")
    assert resources is not None
    resources.clear()
    demo.computes.remove("vcenter-c0")
    done = draft_of(demo, tmp_path)
    assert not done.problem
    assert "there is no ring on these hosts" in comments(done, "cluster.yaml")
    assert documents(done)["Cluster", "cloud"]["metadata"]["annotations"] == {"bivisor/manage": "observe"}
    key = done.draft.secrets["corosync-authkey"]
    assert isinstance(key, str)
    assert 128 <= len(key) <= 4096
    assert any("volume backend vmdk" in sentence for sentence in done.draft.left_out)


def test_an_address_of_a_host_is_no_setting_of_its_zone(demo: World, tmp_path: Path) -> None:
    """What is one host's own is not written for all that may join it, even while it is the only one."""
    files = demo.files["kvm1"]
    path = "/etc/nova/nova-compute.conf"
    files[path] = files[path].replace("my_ip = 10.77.0.21", "my_ip = 192.0.2.9\ncpu_allocation_ratio = 4.0")
    spec = documents(draft_of(demo, tmp_path))["HypervisorZone", "kvm-az"]["spec"]
    assert spec["libvirt"]["settings"] == {"DEFAULT": {"cpu_allocation_ratio": "4.0"}}


def test_an_api_that_fails_is_not_taken_for_an_empty_one(demo: World, tmp_path: Path) -> None:
    """Without the list of volume types nobody knows which one leads to a backend: nothing is written."""
    seen = demo.seen()
    openstack = {**seen.openstack, ("volume_types.list", "{}"): Reply({}, "unanswered", "Cinder answered 503")}
    with pytest.raises(AdoptError, match=r"half a look: volume_types\.list: Cinder answered 503"):
        drafted(type(seen)(seen.hosts, openstack, seen.account), Choices(), tmp_path / "desired")


@pytest.mark.parametrize(
    ("written", "other", "told"),
    [("transport: knet", "transport: udpu", "(transport: udpu)"), ("  crypto_hash: sha256\n", "", "(crypto_hash: none)")],
    ids=["transport", "encryption"],
)
def test_a_ring_that_talks_otherwise_is_not_torn_apart(
    demo: World, tmp_path: Path, written: str, other: str, told: str
) -> None:
    """With another transport or encryption the members would be two rings while they restart: the Cluster is only observed."""
    path = "/etc/corosync/corosync.conf"
    for name in CONTROLLERS:
        demo.files[name][path] = demo.files[name][path].replace(written, other)
    done = draft_of(demo, tmp_path)
    assert documents(done)["Cluster", "demo"]["metadata"]["annotations"] == {"bivisor/manage": "observe"}
    assert told in done.texts["cluster.yaml"]


def test_members_of_names_that_no_node_can_have_are_not_renamed(demo: World, tmp_path: Path) -> None:
    """Pacemaker knows its members by full domain names: the Cluster is only observed, and says which is which."""
    path = "/etc/corosync/corosync.conf"
    for name in CONTROLLERS:
        demo.hostnames[name] = f"{name}.example.com"
        for other in CONTROLLERS:
            demo.files[name][path] = demo.files[name][path].replace(f"name: {other}\n", f"name: {other}.example.com\n")
    done = draft_of(demo, tmp_path)
    cluster = documents(done)["Cluster", "demo"]
    assert not done.problem
    assert cluster["metadata"]["annotations"] == {"bivisor/manage": "observe"}
    assert cluster["spec"]["pacemaker"]["nodeIds"] == {"ctl1": 1, "ctl2": 2, "ctl3": 3}
    assert "ctl1.example.com is Node/ctl1" in comments(done, "cluster.yaml")


def test_members_without_a_name_are_called_as_their_hosts(demo: World, tmp_path: Path) -> None:
    """Where the file names no one, Pacemaker goes by host names: nobody is renamed by writing them down."""
    path = "/etc/corosync/corosync.conf"
    for name in CONTROLLERS:
        for other in CONTROLLERS:
            demo.files[name][path] = demo.files[name][path].replace(f"    name: {other}\n", "")
    cluster = documents(draft_of(demo, tmp_path))["Cluster", "demo"]
    assert "annotations" not in cluster["metadata"]
    assert cluster["spec"]["pacemaker"]["nodeIds"] == {"ctl1": 1, "ctl2": 2, "ctl3": 3}


def test_a_message_queue_of_several_options_becomes_a_url(demo: World, tmp_path: Path) -> None:
    """Older files name hosts, account and virtual host one by one."""
    old = "rabbit_userid = nova\nrabbit_password = p@ss$$\nrabbit_hosts = 10.0.0.1:5673, 10.0.0.2:5673\nrabbit_virtual_host = /"
    for files in demo.files.values():
        for path, text in files.items():
            files[path] = text.replace("transport_url = rabbit://user:p@mq:5672/", old)
    url = draft_of(demo, tmp_path).draft.secrets["transport-url"]
    assert url == "rabbit://nova:p%40ss%24@10.0.0.1:5673,nova:p%40ss%24@10.0.0.2:5673/"


@pytest.mark.parametrize("state", [None, {"active": True}], ids=["stopped", "running"])
def test_the_ring_of_a_package_is_no_ring(demo: World, tmp_path: Path, state: dict[str, bool] | None) -> None:
    """Debian's corosync.conf, which a host has that never was a member, says nothing of the cloud."""
    node = "nodelist {\n  node {\n    name: node1\n    nodeid: 1\n    ring0_addr: 127.0.0.1\n  }\n}\n"
    demo.files["api1"]["/etc/corosync/corosync.conf"] = f"totem {{\n  cluster_name: debian\n}}\n{node}"
    if state:
        demo.services["api1"]["corosync"] = state
    done = draft_of(demo, tmp_path)
    assert documents(done)["Cluster", "demo"]["spec"]["pacemaker"]["nodeIds"] == {"ctl1": 1, "ctl2": 2, "ctl3": 3}


def test_a_ring_is_adopted_as_a_whole(demo: World, tmp_path: Path) -> None:
    """A member that was not named is an error: without it a plan would take it out of the ring."""
    seen = demo.seen()
    fewer = type(seen)(tuple(host for host in seen.hosts if host.node != "ctl3"), seen.openstack, seen.account)
    with pytest.raises(AdoptError, match="members that were not named: ctl3"):
        drafted(fewer, Choices(), tmp_path / "desired")


def test_a_compute_that_was_not_named_is_told(demo: World, tmp_path: Path) -> None:
    """Nova knows who is missing on the command line."""
    seen = demo.seen()
    fewer = type(seen)(tuple(host for host in seen.hosts if host.node != "kvm1"), seen.openstack, seen.account)
    done = drafted(fewer, Choices(), tmp_path / "desired")
    assert any('the compute "kvm1", which is up' in sentence for sentence in done.draft.left_out)


def test_every_change_of_a_first_plan_has_a_reason(demo: World) -> None:
    """Whatever unit differs in whatever field, there is a sentence on why that line remains."""
    for unit in demo.catalog.units.values():
        for change in diff(unit, None) if unit.desired else ():
            (reason,) = why(unit.address.type, (change,))
            assert reason
            assert reason != "not as it is declared", unit.address


def test_every_type_of_unit_has_a_reason() -> None:
    """Whatever documents of adoption may bring: only what leaves, and what nothing is declared of, needs none."""
    others = {"at_rest", "computes", "compute_exit", "volume_exit", "service", "config_file"}
    ours = [kind for kind in Unit.__subclasses__() if kind.__module__.startswith("resources.") and hasattr(kind, "type")]
    types = {kind.type for kind in ours} - others
    reasons = {name: why(name, (Change("x", None, "y"),)) for name in types}
    assert not [name for name, said in reasons.items() if said == ("not as it is declared",)]


def test_the_command_tells_what_remains_by_reason(demo: World, tmp_path: Path) -> None:
    """Lines of one reason stand together below it, each with its address; what is unknown is the plan's own to tell."""
    catalog = demo.catalog
    conf = next(unit for unit in catalog.units.values() if str(unit.address) == "ssh:api1/config_file//etc/nova/nova.conf")
    found = {conf.address: {**(conf.desired or {}), "[cinder] cross_az_attach": "True"}}
    plan = make_plan(catalog, build_graph(catalog.units), found)
    assert cli._reasons(plan) == {
        "with the default, volumes of one hypervisor can be attached on the other": ["ssh:api1/config_file//etc/nova/nova.conf"]
    }
    service = next(unit for unit in catalog.units.values() if str(unit.address) == "ssh:api1/service/nova-api")
    plan = make_plan(catalog, build_graph(catalog.units), {**found, service.address: {"active": True, "fresh": False}})
    assert ["ssh:api1/service/nova-api"] in cli._reasons(plan).values()
    assert "it has to load a file that has a line of its own here" in cli._reasons(plan)
    plan = make_plan(catalog, build_graph(catalog.units), {conf.address: conf.desired, service.address: {"fresh": False}})
    assert "was changed after it was started" in next(iter(cli._reasons(plan)))
    demo.computes.append("gone1")
    done = draft_of(demo, tmp_path)
    told = list(cli._told(done, [tmp_path / "desired/cluster.yaml"], accepted=True))
    assert told[0] == f"Written: {tmp_path}/desired/cluster.yaml"
    assert "compare them" in told[2]
    assert "gone1" in told[-1]


def test_words_for_hosts() -> None:
    """A word may name the node, the account and the port; anything else is told with the right form."""
    login = HostLogin(user="root", port=22, key_file="", accept=False)
    plain, full = hosts_of(["10.0.0.1", "kvm1=ops@kvm1.example.com:2222"], login)
    assert (plain.address, plain.user, plain.port, plain.name) == ("10.0.0.1", "root", 22, "")
    assert (full.address, full.user, full.port, full.name) == ("kvm1.example.com", "ops", 2222, "kvm1")
    with pytest.raises(AdoptError, match="is no host: write"):
        hosts_of(["a=b=c"], login)


@pytest.mark.parametrize(
    ("node", "told"),
    [
        ("ring0_addr: 192.0.2.11", "ctl1 by 192.0.2.11, and its Node has 10.77.0.11"),
        ("ring0_addr: 10.77.0.11\n    ring1_addr: 192.0.2.11", "ctl1 by a further link, ring1_addr: 192.0.2.11"),
    ],
    ids=["network", "links"],
)
def test_a_ring_of_another_network_is_not_torn_apart(demo: World, tmp_path: Path, node: str, told: str) -> None:
    """Members that talk over addresses which no Node has, or over two links: the Cluster is only observed."""
    path = "/etc/corosync/corosync.conf"
    for name in CONTROLLERS:
        demo.files[name][path] = demo.files[name][path].replace("ring0_addr: 10.77.0.11", node)
    done = draft_of(demo, tmp_path)
    assert documents(done)["Cluster", "demo"]["metadata"]["annotations"] == {"bivisor/manage": "observe"}
    assert told in comments(done, "cluster.yaml")


def test_what_others_gave_to_pacemaker_goes_on(demo: World, tmp_path: Path) -> None:
    """Unset, symmetric-cluster is true: the documents say so, else whatever no constraint names would stop."""
    options = demo.pacemaker.find("configuration/crm_config/cluster_property_set")
    resources = demo.pacemaker.find("configuration/resources")
    assert options is not None
    assert resources is not None
    for pair in list(options):
        if pair.get("name") in {"symmetric-cluster", "start-failure-is-fatal"}:
            options.remove(pair)
    resources.append(ET.fromstring('<primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"/>'))  # noqa: S314
    found = documents(draft_of(demo, tmp_path))["Cluster", "demo"]["spec"]["pacemaker"]["properties"]
    assert found == {"symmetric-cluster": "true", "start-failure-is-fatal": "true"}
