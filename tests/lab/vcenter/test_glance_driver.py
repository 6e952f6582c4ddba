"""Glance's real stores, taken from the lab's image, with the configuration that Bivisor writes, against the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resources.contract import SecretText
from resources.units.config_file import ConfigFile
from resources.units.file import WholeFile
from tests.kinds.cloud import SECRETS, compiled
from tests.lab.vcenter.certificates import ensure_certificates
from tests.lab.vcenter.drivers.program import Driver, program
from tests.lab.vcenter.process import PASSWORD, USER, Running, Settings, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.lab, pytest.mark.soak, pytest.mark.timeout(1200)]
"""The first test builds the image, if the lab has not been up yet."""

_VCENTER = "127.0.44.3"
"""An address of its own, since Glance's driver knows no port but 443."""
_SWIFT_PASSWORD = "'50%' of \"$x\" ; # "  # noqa: S105 - a test's
_DEMO_STORE = "  default: true\n  nodes: {roles: [api]}\n"
_STORES = """\
---
apiVersion: bivisor/v1alpha1
kind: ImageStore
metadata: {name: esx}
spec:
  driver: vmware
  nodes: {roles: [api]}
  vmware: {vcenter: vc1, datastores: ["DC0:LocalDS_0", "DC0:LocalDS_1:10"]}
  settings: {esx: {vmware_api_retry_count: 2, vmware_task_poll_interval: 1}}
---
{apiVersion: bivisor/v1alpha1, kind: ImageStore, metadata: {name: objects}, spec: {driver: swift, nodes: {roles: [api]}}}
"""
_CINDER = "    cinder: {secret: cinder-service}\n"
_CHANGES = {
    _DEMO_STORE: _DEMO_STORE + _STORES,
    "  host: 10.77.0.1\n  port: 9443\n": f"  host: {_VCENTER}\n",
    _CINDER: _CINDER + "    glance: {secret: glance-service}\n",
    "metadata: {name: cinder-service}\n": "metadata: {name: cinder-service}\nspec: {file: ../secrets/cinder.yaml}\n---\n"
    "apiVersion: bivisor/v1alpha1\nkind: Secret\nmetadata: {name: glance-service}\n",
}


_DEFAULT = "  default: true\n"
_OLDER_STORES = _STORES.replace("  driver: vmware\n", "  driver: vmware\n" + _DEFAULT).replace("{esx: {", "{glance_store: {")
_OLDER = {"release: zed": "release: stein", _DEMO_STORE: _DEMO_STORE.replace(_DEFAULT, "") + _OLDER_STORES}


def _written_by_bivisor(ca_pem: str, changes: dict[str, str] | None = None) -> dict[str, str]:
    """Return the files of a Glance host with those stores beside the demo's own, as Bivisor writes them."""
    secrets = {
        **SECRETS,
        "vc1": {"username": SecretText(USER), "password": SecretText(PASSWORD)},
        "glance-service": {"username": SecretText("glance"), "password": SecretText(_SWIFT_PASSWORD)},
    }
    found = {}
    for address, unit in compiled({**_CHANGES, **(changes or {})}, secrets).units.items():
        if isinstance(unit, ConfigFile | WholeFile) and ("glance" in address.name or "dist-info" in address.name):
            (write,) = unit.actions((), None)
            found[address.name] = str(write.args["text"])
    return {**found, "/etc/glance/esx-vcenter-ca.pem": ca_pem}


@pytest.fixture
def vcenter(binary: Path, wsdl: Path, tmp_path: Path) -> Iterator[Running]:
    """A simulator at the port of real vCenters."""
    certificates = ensure_certificates(tmp_path / "tls", [_VCENTER])
    settings = Settings(certificates, listen=f"{_VCENTER}:443", wsdl=wsdl, home=tmp_path / "home")
    with running(binary, settings, tmp_path / "vcenter.log") as vcenter:
        yield vcenter


@pytest.fixture
def glance(image: Path, vcenter: Running, tmp_path: Path) -> Iterator[Driver]:
    """Glance's stores, logged in."""
    with program("glance_image", image, vcenter, tmp_path) as driver:
        files = _written_by_bivisor(vcenter.settings.certificates.ca.read_text())
        driver.ask("start", files=files, config="/etc/glance/glance-api.conf")
        yield driver


@pytest.mark.parametrize("store", ["esx", "file"])
def test_an_image_is_stored_and_read_back(glance: Driver, vcenter: Running, store: str) -> None:
    """Each store takes an image, gives it back whole, also after its session was lost, and deletes it."""
    content = "blank disk " * 5000
    told = glance.ask("add", store=store, image="11111111-aaaa", content=content)
    assert (told["size"], told["store"]) == (len(content), store)
    vcenter.control.drop_sessions()
    assert glance.ask("size", store=store, address=told["address"]) == len(content)
    assert glance.ask("read", store=store, address=told["address"]) == content
    glance.ask("delete", store=store, address=told["address"])
    with pytest.raises(AssertionError, match="NotFound"):
        glance.ask("read", store=store, address=told["address"])


def test_the_heaviest_datastore_takes_the_image(glance: Driver) -> None:
    """An image is in the declared folder of the datastore with the largest weight."""
    address = glance.ask("add", store="esx", image="11111111-aaaa", content="x")["address"]
    assert address == f"vsphere://{_VCENTER}/folder/openstack_glance/11111111-aaaa?dsName=LocalDS_1&dcPath=DC0"


def test_swift_reads_its_account(glance: Driver) -> None:
    """Glance reads the account's file as it was meant, whatever signs are in the password."""
    wanted = {
        "auth_address": "http://10.77.0.50:5000/v3",
        "auth_version": "3",
        "container": "glance",
        "key": _SWIFT_PASSWORD,
        "project_domain_name": "Default",
        "region": "RegionOne",
        "user": "service:glance",
        "user_domain_name": "Default",
    }
    assert glance.ask("look", store="objects", names=sorted(wanted)) == wanted


def test_stores_without_names(image: Path, vcenter: Running, tmp_path: Path) -> None:
    """In the syntax of older releases, which this one still reads, the default store keeps images in the same way."""
    with program("glance_image_older", image, vcenter, tmp_path) as glance:
        files = _written_by_bivisor(vcenter.settings.certificates.ca.read_text(), _OLDER)
        glance.ask("start", files=files, config="/etc/glance/glance-api.conf")
        address = glance.ask("add", image="11111111-aaaa", content="x" * 5000)
        assert address == f"vsphere://{_VCENTER}/folder/openstack_glance/11111111-aaaa?dsName=LocalDS_1&dcPath=DC0"
        assert glance.ask("read", address=address) == "x" * 5000
        glance.ask("delete", address=address)
