"""Cinder's API version 3 as far as the openstack target speaks it. Bodies follow its API reference."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

BASE = "/volume/v3"


class CinderFaultError(Exception):
    """An error answer of Cinder: status, the name of its body, message."""

    def __init__(self, status: int, name: str, message: str) -> None:
        """Keep what the body says."""
        super().__init__(message)
        self.status = status
        self.body = {name: {"code": status, "message": message}}


@dataclass
class SmallCinder:
    """What Cinder holds; `page` is how many types it tells at once, `in_use` the names of types that volumes have."""

    services: list[dict[str, Any]] = field(default_factory=list)
    types: list[dict[str, Any]] = field(default_factory=list)
    volumes: list[dict[str, Any]] = field(default_factory=list)
    in_use: set[str] = field(default_factory=set)
    page: int = 1000

    def add_service(self, host: str, zone: str, **fields: Any) -> None:
        """Let a cinder-volume have registered."""
        service = {"binary": "cinder-volume", "host": host, "zone": zone, "state": "up", "status": "enabled"}
        self.services.append({**service, "updated_at": "2026-01-01T00:00:00.000000", "disabled_reason": None, **fields})

    def add_type(self, name: str, *, public: bool = True, **specs: str) -> dict[str, Any]:
        """Let a type have been made."""
        made = {"id": f"type-{len(self.types) + 1}", "name": name, "is_public": public, "description": None}
        self.types.append({**made, "extra_specs": dict(specs)})
        return self.types[-1]

    def add_volume(self, name: str | None, host: str | None) -> None:
        """Let a volume have been made; its host is known when it was scheduled."""
        self.volumes.append({"id": f"volume-{len(self.volumes) + 1}", "name": name, "os-vol-host-attr:host": host})

    def answer(  # noqa: PLR0911 - one for each call
        self, method: str, path: str, query: dict[str, str], body: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Answer a call. Raises CinderFaultError."""
        match method, path.strip("/").split("/"):
            case "GET", ["os-services"]:
                return {"services": self.services}
            case "PUT", ["os-services", verb]:
                (found,) = (each for each in self.services if (each["host"], each["binary"]) == (body["host"], body["binary"]))
                status = {"enable": "enabled", "disable-log-reason": "disabled"}[verb]
                found |= {"status": status, "disabled_reason": body.get("disabled_reason")}
                return body
            case "GET", ["volumes", "detail"]:
                return {"volumes": self.volumes if query.get("all_tenants") == "1" else []}
            case "GET", ["types"]:
                return self._page(
                    [found for found in self.types if found["is_public"] or query.get("is_public") == "None"], query
                )
            case "POST", ["types"]:
                return {"volume_type": self._create(body["volume_type"])}
            case "PUT", ["types", number]:
                self._find(number)["is_public"] = body["volume_type"]["is_public"]
                return {"volume_type": self._find(number)}
            case "DELETE", ["types", number]:
                self.types.remove(self._free(number))
                return None
            case "POST", ["types", number, "extra_specs"]:
                self._free(number)["extra_specs"].update(body["extra_specs"])
                return body
            case "DELETE", ["types", number, "extra_specs", name]:
                del self._free(number)["extra_specs"][name.replace("%3A", ":")]
                return None
        raise CinderFaultError(404, "itemNotFound", "The resource could not be found.")

    def _page(self, found: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
        ids = [each["id"] for each in found]
        start = ids.index(query["marker"]) + 1 if "marker" in query else 0
        shown = found[start : start + self.page]
        more = {"volume_type_links": [{"rel": "next", "href": "elsewhere"}]} if start + self.page < len(found) else {}
        return {"volume_types": shown, **more}

    def _create(self, wanted: dict[str, Any]) -> dict[str, Any]:
        if any(found["name"] == wanted["name"] for found in self.types):
            raise CinderFaultError(409, "conflictingRequest", f"Volume Type {wanted['name']} already exists.")
        return self.add_type(wanted["name"], public=wanted["os-volume-type-access:is_public"], **wanted["extra_specs"])

    def _find(self, number: str) -> dict[str, Any]:
        return next(found for found in self.types if found["id"] == number)

    def _free(self, number: str) -> dict[str, Any]:
        found = self._find(number)
        if found["name"] in self.in_use:
            raise CinderFaultError(400, "badRequest", "Volume Type is currently in use.")
        return found
