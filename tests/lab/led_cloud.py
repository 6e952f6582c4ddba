"""The demo's cloud while its controllers keep it: who leads, what was done by whom, and ways to trouble it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.lab import controllers
from tests.lab.commands import run
from tests.lab.controllers import NAMES, RUNNING, moment
from tests.lab.layout import HOSTS, host_named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.controllers import Epoch
    from tests.lab.lab import Lab

CONF = "/etc/nova/nova.conf"
ZONE = "kvm-az"
"""The aggregate of the compute host."""

NO_SSH = """
add table inet bvlab
add chain inet bvlab ssh { type filter hook output priority 0; }
add rule inet bvlab ssh tcp dport 22 drop
add rule inet bvlab ssh tcp sport 22 drop
"""


class Cloud:
    """The demo's cloud, kept by a daemon on its controllers."""

    def __init__(self, lab: Lab) -> None:
        """Speak to it from outside."""
        self.lab = lab

    def epoch(self, *, but: str = "") -> Epoch:
        """Return the newest epoch that any controller knows, but for that one."""
        return max((controllers.epoch(self.lab, name) for name in NAMES if name != but), key=lambda found: found.number)

    def quiet(self) -> bool:
        """Tell whether the leader's last decision was that everything is as declared."""
        leader = self.epoch().leader
        decided = self.since_it_leads(leader, "decided") if leader else []
        return bool(decided) and not _left(decided[-1])

    def since_it_leads(self, host: str, event: str) -> list[dict[str, Any]]:
        """Return the lines of that event in the log of a host's daemon since it took the lead last."""
        return [line for line in controllers.since_it_leads(self.lab, host) if line.get("event") == event]

    def process(self, host: str) -> int:
        """Return the daemon's number on the machine."""
        ((pid, _),) = self.lab.processes(RUNNING)[host]
        return pid

    def has_ended(self, old: Epoch) -> bool:
        """Tell whether a former leader runs no more, or has found out that it leads no more."""
        lost = controllers.told(self.lab, old.leader, "lost_the_lead")
        return not self.lab.processes(RUNNING)[old.leader] or any(line["epoch"] == old.number for line in lost)

    def drift(self) -> None:
        """Edit an option on a compute host by hand."""
        self.lab.exec("kvm1", "sed", "-i", "s/^vif_plugging_timeout.*/vif_plugging_timeout = 3/", CONF)

    def repaired(self) -> bool:
        """Tell whether it is as declared."""
        return "vif_plugging_timeout = 0" in self.lab.exec("kvm1", "cat", CONF).stdout

    def drift_in_nova(self) -> None:
        """Take the compute host out of its zone by hand."""
        with self.lab.openstack() as cloud:
            (aggregate,) = [found for found in cloud.compute.aggregates() if found.name == ZONE]
            cloud.compute.remove_host_from_aggregate(aggregate, "kvm1")

    def repaired_in_nova(self) -> bool:
        """Tell whether it is there again."""
        with self.lab.openstack() as cloud:
            return any(found.name == ZONE and "kvm1" in found.hosts for found in cloud.compute.aggregates())

    def written_in_nova(self, since: float, old: Epoch) -> tuple[list[str], list[str]]:
        """Return the lines of Nova's own log on changes since then: those that an old leader sent, and those of others.

        Its host may lead again later, with another epoch: when Pacemaker finds two after a host woke up, it ends both and
        starts one. What is sent from there after that claim is another one's.
        """
        lines = (self.lab.root("api1") / "var/log/nova/nova-api.log").read_text(errors="replace").splitlines()
        changes = [line for line in lines if "requestlog" in line and "] 10.77.0.1" in line and '"GET ' not in line]
        claims = controllers.told(self.lab, old.leader, "claimed")
        again = min((moment(line["timestamp"]) for line in claims if line["epoch"] > old.number), default=float("inf"))
        sent = f'] {host_named(old.leader).address} "'
        later = [(line, moment(f"{line[:10]}T{line[11:23]}Z")) for line in changes]
        olds = [line for line, at in later if since < at < again and sent in line]
        return olds, [line for line, at in later if at > since and line not in olds]

    def written(self, since: float, number: int) -> list[str]:
        """Return what hosts' journals tell of writes under that epoch since then."""
        lines = [(host.name, note.text) for host in HOSTS for note in controllers.journal(self.lab, host.name, since)]
        return [f"{host}: {line}" for host, line in lines if f"of epoch {number} " in line and not line.startswith("refused")]


def _left(decided: dict[str, object]) -> set[str]:
    return decided.keys() - {"units", "event", "level", "timestamp"}


@contextmanager
def without_ssh(host: str) -> Iterator[None]:
    """Drop what a host sends to SSH servers, its own included, and what its own answers; all else passes."""
    inside = ["ip", "netns", "exec", host_named(host).namespace, "nft"]
    run([*inside, "-f", "-"], stdin=NO_SSH)
    try:
        yield
    finally:
        run([*inside, "delete", "table", "inet", "bvlab"])
