"""What documents about images mean, unit by unit: stores of each driver in both syntaxes, and declared images."""

from __future__ import annotations

from configparser import ConfigParser
from typing import TYPE_CHECKING

import pytest

from reconciler.core.errors import InputError
from resources.contract import SecretText
from resources.units.image_datastores import ImageDatastores
from tests.kinds.cloud import SECRETS, compiled, declared, needs, unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.compile import Catalog

CONF = "ssh:api1/config_file//etc/glance/glance-api.conf"
API = "ssh:api1/service/glance-api"
ALL_STORES = """
---
{apiVersion: bivisor/v1alpha1, kind: ImageStore, metadata: {name: objects}, spec: {driver: swift, nodes: {roles: [api]}}}
---
apiVersion: bivisor/v1alpha1
kind: ImageStore
metadata: {name: ceph}
spec: {driver: rbd, nodes: {roles: [api]}, rbd: {pool: pictures}}
---
apiVersion: bivisor/v1alpha1
kind: ImageStore
metadata: {name: esx}
spec:
  driver: vmware
  nodes: {roles: [api]}
  vmware: {vcenter: vc1, datastores: ["DC0:LocalDS_0", "DC0:LocalDS_1:10"], imageDir: /images}
  settings: {esx: {store_description: For the vCenter, vmware_api_retry_count: 3}}
"""
CINDER = "    cinder: {secret: cinder-service}\n"
FILE = "  default: true\n  nodes: {roles: [api]}\n"


def stores(changes: Mapping[str, str] | None = None, password: str = "s%cr$t", more: str = ALL_STORES) -> Catalog:  # noqa: S107 - a test's
    """Compile the demo with one store of each driver."""
    glance = {"username": SecretText("glance"), "password": SecretText(password)}
    every = {
        FILE: FILE + more,
        "  port: 9443\n": "",
        CINDER: CINDER + "    glance: {secret: glance-service}\n",
        "# Where secret values are": "{apiVersion: bivisor/v1alpha1, kind: Secret, metadata: {name: glance-service}, "
        "spec: {file: ../secrets/glance.yaml}}\n---\n# Where secret values are",
    }
    return compiled({**every, **(changes or {})}, {**SECRETS, "glance-service": glance})


def test_all_drivers_at_once() -> None:
    """From Train on one Glance has a store of each driver, each in its own section, and one is the default."""
    assert declared(stores(), CONF) == {
        "[DEFAULT] enabled_backends": "ceph:rbd,esx:vsphere,file:file,objects:swift",
        "[glance_store] default_backend": "file",
        "[file] filesystem_store_datadir": "/var/lib/glance/images",
        "[objects] swift_store_config_file": "/etc/glance/objects-swift.conf",
        "[objects] default_swift_reference": "objects",
        "[objects] swift_store_container": "glance",
        "[objects] swift_store_create_container_on_put": "True",
        "[objects] swift_store_region": "RegionOne",
        "[ceph] rbd_store_pool": "pictures",
        "[ceph] rbd_store_user": "glance",
        "[ceph] rbd_store_ceph_conf": "/etc/ceph/ceph.conf",
        "[esx] vmware_server_host": "10.77.0.1",
        "[esx] vmware_server_username": "user",
        "[esx] vmware_server_password": "pa$$$$word",
        "[esx] vmware_datastores": ("DC0:LocalDS_0", "DC0:LocalDS_1:10"),
        "[esx] vmware_store_image_dir": "images",
        "[esx] vmware_ca_file": "/etc/glance/esx-vcenter-ca.pem",
        "[esx] store_description": "For the vCenter",
        "[esx] vmware_api_retry_count": "3",
        "mode": "0640",
        "owner": "root",
        "group": "glance",
    }


def test_before_train_stores_have_no_names() -> None:
    """There is one section for all, the drivers are listed, and the default is a scheme; images at a URL stay readable."""
    older = {"release: zed": "release: rocky", "  default: true\n": "", "driver: vmware": "driver: vmware\n  default: true"}
    more = ALL_STORES.replace("{esx: {store_description: For the vCenter, ", "{glance_store: {")
    catalog = stores(older, more=more)
    facts = declared(catalog, CONF)
    assert facts["[glance_store] stores"] == "file,http,rbd,swift,vmware"
    assert facts["[glance_store] default_store"] == "vsphere"
    assert facts["[glance_store] filesystem_store_datadir"] == "/var/lib/glance/images"
    assert facts["[glance_store] rbd_store_pool"] == "pictures"
    assert facts["[glance_store] vmware_api_retry_count"] == "3"
    assert not [name for name in facts if name.startswith("[") and not name.startswith("[glance_store]")]
    assert not [address for address in catalog.units if "dist-info" in address.name]


def test_the_api_restarts_when_what_it_reads_changes() -> None:
    """It loads its configuration, the CA and the Swift account; another password of either account makes it stale."""
    plugin = "ssh:api1/file//usr/lib/python3/dist-packages/bivisor_vsphere-1.dist-info"
    paths = {
        CONF,
        f"{plugin}/METADATA",
        f"{plugin}/entry_points.txt",
        "ssh:api1/file//etc/glance/esx-vcenter-ca.pem",
        "ssh:api1/file//etc/glance/objects-swift.conf",
    }
    before, after = stores(), stores(password="another")  # noqa: S106 - a test's
    assert {str(address) for address in unit(before, API).loads} == paths
    assert declared(before, API) == {"fresh": True}
    changed = {path for path in paths if unit(before, path).digest() != unit(after, path).digest()}
    assert changed == {"ssh:api1/file//etc/glance/objects-swift.conf"}


def test_the_vcenter_is_asked_before_glance_gets_its_password() -> None:
    """Credentials are tried first; a Glance with a store that cannot log in would not even start."""
    catalog = stores()
    assert {"vcenter:vc1/session/vc1", "vcenter:vc1/image_datastores/esx"} <= needs(catalog, CONF)
    datastores = unit(catalog, "vcenter:vc1/image_datastores/esx")
    assert isinstance(datastores, ImageDatastores)
    assert datastores.places == (("DC0", "LocalDS_0"), ("DC0", "LocalDS_1"))
    assert "ssh:api1/package/python3-rbd" in needs(catalog, API)


@pytest.mark.parametrize("password", ["s%cr$t", "'quoted'", '"', "a ; b # c", " blanks ", "%(key)s", "$key"])
def test_a_swift_password_is_read_as_it_is(password: str) -> None:
    """The reader of the account's file (configparser, and quotes taken off) gives back exactly the password."""
    facts = declared(stores(password=password), "ssh:api1/file//etc/glance/objects-swift.conf")
    parser = ConfigParser()
    parser.read_string(str(facts["content"]))
    assert {name: value[1:-1] if value[0] == '"' else value for name, value in parser["objects"].items()} == {
        "auth_version": "3",
        "auth_address": "http://10.77.0.50:5000/v3",
        "user": "service:glance",
        "key": password,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    assert facts["mode"] == "0640"


def test_an_image_gets_its_zones_hypervisor() -> None:
    """Each declared image says where it boots, with the properties that were given; nothing else of it is declared."""
    catalog = compiled(
        {
            "  placement: controllers\n": "  placement: controllers\n  images:\n"
            "    - {name: tiny-vmw, properties: {vmware_disktype: preallocated}}\n",
            "  placement: {nodes: {roles: [compute]}}\n": "  placement: {nodes: {roles: [compute]}}\n"
            "  images: [{name: tiny-kvm}]\n",
        }
    )
    vmware, kvm = (f"openstack:demo/image_property/{name}" for name in ("tiny-vmw", "tiny-kvm"))
    assert declared(catalog, vmware) == {"hypervisor_type": "vmware", "vmware_disktype": "preallocated"}
    assert declared(catalog, kvm) == {"hypervisor_type": "qemu"}


def test_an_image_of_two_zones_has_one_word() -> None:
    """Zones of one hypervisor may share an image; if they say different things of it, both documents are named."""
    other = (
        "  images: [{{name: tiny, properties: {{os_distro: {}}}}}]\n---\n"
        "{{apiVersion: bivisor/v1alpha1, kind: HypervisorZone, metadata: {{name: more}}, spec: {{availabilityZone: more, "
        "hypervisor: libvirt, placement: {{nodes: {{names: [vol2]}}}}, "
        "images: [{{name: tiny, properties: {{os_distro: {}}}}}]}}}}\n"
    )
    place = "  placement: {nodes: {roles: [compute]}}\n"
    catalog = compiled({place: place + other.format("debian", "debian")})
    assert len(unit(catalog, "openstack:demo/image_property/tiny").origins) == 2
    with pytest.raises(
        InputError, match=r"(?s)HypervisorZone/kvm-az.*HypervisorZone/more|HypervisorZone/more.*HypervisorZone/kvm-az"
    ):
        compiled({place: place + other.format("debian", "fedora")})
