"""Promises of the order."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.errors import CycleError
from reconciler.core.graph import LOADS, build_graph
from resources.contract import Need, Unit
from tests.core.simple import Daemon, Simple, address, needs
from tests.core.worlds import World, worlds


def units_of(**edges: str) -> dict[object, Unit]:
    """Return units on one host: name to the names that it needs."""
    found = (
        Simple(address=address(f"ssh:h/simple/{name}"), desired={}, needs=needs(*(f"ssh:h/simple/{each}" for each in names)))
        for name, names in edges.items()
    )
    return {unit.address: unit for unit in found}


@given(worlds(), st.randoms())
def test_order_respects_needs_and_not_the_listing(world: World, random: object) -> None:
    """Each unit stands behind all that it needs or loads, in a later wave, however the units were listed."""
    graph = build_graph(world.catalog.units)
    wave = {unit: number for number, units in enumerate(graph.waves) for unit in units}
    assert graph.order == tuple(unit for units in graph.waves for unit in units)
    assert set(graph.order) == set(world.catalog.units)
    for unit in world.catalog.units.values():
        named = [need.address for need in unit.needs] + list(unit.loads)
        assert {need.address for need in graph.needs(unit.address)} == set(named)
        assert all(wave[each] < wave[unit.address] for each in named)
        assert all(unit.address in graph.needed_by(each) for each in named)
    listed = list(world.catalog.units.items())
    random.shuffle(listed)  # type: ignore[attr-defined]
    assert build_graph(dict(listed)) == graph


def test_kvm2_stands_before_kvm10() -> None:
    """Units that do not need each other are ordered as people count."""
    found = [Simple(address=address(f"ssh:kvm{number}/simple/x"), desired={}) for number in (10, 2, 1)]
    assert [each.target.name for each in build_graph({unit.address: unit for unit in found}).order] == ["kvm1", "kvm2", "kvm10"]


def test_what_is_loaded_comes_first() -> None:
    """A process starts after what it loads is written; where a need says so as well, the need's own reason stands."""
    one, two = address("ssh:h/file/one"), address("ssh:h/file/two")
    daemon = Daemon(address=address("ssh:h/service/d"), desired={}, loads=(one, two), needs=(Need(two, "own reason"),))
    units: list[Unit] = [daemon, Simple(address=one, desired={}), Simple(address=two, desired={})]
    graph = build_graph({unit.address: unit for unit in units})
    assert graph.needs(daemon.address) == (Need(two, "own reason"), Need(one, LOADS))


@pytest.mark.parametrize(
    ("edges", "circle"),
    [
        ({"a": "a"}, "aa"),
        ({"a": "b", "b": "a"}, "aba"),
        ({"a": "b", "b": "c", "c": "ad", "d": "a", "e": "a"}, "abca"),
        ({"x": "", "b": "c", "c": "b", "a": "b"}, "bcb"),
    ],
)
def test_a_circle_is_told_edge_by_edge(edges: dict[str, str], circle: str) -> None:
    """Units that need each other in a circle are an error that names each of its edges with the reason, and no other."""
    with pytest.raises(CycleError) as caught:
        build_graph(units_of(**edges))  # type: ignore[arg-type]
    told = [(who.name, need.address.name) for who, need in caught.value.edges]
    assert told == list(pairwise(circle))
    assert all(f"ssh:h/simple/{who} needs ssh:h/simple/{what}: the test says so" in str(caught.value) for who, what in told)
