"""The few words of the Nova API that are needed, in the form that every release understands (microversion 2.1).

Everything here blocks: it runs in a thread.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from reconciler.targets.openstack_api import Api, ApiError, HalfAnswerError, RefusedError

_COMPUTE = "nova-compute"

_TELLS_DOWN_CELLS = "2.69"
"""The microversion, of Stein, from which on the computes of a cell that is down are listed, with the status UNKNOWN."""

_NOT_ACCEPTABLE = 406

_ENDED = frozenset({"confirmed", "reverted", "error", "failed", "completed", "cancelled", "done"})
"""The statuses of migrations that are over (nova/db/main/api.py, migration_get_in_progress_by_host_and_node)."""


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
        return sorted(str(found["name"]) for found in self._servers(host))

    def lodgers(self, host: str) -> list[str]:
        """Return what needs a compute: its instances, and those that are being moved from it or to it, by their ids.

        An instance that was moved and not yet confirmed is its new host's, and needs the former one. Raises HalfAnswerError
        while a cell is down: Nova then leaves out the computes and instances of that cell.
        """
        self._hear_every_cell()
        moves = self._api.collect(f"/os-migrations?{urlencode({'host': host})}", "migrations")
        ends = [(found["status"], found["source_compute"], found["dest_compute"], found["instance_uuid"]) for found in moves]
        here = {str(found["id"]) for found in self._servers(host)}
        moving = {str(uuid) for status, *hosts, uuid in ends if status not in _ENDED and host in hosts} - here
        return [*self.instances(host), *(f"{uuid}, which is being moved" for uuid in sorted(moving))]

    def _hear_every_cell(self) -> None:
        try:
            listed = self._api.collect("/os-services", "services", microversion=_TELLS_DOWN_CELLS)
        except ApiError as error:
            if error.status != _NOT_ACCEPTABLE:
                raise
            return  # older than Stein, where a cell that is down is an error of the whole listing
        silent = sorted(str(found["host"]) for found in listed if found["status"] == "UNKNOWN")
        if silent:
            raise HalfAnswerError(f"a cell of Nova does not answer, that of {', '.join(silent)}")

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

    def _servers(self, host: str) -> list[dict[str, Any]]:
        return self._api.collect(f"/servers?{urlencode({'all_tenants': 'True', 'host': host})}", "servers")

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
