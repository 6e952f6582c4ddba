"""Storage that image stores keep images in, real and small, on one host of the lab: Ceph and Swift.

Their packages are not in the lab's image yet; where they are missing, who asks for them is skipped with their names.
Everything is gone with the host's upper layer, at the lab's next reset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.lab.commands import wait_until
from tests.lab.controlplane_config import REGION
from tests.lab.keys import AUTH_URL, PASSWORD

if TYPE_CHECKING:
    from tests.lab.lab import Lab
    from tests.lab.layout import Host

CEPH_PACKAGES = ("ceph-common", "ceph-mon", "ceph-osd", "python3-rbd")
SWIFT_PACKAGES = ("python3-keystonemiddleware", "swift-account", "swift-container", "swift-object", "swift-proxy")
"""Debian's; about 300 MB for both."""

_START_TIMEOUT_S = 120
_SWIFT_PORT = 8080

_CEPH = """\
mkdir -p /etc/ceph /var/lib/ceph/mon/ceph-a /var/lib/ceph/osd/ceph-0 /run/ceph /var/log/ceph
cat > /etc/ceph/ceph.conf <<END
[global]
fsid = 7d5ca2f5-1f2c-4c5e-9d0a-2f8f6f3f1c11
mon_host = {address}
mon_initial_members = a
mon_allow_pool_size_one = true
mon_data_avail_crit = 1
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_crush_chooseleaf_type = 0
osd_objectstore = bluestore
bluestore_block_size = 1073741824
osd_memory_target = 939524096
END
cd /var/lib/ceph
admin=/etc/ceph/ceph.client.admin.keyring
ceph-authtool --create-keyring mon.keyring --gen-key -n mon. --cap mon 'allow *'
ceph-authtool --create-keyring $admin --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
ceph-authtool mon.keyring --import-keyring $admin
monmaptool --create --clobber --add a {address} --fsid 7d5ca2f5-1f2c-4c5e-9d0a-2f8f6f3f1c11 monmap
chown -R ceph: /var/lib/ceph /run/ceph /var/log/ceph
ceph-mon -i a --mkfs --monmap monmap --keyring mon.keyring --setuser ceph --setgroup ceph
ceph-mon -i a --public-addr {address} --setuser ceph --setgroup ceph < /dev/null > /var/log/ceph/mon.out 2>&1
osd=11111111-2222-3333-4444-555555555555
key=/var/lib/ceph/osd/ceph-0/keyring
ceph --connect-timeout 60 osd new $osd
ceph auth get-or-create osd.0 mon 'allow profile osd' osd 'allow *' -o $key
chown ceph: $key
ceph-osd -i 0 --mkfs --osd-uuid $osd --setuser ceph --setgroup ceph
ceph-osd -i 0 --setuser ceph --setgroup ceph < /dev/null > /var/log/ceph/osd.out 2>&1
ceph osd pool create images 8
timeout 100 rbd pool init images
ceph auth get-or-create client.glance mon 'profile rbd' osd 'profile rbd pool=images' -o /etc/ceph/ceph.client.glance.keyring
chown root:glance /etc/ceph/ceph.client.glance.keyring
chmod 640 /etc/ceph/ceph.client.glance.keyring
"""
"""One monitor, one OSD on a file, no manager; a pool for images and the user that may use it."""

_SWIFT = """\
mkdir -p /etc/swift /srv/node/sda /run/swift /var/cache/swift
printf '[swift-hash]\\nswift_hash_path_prefix = lab\\nswift_hash_path_suffix = lab\\n' > /etc/swift/swift.conf
number=6200
for kind in object container account; do
    cat > /etc/swift/$kind-server.conf <<END
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $number
user = swift
devices = /srv/node
mount_check = false
workers = 0
[pipeline:main]
pipeline = $kind-server
[app:$kind-server]
use = egg:swift#$kind
END
    swift-ring-builder /etc/swift/$kind.builder create 4 1 0
    swift-ring-builder /etc/swift/$kind.builder add r1z1-127.0.0.1:$number/sda 1
    swift-ring-builder /etc/swift/$kind.builder rebalance
    number=$((number + 1))
done
cat > /etc/swift/proxy-server.conf <<END
[DEFAULT]
bind_ip = {address}
bind_port = {port}
user = swift
workers = 0
[pipeline:main]
pipeline = catch_errors cache authtoken keystoneauth slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = {address}:11211
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
auth_type = password
auth_url = {auth_url}
www_authenticate_uri = {auth_url}
project_name = service
project_domain_name = Default
username = swift
user_domain_name = Default
password = {password}
delay_auth_decision = true
[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = admin, service
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
END
chown -R swift: /srv/node /run/swift /var/cache/swift /etc/swift
for kind in object container account proxy; do
    setsid swift-$kind-server /etc/swift/$kind-server.conf < /dev/null > /var/log/swift-$kind.log 2>&1 &
done
"""
"""One replica in a folder; whoever is admin or a service of a project may use its account."""


@dataclass(frozen=True, slots=True)
class CephOnHost:
    """A Ceph cluster of one host, with `/etc/ceph` as a Glance host needs it."""

    lab: Lab
    host: Host

    def start(self) -> None:
        """Make it and return when the pool takes images; skip the test where the packages are missing."""
        _require(self.lab, self.host, "ceph-mon", CEPH_PACKAGES)
        self.lab.script(self.host.name, _CEPH.format(address=self.host.address), timeout_s=_START_TIMEOUT_S * 2)


@dataclass(frozen=True, slots=True)
class SwiftOnHost:
    """A Swift of one host, in Keystone's catalogue."""

    lab: Lab
    host: Host

    def start(self) -> None:
        """Make it and return when its proxy answers; skip the test where the packages are missing."""
        _require(self.lab, self.host, "swift-proxy-server", SWIFT_PACKAGES)
        self._register()
        text = _SWIFT.format(address=self.host.address, port=_SWIFT_PORT, auth_url=AUTH_URL, password=PASSWORD)
        self.lab.script(self.host.name, text, timeout_s=_START_TIMEOUT_S)
        wait_until(self._answers, what=f"Swift on {self.host.name}", timeout_s=_START_TIMEOUT_S, every_s=0.5)

    def _register(self) -> None:
        """Give Swift its account and its address in the catalogue."""
        identity = self.lab.openstack().identity
        project = identity.find_project("service", ignore_missing=False)
        user = identity.create_user(name="swift", password=PASSWORD, domain_id=project.domain_id, default_project_id=project.id)
        for name in ("admin", "service"):
            identity.assign_project_role_to_user(project, user, identity.find_role(name, ignore_missing=False))
        service = identity.create_service(name="swift", type="object-store")
        url = f"http://{self.host.address}:{_SWIFT_PORT}/v1/AUTH_%(project_id)s"
        for interface in ("public", "internal", "admin"):
            identity.create_endpoint(service_id=service.id, interface=interface, url=url, region_id=REGION)

    def _answers(self) -> bool:
        places = [*(f"127.0.0.1/{port}" for port in (6200, 6201, 6202)), f"{self.host.address}/{_SWIFT_PORT}"]
        probe = "; ".join(["set -e", *(f"exec 3<>/dev/tcp/{place}" for place in places)])
        return self.lab.exec(self.host.name, "bash", "-c", probe, check=False).returncode == 0


def _require(lab: Lab, host: Host, program: str, packages: tuple[str, ...]) -> None:
    if lab.exec(host.name, "sh", "-c", f"command -v {program}", check=False).returncode != 0:
        pytest.skip(f"the lab's image has no {program}: add {', '.join(packages)} to the packages of tests/lab/recipe.py")
