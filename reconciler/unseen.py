"""What was acted on and not looked at since: what is known of that is of before, and nothing is decided on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from resources.contract import Address, TargetId


class Unseen:
    """Units by the targets that are asked about them, each with when it was acted on last (the loop's time).

    A target answers for many: one nova-compute that was restarted says nothing about the others, though OpenStack is asked
    about all of them. So of a target that is merely asked about what was acted on, just that is unseen; of one on which
    something was done, whatever is there.
    """

    def __init__(self) -> None:
        """Nothing was acted on yet."""
        self._touched: dict[TargetId, dict[Address, float]] = {}
        self._homes: dict[TargetId, float] = {}

    def acted(self, units: Iterable[Address], asked: Mapping[TargetId, Collection[Address]], at: float) -> None:
        """Take note that these units were acted on; `asked` are the targets that tell of it, each with what it tells of."""
        for target, touched in asked.items():
            self._touched.setdefault(target, {}).update(dict.fromkeys(touched, at))
        self._homes |= {address.target: at for address in units if address.target in asked}

    def looked(self, target: TargetId, began: float) -> None:
        """Take note of a look at a target that began at that time: what was acted on before has been seen."""
        left = {address: at for address, at in self._touched.pop(target, {}).items() if at > began}
        if left:
            self._touched[target] = left
        if self._homes.get(target, began) <= began:
            self._homes.pop(target, None)

    def forget(self, target: TargetId) -> None:
        """Nobody asks that target any more."""
        self._touched.pop(target, None)
        self._homes.pop(target, None)

    def among(self, units: Iterable[Address]) -> frozenset[Address]:
        """Return what is unseen, of these units."""
        touched = {address for each in self._touched.values() for address in each}
        return frozenset(address for address in units if address in touched or address.target in self._homes)
