"""Neutron's options that kinds and blueprints write (ML2's file, and the agents' of vSphere switches), by release."""

from __future__ import annotations

from resources.releases.rows import Row

_VSPHERE = "networking-vsphere, common/vmware_conf.py, stable/rocky (its last branch)"

ROWS = (
    Row(section="DEFAULT", names=("transport_url",), first="juno", source="oslo.messaging, which Neutron uses since Juno"),
    Row(
        section="DEFAULT",
        names=("host", "state_path", "log_file"),
        first="juno",
        source="neutron/conf/common.py; neutron/common/config.py before; oslo.log",
    ),
    Row(
        section="oslo_concurrency",
        names=("lock_path",),
        first="juno",
        last="juno",
        at=("DEFAULT", "lock_path"),
        source="oslo.concurrency's deprecated name [DEFAULT] lock_path; Neutron uses that library since Kilo",
    ),
    Row(section="oslo_concurrency", names=("lock_path",), first="kilo", source="oslo_concurrency/lockutils.py"),
    Row(
        section="ml2",
        names=("mechanism_drivers", "tenant_network_types"),
        first="juno",
        source="neutron/plugins/ml2/config.py; neutron/conf/plugins/ml2/config.py since Pike",
    ),
    Row(
        section="ml2_vmware",
        names=(
            "vsphere_hostname",
            "host_port",
            "vsphere_login",
            "vsphere_password",
            "network_maps",
            "uplink_maps",
            "ca_file",
            "insecure",
        ),
        first="juno",
        source=_VSPHERE,
    ),
)
"""All of them. What the agent's package reads is the package's own: it does not follow OpenStack's releases."""
