"""The few words of the Nova API that are needed, in the form that every release understands (microversion 2.1).

Everything here blocks: it runs in a thread.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from reconciler.targets.openstack_api import Api, RefusedError

_COMPUTE = "nova-compute"


class Nova:
    """One look at Nova and what follows from it. `adapter` is keystoneauth's HTTP client for the compute API."""

    def __init__(self, adapter: Any) -> None:
        """Nothing is listed yet."""
        self._api = Api(adapter, "Nova")

    def aggregate(self, name: str) -> dict[str, Any] | None:
        """Return the aggregate of that name."""
        return next((found for found in self.aggregates() if found["name"] == name), None)

    def aggregates(self) -> list[dict[str, Any]]:
        """Return all aggregates."""
        return self._api.collect("/os-aggregates", "aggregates")

    def compute_service(self, host: str) -> dict[str, Any] | None:
        """Return the nova-compute of that host."""
        return self._computes_by_host.get(host)

    def compute_services(self) -> list[dict[str, Any]]:
        """Return all nova-computes."""
        return [found for found in self._api.collect("/os-services", "services") if found["binary"] == _COMPUTE]

    @cached_property
    def newest_report(self) -> int | None:
        """When Nova heard last of any of its services, in Unix time: what "now" is by its own clock.

        They report every few seconds (`report_interval`, 10). When all are silent (the database is away), time stands still,
        and nobody is late.
        """
        moments = [moment(found.get("updated_at")) for found in self._api.collect("/os-services", "services")]
        return max((found for found in moments if found is not None), default=None)

    def others_report(self, host: str) -> int | None:
        """Return when Nova heard last of a nova-compute on another host, in Unix time; None where there is none."""
        return max((at for other, at in self._reports.items() if other != host), default=None)

    def hypervisor(self, host: str) -> dict[str, Any] | None:
        """Return the hypervisor that the compute of that host reports."""
        return self._hypervisors_by_host.get(host)

    def hypervisors(self) -> list[dict[str, Any]]:
        """Return all hypervisors."""
        return self._api.collect("/os-hypervisors/detail", "hypervisors")

    def hypervisor_uuids(self) -> dict[str, str]:
        """Return the UUID of each hypervisor, by its name; Nova tells it since Pike (microversion 2.53)."""
        listed = self._api.collect("/os-hypervisors/detail", "hypervisors", microversion="2.53")
        return {str(found["hypervisor_hostname"]): str(found["id"]) for found in listed}

    def instances(self, host: str) -> list[str]:
        """Return the names of all instances of a compute, whosever they are."""
        listed = self._api.collect(f"/servers?{urlencode({'all_tenants': 'True', 'host': host})}", "servers")
        return sorted(str(found["name"]) for found in listed)

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
        if self._registered(host)["status"] != "enabled":
            self._api.write("PUT", "/os-services/enable", {"host": host, "binary": _COMPUTE})

    def disable(self, host: str, reason: str) -> None:
        """Let the scheduler use a compute no more, and say why. Raises RefusedError."""
        found = self._registered(host)
        if (found["status"], found["disabled_reason"]) != ("disabled", reason):
            body = {"host": host, "binary": _COMPUTE, "disabled_reason": reason}
            self._api.write("PUT", "/os-services/disable-log-reason", body)

    def delete_service(self, host: str) -> None:
        """Forget a compute; Nova refuses while instances live there (since 18.0.0; LP1646255). Raises RefusedError."""
        found = self.compute_service(host)
        if found is not None:
            self._api.write("DELETE", f"/os-services/{found['id']}", None)

    def _registered(self, host: str) -> dict[str, Any]:
        found = self.compute_service(host)
        if found is None:
            raise RefusedError("failed", f'there is no nova-compute on "{host}"')
        return found

    @cached_property
    def _computes_by_host(self) -> dict[str, dict[str, Any]]:
        return {found["host"]: found for found in reversed(self.compute_services())}

    @cached_property
    def _hypervisors_by_host(self) -> dict[str, dict[str, Any]]:
        return {found["service"]["host"]: found for found in reversed(self.hypervisors())}

    @cached_property
    def _reports(self) -> dict[str, int]:
        moments = ((found["host"], moment(found.get("updated_at"))) for found in self.compute_services())
        return {host: at for host, at in moments if at is not None}


def moment(text: object) -> int | None:
    """Return a time of the API (`2026-01-01T00:00:00.000000`, in UTC) as Unix time; None for none."""
    try:
        return int(datetime.fromisoformat(str(text)).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None
