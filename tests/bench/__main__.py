"""One run of all benchmarks: `python -m tests.bench`. The contestants take turns, so that a slow minute hits all of them."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import review, warm
from tests.bench.catalogue import decide
from tests.bench.declared import write_documents
from tests.bench.far_side import far_side
from tests.bench.items import Items
from tests.bench.measured import Command, Contest, Run, middle, run
from tests.bench.peers import Ansible, Pyinfra, install
from tests.bench.report import Figure, tell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.bench.far_side import FarSide

REPOSITORY = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PEERS = REPOSITORY / "build/bench-venv"
HOSTS = 32
ANSIBLE_TURNS = 2
"""Ansible takes minutes."""

STARTS = 11

LAUNCH = "from tests.bench.launcher import launch; launch()"
OWN = "bivisor plan"
ANSIBLE = "ansible-playbook --check -f 20"
PYINFRA = "pyinfra --dry"
TIMES = {ANSIBLE: 100.0, PYINFRA: 5.0}
"""How many times faster than these we promise to be."""

NOTE = """\
{hosts} hosts are sessions of our own OpenSSH on as many loopback addresses, {python} on the far side. Nothing is to be
changed on them: {items} items each, 5 packages, 3 files, 2 directories, 1 configuration file of which 3 options are owned
(one line each for the peers; "tuned" makes the packages one task and the options one block, and lets Ansible pipeline
and gather no facts). No services: these hosts have no systemd of their own.
Peers: {peers}. Load of the machine at the start: {load}.
"""


def main() -> int:
    """Measure everything; exits with 1 when a promise is missed."""
    options = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    options.add_argument("--turns", type=int, default=3, help="how many turns each contestant gets (default 3)")
    options.add_argument("--hosts", type=int, default=HOSTS, help=f"how many hosts there are (default {HOSTS})")
    chosen = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # what was started is ended on the way out
    with tempfile.TemporaryDirectory(prefix="bivisor-bench-") as scratch:
        folder = Path(scratch)
        items = Items(folder / "items")
        items.prepare()
        with far_side(folder, chosen.hosts) as far:
            _introduce(far, items)
            write_documents(folder / "desired", far, items)
            figures = [*_cold(folder, far, items, chosen.turns), *_warm(folder / "desired", items), *_alone(folder, items)]
    return 0 if tell(figures, REPOSITORY / "build/bench.json") else 1


def _introduce(far: FarSide, items: Items) -> None:
    peers = ", ".join(f"{name} {version}" for name, version in install(PEERS).items())
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(NOTE.format(hosts=len(far.hosts), python=far.python, items=items.count, peers=peers, load=load))


def _cold(folder: Path, far: FarSide, items: Items, turns: int) -> list[Figure]:
    """Compare whole processes that begin with no connection."""
    ansible = Ansible(PEERS, folder / "ansible", far, items)
    pyinfra = Pyinfra(PEERS, folder / "pyinfra", far, items)
    plan = [str(BIN / "python"), "-c", LAUNCH, "plan", "--detailed-exitcode", "-d", str(folder / "desired")]
    own = Contest(_program(OWN, plan, folder), turns, each=3)
    contests = [
        own,
        Contest(pyinfra.command(PYINFRA), turns, each=2),
        Contest(pyinfra.command("pyinfra, tuned", tuned=True), turns, each=1),
        Contest(ansible.command(ANSIBLE), min(turns, ANSIBLE_TURNS), each=1),
        Contest(ansible.command("ansible, no facts", facts=False), 1, each=1),
        Contest(ansible.command("ansible, tuned", facts=False, tuned=True), 1, each=1),
    ]
    run(own.command)  # fills the caches of files and of bytecode, as the peers' installation did for theirs
    runs = _in_turns(contests, far)
    walls = {name: middle(each.wall_s for each in found) for name, found in runs.items()}
    figures = []
    for name, found in runs.items():
        cpu, hosts = (middle(times) for times in zip(*((each.cpu_s, each.far_cpu_s) for each in found), strict=True))
        note = f"CPU {cpu:.2f} s here, {hosts:.2f} s on the hosts; {len(found)} runs"
        figures.append(Figure(name, walls[name], "s", note=note))
        if name != OWN:
            figures.append(Figure(f"{name}: {OWN} is faster", walls[name] / walls[OWN], "times", at_least=TIMES.get(name)))
    return figures


def _in_turns(contests: Sequence[Contest], far: FarSide) -> Mapping[str, list[Run]]:
    runs: dict[str, list[Run]] = {contest.command.name: [] for contest in contests}
    for turn in range(max(contest.turns for contest in contests)):
        for contest in contests:
            if turn < contest.turns:
                done = [run(contest.command, far.cpu_s) for _ in range(contest.each)]
                runs[contest.command.name] += done
                walls = ", ".join(f"{each.wall_s:.2f} s" for each in done)
                print(f"turn {turn + 1}: {contest.command.name}: {walls}", flush=True)
    return runs


def _warm(documents: Path, items: Items) -> list[Figure]:
    cost = warm.measure(documents, items)
    return [
        Figure("warm pass, our CPU per host, above parsing", cost.above_parsing_ms, "ms", at_most=0.25),
        Figure("warm pass, round trips per host", cost.round_trips, "", at_least=1.0, at_most=1.0),
        Figure("warm pass, all hosts, wall", cost.wall_ms, "ms", note=f"{cost.bytes_received:.0f} bytes come from each host"),
        Figure("warm pass, every answer new, our CPU per host", cost.changed_cpu_ms, "ms",
               note=f"{cost.changed_parsing_ms:.3f} ms of it for parsing"),
    ]  # fmt: skip


def _alone(folder: Path, items: Items) -> list[Figure]:
    """Measure what needs no host."""
    bivisor = str(BIN / "bivisor")
    start = _program("bivisor --help", [bivisor, "--help"], folder)
    validate = _program("bivisor validate, the demo's", [bivisor, "validate", "-d", str(REPOSITORY / "desired")], folder)
    starts, checks = (middle(run(each).wall_s for _ in range(STARTS)) for each in (start, validate))
    spent = decide(items)
    reviews = {name: middle(run(each).wall_s for _ in range(STARTS)) for name, each in _reviews(folder / "review").items()}
    return [
        *(Figure(f"bivisor {name}, {review.NODES} nodes", wall, "s", at_most=1.0) for name, wall in reviews.items()),
        Figure(start.name, starts, "s", at_most=0.3),
        Figure(validate.name, checks, "s"),
        Figure("20,000 units, one pass of decisions, CPU", sum(spent.values()), "s",
               note=", ".join(f"{step} {seconds:.2f}" for step, seconds in spent.items())),
    ]  # fmt: skip


def _reviews(folder: Path) -> Mapping[str, Command]:
    """Return what a reviewer's job runs."""
    folder.mkdir()
    documents = str(review.write_repository(folder))
    commands = {"validate": ("validate",), "plan --against": ("plan", "--against", "HEAD"),
                "plan --against, html": ("plan", "--against", "HEAD", "-o", "html")}  # fmt: skip
    return {name: _program(name, [str(BIN / "bivisor"), *words, "-d", documents], folder) for name, words in commands.items()}


def _program(name: str, argv: Sequence[str], home: Path) -> Command:
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    return Command(name, argv, environment, REPOSITORY, partial(_good, says="No changes." if name == OWN else ""))


def _good(done: Run, says: str) -> str:
    return "" if done.code == 0 and says in done.output else f"it found something to change, or failed (exit code {done.code})"


if __name__ == "__main__":
    sys.exit(main())
