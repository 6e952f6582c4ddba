"""An OpenStack: aggregates, computes, volume services and types, images, by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from resources.contract import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from resources.contract import Action, Query

    Row = dict[str, Any]


@dataclass(slots=True)
class OpenStack:
    """The rows of its APIs by name; `now` is Nova's clock."""

    aggregates: dict[str, Row] = field(default_factory=dict)
    computes: dict[str, Row] = field(default_factory=dict)
    instances: dict[str, list[str]] = field(default_factory=dict)
    volume_services: dict[str, Row] = field(default_factory=dict)
    volumes: dict[str, list[str]] = field(default_factory=dict)
    types: dict[str, Row] = field(default_factory=dict)
    images: dict[str, Row] = field(default_factory=dict)
    hypervisors: list[dict[str, str]] = field(default_factory=list)
    now: int = 10_000

    def things(self) -> Iterator[tuple[str, str]]:
        """Yield everything that can change, by name, with its state as a text."""
        for what in ("aggregates", "computes", "instances", "volume_services", "volumes", "types", "images"):
            yield from ((f"{what} {name}", repr(state)) for name, state in getattr(self, what).items())

    def answer(self, query: Query) -> Reply:
        """Answer one question."""
        asked: dict[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
            "aggregate.get": self._aggregate,
            "compute_service.get": self._compute,
            "computes.list": lambda _: {"computes": [{"host": host, **row} for host, row in self.computes.items()]},
            "hypervisors.list": lambda _: {"hypervisors": self.hypervisors},
            "instances.list": lambda args: {"instances": self.instances.get(args["host"], [])},
            "volume_service.get": self._volume_service,
            "volumes.list": lambda args: {"volumes": self.volumes.get(args["host"], [])},
            "volume_type.get": self._type,
            "image.find": lambda args: {
                "images": [
                    {"id": key, "fields": row["fields"]} for key, row in self.images.items() if row["name"] == args["name"]
                ]
            },
        }
        if query.op not in asked:
            return Reply({}, "unsupported", query.op)
        return Reply(asked[query.op](query.args))

    def do(self, action: Action) -> Reply:
        """Carry out one action."""
        kind, _, verb = action.op.partition(".")
        changes: dict[str, Callable[[str, Mapping[str, Any]], str | None]] = {
            "aggregate": self._change_aggregate,
            "compute_service": self._change_compute,
            "volume_service": self._change_volume_service,
            "volume_type": self._change_type,
            "image": self._change_image,
        }
        refusal = changes[kind](verb, action.args) if kind in changes else "unsupported"
        return Reply({}) if refusal is None else Reply({}, "unsupported" if refusal == "unsupported" else "failed", refusal)

    def _aggregate(self, args: Mapping[str, Any]) -> Row:
        found = self.aggregates.get(args["name"])
        if found is None:
            return {"exists": False, "id": None, "availability_zone": None, "hosts": [], "metadata": {}, "instances": None}
        moved = args.get("zone") not in (None, found["availability_zone"])
        instances = {host: self.instances.get(host, []) for host in found["hosts"]} if moved else None
        return {"exists": True, "id": 1, **found, "metadata": {}, "instances": instances}

    def _compute(self, args: Mapping[str, Any]) -> Row:
        row = self.computes.get(args["host"])
        blank = dict.fromkeys(("id", "state", "status", "disabled_reason", "reported_at", "hypervisor"))
        clock = {"newest_report": self.now, "others_report": self.now}
        return {"exists": row is not None, **blank, **(row or {}), **clock}

    def _volume_service(self, args: Mapping[str, Any]) -> Row:
        row = self.volume_services.get(args["host"])
        blank = dict.fromkeys(("state", "status", "disabled_reason", "availability_zone"))
        return {"exists": row is not None, **blank, **(row or {})}

    def _type(self, args: Mapping[str, Any]) -> Row:
        row = self.types.get(args["name"])
        return {"exists": False, "id": None, "public": None, "specs": {}} if row is None else {"exists": True, "id": "1", **row}

    def _change_aggregate(self, verb: str, args: Mapping[str, Any]) -> str | None:
        name, row = args["name"], self.aggregates.get(args["name"])
        match verb:
            case "create":
                self.aggregates.setdefault(name, {"hosts": []})["availability_zone"] = args["availability_zone"]
            case "delete":
                self.aggregates.pop(name, None)
            case _ if row is None:
                return f'there is no aggregate "{name}"'
            case "set":
                row["availability_zone"] = args["availability_zone"]
            case "add_host":
                row["hosts"] = sorted({*row["hosts"], args["host"]})
            case "remove_host":
                row["hosts"] = sorted({*row["hosts"]} - {args["host"]})
            case _:
                return "unsupported"
        return None

    def _change_compute(self, verb: str, args: Mapping[str, Any]) -> str | None:
        row = self.computes.get(args["host"])
        if verb == "delete":
            self.computes.pop(args["host"], None)
            return None
        return _enable(row, verb, args)

    def _change_volume_service(self, verb: str, args: Mapping[str, Any]) -> str | None:
        return _enable(self.volume_services.get(args["host"]), verb, args) if verb == "disable" else "unsupported"

    def _change_type(self, verb: str, args: Mapping[str, Any]) -> str | None:
        name, row = args["name"], self.types.get(args["name"])
        match verb:
            case "create":
                self.types.setdefault(name, {"public": args["public"], "specs": _set({}, args["specs"])})
            case "delete":
                self.types.pop(name, None)
            case _ if row is None:
                return f'there is no volume type "{name}"'
            case "set_specs":
                row["specs"] = _set(row["specs"], args["specs"])
            case "set_public":
                row["public"] = args["public"]
            case _:
                return "unsupported"
        return None

    def _change_image(self, verb: str, args: Mapping[str, Any]) -> str | None:
        if verb != "set":
            return "unsupported"
        row = self.images.get(args["id"])
        if row is None:
            return f"there is no image {args['id']}"
        row["fields"] = _set(row["fields"], args["properties"])
        return None


def _enable(row: Row | None, verb: str, args: Mapping[str, Any]) -> str | None:
    if row is None:
        return f'there is no service on "{args["host"]}"'
    if verb not in ("enable", "disable"):
        return "unsupported"
    row.update(status=f"{verb}d", disabled_reason=args.get("reason"))
    return None


def _set(fields: Mapping[str, str], wanted: Mapping[str, str | None]) -> dict[str, str]:
    merged: dict[str, str | None] = {**fields, **wanted}
    return {name: value for name, value in merged.items() if value is not None}
