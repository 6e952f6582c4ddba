"""What adopting asks of targets: folders, whole listings, the key that a host presents, a person's own account."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncssh
import pytest

from reconciler.targets import TargetError
from reconciler.targets.openstack import OpenStackTarget
from reconciler.targets.openstack_account import account
from reconciler.targets.ssh_host_key import presented_host_key
from resources.contract import Query, SecretText, TargetId
from resources.endpoints import OpenStackEndpoint
from tests.targets.host_process import HostProcess
from tests.targets.small_openstack import REGION, serving
from tests.targets.sshd import Sshd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


HOST, CLOUD = TargetId("ssh", "host"), TargetId("openstack", "adopted")
ACCOUNT = {"OS_AUTH_URL": "http://keystone:5000/v3", "OS_USERNAME": "a", "OS_PASSWORD": "p", "OS_PROJECT_NAME": "ops"}
LISTS = ("aggregates.list", "volume_services.list", "volume_types.list", "images.list")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[HostProcess]:
    """Return a helper whose inventory is in `state` beside the test's files."""
    with HostProcess(tmp_path / "state") as host:
        yield host


def test_a_folder_is_listed(host: HostProcess, tmp_path: Path) -> None:
    """Names in their order; a folder that is not there, or is none, has no names and is no error."""
    folder = tmp_path / "folder"
    (folder / "b").mkdir(parents=True)
    (folder / "a").write_text("")
    assert host.look("file.list", path=str(folder))["names"] == ["a", "b"]
    for path in (folder / "none", folder / "a"):
        assert host.look("file.list", path=str(path)) == {"exists": False, "names": []}


async def test_whole_listings() -> None:
    """Aggregates, volume services, types and images are told as far as documents need them, whoever made them."""
    with serving() as cloud:
        cloud.aggregates.append({"id": 1, "name": "kvm", "availability_zone": "az", "hosts": ["kvm1"], "metadata": {}})
        cloud.cinder.add_service("vmdk@vmdk", "vcenter-az")
        cloud.cinder.add_type("fast", public=False, volume_backend_name="vmdk")
        cloud.add_image("tiny", hypervisor_type="qemu")
        cloud.add_image("plain")
        secret = SecretText(cloud.password)
        endpoint = OpenStackEndpoint(CLOUD, f"{cloud.url}/identity/v3", REGION, "admin", secret, "admin", "Default", "Default")
        target = OpenStackTarget(endpoint, socket_timeout_s=5)
        replies = await target.ask([Query(op, {}) for op in LISTS])
        await target.close()
    assert [dict(reply.data) for reply in replies] == [
        {"aggregates": [{"name": "kvm", "availability_zone": "az", "hosts": ["kvm1"]}]},
        {"volume_services": [{"host": "vmdk@vmdk", "state": "up", "zone": "vcenter-az"}]},
        {"volume_types": [{"name": "fast", "public": False, "specs": {"volume_backend_name": "vmdk"}}]},
        {"images": [{"name": "tiny", "hypervisor_type": "qemu"}, {"name": "plain", "hypervisor_type": ""}]},
    ]


async def test_the_key_that_a_host_presents(tmp_path: Path) -> None:
    """It is told as a document has it, before anybody logs in; a host that is not there is an error."""
    async with Sshd(tmp_path) as sshd:
        key = await presented_host_key(HOST, "127.0.0.1", sshd.port)
        port = sshd.port
        assert sshd.host_key.export_public_key().decode().startswith(key)
        assert key.startswith("ssh-ed25519 AAAA")
    with pytest.raises(TargetError, match="tells no host key"):
        await presented_host_key(HOST, "127.0.0.1", port)


@pytest.mark.parametrize("known", ["same", "other type", "other", "revoked"])
async def test_what_is_known_is_no_first_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, known: str) -> None:
    """A key that contradicts the user's known_hosts is not trusted, whoever asks for it; one of another type says nothing."""
    monkeypatch.setenv("HOME", str(tmp_path))
    async with Sshd(tmp_path) as sshd:
        other = asyncssh.generate_private_key("ecdsa-sha2-nistp256" if known == "other type" else "ssh-ed25519")
        key = (sshd.host_key if known in {"same", "revoked"} else other).export_public_key().decode()
        (tmp_path / ".ssh").mkdir()
        where = "@revoked *" if known == "revoked" else f"[127.0.0.1]:{sshd.port}"
        (tmp_path / ".ssh/known_hosts").write_text(f"{where} {key}")
        if known in {"same", "other type"}:
            assert await presented_host_key(HOST, "127.0.0.1", sshd.port)
        else:
            with pytest.raises(TargetError, match=r"another host key .* than your known_hosts file has"):
                await presented_host_key(HOST, "127.0.0.1", sshd.port)


def test_an_account_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What an openrc file sets is taken; the domain with the id `default` is the one called Default."""
    monkeypatch.chdir(tmp_path)
    given = {
        "OS_AUTH_URL": "http://keystone:5000/v3", "OS_USERNAME": "admin", "OS_PASSWORD": "pa$$word", "OS_PROJECT_NAME": "ops",
        "OS_USER_DOMAIN_ID": "default", "OS_PROJECT_DOMAIN_NAME": "Ops", "OS_REGION_NAME": "Two", "HOME": str(tmp_path),
    }  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    found = account(CLOUD, "")
    assert found == OpenStackEndpoint(
        CLOUD, "http://keystone:5000/v3", "Two", "admin", SecretText("pa$$word"), "ops", "Default", "Ops"
    )


def test_an_account_of_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cloud of clouds.yaml is taken by its name; one that is not there is told with the ways to name one."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    (tmp_path / "clouds.yaml").write_text(
        "clouds:\n  lab:\n    region_name: RegionOne\n"
        "    auth: {auth_url: 'http://k/', username: u, password: p, project_name: admin}\n"
    )
    found = account(CLOUD, "lab")
    assert (found.username, found.auth_url) == ("u", "http://k/v3")
    with pytest.raises(TargetError, match="--os-cloud"):
        account(CLOUD, "other")


def test_a_ca_is_found_from_everywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the environment says relative to where a person stands, a document would take for relative to itself."""
    monkeypatch.chdir(tmp_path)
    for name, value in {**ACCOUNT, "OS_CACERT": "ca.pem", "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    assert account(CLOUD, "").ca_file == str(tmp_path / "ca.pem")


def test_a_domain_that_only_an_id_tells_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An id is no name: taken for one, the login would fail as with a wrong password."""
    monkeypatch.chdir(tmp_path)
    for name, value in {**ACCOUNT, "OS_USER_DOMAIN_ID": "a1b2c3", "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TargetError, match="set OS_USER_DOMAIN_NAME"):
        account(CLOUD, "")
