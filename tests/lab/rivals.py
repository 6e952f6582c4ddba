"""Whether of several daemons only one acted at a time: judged afterwards by what hosts, Nova and they themselves have told.

A host tells what it did when it is over, under which epoch; Nova's own log says who asked for what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from reconciler.core.plan import Verb
from reconciler.targets.fence import LEASE_S, SLACK_S, WIRE_S
from tests.lab.controllers import moment
from tests.lab.layout import CONTROLLERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tests.lab.controllers import Note

ENDS_S = {"crm": 60.0, "service": 30.0}
USUALLY_ENDS_S = 5.0
"""Seconds in which what a host has accepted is over, by the first word of what it is."""

_NODES = {host.address: host.name for host in CONTROLLERS}


class Claim(NamedTuple):
    """Who took the lead when (Unix time), with which epoch."""

    at: float
    number: int
    node: str


def claims_of(lines: Iterable[dict[str, Any]]) -> list[Claim]:
    """Return who took the lead, in the order of time, by the lines `claimed` of all daemons."""
    return sorted(Claim(moment(line["timestamp"]), line["epoch"], line["node"]) for line in lines)


def falling(claims: Sequence[Claim]) -> Iterator[str]:
    """Yield that an epoch is not higher than the one before."""
    numbers = [claim.number for claim in claims]
    if numbers != sorted(set(numbers)):
        yield f"epochs do not rise: {numbers}"


def untold(journals: Iterable[Iterable[Note]]) -> Iterator[str]:
    """Yield that the hosts tell nothing of any leader: then nothing can be judged by it."""
    if not any(" of epoch " in note.text for notes in journals for note in notes):
        yield "no host's journal tells of a leader"


def written(claims: Sequence[Claim], host: str, notes: Iterable[Note]) -> Iterator[str]:
    """Yield what a host accepted of a leader after it had heard of a newer one, or after the former's lease was over."""
    newest, heard = 0, 0.0
    for at, text in notes:
        what, of, rest = text.partition(" of epoch ")
        if not of or text.startswith("refused"):
            continue
        number, ends_s = int(rest.split()[0]), ENDS_S.get(what.split(".")[0], USUALLY_ENDS_S)
        if number > newest:
            newest, heard = number, at
        over = _newer(claims, number) + LEASE_S + SLACK_S
        if at > over + ends_s or (number < newest and at > heard + ends_s):
            yield f"{host} accepted of one that led no more: {text}"


def acted(claims: Sequence[Claim], node: str, lines: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield what a daemon began after its lease must have ended, and brought about nevertheless."""
    begun: dict[str, dict[str, Any]] = {}
    for line in lines:
        if line.get("event") == "step" and line["verb"] != Verb.WAIT:
            begun[line["address"]] = line
        elif line.get("event") == "result" and (step := begun.pop(line["address"], None)) and line["outcome"] == "converged":
            at = moment(step["timestamp"])
            number = max((claim.number for claim in claims if claim.node == node and claim.at <= at), default=0)
            if at > _newer(claims, number) + LEASE_S + SLACK_S:
                yield f"{node} brought about what it began when it led no more: {step}"


def sent(claims: Sequence[Claim], since: float, lines: Iterable[str]) -> Iterator[str]:
    """Yield what a controller changed in Nova while another one alone may: each has its time from one wait to the next."""
    for line in lines:
        node = _NODES.get(line.partition("] ")[2].partition(' "')[0], "") if "requestlog" in line else ""
        if not node or '"GET ' in line or (at := moment(f"{line[:10]}T{line[11:23]}Z")) < since:
            continue
        may = [claim.node for claim in claims if claim.at + LEASE_S + WIRE_S + SLACK_S <= at]
        if node not in may[-1:]:
            yield f"Nova heard {node} when {', '.join(may[-1:]) or 'nobody'} led: {line}"


def _newer(claims: Iterable[Claim], number: int) -> float:
    """Return when somebody first took the lead with a higher epoch; infinite where nobody has."""
    return min((claim.at for claim in claims if claim.number > number), default=float("inf"))
