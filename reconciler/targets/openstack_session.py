"""The login to an OpenStack, and what its failures mean for a person. Everything here blocks: it runs in a thread.

Used is keystoneauth, the session layer of openstacksdk: it knows tokens, catalogs and versions, takes half as long to
import as the whole kit (0.2 s, so it is imported when a connection is made), and leaves reading the bodies to us.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from reconciler.targets import TargetError
from reconciler.targets.fence import UNFENCED, Fence
from reconciler.targets.fenced_http import fenced_adapter
from reconciler.targets.openstack_api import ApiError, HalfAnswerError

if TYPE_CHECKING:
    from resources.endpoints import OpenStackEndpoint

_VOLUME, _IMAGE = "block-storage", "image"
"""The APIs' types; keystoneauth knows their other names in catalogs, volumev3 above all."""

_APIS = {_VOLUME: "volume", _IMAGE: "image"}
"""What people call those services."""

_FORBIDDEN = 403
_UNAUTHORIZED = 401


def connect(endpoint: OpenStackEndpoint, *, timeout_s: float, fence: Fence = UNFENCED) -> Any:
    """Return keystoneauth's HTTP client for the compute API, found in the catalog; it logs in when it is used.

    The environment and clouds.yaml have no say in it. `timeout_s` is for each read of a socket.
    """
    from keystoneauth1.adapter import Adapter  # noqa: PLC0415 - see the module's docstring
    from keystoneauth1.identity.v3 import Password  # noqa: PLC0415
    from keystoneauth1.session import Session  # noqa: PLC0415

    account = Password(
        auth_url=endpoint.auth_url,
        username=endpoint.username,
        password=endpoint.password.reveal,
        project_name=endpoint.project,
        user_domain_name=endpoint.user_domain,
        project_domain_name=endpoint.project_domain,
    )
    session = Session(auth=account, verify=endpoint.ca_file or True, timeout=timeout_s, app_name="bivisor")
    for scheme in ("http://", "https://"):
        session.mount(scheme, fenced_adapter(fence))
    # The version makes keystoneauth look behind catalog URLs that name none.
    return Adapter(
        session,
        service_type="compute",
        interface="public",
        region_name=endpoint.region,
        version="2.1",
        raise_exc=False,
    )


def volume_api(connection: Any) -> Any:
    """Return the client for the volume API beside the connection's own: the same login and sockets."""
    return _adapter(connection, _VOLUME, "3.0")


def image_api(connection: Any) -> Any:
    """Return the client for the image API, likewise."""
    return _adapter(connection, _IMAGE, "2")


def _adapter(connection: Any, service_type: str, version: str) -> Any:
    from keystoneauth1.adapter import Adapter  # noqa: PLC0415 - see the module's docstring

    return Adapter(
        connection.session,
        service_type=service_type,
        interface=connection.interface,
        region_name=connection.region_name,
        version=version,
        raise_exc=False,
    )


def close_connection(connection: Any) -> None:
    """Close the sockets; never raises."""
    with suppress(Exception):
        connection.session.close()


def explain(endpoint: OpenStackEndpoint, error: Exception, timeout_s: float) -> TargetError:
    """Return the error as a sentence for a person, with what to do about it."""
    from keystoneauth1 import exceptions as keystone  # noqa: PLC0415 - see the module's docstring

    who, url = f'user "{endpoint.username}" of project "{endpoint.project}"', endpoint.auth_url
    match error:
        case keystone.http.Unauthorized() | ApiError(status=401):
            reason = f"Keystone at {url} refuses {who}: correct the credentials that spec.identity of the Cluster names"
        case keystone.http.Forbidden() | ApiError(status=403):
            reason = f"{who} may not do this: {error}; Bivisor needs an admin of the cloud"
        case keystone.catalog.EndpointNotFound():
            api = next((api for service, api in _APIS.items() if service in str(error)), "compute")
            reason = f'the catalog of {url} has no {api} API in region "{endpoint.region}": correct spec.region of the Cluster'
        case keystone.connection.SSLError():
            trusted = endpoint.ca_file or "the system's authorities"
            reason = f"the certificate of an API behind {url} is not trusted by {trusted}: {_cause(error)}"
        case keystone.connection.ConnectTimeout():
            reason = f"an API behind {url} does not answer within {timeout_s:g} s: {error}"
        case keystone.connection.ConnectFailure() | keystone.connection.UnknownConnectionError():
            reason = f"an API behind {url} cannot be reached: {_cause(error)}"
        case HalfAnswerError():
            reason = f"half an answer: {error}"
        case ApiError():
            reason = f"{error.api} answered {error.status}: {error}"
        case keystone.discovery.DiscoveryFailure():
            reason = f"what answers at {url} is no Keystone: {error}"
        case _:
            reason = f"{type(error).__name__}: {error}"
    never = (
        keystone.http.Unauthorized,
        keystone.http.Forbidden,
        keystone.catalog.EndpointNotFound,
        keystone.connection.SSLError,
    )
    refused = isinstance(error, ApiError) and error.status in {_UNAUTHORIZED, _FORBIDDEN}
    return TargetError(endpoint.target, reason, retry=not (refused or isinstance(error, never)))


def _cause(error: BaseException) -> str:
    """Return the innermost words: the layers between repeat the URL and each other."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return str(error)
