"""Kind Secret: where a value is that must not stand in these files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.cloud import Compiled, Kind
from resources.specs.secret import SecretSpec

if TYPE_CHECKING:
    from resources.cloud import Cloud, Resource


def _publish(resource: Resource[SecretSpec], cloud: Cloud) -> tuple[object, ...]:  # noqa: ARG001 - its values are in the Cloud
    return ()


def _compile(resource: Resource[SecretSpec], cloud: Cloud) -> Compiled:  # noqa: ARG001 - it is nothing on any host
    return Compiled()


SECRET = Kind("Secret", SecretSpec, _publish, _compile)
