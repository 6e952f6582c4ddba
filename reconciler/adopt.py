"""Look at a running cloud, and draft the documents that say so.

What answers mean is decided in `resources.adoption`; here is when, where, and that half a look writes nothing.
"""

from __future__ import annotations

import asyncio
import re
import secrets as random_secrets
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.adopted_files import AdoptError, Drafted
from reconciler.core.compile import compile_units
from reconciler.core.errors import BivisorError
from reconciler.core.load import load
from reconciler.resolve import is_text
from reconciler.targets import TargetError
from reconciler.targets.open import Targets
from resources.adoption.draft import is_name
from resources.adoption.questions import host_questions, openstack_questions
from resources.adoption.seen import Host, Seen, asked
from resources.adoption.settings import settled
from resources.adoption.survey import named
from resources.adoption.text import text_of
from resources.adoption.whole import adopt
from resources.contract import SecretText, TargetId, UnreadableError
from resources.endpoints import SshEndpoint
from resources.kinds.registry import KINDS
from resources.rules.registry import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence
    from pathlib import Path

    from resources.adoption.draft import Draft
    from resources.adoption.seen import Replies
    from resources.adoption.whole import Choices
    from resources.contract import Query, Reply, Unit
    from resources.endpoints import Endpoint, OpenStackEndpoint

T = TypeVar("T")

OPENSTACK = TargetId("openstack", "adopted")
MOST_ROUNDS = 5
"""Answers name files, which name files: more rounds than that would be a circle."""

FILES = (
    ("cluster.yaml", ("Cluster",), "The OpenStack that everything else belongs to, as it was found."),
    ("nodes.yaml", ("Node",), "The hosts. Roles are names of your own choosing, by which other documents choose nodes."),
    ("vcenters.yaml", ("VCenter",), "The vCenters, by what their services log in with."),
    ("zones.yaml", ("HypervisorZone",), "The availability zones, one per hypervisor, and their computes."),
    ("volumes.yaml", ("VolumeBackend",), "Storage of volumes. A backend's name is its section in cinder.conf."),
    ("images.yaml", ("ImageStore",), "Where Glance keeps images."),
    ("secrets.yaml", ("Secret",), "Where secret values are: never in these files, never in git."),
)

_HALF = "nothing is written on half a look:"
_FORM = (
    "write [NAME=][USER@]ADDRESS[:PORT], an IPv6 address in brackets; a password is none of that, name a key with --key-file"
)
_LAST_PORT = 65535
_WORD = re.compile(r"(?:(?P<name>[^@:=\s/]+)=)?(?:(?P<user>[^@:=\s]+)@)?(?P<address>\[[^\]]+\]|[^@:=\s/]+)(?::(?P<port>\d+))?")


@dataclass(frozen=True, slots=True)
class Login:
    """How hosts are logged in to where their word says nothing else; `accept` trusts the key that is seen first."""

    user: str
    port: int
    key_file: str
    accept: bool


def hosts_of(words: Sequence[str], login: Login) -> tuple[Host, ...]:
    """Read `[NAME=][USER@]ADDRESS[:PORT]`. Raises AdoptError."""
    hosts: list[Host] = []
    for word in words:
        parts = _WORD.fullmatch(word)
        if parts is None:
            said = word.rpartition("@")[2]  # before it may be a password, whatever it has to do there
            raise AdoptError(f'"{said}" is no host: {_FORM}')
        name, port = parts["name"] or "", int(parts["port"] or login.port)
        if name and not is_name(name):
            raise AdoptError(f'"{word}": no Node can be called "{name}": write a-z, 0-9 and -, 63 characters at most')
        if not 0 < port <= _LAST_PORT:
            raise AdoptError(f'"{word}": {port} is no TCP port')
        address = parts["address"].strip("[]")
        if any((one.address, one.port) == (address, port) for one in hosts):
            raise AdoptError(f'"{word}" is named twice: name each host once')
        hosts.append(
            Host(target=TargetId("ssh", word), address=address, user=parts["user"] or login.user, port=port, name=name)
        )
    return tuple(hosts)


async def look(hosts: Sequence[Host], account: OpenStackEndpoint, login: Login) -> Seen:
    """Ask every host and the APIs until nothing is left to ask. Raises AdoptError when one of them does not answer."""
    trusted = await _gathered([_with_key(host, login) for host in hosts])
    endpoints: dict[TargetId, Endpoint] = {host.target: _endpoint(host, login) for host in trusted}
    endpoints[OPENSTACK] = account
    async with Targets(endpoints) as targets:
        return await everything(targets, trusted, account)


async def everything(targets: Targets, hosts: Sequence[Host], account: OpenStackEndpoint) -> Seen:
    """Return all answers of open targets. Raises AdoptError."""
    asking = [_replies(targets, host.target, partial(_questions, host)) for host in hosts]
    *found, openstack = await _gathered([*asking, _replies(targets, OPENSTACK, openstack_questions)])
    return Seen(tuple(replace(host, replies=replies) for host, replies in zip(hosts, found, strict=True)), openstack, account)


def drafted(seen: Seen, choices: Choices, folder: Path) -> Drafted:
    """Return the documents with their settings, and their texts. Raises AdoptError."""
    try:
        seen = named(seen)
        names = [host.node for host in seen.hosts]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            alike = ", ".join(host.address for host in seen.hosts if host.node == twice[0])
            remedy = "if they are one, name it once, else give one of them another name, NAME=ADDRESS"
            raise AdoptError(f"two hosts are called {twice[0]} ({alike}): {remedy}")
        draft = _complete(adopt(seen, choices))
    except UnreadableError as error:
        raise AdoptError(f"nothing is written on half a look: {error}") from error
    _refuse_bytes(draft)
    try:
        units = _compiled(draft, folder)
    except BivisorError as error:
        return Drafted(draft, texts(draft), str(error))
    draft = settled(draft, units, {host.node: host for host in seen.hosts})
    return Drafted(draft, texts(draft))


def _refuse_bytes(draft: Draft) -> None:
    """Raise AdoptError for what YAML cannot hold: values that are no UTF-8."""
    wrong = [name for name, text in texts(draft).items() if not is_text(text)]
    for name, value in draft.secrets.items():
        wrong += [f"{name}.{key}" for key, text in value.items() if not is_text(text)] if isinstance(value, dict) else []
    if wrong:
        raise AdoptError(f"these would hold bytes that are no UTF-8, as a file on a host has them: {', '.join(wrong)}")


def texts(draft: Draft) -> dict[str, str]:
    """Return the documents' texts by file name."""
    found = {}
    for name, kinds, head in FILES:
        documents = [one for one in draft.documents if one.kind in kinds]
        if documents:
            found[name] = text_of(documents, head)
    return found


async def _with_key(host: Host, login: Login) -> Host:
    if not login.accept:
        return host
    from reconciler.targets.load_asyncssh import load_asyncssh  # noqa: PLC0415 - see reconciler.targets.open

    load_asyncssh()
    from reconciler.targets.ssh_host_key import presented_host_key  # noqa: PLC0415 - as above

    return replace(host, host_key=await presented_host_key(host.target, host.address, host.port))


def _endpoint(host: Host, login: Login) -> SshEndpoint:
    return SshEndpoint(host.target, host.address, host.port, host.user, host.host_key, login.key_file)


async def _replies(targets: Targets, target: TargetId, questions: Callable[[Replies], tuple[Query, ...]]) -> Replies:
    """Ask a target until what it said raises no new question."""
    known: dict[tuple[str, str], Reply] = {}
    for _ in range(MOST_ROUNDS):
        queries = questions(known)
        if not queries:
            break
        replies = await targets.get(target).ask(queries)
        known |= {asked(query): reply for query, reply in zip(queries, replies, strict=True)}
    return known


def _questions(host: Host, known: Replies) -> tuple[Query, ...]:
    return host_questions(replace(host, replies=known))


async def _gathered(awaited: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Return all results in order. Raises AdoptError with every target that did not answer."""
    results = await asyncio.gather(*awaited, return_exceptions=True)
    silent = [str(result) for result in results if isinstance(result, TargetError)]
    if silent:
        raise AdoptError("\n".join([_HALF, *(f"  {reason}" for reason in silent), *_hints(silent)]))
    done: list[T] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return done


def _hints(silent: Sequence[str]) -> Iterator[str]:
    """Yield what the remedies mean before there are documents."""
    told = " ".join(silent)
    if str(OPENSTACK) in told:
        yield "Account, region and CA are those of --os-cloud, or of OS_AUTH_URL, OS_USERNAME, … in the environment."
    if "host key" in told and "known_hosts" in told:
        yield "With --accept-host-keys the keys that the hosts present now are trusted and written down."
    if "ssh:" in told:
        yield "A host that is gone for good is left away: then Nova's and Cinder's lists tell what ran there."


def _complete(draft: Draft) -> Draft:
    """Return the draft with a key made for a ring that is not there yet."""
    keys = {
        name: random_secrets.token_hex(128)
        for name in ("corosync-authkey", "pacemaker-authkey")
        if draft.secrets.get(name) == ""
    }
    return replace(draft, secrets={**draft.secrets, **keys})


def _compiled(draft: Draft, folder: Path) -> tuple[Unit, ...]:
    """Return the units that the documents mean. Raises BivisorError."""
    loaded = load({str(folder / name): text for name, text in texts(draft).items()}, KINDS, RULES)
    values = {
        name: {key: SecretText(text) for key, text in (value.items() if isinstance(value, dict) else {"value": value}.items())}
        for name, value in draft.secrets.items()
    }
    files = {read.file: draft.files[PurePath(read.file).name] for read in loaded.reads}
    return tuple(compile_units(loaded, KINDS, values, files).units.values())
