"""Tell others what happens, by HTTP requests that they can trust: signed as the Standard Webhooks specification says.

    tell ─▶ a bounded queue for each webhook ─▶ its own thread: sign, send, rest and send again ─▶ sent, or dropped and said so

Nobody waits for a webhook: whoever tells puts news into a queue and goes on, and what finds no room is dropped and counted.
The threads end with the program, whatever they wait for.

A request has the body {"type": …, "timestamp": …, "source": {"host": …, "desired": …}, "data": {…}} and the headers

    webhook-id          the same for each attempt to send one piece of news
    webhook-timestamp   seconds since 1970, of this attempt
    webhook-signature   v1,BASE64 of the HMAC-SHA256 over "ID.TIMESTAMP.BODY"
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import queue
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Protocol, Self

import requests

from reconciler import log
from reconciler.mistakes import outlived

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from reconciler.news import News
    from reconciler.settings import Webhook

ANSWER_S = 10.0
"""Seconds until a connection must be there, and until the answer begins."""

SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long it is tried: so many times, with rests in seconds that double from the first up to the longest.

    `closing_s` is how long the end waits; `most_waiting` so many pieces of news wait, what comes then is dropped.
    """

    attempts: int = 9
    first_s: float = 1.0
    most_s: float = 300.0
    closing_s: float = 3.0
    most_waiting: int = 1000


class Counts(Protocol):
    """Whoever counts what came of it."""

    def delivery(self, webhook: str, result: str) -> None:
        """Hear that a piece of news was `sent` or `dropped`, or that an attempt `failed`. Called in any thread."""
        ...


@dataclass(frozen=True, slots=True)
class _Message:
    """A piece of news as it is sent."""

    number: str
    event: str
    body: bytes


class Webhooks:
    """Everybody who is told; while it is entered, and for `Pace.closing_s` seconds at its end."""

    def __init__(self, source: Mapping[str, str], counts: Counts, pace: Pace | None = None) -> None:
        """Tell nobody yet. `source` says in each request who tells."""
        self._source = source
        self._counts = counts
        self._pace = pace or Pace()
        self._senders: dict[Webhook, _Sender] = {}

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Send what waits, as far as that goes in a moment; say what is dropped."""
        deadline = time.monotonic() + self._pace.closing_s
        for sender in self._senders.values():
            sender.close()
        for sender in self._senders.values():
            sender.join(max(deadline - time.monotonic(), 0.0))

    def use(self, hooks: Iterable[Webhook]) -> None:
        """Tell these from now on. Others are told what waits for them already, and nothing more."""
        before = self._senders
        self._senders = {hook: before.get(hook) or _Sender(hook, self._counts, self._pace) for hook in hooks}
        for hook in before.keys() - self._senders.keys():
            before[hook].close()

    def tell(self, news: News) -> None:
        """Tell everybody who wants to hear of that. Waits for nothing."""
        senders = [sender for hook, sender in self._senders.items() if news.event in hook.events]
        if senders:
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            told = {"type": str(news.event), "timestamp": now, "source": self._source, "data": news.data}
            message = _Message(f"msg_{uuid.uuid4().hex}", str(news.event), _json(told))
            for sender in senders:
                sender.take(message)

    @property
    def waiting(self) -> Mapping[str, int]:
        """How many pieces of news wait for each webhook."""
        return {hook.name: sender.waiting for hook, sender in self._senders.items()}


class _Sender:
    """One webhook, its queue and its thread."""

    def __init__(self, hook: Webhook, counts: Counts, pace: Pace) -> None:
        self._hook = hook
        self._counts = counts
        self._pace = pace
        self._queue: queue.Queue[_Message | None] = queue.Queue(pace.most_waiting)
        self._full = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"webhook-{hook.name}", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        return self._queue.qsize()

    def take(self, message: _Message) -> None:
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            if not self._full:
                log.logger().error("webhook_full", webhook=self._hook.name, most=self._pace.most_waiting)
            self._full = True
            self._counts.delivery(self._hook.name, "dropped")
        else:
            self._full = False

    def close(self) -> None:
        """Send each that waits once more, without rests between attempts, and end."""
        self._closing.set()
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            return  # the thread sees that it is closing

    def join(self, within_s: float) -> None:
        """Wait for the end; what is not sent by then is said to be dropped."""
        self._thread.join(within_s)
        if self._thread.is_alive():
            log.logger().error("webhook_unsent", webhook=self._hook.name, news=max(self.waiting, 1))

    def _run(self) -> None:
        with requests.Session() as session:
            while not (self._closing.is_set() and self._queue.empty()):
                message = self._queue.get()
                if message is not None:
                    with outlived(f"tell the webhook {self._hook.name}"):  # nobody would begin this thread anew
                        self._deliver(session, message)

    def _deliver(self, session: requests.Session, message: _Message) -> None:
        rest_s, name, why = self._pace.first_s, self._hook.name, ""
        for attempt in range(1, self._pace.attempts + 1):
            why = self._send(session, message)
            if not why:
                self._counts.delivery(name, "sent")
                log.logger().debug("webhook_sent", webhook=name, told=message.event, attempts=attempt)
                return
            self._counts.delivery(name, "failed")
            if attempt == self._pace.attempts or self._closing.wait(rest_s):
                break
            rest_s = min(2.0 * rest_s, self._pace.most_s)
        self._counts.delivery(name, "dropped")
        log.logger().error("webhook_dropped", webhook=name, told=message.event, attempts=attempt, reason=why)

    def _send(self, session: requests.Session, message: _Message) -> str:
        """Send it once; return why that was nothing, or ''."""
        at = int(time.time())
        headers = {
            "content-type": "application/json",
            "user-agent": f"bivisor/{version('bivisor')}",
            "webhook-id": message.number,
            "webhook-timestamp": str(at),
            "webhook-signature": signature(self._hook.key, message.number, at, message.body),
        }
        try:
            # the body of an answer is not read: it may be long, or never end
            with session.post(
                self._hook.url, message.body, headers=headers, timeout=ANSWER_S, allow_redirects=False, stream=True
            ) as answer:
                return "" if answer.status_code in SUCCESS else f"it answers {answer.status_code}"
        except (OSError, ValueError) as error:  # no RequestException: certificates that are missing, a URL that is none
            return _innermost(error)


def signature(key: bytes, number: str, at: int, body: bytes) -> str:
    """Return the signature of a request."""
    signed = hmac.new(key, b".".join((number.encode(), str(at).encode(), body)), hashlib.sha256)
    return f"v1,{base64.b64encode(signed.digest()).decode()}"


def _json(value: object) -> bytes:
    return log.masked(json.dumps(value, ensure_ascii=False)).encode("utf-8", "backslashreplace")


def _innermost(error: BaseException) -> str:
    """Return what the error began with: those around it quote the URL."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return log.masked(str(error) or type(error).__name__)
