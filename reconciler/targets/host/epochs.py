"""Whether who writes still leads: the newest epoch that this host has seen, and what its own Pacemaker says of it.

An epoch is a number that rises with each new leader of a cloud. The query `epoch.show` reads it from the CIB, where it
is claimed; `epoch_admit` compares with it what a request was sent under.
"""

import fcntl
import os

from reconciler.targets.host.commands import NO_SUCH_PROGRAM, Alarm, Expired, last_lines, run
from reconciler.targets.host.pacemaker import DISCONNECTED, NotRunning
from reconciler.targets.host.wire import REFUSALS, Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from reconciler.targets.host.serve import Batch

    Args = dict[str, Any]

SEEN = "epochs"
"""The folder with a file for each cloud: the newest epoch that wrote here, or was told to this host."""

SET, EPOCH, LEADER = "bivisor-lead", "bivisor-epoch", "bivisor-leader"
"""The id of the property set in the CIB, and the names of what it holds; ids there have the set's before them."""

NONE_SUCH = 105
"""Exit code of cibadmin when nothing is found (CRM_EX_NOSUCH)."""

HERE = "here"
"""The place of the host on which the leader itself runs; any other member of the ring is a `member`."""

LOCK_S = 20

NOTE = "<85>bivisor: "
"""What each line for the host's log begins with: facility authpriv, severity notice."""


def epoch_show(args: "Args", batch: "Batch") -> "dict[str, Any]":
    """Answer `epoch.show`: {quorate, number (0: none was ever claimed), leader} as this member of the ring sees it.

    With a `cloud` also the newest epoch of that which this host has `heard`.
    """
    found: dict[str, Any] = batch.once("epoch", read)
    return dict(found, heard=_heard(f"{batch.folder}/{SEEN}/{args['cloud']}")) if "cloud" in args else found


def read() -> "dict[str, Any]":
    """Ask Pacemaker. Raises NotRunning, and Refusal when it does not answer as it should."""
    asked = [["cibadmin", "--query", "--xpath", f"//cluster_property_set[@id='{SET}']"], ["crm_node", "--quorum"]]
    (code, out, err), (unsure, quorum, words) = run(*asked)
    if code in (NO_SUCH_PROGRAM, DISCONNECTED):
        raise NotRunning
    if code not in (0, NONE_SUCH) or unsure:
        said = last_lines(err if code not in (0, NONE_SUCH) else words)
        raise Refusal("failed", f"Pacemaker does not tell who leads: {said or f'exit code {code or unsure}'}")
    number = _value(out, EPOCH) if code == 0 else ""
    if number and not number.isdigit():
        remedy = f"where no Bivisor leads: cibadmin --delete --xpath \"//cluster_property_set[@id='{SET}']\""
        raise Refusal("failed", f"{EPOCH} in the cluster's configuration is no number: {number!r}; remove it, {remedy}")
    return {"quorate": quorum.strip() == "1", "number": int(number or 0), "leader": _value(out, LEADER) if number else ""}


def _value(text: str, name: str) -> str:
    """Return the value of the nvpair of that name."""
    for tag in text.split("<nvpair ")[1:]:
        if f'name="{name}"' in tag:
            return tag.partition('value="')[2].partition('"')[0]
    return ""


def epoch_admit(args: "Args", folder: str) -> "dict[str, Any]":
    """Let somebody write under `epoch`, [cloud, number, place], or refuse; remember a newer number.

    `deposed` is the word of this member's Pacemaker, which knows who leads. `fenced` is that of a remembered number, which one
    host alone may have from a clock that was ahead, or from another ring: it refuses here, and ends nobody's lead.
    """
    cloud, number, place = args["epoch"]
    try:
        if place:
            _compare(number, place)
        _raise(folder, cloud, number)
    except Refusal as refusal:
        if refusal.code in REFUSALS:
            tell(f"refused {args['op']} of epoch {number} of {cloud}: {refusal.error}")
        raise
    return {}


def epoch_note(args: "Args", _folder: str) -> "dict[str, Any]":
    """Tell the host's log what was done under an epoch."""
    cloud, number, _ = args["epoch"]
    what = " ".join(filter(None, (args["op"], args["what"])))
    tell(f"{what} of epoch {number} of {cloud}: {args['code'] or 'done'}")
    return {}


def tell(text: str) -> None:
    """Write a line into the host's log; without a log it is lost."""
    import _socket

    try:
        log = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
        try:
            log.setblocking(False)  # noqa: FBT003 - the standard library's own
            log.connect("/dev/log")
            log.send(f"{NOTE}{text}".encode("utf-8", "replace"))
        finally:
            log.close()
    except OSError:
        pass  # the journal is no part of the promise


def _compare(number: int, place: str) -> None:
    """Compare with the CIB of this member. Raises Refusal.

    Only the host on which the leader itself runs can be cut off together with it; a member elsewhere that has no quorum, or
    no Pacemaker that answers, may be just what the leader is about to repair.
    """
    try:
        seen = read()
    except NotRunning:
        return  # and so it is the leader's lease that counts, which no member without Pacemaker confirms
    except Refusal:
        if place == HERE:
            raise
        return
    if seen["number"] > number:
        raise Refusal("deposed", f"{seen['leader']} leads with epoch {seen['number']}")
    if place == HERE and not seen["quorate"]:
        raise Refusal("deposed", "this part of the cluster has no quorum, and its leader is here")


def _raise(folder: str, cloud: str, number: int) -> None:
    """Remember the number. Raises Refusal when a newer one is known."""
    from reconciler.targets.host.durable import replace

    os.makedirs(f"{folder}/{SEEN}", 0o700, exist_ok=True)
    path = f"{folder}/{SEEN}/{cloud}"
    lock = os.open(f"{folder}/{SEEN}/lock.", os.O_RDWR | os.O_CREAT, 0o600)  # no cloud is called so
    try:
        with Alarm(LOCK_S):
            fcntl.flock(lock, fcntl.LOCK_EX)
        known = _known(path)
        if number < known:
            clocks = f"another leads, or once did by a clock that was ahead; if nobody else leads {cloud}, remove {path} there"
            raise Refusal("fenced", f"epoch {known} was here, and this is {number}: {clocks}")
        if number > known:
            replace(path, f"{number}\n".encode(), 0o600, os.geteuid(), os.getegid())
    except Expired:
        raise Refusal("failed", f"{path} has been locked by another helper for {LOCK_S} s") from None
    finally:
        os.close(lock)


def _heard(path: str) -> int:
    try:
        return _known(path)
    except Refusal:
        return 0  # what is no number is told to whoever writes


def _known(path: str) -> int:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except FileNotFoundError:
        return 0
    except ValueError:
        raise Refusal("failed", f"{path} cannot be read; make sure that one Bivisor runs, then remove it") from None
