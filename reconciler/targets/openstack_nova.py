"""The few words of the Nova API that are needed, in the form that every release understands (microversion 2.1).

Everything here blocks: it runs in a thread.
"""

from __future__ import annotations

from typing import Any

from reconciler.targets.openstack_api import Api, RefusedError

_COMPUTE = "nova-compute"


class Nova:
    """One look at Nova and what follows from it. `adapter` is keystoneauth's HTTP client for the compute API."""

    def __init__(self, adapter: Any) -> None:
        """Nothing is listed yet."""
        self._api = Api(adapter, "Nova")

    def aggregate(self, name: str) -> dict[str, Any] | None:
        """Return the aggregate of that name."""
        return next((found for found in self._api.collect("/os-aggregates", "aggregates") if found["name"] == name), None)

    def compute_service(self, host: str) -> dict[str, Any] | None:
        """Return the nova-compute of that host."""
        listed = self._api.collect(f"/os-services?binary={_COMPUTE}", "services")
        return next((found for found in listed if found["host"] == host and found["binary"] == _COMPUTE), None)

    def hypervisor(self, host: str) -> dict[str, Any] | None:
        """Return the hypervisor that the compute of that host reports."""
        listed = self._api.collect("/os-hypervisors/detail", "hypervisors")
        return next((found for found in listed if found["service"]["host"] == host), None)

    def set_aggregate(self, name: str, zone: str | None, *, create: bool) -> None:
        """Give an aggregate its zone; make it when there is none and `create` says so. Raises RefusedError."""
        found = self.aggregate(name)
        if found is None and not create:
            raise RefusedError("failed", f'there is no aggregate "{name}"')
        if found is None:
            self._api.write("POST", "/os-aggregates", {"aggregate": {"name": name, "availability_zone": zone}})
        elif found["availability_zone"] != zone:
            self._api.write("PUT", f"/os-aggregates/{found['id']}", {"aggregate": {"availability_zone": zone}})

    def set_member(self, name: str, host: str, *, present: bool) -> None:
        """Take a host into an aggregate, or out of it. Raises RefusedError."""
        found = self.aggregate(name)
        if found is None:
            if present:
                raise RefusedError("failed", f'there is no aggregate "{name}"')
        elif (host in found["hosts"]) is not present:
            verb = "add_host" if present else "remove_host"
            self._api.write("POST", f"/os-aggregates/{found['id']}/action", {verb: {"host": host}})

    def delete_aggregate(self, name: str) -> None:
        """Delete an aggregate after its hosts were let go, as Nova demands. Raises RefusedError."""
        found = self.aggregate(name)
        if found is not None:
            for host in found["hosts"]:
                self._api.write("POST", f"/os-aggregates/{found['id']}/action", {"remove_host": {"host": host}})
            self._api.write("DELETE", f"/os-aggregates/{found['id']}", None)

    def enable(self, host: str) -> None:
        """Let the scheduler use a compute again. Raises RefusedError."""
        found = self.compute_service(host)
        if found is None:
            raise RefusedError("failed", f'there is no nova-compute on "{host}"')
        if found["status"] != "enabled":
            self._api.write("PUT", "/os-services/enable", {"host": host, "binary": _COMPUTE})
