"""What the hosts' image consists of, as plain values: its digest names the image.

One image serves every host. Bivisor's hosts are bare because nothing is configured or enabled in
it, not because packages are missing: installing packages is slow and belongs to the image.
"""

from __future__ import annotations

SUITE = "bookworm"

BASE_PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "iproute2",
    "procps",
    "ca-certificates",
    "python3",
)

CONTROL_PLANE_PACKAGES = (
    "mariadb-server",
    "rabbitmq-server",
    "memcached",
    "keystone",
    "placement-api",
    "nova-api",
    "nova-conductor",
    "nova-scheduler",
    "glance-api",
    "neutron-api",
    "cinder-api",
    "cinder-scheduler",
)

STORE_PACKAGES = (
    "ceph-mon",
    "ceph-mgr",
    "ceph-osd",
    "swift-proxy",
    "swift-account",
    "swift-container",
    "swift-object",
)
"""What the cloud's own storage runs on; its clients are dependencies of Nova's, Cinder's and Glance's packages."""

NODE_PACKAGES = (
    "sudo",
    "curl",
    "nftables",
    "nova-compute",
    "nova-compute-qemu",
    "libvirt-daemon-system",
    "libvirt-clients",
    "qemu-system-x86",
    "qemu-utils",
    "cinder-volume",
    "corosync",
    "pacemaker",
    "pacemaker-cli-utils",
    "resource-agents",
)

DPKG_OPTIONS = """\
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
"""
"""Halves the time of the installation; nobody reads manuals in the lab."""

ENABLED_UNITS = frozenset({"ssh.service", "getty.target", "remote-fs.target"})
"""What stays enabled; every other unit that a package enabled is disabled again."""

MASKED_UNITS = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "blk-availability.service",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "logrotate.timer",
    "lvm2-lvmpolld.socket",
    "lvm2-monitor.service",
    "systemd-networkd-wait-online.service",
)
"""What has no sense in a container or would change files by the clock."""

_MOUNT_NFS = """\
#!/bin/sh
# mount.nfs SOURCE DIR [-o OPTIONS]: the lab's export is a shared folder
export="/srv/share/$(basename "$1")"
mkdir -p "$export"
exec mount --bind "$export" "$2"
"""
"""The kernel may have no NFS client: the same folder of the machine stands for the export."""

_QEMU_CONF = """\
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
remember_owner = 0
user = "root"
group = "root"
"""
"""A container has no AppArmor, no cgroup controllers and no mount namespaces for QEMU."""

FILES: dict[str, tuple[int, str]] = {
    "/sbin/mount.nfs": (0o755, _MOUNT_NFS),
    "/etc/libvirt/qemu.conf": (0o600, _QEMU_CONF),
    "/etc/resolv.conf": (0o644, "# the lab's names are in /etc/hosts\n"),
    "/etc/machine-id": (0o444, ""),
    "/etc/ssh/sshd_config.d/lab.conf": (0o644, "UseDNS no\nMaxStartups 100:30:200\n"),
}

GLANCE_MODULE = "/usr/lib/python3/dist-packages/nova/image/glance.py"
GLANCE_BEFORE = "            if isinstance(image_chunks, glance_utils.IterableWithLength):"
GLANCE_AFTER = "            if data is not None and isinstance(image_chunks, glance_utils.IterableWithLength):"
"""Nova 26.2.2 closes the iterator that `download` returns: the vmware driver got an empty image."""

SUDO_USER = "ops"
"""An account without rights of its own; where a host is reached by it, it has passwordless sudo."""

REMOTE_PACKAGES = ("pacemaker-remote",)
"""Replaces pacemaker on the hosts off the controllers, as a thin layer above the image."""

REVISION = 2
"""Raise it when the steps of `image.py` change what they make."""


def ingredients() -> dict[str, object]:
    """Everything that decides what the image contains."""
    return {
        "suite": SUITE,
        "packages": [*BASE_PACKAGES, *CONTROL_PLANE_PACKAGES, *STORE_PACKAGES, *NODE_PACKAGES],
        "dpkg": DPKG_OPTIONS,
        "enabled": sorted(ENABLED_UNITS),
        "masked": MASKED_UNITS,
        "files": FILES,
        "glance": [GLANCE_BEFORE, GLANCE_AFTER],
        "user": SUDO_USER,
        "remote": REMOTE_PACKAGES,
        "revision": REVISION,
    }
