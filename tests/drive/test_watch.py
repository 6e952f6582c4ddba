"""Ears at every target, on a clock that jumps: what is heard is passed on, and silence is told and mended."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import cycle, pairwise
from random import Random
from typing import TYPE_CHECKING

import pytest

from reconciler.targets import Signal, TargetError
from reconciler.targets.fake import FakeTarget
from reconciler.watch import FIRST_REST_S, MOST_REST_S, Watches
from resources.contract import Query, Reply, TargetId

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection

    from reconciler.targets import Target

pytestmark = pytest.mark.looptime

VC1 = TargetId("vcenter", "vc1")
HOST = TargetId("ssh", "a")
OPENSTACK = TargetId("openstack", "demo")


class Voice(FakeTarget):
    """A target with a voice: it tells everything at first, then lives for so many seconds, then is lost.

    With None it is not even heard at first.
    """

    def __init__(self, lives_s: Callable[[], float | None], why: Callable[[], str] = lambda: "it fell silent") -> None:
        """Live that long each time, and be lost for that reason."""
        super().__init__(lambda _: Reply({}))
        self._lives_s = lives_s
        self._why = why
        self.watched: list[tuple[float, frozenset[str], frozenset[str]]] = []
        self.open = 0

    async def watch(
        self, paths: Collection[str], units: Collection[str], *, cib: bool = False, beat_s: float = 10.0
    ) -> AsyncGenerator[Signal, None]:
        """Tell that once."""
        assert not cib
        assert beat_s
        self.watched.append((asyncio.get_running_loop().time(), frozenset(paths), frozenset(units)))
        lives_s = self._lives_s()
        self.open += 1
        try:
            if lives_s is not None:
                yield Signal(VC1, everything=True)
                await asyncio.sleep(lives_s)
            raise TargetError(VC1, self._why())
        finally:
            self.open -= 1


class Listening:
    """Watches over some targets, and what was heard."""

    def __init__(self, group: asyncio.TaskGroup, voices: dict[TargetId, Voice]) -> None:
        """Watch nothing yet."""
        self._voices = voices
        self.heard: list[TargetId] = []
        self.watches = Watches(group, self, self.heard.append, Random(1))  # type: ignore[arg-type]  # enough of Targets  # noqa: S311 - jitter

    def get(self, target: TargetId) -> Target:
        """Return a target, as `Targets` does."""
        return self._voices[target]


@asynccontextmanager
async def listening(**voices: Voice) -> AsyncIterator[Listening]:
    """Watch while it lasts; at the end nobody listens any more."""
    targets = {TargetId(kind, "vc1" if kind == "vcenter" else "a"): voice for kind, voice in voices.items()}
    async with asyncio.TaskGroup() as group:
        listening = Listening(group, targets)
        yield listening
        listening.watches.stop()
    assert all(voice.open == 0 for voice in voices.values())
    assert listening.watches.deaf == {}


def pauses(voice: Voice) -> list[float]:
    """Return the seconds between the beginnings of watches."""
    return [later[0] - earlier[0] for earlier, later in pairwise(voice.watched)]


async def test_hosts_and_vcenters_are_listened_to() -> None:
    """Each hears what it is asked about; a vCenter, of which all is told, is listened to whatever it is asked."""
    voices = {"ssh": Voice(lambda: 1e6), "vcenter": Voice(lambda: 1e6)}
    async with listening(**voices) as heard:
        heard.watches.follow(
            {
                HOST: (Query("file.read", {"path": "/a"}), Query("service.show", {"unit": "x.service"})),
                VC1: (Query("session.check", {}),),
                OPENSTACK: (Query("aggregate.list", {}),),
            }
        )
        await asyncio.sleep(0.1)
        assert sorted(heard.heard) == [HOST, VC1]
        assert [set(each) for each in voices["ssh"].watched[0][1:]] == [{"/a"}, {"x.service"}]
        assert heard.watches.deaf == {}


async def test_other_questions_to_a_vcenter_begin_no_other_watch() -> None:
    """A watch of a vCenter hears everything already, and so it goes on; one that is asked nothing any more ends."""
    voice = Voice(lambda: 1e6)
    async with listening(vcenter=voice) as heard:
        heard.watches.follow({VC1: (Query("session.check", {}),)})
        await asyncio.sleep(0.1)
        heard.watches.follow({VC1: (Query("datacenter.datastores", {"path": "DC0"}),)})
        await asyncio.sleep(0.1)
        assert len(voice.watched) == voice.open == 1
        heard.watches.follow({})
        await asyncio.sleep(0.1)
        assert voice.open == 0


async def test_silence_is_told_until_it_is_heard_again() -> None:
    """Why nothing is heard stands there as long as nothing is; falling silent and each beginning are reasons to look."""
    lives: list[float | None] = [100.0, None, None, 1e6]
    voice = Voice(lambda: lives.pop(0))
    async with listening(vcenter=voice) as heard:
        heard.watches.follow({VC1: ()})
        await asyncio.sleep(99)
        assert (heard.heard, heard.watches.deaf) == ([VC1], {})
        await asyncio.sleep(1.1)
        assert (heard.heard, heard.watches.deaf) == ([VC1] * 2, {VC1: "it fell silent"})
        await asyncio.sleep(30)
        assert (heard.heard, heard.watches.deaf) == ([VC1] * 3, {})
        assert not lives


async def test_a_silence_that_lasts_is_one_reason_to_look() -> None:
    """However often it is tried in vain to listen: who looks at what is dead has rests of its own, and they are longer."""
    voice = Voice(lambda: None)
    async with listening(vcenter=voice) as heard:
        heard.watches.follow({VC1: ()})
        await asyncio.sleep(7200)
        assert (len(voice.watched) > 50, heard.heard) == (True, [VC1])


async def test_a_silence_that_lasts_by_a_mistake_is_one_reason_to_look() -> None:
    """What nobody foresaw makes nobody look more often than what everybody knows."""

    def mistaken() -> float:
        raise ValueError("nobody foresaw this")

    voice = Voice(mistaken)
    async with listening(vcenter=voice) as heard:
        heard.watches.follow({VC1: ()})
        await asyncio.sleep(7200)
        assert heard.heard == [VC1]


async def test_a_silence_is_one_warning_whatever_its_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    """Each attempt may find another reason: the last one stands, and the first one is in the log."""
    reasons = cycle(("no answer", "no sign of life"))
    voice = Voice(lambda: None, lambda: next(reasons))
    async with listening(vcenter=voice) as heard:
        heard.watches.follow({VC1: ()})
        await asyncio.sleep(600)
        assert len(voice.watched) > 5
    told = capsys.readouterr().err
    assert told.count("deaf") == 1
    assert "no answer" in told


async def test_who_is_silent_is_tried_less_often() -> None:
    """Up to a minute and a half lies between two tries, and never more."""
    voice = Voice(lambda: None)
    async with listening(vcenter=voice) as heard:
        heard.watches.follow({VC1: ()})
        await asyncio.sleep(2000)
    assert pauses(voice)[0] <= FIRST_REST_S * 1.5
    assert all(MOST_REST_S / 2 <= pause <= MOST_REST_S * 1.5 for pause in pauses(voice)[8:])


async def test_what_is_lost_as_soon_as_it_is_heard_is_tried_less_often() -> None:
    """A vCenter that lets us in and ends the session at once is not logged in to each second."""
    voice = Voice(lambda: 0.1)
    async with listening(vcenter=voice) as heard:
        heard.watches.follow({VC1: ()})
        await asyncio.sleep(2000)
    assert all(pause >= MOST_REST_S / 2 for pause in pauses(voice)[8:])


async def test_what_was_heard_for_a_while_is_tried_soon() -> None:
    """A session that ends now and then is replaced within two seconds each time."""
    voice = Voice(lambda: 10.0)
    async with listening(vcenter=voice) as heard:
        heard.watches.follow({VC1: ()})
        await asyncio.sleep(2000)
    assert max(pauses(voice)) <= 10.0 + FIRST_REST_S * 1.5 + 0.01


async def test_another_target_is_listened_to_anew() -> None:
    """What is reached otherwise than before is another one: its watch begins anew, and the old one ends."""
    voice = Voice(lambda: 1e6)
    async with listening(vcenter=voice) as heard:
        heard.watches.follow({VC1: ()})
        await asyncio.sleep(1)
        heard.watches.again(VC1)
        await asyncio.sleep(1)
        assert (len(voice.watched), voice.open) == (2, 1)
