"""The demo's documents in a git repository, and the ways in which the stream changes them."""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.desired import compile_offline
from resources.units.config_file import ConfigFile
from tests.lab.witness import KVM, NFS, VCENTER, VMDK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.lab.workspace import Workspace

GIT = ("git", "-c", "user.name=Anna", "-c", "user.email=anna@example.com", "-c", "commit.gpgsign=false")
MARKED = "        vif_plugging_timeout: 0\n"
POLL = "vmware_task_poll_interval: 0.3"
PERMISSIONS = "nas_secure_file_permissions: false"
FIRST_TYPE, SECOND_TYPE = "volumeType: kvm", "volumeType: kvm-too"
ZONE = "  hypervisor: libvirt\n"
LATELY_S = 60.0

AT_TIMES = frozenset({("DEFAULT", "reserved_host_disk_mb"), ("kvm", "nfs_mount_attempts")})
"""Options that are declared at times."""

_UNTOUCHED = re.compile(r"password|connection|transport_url|^(host|backend_host|enabled_backends)$")
"""Options that no hand of the stream writes: secrets, and what a service is known by, without which it would be another."""


def options_of(desk: Workspace, *, to_be_there: bool = False) -> Mapping[tuple[str, str], frozenset[tuple[str, str]]]:
    """Return section and name of all options that the documents declare now, by host and path of the file.

    Some are declared to be absent: `to_be_there` leaves them out.
    """
    _, catalog, _ = compile_offline(desk.folder / "desired")
    found: dict[tuple[str, str], frozenset[tuple[str, str]]] = {}
    for address, unit in catalog.units.items():
        if isinstance(unit, ConfigFile):
            declared = (name for name, value in (unit.desired or {}).items() if value is not None or not to_be_there)
            names = [name[1:].partition("] ") for name in declared if name.startswith("[")]
            found[address.target.name, address.name] = frozenset((section, key) for section, _, key in names)
    return found


def with_option(text: str, section: str, key: str, value: object) -> str:
    """Return the text of an INI file with another value in the place of each that the option has; all else stays."""
    lines, inside = text.splitlines(keepends=True), ""
    for number, line in enumerate(lines):
        inside = line.strip().strip("[]") if line.startswith("[") else inside
        if inside == section and line.split("=")[0].strip() == key:
            before = line[: len(line) - len(line.partition("=")[2].lstrip(" \t"))]
            lines[number] = f"{before}{value}\n"
    return "".join(lines)


def shown_options(
    options: Mapping[tuple[str, str], frozenset[tuple[str, str]]],
) -> Mapping[tuple[str, str], list[tuple[str, str]]]:
    """Return those that a hand may write, in order."""
    return {place: sorted(each for each in found if not _UNTOUCHED.search(each[1])) for place, found in options.items()}


@dataclass(slots=True)
class Documents:
    """The folder `desired/` under git; each change is a commit, and is brought to all copies.

    `options` are those that a hand may write into.
    """

    desk: Workspace
    copies: Sequence[Path] = ()
    options: Mapping[tuple[str, str], list[tuple[str, str]]] = field(default_factory=dict)
    disk_mb: int | None = None
    broken: str = ""
    _poll: str = POLL
    _permissions: str = PERMISSIONS
    _type: str = FIRST_TYPE
    _image: str = ""
    _changed: dict[str, float] = field(default_factory=dict)

    def begin(self) -> None:
        """Make the repository; the secrets beside it are none of its."""
        self.options = shown_options(options_of(self.desk, to_be_there=True))
        self._git("init", "--quiet", "--initial-branch", "main")
        self._commit("the demo's documents")

    def changed_lately(self, who: str) -> bool:
        """Tell whether something that a process loads was changed a moment ago, so that it may still restart for it."""
        return time.monotonic() - self._changed.get(who, -LATELY_S) < LATELY_S

    def set_disk_mb(self, value: int | None) -> None:
        """Declare an option of each compute, or declare it no more."""
        before, self.disk_mb = self.disk_mb, value
        self._change("cluster.yaml", _marked(before), _marked(value), KVM, VCENTER)

    def set_poll_interval(self, value: str) -> None:
        """Declare another value for the backend vmdk."""
        before, self._poll = self._poll, f"vmware_task_poll_interval: {value}"
        self._change("volumes.yaml", before, self._poll, VMDK)

    def set_mount_attempts(self, value: int) -> None:
        """Declare one more option for the backend kvm."""
        before, self._permissions = self._permissions, f"{PERMISSIONS}, nfs_mount_attempts: {value}"
        self._change("volumes.yaml", before, self._permissions, NFS)

    def toggle_volume_type(self) -> str:
        """Declare the other one of two volume types, and return its name."""
        before, self._type = self._type, SECOND_TYPE if self._type == FIRST_TYPE else FIRST_TYPE
        self._change("volumes.yaml", f"  {before}\n", f"  {self._type}\n")
        return self._type.split()[-1]

    def set_image_property(self, value: int | None) -> None:
        """Declare a property of an image, or none."""
        images = f"  images: [{{name: tiny-kvm, properties: {{by_bivisor: '{value}'}}}}]\n"
        before, self._image = self._image, "" if value is None else images
        self._change("zones.yaml", f"{ZONE}{before}", f"{ZONE}{self._image}")

    def break_one(self, text: str) -> None:
        """Put a document beside the others that is none; nobody commits that."""
        self.broken = text
        (self.desk.folder / "desired/broken.yaml").write_text(text)
        self._carry()

    def mend(self) -> None:
        """Take it away."""
        self.broken = ""
        (self.desk.folder / "desired/broken.yaml").unlink()
        self._carry()

    def restore(self) -> None:
        """Declare what the demo declares, all at once."""
        first = self._git("rev-list", "--max-parents=0", "HEAD").strip()
        self._git("checkout", "--quiet", first, "--", "desired")
        self._git("commit", "--quiet", "--allow-empty", "--message", "as in the beginning")
        self._carry()
        self._changed.update(dict.fromkeys((KVM, VCENTER, VMDK, NFS), time.monotonic()))

    def _change(self, name: str, old: str, new: str, *who: str) -> None:
        self._changed.update(dict.fromkeys(who, time.monotonic()))
        self.desk.edit(f"desired/{name}", old, new)
        self._commit(new.strip() or f"without {old.strip()}")
        self._carry()

    def _carry(self) -> None:
        """Bring what stands in the folder to every copy."""
        own = {path.name: path.read_text() for path in (self.desk.folder / "desired").iterdir()}
        for copy in self.copies:
            there = {path.name: path.read_text() for path in copy.iterdir()}
            for name in there.keys() - own.keys():
                (copy / name).unlink()
            for name, text in own.items():
                if there.get(name) != text:
                    (copy / name).write_text(text)

    def _commit(self, message: str) -> None:
        self._git("add", "desired", ":!desired/broken.yaml")
        self._git("commit", "--quiet", "--allow-empty", "--message", message)  # somebody may declare what is declared

    def _git(self, *words: str) -> str:
        done = subprocess.run((*GIT, *words), cwd=self.desk.folder, capture_output=True, text=True, check=True)
        return done.stdout


def _marked(value: int | None) -> str:
    return MARKED if value is None else f"{MARKED}        reserved_host_disk_mb: {value}\n"
