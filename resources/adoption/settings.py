"""The field `settings` of several kinds: what stands in the files beside what the bare documents mean, where that can be said.

Of a file that several services share only what contradicts is taken; what nobody declares stays as it is there anyway.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from resources.adoption.computes import OWN, SHARED
from resources.adoption.questions import AGENT_HOMES, CINDER, GLANCE_CONF, HOMES
from resources.contract import SecretText
from resources.ini import normal_section, parse
from resources.releases.rows import ACCOUNT
from resources.specs.settings import taken
from resources.units.config_file import ConfigFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from resources.adoption.draft import Document, Draft
    from resources.adoption.seen import Host
    from resources.contract import Unit
    from resources.ini import Option

Options: TypeAlias = "dict[Option, tuple[str, ...]]"

MOST_NAMED = 8
"""As many options are named in one comment; the rest is counted."""

_FIELD = re.compile(r"\[(?P<section>[^\]]+)\] (?P<key>.+)", re.DOTALL)
_NEVER = frozenset({*ACCOUNT, "region_name", "os_region_name", "transport_url", "connection"})
_PER_HOST = re.compile(r"^my_|(_ip|_address|_addr|_listen|_hostname)$")
"""Options of a nova-compute that are a host's own, even where there is one host only."""

_SECRET = re.compile(r"(^|_)(keys?|tokens?|secrets?|pass|passwd|passphrase|pwd|credentials?)$", re.IGNORECASE)
"""Names of options that hold secrets, beyond those that settings refuse: `fixed_key`, `hmac_keys`, `datera_api_token`, …"""

_ACCESS = re.compile(r"://[^/\s]*@")
_BYTES = re.compile("[\udc80-\udcff]")
"""What is no UTF-8 in the file, and could not be in a document."""

_SECTION = re.compile(r"[^\[\]\s]([^\[\]\r\n]*\S)?")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Spare:
    """Of one file: options that the documents do not speak of, and those that it has otherwise than they say."""

    beside: Options
    against: Options

    def all(self, section: str = "") -> Options:
        """Return both, of one section or of all."""
        return {key: value for key, value in (self.beside | self.against).items() if not section or key[0] == section}


def settled(draft: Draft, units: Iterable[Unit], hosts: Mapping[str, Host]) -> Draft:
    """Return the draft with settings, given what its bare documents mean; `hosts` by the names of their Nodes."""
    files = {
        (unit.address.target.name, unit.address.name): _spare(unit, hosts[unit.address.target.name], draft)
        for unit in units
        if isinstance(unit, ConfigFile) and unit.desired
    }
    by_kind = {kind: [one for one in draft.documents if one.kind == kind] for kind in ("HypervisorZone", "VolumeBackend")}
    common = _of_every_compute(files, by_kind["HypervisorZone"], draft)
    return replace(draft, documents=tuple(_with_settings(one, files, common, draft) for one in draft.documents))


def nodes_of(draft: Draft, selector: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the nodes that have one of the selector's roles."""
    wanted = set(selector["roles"])
    return tuple(one.name for one in draft.documents if one.kind == "Node" and wanted & set(one.spec.get("roles") or ()))


Files: TypeAlias = "Mapping[tuple[str, str], Spare]"


def _with_settings(document: Document, files: Files, common: Options, draft: Draft) -> Document:
    spec = document.spec
    match document.kind:
        case "Cluster":
            agents = [spare.beside for (_, path), spare in files.items() if path.startswith(f"{AGENT_HOMES}/")]
            known, wanted = _nested(common), (spec["compute"] or {}).get("settings", {})
            known |= {section: {**known.get(section, {}), **options} for section, options in wanted.items()}
            more = {"compute": {"settings": known}} if known else {}
            if agents and (shared := _common(agents)):
                dvs = {**spec["network"]["dvs"], "settings": _nested(shared)}
                more["network"] = {**spec["network"], "dvs": dvs}
            return replace(document, spec={**spec, **more})
        case "HypervisorZone":
            block = spec["hypervisor"]
            found = _common(_of_zone(document, files, draft))
            if block == "vmware":  # of libvirt the two stand in two files
                found = {option: values for option, values in found.items() if option not in common}
            notes = {**document.notes, **_left(document, files, draft)}
            more = {block: {**spec[block], "settings": _nested(found)}} if found else {}
            return replace(document, spec={**spec, **more}, notes=notes)
        case "VolumeBackend":
            found = _common(_of_backend(document, files, draft))
        case "ImageStore":
            found = _common([_in_section(spare, document.name) for (_, path), spare in files.items() if path == GLANCE_CONF])
        case _:
            return document
    notes = {**document.notes, **_left(document, files, draft)}
    return replace(document, spec={**spec, "settings": _nested(found)} if found else spec, notes=notes)


def _left(document: Document, files: Files, draft: Draft) -> dict[tuple[str | int, ...], str]:
    """Return a note on what stands in a file that services share, and is no word of the document."""
    spec = document.spec
    match document.kind:
        case "VolumeBackend" if spec["ha"] != "active-passive":
            path, nodes, at = f"{CINDER}/cinder.conf", spec["placement"]["nodes"], "placement"
        case "HypervisorZone" if spec["hypervisor"] == "libvirt":
            path, nodes, at = SHARED, spec["placement"]["nodes"], "placement"
        case "ImageStore" if document is next(one for one in draft.documents if one.kind == "ImageStore"):
            path, nodes, at = GLANCE_CONF, spec["nodes"], "nodes"
        case _:
            return {}
    found = [files[name, path] for name in nodes_of(draft, nodes) if (name, path) in files]
    others = {normal_section(one.name) for one in draft.documents if one.kind == document.kind}
    names = sorted({f"[{section}] {name}" for spare in found for section, name in spare.beside if section not in others})
    if not names:
        return {}
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    file = path.rpartition("/")[2]
    return {(at,): f"also set in its nodes' {file}, and left as it is: {', '.join(names[:MOST_NAMED])}{more}"}


def _of_every_compute(files: Files, zones: list[Document], draft: Draft) -> Options:
    """Return what all computes have: beyond a vSphere compute's own file only where the shared ones say the same."""
    own = [spare.all() for (_, path), spare in files.items() if path.startswith(f"{HOMES}/")]
    libvirt = [name for zone in zones if zone.spec["hypervisor"] == "libvirt" for name in _nodes(zone, draft)]
    shared = [files[name, SHARED] for name in libvirt if (name, SHARED) in files]
    return _common([*own, *(spare.all() if own else spare.against for spare in shared)])


def _of_zone(zone: Document, files: Files, draft: Draft) -> list[Options]:
    if zone.spec["hypervisor"] == "libvirt":
        return [files[name, OWN].all() for name in _nodes(zone, draft) if (name, OWN) in files]
    hosts = {compute["host"] for compute in zone.spec["vmware"]["computes"]}
    paths = {f"{HOMES}/{host}/nova.conf" for host in hosts}
    return [spare.all() for (_, path), spare in files.items() if path in paths]


def _of_backend(backend: Document, files: Files, draft: Draft) -> list[Options]:
    names = _nodes(backend, draft)
    if backend.spec["ha"] == "active-passive":
        path = f"{CINDER}/cinder-volume-{backend.name}.conf"
        return [files[name, path].all() for name in names if (name, path) in files]
    path = f"{CINDER}/cinder.conf"
    return [_in_section(files[name, path], backend.name) for name in names if (name, path) in files]


def _in_section(spare: Spare, section: str) -> Options:
    """Return what a shared file says in the section, and what contradicts in [DEFAULT]."""
    default = {option: values for option, values in spare.against.items() if option[0] == "DEFAULT"}
    return {**default, **spare.all(normal_section(section))}


def _nodes(document: Document, draft: Draft) -> tuple[str, ...]:
    return nodes_of(draft, document.spec["placement"]["nodes"])


def _spare(unit: ConfigFile, host: Host, draft: Draft) -> Spare:
    """Compare a file with what is declared of it; what settings must not say is left out."""
    path = unit.address.name
    document = parse(host.text(path) or draft.instead.get((host.node, path), ""))
    declared: dict[Option, Any] = {}
    for field, value in (unit.desired or {}).items():
        if parts := _FIELD.fullmatch(field):
            declared[normal_section(parts["section"]), parts["key"]] = value
    found: Options = {(entry.section, entry.key): document.values(entry.section, entry.key) for entry in document.entries}
    other_accounts = {
        option[0]
        for option, value in declared.items()
        if isinstance(value, SecretText) and found.get(option, (value.reveal,)) != (value.reveal,)
    }
    nova = unit.address.name.startswith("/etc/nova/")
    allowed = {
        option: values
        for option, values in found.items()
        if _may(option, values, host) and not (nova and _PER_HOST.search(option[1]))
    }
    against = {
        option: values
        for option, values in allowed.items()
        if declared.get(option) is not None and option[0] not in other_accounts and not _same(declared[option], values)
    }
    return Spare({option: values for option, values in allowed.items() if option not in declared}, against)


def _same(declared: object, values: tuple[str, ...]) -> bool:
    return declared == values if isinstance(declared, tuple) else (str(declared),) == values


def _may(option: Option, values: tuple[str, ...], host: Host) -> bool:
    """Tell whether settings may say it: no secret, nothing that belongs to another field or to this one host."""
    section, name = option
    mine = re.compile(rf"(?<![\w.-])({re.escape(host.address)}|{re.escape(host.node)})(?![\w-])")
    return (
        not taken(section, name)
        and name not in _NEVER
        and _SECRET.search(name) is None
        and _SECTION.fullmatch(section) is not None
        and _NAME.fullmatch(name) is not None
        and not any(_ACCESS.search(value) or mine.search(value) or _BYTES.search(value) for value in values)
    )


def _common(found: list[Options]) -> Options:
    """Return what is in all of them alike."""
    if not found:
        return {}
    return {option: values for option, values in found[0].items() if all(one.get(option) == values for one in found[1:])}


def _nested(options: Options) -> dict[str, dict[str, Any]]:
    nested: dict[str, dict[str, Any]] = {}
    for (section, name), values in sorted(options.items()):
        nested.setdefault(section, {})[name] = _plain(values[0]) if len(values) == 1 else list(values)
    return nested


def _plain(text: str) -> str | int | bool:
    """Return a number or truth value where it is written back as the same text."""
    if text in {"True", "False"}:
        return text == "True"
    return int(text) if re.fullmatch(r"0|[1-9][0-9]{0,8}", text) else text
