"""What leaves the declaration leaves the host: the whole drive over a real SSH server that runs the real helper."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.core.compile import Catalog, introduce
from reconciler.core.graph import build_graph
from reconciler.core.ignore import Ignored
from reconciler.core.load import Loaded
from reconciler.core.plan import Verb
from reconciler.desired import Desired
from reconciler.reconcile import Reconciler
from reconciler.redact import Redactor
from reconciler.targets.ssh import SshTarget
from resources.cloud import Metadata, Resource
from resources.contract import Action, Key, Need, TargetId, Unit
from resources.endpoints import SshEndpoint
from resources.published import RolloutFacts
from resources.units.config_file import ConfigFile
from resources.units.file import WholeFile
from resources.units.inventory import Inventory
from tests.targets.sshd import Sshd

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from reconciler.apply import Progress
    from reconciler.core.plan import Step
    from reconciler.reconcile import Pass
    from reconciler.targets import Target

HOST = TargetId("ssh", "host")
DOCUMENT, PAUSED = Key("Thing", "a"), Key("Thing", "b")
CLAIM = {"cloud": "demo", "origins": [], "without": [], "needed_by": [], "lodging": [], "about": {}, "wrote": ""}


class Host:
    """One host, the files of the test on it, and passes over what is declared of it."""

    def __init__(self, sshd: Sshd, folder: Path) -> None:
        """Connect at the first question."""
        self.folder = folder
        key = sshd.host_key.export_public_key().decode()
        self.endpoint = SshEndpoint(HOST, "127.0.0.1", sshd.port, "root", key, str(sshd.key_file))
        self.target = SshTarget(self.endpoint, python=sys.executable, folder=str(sshd.folder / "state"))
        self.sshd = sshd

    def get(self, _: TargetId) -> Target:
        """Return the only target."""
        return self.target

    def conf(self, name: str = "conf", **options: str) -> ConfigFile:
        """Declare options of [a]."""
        return ConfigFile.at(HOST, str(self.folder / name), {"a": options})

    def file(self, name: str, text: str = "text\n", *needs: Unit) -> WholeFile:
        """Declare a file."""
        wanted = tuple(Need(need.address, "the test says so") for need in needs)
        return WholeFile.at(HOST, str(self.folder / name), text, needs=wanted)

    def text(self, name: str = "conf") -> str | None:
        """Return what is in a file; None where there is none."""
        path = self.folder / name
        return path.read_text() if path.exists() else None

    def reconciler(
        self,
        *units: Unit,
        cloud: str = "demo",
        counted: int = 10,
        ignored: Ignored | None = None,
        paused: bool = False,
        **options: Any,
    ) -> Reconciler:
        """Return who brings about that these units are declared and nothing else."""
        everything = (Inventory.of(HOST, cloud), *(replace(unit, origins=unit.origins or (DOCUMENT,)) for unit in units))
        annotations = {"bivisor/manage": "paused"} if paused else {}
        catalog = Catalog(
            units=introduce({unit.address: unit for unit in everything}),
            endpoints={HOST: self.endpoint},
            resources={PAUSED: Resource(PAUSED, Metadata("b", {}, annotations), None)},
            positions={},
            rollouts=(RolloutFacts("demo", 1, counted, 100),),
            ignored=ignored or Ignored({}),
        )
        desired = Desired(Loaded(resources={}, positions={}), catalog, build_graph(catalog.units), Redactor())
        return Reconciler(desired, self, **options)  # type: ignore[arg-type] # it is enough of Targets

    async def converge(self, *units: Unit, **options: Any) -> Pass:
        """Carry out passes until they stop; return the last one."""
        engine = self.reconciler(*units, **options)
        done = [done async for done in engine.passes(await engine.look(), _unheard)]
        return done[-1]

    async def steps(self, *units: Unit, **options: Any) -> list[Step]:
        """Return what would be done."""
        look = await self.reconciler(*units, **options).look()
        return [step for step in look.plan.steps if step.verb is not Verb.NOTHING]


def _unheard(_: Progress) -> None:
    """Listen to no progress."""


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    """Return a host with an empty folder for the test's files."""
    (tmp_path / "etc").mkdir()
    async with Sshd(tmp_path) as sshd:
        host = Host(sshd, tmp_path / "etc")
        yield host
        await host.target.close()


async def test_an_option_of_ours_goes_and_others_stay(host: Host) -> None:
    """Of two options that we wrote one is declared no more; what a hand wrote beside them stays, and nothing is left to do."""
    (host.folder / "conf").write_text("[a]\n# by hand\nx = 1\n")
    assert (await host.converge(host.conf(y="2", z="3"))).converged
    (step,) = await host.steps(host.conf(y="2"))
    assert [(change.field, change.before, change.after) for change in step.changes] == [("[a] z", "3", None)]
    assert step.reasons == ("no document declares [a] z any more",)
    assert (await host.converge(host.conf(y="2"))).converged
    assert host.text() == "[a]\n# by hand\nx = 1\ny = 2\n"
    assert await host.steps(host.conf(y="2")) == []


async def test_what_was_there_before_us_stays(host: Host) -> None:
    """An option that stood there as we would have written it, and a file likewise, are somebody else's."""
    (host.folder / "conf").write_text("[a]\nx = 1\n")
    (host.folder / "file").write_text("text\n")
    assert (await host.converge(host.conf(x="1", y="2"), host.file("file"))).converged
    assert (await host.converge()).converged
    assert (host.text(), host.text("file")) == ("[a]\nx = 1\n", "text\n")


async def test_a_file_of_somebody_else_that_we_overwrote_is_not_removed(host: Host) -> None:
    """What it held before nobody knows any more; without it, something may not start."""
    (host.folder / "file").write_text("the package's\n")
    assert (await host.converge(host.file("file"))).converged
    assert (await host.converge()).converged
    assert host.text("file") == "text\n"


async def test_files_of_ours_go_in_the_reverse_order(host: Host) -> None:
    """The one that needed the other goes first; the configuration that was made for our options goes with the last of them."""
    first = host.file("first")
    second = host.file("second", "text\n", first)
    assert (await host.converge(first, second, host.conf(x="1"))).converged
    gone = [step.address.name.rpartition("/")[2] for step in await host.steps()]
    assert sorted(gone) == ["conf", "first", "second"]
    assert gone.index("second") < gone.index("first")
    assert (await host.converge()).converged
    assert sorted(path.name for path in host.folder.iterdir()) == []
    assert await host.steps() == []


async def test_a_host_that_was_made_anew_has_nothing_of_ours(host: Host) -> None:
    """Its inventory is lost: what is there counts as not ours and stays, declared or not."""
    assert (await host.converge(host.file("file"), host.conf(x="1"))).converged
    shutil.rmtree(host.sshd.folder / "state")
    look = await host.reconciler(host.file("file"), host.conf(x="1")).look()
    told = [remark for step in look.plan.steps for remark in step.remarks]
    known = "not known to be Bivisor's (was the host made anew?): when no document declares them, they stay"
    assert told == [f"2 things that stand here as declared are {known}"]
    assert await host.steps() == []
    assert (await host.converge()).converged
    assert (host.text(), host.text("file")) == ("[a]\nx = 1\n", "text\n")


async def test_another_cloud_takes_nothing(host: Host) -> None:
    """A second folder of documents for the same host does not know what the first one's Bivisor made."""
    assert (await host.converge(host.file("file"))).converged
    assert (await host.converge(cloud="other")).converged
    assert host.text("file") == "text\n"


async def test_an_inventory_that_cannot_be_read_takes_nothing(host: Host) -> None:
    """It is unknown what is ours, and said; nothing goes."""
    assert (await host.converge(host.file("file"))).converged
    (host.sshd.folder / "state" / "inventory.json").write_text("nonsense")
    (step,) = await host.steps()
    assert (step.verb, step.address.type) == (Verb.UNKNOWN, "inventory")
    assert not (await host.converge()).converged
    assert host.text("file") == "text\n"


async def test_more_than_allowed_goes_only_when_it_is_confirmed(host: Host) -> None:
    """Three files, two allowed: none goes until a person says so."""
    files = [host.file(name) for name in ("a", "b", "c")]
    assert (await host.converge(*files)).converged
    assert not (await host.converge(counted=2)).converged
    assert [step.verb for step in await host.steps(counted=2)] == [Verb.HELD] * 3
    assert len(list(host.folder.iterdir())) == len(files)
    assert (await host.converge(counted=2, confirm_deletes=True)).converged
    assert list(host.folder.iterdir()) == []


async def test_pass_by_pass_no_more_goes_than_at_once(host: Host) -> None:
    """In the second pass of a run another thing turns out to be ours: one is gone, one was allowed, so it waits for a word."""
    assert (await host.converge(host.file("a"), host.file("b"))).converged
    claims = json.loads((host.sshd.folder / "state" / "inventory.json").read_text())["claims"]
    other = str(host.file("b").address)
    assert (await host.target.do(Action("inventory.claim", {"claims": {other: None}}))).ok
    engine = host.reconciler(counted=1)
    await engine.carry_out(await engine.look(), _unheard)
    assert (host.text("a"), host.text("b")) == (None, "text\n")
    assert (await host.target.do(Action("inventory.claim", {"claims": {other: claims[other]}, "whole": True}))).ok
    (step,) = (await engine.look()).plan.held
    assert step.held.startswith("1 thing that no document declares any more would go, 1 have gone, and maxDeletes allows 1")
    assert (await host.converge(counted=1)).converged
    assert host.text("b") is None


async def test_what_is_declared_again_is_ours_still(host: Host) -> None:
    """Taken away, declared once more, and taken away once more."""
    for _ in range(2):
        assert (await host.converge(host.file("file"))).converged
        assert host.text("file") == "text\n"
        assert (await host.converge()).converged
        assert host.text("file") is None


async def test_a_file_that_we_were_to_make_and_never_did_is_theirs(host: Host) -> None:
    """Killed between the memory and the file, Bivisor has remembered too much: what a hand makes there is not removed."""
    file = host.file("file")
    inventory = {"claims": {str(file.address): {**CLAIM, "fields": ["exists"]}}}
    assert (await host.target.do(Action("inventory.claim", inventory))).ok
    (host.folder / "file").write_text("by hand\n")
    assert not (await host.converge()).converged
    assert host.text("file") == "by hand\n"


async def test_a_file_that_is_declared_in_another_way_is_one_file(host: Host) -> None:
    """Declared whole first, then by its options, then not at all: our option goes, and nothing of what is not ours."""
    assert (await host.converge(host.file("conf", "[a]\nx = 1\n"))).converged
    (host.folder / "conf").write_text("[a]\nx = 1\nby_hand = 1\n")
    assert (await host.converge(host.conf(x="2"))).converged
    assert (await host.converge()).converged
    assert host.text() == "[a]\nby_hand = 1\n"


async def test_what_a_paused_document_no_longer_says_stays(host: Host) -> None:
    """Two documents own options of one file; the paused one loses its own: nothing is taken away while it is paused."""
    x, y = replace(host.conf(x="1"), origins=(PAUSED,)), replace(host.conf(y="2"), origins=(DOCUMENT,))
    both = replace(x, desired={**(x.desired or {}), **(y.desired or {})}, origins=(DOCUMENT, PAUSED))
    assert (await host.converge(both)).converged
    (step,) = await host.steps(y, paused=True)
    assert (step.verb, step.held) == (Verb.HELD, "Thing/b is paused")
    assert (await host.converge(y)).converged
    assert host.text() == "[a]\ny = 2\n"


async def test_what_somebody_has_made_theirs_stays(host: Host) -> None:
    """A file of ours that a hand has changed, or made once more, is not removed: the plan says whose turn it is."""
    assert (await host.converge(host.file("file"))).converged
    (host.folder / "file").write_text("by hand\n")
    (step,) = await host.steps()
    assert (step.verb, step.held.partition(" since ")[0]) == (Verb.HELD, f"somebody has changed {host.folder}/file")
    assert not (await host.converge()).converged
    assert host.text("file") == "by hand\n"
    (host.folder / "file").write_text("text\n")
    assert (await host.converge()).converged
    assert host.text("file") is None


async def test_a_section_that_is_spelled_otherwise_is_the_same(host: Host) -> None:
    """Oslo.config finds sections without regard to case: what is declared in other letters is not what is declared no more."""
    await host.converge(host.conf(x="1"))
    respelled = ConfigFile.at(HOST, str(host.folder / "conf"), {"A": {"x": "1"}})
    assert await host.steps(respelled) == []
    assert (await host.converge()).converged
    assert host.text() is None


async def test_an_option_that_somebody_has_changed_since_stays(host: Host) -> None:
    """Of two options that were ours one holds what a hand wrote: the plan says that it stays, and it is theirs from then on."""
    conf = host.conf(x="1", y="2", z="3")
    assert (await host.converge(conf)).converged
    (host.folder / "conf").write_text("[a]\nx = 5\ny = 2\nz = 3\n")
    remarks = [remark for step in await host.steps(host.conf(z="3")) for remark in step.remarks]
    assert remarks == ["no document declares [a] x any more, and somebody has changed it since Bivisor wrote it: it stays"]
    assert (await host.converge(host.conf(z="3"))).converged
    assert host.text() == "[a]\nx = 5\nz = 3\n"
    assert await host.steps(host.conf(z="3")) == []
    assert (await host.converge()).converged
    assert host.text() == "[a]\nx = 5\n"


async def test_what_somebody_removed_before_us_is_theirs_from_then_on(host: Host) -> None:
    """A former file or option that is gone already is forgotten: what a hand makes in its place later stays."""
    assert (await host.converge(host.file("file"), host.conf(x="1", y="2"), host.conf("other", z="3"))).converged
    (host.folder / "file").unlink()
    (host.folder / "conf").write_text("[a]\ny = 2\n")
    (host.folder / "other").unlink()
    left = host.conf(y="2")
    (step,) = await host.steps(left)
    assert (step.address.type, step.verb) == ("inventory", Verb.UPDATE)
    assert step.reasons[0].startswith("forgets [a] x of ssh:host/config_file/")
    assert (await host.converge(left)).converged
    assert await host.steps(left) == []
    (host.folder / "file").write_text("text\n")
    (host.folder / "conf").write_text("[a]\ny = 2\nx = 1\n")
    (host.folder / "other").write_text("[a]\nz = 3\n")
    assert await host.steps(left) == []


async def test_what_is_left_to_others_is_forgotten(host: Host) -> None:
    """A document leaves an option to others that Bivisor wrote, and later speaks of it no more: it stays as they want it."""
    assert (await host.converge(host.conf(x="1", y="2"))).converged
    ignored = Ignored({DOCUMENT: (re.compile(r"config_file/.* \[a\] x"),)})
    assert (await host.converge(host.conf(y="2"), ignored=ignored)).converged
    assert await host.steps(host.conf(y="2")) == []
    assert host.text() == "[a]\nx = 1\ny = 2\n"
    assert (await host.converge()).converged
    assert host.text() == "[a]\nx = 1\n"


async def test_two_clouds_write_into_one_file(host: Host) -> None:
    """What one cloud's documents do not speak of is the other's."""
    assert (await host.converge(host.conf(x="1"))).converged
    (host.folder / "conf").write_text("[a]\nx = 1\ny = 0\n")
    await host.converge(host.conf(y="2"), cloud="other")
    await host.converge(cloud="other")
    assert host.text() == "[a]\nx = 1\ny = 2\n"


async def test_why_something_differs_is_told(host: Host) -> None:
    """Another document, another hand, or what was there before us; and when we wrote it last."""
    assert await _drift(host, host.file("file")) == "declared"
    (host.folder / "conf").write_text("[a]\nx = 0\n")
    assert await _drift(host, host.conf(x="1")) == "foreign"
    assert (await host.converge(host.file("file"), host.conf(x="1"))).converged
    assert await _drift(host, host.file("file", "other\n"), host.conf(x="1")) == "declared"
    (host.folder / "file").write_text("by hand\n")
    (step,) = await host.steps(host.file("file"), host.conf(x="1"))
    assert (step.drift, step.since[:2], step.since[-1]) == ("corrective", "20", "Z")
    assert step.reasons == (f"it has changed since Bivisor made it so ({step.since})",)
    assert await _drift(host, host.file("file", "by hand\n")) == "declared"


async def _drift(host: Host, *units: Unit) -> str:
    """Return the class of the one difference."""
    (step,) = await host.steps(*units)
    return step.drift
