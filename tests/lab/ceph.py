"""The Ceph cluster that exists already: a monitor, a manager and one OSD on a file, all on `api1`.

It is initialised once, as part of the control plane's layer, and started by the tests that want it:
nobody else pays for it. Its pools and users are those that Ceph's own guide for OpenStack makes, and
`hand_over` does what an operator does with them: Ceph's configuration and a user's key, on a host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab import machines
from tests.lab.commands import run, wait_until
from tests.lab.controlplane_config import render
from tests.lab.errors import CommandError
from tests.lab.keys import ceph_key
from tests.lab.layout import API

if TYPE_CHECKING:
    from tests.lab.layout import Host

FSID = "98a85887-f7ef-51ce-8b9b-f36ab389c31e"
"""The cluster's identity; Cinder names libvirt's secret by it, too, where nothing else is declared."""

VOLUMES = "volumes"
IMAGES = "images"
POOLS = (VOLUMES, IMAGES)

USERS = {
    "cinder": {
        "mon": "profile rbd",
        "mgr": f"profile rbd pool={VOLUMES}",
        "osd": f"profile rbd pool={VOLUMES}, profile rbd-read-only pool={IMAGES}",
    },
    "glance": {"mon": "profile rbd", "mgr": f"profile rbd pool={IMAGES}", "osd": f"profile rbd pool={IMAGES}"},
}
"""Ceph's users without `client.`, each for the service account of the same name, and what they may do."""

UNITS = (f"ceph-mon@{API.name}", f"ceph-mgr@{API.name}", "ceph-osd@0")

_DAEMONS = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "mgr": "allow *", "osd": "allow *"},
    f"mgr.{API.name}": {"mon": "allow profile mgr", "osd": "allow *"},
    "osd.0": {"mon": "allow profile osd", "mgr": "allow profile osd", "osd": "allow *"},
}
_GROUPS_PER_POOL = 8
_OSD_BYTES = 3 << 30
_HOME = "/var/lib/ceph"
_MODULES = f"{_HOME}/no-modules"
_SEED = f"{_HOME}/seed.keyring"
_TIMEOUT_S = 60

_COMMANDS = (
    *(f"osd pool create {pool}" for pool in POOLS),
    *(f"osd pool application enable {pool} rbd" for pool in POOLS),
    "health mute MGR_MODULE_ERROR --sticky",
)
"""The manager is told to have no modules (they are 300 MiB and 10 s), and Ceph that this is as it should be."""

_INITIALISE = f"""
cd {_HOME}
mkdir -p mon/ceph-{API.name} {_MODULES}
chown -R ceph:ceph .
monmaptool --create --addv {API.name} '[v2:{API.address}:3300,v1:{API.address}:6789]' --fsid {FSID} --clobber tmp/monmap
runuser -u ceph -- ceph-mon --mkfs -i {API.name} --monmap tmp/monmap --keyring {_SEED}
rm tmp/monmap {_SEED}
systemctl start ceph-mon@{API.name}
ceph --connect-timeout 30 osd new {FSID} 0
runuser -u ceph -- ceph-osd -i 0 --mkfs --osd-uuid {FSID}
systemctl start {" ".join(UNITS)}
"""


def conf() -> str:
    """What a client's `/etc/ceph/ceph.conf` says."""
    return render({"global": {"fsid": FSID, "mon_host": API.address}})


def keyring(entity: str, *, caps: dict[str, str] | None = None) -> str:
    """A keyring with the key of `entity` (`client.cinder`, `osd.0`); with `caps`, as the monitor wants it."""
    may = {f"caps {daemon}": f'"{what}"' for daemon, what in (caps or {}).items()}
    return render({entity: {"key": ceph_key(entity), **may}})


def files() -> dict[str, str]:
    """What `api1` has before the cluster is made, by path; the monitor takes users and daemons from the seed."""
    entities = _DAEMONS | {f"client.{user}": caps for user, caps in USERS.items()}
    return {
        "/etc/ceph/ceph.conf": conf() + _daemons_conf(),
        "/etc/ceph/ceph.client.admin.keyring": keyring("client.admin"),
        f"{_HOME}/mgr/ceph-{API.name}/keyring": keyring(f"mgr.{API.name}"),
        f"{_HOME}/osd/ceph-0/keyring": keyring("osd.0"),
        _SEED: "".join(keyring(entity, caps=caps) for entity, caps in entities.items()),
    }


def made_of() -> list[object]:
    """Everything that decides what `initialise` makes."""
    return [files(), _INITIALISE, _COMMANDS]


def initialise() -> None:
    """Make the cluster with its pools and users on `api1`, hand Glance its user, and shut the cluster down cleanly."""
    for path, text in files().items():
        _place(API, path, text)
    _in_api("sh", "-eu", "-s", stdin=_INITIALISE)
    _in_api("ceph", stdin="\n".join([*_COMMANDS, ""]))
    start()
    hand_over(API, "glance")
    for unit in reversed(UNITS):
        _in_api("systemctl", "stop", unit)


def start() -> None:
    """Start the cluster if it is off; returns when every placement group is active and clean."""
    _in_api("systemctl", "start", *UNITS)
    clean = f"{len(POOLS) * _GROUPS_PER_POOL} active+clean"
    wait_until(lambda: clean in _groups(), what=f"Ceph on {API.name}", timeout_s=_TIMEOUT_S, every_s=0.1)


def hand_over(host: Host, user: str) -> None:
    """Put Ceph's configuration and the user's key on a host, for the service account of the user's name."""
    if host is not API:  # where the daemons' own options are in the same file
        _place(host, "/etc/ceph/ceph.conf", conf())
    _place(host, f"/etc/ceph/ceph.client.{user}.keyring", keyring(f"client.{user}"), mode="0640", group=user)


def hand_libvirt(host: Host, user: str) -> None:
    """Give libvirt the user's key, as the secret that has the cluster's identity for its name.

    libvirt reads these files when it starts; a libvirt that runs is told, without a restart.
    """
    folder = "/etc/libvirt/secrets"
    description = (
        f"<secret ephemeral='no' private='yes'><uuid>{FSID}</uuid>"
        f"<usage type='ceph'><name>client.{user} secret</name></usage></secret>\n"
    )
    _place(host, f"{folder}/{FSID}.xml", description)
    _place(host, f"{folder}/{FSID}.base64", ceph_key(f"client.{user}"))
    tell = f"""
    systemctl is-active --quiet libvirtd || exit 0
    virsh -q secret-define {folder}/{FSID}.xml
    virsh -q secret-set-value {FSID} --file {folder}/{FSID}.base64
    """
    run(machines.inside(host, ["sh", "-eu", "-s"]), stdin=tell)


def _daemons_conf() -> str:
    """One copy of everything; small caches; a state that is known within a second, not within five."""
    return render(
        {
            "mon": {
                "osd_pool_default_size": "1",
                "osd_pool_default_pg_num": str(_GROUPS_PER_POOL),
                "osd_pool_default_pg_autoscale_mode": "off",
                "mon_allow_pool_size_one": "true",
                "mon_warn_on_pool_no_redundancy": "false",
                "auth_allow_insecure_global_id_reclaim": "false",
                "mon_data_avail_warn": "0",
                "mon_data_avail_crit": "0",
                "mon_mgr_digest_period": "1",
                "paxos_propose_interval": "0.1",
                "rocksdb_cache_size": str(16 << 20),
            },
            "mgr": {
                "public_addr": API.address,
                "osd_pool_default_size": "1",
                "mgr_module_path": _MODULES,
                "mgr_tick_period": "1",
                "mgr_stats_period": "1",
            },
            "osd": {
                "public_addr": API.address,
                "bluestore_block_size": str(_OSD_BYTES),
                "bluestore_cache_autotune": "false",
                "bluestore_cache_size": str(32 << 20),
            },
        }
    )


def _groups() -> str:
    """What the manager says about the placement groups; nothing as long as there is no manager."""
    try:
        return run(machines.inside(API, ["ceph", "--connect-timeout", "5", "pg", "stat"]))
    except CommandError:
        return ""


def _place(host: Host, path: str, text: str, *, mode: str = "", group: str = "root") -> None:
    """Write a file of root's; without `mode`, all may read a `.conf` and nobody anything else."""
    mode = mode or ("0644" if path.endswith(".conf") else "0600")
    run(machines.inside(host, ["install", "-D", "-m", mode, "-g", group, "/dev/stdin", path]), stdin=text)


def _in_api(*argv: str, stdin: str | None = None) -> None:
    run(machines.inside(API, argv), stdin=stdin, timeout_s=_TIMEOUT_S)
