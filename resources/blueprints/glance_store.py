"""One store of a Glance: the options of its driver, and the files and packages beside them on a Glance host."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.contract import Address, Need, SecretText
from resources.specs.image_store import File, Rbd, Swift
from resources.units.directory import Directory
from resources.units.file import WholeFile
from resources.units.image_datastores import ImageDatastores
from resources.units.package import Package

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from resources.contract import Unit
    from resources.options import OptionValue
    from resources.published import GlanceAccountFacts, NodeFacts, VCenterFacts
    from resources.specs.image_store import ImageStoreSpec

READABLE = {"mode": "0640", "owner": "root", "group": "glance"}

SCHEMES = {"file": "file", "swift": "swift", "rbd": "rbd", "vmware": "vsphere"}
"""How `default_store` calls a driver (glance_store/backend.py), and `enabled_backends` as well.

There it is a driver's name, which Glance then looks up among the schemes of addresses: they are the same word for all
but vmware, whose scheme is vsphere. So no store of type vmware was ever found (seen in glance_store 4.1 and 5.7,
`get_store_from_store_identifier`), until the driver is known as vsphere too.
"""

_PLUGIN = "/usr/lib/python3/dist-packages/bivisor_vsphere-1.dist-info"
"""Where Debian's Python looks for entry points, of whichever version it is."""
_PLUGIN_FILES = {
    "METADATA": "Metadata-Version: 2.1\nName: bivisor-vsphere\nVersion: 1\n",
    "entry_points.txt": "[glance_store.drivers]\nvsphere = glance_store._drivers.vmware_datastore:Store\n",
}
_PLACE = r"(?P<datacenter>[^:]+):(?P<datastore>[^:]+)(:\d+)?"
_PUBLIC = {"owner": "root", "group": "root"}

_SWIFT_ACCOUNT = """\
[{reference}]
auth_version = 3
auth_address = {auth_url}
user = {user}
key = {key}
user_domain_name = {user_domain}
project_domain_name = {project_domain}
"""
"""`swift_store_config_file`: the account by whose name Glance writes an image's address, instead of its password."""


@dataclass(frozen=True, slots=True)
class GlanceStore:
    """What is declared about one. `vcenter` is set for driver vmware, `account` for driver swift."""

    name: str
    spec: ImageStoreSpec
    vcenter: VCenterFacts | None
    account: GlanceAccountFacts | None

    @property
    def tried(self) -> tuple[Need, ...]:
        """What must have worked before a host gets the options: the login to the vCenter, which has the datastores."""
        looked = (Need(unit.address, "what it names must be there") for unit in self.in_vcenter())
        return (self.vcenter.session, *looked) if self.vcenter else ()

    def in_vcenter(self) -> tuple[Unit, ...]:
        """Return what the vCenter must have."""
        if self.vcenter is None or self.spec.vmware is None:
            return ()
        places = (re.fullmatch(_PLACE, place) for place in self.spec.vmware.datastores)
        unit = ImageDatastores(
            address=Address(self.vcenter.target, ImageDatastores.type, self.name),
            desired={"exist": True},
            needs=(self.vcenter.session,),
            places=tuple((found["datacenter"].strip(), found["datastore"].strip()) for found in places if found),
        )
        return (unit,)

    def options(self) -> Mapping[str, OptionValue]:
        """Return the driver's options, wherever the release wants them."""
        match self.spec.driver:
            case "file":
                return {"filesystem_store_datadir": (self.spec.file or File()).directory}
            case "swift":
                return self._swift(self.spec.swift or Swift())
            case "rbd":
                rbd = self.spec.rbd or Rbd()
                return {
                    "rbd_store_pool": rbd.pool,
                    "rbd_store_user": rbd.user,
                    "rbd_store_ceph_conf": rbd.ceph_conf,
                }
            case "vmware":
                return self._vmware()

    def packages(self, node: NodeFacts) -> Iterator[Unit]:
        """Yield what Glance itself does not depend on (Debian, package python3-glance-store)."""
        if self.spec.driver == "rbd":
            yield Package.named(node.target, "python3-rbd")

    def files(self, node: NodeFacts) -> Iterator[WholeFile]:
        """Yield the files that the options name, or none."""
        if self.account is not None:
            yield WholeFile.at(node.target, self._account_path, self._account_text(self.account), attributes=READABLE)
        if self.vcenter is not None and self.vcenter.ca_pem:
            yield WholeFile.at(node.target, self._ca_path, self.vcenter.ca_pem, attributes=READABLE)

    def plugin(self, node: NodeFacts) -> Iterator[Unit]:
        """Yield what makes Glance know the driver by the name of its scheme, for the syntax that has names of stores."""
        if self.vcenter is not None:
            folder = Directory.at(node.target, _PLUGIN, {"mode": "0755", **_PUBLIC})
            yield folder
            inside = (Need(folder.address, "it is in this directory"),)
            for name, text in _PLUGIN_FILES.items():
                yield WholeFile.at(node.target, f"{_PLUGIN}/{name}", text, attributes={"mode": "0644", **_PUBLIC}, needs=inside)

    def _swift(self, swift: Swift) -> Mapping[str, OptionValue]:
        return {
            "swift_store_config_file": self._account_path,
            "default_swift_reference": self._reference,
            "swift_store_container": swift.container,
            "swift_store_create_container_on_put": str(swift.create_container),
            **({"swift_store_region": self.account.region} if self.account else {}),
        }

    def _vmware(self) -> Mapping[str, OptionValue]:
        vcenter, vmware = self.vcenter, self.spec.vmware
        if vcenter is None or vmware is None:
            return {}
        return {
            "vmware_server_host": vcenter.host,
            "vmware_server_username": vcenter.username,
            "vmware_server_password": vcenter.password,
            "vmware_datastores": vmware.datastores,
            # With a slash before it, Glance would not know its older images by their address (`_set_url_prefix`).
            "vmware_store_image_dir": vmware.image_dir.strip("/"),
            **({"vmware_ca_file": self._ca_path} if vcenter.ca_pem else {}),
            **({"vmware_insecure": "True"} if vcenter.insecure else {}),
        }

    def _account_text(self, account: GlanceAccountFacts) -> SecretText:
        user = f"{account.project}:{account.username}"
        return SecretText(
            _SWIFT_ACCOUNT.format(
                reference=self._reference,
                auth_url=_quoted(account.auth_url),
                user=_quoted(user),
                key=_quoted(account.password.reveal),
                user_domain=_quoted(account.user_domain),
                project_domain=_quoted(account.project_domain),
            )
        )

    @property
    def _reference(self) -> str:
        return (self.spec.swift and self.spec.swift.reference) or self.name

    @property
    def _account_path(self) -> str:
        return f"/etc/glance/{self.name}-swift.conf"

    @property
    def _ca_path(self) -> str:
        return f"/etc/glance/{self.name}-vcenter-ca.pem"


def _quoted(value: str) -> str:
    """Return the value so that that file's reader (configparser) gives it back: it takes quotes off, and has `%%` for `%`."""
    return '"' + value.replace("%", "%%") + '"'
