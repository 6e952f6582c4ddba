"""The host's words for files, read and written the same way by every unit that is a file."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resources.contract import Action, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.contract import Address, Facts, Reply, Value

ATTRIBUTES = ("mode", "owner", "group")
"""The fields of a file beside its content: mode as four octal digits ("0640"), names of owner and group."""

UNIT_FOLDER = "/etc/systemd/system"
"""Where systemd looks first: for unit files and drop-ins of our own."""


def path_of(address: Address) -> str:
    """Return the path of the file that a unit on a host declares, by which the host remembers it."""
    return f"{UNIT_FOLDER}/{address.name}" if address.type == "systemd_unit" else address.name


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file as it was found. Bytes of `text` that are no UTF-8 are surrogates, so that writing gives them again.

    `recorded` is the owned digest that the host remembers of Bivisor's last write, None if it never wrote the file; `edited`
    tells that the file holds something else than was written then, or that nothing was.
    """

    text: str
    digest: str
    attributes: Mapping[str, Value]
    recorded: str | None
    edited: bool = False


def seen_file(reply: Reply, path: str) -> SeenFile | None:
    """Read the reply to `file.read`; None when there is no file. Raises UnreadableError."""
    if not reply.ok:
        raise UnreadableError(f"{path}: {reply.error or reply.code}")
    match reply.data:
        case {"exists": False}:
            return None
        case {"text": str() as text, "digest": str() as digest}:
            return _seen(text, digest, reply, path)
        case {"base64": str() as encoded, "digest": str() as digest}:
            text = base64.b64decode(encoded).decode("utf-8", "surrogateescape")
            return _seen(text, digest, reply, path)
        case {"kind": "dir"}:
            raise UnreadableError(f"{path} is a directory where a file is declared")
        case {"kind": str() as kind} if kind != "file":
            raise UnreadableError(f"{path} is no regular file ({kind})")
        case _:
            raise UnreadableError(f"{path}: half an answer")


def _seen(text: str, digest: str, reply: Reply, path: str) -> SeenFile:
    recorded, edited = reply.data.get("recorded"), bool(reply.data.get("edited"))
    return SeenFile(text, digest, seen_attributes(reply, path), recorded, edited or recorded is None)


def theirs_now(path: str, facts: Facts | None) -> str:
    """Say why a file that was ours is not taken away, or '': somebody may need what they wrote into it.

    One of which the host does not remember what we wrote is not ours either: we were to make it, and never did.
    """
    if not (facts or {}).get("@edited"):
        return ""
    return f"somebody has changed {path} since Bivisor wrote it: remove it by hand, or put it back"


def seen_attributes(reply: Reply, path: str) -> Mapping[str, Value]:
    """Read mode, owner and group. Raises UnreadableError."""
    match reply.data:
        case {"mode": str() as mode, "owner": str() as owner, "group": str() as group}:
            return {"mode": mode, "owner": owner, "group": group}
        case _:
            raise UnreadableError(f"{path}: half an answer")


def write_file(path: str, text: str, if_digest: Value, declared: Mapping[str, Value], **more: Any) -> Action:
    """Return the action that writes the text if the file is still the one with `if_digest` (None: if there is none)."""
    content = text.encode("utf-8", "surrogateescape")
    try:
        whole = {"text": content.decode()}
    except UnicodeDecodeError:
        whole = {"base64": base64.b64encode(content).decode()}
    return Action("file.write", {"path": path, **whole, "if_digest": if_digest, **attributes_of(declared), **more})


def attributes_of(declared: Mapping[str, Value]) -> Mapping[str, Value]:
    """Return mode, owner and group as declared; None leaves what is there."""
    return {name: declared.get(name) for name in ATTRIBUTES}
