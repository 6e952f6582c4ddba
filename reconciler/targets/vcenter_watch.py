"""Hear of a vCenter's inventory through its property collector, in a session that belongs to one watch alone.

The session is of its own because nothing may wait for a wait: vCenter answers questions in the other one meanwhile, and a
new login there, which drops what is known of versions, is none here. What vCenter tells is which objects changed. What they
have become is asked, in full: no value that is kept here could be older than the answer.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from reconciler.targets import Signal, TargetError
from reconciler.targets.threads import Threads
from reconciler.targets.vcenter_inventory import PROPERTIES, over
from reconciler.targets.vcenter_networks import OWNERS, PLACES
from reconciler.targets.vcenter_session import LoginRefusedError, LostSessionError, explain, reading

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, MutableSet

    from reconciler.targets.vcenter_session import Session
    from resources.endpoints import VCenterEndpoint

T = TypeVar("T")

_RESTLESS = frozenset({"summary.capacity", "summary.freeSpace"})
"""Never still where machines run, and nothing is decided by them."""

_PORT_GROUP = "dvs.DistributedVirtualPortgroup"
_SETTING = "config.configVersion"
"""Another one with each change of a port group's setting, in which its VLAN is; the setting itself would be much."""

_SOCKET_BEATS = 1.75
_ANSWER_BEATS = 2.0
_FAREWELL_BEATS = 0.5
"""vCenter waits for a change for one beat; a read that takes longer than the first of these has failed, then the request,
and then there is time to say goodbye until the silence has to be told, after SILENT_BEATS."""

_PAGE = 1000


def heard() -> Mapping[str, tuple[str, ...]]:
    """Return what is heard of each type: all that answers are made of, but for what is restless.

    Of an object with its own type and a more general one in this list, vCenter may take the former alone, so that has all.
    """
    found = {kind: dict.fromkeys(path for path in paths if path not in _RESTLESS) for kind, paths in PROPERTIES.items()}
    more = {_PORT_GROUP: (*PLACES["Network"], _SETTING)}
    for properties in (PLACES, OWNERS, more):
        for kind, paths in properties.items():
            found.setdefault(kind, {}).update(dict.fromkeys(paths))
    return {kind: tuple(paths) for kind, paths in found.items()}


class Ear:
    """A session with a collector of one filter. Its methods block.

    `more` tells that vCenter has not told all that it knows already.
    """

    def __init__(self, session: Session) -> None:
        """Have vCenter note from now on what changes. Raises LostSessionError, and what pyVmomi raises."""
        self.more = True
        self._session = session
        self._version = ""
        self._over = False
        with reading():
            _, spec = over(session.content, session.content.rootFolder, heard())
            self._collector = session.content.propertyCollector.CreatePropertyCollector()
            self._collector.CreateFilter(spec, partialUpdates=False)

    def hear(self, most_s: int) -> frozenset[str]:
        """Wait, for so many seconds at most, for changes since the last call; return the MoRefs of what changed.

        Raises LostSessionError, and what pyVmomi raises.
        """
        from pyVmomi import vmodl  # noqa: PLC0415 - see vcenter_session

        options = vmodl.query.PropertyCollector.WaitOptions(maxWaitSeconds=most_s, maxObjectUpdates=_PAGE)
        try:
            with reading():
                told = self._collector.WaitForUpdatesEx(self._version, options)
        except (vmodl.query.InvalidCollectorVersion, vmodl.fault.RequestCanceled) as error:
            raise LostSessionError from error  # it has forgotten what we know, or we are closed
        finally:
            if self._over:
                self._session.drop()
        if told is None:
            self.more = False
            return frozenset()
        self._version, self.more = told.version, bool(told.truncated)
        return frozenset(one.obj._moId for each in told.filterSet for one in each.objectSet)  # noqa: SLF001 - see vcenter_inventory

    def close(self) -> None:
        """Have vCenter forget the filter and the session; who waits is told that it is lost. Never raises."""
        self._over = True
        with suppress(Exception):
            self._collector.DestroyPropertyCollector()  # and its filter, and its wait
            self._session.content.sessionManager.Logout()
        self._session.drop()


async def watch_vcenter(
    endpoint: VCenterEndpoint, log_in: Callable[[float], Session], ears: MutableSet[Ear], beat_s: float
) -> AsyncGenerator[Signal, None]:
    """Tell what changes, as Watchable.watch does; `beat_s` is one second at least. Raises TargetError.

    `log_in` opens a session whose reads take so many seconds at most, and blocks. `ears` holds the ear while it is open.
    """
    threads, socket_timeout_s = Threads(f"{endpoint.target} watch"), _SOCKET_BEATS * beat_s

    async def run(call: Callable[[], T], dispose: Callable[[T], None] | None = None) -> T:
        safe = partial(_explained, endpoint, call, socket_timeout_s)
        limit_s = _ANSWER_BEATS * beat_s
        try:
            return await threads.run(safe, deadline_s=limit_s, dispose=dispose)
        except TimeoutError as error:
            reason = f"no sign of life from {endpoint.host}:{endpoint.port} for {limit_s:.0f} s"
            raise TargetError(endpoint.target, reason) from error

    ear = await run(lambda: _open(log_in(socket_timeout_s)), Ear.close)
    ears.add(ear)
    try:
        while ear.more:
            await run(partial(ear.hear, 0))
        yield Signal(endpoint.target, everything=True)
        while True:
            changed = await run(partial(ear.hear, int(beat_s)))
            if changed:
                yield Signal(endpoint.target, objects=changed)
    finally:
        ears.discard(ear)
        with suppress(TimeoutError):
            await threads.run(ear.close, deadline_s=_FAREWELL_BEATS * beat_s)


def _open(session: Session) -> Ear:
    try:
        return Ear(session)
    except BaseException:
        session.close()
        raise


def _explained(endpoint: VCenterEndpoint, call: Callable[[], T], socket_timeout_s: float) -> T:
    """Call. Raises TargetError."""
    try:
        return call()
    except LoginRefusedError as refusal:
        reason = f"vCenter refuses the login ({refusal.fault}), so what changes there is not heard"
        raise TargetError(endpoint.target, reason) from refusal
    except Exception as error:
        raise explain(endpoint, error, socket_timeout_s) from error
