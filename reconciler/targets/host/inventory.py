"""What Bivisor wrote on this host and what it started services with; and what follows about running processes."""

import os

from reconciler.targets.host.wire import Refusal, from_json, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Record = dict[str, Any]

INVENTORY = "inventory.json"
VERSION = 1
"""Of its shape: what another program wrote is neither read nor replaced."""


class Inventory:
    """`files`: path to its record; `starts`: systemd unit to {"invocation", "loads": {path: owned digest}}.

    A record is {"digest": of the owned facts, "content": of the whole file, "boot": id, "since": monotonic seconds or
    None}: since then the file has held those facts. It is saved with None before the file is written, and completed
    afterwards: whoever is killed in between leaves nothing false behind.

    `claims`: the address of a unit to what the controller wants to be remembered of it, its list `fields` of what is ours.
    `known` tells whether there was an inventory at all.
    """

    def __init__(self, folder: str) -> None:
        """Read it from Bivisor's folder; looking creates nothing."""
        self.folder = folder
        self.files: dict[str, Record] = {}
        self.starts: dict[str, Record] = {}
        self.claims: dict[str, Record] = {}
        self.known = True
        path = f"{folder}/{INVENTORY}"
        try:
            with open(path, encoding="utf-8") as file:
                saved = from_json(file.read())
            if saved.get("version", VERSION) != VERSION:
                raise Refusal("unsupported", f"{path} was written by another version of Bivisor: use that one")
            self.files, self.starts = saved["files"], saved["starts"]
            self.claims = dict(saved.get("claims", {}).items())
        except (FileNotFoundError, NotADirectoryError):
            self.known = False
        except (ValueError, KeyError, TypeError, StopIteration, AttributeError):
            raise Refusal("failed", f"{path} cannot be read; move it away, it is made anew") from None

    def save(self) -> None:
        """Replace it as a whole."""
        from reconciler.targets.host.durable import replace

        saved = {"version": VERSION, "files": self.files, "starts": self.starts, "claims": self.claims}
        replace(f"{self.folder}/{INVENTORY}", to_json(saved).encode(), 0o600, os.geteuid(), os.getegid())

    def vouched(self, unit: str, invocation: str, path: str) -> "str | None":
        """Return the owned digest that this very process is known to have been started with."""
        start = self.starts.get(unit, {})
        loads = start["loads"] if invocation and start.get("invocation") == invocation else {}
        found: str | None = loads.get(path)
        return found

    def vouch(self, unit: str, invocation: str, loads: "dict[str, str]") -> None:
        """Remember what this process was started with, beside what is known of it already."""
        start = self.starts.get(unit, {})
        known = start["loads"] if start.get("invocation") == invocation else {}
        if invocation:
            self.starts[unit] = {"invocation": invocation, "loads": dict(known, **loads)}


class Moments:
    """When a process `started`, and when its file `changed` last (None: there is no file), in monotonic seconds."""

    def __init__(self, boot: str, started: float, changed: "float | None") -> None:
        """Take them with the id of the present boot."""
        self.boot = boot
        self.started = started
        self.changed = changed


def has_loaded(record: "Record | None", wanted: str, vouched: "str | None", moments: Moments) -> bool:
    """Tell whether a running process has loaded the file with the `wanted` owned digest.

    Nobody can look into the process. What is known: the digest it was started with, if somebody `vouched` for that;
    and since when the file has held which digest. A file that Bivisor never wrote counts as loaded by a process that
    is younger.
    """
    if vouched == wanted:
        return True
    if record is None:
        return moments.changed is None or moments.changed <= moments.started
    return record["digest"] == wanted and _started_after(record, moments)


def keeps_loaded(record: "Record | None", vouched: "str | None", content: "str | None", moments: Moments) -> bool:
    """Tell whether the process has loaded what `record` tells of, though the file may hold something else by now.

    It has if it was started after Bivisor's write and before the foreign edit: putting the recorded facts back then
    leaves it fresh. `content` is the digest of what the file holds now.
    """
    if record is None:
        return False
    if vouched == record["digest"]:
        return True
    edited_later = moments.changed is None or moments.started < moments.changed
    return _started_after(record, moments) and (content == record["content"] or edited_later)


def may_vouch(record: "Record | None", digest: str, content: "str | None") -> bool:
    """Tell whether a process that has just been started can have loaded what is declared.

    It cannot where the file should hold what Bivisor wrote and holds something else: somebody edited it before the
    start. `content` is the digest of what the file holds now.
    """
    return record is None or record["digest"] != digest or record["content"] == content


def _started_after(record: "Record", moments: Moments) -> bool:
    if record["boot"] != moments.boot:
        return True
    since = moments.changed if record["since"] is None else record["since"]
    return since is not None and bool(since <= moments.started)


def boot_id() -> str:
    """Return the id of this boot."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()
