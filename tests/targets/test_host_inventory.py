"""What the inventory says about running processes: data cases of two pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from reconciler.targets.host.inventory import Inventory, Moments, has_loaded, keeps_loaded, may_vouch
from reconciler.targets.host.wire import Refusal

if TYPE_CHECKING:
    from pathlib import Path

WRITTEN = {"digest": "declared", "content": "bytes", "boot": "now", "since": 100.0}
"""A record: since second 100 of this boot, the file has held what is declared."""


def moments(started: float, changed: float | None = 100.0) -> Moments:
    """Return the moments of a process in this boot."""
    return Moments("now", started, changed)


@pytest.mark.parametrize(
    ("why", "record", "vouched", "started", "changed", "fresh"),
    [
        ("started after the write", WRITTEN, None, 101, 100, True),
        ("started before the write", WRITTEN, None, 99, 100, False),
        ("a touch later changes nothing", WRITTEN, None, 101, 500, True),
        ("vouched for, whatever the clocks say", WRITTEN, "declared", 99, 500, True),
        ("vouched for with what was declared before", WRITTEN, "before", 99, 100, False),
        ("the file holds what was declared before", {**WRITTEN, "digest": "before"}, None, 101, 100, False),
        ("vouched for although the record is older", {**WRITTEN, "digest": "before"}, "declared", 101, 100, True),
        ("rebooted since", {**WRITTEN, "boot": "last"}, None, 1, 100, True),
        ("rebooted, but with what was declared before", {**WRITTEN, "boot": "last", "digest": "before"}, None, 1, 0, False),
        ("killed while writing, the process is younger than the file", {**WRITTEN, "since": None}, None, 101, 100, True),
        ("killed while writing, the process is older than the file", {**WRITTEN, "since": None}, None, 99, 100, False),
        ("killed while writing, and the file is gone", {**WRITTEN, "since": None}, None, 99, None, False),
        ("never written by us, older than the process", None, None, 101, 100, True),
        ("never written by us, younger than the process", None, None, 99, 100, False),
        ("never written and not there", None, None, 99, None, True),
    ],
)
def test_freshness(  # noqa: PLR0913 - one argument per column of the table
    why: str, record: dict[str, Any] | None, vouched: str | None, started: float, changed: float | None, *, fresh: bool
) -> None:
    """A process is fresh if it is vouched for, or was started when the file held what is declared now."""
    assert has_loaded(record, "declared", vouched, moments(started, changed)) is fresh, why


@pytest.mark.parametrize(
    ("why", "record", "vouched", "content", "started", "changed", "keeps"),
    [
        ("no foreign edit, started after the write", WRITTEN, None, "bytes", 101, 100, True),
        ("no foreign edit, started before the write", WRITTEN, None, "bytes", 99, 100, False),
        ("touched only", WRITTEN, None, "bytes", 101, 500, True),
        ("started before the foreign edit", WRITTEN, None, "others", 101, 500, True),
        ("started after the foreign edit", WRITTEN, None, "others", 600, 500, False),
        ("started before both", WRITTEN, None, "others", 99, 500, False),
        ("the file was deleted", WRITTEN, None, None, 101, None, True),
        ("vouched for", WRITTEN, "declared", "others", 600, 500, True),
        ("never written by us", None, None, "others", 101, 100, False),
    ],
)
def test_a_repair_restarts_nothing_that_runs_with_the_right_content(  # noqa: PLR0913, PLR0917 - as above
    why: str,
    record: dict[str, Any] | None,
    vouched: str | None,
    content: str | None,
    started: float,
    changed: float | None,
    *,
    keeps: bool,
) -> None:
    """Before a foreign edit is undone, processes from before it count as having loaded what is put back; later ones not."""
    assert keeps_loaded(record, vouched, content, moments(started, changed)) is keeps, why


@pytest.mark.parametrize(
    ("why", "record", "content", "may"),
    [
        ("the file holds what was written", WRITTEN, "bytes", True),
        ("somebody edited it before the start", WRITTEN, "others", False),
        ("somebody deleted it before the start", WRITTEN, None, False),
        ("what is declared now was found there, not written", {**WRITTEN, "digest": "before"}, "others", True),
        ("never written by us", None, "others", True),
    ],
)
def test_who_starts_a_process_vouches_for_what_it_can_have_read(
    why: str, record: dict[str, Any] | None, content: str | None, *, may: bool
) -> None:
    """A process that was started while a foreign edit stood in the file has not loaded what is declared."""
    assert may_vouch(record, "declared", content) is may, why


def test_vouching_ends_with_the_process(tmp_path: Path) -> None:
    """What one process was started with says nothing about the next one of that unit."""
    inventory = Inventory(str(tmp_path))
    inventory.vouch("nova.service", "first", {"/a": "1"})
    inventory.vouch("nova.service", "first", {"/b": "2"})
    assert [inventory.vouched("nova.service", "first", path) for path in ("/a", "/b", "/c")] == ["1", "2", None]
    inventory.vouch("nova.service", "second", {"/b": "2"})
    assert inventory.vouched("nova.service", "second", "/a") is None
    assert inventory.vouched("nova.service", "first", "/a") is None


def test_no_invocation_is_no_process(tmp_path: Path) -> None:
    """Nothing is vouched for when systemd names no invocation."""
    inventory = Inventory(str(tmp_path))
    inventory.vouch("nova.service", "", {"/a": "1"})
    assert inventory.vouched("nova.service", "", "/a") is None


def test_the_inventory_survives(tmp_path: Path) -> None:
    """What was saved is there when it is read again, and nobody else may read it."""
    inventory = Inventory(str(tmp_path))
    inventory.files["/ä"] = WRITTEN
    inventory.vouch("nova.service", "first", {"/ä": "1"})
    inventory.save()
    again = Inventory(str(tmp_path))
    assert (again.files, again.starts) == (inventory.files, inventory.starts)
    assert (tmp_path / "inventory.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": {}}', "null"])
def test_a_broken_inventory_is_said(tmp_path: Path, text: str) -> None:
    """An inventory that cannot be read is refused with what to do; it is never taken for an empty one."""
    (tmp_path / "inventory.json").write_text(text)
    with pytest.raises(Refusal, match="move it away"):
        Inventory(str(tmp_path))
