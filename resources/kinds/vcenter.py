"""Kind VCenter: how to reach one, and that it lets us in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.cloud import Compiled, Kind
from resources.contract import Address, Need, TargetId
from resources.endpoints import VCenterEndpoint
from resources.published import VCenterFacts
from resources.specs.vcenter import VCenterSpec
from resources.units.session import Session

if TYPE_CHECKING:
    from resources.cloud import Cloud, Resource


def _publish(resource: Resource[VCenterSpec], cloud: Cloud) -> tuple[VCenterFacts]:
    name, spec = resource.key.name, resource.spec
    username, password = cloud.account(spec.credentials)
    facts = VCenterFacts(
        name=name,
        host=spec.host,
        port=spec.port,
        username=username,
        password=password,
        insecure=spec.tls.insecure,
        ca_pem=cloud.file(spec.tls.ca_file) if spec.tls.ca_file else "",
        thumbprint=spec.tls.thumbprint or "",
        target=_target(name),
        session=Need(_session(name), f"the credentials of vCenter {name} are tried before they are rolled out"),
    )
    return (facts,)


def _compile(resource: Resource[VCenterSpec], cloud: Cloud) -> Compiled:
    name, spec = resource.key.name, resource.spec
    username, password = cloud.account(spec.credentials)
    endpoint = VCenterEndpoint(
        target=_target(name),
        host=spec.host,
        port=spec.port,
        username=username,
        password=password,
        secret=spec.credentials.secret,
        ca_file=spec.tls.ca_file or "",
        thumbprint=spec.tls.thumbprint or "",
        insecure=spec.tls.insecure,
    )
    session = Session(address=_session(name), desired={"logged_in": True}, secret=spec.credentials.secret)
    return Compiled(units=(session,), endpoints=(endpoint,))


def _target(name: str) -> TargetId:
    return TargetId("vcenter", name)


def _session(name: str) -> Address:
    return Address(_target(name), Session.type, name)


VCENTER = Kind("VCenter", VCenterSpec, _publish, _compile)
