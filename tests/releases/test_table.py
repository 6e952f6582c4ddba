"""The releases and their features; and that nobody else compares releases."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from resources.releases.table import FEATURES, RELEASES

ROOT = Path(__file__).parents[2]
ALL = tuple(dict.fromkeys(RELEASES.values()))


def test_from_juno_to_the_newest_without_a_hole() -> None:
    """Twice a year there was one; each is found by each of its names."""
    assert [release.nova for release in ALL] == list(range(10, 35))
    assert (ALL[0].alias, ALL[-1].name, ALL[-1].alias) == ("2014.2", "hibiscus", "2026.2")
    assert RELEASES["2023.1"] is RELEASES["antelope"]
    assert [str(RELEASES[name]) for name in ("zed", "2026.1")] == ["Zed", "Gazpacho (2026.1)"]


@pytest.mark.parametrize(
    ("feature", "without", "with_it"),
    [
        ("nova-network", "ussuri", "train"),
        ("nova-network-of-cells", "newton", "ocata"),
        ("glance-multistore", "stein", "train"),
        ("fcd-volumes", "xena", "yoga"),
        ("volume-type-zones", "queens", "rocky"),
        ("compute_id", "zed", "antelope"),
    ],
)
def test_features(feature: str, without: str, with_it: str) -> None:
    """Each feature has a first or a last release, and a source."""
    assert RELEASES[with_it].has(feature)
    assert not RELEASES[without].has(feature)
    assert FEATURES[feature].source


def test_properties_are_the_features() -> None:
    """The short ways say the same."""
    for release in ALL:
        assert release.has_nova_network == release.has("nova-network")
        assert release.has_compute_id == release.has("compute_id")
        assert release.has_glance_multistore == release.has("glance-multistore")
        assert release.has_fcd_volumes == release.has("fcd-volumes")
        assert release.nova_network_wants_cells == release.has("nova-network-of-cells")
        assert release.has_volume_type_zones == release.has("volume-type-zones")


def test_nobody_else_compares_releases() -> None:
    """Outside the data no code asks whether a release is within two others, or holds the name of one."""
    found = []
    for folder in ("resources", "reconciler"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "releases" in path.relative_to(ROOT).parts:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                number = isinstance(node, ast.Attribute) and node.attr == "within"
                name = isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in RELEASES
                if number or name:
                    found.append(f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}")
    assert found == []
