"""Keystone v3, Nova 2.1 and Glance 2 over real HTTP, as far as the openstack target speaks them; its fields make it misbehave.

Bodies follow the API references of the projects.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from tests.targets.small_cinder import BASE as VOLUME
from tests.targets.small_cinder import CinderFaultError, SmallCinder

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

REGION = "RegionOne"


class ApiFaultError(Exception):
    """An error answer of Nova or Glance."""

    def __init__(self, status: int, message: str) -> None:
        """Keep status and message."""
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass
class Cloud:
    """What the cloud holds, who may log in, and how it misbehaves.

    The computes in `down_cell` are left out, or told as unknown from microversion 2.69 on. `silent` paths never answer,
    `broken` ones give status and text as they are, `half` ones break off in the middle.
    """

    url: str = ""
    catalog_path: str = "/compute/v2.1"
    password: str = "canary-password"  # noqa: S105 - of this cloud only
    aggregates: list[dict[str, Any]] = field(default_factory=list)
    computes: list[dict[str, Any]] = field(default_factory=list)
    hypervisors: list[dict[str, Any]] = field(default_factory=list)
    has_cinder: bool = True
    cinder: SmallCinder = field(default_factory=SmallCinder)
    images: list[dict[str, Any]] = field(default_factory=list)
    has_image_api: bool = True
    instances: dict[str, list[str]] = field(default_factory=dict)
    migrations: list[dict[str, Any]] = field(default_factory=list)
    down_cell: tuple[str, ...] = ()
    newest_microversion: str = "2.93"
    silent: set[str] = field(default_factory=set)
    half: set[str] = field(default_factory=set)
    broken: dict[str, tuple[int, str]] = field(default_factory=dict)
    microversion: str = ""
    tokens: set[str] = field(default_factory=set)
    seen: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    released: threading.Event = field(default_factory=threading.Event)

    def add_compute(self, host: str, kind: str, **fields: Any) -> None:
        """Let a nova-compute have registered, with its hypervisor."""
        number = len(self.computes) + 1
        service = {"id": number, "binary": "nova-compute", "host": host, "zone": "nova", "state": "up", "status": "enabled"}
        self.computes.append({**service, "disabled_reason": None, "updated_at": "2026-01-01T00:00:00.000000", **fields})
        shown = {
            "id": number,
            "hypervisor_type": kind,
            "hypervisor_hostname": f"{host}.hypervisor",
            "state": "up",
            "status": "enabled",
        }
        self.hypervisors.append({**shown, "service": {"id": number, "host": host, "disabled_reason": None}})

    def add_image(self, name: str, **fields: Any) -> dict[str, Any]:
        """Let somebody have uploaded an image; fields beside those of every image are its properties."""
        number = f"image-{len(self.images) + 1}"
        whole = {"id": number, "name": name, "status": "active", "visibility": "public", "owner": "p", "size": 1, "tags": []}
        self.images.append({**whole, "disk_format": "qcow2", "min_disk": 0, "os_hidden": False, "virtual_size": None, **fields})
        return self.images[-1]

    def count(self, text: str) -> int:
        """Return how many requests of that method and path came."""
        return self.seen.count(text)

    def nova(  # noqa: C901, PLR0911 - one branch for each call
        self, method: str, path: str, query: dict[str, list[str]], body: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Answer Nova's calls. Raises ApiFaultError."""
        match method, path.strip("/").split("/"):
            case "GET", ["os-services"]:
                return {"services": self._services()}
            case "GET", ["os-migrations"]:
                return {"migrations": self.migrations}
            case "GET", ["os-hypervisors", "detail"]:
                uuids = self.microversion == "compute 2.53"
                shown = [{**each, "id": f"uuid-of-{each['service']['host']}"} for each in self.hypervisors]
                return {"hypervisors": shown if uuids else self.hypervisors}
            case "GET", ["os-aggregates"]:
                return {"aggregates": self.aggregates}
            case "POST", ["os-aggregates"]:
                return {"aggregate": self._create(**body["aggregate"])}
            case "PUT", ["os-aggregates", number]:
                return {"aggregate": self._rezone(int(number), body["aggregate"]["availability_zone"])}
            case "DELETE", ["os-aggregates", number]:
                self._delete(int(number))
                return None
            case "POST", ["os-aggregates", number, "action"]:
                return {"aggregate": self._member(int(number), body)}
            case "PUT", ["os-services", "enable"]:
                return {"service": self._enable(body["host"])}
            case "PUT", ["os-services", "disable-log-reason"]:
                return {"service": self._enable(body["host"], "disabled", body["disabled_reason"])}
            case "DELETE", ["os-services", number]:
                self._forget(int(number))
                return None
            case "GET", ["servers"]:
                return {"servers": [{"id": name, "name": name} for name in self.instances.get(query["host"][0], ())]}
        raise ApiFaultError(404, "The resource could not be found.")

    def _services(self) -> list[dict[str, Any]]:
        asked = self.microversion.removeprefix("compute ") or "2.1"
        if int(asked.partition(".")[2]) > int(self.newest_microversion.partition(".")[2]):
            raise ApiFaultError(406, f"Version {asked} is not supported by the API.")
        down = [{"binary": "nova-compute", "host": host, "status": "UNKNOWN", "id": host} for host in self.down_cell]
        known = [found for found in self.computes if found["host"] not in self.down_cell]
        return known + (down if asked == "2.69" else [])

    def glance(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> dict[str, Any]:
        """Answer Glance's calls; a page of a listing holds two images. Raises ApiFaultError."""
        match method, path.strip("/").split("/"):
            case "GET", ["images"]:
                name = query.get("name", [None])[0]
                asked = f"&name={name}" if name else ""
                named = [image for image in self.images if name in (image["name"], None) and not image["os_hidden"]]
                begin = int(query.get("marker", ["0"])[0])
                more = {"next": f"/v2/images?marker={begin + 2}{asked}"} if len(named) > begin + 2 else {}
                return {"images": named[begin : begin + 2], "first": f"/v2/images?{asked}", **more}
            case "GET", ["images", number]:
                return self._image(number)
            case "PATCH", ["images", number]:
                return self._patch(self._image(number), body)
        raise ApiFaultError(404, "The resource could not be found.")

    def _image(self, number: str) -> dict[str, Any]:
        for image in self.images:
            if image["id"] == number:
                return image
        raise ApiFaultError(404, f"No image found with ID {number}")

    def _patch(self, image: dict[str, Any], body: Any) -> dict[str, Any]:
        for change in body:
            name = change["path"].removeprefix("/").replace("~1", "/").replace("~0", "~")
            assert change["op"] == "add"
            if name.startswith("os_glance"):
                raise ApiFaultError(403, f"Property '{name}' is reserved.")
            image[name] = change["value"]
        return image

    def _create(self, name: str, availability_zone: str | None) -> dict[str, Any]:
        if any(found["name"] == name for found in self.aggregates):
            raise ApiFaultError(409, f"Aggregate {name} already exists.")
        metadata = {"availability_zone": availability_zone} if availability_zone else {}
        made = {"id": len(self.aggregates) + 1, "name": name, "availability_zone": availability_zone, "metadata": metadata}
        self.aggregates.append({**made, "hosts": []})
        return made

    def _rezone(self, number: int, zone: str) -> dict[str, Any]:
        found = self._find(number)
        found["availability_zone"] = found["metadata"]["availability_zone"] = zone
        return found

    def _delete(self, number: int) -> None:
        if self._find(number)["hosts"]:
            raise ApiFaultError(400, "Host aggregate is not empty.")
        self.aggregates.remove(self._find(number))

    def _member(self, number: int, body: dict[str, Any]) -> dict[str, Any]:
        found = self._find(number)
        ((verb, args),) = body.items()
        host = args["host"]
        if verb == "remove_host":
            found["hosts"].remove(host)
            return found
        if not any(compute["host"] == host for compute in self.computes):
            raise ApiFaultError(404, f"Compute host {host} could not be found.")
        if any(host in other["hosts"] for other in self.aggregates):
            raise ApiFaultError(409, f"Cannot add host {host}: it is in another availability zone.")
        found["hosts"].append(host)
        return found

    def _enable(self, host: str, status: str = "enabled", reason: str | None = None) -> dict[str, Any]:
        found = next(compute for compute in self.computes if compute["host"] == host)
        found |= {"status": status, "disabled_reason": reason}
        return found

    def _forget(self, number: int) -> None:
        found = next(compute for compute in self.computes if compute["id"] == number)
        if self.instances.get(found["host"]):
            raise ApiFaultError(409, "Unable to delete compute service that is hosting instances.")
        self.computes.remove(found)

    def _find(self, number: int) -> dict[str, Any]:
        return next(found for found in self.aggregates if found["id"] == number)

    def login(self, body: dict[str, Any]) -> str | None:
        """Return a new token, None for wrong credentials."""
        user = body["auth"]["identity"]["password"]["user"]
        if (user["name"], user["password"]) != ("admin", self.password):
            return None
        token = f"token-{len(self.tokens) + 1}"
        self.tokens.add(token)
        return token


class _Handler(BaseHTTPRequestHandler):
    """One request: faults first, then Keystone, then Nova."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    cloud: Cloud

    def log_message(self, *_: object) -> None:
        """Write no log."""

    def parse_request(self) -> bool:
        """Serve all methods alike: the base class calls `do_METHOD`, its own habit of names."""
        if super().parse_request():
            self._serve()
        return False

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        path = urlsplit(self.path).path
        self.cloud.seen.append(f"{self.command} {path}")
        if path in self.cloud.silent:
            self.cloud.released.wait(timeout=60)
            self.close_connection = True
            return
        if path in self.cloud.broken:
            status, text = self.cloud.broken[path]
            self._send(status, text.encode(), {})
            return
        with self.cloud.lock:
            api = next((api for start, api in self._apis().items() if path.startswith(start)), self._nova)
            status, answer, headers = api(path, body)
        content = answer.encode() if isinstance(answer, str) else b"" if answer is None else json.dumps(answer).encode()
        self._send(status, content, headers, half=path in self.cloud.half)

    def _apis(self) -> dict[str, Callable[[str, dict[str, Any]], tuple[int, dict[str, Any] | str | None, dict[str, str]]]]:
        return {"/identity": self._keystone, "/volume": self._cinder, "/image": self._glance}

    def _cinder(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any] | None, dict[str, str]]:
        if self.headers.get("X-Auth-Token") not in self.cloud.tokens:
            return 401, {"error": {"code": 401, "message": "Unauthorized"}}, {}
        query = dict(parse_qsl(urlsplit(self.path).query))
        try:
            return 200, self.cloud.cinder.answer(self.command, path.removeprefix(f"{VOLUME}/p"), query, body), {}
        except CinderFaultError as fault:
            return fault.status, fault.body, {}

    def _keystone(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any] | None, dict[str, str]]:
        url = f"{self.cloud.url}/identity/v3"
        if path.rstrip("/") in {"/identity", "/identity/v3"}:
            version = {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": url}], "media-types": []}
            return 200, {"version": version}, {}
        token = self.cloud.login(body) if path == "/identity/v3/auth/tokens" else None
        if token is None:
            return 401, {"error": {"code": 401, "message": "The request you have made requires authentication."}}, {}
        catalog = [
            _entry("compute", "nova", f"{self.cloud.url}{self.cloud.catalog_path}"),
            *([_entry("volumev3", "cinderv3", f"{self.cloud.url}{VOLUME}/p")] if self.cloud.has_cinder else ()),
            *([_entry("image", "glance", f"{self.cloud.url}/image")] if self.cloud.has_image_api else ()),
        ]
        return 201, {"token": _token(catalog)}, {"X-Subject-Token": token}

    def _glance(self, path: str, body: Any) -> tuple[int, dict[str, Any] | str, dict[str, str]]:
        if path.rstrip("/") == "/image":
            links = [{"rel": "self", "href": f"{self.cloud.url}/image/v2/"}]
            return 300, {"versions": [{"id": "v2.15", "status": "CURRENT", "links": links}]}, {}
        if self.headers.get("X-Auth-Token") not in self.cloud.tokens:
            return 401, "<html><body>This server could not verify you.</body></html>", {}
        try:
            query = parse_qs(urlsplit(self.path).query)
            return 200, self.cloud.glance(self.command, path.removeprefix("/image/v2"), query, body), {}
        except ApiFaultError as fault:
            head = f"<head>\n  <title>{fault.status} Error</title>\n </head>"
            body = f"<body>\n  <h1>{fault.status} Error</h1>\n  {escape(fault.message)}<br /><br />\n </body>"
            return fault.status, f"<html>\n {head}\n {body}\n</html>", {"Content-Type": "text/html; charset=UTF-8"}

    def _nova(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any] | None, dict[str, str]]:
        base = "/compute/v2.1"
        if path.rstrip("/") in {"/compute", base}:
            numbers = {"id": "v2.1", "status": "CURRENT", "version": "2.93", "min_version": "2.1"}
            version = {**numbers, "links": [{"rel": "self", "href": f"{self.cloud.url}{base}/"}]}
            return 200, {"version": version} if path.rstrip("/") == base else {"versions": [version]}, {}
        if self.headers.get("X-Auth-Token") not in self.cloud.tokens:
            return 401, {"error": {"code": 401, "message": "Unauthorized"}}, {}
        self.cloud.microversion = self.headers.get("OpenStack-API-Version", "")
        try:
            return 200, self.cloud.nova(self.command, path.removeprefix(base), parse_qs(urlsplit(self.path).query), body), {}
        except ApiFaultError as fault:
            return fault.status, {"fault": {"code": fault.status, "message": fault.message}}, {}

    def _send(self, status: int, content: bytes, headers: dict[str, str], *, half: bool = False) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if half else content)
        self.close_connection = self.close_connection or half


def _entry(kind: str, name: str, url: str) -> dict[str, Any]:
    place = {"interface": "public", "region": REGION, "region_id": REGION, "url": url, "id": f"e-{name}"}
    return {"type": kind, "name": name, "id": f"s-{name}", "endpoints": [place]}


def _token(catalog: list[dict[str, Any]]) -> dict[str, Any]:
    domain = {"id": "default", "name": "Default"}
    return {
        "methods": ["password"],
        "issued_at": "2026-01-01T00:00:00.000000Z",
        "expires_at": "2126-01-01T00:00:00.000000Z",
        "user": {"id": "u", "name": "admin", "domain": domain},
        "project": {"id": "p", "name": "admin", "domain": domain},
        "roles": [{"id": "r", "name": "admin"}],
        "catalog": catalog,
    }


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Cloud]:
    """Serve a cloud on a loopback port inside the block."""
    cloud = Cloud()
    handler = type("Handler", (_Handler,), {"cloud": cloud})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        cloud.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield cloud
        finally:
            cloud.released.set()
            server.shutdown()
            thread.join()
