"""The loop: read a request, answer it, until the input ends. And which module knows which word."""

import _signal as signal  # type: ignore[import-not-found] # the C half: `signal` itself loads `enum`
import errno
import fcntl
import os
import sys

from reconciler.targets.host.commands import Alarm, Expired, write_all
from reconciler.targets.host.inventory import Inventory
from reconciler.targets.host.wire import REFUSALS, Refusal, from_json, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, BinaryIO

    from reconciler.targets.host.push_signals import Signals

REMEDIES = {
    "ENOSPC": "its file system is full (see df -h and df -i there)",
    "EDQUOT": "a quota is used up",
    "EROFS": "its file system is mounted read-only (see findmnt -T there)",
    "EPERM": "it or its directory may be immutable (see lsattr there)",
}
"""What to look at on the host, by the system's name of an error."""

QUERIES = {
    "file.read": "files",
    "file.stat": "files",
    "file.list": "files",
    "package.query": "packages",
    "service.show": "services",
    "cib.read": "pacemaker",
    "epoch.show": "epochs",
    "inventory.read": "claims",
    "host.facts": "facts",
}
ACTIONS = {
    "file.write": "file_changes",
    "file.attributes": "file_changes",
    "file.remove": "file_changes",
    "directory.make": "file_changes",
    "package.install": "package_changes",
    "service.start": "service_changes",
    "service.stop": "service_changes",
    "service.restart": "service_changes",
    "service.enable": "service_changes",
    "service.disable": "service_changes",
    "service.mask": "service_changes",
    "service.unmask": "service_changes",
    "service.vouch": "service_changes",
    "systemd.reload": "service_changes",
    "cib.push": "pacemaker_changes",
    "crm.restart": "pacemaker_changes",
    "crm.cleanup": "pacemaker_changes",
    "epoch.claim": "epoch_changes",
    "epoch.raise": "epoch_changes",
    "inventory.claim": "claim_changes",
}

WATCHING = {"watch": "push_signals"}
LEADING = {"epoch.admit": "epochs", "epoch.note": "epochs"}
PATIENT = ("crm.restart",)
"""The words for actions that may wait, for minutes, after they were admitted: they are told the epoch, and judge once more."""

IDLE_S = 3600
LOCK_S = 60
"""Seconds without a request, after which the controller is taken for gone; and to wait for another helper's action."""

READ_SIZE = 65536
"""Bytes that are read at a time; not fewer than Python's own buffer holds, so that nothing is left in it unseen."""


def serve(folder: str) -> None:
    """Answer until the input ends. `folder` is where the inventory is kept."""
    for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    os.umask(0o022)
    _send(to_json({"bivisor": 1, "python": list(sys.version_info[:3])}))
    session, requests = Session(folder), Requests(sys.stdin.buffer)
    while True:
        try:
            line = requests.next(session.signals)
            if not line:
                return
            _send(session.answer(from_json(line.decode())))
        except (Expired, BrokenPipeError):
            return


def _send(answer: str) -> None:
    write_all(1, answer.encode() + b"\n")


class Requests:
    """The lines of the input, one after the other."""

    def __init__(self, source: "BinaryIO") -> None:
        """Nothing was read yet."""
        self.source = source
        self.read = bytearray()

    def next(self, signals: "Signals | None") -> bytes:
        """Return the next line, b"" at the end; what changes meanwhile is told if it is watched. Raises Expired."""
        searched = 0
        while True:
            end = self.read.find(b"\n", searched) + 1
            if end:
                line = bytes(self.read[:end])
                del self.read[:end]
                return line
            searched = len(self.read)
            data = self._watching(signals) if signals is not None else self._idle()
            if not data:
                return b""
            self.read += data

    def _watching(self, signals: "Signals") -> bytes:
        signals.wait(self.source.fileno())
        return self._read()

    def _idle(self) -> bytes:
        with Alarm(IDLE_S):
            return self._read()

    def _read(self) -> bytes:
        data: bytes = self.source.read1(READ_SIZE)  # type: ignore[attr-defined] # it is a buffered one
        return data


class Session:
    """Remembers what was asked in each slot and what was replied, so that no change needs no words."""

    def __init__(self, folder: str) -> None:
        """Nothing was asked yet."""
        self.folder = folder
        self.asked: dict[int, list[Any]] = {}
        self.replied: dict[int, str] = {}
        self.signals: Signals | None = None

    def answer(self, request: "dict[str, Any]") -> str:
        """Return the answer line to one request."""
        number = request["id"]
        if "do" in request:
            op, args = request["do"]
            return f'{{"id":{number},"reply":{to_json(do(self.folder, op, args, request.get("epoch")))}}}'
        if "watch" in request:
            return f'{{"id":{number},"reply":{to_json(_reply(WATCHING, "watch", request["watch"], self))}}}'
        again = "again" in request
        slot = request["again"] if again else request["slot"]
        if not again:
            self.asked[slot] = request["ask"]
        replies = to_json(Batch(self.folder, self.asked[slot]).replies())
        if again and replies == self.replied[slot]:
            return f'{{"id":{number},"same":true}}'
        self.replied[slot] = replies
        return f'{{"id":{number},"replies":{replies}}}'


ELSEWHERE = ("cib.", "crm.", "epoch.")
"""How the words for actions begin that are carried out by the cluster, not by this host, or order themselves."""


class Batch:
    """The questions that came together; what several of them need is found out once."""

    def __init__(self, folder: str, queries: "list[Any]") -> None:
        """Take pairs of op and args."""
        self.folder = folder
        self.queries = queries
        self.found: dict[str, Any] = {}

    def replies(self) -> "list[Any]":
        """Answer all of them, in order."""
        return [_reply(QUERIES, op, args, self) for op, args in self.queries]

    def all(self, op: str, argument: str) -> "list[Any]":
        """Return that argument of all queries of that op."""
        return [args[argument] for asked, args in self.queries if asked == op]

    def once(self, what: str, find: "Callable[[], Any]") -> "Any":
        """Return what `find` finds; it is called once for all queries, and refuses once for all."""
        if what not in self.found:
            try:
                self.found[what] = find()
            except Refusal as refusal:
                self.found[what] = refusal
        if isinstance(self.found[what], Refusal):
            raise self.found[what]
        return self.found[what]

    def inventory(self) -> Inventory:
        """Return the inventory as it is now."""
        inventory: Inventory = self.once("inventory", lambda: Inventory(self.folder))
        return inventory


def do(folder: str, op: str, args: "dict[str, Any]", epoch: "list[Any] | None" = None) -> "list[Any]":
    """Do one action and return the reply; on the host's own things alone: a helper of a lost connection may be at work.

    What goes to Pacemaker concerns no file of the host, and Pacemaker orders it for itself: a restart that somebody left
    behind may wait for minutes, and must not keep everybody from this host's files. `epoch` is [cloud, number, place], by
    which it is judged whether who sent it still leads: at the last moment, when nobody else is at work here any more.
    """
    if op.startswith(ELSEWHERE):
        return _led(op, args, folder, epoch)
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        lock = os.open(f"{folder}/lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        return [{}, "failed", _words(error)]
    try:
        with Alarm(LOCK_S):
            fcntl.flock(lock, fcntl.LOCK_EX)
        return _led(op, args, folder, epoch)
    except Expired:
        return [{}, "failed", f"another action has been at work on this host for {LOCK_S} s"]
    finally:
        os.close(lock)


def _led(op: str, args: "dict[str, Any]", folder: str, epoch: "list[Any] | None") -> "list[Any]":
    """Do an action if who sent it still leads. Who leads nobody, a person's `apply`, is not asked."""
    if epoch is None:
        return _claiming(op, args, folder) if "claims" in args else _reply(ACTIONS, op, args, folder)
    admitted = _reply(LEADING, "epoch.admit", {"epoch": epoch, "op": op}, folder)
    if admitted[1]:
        return admitted
    reply = _led(op, {**args, "epoch": epoch} if op in PATIENT else args, folder, None)
    if reply[1] in REFUSALS:
        return reply  # while it waited somebody else took the lead; that is told already
    what = next((str(args[name]) for name in ("path", "unit", "resource") if args.get(name)), "")
    _reply(LEADING, "epoch.note", {"epoch": epoch, "op": op, "what": what, "code": reply[1]}, folder)
    return reply


def _claiming(op: str, args: "dict[str, Any]", folder: str) -> "list[Any]":
    """Do an action that makes or takes away what is ours: remembered before it is made, forgotten after it is gone.

    Whoever is killed in between has remembered too much, never too little; what was refused is as it was before.
    """
    if op == "inventory.claim":
        return _reply(ACTIONS, op, args, folder)
    claims = args["claims"]
    made = {address: dict(claim, without=[]) for address, claim in claims.items() if claim}
    before = _reply(ACTIONS, "inventory.claim", {"claims": made}, folder)
    if before[1]:
        return before
    reply = _reply(ACTIONS, op, args, folder)
    if reply[1] == "conflict":
        _reply(ACTIONS, "inventory.claim", {"claims": before[0]["before"], "whole": True}, folder)
    elif not reply[1] and made != claims:
        _reply(ACTIONS, "inventory.claim", {"claims": claims}, folder)
    return reply


def _reply(known: "dict[str, str]", op: str, args: "dict[str, Any]", context: "Any") -> "list[Any]":
    """Call the function behind the word. Whatever goes wrong there is a reply: the channel must go on."""
    if op not in known:
        return [{}, "unsupported", f"this host helper does not know {op}"]
    name = f"{__package__}.{known[op]}"
    try:
        __import__(name)
        return [getattr(sys.modules[name], op.replace(".", "_"))(args, context), "", ""]
    except Refusal as refusal:
        return [getattr(refusal, "data", {}), refusal.code, _printable(refusal.error)]
    except OSError as error:
        return [{}, "failed", _words(error, str(args.get("path") or ""))]
    except Exception as error:  # noqa: BLE001 - see above
        return [{}, "failed", _printable(f"{op}: {type(error).__name__}: {error}")]


def _words(error: OSError, path: str = "") -> str:
    """Say what the system refused, where, and what to look at; a temporary file is called after the one it was to become."""
    where = path or error.filename
    remedy = REMEDIES.get(errno.errorcode.get(error.errno or 0, ""), "")
    return _printable(": ".join(str(part) for part in (where, error.strerror, remedy) if part))


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
