"""The account that a person uses with OpenStack's own tools: of clouds.yaml, or of the environment (`OS_AUTH_URL`, …)."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from reconciler.targets import TargetError
from resources.contract import SecretText, TargetId
from resources.endpoints import OpenStackEndpoint

_WAYS = (
    "name one of clouds.yaml with --os-cloud, or set OS_AUTH_URL, OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME and OS_REGION_NAME"
)


def account(target: TargetId, cloud: str) -> OpenStackEndpoint:
    """Return how to log in. Raises TargetError with what is missing."""
    from keystoneauth1.exceptions import ClientException  # noqa: PLC0415 - slow to import
    from openstack.config import OpenStackConfig  # noqa: PLC0415 - as above
    from openstack.exceptions import ConfigException  # noqa: PLC0415 - as above

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = OpenStackConfig(app_name="bivisor").get_one(cloud=cloud or None)
    except (ConfigException, ClientException, OSError) as error:
        raise TargetError(target, f"no account: {error}; {_WAYS}", retry=False) from error
    auth: dict[str, Any] = dict(found.config.get("auth") or {})
    missing = [name for name in ("auth_url", "username", "password", "project_name") if not auth.get(name)]
    if missing:
        raise TargetError(target, f"the account has no {', '.join(missing)}: {_WAYS}", retry=False)
    return OpenStackEndpoint(
        target=target,
        auth_url=_of_version_3(str(auth["auth_url"])),
        region=str(found.config.get("region_name") or "RegionOne"),
        username=str(auth["username"]),
        password=SecretText(str(auth["password"])),
        project=str(auth["project_name"]),
        user_domain=_domain(target, auth, "user_domain"),
        project_domain=_domain(target, auth, "project_domain"),
        ca_file=str(Path(cacert).expanduser().absolute()) if (cacert := found.config.get("cacert")) else "",
    )


def _of_version_3(url: str) -> str:
    """Return Keystone's address with the version, which people's files may leave to be found out."""
    plain = url.rstrip("/")
    return plain if plain.endswith("/v3") else f"{plain}/v3"


def _domain(target: TargetId, auth: dict[str, Any], which: str) -> str:
    """Return a domain's name; the one with the id `default` is called Default. Raises TargetError for another id alone."""
    name = auth.get(f"{which}_name") or auth.get("domain_name")
    number = auth.get(f"{which}_id") or auth.get("domain_id") or "default"
    if not name and number != "default":
        option = f"OS_{which.upper()}_NAME"
        raise TargetError(target, f"the account names its domain by an id: set {option}, or {which}_name in clouds.yaml")
    return "Default" if (name or "default") == "default" else str(name)
