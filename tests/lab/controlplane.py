"""The existing OpenStack that Bivisor meets on `api1`: initialised once, then a layer like the image.

`<cache>/controlplane-<digest>/` is `api1`'s upper layer after databases, catalogue, flavor, images
and volume types were made and everything was shut down cleanly. Each later start of `api1` lays a
fresh upper layer over it, so going back to the beginning costs nothing but a boot.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from tests.lab import ceph, cloud, machines, swift
from tests.lab import controlplane_config as config
from tests.lab.commands import run, wait_until
from tests.lab.errors import CommandError
from tests.lab.image import base_layer, image_digest
from tests.lab.keys import AUTH_URL, PASSWORD
from tests.lab.layout import API, CACHE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.lab.progress import Progress

_REVISION = 2
"""Raise it when the steps of this module or of `cloud.py` change what they make."""

_START_TIMEOUT_S = 180
_SERVER_ERROR = 500
_DISK_BYTES = 1 << 20


def snapshot_digest() -> str:
    """The name of the control plane that the configuration and the image make."""
    made_of = {
        "image": image_digest(),
        "files": config.files(),
        "uwsgi": config.UWSGI_FILES,
        "units": config.UNITS,
        "cloud": cloud.made_of(),
        "ceph": ceph.made_of(),
        "swift": swift.made_of(),
        "revision": _REVISION,
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:12]


def snapshot_layer() -> Path:
    """Where the initialised control plane is once it is built."""
    return CACHE / f"controlplane-{snapshot_digest()}"


def build_snapshot(progress: Progress) -> Path:
    """Make sure that the snapshot exists; returns it.

    Expects the network to be laid and `api1` to be neither mounted nor running, and leaves it so.
    """
    layer = snapshot_layer()
    if layer.is_dir():
        return layer
    machines.forget(API)
    machines.assemble(API, [base_layer()], [])
    _configure(API.root)
    machines.power_on(API)
    machines.wait_for_ssh(API)
    with progress.step("control plane: databases and message queue", usually_s=15):
        _prepare_stores()
    with progress.step("control plane: schemas and catalogue", usually_s=60):
        _prepare_services()
    with progress.step("control plane: Ceph and Swift", usually_s=12):
        swift.initialise()
        ceph.initialise()
    with progress.step("control plane: first start, images, volume types", usually_s=30):
        _in_api("systemctl", "start", *config.PORTS, *config.DAEMONS)
        wait_for_apis(config.PORTS)
        cloud.make_samples(cloud.connect(), _blank_disks())
    with progress.step("control plane: shutdown and snapshot", usually_s=10):
        _shut_down()
        _keep(layer)
    return layer


def wait_for_apis(units: Iterable[str]) -> None:
    """Return when each of these units of `api1` answers over HTTP."""
    for unit in units:
        wait_until(
            partial(answers, unit),
            what=f"{unit} on {API.name}",
            timeout_s=_START_TIMEOUT_S,
            every_s=0.3,
        )


def wait_for_daemons() -> None:
    """Return when Nova's and Cinder's own services report themselves alive.

    Cinder is asked in its oldest version: a newer one would call the scheduler to answer, and wait
    a minute for it if that is not there yet.
    """

    def alive() -> bool:
        try:
            return set(config.DAEMONS) <= _daemons_up()
        except (SDKException, ClientException):  # an API that is still loading
            return False

    wait_until(alive, what="Nova's and Cinder's daemons", timeout_s=_START_TIMEOUT_S, every_s=0.5)


def _daemons_up() -> set[str]:
    connection = cloud.connect()
    found = {service.binary: service.state for service in connection.compute.services()}
    answer = connection.block_storage.get("/os-services", microversion="3.0").json()
    found |= {service["binary"]: service["state"] for service in answer.get("services", ())}
    return {binary for binary, state in found.items() if state == "up"}


def answers(unit: str) -> bool:
    """Any answer but a server's error will do: several APIs say 300 or 401 at their root."""
    connection = http.client.HTTPConnection(API.address, config.PORTS[unit], timeout=10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < _SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _configure(root: Path) -> None:
    """Write the configuration in place: owners and modes stay those of the packages."""
    for path, text in (config.files() | swift.files()).items():
        place = root / path.lstrip("/")
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)
    for path, processes in config.UWSGI_FILES.items():
        file = root / path.lstrip("/")
        file.write_text(config.adapt_uwsgi(file.read_text(), processes))


def _prepare_stores() -> None:
    _in_api("systemctl", "start", *config.STORES)
    account = f"{config.DATABASE_USER}@'%'"
    statements = [f"CREATE USER {account} IDENTIFIED BY '{PASSWORD}';"]
    for name in config.DATABASES:
        statements += [f"CREATE DATABASE {name};", f"GRANT ALL ON {name}.* TO {account};"]
    _in_api("mysql", stdin="\n".join(statements))
    wait_until(_rabbitmq_has_started, what=f"RabbitMQ on {API.name}", timeout_s=_START_TIMEOUT_S, every_s=0.5)
    _in_api("rabbitmqctl", "-q", "add_user", "openstack", PASSWORD)
    _in_api("rabbitmqctl", "-q", "set_permissions", "openstack", ".*", ".*", ".*")


def _rabbitmq_has_started() -> bool:
    """Tell whether it takes commands; it gives up at once where the node has not even told epmd of itself yet."""
    try:
        _in_api("rabbitmqctl", "-q", "await_startup")
    except CommandError:
        return False
    return True


def _prepare_services() -> None:
    """Keystone and its catalogue in one thread, all other schemas beside it: two cores, two lines."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        jobs = [pool.submit(_prepare_nova), pool.submit(_prepare_others)]
        for job in jobs:
            job.result()


def _prepare_nova() -> None:
    """The slowest: its schemas and its cells."""
    cell0 = config.database_url("nova_cell0")
    for command in (
        "api_db sync",
        f"cell_v2 map_cell0 --database_connection {cell0}",
        "cell_v2 create_cell --name=cell1",
        "db sync",
    ):
        _as_user("nova", f"nova-manage {command}")


def _prepare_others() -> None:
    owner = "--keystone-user keystone --keystone-group keystone"
    _in_api("sh", "-c", f"keystone-manage fernet_setup {owner}")
    _in_api("sh", "-c", f"keystone-manage credential_setup {owner}")
    _in_api("chown", "-R", "keystone:keystone", "/var/log/keystone")
    _as_user("keystone", "keystone-manage db_sync")
    addresses = " ".join(f"--bootstrap-{kind}-url {AUTH_URL}/" for kind in ("admin", "internal", "public"))
    _as_user(
        "keystone",
        f"keystone-manage bootstrap --bootstrap-password {PASSWORD} --bootstrap-region-id {config.REGION} {addresses}",
    )
    _in_api("systemctl", "start", "keystone")
    _as_user("placement", "placement-manage db sync")
    _as_user("cinder", "cinder-manage db sync")
    _as_user("glance", "glance-manage db_sync")
    plugin = "/etc/neutron/plugins/ml2/ml2_conf.ini"
    _as_user(
        "neutron",
        f"neutron-db-manage --config-file /etc/neutron/neutron.conf --config-file {plugin} upgrade head",
    )
    wait_for_apis(["keystone"])
    cloud.make_accounts(cloud.connect())


def _blank_disks() -> dict[str, bytes]:
    """What the sample images contain; the "vmdk" is a raw file, as preallocated disks are."""
    _in_api("qemu-img", "create", "-q", "-f", "qcow2", "/tmp/blank", str(_DISK_BYTES))  # noqa: S108
    blank = API.root / "tmp/blank"
    text = run(machines.inside(API, ["base64", "-w0", "/tmp/blank"]))  # noqa: S108
    blank.unlink(missing_ok=True)
    return {"qcow2": base64.b64decode(text), "vmdk": bytes(_DISK_BYTES)}


def _shut_down() -> None:
    """Let the databases write what they hold; everything else may die at once.

    The daemons' own records go: a new one counts as alive at once, an old one only after a report.
    """
    _in_api("systemctl", "kill", "--signal=KILL", *config.PORTS, *config.DAEMONS)
    _in_api("mysql", stdin="DELETE FROM nova.services; DELETE FROM cinder.services;")
    _in_api("systemctl", "stop", *config.STORES)
    machines.power_off_hard(API)


def _keep(layer: Path) -> None:
    """Turn the upper layer into the snapshot, without what belongs to one life of the host."""
    wants = API.root / "etc/systemd/system/multi-user.target.wants"
    for unit in config.UNITS:
        (wants / f"{unit}.service").symlink_to(f"/lib/systemd/system/{unit}.service")
    machines.disassemble(API)
    shutil.rmtree(API.upper / "var/log/journal", ignore_errors=True)
    (API.upper / "etc/hostname").unlink()
    fresh = layer.with_name(f"building-{layer.name}")
    if fresh.exists():
        shutil.rmtree(fresh)
    shutil.move(API.upper, fresh)
    fresh.rename(layer)
    for old in [*CACHE.glob("controlplane-*"), *CACHE.glob("building-controlplane-*")]:
        if old != layer:
            shutil.rmtree(old)
    machines.forget(API)


def _as_user(user: str, command: str) -> None:
    _in_api("runuser", "-u", user, "--", *command.split())


def _in_api(*argv: str, stdin: str | None = None) -> None:
    run(machines.inside(API, argv), stdin=stdin, timeout_s=_START_TIMEOUT_S)
