"""The few words of Cinder's API that are needed, in the form that every release with API version 3 understands (3.0).

Everything here blocks: it runs in a thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from reconciler.targets.openstack_api import Api, HalfAnswerError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

_VOLUME = "cinder-volume"
_HOST = "os-vol-host-attr:host"


class Cinder:
    """One look at Cinder and what follows from it. `adapter` is keystoneauth's HTTP client for the volume API."""

    def __init__(self, adapter: Any) -> None:
        """Nothing is listed yet."""
        self._api = Api(adapter, "Cinder")

    def service(self, host: str) -> dict[str, Any] | None:
        """Return the cinder-volume of that host (`backend_host@section`)."""
        return next((found for found in self.services() if found["host"] == host), None)

    def services(self) -> list[dict[str, Any]]:
        """Return all cinder-volumes."""
        listed = self._api.collect(f"/os-services?binary={_VOLUME}", "services")
        return [found for found in listed if found["binary"] == _VOLUME]

    def namesakes(self, host: str) -> list[str]:
        """Return the cinder-volumes of other hosts that are up and serve a section of the same name (`host@section`)."""
        section = host.rpartition("@")[2]
        others = (found["host"] for found in self.services() if found["state"] == "up")
        return sorted(other for other in others if other != host and other.rpartition("@")[2] == section)

    def volumes(self, host: str) -> list[str]:
        """Return the names of the volumes of a service, whosever they are; of one without a name its id.

        A volume's host is the service's, with the pool behind `#`. All are listed, because a filter that Cinder does not know
        is left out without a word. Raises HalfAnswerError for a volume without that field, which only admins see.
        """
        listed = self._api.collect("/volumes/detail?all_tenants=1", "volumes")
        if any(_HOST not in found for found in listed):
            raise HalfAnswerError("Cinder told no hosts of the volumes: is the account an admin?")
        here = (found for found in listed if str(found[_HOST] or "").partition("#")[0] == host)
        return sorted(str(found.get("name") or found["id"]) for found in here)

    def disable(self, host: str, reason: str) -> None:
        """Let the scheduler make no more volumes there, and say why. Raises RefusedError."""
        found = self._registered(host)
        if (found["status"], found.get("disabled_reason")) != ("disabled", reason):
            body = {"host": host, "binary": _VOLUME, "disabled_reason": reason}
            self._api.write("PUT", "/os-services/disable-log-reason", body)

    def enable(self, host: str) -> None:
        """Let the scheduler make volumes there again. Raises RefusedError."""
        if self._registered(host)["status"] != "enabled":
            self._api.write("PUT", "/os-services/enable", {"host": host, "binary": _VOLUME})

    def volume_type(self, name: str) -> dict[str, Any] | None:
        """Return the type of that name, be it public or not. Raises HalfAnswerError for one without its extra specs."""
        listed = self._api.collect("/types?is_public=None", "volume_types")
        found = next((found for found in listed if found["name"] == name), None)
        return None if found is None else _whole(found)

    def volume_types(self) -> list[dict[str, Any]]:
        """Return all types. Raises HalfAnswerError for one without its extra specs."""
        return [_whole(found) for found in self._api.collect("/types?is_public=None", "volume_types")]

    def create_type(self, name: str, specs: Mapping[str, str], *, public: bool) -> None:
        """Make a type where there is none. Raises RefusedError."""
        if self.volume_type(name) is None:
            body = {"name": name, "os-volume-type-access:is_public": public, "extra_specs": dict(specs)}
            self._api.write("POST", "/types", {"volume_type": body})

    def set_specs(self, name: str, specs: Mapping[str, str | None]) -> None:
        """Set those extra specs of a type that differ, and remove those that are None. Raises RefusedError."""
        found = self._type(name)
        has, path = found["extra_specs"], f"/types/{found['id']}/extra_specs"
        written = {key: value for key, value in specs.items() if value is not None and has.get(key) != value}
        if written:
            self._api.write("POST", path, {"extra_specs": written})
        for key in (key for key, value in specs.items() if value is None and key in has):
            self._api.write("DELETE", f"{path}/{quote(key, safe='')}", None)

    def set_public(self, name: str, *, public: bool) -> None:
        """Let every project see a type, or not. Raises RefusedError."""
        found = self._type(name)
        if found["is_public"] is not public:
            self._api.write("PUT", f"/types/{found['id']}", {"volume_type": {"is_public": public}})

    def delete_type(self, name: str) -> None:
        """Delete a type; Cinder refuses it while volumes are of it. Raises RefusedError."""
        found = self.volume_type(name)
        if found is not None:
            self._api.write("DELETE", f"/types/{found['id']}", None)

    def _registered(self, host: str) -> dict[str, Any]:
        found = self.service(host)
        if found is None:
            raise RefusedError("failed", f'there is no cinder-volume "{host}"')
        return found

    def _type(self, name: str) -> dict[str, Any]:
        found = self.volume_type(name)
        if found is None:
            raise RefusedError("failed", f'there is no volume type "{name}"')
        return found


def _whole(found: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(found.get("extra_specs"), dict):
        raise HalfAnswerError(f'Cinder told no extra_specs of the volume type "{found["name"]}": is the account an admin?')
    return found
