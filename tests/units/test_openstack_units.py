"""What OpenStack's units ask, how they read the answers, and what they would do: each case is a promise."""

from __future__ import annotations

from typing import Any

import pytest

from resources.contract import Address, TargetId
from resources.units.aggregate import Aggregate
from resources.units.compute_exit import ComputeExit
from resources.units.compute_service import ComputeService
from resources.units.computes import Computes
from resources.units.image_property import ImageProperty
from resources.units.volume_exit import VolumeExit
from resources.units.volume_service import VolumeService
from resources.units.volume_type import VolumeType
from tests.units.casebook import cases, check

DEMO = TargetId("openstack", "demo")


@pytest.mark.parametrize("case", cases("aggregate"))
def test_aggregate(case: dict[str, Any]) -> None:
    """An aggregate gets its zone and its declared hosts, and keeps what is foreign."""
    check(case, lambda declared: Aggregate(address=Address(DEMO, "aggregate", declared["name"]), desired=declared["fields"]))


@pytest.mark.parametrize("case", cases("compute_service"))
def test_compute_service(case: dict[str, Any]) -> None:
    """A compute is waited for, enabled where only its driver disabled it, and removed where it is declared gone."""

    def build(declared: dict[str, Any]) -> ComputeService:
        return ComputeService(address=Address(DEMO, "compute_service", declared["host"]), desired=declared["fields"])

    check(case, build)


@pytest.mark.parametrize("case", cases("computes"))
def test_computes(case: dict[str, Any]) -> None:
    """What nobody declares and nobody runs is told and left alone."""
    check(case, lambda known: Computes(address=Address(DEMO, "computes", "all"), desired={}, known=tuple(known)))


@pytest.mark.parametrize("case", cases("compute_exit"))
def test_compute_exit(case: dict[str, Any]) -> None:
    """A compute is closed by us and emptied by people; whatever lives there is told by name."""

    def build(declared: dict[str, Any]) -> ComputeExit:
        return ComputeExit(
            address=Address(DEMO, "compute_exit", f"c0 {declared['stage']}"), desired=declared["fields"], host="c0"
        )

    check(case, build)


@pytest.mark.parametrize("case", cases("volume_exit"))
def test_volume_exit(case: dict[str, Any]) -> None:
    """A backend is closed by us and emptied by people; it tells when it is empty, and how its row is removed."""

    def build(declared: dict[str, Any]) -> VolumeExit:
        return VolumeExit(
            address=Address(DEMO, "volume_exit", f"b@b {declared['stage']}"), desired=declared["fields"], host="b@b"
        )

    check(case, build)


@pytest.mark.parametrize("case", cases("volume_service"))
def test_volume_service(case: dict[str, Any]) -> None:
    """A volume service is only waited for."""

    def build(declared: dict[str, Any]) -> VolumeService:
        return VolumeService(address=Address(DEMO, "volume_service", declared["host"]), desired=declared["fields"])

    check(case, build)


@pytest.mark.parametrize("case", cases("volume_type"))
def test_volume_type(case: dict[str, Any]) -> None:
    """A volume type leads to its backend and its zone, and keeps what is foreign."""
    check(case, lambda declared: VolumeType(address=Address(DEMO, "volume_type", declared["name"]), desired=declared["fields"]))


@pytest.mark.parametrize("case", cases("image_property"))
def test_image_property(case: dict[str, Any]) -> None:
    """An image has its declared properties and keeps the others."""

    def build(declared: dict[str, Any]) -> ImageProperty:
        return ImageProperty(address=Address(DEMO, "image_property", declared["name"]), desired=declared["fields"])

    check(case, build)
