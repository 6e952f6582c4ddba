"""Telling others what happens, against a real HTTP server."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from reconciler import log
from reconciler.news import Event, News
from reconciler.settings import Webhook
from reconciler.webhooks import Pace, Webhooks
from tests.docs.markdown import ROOT
from tests.drive.receiver import receiving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.drive.receiver import Receiver

KEY = b"0123456789abcdef"
QUICK = Pace(attempts=3, first_s=0.01, most_s=0.02, closing_s=5.0)


class Counted(Counter[tuple[str, str]]):
    """Counts what came of requests."""

    def delivery(self, webhook: str, result: str) -> None:
        """Count."""
        self[webhook, result] += 1


def news(text: str = "it broke", event: Event = Event.STEP_FAILED) -> News:
    """Return news."""
    return News(event, {"count": 1, "subjects": [{"name": "ssh:ctl1/file//etc/x", "reason": text}]})


def alive(webhook: str) -> bool:
    """Tell whether somebody still tells that webhook."""
    return any(thread.name == f"webhook-{webhook}" for thread in threading.enumerate())


@contextmanager
def telling(*hooks: Webhook, pace: Pace = QUICK) -> Iterator[tuple[Webhooks, Counted]]:
    """Have these told meanwhile."""
    counts = Counted()
    with Webhooks({"host": "ctl1", "desired": "/srv/cloud"}, counts, pace) as webhooks:
        webhooks.use(hooks)
        yield webhooks, counts


@pytest.fixture(autouse=True)
def _log() -> None:
    """Write the log to where this test's standard error goes."""
    log.set_up()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Somebody who is told."""
    with receiving() as found:
        yield found


def test_news_arrive_in_order_and_say_who_tells(receiver: Receiver) -> None:
    """One request for each piece of news; at the end what still waits is sent."""
    with telling(Webhook("ops", receiver.url, KEY)) as (webhooks, counts):
        for number in range(20):
            webhooks.tell(news(f"reason {number}"))
    assert [request.told["data"]["subjects"][0]["reason"] for request in receiver.requests] == [
        f"reason {number}" for number in range(20)
    ]
    first = receiver.requests[0]
    assert first.told["type"] == "step.failed"
    assert first.told["source"] == {"host": "ctl1", "desired": "/srv/cloud"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.told["timestamp"])
    assert first.headers["content-type"] == "application/json"
    assert counts == {("ops", "sent"): 20}


def test_the_documented_check_accepts_it_and_nothing_else(receiver: Receiver) -> None:
    """The example of the documentation takes a request as it came, and refuses another body, key, or time."""
    page = (ROOT / "docs/how-to/operate-the-daemon.md").read_text()
    (example,) = re.findall(r"```python\n(.*?def verified.*?)```", page, re.DOTALL)
    names: dict[str, object] = {}
    exec(example, names)  # noqa: S102 - the example is what is tested
    verified = names["verified"]
    assert callable(verified)
    with telling(Webhook("ops", receiver.url, KEY)) as (webhooks, _):
        webhooks.tell(news())
    (request,) = receiver.requests
    assert verified(KEY, request.headers, request.body)
    assert not verified(KEY, request.headers, request.body.replace(b"broke", b"works"))
    assert not verified(b"fedcba9876543210", request.headers, request.body)
    late = {**request.headers, "webhook-timestamp": str(int(time.time()) - 3600)}
    assert not verified(KEY, late, request.body)


def test_only_what_somebody_wants_to_hear(receiver: Receiver) -> None:
    """Each webhook has its own choice of events."""
    with telling(Webhook("ops", receiver.url, KEY, frozenset({Event.TARGET_DEAF}))) as (webhooks, _):
        webhooks.tell(news())
        webhooks.tell(news(event=Event.TARGET_DEAF))
    assert [request.told["type"] for request in receiver.requests] == ["target.deaf"]


def test_it_is_tried_again_as_the_same_message(receiver: Receiver) -> None:
    """After refusals the same news with the same number and a new signature; then it is sent."""
    receiver.answers = [500, 302]
    with telling(Webhook("ops", receiver.url, KEY)) as (webhooks, counts):
        webhooks.tell(news())
        receiver.until(lambda: counts["ops", "sent"])
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert [request.body for request in receiver.requests] == [receiver.requests[0].body] * 3
    assert counts == {("ops", "failed"): 2, ("ops", "sent"): 1}


def test_what_cannot_be_sent_is_dropped_and_told(receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    """After its attempts one piece of news is given up, the log says so without the URL, and the next one is sent."""
    receiver.answers = [500] * QUICK.attempts
    with telling(Webhook("ops", receiver.url, KEY)) as (webhooks, counts):
        webhooks.tell(news("lost"))
        webhooks.tell(news("found"))
        receiver.until(lambda: counts["ops", "sent"])
    assert counts == {("ops", "failed"): QUICK.attempts, ("ops", "dropped"): 1, ("ops", "sent"): 1}
    told = capsys.readouterr().err
    assert "event='webhook_dropped' webhook='ops'" in told
    assert "it answers 500" in told
    assert "/in" not in told


def test_nobody_listens(capsys: pytest.CaptureFixture[str]) -> None:
    """The reason is the system's own, without the address."""
    with telling(Webhook("ops", "http://127.0.0.1:9/in?token=abc", KEY), pace=Pace(1)) as (webhooks, counts):
        webhooks.tell(news())
    assert counts == {("ops", "failed"): 1, ("ops", "dropped"): 1}
    told = capsys.readouterr().err
    assert "Connection refused" in told
    assert "token" not in told


def test_one_that_could_not_be_sent_for_want_of_certificates_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """While the certificates are not there, as when they are just installed anew, an attempt fails, and the next is made."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "gone.pem"))
    with telling(Webhook("ops", "https://127.0.0.1:9/in", KEY)) as (webhooks, counts):
        for text in ("first", "second"):
            webhooks.tell(news(text))
        receiver.until(lambda: counts["ops", "dropped"] == 2 or not alive("ops"))
    assert counts == {("ops", "failed"): 2 * QUICK.attempts, ("ops", "dropped"): 2}
    assert "gone.pem" in capsys.readouterr().err


def test_a_mistake_in_telling_ends_nothing(receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    """What a mistake befalls is logged as one, and what comes after it is told."""

    class Clumsy(Counted):
        """Fails once, in a way that nobody foresaw."""

        def delivery(self, webhook: str, result: str) -> None:
            """Fail the first time, then count."""
            if not self:
                self["mistakes", "made"] += 1
                raise KeyError(webhook)
            super().delivery(webhook, result)

    counts = Clumsy()
    with Webhooks({}, counts, QUICK) as webhooks:
        webhooks.use([Webhook("ops", receiver.url, KEY)])
        for text in ("first", "second"):
            webhooks.tell(news(text))
        receiver.until(lambda: counts["ops", "sent"] or not alive("ops"))
    assert counts["ops", "sent"] == 1
    assert "event='mistake'" in capsys.readouterr().err


def test_one_that_hangs_delays_nobody(receiver: Receiver) -> None:
    """While one webhook does not answer others are told; what finds no room is dropped and counted; the end does not wait."""
    receiver.open.clear()
    with (
        receiving() as other,
        telling(
            Webhook("slow", receiver.url, KEY), Webhook("quick", other.url, KEY), pace=Pace(closing_s=0.1, most_waiting=20)
        ) as (
            webhooks,
            counts,
        ),
    ):
        for _ in range(30):
            webhooks.tell(news())
            other.until(lambda: not webhooks.waiting["quick"])
        other.until(lambda: counts["quick", "sent"] == 30)
        assert counts["slow", "dropped"] >= 9
        assert webhooks.waiting["slow"] == 20
    receiver.open.set()
    receiver.until(lambda: not alive("slow"))


def test_other_settings_leave_what_waits(receiver: Receiver) -> None:
    """A webhook that is as before goes on; one that is left out is told what waits for it, and nothing more."""
    with (
        receiving() as other,
        telling(Webhook("ops", receiver.url, KEY), Webhook("gone", other.url, KEY)) as (webhooks, counts),
    ):
        other.open.clear()
        webhooks.tell(news("first"))
        webhooks.use([Webhook("ops", receiver.url, KEY)])
        webhooks.tell(news("second"))
        other.open.set()
        receiver.until(lambda: counts["ops", "sent"] == 2 and counts["gone", "sent"] == 1)
    assert len(other.requests) == 1
