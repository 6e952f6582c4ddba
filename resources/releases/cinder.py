"""Cinder's options that kinds and blueprints write (cinder.conf), by release. `<own>` is the section of a backend.

Sources name a file and the versions in which it was read: "11.2.2 | 12.0.10" means not so in the first, so in the second.
"""

from __future__ import annotations

from resources.releases.rows import ACCOUNT, OWN, Row

_VMDK = "cinder/volume/drivers/vmware/vmdk.py"
_NOVA = "cinder/compute/nova.py and cinder/common/config.py, 10.0.8 | 11.2.2"
_TARGETS = "cinder/volume/driver.py, 11.2.2 | 12.0.10 (the old names deprecated)"
_EVER = "10.0.8 to 29.0.0"
_KILO = "openstack-manuals doc/common/tables/cinder-conf-changes.xml (new options in Kilo)"

_COMMON = (
    Row(section="DEFAULT", names=("transport_url",), first="juno", source="oslo.messaging, which Cinder uses since Juno"),
    Row(section="database", names=("connection",), first="juno", source="oslo.db"),
    Row(
        section="DEFAULT",
        names=("enabled_backends", "my_ip", "report_interval", "service_down_time", "state_path", "host", "log_file"),
        first="juno",
        source=f"cinder/common/config.py and cinder/service.py, {_EVER}",
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
    Row(section="DEFAULT", names=("glance_api_servers",), first="juno", source=f"cinder/common/config.py, {_EVER}"),
    Row(
        section="DEFAULT",
        names=("allow_availability_zone_fallback",),
        first="juno",
        last="kilo",
        absent=True,
        source="Cinder, 7.0.0 (Liberty): before, a zone that does not exist is always refused",
    ),
    Row(
        section="DEFAULT",
        names=("allow_availability_zone_fallback",),
        first="liberty",
        source=f"cinder/common/config.py, {_EVER}",
    ),
    Row(
        section="DEFAULT",
        names=("vmdk_allowed_types",),
        first="juno",
        last="wallaby",
        absent=True,
        source="CVE-2022-47951 (bug 1996188): no release of that series has the fix",
    ),
    Row(
        section="DEFAULT",
        names=("vmdk_allowed_types",),
        first="xena",
        source="cinder/image/image_utils.py, 18.0.0 | 21.3.1; stable releases since 19.2.0, 20.1.0, 21.1.0 (CVE-2022-47951)",
    ),
    Row(
        section="oslo_concurrency",
        names=("lock_path",),
        first="juno",
        last="juno",
        at=("DEFAULT", "lock_path"),
        source="oslo.concurrency's deprecated name [DEFAULT] lock_path; Cinder uses that library since Kilo",
    ),
    Row(section="oslo_concurrency", names=("lock_path",), first="kilo", source="oslo_concurrency/lockutils.py"),
)

_SERVICE_USER = (
    Row(
        section="service_user",
        names=(*ACCOUNT, "send_service_user_token"),
        first="juno",
        last="pike",
        absent=True,
        source="cinder/service_auth.py, 11.2.2 | 12.0.10",
    ),
    Row(
        section="service_user",
        names=(*ACCOUNT, "send_service_user_token"),
        first="queens",
        source="cinder/service_auth.py, 11.2.2 | 12.0.10",
    ),
)

_TO_NOVA = (
    Row(section="nova", names=ACCOUNT, first="juno", last="juno", absent=True, source=_KILO),
    *(
        Row(
            section="nova", names=(name,), first="kilo", last="ocata", at=("DEFAULT", f"os_privileged_user_{old}"), source=_NOVA
        )
        for name, old in (("username", "name"), ("password", "password"), ("project_name", "tenant"))
    ),
    Row(
        section="nova",
        names=("auth_url",),
        first="kilo",
        last="kilo",
        absent=True,
        source=f"{_KILO}: the catalogue's Keystone is asked",
    ),
    Row(
        section="nova",
        names=("auth_url",),
        first="liberty",
        last="ocata",
        at=("DEFAULT", "os_privileged_user_auth_url"),
        source=_NOVA,
    ),
    Row(
        section="nova",
        names=("auth_type", "user_domain_name", "project_domain_name"),
        first="kilo",
        last="ocata",
        absent=True,
        source=f"{_NOVA}: that login knows no domains",
    ),
    Row(section="nova", names=ACCOUNT, first="pike", source=_NOVA),
    Row(section="nova", names=("region_name",), first="juno", last="ocata", at=("DEFAULT", "os_region_name"), source=_NOVA),
    Row(section="nova", names=("region_name",), first="pike", source=_NOVA),
)

_BACKENDS = (
    Row(
        section=OWN,
        names=("volume_driver", "volume_backend_name"),
        first="juno",
        source=f"cinder/volume/driver.py and manager.py, {_EVER}",
    ),
    Row(
        section=OWN,
        names=("backend_host",),
        first="juno",
        last="juno",
        at=("DEFAULT", "host"),
        alive=True,
        source=f"{_KILO}; before, all backends of a cinder-volume have its host",
    ),
    Row(section=OWN, names=("backend_host",), first="kilo", source=f"{_KILO}; cinder/cmd/volume.py, {_EVER}"),
    Row(
        section=OWN,
        names=("backend_availability_zone",),
        first="juno",
        last="ocata",
        at=("DEFAULT", "storage_availability_zone"),
        alive=True,
        source="cinder/volume/driver.py, 10.0.8 | 11.2.2; before, all backends of a cinder-volume are in one zone",
    ),
    Row(
        section=OWN,
        names=("backend_availability_zone",),
        first="pike",
        source="cinder/volume/driver.py, 10.0.8 | 11.2.2",
    ),
    Row(
        section=OWN,
        names=("nfs_shares_config", "nfs_mount_options", "nfs_mount_point_base"),
        first="juno",
        source=f"cinder/volume/drivers/nfs.py, {_EVER}",
    ),
    Row(
        section=OWN,
        names=("nas_secure_file_operations", "nas_secure_file_permissions"),
        first="juno",
        last="juno",
        absent=True,
        source=_KILO,
    ),
    Row(
        section=OWN,
        names=("nas_secure_file_operations", "nas_secure_file_permissions"),
        first="kilo",
        source=f"{_KILO}; cinder/volume/drivers/remotefs.py, {_EVER}",
    ),
    Row(
        section=OWN,
        names=("rbd_pool", "rbd_user", "rbd_ceph_conf", "rbd_secret_uuid"),
        first="juno",
        source=f"cinder/volume/drivers/rbd.py, {_EVER}",
    ),
    Row(section=OWN, names=("volume_group", "lvm_type"), first="juno", source=f"cinder/volume/drivers/lvm.py, {_EVER}"),
    Row(section=OWN, names=("target_helper",), first="juno", last="pike", at=(OWN, "iscsi_helper"), source=_TARGETS),
    Row(section=OWN, names=("target_ip_address",), first="juno", last="pike", at=(OWN, "iscsi_ip_address"), source=_TARGETS),
    Row(section=OWN, names=("target_protocol",), first="juno", last="juno", absent=True, source=f"{_KILO} (iscsi_protocol)"),
    Row(section=OWN, names=("target_protocol",), first="kilo", last="pike", at=(OWN, "iscsi_protocol"), source=_TARGETS),
    Row(section=OWN, names=("target_helper", "target_ip_address", "target_protocol"), first="queens", source=_TARGETS),
)

_VMWARE = (
    Row(
        section=OWN,
        names=(
            "vmware_host_ip",
            "vmware_host_username",
            "vmware_host_password",
            "vmware_volume_folder",
            "vmware_api_retry_count",
            "vmware_task_poll_interval",
        ),
        first="juno",
        source=f"{_VMDK}, {_EVER}",
    ),
    Row(
        section=OWN,
        names=("vmware_cluster_name",),
        first="juno",
        last="kilo",
        absent=True,
        source=f"{_VMDK}, new in Liberty: before, the datastores of all clusters are taken",
    ),
    Row(
        section=OWN,
        names=("vmware_insecure",),
        first="juno",
        last="kilo",
        absent=True,
        source=f"{_VMDK}, new in Liberty: no certificate is checked before",
    ),
    Row(
        section=OWN,
        names=("vmware_ca_file",),
        first="juno",
        last="kilo",
        refused="checks no vCenter's certificate: give the VCenter tls: {insecure: true}, so that nobody believes it does",
        source=f"{_VMDK}, new in Liberty",
    ),
    Row(
        section=OWN,
        names=("vmware_cluster_name", "vmware_insecure", "vmware_ca_file"),
        first="liberty",
        source=f"{_VMDK}, {_EVER}",
    ),
    Row(
        section=OWN,
        names=("vmware_host_port",),
        first="juno",
        last="liberty",
        refused="reaches a vCenter on port 443 only: let it listen there",
        harmless="443",
        source=f"{_VMDK}, new in Mitaka",
    ),
    Row(section=OWN, names=("vmware_host_port",), first="mitaka", source=f"{_VMDK}, {_EVER}"),
    Row(section=OWN, names=("vmware_datastore_regex",), first="rocky", source=f"{_VMDK}, 12.0.10 | 13.0.9"),
    Row(section=OWN, names=("vmware_adapter_type", "vmware_snapshot_format"), first="pike", source=f"{_VMDK}, 10.0.8 | 11.2.2"),
    Row(section=OWN, names=("vmware_connection_pool_size",), first="ocata", source=f"{_VMDK}, in 10.0.8"),
    Row(section=OWN, names=("vmware_lazy_create",), first="queens", source=f"{_VMDK}, 11.2.2 | 12.0.10"),
    Row(section=OWN, names=("vmware_storage_profile",), first="stein", source=f"{_VMDK}, 13.0.9 | 14.0.0"),
    Row(section=OWN, names=("vmware_enable_volume_stats",), first="ussuri", source=f"{_VMDK}, 14.0.0 | 16.0.0"),
)

ROWS = (*_COMMON, *_SERVICE_USER, *_TO_NOVA, *_BACKENDS, *_VMWARE)
"""All of them, by section."""
