"""Nova's options that kinds and blueprints write (nova.conf and what a nova-compute reads), by release.

Sources name a file and the versions in which it was read: "15.1.5 | 16.1.8" means not so in the first, so in the second.
"""

from __future__ import annotations

from resources.releases.rows import ACCOUNT, Row

_MANUALS_JUNO = "openstack-manuals doc/common/tables/nova-conf-changes.xml (new options in Juno)"
_EVER = "nova/conf, 15.1.5 to 34.0.0"
_VMWARE = "nova/conf/vmware.py, 15.1.5 to 34.0.0; nova/virt/vmwareapi/driver.py before"
_NETWORK = "nova/conf/network.py, 20.6.1 | 21.0.0 (nova-network removed)"

_COMMON = (
    Row(section="DEFAULT", names=("transport_url",), first="juno", source="oslo.messaging, which Nova uses since Icehouse"),
    Row(
        section="DEFAULT",
        names=("host", "my_ip", "state_path", "log_file", "compute_driver", "reserved_host_memory_mb"),
        first="juno",
        source=f"{_EVER}; nova/netconf.py, nova/paths.py, nova/virt/driver.py before",
    ),
    Row(
        section="DEFAULT",
        names=("report_interval", "service_down_time", "vif_plugging_is_fatal", "vif_plugging_timeout"),
        first="juno",
        source=f"{_EVER}; nova/service.py, nova/virt/driver.py before",
    ),
    Row(
        section="DEFAULT",
        names=("graceful_shutdown_timeout",),
        first="juno",
        last="liberty",
        absent=True,
        source="oslo_service/_options.py, 0.9.1 | 1.0.0",
    ),
    Row(
        section="DEFAULT",
        names=("graceful_shutdown_timeout",),
        first="mitaka",
        source="oslo_service/_options.py, 0.9.1 | 1.0.0",
    ),
    Row(
        section="oslo_concurrency",
        names=("lock_path",),
        first="juno",
        last="juno",
        at=("DEFAULT", "lock_path"),
        source="oslo.concurrency's deprecated name [DEFAULT] lock_path; Nova uses that library since Kilo",
    ),
    Row(section="oslo_concurrency", names=("lock_path",), first="kilo", source="oslo_concurrency/lockutils.py"),
    Row(
        section="compute",
        names=("vmdk_allowed_types",),
        first="juno",
        last="wallaby",
        absent=True,
        source="CVE-2022-47951 (bug 1996188): no release of that series has the fix",
    ),
    Row(
        section="compute",
        names=("vmdk_allowed_types",),
        first="xena",
        source="nova/conf/compute.py, 25.0.0 | 26.2.2; stable releases since 24.2.0, 25.1.0, 26.1.0 (CVE-2022-47951)",
    ),
)

_CINDER = (
    Row(section="cinder", names=("os_region_name", "cross_az_attach"), first="juno", source=_MANUALS_JUNO),
    Row(
        section="cinder",
        names=ACCOUNT,
        first="juno",
        last="ocata",
        absent=True,
        source="nova/conf/cinder.py, 15.1.5 | 16.1.8: before, Nova asked Cinder with the user's token only",
    ),
    Row(section="cinder", names=ACCOUNT, first="pike", source="nova/conf/cinder.py, 15.1.5 | 16.1.8"),
)

_GLANCE = (
    Row(
        section="glance",
        names=("region_name",),
        first="juno",
        last="pike",
        refused="does not find Glance in Keystone's catalogue: say in spec.compute.settings where it is, "
        "glance: {api_servers: 'http://glance:9292'}",
        unless=("glance", "api_servers"),
        source="nova/conf/glance.py, 16.1.8 | 17.0.13",
    ),
    Row(section="glance", names=("region_name",), first="queens", source="nova/conf/glance.py, 16.1.8 | 17.0.13"),
)

_NEUTRON = (
    Row(
        section="neutron",
        names=("auth_type",),
        first="juno",
        last="juno",
        absent=True,
        source=f"{_MANUALS_JUNO}: [neutron] auth_strategy = keystone is the default",
    ),
    Row(
        section="neutron",
        names=("auth_url",),
        first="juno",
        last="juno",
        at=("neutron", "admin_auth_url"),
        replace=("/v3", "/v2.0"),
        source=_MANUALS_JUNO,
    ),
    Row(
        section="neutron",
        names=("username",),
        first="juno",
        last="juno",
        at=("neutron", "admin_username"),
        source=_MANUALS_JUNO,
    ),
    Row(
        section="neutron",
        names=("password",),
        first="juno",
        last="juno",
        at=("neutron", "admin_password"),
        source=_MANUALS_JUNO,
    ),
    Row(
        section="neutron",
        names=("project_name",),
        first="juno",
        last="juno",
        at=("neutron", "admin_tenant_name"),
        source=_MANUALS_JUNO,
    ),
    Row(
        section="neutron",
        names=("user_domain_name", "project_domain_name"),
        first="juno",
        last="juno",
        absent=True,
        source=f"{_MANUALS_JUNO}: that login knows no domains",
    ),
    Row(
        section="neutron",
        names=("auth_type",),
        first="kilo",
        last="liberty",
        at=("neutron", "auth_plugin"),
        source="keystoneauth, deprecated name auth_plugin; Nova uses keystoneauth since Mitaka",
    ),
    Row(section="neutron", names=("auth_type",), first="mitaka", source="nova/conf/neutron.py, 15.1.5 to 34.0.0"),
    Row(
        section="neutron",
        names=tuple(name for name in ACCOUNT if name != "auth_type"),
        first="kilo",
        source="nova/conf/neutron.py, 15.1.5 to 34.0.0; openstack-manuals, install guide of Liberty",
    ),
    Row(
        section="neutron",
        names=("region_name",),
        first="juno",
        last="pike",
        refused="does not find Neutron in Keystone's catalogue: say in spec.compute.settings where it is, "
        "neutron: {url: 'http://neutron:9696'}",
        unless=("neutron", "url"),
        source="nova/conf/neutron.py, 16.1.8 | 17.0.13 ([neutron] url deprecated there)",
    ),
    Row(section="neutron", names=("region_name",), first="queens", source="nova/conf/neutron.py, 16.1.8 | 17.0.13"),
)

_PLACEMENT = (
    Row(
        section="placement",
        names=(*ACCOUNT, "region_name"),
        first="juno",
        last="mitaka",
        absent=True,
        source="Nova release notes, 14.0.0: the placement service is new",
    ),
    Row(
        section="placement",
        names=("region_name",),
        first="newton",
        last="pike",
        at=("placement", "os_region_name"),
        source="nova/conf/placement.py, 16.1.8 | 17.0.13 (os_region_name deprecated) | 18.3.0 (removed)",
    ),
    Row(section="placement", names=("region_name",), first="queens", source="nova/conf/placement.py, 16.1.8 | 17.0.13"),
    Row(section="placement", names=ACCOUNT, first="newton", source="nova/conf/placement.py, 15.1.5; release notes, 14.0.0"),
)

_SERVICE_USER = (
    Row(
        section="service_user",
        names=(*ACCOUNT, "send_service_user_token"),
        first="juno",
        last="newton",
        absent=True,
        source="nova/conf/service_token.py is new in Ocata: there in 15.1.5, the oldest version that was read",
    ),
    Row(
        section="service_user",
        names=(*ACCOUNT, "send_service_user_token"),
        first="ocata",
        source="nova/conf/service_token.py, 15.1.5 to 34.0.0",
    ),
)

_NETWORKING = (
    Row(
        section="DEFAULT",
        names=("use_neutron",),
        first="juno",
        last="liberty",
        at=("DEFAULT", "network_api_class"),
        values={"True": "nova.network.neutronv2.api.API", "False": "nova.network.api.API"},
        source="nova/network/__init__.py, 2014.2; deprecated in Mitaka",
    ),
    Row(
        section="DEFAULT",
        names=("use_neutron",),
        first="mitaka",
        last="train",
        source="nova/conf/network.py, 20.6.1 | 21.0.0; default False until Newton, True in 15.1.5",
    ),
    Row(section="DEFAULT", names=("use_neutron",), first="ussuri", absent=True, source=_NETWORK),
    Row(
        section="DEFAULT",
        names=(
            "multi_host",
            "network_manager",
            "flat_network_bridge",
            "flat_interface",
            "public_interface",
            "vlan_interface",
            "vlan_start",
            "send_arp_for_ha",
            "force_dhcp_release",
            "metadata_host",
            "dhcpbridge",
            "dhcpbridge_flagfile",
            "firewall_driver",
            "network_size",
            "share_dhcp_address",
            "auto_assign_floating_ip",
        ),
        first="juno",
        last="train",
        source=_NETWORK,
    ),
)

_HYPERVISORS = (
    Row(
        section="libvirt",
        names=("virt_type", "cpu_mode", "images_type"),
        first="juno",
        source="nova/conf/libvirt.py, 15.1.5 to 34.0.0; nova/virt/libvirt/driver.py before",
    ),
    Row(
        section="vmware",
        names=("host_ip", "host_port", "host_username", "host_password", "cluster_name", "datastore_regex"),
        first="juno",
        source=f"{_VMWARE}; host_port: {_MANUALS_JUNO}",
    ),
    Row(
        section="vmware",
        names=("cache_prefix",),
        first="juno",
        last="juno",
        absent=True,
        source="Nova release notes, Kilo: the image cache is named after my_ip before, and loaded again after a failover",
    ),
    Row(section="vmware", names=("cache_prefix",), first="kilo", source=_VMWARE),
    Row(
        section="vmware",
        names=("insecure",),
        first="juno",
        last="kilo",
        absent=True,
        source="Nova release notes, 12.0.0: no certificate is checked before",
    ),
    Row(
        section="vmware",
        names=("ca_file",),
        first="juno",
        last="kilo",
        refused="checks no vCenter's certificate: give the VCenter tls: {insecure: true}, so that nobody believes it does",
        source="Nova release notes, 12.0.0",
    ),
    Row(section="vmware", names=("insecure", "ca_file"), first="liberty", source="Nova release notes, 12.0.0"),
)

ROWS = (
    *_COMMON,
    *_CINDER,
    *_GLANCE,
    *_NEUTRON,
    *_PLACEMENT,
    *_SERVICE_USER,
    *_NETWORKING,
    *_HYPERVISORS,
)
"""All of them, by section."""
