"""What an existing Neutron server must know of the mixed cloud: ML2's mechanism drivers, and what tenants' networks are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.contract import Need
from resources.options import literal
from resources.units.config_file import ConfigFile
from resources.units.package import Package
from resources.units.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.contract import Unit
    from resources.published import NodeFacts
    from resources.specs.network import NeutronApi

_CONF = "/etc/neutron/plugins/ml2/ml2_conf.ini"


def ml2_on(node: NodeFacts, package: str, api: NeutronApi) -> Iterator[Unit]:
    """Yield the mechanism driver's package, the options, and that the server's services have loaded them."""
    driver = Package.named(node.target, package)
    yield driver
    types = {"tenant_network_types": ",".join(api.tenant_network_types)} if api.tenant_network_types else {}
    options = literal({"ml2": {"mechanism_drivers": ",".join(api.mechanism_drivers), **types}})
    brought = Need(driver.address, "a server that names a driver which is not there does not start")
    conf = ConfigFile.at(node.target, _CONF, options, needs=(brought,))
    yield conf
    need = Need(conf.address, "it decides there how ports are bound")
    for name in api.services:
        yield Service.refreshed(node.target, name, loads=(conf.address,), needs=(need,))
