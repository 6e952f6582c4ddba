"""Actions on epochs: `epoch.claim` in the CIB, and `epoch.raise` on this host."""

from reconciler.targets.host.commands import last_lines, run
from reconciler.targets.host.epochs import EPOCH, LEADER, NONE_SUCH, SET, read, tell
from reconciler.targets.host.wire import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Args = dict[str, Any]

EXISTS = 108
"""Exit code of cibadmin when what is to be created is there (CRM_EX_EXISTS)."""

HALF = f"//cluster_property_set[@id='{SET}'][not(nvpair[@name='{EPOCH}'][@value!=''])]"
"""Finds the set as somebody left it who wrote or removed a part of it by hand: it would be in the way of every claim."""

CLAIM_S = 20


def epoch_claim(args: "Args", _folder: str) -> "dict[str, Any]":
    """Do `epoch.claim`: put `number` and `leader` into the CIB where `known` is the number there (0: none), else `conflict`.

    The condition is a part of the change, so the one who keeps the CIB judges it at the moment of the change: of two who
    claim, one is refused. Only where the ring has quorum. A set without a number, which nobody claimed, is taken away first.
    """
    if not read()["quorate"]:
        raise Refusal("failed", "this part of the cluster has no quorum")
    pairs = "".join(f'<nvpair id="{SET}-{name}" name="{name}" value="{value}"/>' for name, value in _wanted(args))
    wanted = f'<cluster_property_set id="{SET}">{pairs}</cluster_property_set>'
    if args["known"]:
        where = f"//cluster_property_set[@id='{SET}'][nvpair[@name='{EPOCH}'][@value='{int(args['known'])}']]"
        how = ["--modify", "--xpath", where]
    else:
        run(["cibadmin", "--delete", "--xpath", HALF])
        how = ["--create", "--scope", "crm_config"]
    code, out, err = run(["cibadmin", *how, "--xml-pipe"], stdin=wanted.encode(), timeout_s=CLAIM_S)[0]
    if code in (NONE_SUCH, EXISTS):
        raise Refusal("conflict", "somebody else has claimed meanwhile")
    if code:
        raise Refusal("failed", f"cibadmin: {last_lines(err or out) or f'exit code {code}'}")
    tell(f"{args['leader']} claims epoch {args['number']} after {args['known']}")
    return {}


def _wanted(args: "Args") -> "list[tuple[str, str]]":
    leader = str(args["leader"])
    if not leader.replace("-", "").replace(".", "").replace("_", "").isalnum():
        raise Refusal("failed", f"a leader cannot be called {leader!r}")
    return [(EPOCH, str(int(args["number"]))), (LEADER, leader)]


def epoch_raise(_args: "Args", _folder: str) -> "dict[str, Any]":
    """Do `epoch.raise`: nothing, for the epoch that it came under has been remembered by now."""
    return {}
