"""What documents say about networks, unit by unit: DVS agents, port groups, ML2 on the API, nova-network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.contract import SecretText
from resources.units.primitive import Primitive
from tests.kinds.cloud import SECRETS, compiled, declared, demo_texts, needs, unit

if TYPE_CHECKING:
    from reconciler.core.compile import Catalog

CONTROLLERS = ("ctl1", "ctl2", "ctl3")
COMPUTE = "{cluster: DC0_C0, host: vcenter-c0,"
AGENT = "neutron-dvs-agent-vcenter-c0"
INI = "config_file//etc/neutron/vcenter/vcenter-c0/dvs-agent.ini"
NEUTRON = "network: {manager: neutron}"
DVS = """network:
    dvs:
      package: python3-networking-vsphere
      settings: {DVS_AGENT: {report_interval: 10}}
      api:
        nodes: {roles: [api]}
        mechanismDrivers: [openvswitch, l2population, vmware_dvs]
        services: [neutron-api, neutron-rpc-server]
"""
MAPS = """
    dvs:
      networkMaps: {physnet1: DVS0, physnet2: Other Switch}
      uplinkMaps: {physnet1: {active: [up1, up2], standby: [up3]}, physnet2: {active: [up4]}}
"""
ZONED = {"  vmware:\n": f"  vmware:{MAPS}"}


def with_agents(changes: dict[str, str] | None = None) -> Catalog:
    """Compile the demo with DVS agents."""
    return compiled({NEUTRON: DVS, **ZONED, **(changes or {})})


def test_a_dvs_agent_is_its_computes_and_the_same_on_every_controller() -> None:
    """Its `host` is that of the nova-compute, its switches are those declared, its password is escaped, TLS is said."""
    catalog = with_agents()
    facts = [declared(catalog, f"ssh:{host}/{INI}") for host in CONTROLLERS]
    assert (
        facts[0]
        == facts[1]
        == facts[2]
        == {
            "[DEFAULT] transport_url": "rabbit://user:p@mq:5672/",
            "[DEFAULT] host": "vcenter-c0",
            "[DEFAULT] state_path": "/var/lib/neutron/vcenter/vcenter-c0",
            "[DEFAULT] log_file": f"/var/log/neutron/{AGENT}.log",
            "[ml2_vmware] vsphere_hostname": "10.77.0.1",
            "[ml2_vmware] host_port": "9443",
            "[ml2_vmware] vsphere_login": "user",
            "[ml2_vmware] vsphere_password": "pa$$$$word",
            "[ml2_vmware] network_maps": "physnet1:DVS0,physnet2:Other Switch",
            "[ml2_vmware] uplink_maps": "physnet1:up1;up2:up3,physnet2:up4",
            "[ml2_vmware] ca_file": "/etc/neutron/vcenter/vcenter-c0/vcenter-ca.pem",
            "[ml2_vmware] insecure": "False",
            "[oslo_concurrency] lock_path": "/var/lib/neutron/vcenter/vcenter-c0/lock",
            "[DEFAULT] lock_path": None,  # as Juno called it
            "[DVS_AGENT] report_interval": "10",
            "mode": "0640",
            "owner": "root",
            "group": "neutron",
        }
    )
    nova = declared(catalog, "ssh:ctl1/config_file//etc/nova/vcenter/vcenter-c0/nova.conf")
    assert nova["[DEFAULT] host"] == facts[0]["[DEFAULT] host"]
    assert declared(catalog, "ssh:ctl2/file//etc/neutron/vcenter/vcenter-c0/vcenter-ca.pem")["content"] == "the CA's text\n"


def test_an_agent_leaves_with_its_compute() -> None:
    """It connects the instances until none is left; then it is taken away, and its password with it."""
    host = "host: vcenter-c0,"
    catalog = with_agents({host: f"{host} remove: true,"})
    agent = f"pacemaker:demo/primitive/{AGENT}"
    gone = [agent, *(f"pacemaker:demo/constraint/{AGENT}-on-{node}" for node in CONTROLLERS)]
    for node in CONTROLLERS:
        files = [f"file//etc/neutron/vcenter/vcenter-c0/{name}" for name in ("dvs-agent.ini", "vcenter-ca.pem")]
        gone += [f"ssh:{node}/{name}" for name in (*files, f"systemd_unit/{AGENT}.service")]
    for address in gone:
        assert unit(catalog, address).desired is None, address
        assert "openstack:demo/compute_exit/vcenter-c0 empty" in needs(catalog, address)
    assert f"ssh:ctl1/{INI}" not in map(str, catalog.units)


def test_the_agents_package_is_the_users_and_its_own_service_is_masked() -> None:
    """Nothing but the named package is installed for it, and an unconfigured agent cannot start."""
    catalog = with_agents()
    for host in CONTROLLERS:
        assert declared(catalog, f"ssh:{host}/package/python3-networking-vsphere") == {"installed": True}
        assert declared(catalog, f"ssh:{host}/service/neutron-dvs-agent") == {"masked": True, "active": False}


def test_pacemaker_keeps_an_agent_wherever_its_compute_is() -> None:
    """It is a resource of its own that may run on each controller; no constraint ties it to the compute."""
    catalog = with_agents()
    found = needs(catalog, f"pacemaker:demo/primitive/{AGENT}")
    for host in CONTROLLERS:
        assert {
            f"ssh:{host}/{INI}",
            f"ssh:{host}/systemd_unit/{AGENT}.service",
            f"pacemaker:demo/constraint/{AGENT}-on-{host}",
        } <= found
    switches = {"vcenter:vc1/distributed_switch/DVS0", "vcenter:vc1/distributed_switch/Other Switch"}
    assert {"vcenter:vc1/session/vc1", "pacemaker:demo/membership/ring", *switches} <= found
    assert "pacemaker:demo/primitive/nova-compute-vcenter-c0" not in found
    text = str(declared(catalog, f"ssh:ctl1/systemd_unit/{AGENT}.service")["content"])
    command = "ExecStart=/usr/bin/neutron-dvs-agent --config-file /etc/neutron/vcenter/vcenter-c0/dvs-agent.ini\n"
    assert command in text
    assert "Restart=no\n" in text
    assert "[Install]" not in text


def test_another_password_restarts_the_agent_too() -> None:
    """The agent has loaded the credentials: its resource is stale when they change."""
    other = {**SECRETS, "vc1": {"username": SecretText("user"), "password": SecretText("other")}}
    before, after = (
        unit(catalog, f"pacemaker:demo/primitive/{AGENT}")
        for catalog in (with_agents(), compiled({NEUTRON: DVS, **ZONED}, other))
    )
    assert isinstance(before, Primitive)
    assert isinstance(after, Primitive)
    assert before.unit == f"{AGENT}.service"
    assert before.loads_by_node != after.loads_by_node


def test_an_agent_on_a_node_is_kept_by_systemd() -> None:
    """Beside a compute that is on a node of its own choice, the agent is a service there."""
    catalog = with_agents({"placement: controllers": "placement: {nodes: {names: [vol2]}}"})
    assert declared(catalog, f"ssh:vol2/service/{AGENT}")["active"] is True
    assert "WantedBy=multi-user.target\n" in str(declared(catalog, f"ssh:vol2/systemd_unit/{AGENT}.service")["content"])


def test_a_cluster_may_have_its_own_switches() -> None:
    """What a compute says counts for it instead of what the zone says."""
    catalog = with_agents({COMPUTE: f"{COMPUTE} dvs: {{networkMaps: {{physnet1: DVS7}}}},"})
    facts = declared(catalog, f"ssh:ctl1/{INI}")
    assert facts["[ml2_vmware] network_maps"] == "physnet1:DVS7"
    assert "[ml2_vmware] uplink_maps" not in facts


def test_the_neutron_server_learns_its_mechanism_drivers() -> None:
    """The whole list is one owned option; what is not declared stays theirs; each named service has to load it."""
    catalog = with_agents()
    conf = "ssh:api1/config_file//etc/neutron/plugins/ml2/ml2_conf.ini"
    assert declared(catalog, conf) == {"[ml2] mechanism_drivers": "openvswitch,l2population,vmware_dvs"}
    for name in ("neutron-api", "neutron-rpc-server"):
        assert declared(catalog, f"ssh:api1/service/{name}") == {"fresh": True}
        assert {conf, "ssh:api1/package/python3-networking-vsphere"} <= needs(catalog, f"ssh:api1/service/{name}")


def test_without_a_dvs_block_neutron_is_left_alone() -> None:
    """No agent, no package, no option of Neutron."""
    assert not [address for address in compiled().units if "neutron" in address.name]


def test_port_groups_are_kept_once_the_login_works() -> None:
    """Each is a unit of its vCenter, with or without agents."""
    groups = "portGroups: [{name: provider-100, vds: DVS0, vlan: 100}, {name: flat, vds: DVS0, vlan: 0}]"
    catalog = compiled({"  vmware:\n": f"  vmware:\n    {groups}\n"})
    assert declared(catalog, "vcenter:vc1/port_group/DVS0/provider-100") == {"vlan": 100}
    assert declared(catalog, "vcenter:vc1/port_group/DVS0/flat") == {"vlan": 0}
    assert "vcenter:vc1/session/vc1" in needs(catalog, "vcenter:vc1/port_group/DVS0/flat")


OLD = {"release: zed": "release: rocky"}
SINGLE = "network: {manager: nova-network, mode: single-host, novaNetwork: {interface: eth1, publicInterface: eth0}}"


def test_with_a_vcenter_one_nova_network_serves_all() -> None:
    """It has one identity and one configuration on all controllers, and its packaged twin is masked."""
    catalog = compiled({**OLD, NEUTRON: SINGLE})
    facts = [declared(catalog, f"ssh:{host}/config_file//etc/nova/nova-network/nova.conf") for host in CONTROLLERS]
    expected = {
        "[DEFAULT] host": "nova-network-ha",
        "[DEFAULT] use_neutron": "False",
        "[DEFAULT] network_manager": "nova.network.manager.FlatDHCPManager",
        "[DEFAULT] multi_host": "False",
        "[DEFAULT] send_arp_for_ha": "False",
        "[DEFAULT] flat_network_bridge": "br100",
        "[DEFAULT] flat_interface": "eth1",
        "[DEFAULT] public_interface": "eth0",
        "[DEFAULT] dhcpbridge_flagfile": "/etc/nova/nova-network/nova.conf",
        "[DEFAULT] transport_url": "rabbit://user:p@mq:5672/",
    }
    assert facts[0] == facts[1] == facts[2]
    assert {name: facts[0].get(name) for name in expected} == expected
    assert declared(catalog, "ssh:ctl1/service/nova-network") == {"masked": True, "active": False}
    found = needs(catalog, "pacemaker:demo/primitive/nova-network-ha")
    assert {f"pacemaker:demo/constraint/nova-network-ha-on-{host}" for host in CONTROLLERS} <= found
    for compute in ("ssh:kvm1/config_file//etc/nova/nova.conf", "ssh:ctl1/config_file//etc/nova/vcenter/vcenter-c0/nova.conf"):
        options = declared(catalog, compute)
        assert (options["[DEFAULT] use_neutron"], options["[DEFAULT] multi_host"]) == ("False", "False")
    assert not [address for address in catalog.units if str(address) == "ssh:kvm1/package/nova-network"]


def test_a_nova_network_of_vlans_has_no_bridge_of_its_own() -> None:
    """VlanManager makes a bridge per VLAN, on the given device."""
    vlan = SINGLE.replace("interface: eth1", "type: vlan, interface: eth1, settings: {DEFAULT: {vlan_start: 500}}")
    facts = declared(compiled({**OLD, NEUTRON: vlan}), "ssh:ctl1/config_file//etc/nova/nova-network/nova.conf")
    assert facts["[DEFAULT] network_manager"] == "nova.network.manager.VlanManager"
    assert (facts["[DEFAULT] vlan_interface"], facts["[DEFAULT] vlan_start"]) == ("eth1", "500")
    assert "[DEFAULT] flat_network_bridge" not in facts


def test_without_a_vcenter_each_compute_has_its_nova_network() -> None:
    """The packaged service reads the host's nova.conf, tells the network who the gateway is, and answers for metadata."""
    zones, volumes = (demo_texts()[f"desired/{name}.yaml"] for name in ("zones", "volumes"))
    texts = {**OLD, NEUTRON: "network: {manager: nova-network, mode: multi-host}"}
    catalog = compiled({**texts, zones[zones.index("---\n") :]: "", volumes[: volumes.index("---\n")]: ""})
    facts = declared(catalog, "ssh:kvm1/config_file//etc/nova/nova.conf")
    expected = {
        "[DEFAULT] multi_host": "True",
        "[DEFAULT] send_arp_for_ha": "True",
        "[DEFAULT] metadata_host": "10.77.0.21",
        "[DEFAULT] dhcpbridge_flagfile": "/etc/nova/nova.conf",
        "[cinder] cross_az_attach": "False",
    }
    assert {name: facts.get(name) for name in expected} == expected
    for name in ("nova-network", "nova-api-metadata"):
        assert declared(catalog, f"ssh:kvm1/service/{name}") == {
            "masked": False,
            "enabled": True,
            "active": True,
            "fresh": True,
        }
    assert not [address for address in catalog.units if address.type == "primitive"]
