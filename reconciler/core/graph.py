"""What comes before what: the units and their needs as a directed graph. The only module that knows networkx.

The order itself comes from the standard library: importing networkx takes longer than planning a small cloud, so it
is left to explaining circles.
"""

from __future__ import annotations

import graphlib
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from reconciler.core.errors import CycleError
from reconciler.core.shown import natural
from resources.contract import Address, Need, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LOADS = "reads it when it starts"
"""The reason of the edge from a unit to the configuration that its process loads."""


@dataclass(frozen=True, slots=True)
class Graph:
    """Units in an order that respects their needs; the same units give the same graph, however they were listed.

    `waves` are groups of units whose needs all lie in earlier groups, each sorted by address as people count (kvm2
    before kvm10): members of one wave never wait for each other. `order` is the waves one after the other.
    """

    waves: tuple[tuple[Address, ...], ...]
    order: tuple[Address, ...]
    _needs: Mapping[Address, tuple[Need, ...]] = field(repr=False)
    _needed_by: Mapping[Address, tuple[Address, ...]] = field(repr=False)

    def needs(self, address: Address) -> tuple[Need, ...]:
        """Return what must be converged before that unit acts, and why. What it loads is among it."""
        return self._needs[address]

    def needed_by(self, address: Address) -> tuple[Address, ...]:
        """Return the units that need that one directly, sorted."""
        return self._needed_by.get(address, ())


def build_graph(units: Mapping[Address, Unit]) -> Graph:
    """Order the units by their needs. Raises CycleError; KeyError for a need that compiling should have refused."""
    addresses = sorted(units, key=lambda address: natural(str(address)))
    numbers = {address: number for number, address in enumerate(addresses)}
    needs = {address: _needs_of(units[address]) for address in addresses}
    # Numbers in place of addresses: they hash and sort fast, and their order is that of the addresses.
    before = {numbers[address]: [numbers[need.address] for need in needs[address]] for address in addresses}
    sorter = graphlib.TopologicalSorter(before)
    try:
        sorter.prepare()
    except graphlib.CycleError:
        raise CycleError(_circle(before, addresses, needs)) from None
    waves = tuple(_waves(sorter))
    return Graph(
        waves=tuple(tuple(addresses[number] for number in wave) for wave in waves),
        order=tuple(addresses[number] for wave in waves for number in wave),
        _needs=needs,
        _needed_by={
            addresses[number]: tuple(addresses[other] for other in others) for number, others in _after(before).items()
        },
    )


def _waves(sorter: graphlib.TopologicalSorter[int]) -> Iterator[list[int]]:
    while sorter.is_active():
        wave = sorter.get_ready()
        yield sorted(wave)
        sorter.done(*wave)


def _after(before: Mapping[int, Sequence[int]]) -> Mapping[int, Sequence[int]]:
    """Return the other direction: who needs each, in ascending order."""
    after: dict[int, list[int]] = {}
    for number, others in before.items():
        for other in dict.fromkeys(others):
            after.setdefault(other, []).append(number)
    return after


def _needs_of(unit: Unit) -> tuple[Need, ...]:
    """Return needs and loads together; where both name one unit, the need's own reason says more."""
    if not unit.loads:
        return unit.needs
    named = {need.address for need in unit.needs}
    return (*unit.needs, *(Need(address, LOADS) for address in unit.loads if address not in named))


def _circle(
    before: Mapping[int, Sequence[int]], addresses: Sequence[Address], needs: Mapping[Address, tuple[Need, ...]]
) -> list[tuple[Address, Need]]:
    """Return the edges of one circle, from who needs to what it needs: a short one through its smallest address."""
    import networkx as nx  # noqa: PLC0415 - see the module's docstring

    needing: nx.DiGraph[int] = nx.DiGraph((number, other) for number, others in before.items() for other in others)
    circles = [part for part in nx.strongly_connected_components(needing) if len(part) > 1]
    start = min([min(part) for part in circles] + [number for number in needing if needing.has_edge(number, number)])
    ways = (nx.shortest_path(needing, after, start) for after in sorted(needing[start]) if nx.has_path(needing, after, start))
    stops = [start, *min(ways, key=len)]
    return [
        (addresses[who], next(need for need in needs[addresses[who]] if need.address == addresses[what]))
        for who, what in pairwise(stops)
    ]
