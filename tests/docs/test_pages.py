"""What the documentation promises about itself: links lead somewhere, examples load, outputs are the program's own."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from reconciler.core.compile import compile_units
from reconciler.core.explain import models_in
from reconciler.core.fields import fields_of
from reconciler.core.graph import build_graph
from reconciler.core.load import load
from resources.kinds.registry import KINDS
from resources.rules.registry import RULES
from tests.docs.markdown import ROOT, Block, anchors, blocks, links, pages

if TYPE_CHECKING:
    from pathlib import Path

EACH_PAGE = pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))


def documents(text: str) -> list[str]:
    """Return the YAML documents of a text, as texts."""
    return [part for part in re.split(r"^---\n", text, flags=re.MULTILINE) if part.strip()]


def key(text: str) -> tuple[str, str]:
    """Return kind and name of a document."""
    value: dict[str, Any] = yaml.safe_load(text)
    return value["kind"], value["metadata"]["name"]


def demo_without(added: list[Block]) -> dict[str, str]:
    """Return the demo's documents, but for those that the page writes anew."""
    own = {key(document) for block in added for document in documents(block.text)}
    return {
        f"desired/{path.name}": "---\n".join(each for each in documents(path.read_text()) if key(each) not in own)
        for path in sorted((ROOT / "desired").glob("*.yaml"))
    }


@EACH_PAGE
def test_links_lead_somewhere(page: Path) -> None:
    """Each link to a file of the repository finds it, and its heading if it names one."""
    for target in links(page):
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{page.relative_to(ROOT)} links to {target}"
        assert not anchor or anchor in anchors(found), f"{page.relative_to(ROOT)} links to {target}"


def test_every_event_of_the_log_is_told_of() -> None:
    """Whoever reads the log by a program finds each event in the list, and none that the code does not write."""
    written = {
        event
        for path in (ROOT / "reconciler").rglob("*.py")
        for event in re.findall(r'(?:log\.logger\(\)\.\w+|, level\)|\btell)\(\s*"([a-z_]+)"', path.read_text())
    }
    page = (ROOT / "docs/how-to/operate-the-daemon.md").read_text()
    table = page.partition("| event | says |\n|---|---|\n")[2].partition("\n\n")[0]
    listed = {event for row in table.splitlines() for event in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert len(written) > 30
    assert listed == written


@EACH_PAGE
def test_examples_load(page: Path) -> None:
    """A page's complete documents form a folder without problems; those that it adds fit the demo's."""
    found = list(blocks(page))
    for mark in ("complete", "adds"):
        own = [block for block in found if block.mark == mark]
        if not own:
            continue
        texts = {} if mark == "complete" else demo_without(own)
        loaded = load({**texts, **{f"desired/page-{block.name}": block.text for block in own}}, KINDS, RULES)
        # an example may be without fence devices, as most first clouds are; that is said each time
        assert {warning.path for warning in loaded.warnings} <= {"spec.pacemaker.stonith.enabled"}
        catalog = compile_units(loaded, KINDS, None, None)
        build_graph(catalog.units)
        for line in re.findall(r"^desired: .* resources are valid;.*$", page.read_text(), re.MULTILINE):
            counts = f"{len(loaded.resources)} resources are valid; they declare {len(catalog.units)} units"
            assert line == f"desired: {counts} on {len(catalog.endpoints)} targets."


@EACH_PAGE
def test_shown_pages_are_the_programs(page: Path) -> None:
    """A block that shows a page of a tested scenario stands in that scenario, letter by letter."""
    for block in blocks(page):
        if block.mark == "scenario":
            assert block.text in (ROOT / "tests/scenarios" / block.name).read_text(), block.name


@EACH_PAGE
def test_every_yaml_example_is_yaml(page: Path) -> None:
    """No example has a slip that a parser would find."""
    for block in blocks(page):
        if block.language == "yaml":
            list(yaml.safe_load_all(block.text))


def test_the_reference_is_as_the_code() -> None:
    """The generated pages are those that the generator would write now (`make docs`)."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/generate_reference.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_page_is_on_the_map() -> None:
    """docs/index.md leads to every page below docs, and README leads to it."""
    index = ROOT / "docs/index.md"
    listed = {(index.parent / target.partition("#")[0]).resolve() for target in links(index)} | {index}
    assert set((ROOT / "docs").rglob("*.md")) <= listed
    assert "docs/index.md" in set(links(ROOT / "README.md"))


def test_every_test_that_is_named_exists() -> None:
    """A promise that names its test names one that is there."""
    named = re.findall(r"`(test_\w+\.py)::(\w+)`", (ROOT / "README.md").read_text())
    assert named
    for file, test in named:
        assert f"def {test}(" in (ROOT / "tests/lab" / file).read_text(), test


def fields(model: Any, path: str) -> list[tuple[str, str]]:
    """Return every field of a model at any depth with what is said about it."""
    found = []
    for name, (_, info) in fields_of(model).items():
        found.append((f"{path}.{name}", info.description or ""))
        for inner in models_in((info.annotation,)):
            found += fields(inner, f"{path}.{name}")
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_has_a_meaning(kind: str) -> None:
    """Explain, the schema and the reference say of each field what it means."""
    assert [path for path, meaning in fields(KINDS[kind].spec, kind) if not meaning.endswith(".")] == []
