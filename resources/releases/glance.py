"""Glance's options that kinds and blueprints write (glance-api.conf), by release. `<own>` is the section of a store.

Where stores have no sections of their own (before Train, but for an experiment), their options stand in
`[glance_store]`, one store per driver.
Sources name a file and the versions in which it was read: "15.0.2 | 17.0.1" means not so in the first, so in the second.
"""

from __future__ import annotations

from resources.releases.rows import OWN, Row

_DRIVERS = "glance_store/_drivers"
_READ = "0.26.1 (Rocky) to 5.7.0"
_MULTI = "glance/common/wsgi.py, 15.0.2 | 17.0.1, experimental until Train (Glance, admin/multistores)"
_STORES = (
    (("filesystem_store_datadir",), f"{_DRIVERS}/filesystem.py, {_READ}"),
    (("rbd_store_pool", "rbd_store_user", "rbd_store_ceph_conf", "rbd_store_chunk_size"), f"{_DRIVERS}/rbd.py, {_READ}"),
    (
        (
            "swift_store_config_file",
            "swift_store_container",
            "swift_store_create_container_on_put",
            "swift_store_endpoint_type",
            "swift_store_region",
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
        last="stein",
        refused="keeps images in one store per driver and has no enabled_backends: [glance_store] stores says which",
        source=_MULTI,
    ),
    Row(section="DEFAULT", names=("enabled_backends",), first="train", source=_MULTI),
    Row(
        section="glance_store",
        names=("default_backend",),
        first="juno",
        last="stein",
        refused="has no named stores to choose a default from: [glance_store] default_store names a driver",
        source=_MULTI,
    ),
    Row(
        section="glance_store",
        names=("default_backend",),
        first="train",
        source="glance_store/multi_backend.py, 0.26.1 to 5.7.0",
    ),
    Row(
        section="glance_store",
        names=("stores", "default_store"),
        first="juno",
        last="stein",
        source="glance_store/backend.py (deprecated since Rocky, still there in 5.7.0)",
    ),
)

_BEFORE_TRAIN = tuple(
    Row(
        section=OWN,
        names=(name,),
        first=_LATER.get(name, "juno"),
        last="stein",
        at=("glance_store", name),
        alive=True,
        source=source,
    )
    for names, source in _STORES
    for name in names
)
_SINCE_TRAIN = tuple(Row(section=OWN, names=names, first="train", source=source) for names, source in _STORES)
_SINGLE = tuple(
    Row(section="glance_store", names=(name,), first=row.first, last="stein", source=row.source)
    for row in _BEFORE_TRAIN
    for name in row.names
)
"""Who writes the single-store syntax in so many words means what it says."""

ROWS = (*_SYNTAX, *_BEFORE_TRAIN, *_SINCE_TRAIN, *_SINGLE)
"""All of them, by section."""
