"""What the benchmark of latency changes in the lab's cloud: each says which repair it calls for, and when it was made."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.disturbances import UNITS, WHOLE
from tests.lab.documents import Documents, with_option

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.lab.lab import Lab
    from tests.lab.witness import Place
    from tests.lab.workspace import Workspace

PROMISED = ("option edited", "file replaced", "file removed", "service ended", "cluster's configuration", "document")
"""The sorts of which it is promised how soon they are noticed; the others are heard otherwise, or looked for."""

COMPUTE = "nova-compute-vcenter-c0"
CLUSTER_OPTIONS = {"start-failure-is-fatal": "true", "symmetric-cluster": "true", "no-quorum-policy": "ignore"}
META = {"migration-threshold": "5", "failure-timeout": "77s", "resource-stickiness": "7"}
NUMBERS = itertools.count(1001)
"""Values that a hand writes, no two alike; none of them is declared: that would change nothing."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change: `target` is who is heard of it, `address` what is repaired, `make` makes it and returns when (Unix time)."""

    what: str
    target: str
    address: str
    make: Callable[[], float]


def sorts(lab: Lab, desk: Workspace) -> Mapping[str, tuple[float, tuple[Change, ...]]]:
    """Return the sorts: how many of their changes are made, as part of the number that is asked for, and the changes."""
    documents = Documents(desk)
    documents.begin()
    edits = _edits(lab, documents, "cat /run/bivisor-bench > {path}")
    renames = _edits(
        lab, documents, "mv {path}.bench {path}", first="cp -p {path} {path}.bench; cat /run/bivisor-bench > {path}.bench"
    )
    return {
        "option edited": (1.0, edits),
        "file replaced": (1.0, renames),
        "file removed": (1.0, tuple(_removal(lab, *place) for place in WHOLE)),
        "service ended": (1.0, tuple(_end(lab, *unit) for unit in (*UNITS.values(), ("kvm1", "libvirtd")))),
        "cluster's configuration": (1.0, tuple(_cib(lab))),
        "document": (1.0, tuple(_document(documents) for _ in range(100))),
        "OpenStack": (0.2, tuple(_volume_type(lab, name) for name in ("kvm", "vmdk"))),
        "vCenter": (0.1, (_cluster(lab, "DC0_C0", "DC0_C9"), _cluster(lab, "DC0_C9", "DC0_C0"))),
    }


def _at(lab: Lab, host: str, what: str, first: str = "true") -> float:
    """Run a command in a host; return when it began, by the clock that all share."""
    return float(lab.script(host, f"{first}\ndate +%s.%N\n{what}\n").stdout.split()[0])


def _edits(lab: Lab, documents: Documents, how: str, first: str = "true") -> tuple[Change, ...]:
    """Return a change for each owned option of which there are many, host by host in turn."""
    places = [[(place, option) for option in options] for place, options in documents.options.items() if place[0] != "api1"]
    in_turn = [each for row in itertools.zip_longest(*places) for each in row if each is not None]
    return tuple(_edit(lab, place, option, how, first) for place, option in in_turn)


def _edit(lab: Lab, place: Place, option: tuple[str, str], how: str, first: str) -> Change:
    host, path = place

    def make() -> float:
        text = with_option((lab.root(host) / path.lstrip("/")).read_text(), *option, next(NUMBERS))
        lab.exec(host, "tee", "/run/bivisor-bench", stdin=text)
        return _at(lab, host, how.format(path=path), first.format(path=path))

    return Change(f"{option} on {host}", f"ssh:{host}", f"ssh:{host}/config_file/{path}", make)


def _removal(lab: Lab, host: str, path: str) -> Change:
    return Change(f"{path} on {host}", f"ssh:{host}", f"ssh:{host}/file/{path}", lambda: _at(lab, host, f"rm {path}"))


def _end(lab: Lab, host: str, unit: str) -> Change:
    """Kill it, and have systemd not start it again."""
    how = f"systemctl kill --signal=KILL {unit}; systemctl stop {unit}"
    return Change(f"{unit} on {host}", f"ssh:{host}", f"ssh:{host}/service/{unit}", lambda: _at(lab, host, how))


def _cib(lab: Lab) -> list[Change]:
    options = [
        _cluster_change(lab, f"property/{name}", f"crm_attribute --type crm_config --name {name} --update {value}")
        for name, value in CLUSTER_OPTIONS.items()
    ]
    meta = [
        _cluster_change(lab, f"primitive/{COMPUTE}", f"crm_resource --resource {COMPUTE} --meta -p {name} -v {value}")
        for name, value in META.items()
    ]
    return [*options, *meta]


def _cluster_change(lab: Lab, unit: str, command: str) -> Change:
    return Change(command, "pacemaker:demo", f"pacemaker:demo/{unit}", lambda: _at(lab, "ctl2", command))


def _document(documents: Documents) -> Change:
    def make() -> float:
        at = time.time()
        documents.set_image_property(next(NUMBERS))
        return at

    return Change("an image's property", "desired", "openstack:demo/image_property/tiny-kvm", make)


def _volume_type(lab: Lab, name: str) -> Change:
    def make() -> float:
        cloud = lab.openstack().block_storage
        kind = cloud.find_type(name, ignore_missing=False)
        at = time.time()
        cloud.update_type_extra_specs(kind, **{"RESKEY:availability_zones": "elsewhere"})
        return at

    return Change(f"volume type {name}", "openstack:demo", f"openstack:demo/volume_type/{name}", make)


def _cluster(lab: Lab, old: str, new: str) -> Change:
    def make() -> float:
        at = time.time()
        lab.vcenter.rename_cluster(old, new)
        return at

    return Change(f"{old} becomes {new}", "vcenter:vc1", "ssh:ctl1/config_file//etc/nova/vcenter/vcenter-c0/nova.conf", make)
