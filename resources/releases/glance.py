"""Glance's options that kinds and blueprints write (glance-api.conf), by release. `<own>` is the section of a store.

Where stores have no sections of their own (before Rocky), their options stand in `[glance_store]`, one store per driver.
Sources name a file and the versions in which it was read: "15.0.2 | 17.0.1" means not so in the first, so in the second.
"""

from __future__ import annotations

from resources.releases.rows import OWN, Row

_DRIVERS = "glance_store/_drivers"
_READ = "0.26.1 (Rocky) to 5.7.0"
_STORES = (
    (("filesystem_store_datadir",), f"{_DRIVERS}/filesystem.py, {_READ}"),
    (("rbd_store_pool", "rbd_store_user", "rbd_store_ceph_conf", "rbd_store_chunk_size"), f"{_DRIVERS}/rbd.py, {_READ}"),
    (
        (
            "swift_store_auth_address",
            "swift_store_auth_version",
            "swift_store_config_file",
            "swift_store_container",
            "swift_store_create_container_on_put",
            "swift_store_endpoint_type",
            "swift_store_key",
            "swift_store_region",
            "swift_store_user",
            "default_swift_reference",
        ),
        f"{_DRIVERS}/swift, {_READ}",
    ),
    (
        (
            "vmware_server_host",
            "vmware_server_username",
            "vmware_server_password",
            "vmware_datastores",
            "vmware_store_image_dir",
            "vmware_insecure",
            "vmware_ca_file",
        ),
        f"{_DRIVERS}/vmware_datastore.py, {_READ} (deprecated since 4.7.0, still there)",
    ),
)
_LATER = {"vmware_datastores": "kilo", "vmware_insecure": "liberty", "vmware_ca_file": "liberty"}
"""Options of the single-store syntax that Juno does not have (glance_store 0.1.x; Glance release notes)."""

_SYNTAX = (
    Row(
        section="DEFAULT",
        names=("enabled_backends",),
        first="juno",
        last="queens",
        refused="keeps images in one store per driver and has no enabled_backends: [glance_store] stores says which",
        source="glance/common/wsgi.py, 15.0.2 | 17.0.1",
    ),
    Row(section="DEFAULT", names=("enabled_backends",), first="rocky", source="glance/common/wsgi.py, 15.0.2 | 17.0.1"),
    Row(
        section="glance_store",
        names=("default_backend",),
        first="juno",
        last="queens",
        refused="has no named stores to choose a default from: [glance_store] default_store names a driver",
        source="glance_store/multi_backend.py is new in Rocky",
    ),
    Row(
        section="glance_store",
        names=("default_backend",),
        first="rocky",
        source="glance_store/multi_backend.py, 0.26.1 to 5.7.0",
    ),
    Row(
        section="glance_store",
        names=("stores", "default_store"),
        first="juno",
        last="queens",
        source="glance_store/backend.py (deprecated since Rocky; not for a release that has multi-store)",
    ),
)

_BEFORE_ROCKY = tuple(
    Row(
        section=OWN,
        names=(name,),
        first=_LATER.get(name, "juno"),
        last="queens",
        at=("glance_store", name),
        alive=True,
        source=source,
    )
    for names, source in _STORES
    for name in names
)
_SINCE_ROCKY = tuple(Row(section=OWN, names=names, first="rocky", source=source) for names, source in _STORES)
_SINGLE = tuple(
    Row(section="glance_store", names=(name,), first=row.first, source=row.source)
    for row in _BEFORE_ROCKY
    for name in row.names
)
"""Who writes the single-store syntax in so many words means what it says."""

ROWS = (*_SYNTAX, *_BEFORE_ROCKY, *_SINCE_ROCKY, *_SINGLE)
"""All of them, by section."""
