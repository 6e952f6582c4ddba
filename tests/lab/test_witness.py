"""What the stream and its witness read in files, without any lab."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.bench.latency import part
from tests.lab import rivals
from tests.lab.controllers import Note
from tests.lab.documents import with_option
from tests.lab.keeping import last_steps
from tests.lab.rivals import Claim
from tests.lab.witness import foreign_lines

CLAIMS = [Claim(100.0, 7, "ctl1"), Claim(200.0, 8, "ctl2")]

TEXT = """\
# a remark
[DEFAULT]
ours = 1
 and on
theirs = 2
[other]
ours = 3
"""


def test_what_is_foreign_is_all_but_the_options_that_are_ours() -> None:
    """An option of ours is so in its section only, with the lines on which its value goes on."""
    owned = frozenset({("DEFAULT", "ours")})
    assert foreign_lines(TEXT, owned) == ["# a remark", "[DEFAULT]", "theirs = 2", "[other]", "ours = 3"]


def test_a_hand_changes_one_option() -> None:
    """The value of that option in that section is another one; all else stays."""
    assert with_option(TEXT, "other", "ours", 4) == TEXT.replace("ours = 3", "ours = 4")


def test_parts_are_by_nearest_rank() -> None:
    """Of a hundred values the 99th part is the second largest; of three it is the largest."""
    assert part([float(value) for value in range(1, 101)], 0.99) == 99.0
    assert part([3.0, 1.0, 2.0], 0.99) == 3.0
    assert part([3.0, 1.0, 2.0], 0.5) == 2.0


def test_what_a_kill_may_have_kept_from_the_history() -> None:
    """Of each life that was killed its last second's steps; of one that stopped, and of before that second, nothing."""

    def life(begin: int, *, last: str) -> list[dict[str, Any]]:
        events = ("starting", 0.0), ("step", 1.0), ("result", 1.5), ("step", 2.2), ("step", 2.8), (last, 3.0)
        return [{"event": event, "timestamp": datetime.fromtimestamp(begin + at, UTC).isoformat()} for event, at in events]

    killed, stopped, killed_last = life(10, last="result"), life(20, last="stopped"), life(30, last="step")
    assert last_steps([*killed, *stopped, *killed_last]) == [*killed[3:5], *killed_last[3:6]]
    assert last_steps([]) == []


def test_what_a_host_accepts_of_a_former_leader_is_seen() -> None:
    """What was accepted in time may end a moment later; what was refused, or is of the newest, is no rival's."""
    in_time = [
        Note(150.0, "file.write /a of epoch 7 of demo: done"),
        Note(201.0, "epoch.raise of epoch 8 of demo: done"),
        Note(203.0, "file.write /a of epoch 7 of demo: done"),
        Note(220.0, "service.restart x of epoch 7 of demo: done"),
        Note(230.0, "refused file.write of epoch 7 of demo: another leads"),
        Note(231.0, "file.write /a of epoch 8 of demo: done"),
        Note(232.0, "ctl2 claims epoch 8 after 7"),
    ]
    assert not list(rivals.written(CLAIMS, "kvm1", in_time))
    late = Note(207.0, "file.write /a of epoch 7 of demo: done")
    assert list(rivals.written(CLAIMS, "kvm1", [*in_time, late]))
    unheard = Note(212.0, "file.write /a of epoch 7 of demo: done")
    assert list(rivals.written(CLAIMS, "kvm1", [unheard]))


def test_what_a_former_leader_brings_about_is_seen() -> None:
    """A step that it began within its lease counts for it, and one that came to nothing is none."""
    assert not list(rivals.acted(CLAIMS, "ctl1", [_told(204, "step"), _told(230, "result"), _told(250, "step")]))
    assert list(rivals.acted(CLAIMS, "ctl1", [_told(210, "step"), _told(211, "result")]))
    assert not list(rivals.acted(CLAIMS, "ctl2", [_told(210, "step"), _told(211, "result")]))


def test_what_a_former_leader_changes_in_nova_is_seen() -> None:
    """Each may change something from its wait on until the next one's is over; whoever is no controller is not meant."""
    assert not list(rivals.sent(CLAIMS, 0.0, [_heard(205, "11"), _heard(212, "12"), _heard(212, "1"), _heard(300, "12")]))
    for wrong in (_heard(105, "11"), _heard(205, "12"), _heard(212, "11")):
        assert list(rivals.sent(CLAIMS, 0.0, [wrong]))


def test_epochs_rise() -> None:
    """The same one twice, or a lower one later, is told."""
    assert not list(rivals.falling(CLAIMS))
    assert list(rivals.falling([*CLAIMS, Claim(300.0, 8, "ctl3")]))


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")


def _told(at: float, event: str) -> dict[str, Any]:
    return {"timestamp": f"{_time(at)}Z", "event": event, "address": "ssh:a/b/c", "verb": "update", "outcome": "converged"}


def _heard(at: float, address: str) -> str:
    return f'{_time(at).replace("T", " ")} 1 INFO nova.api.openstack.requestlog [None req-1] 10.77.0.{address} "POST /x" 200'
