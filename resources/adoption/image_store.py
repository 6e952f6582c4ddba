"""ImageStores from glance-api.conf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resources.adoption.draft import Document, is_name
from resources.adoption.questions import GLANCE_CONF
from resources.adoption.vcenter import Login
from resources.blueprints.glance_store import SCHEMES
from resources.ini import parse
from resources.releases.table import RELEASES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.adoption.conf import Conf
    from resources.adoption.seen import Host
    from resources.adoption.survey import Survey

_DRIVERS = {scheme: driver for driver, scheme in SCHEMES.items()}
_NAMELESS = {**{driver: driver for driver in SCHEMES}, "vsphere": "vmware"}
_READ_ONLY = frozenset({"http", "https"})
"""What keeps nothing: it is in the list by default, and stays there."""
_TRUE = frozenset({"true", "yes", "on", "1"})
_ROLE = "image"


@dataclass(frozen=True, slots=True)
class StoreFound:
    """A store of the Glance API of `host`, which is that of all of them; `section` holds its options."""

    name: str
    driver: str
    section: str
    default: bool
    host: Host
    conf: Conf

    def get(self, name: str) -> str | None:
        """Return an option of its driver."""
        return self.conf.get(self.section, name, own="" if self.section == "glance_store" else self.section)


def stores(survey: Survey) -> tuple[tuple[StoreFound, ...], tuple[Host, ...], tuple[str, ...]]:
    """Return the stores, the hosts that have them, and sentences on what cannot be declared."""
    apis = [(host, conf) for host in survey.seen.hosts if host.runs("glance-api") and (conf := _conf(host, survey))]
    if not apis:
        return (), (), ()
    host, conf = apis[0]
    hosts = tuple(host for host, _ in apis)
    if len({(one.get("DEFAULT", "enabled_backends"), one.get("glance_store", "stores")) for _, one in apis}) > 1:
        return (), (), ("the Glance APIs have different stores, and a store is on all of them or in no document",)
    if not RELEASES[survey.release].has_glance_multistore:
        strange = [word for word in _words(conf) if word not in {*_NAMELESS, *_READ_ONLY}]
        why = f"Glance on {host.node} has stores that no ImageStore can name ({', '.join(strange)}), and one option lists all"
        return ((), (), (why,)) if strange else (tuple(_nameless(host, conf)), hosts, ())
    enabled = conf.get("DEFAULT", "enabled_backends") or ""
    if not enabled:
        why = f"Glance on {host.node} keeps images in the former way, without enabled_backends: its store has no name yet"
        return (), (), (why,)
    # the one option would lose what is not declared
    unfit = tuple(_unfit(enabled))
    return ((), (), unfit) if unfit else (tuple(_named(host, conf, enabled)), hosts, ())


def logins(found: tuple[StoreFound, ...]) -> Iterator[Login]:
    """Yield how stores log in to their vCenters, whose port Glance takes for granted."""
    for one in found:
        if one.driver == "vmware":
            yield Login(
                host=one.get("vmware_server_host") or "",
                port=443,
                username=one.get("vmware_server_username") or "",
                password=one.get("vmware_server_password") or "",
                insecure=(one.get("vmware_insecure") or "").lower() in _TRUE,
                ca_file=one.get("vmware_ca_file") or "",
                seen_on=one.host,
                who=f"the image store {one.name}",
            )


def account(found: tuple[StoreFound, ...]) -> dict[str, str] | None:
    """Return Glance's own account, which the store of driver swift names in a file; None without such a store."""
    for one in found:
        path, reference = one.get("swift_store_config_file"), one.get("default_swift_reference")
        text = one.host.text(path) if path else None
        if one.driver == "swift" and text and reference:
            values = {entry.key: entry.value for entry in parse(text).entries if entry.section == reference.lower()}
            user, key = (values.get(name, "").replace("%%", "%") for name in ("user", "key"))  # configparser's words
            return {"username": user.rpartition(":")[2] or "", "password": key or ""}
    return {"username": "", "password": ""} if any(one.driver == "swift" for one in found) else None


def image_stores(
    found: tuple[StoreFound, ...], hosts: tuple[Host, ...], vcenters: dict[tuple[str, int], str]
) -> tuple[tuple[Document, ...], dict[str, list[str]]]:
    """Return the documents, and the role of the hosts that have them."""
    documents = tuple(Document("ImageStore", one.name, _spec(one, vcenters)) for one in found)
    return documents, {host.node: [_ROLE] for host in hosts if found}


def _conf(host: Host, survey: Survey) -> Conf | None:
    return host.conf(GLANCE_CONF, "glance", survey.release)


def _named(host: Host, conf: Conf, enabled: str) -> Iterator[StoreFound]:
    default = conf.get("glance_store", "default_backend")
    for part in enabled.split(","):
        name, _, scheme = (piece.strip() for piece in part.partition(":"))
        if is_name(name) and scheme in _DRIVERS:
            yield StoreFound(name, _DRIVERS[scheme], name, name == default, host, conf)


def _unfit(enabled: str) -> Iterator[str]:
    for part in enabled.split(","):
        name, _, scheme = (piece.strip() for piece in part.partition(":"))
        if not (is_name(name) and scheme in _DRIVERS):
            why = "its driver is none that an ImageStore can name" if is_name(name) else "no document can be called so"
            yield f"the image store {name}:{scheme}: {why}, and enabled_backends names all stores or none that are declared"


def _words(conf: Conf) -> list[str]:
    """Return the stores of older releases as their option lists them."""
    return [word.strip() for word in (conf.get("glance_store", "stores") or "file").split(",") if word.strip()]


def _nameless(host: Host, conf: Conf) -> Iterator[StoreFound]:
    """Yield the stores of older releases; they have no names, so their drivers' are taken."""
    default = conf.get("glance_store", "default_store") or "file"
    for word in _words(conf):
        driver = _NAMELESS.get(word)
        if driver is not None:
            yield StoreFound(driver, driver, "glance_store", SCHEMES[driver] == default, host, conf)


def _spec(one: StoreFound, vcenters: dict[tuple[str, int], str]) -> dict[str, Any]:
    return {
        "driver": one.driver,
        "default": True if one.default else None,
        "nodes": {"roles": [_ROLE]},
        one.driver: _block(one, vcenters) or None,
    }


def _block(one: StoreFound, vcenters: dict[tuple[str, int], str]) -> dict[str, Any]:
    match one.driver:
        case "file":
            directory = one.get("filesystem_store_datadir")
            return {"directory": directory} if directory and directory != "/var/lib/glance/images" else {}
        case "swift":
            reference, container = one.get("default_swift_reference"), one.get("swift_store_container")
            creates = (one.get("swift_store_create_container_on_put") or "").lower() in _TRUE
            return {
                key: value
                for key, value in {
                    "container": container if container != "glance" else None,
                    "createContainer": None if creates else False,
                    "reference": reference if reference != one.name else None,
                }.items()
                if value is not None
            }
        case "rbd":
            names = {"pool": "rbd_store_pool", "user": "rbd_store_user", "cephConf": "rbd_store_ceph_conf"}
            return {field: value for field, name in names.items() if (value := one.get(name))}
        case _:
            section = one.section
            places = one.conf.all(section, "vmware_datastores", own="" if section == "glance_store" else section)
            folder = one.get("vmware_store_image_dir")
            return {
                "vcenter": vcenters[one.get("vmware_server_host") or "", 443],
                "datastores": list(places),
                **({"imageDir": folder} if folder and folder != "openstack_glance" else {}),
            }
