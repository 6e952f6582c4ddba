"""The stages of leaving, alike for computes and volume services: closed, empty, stopped, silent.

Each needs all that come before it: a need that is met holds nothing, whatever it needs in turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.contract import Address, Need
from resources.units.constraint import Constraint
from resources.units.primitive import Primitive
from resources.units.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.contract import Facts, TargetId, Unit
    from resources.exits import Exit
    from resources.published import CloudFacts, NodeFacts

_SILENT_S = 180.0
"""Seconds within which an API calls a service down that was stopped: 60 by default, and operators allow more."""


def stage_address(kind: type[Exit], openstack: TargetId, host: str, stage: str) -> Address:
    """Return the address of a stage."""
    return Address(openstack, kind.type, f"{host} {stage}")


def drained(kind: type[Exit], openstack: TargetId, host: str) -> tuple[Exit, Exit]:
    """Return the first two stages: closed, and empty."""
    closed = kind(address=stage_address(kind, openstack, host, "closed"), desired={"disabled": True}, host=host)
    after = Need(closed.address, "nothing new must come while it is emptied")
    # It is empty only when it was looked at after it was closed.
    wanted: Facts = {"disabled": True, kind.lodgers(): 0}
    return closed, kind(address=stage_address(kind, openstack, host, "empty"), desired=wanted, needs=(after,), host=host)


def silent(kind: type[Exit], openstack: TargetId, host: str, after: tuple[Need, ...]) -> Exit:
    """Return the last stage: the API hears of it no more."""
    address = stage_address(kind, openstack, host, "silent")
    return kind(address=address, desired={"state": "down"}, needs=after, host=host, settle_s=_SILENT_S)


def taken_from_pacemaker(service: str, cloud: CloudFacts, nodes: tuple[NodeFacts, ...], emptied: Need) -> Iterator[Unit]:
    """Yield the resource and its places as gone."""
    resource = Address(cloud.pacemaker, Primitive.type, service)
    yield Primitive(address=resource, desired=None, needs=(emptied, *cloud.ring))
    removed = Need(resource, "the resource goes before its places")
    for node in nodes:
        place = Address(cloud.pacemaker, Constraint.type, f"{service}-on-{node.name}")
        yield Constraint(address=place, desired=None, needs=(removed,), resource=service)


def stopped(service: str, node: NodeFacts, emptied: Need) -> Service:
    """Return a service that systemd ran, as stopped and not started at boot."""
    address = Address(node.target, Service.type, service)
    return Service(address=address, desired={"enabled": False, "active": False}, needs=(emptied,))
