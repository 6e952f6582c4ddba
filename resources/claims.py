"""What a host remembers as ours: written when it is made, read when nobody declares it any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resources.contract import Address, Key, TargetId

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from resources.contract import Need, Unit


@dataclass(frozen=True, slots=True)
class Claim:
    """What Bivisor made of one unit, and so may take away.

    `cloud`      the Cluster for which it did.
    `origins`    the documents that declared it then.
    `fields`     those that it wrote; `exists` among them: it made the whole thing.
    `needed_by`  what needed it then: that must be gone, or have become something else, before it goes.
    `needs`      what it needed then of what hosts remember: whatever came to need another later says so itself.
    `lodging`    the services of an API whose lodgers (instances, volumes) live by it.
    `about`      what the unit type wanted to be remembered.
    `wrote`      the digest of what was declared when it was last written, and `at` when that was, by the host's clock in UTC.
    """

    address: Address
    cloud: str
    origins: tuple[Key, ...]
    fields: frozenset[str]
    needed_by: tuple[Address, ...] = ()
    needs: tuple[Address, ...] = ()
    lodging: tuple[Address, ...] = ()
    about: Mapping[str, str] | None = None
    wrote: str = ""
    at: str = ""

    def remembered(self, name: str) -> str:
        """Return what was remembered under that name, or ''."""
        return (self.about or {}).get(name, "")


@dataclass(frozen=True, slots=True)
class Taking:
    """What must be known of units to take away what nobody declares any more.

    `types`    those that can be taken away, by their type's name.
    `paths`    those of them whose name is a path: one file, whichever of them declares it.
    `lodgers`  what lives by a unit of an API, by the name of that unit's type.
    `stores`   what is kept by what a document of that kind declares, without any unit of an API that could tell how much.
    `exits`    the type of the units `HOST empty` that say that such a service leaves, likewise.
    `rest`     makes the unit that waits until a process has ended on a host, once those that it needs have converged; that
               needs nobody, it says who has to end it.
    """

    types: Mapping[str, type[Unit]]
    paths: tuple[str, ...]
    lodgers: Mapping[str, str]
    exits: Mapping[str, str]
    stores: Mapping[str, str]
    rest: Callable[[TargetId, str, tuple[Need, ...]], Unit]


def written(claim: Claim, without: frozenset[str]) -> dict[str, Any]:
    """Return the claim as JSON data for `inventory.claim`; `without` are the fields that are ours no more."""
    return {
        "cloud": claim.cloud,
        "origins": [str(key) for key in claim.origins],
        "fields": sorted(claim.fields),
        "without": sorted(without),
        "needed_by": [str(address) for address in claim.needed_by],
        "needs": [str(address) for address in claim.needs],
        "lodging": [str(address) for address in claim.lodging],
        "about": dict(claim.about or {}),
        "wrote": claim.wrote,
    }


def read(address: str, data: Mapping[str, Any]) -> Claim:
    """Return the claim that the data of one address tells. Raises ValueError when it tells half of one."""
    try:
        return Claim(
            address=address_of(address),
            cloud=str(data["cloud"]),
            origins=tuple(Key(*str(key).split("/", 1)) for key in data["origins"]),
            fields=frozenset(map(str, data["fields"])),
            needed_by=tuple(map(address_of, data["needed_by"])),
            needs=tuple(map(address_of, data.get("needs", ()))),
            lodging=tuple(map(address_of, data["lodging"])),
            about={str(name): str(value) for name, value in data["about"].items()},
            wrote=str(data["wrote"]),
            at=str(data["at"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"what is remembered of {address} is no whole claim") from error


def address_of(text: str) -> Address:
    """Return the address that a text writes. Raises ValueError."""
    target, kind, name = (*text.split("/", 2), "", "")[:3]
    where, colon, place = target.partition(":")
    if not (colon and where and place and kind and name):
        raise ValueError(f"{text} is no address")
    return Address(TargetId(where, place), kind, name)
