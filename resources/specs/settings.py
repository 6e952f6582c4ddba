"""The field `settings` of several kinds: options of one's own, by section, within what Bivisor leaves open."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AfterValidator

from resources.specs.shapes import Shape

_RESERVED = {
    ("DEFAULT", "host"): "it is the identity of the service",
    ("DEFAULT", "compute_driver"): "the zone's hypervisor decides it",
    ("DEFAULT", "state_path"): "it belongs to the service's identity",
    ("DEFAULT", "enabled_backends"): "the resources of kind VolumeBackend or ImageStore decide it",
    ("cinder", "cross_az_attach"): "volumes must not cross hypervisors",
}

Section: TypeAlias = Annotated[str, Shape(r"[^\[\]\s]([^\[\]\r\n]*\S)?", "the name of a section, without brackets")]
Name: TypeAlias = Annotated[str, Shape(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", "the name of an option")]
Value: TypeAlias = str | int | float | bool | tuple[str, ...]


def _open(settings: dict[str, dict[str, Value]]) -> dict[str, dict[str, Value]]:
    for section, options in settings.items():
        for name in options:
            if reason := _RESERVED.get((section, name)):
                raise ValueError(f"[{section}] {name} cannot be set here: {reason}")
    return settings


SettingsField: TypeAlias = Annotated[dict[Section, dict[Name, Value]], AfterValidator(_open)]
"""`{DEFAULT: {report_interval: 5}}`: written as it stands, so `$my_ip` means that option; a list is a repeated option."""
