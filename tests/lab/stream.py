"""A random stream of what happens to a cloud: commits, hands, dead processes, cut cables, a vCenter that forgets its sessions.

Seeded: the same seed has the same things happen in the same order. What each does to others is told the witness first, so
that all else is the daemon's doing.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.lab.documents import with_option
from tests.lab.errors import CommandError
from tests.lab.witness import KEPT, KVM, NFS, VCENTER, VMDK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from tests.lab.documents import Documents
    from tests.lab.lab import Lab
    from tests.lab.test_stream import Keeping
    from tests.lab.witness import Place, Witness

MOST_UNDONE = 3
"""A field that comes undone once more than this is left to whoever undoes it (reconciler.core.undone)."""

FEWEST_S, MEAN_S = 0.5, 4.0
"""Seconds between two disturbances: at least, and on top of that in the mean."""

LAST_S = 20.0
"""Seconds at the end without commits for which something restarts: a rollout takes as long as its restarts, one by one."""

KEPT_REST_S, KEPT_MOST = 150.0, 2
"""Pacemaker gives a node up after three failures, for two minutes: so many of them within that time leave it a choice."""

HOSTS = ("kvm1", "vol1", "vol2", "ctl1", "ctl2", "ctl3")
UNITS = {KVM: ("kvm1", "nova-compute"), VMDK: ("vol1", "cinder-volume"), NFS: ("vol2", "cinder-volume")}
WHOLE = (
    ("vol1", "/etc/cinder/vmdk-vcenter-ca.pem"),
    ("vol2", "/etc/cinder/kvm-shares"),
    *((host, f"/etc/nova/vcenter/{VCENTER}/vcenter-ca.pem") for host in ("ctl1", "ctl2", "ctl3")),
)
"""Files that are Bivisor's as a whole."""

LOADED_BY = {"kvm1": KVM, "vol1": VMDK, "vol2": NFS, "ctl1": VCENTER, "ctl2": VCENTER, "ctl3": VCENTER}
"""Who loads the owned options on a host."""

JUST_S = 20.0
"""Seconds for which a hand's value may have been loaded by a process that was started meanwhile: it restarts once more."""


@dataclass(slots=True)
class Stream:
    """What happens, and when it is to be over. `told` is the list of it."""

    lab: Lab
    documents: Documents
    witness: Witness
    keeping: Keeping
    rng: Random
    told: list[str] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)
    undone: Counter[tuple[str, str]] = field(default_factory=Counter)
    foreign: list[tuple[Place, str]] = field(default_factory=list)
    _deck: list[str] = field(default_factory=list)
    _mends: list[tuple[float, str, Callable[[], object]]] = field(default_factory=list)
    _cut: set[str] = field(default_factory=set)
    _edited: dict[str, float] = field(default_factory=dict)
    _lost: dict[str, float] = field(default_factory=dict)
    _kept_lost: deque[float] = field(default_factory=deque)
    _number: int = 0
    _end: float = 0.0

    def flow(self, seconds: float) -> None:
        """Let things happen for so long; return early when a promise is broken. Then what would stay for ever is ended."""
        self._end = end = time.monotonic() + seconds
        while (now := time.monotonic()) < end and not self.witness.alarm.is_set():
            next_at = min(end, now + FEWEST_S + self.rng.expovariate(1 / MEAN_S))
            self._happen()
            while time.monotonic() < next_at and not self.witness.alarm.is_set():
                self._mend(time.monotonic())
                soonest = min([next_at, *(due for due, _, _ in self._mends)])
                self.witness.alarm.wait(max(soonest - time.monotonic(), 0.01))
        self.calm()

    def calm(self) -> None:
        """End what would stay for ever: cut cables, a document that is none."""
        self._mend(float("inf"))

    def restore(self) -> None:
        """Declare what was declared before."""
        self.witness.may_start(KVM, VCENTER, VMDK, NFS)
        self.documents.restore()

    def left_of(self, texts: Mapping[Place, str]) -> dict[Place, str]:
        """Return texts of files without what the stream added that is nobody's."""
        left = dict(texts)
        for place, text in self.foreign:
            assert left[place].count(text) == 1, f"{place}: {text!r} stands there {left[place].count(text)} times"
            left[place] = left[place].replace(text, "")
        return left

    def clean(self) -> None:
        """Take away what is nobody's."""
        texts = {place: self.witness.path(*place).read_text() for place, _ in self.foreign}
        for place, text in self.left_of(texts).items():
            self.lab.exec(place[0], "tee", place[1], stdin=text)

    def _happen(self) -> None:
        """Take the next kind from a shuffled deck, so that each has its turn; one for which there is no room is left out."""
        kinds, what = self._kinds(), ""
        while not what:
            if not self._deck:
                self._deck = sorted(kinds)
                self.rng.shuffle(self._deck)
            kind = self._deck.pop()
            what = kinds[kind]()
        self.happened[kind] += 1
        self._tell(what)

    def _kinds(self) -> dict[str, Callable[[], str]]:
        return {
            "commit for the computes": self._commit_computes,
            "commit for vmdk": self._commit_vmdk,
            "commit for nfs": self._commit_nfs,
            "commit of a volume type": self._commit_volume_type,
            "commit of an image's property": self._commit_image_property,
            "invalid document": self._invalid,
            "owned option": self._edit_owned,
            "owned option again": self._edit_owned,
            "foreign option": self._edit_foreign,
            "owned file removed": self._remove_whole,
            "service killed": self._kill_service,
            "service stopped": self._stop_service,
            "libvirtd stopped": self._stop_libvirtd,
            "kept compute killed": self._kill_kept,
            "unmasked": self._unmask,
            "disabled": self._disable,
            "cluster option": self._cluster_option,
            "volume type's spec": self._volume_type_spec,
            "cable": self._cut_cable,
            "sessions dropped": self._drop_sessions,
            "daemon killed": self._kill_daemon,
        }

    def _tell(self, what: str) -> None:
        line = f"{datetime.now(UTC).isoformat()} {what}"
        self.told.append(line)
        print(line, flush=True)

    def _mend(self, now: float) -> None:
        for due, what, mend in sorted(self._mends, key=lambda each: each[0]):
            if due <= now:
                self._mends = [each for each in self._mends if each[2] is not mend]
                mend()
                self._tell(what)

    def _later(self, after_s: tuple[float, float], what: str, mend: Callable[[], object]) -> None:
        self._mends.append((time.monotonic() + self.rng.uniform(*after_s), what, mend))

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _may_undo(self, thing: str, name: str) -> bool:
        """Count that a field comes undone; False where that would be once too often."""
        self.undone[thing, name] += 1
        return self.undone[thing, name] <= MOST_UNDONE

    def _forget_undone(self, *who: str) -> None:
        """Something else is declared for these processes now: what was undone before counts no more."""
        for thing, name in tuple(self.undone):
            if thing in who:
                del self.undone[thing, name]

    def _changes(self, message: str, *who: str) -> str:
        self.witness.may_start(*who)
        self._forget_undone(*who)
        return f"commit: {message}"

    def _too_late(self) -> bool:
        return self._end - time.monotonic() < LAST_S

    def _commit_computes(self) -> str:
        if self._too_late():
            return ""
        value = None if self.documents.disk_mb and self.rng.random() < 1 / 3 else self._next()
        told = self._changes(f"reserved_host_disk_mb is {value}", KVM, VCENTER)
        self.documents.set_disk_mb(value)
        return told

    def _commit_vmdk(self) -> str:
        if self._too_late():
            return ""
        value = f"0.{300 + self._next()}"
        told = self._changes(f"vmware_task_poll_interval is {value}", VMDK)
        self.documents.set_poll_interval(value)
        return told

    def _commit_nfs(self) -> str:
        if self._too_late():
            return ""
        value = 3 + self._next()
        told = self._changes(f"nfs_mount_attempts is {value}", NFS)
        self.documents.set_mount_attempts(value)
        return told

    def _commit_volume_type(self) -> str:
        return f"commit: the second volume type is {self.documents.toggle_volume_type()}"

    def _commit_image_property(self) -> str:
        value = None if self.rng.random() < 1 / 3 else self._next()
        self.documents.set_image_property(value)
        return f"commit: the image's property is {value}"

    def _invalid(self) -> str:
        if self.documents.broken:
            return ""
        self.documents.break_one(
            self.rng.choice(("kind: [", "apiVersion: bivisor/v1alpha1\nkind: Node\nmetadata: {name: x}\n"))
        )
        self._later((1, 6), "the invalid document is gone", self.documents.mend)
        return "a document that is none"

    def _edit_owned(self) -> str:
        host, path = self.rng.choice([place for place in self.witness.owned if place[0] in LOADED_BY])
        section, key = self.rng.choice(sorted(self.documents.options[host, path]))
        if host in self._cut or not self._may_undo(f"{host}:{path}", f"[{section}] {key}"):
            return ""
        who, now = LOADED_BY[host], time.monotonic()
        if now - self._lost.get(who, -JUST_S) < JUST_S:
            self.witness.may_start(who)
        self._edited[who] = now
        value = self._next()
        with self.witness.writing(host, path):
            text = with_option(self.witness.path(host, path).read_text(), section, key, value)
            self.lab.exec(host, "tee", path, stdin=text)
        return f"{host}: [{section}] {key} in {path} is {value}"

    def _edit_foreign(self) -> str:
        host, path = self.rng.choice(sorted(self.witness.owned))
        line = f"{self.rng.choice(('# by hand', 'by_hand'))} = {self._next()}"
        with self.witness.writing(host, path) as foreign:
            text = f"[somebodys_{self._next()}]\n{line}  \n"
            self.lab.exec(host, "tee", "-a", path, stdin=text)
            foreign.extend(text.splitlines())
        self.foreign.append(((host, path), text))
        return f"{host}: {line!r} at the end of {path}, which is nobody's business"

    def _remove_whole(self) -> str:
        host, path = self.rng.choice(WHOLE)
        if host in self._cut or not self._may_undo(f"{host}:{path}", "exists"):
            return ""
        self.lab.exec(host, "rm", "-f", path)
        return f"{host}: {path} is removed"

    def _loses(self, who: str) -> None:
        self.witness.loses(who)
        now = time.monotonic()
        self._lost[who] = now
        if now - self._edited.get(who, -JUST_S) < JUST_S:
            self.witness.may_start(who)

    def _end_service(self, *how: str) -> str:
        who = self.rng.choice(sorted(UNITS))
        if not self._may_undo(who, "active"):
            return ""
        host, unit = UNITS[who]
        self._loses(who)
        self.lab.exec(host, "systemctl", *how, unit)
        return f"{host}: systemctl {' '.join(how)} {unit}"

    def _kill_service(self) -> str:
        return self._end_service("kill", "--signal=KILL")

    def _stop_service(self) -> str:
        return self._end_service("stop")

    def _stop_libvirtd(self) -> str:
        if not self._may_undo("kvm1", "libvirtd"):
            return ""
        self.witness.may_start("kvm1/libvirtd")
        self.lab.exec("kvm1", "systemctl", "stop", "libvirtd")
        return "kvm1: systemctl stop libvirtd"

    def _kept_node(self) -> str:
        """Return where the vCenter's compute lives now, '' while it lives nowhere or anywhere twice."""
        found = [host for host, alive in self.lab.processes(rf"/etc/nova/vcenter/{VCENTER}/").items() if alive]
        return found[0] if len(found) == 1 else ""

    def _kill_kept(self) -> str:
        now = time.monotonic()
        while self._kept_lost and now - self._kept_lost[0] > KEPT_REST_S:
            self._kept_lost.popleft()
        node = self._kept_node()
        if len(self._kept_lost) >= KEPT_MOST or not node or not self._may_undo(VCENTER, "running"):
            return ""
        self._kept_lost.append(now)
        self._loses(VCENTER)
        how = self.rng.choice((("kill", "--signal=KILL"), ("stop",)))
        self.lab.exec(node, "systemctl", *how, KEPT)
        return f"{node}: systemctl {' '.join(how)} {KEPT}, behind Pacemaker's back"

    def _unmask(self) -> str:
        host = self.rng.choice(("ctl1", "ctl2", "ctl3"))
        if not self._may_undo(host, "masked"):
            return ""
        self.lab.exec(host, "systemctl", "unmask", "nova-compute")
        return f"{host}: systemctl unmask nova-compute"

    def _disable(self) -> str:
        host = self.rng.choice(("vol1", "vol2"))
        if not self._may_undo(host, "enabled"):
            return ""
        self.lab.exec(host, "systemctl", "disable", "cinder-volume")
        return f"{host}: systemctl disable cinder-volume"

    def _cluster_option(self) -> str:
        name, value = self.rng.choice((("start-failure-is-fatal", "true"), ("symmetric-cluster", "true")))
        host = self.rng.choice([host for host in ("ctl1", "ctl2", "ctl3") if host not in self._cut])
        if not self._may_undo("cib", name):
            return ""
        try:
            self.lab.exec(host, "crm_attribute", "--type", "crm_config", "--name", name, "--update", value)
        except CommandError:
            return ""  # a ring that forms anew takes nothing
        return f"{host}: crm_attribute --name {name} --update {value}"

    def _volume_type_spec(self) -> str:
        if not self._may_undo("volume type", "spec"):
            return ""
        cloud = self.lab.openstack().block_storage
        kind = cloud.find_type("kvm", ignore_missing=False)
        cloud.update_type_extra_specs(kind, **{"RESKEY:availability_zones": "elsewhere", f"somebodys-{self._next()}": "theirs"})
        return "the volume type kvm is for zone elsewhere, and has a spec of somebody's"

    def _cut_cable(self) -> str:
        """Cut any host off but the one on which the vCenter's compute lives.

        The lab has no fence device: what a part of a cluster that is cut off does then is Pacemaker's alone.
        """
        host = self.rng.choice(HOSTS)
        if self._cut or host == self._kept_node():
            return ""
        self._cut.add(host)
        self.lab.cut(host)

        def mend() -> None:
            self.lab.mend(host)
            self._cut.discard(host)

        self._later((2, 15), f"{host}: its cable is back", mend)
        return f"{host}: its cable is pulled"

    def _drop_sessions(self) -> str:
        return f"the vCenter forgets {self.lab.vcenter.drop_sessions()} sessions"

    def _kill_daemon(self) -> str:
        """Kill whoever keeps the cloud and have another one begin; here leaders are killed, where there are several."""
        self.witness.may_start(*(who for who in (KVM, VCENTER, VMDK, NFS) if self.documents.changed_lately(who)))
        with suppress(ProcessLookupError):
            self.keeping.kill()
        self.keeping.start()
        return "the daemon is killed, and begins anew"
