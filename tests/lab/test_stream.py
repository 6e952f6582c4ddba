"""The daemon in a random stream of what happens to clouds: it keeps its promises throughout, and is done soon after.

The short stream is always the same one, as far as the cloud lets it; the long one is another each time. The seed is
printed; `BIVISOR_STREAM_SEED` says which.
"""

from __future__ import annotations

import json
import os
import random
import time
from typing import TYPE_CHECKING

import pytest
import yaml

from reconciler.core.plan import PENDING, Verb
from tests.lab.course import Course
from tests.lab.documents import AT_TIMES, Documents, options_of
from tests.lab.keeping import Alone
from tests.lab.led import Led
from tests.lab.stream import Stream
from tests.lab.test_converge import wait_for
from tests.lab.witness import Witness
from tests.lab.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.lab.keeping import Keeping
    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

SEED = "BIVISOR_STREAM_SEED"
SHORT, USUAL = 3, 84302
"""Minutes of the short stream, and its seed."""

CONVERGED_S = 60.0
ROLLED_OUT_S = 240.0
"""Seconds in which every service restarts, one after the other, each of them looked at for a while before the next."""

QUIET_S = 90.0
LEAST_SECRET = 6
"""Characters: what is shorter may occur by chance."""


@pytest.fixture(scope="module")
def desk(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A converged cloud; the tests below leave it so."""
    return Workspace.converged(tmp_path_factory.mktemp("desk"), lab)


@pytest.mark.parametrize(
    ("minutes", "kept_by"),
    [
        pytest.param(SHORT, Led, id=f"{SHORT} minutes"),
        pytest.param(30, Led, id="30 minutes", marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
        pytest.param(10, Alone, id="10 minutes, without controllers", marks=pytest.mark.soak),
    ],
)
def test_a_stream_of_changes(lab: Lab, desk: Workspace, minutes: int, kept_by: Callable[[Lab, Workspace], Keeping]) -> None:
    """Nothing lives twice, is down or restarts without a reason, or is touched that is not ours; 60 s after it all is done.

    And of several daemons one acts at a time, whatever befalls whoever leads.
    """
    seed = int(os.environ.get(SEED) or (USUAL if minutes == SHORT else random.SystemRandom().randrange(1_000_000)))
    print(f"{SEED}={seed}")
    owned = {place: options | AT_TIMES for place, options in options_of(desk).items()}
    texts = {place: _path(lab, place).read_text() for place in owned}
    configured = _configured(lab)
    keeping = kept_by(lab, desk)
    try:
        documents = Documents(desk, keeping.folders)
        documents.begin()
        wait_for(keeping.quiet, "it finds everything as declared", QUIET_S)
        with Witness(lab, owned) as witness:
            chance = random.Random(seed)  # noqa: S311 - a seed that a failure can name
            stream = Stream(Course(lab, documents, witness, keeping, chance))
            try:
                stream.flow(minutes * 60.0)
                _tell(stream, witness, _until_converged(desk, keeping, witness, CONVERGED_S))
            finally:
                stream.calm()
                stream.clean_types()
            stream.restore()
            _until_converged(desk, keeping, witness, ROLLED_OUT_S)
        assert not witness.broken, "\n".join([*witness.broken, *stream.course.told[-30:]])
        keeping.stop()
        _secrets_never_show(desk, keeping)
        _whatever_was_done_was_planned(keeping)
        assert not (rivals := keeping.rivals()), "\n".join([*rivals, *stream.course.told])
    finally:
        keeping.end()
    assert witness.looks > minutes * 60
    assert stream.left_of({place: _path(lab, place).read_text() for place in owned}) == texts
    stream.clean()
    after = _configured(lab)
    assert {path for path in {*configured, *after} if configured.get(path) != after.get(path)} == set()


def _until_converged(desk: Workspace, keeping: Keeping, witness: Witness, within_s: float) -> float:
    """Wait until a plan has nothing to do and the daemon says so as well; return after how many seconds that was."""
    began = time.monotonic()
    while not (keeping.quiet() and desk.run("plan", "--detailed-exitcode", exits=None).returncode == 0):
        if witness.broken or time.monotonic() - began > within_s:
            plan = desk.run("plan", exits=None).stdout
            last = [keeping.lines(event)[-3:] for event in ("leads", "decided", "held", "result", "desired")]
            pytest.fail(f"not converged within {within_s:g} s, or {witness.broken}:\n{plan}\n{last}", pytrace=False)
        witness.alarm.wait(0.2)
    return time.monotonic() - began


def _tell(stream: Stream, witness: Witness, converged_s: float) -> None:
    happened = ", ".join(f"{kind} {count}" for kind, count in sorted(stream.happened.items()))
    print(f"{stream.happened.total()} disturbances ({happened}); converged {converged_s:.1f} s after the last one")
    print(f"{witness.looks} looks; starts: {dict(witness.starts)}")


def _path(lab: Lab, place: tuple[str, str]) -> Path:
    return lab.root(place[0]) / place[1].lstrip("/")


def _configured(lab: Lab) -> dict[str, str]:
    """Return what the hosts have below /etc. The links of old init scripts are `systemctl disable`'s own."""
    return {
        f"{host.name}:{path}": what
        for host in lab.hosts
        for path, what in lab.manifest(host.name).items()
        if path.startswith("etc/") and not path.startswith("etc/rc")
    }


def _secrets_never_show(desk: Workspace, keeping: Keeping) -> None:
    shown = keeping.shown()
    for file in (desk.folder / "secrets").iterdir():
        for secret in _secrets_of(file):
            assert secret not in shown, f"a secret of {file.name} shows"


def _secrets_of(file: Path) -> list[str]:
    text = file.read_text()
    if file.suffix == ".pem":
        return []
    secrets = [yaml.safe_load(text)["password"]] if file.suffix == ".yaml" else text.splitlines()
    return [secret for secret in secrets if len(secret) >= LEAST_SECRET and not secret.startswith("-----")]


def _whatever_was_done_was_planned(keeping: Keeping) -> None:
    """Each step that a log tells of stands in the history as planned, and none that does more than wait is without a reason.

    But for what a kill came before: see `last_steps`.
    """
    steps = [step for record in keeping.passes() for step in record.steps if step.verb != Verb.WAIT]
    planned = {(step.address, step.verb) for step in steps if step.verb in PENDING}
    unrecorded = keeping.unrecorded()
    told = [line for line in keeping.lines("step") if line["verb"] != Verb.WAIT and line not in unrecorded]
    assert {(line["address"], line["verb"]) for line in told} <= planned
    unfounded = [step for step in steps if step.outcome in ("converged", "failed") and not (step.changes or step.reasons)]
    assert not unfounded, json.dumps([step.address for step in unfounded])
