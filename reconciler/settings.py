"""The operator's own settings of `bivisor run`: one small YAML file beside the documents or in /etc.

    listen: 127.0.0.1:9180              # metrics and health
    logLevel: info
    stopWithinSeconds: 2700
    retention: {passDays: 365, eventDays: 90}
    webhooks:
      - name: ops
        url: https://ops.example.org/bivisor
        secret: {file: secrets/webhook}
        events: [step.failed, rollout.stopped]

It is read as documents are: every error at once, with its place and what would be right.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from reconciler.aside import aside
from reconciler.core.documents import read_documents
from reconciler.core.errors import InputError, LocatedProblem
from reconciler.core.fields import map_marked
from reconciler.core.load import NAME_PATTERN
from reconciler.core.validate import validate
from reconciler.core.wording import dotted
from reconciler.news import Event
from reconciler.redact import Redactor
from reconciler.resolve import UnresolvedError, read_secret
from reconciler.retention import RETENTION, Retention
from resources.cloud import Spec
from resources.contract import SecretText
from resources.specs.secret import SecretSpec
from resources.specs.shapes import Shape

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.core.documents import Document
    from reconciler.core.documents import Path as FieldPath
    from reconciler.core.fields import Mark

SHORTEST_KEY = 16
"""Bytes of a key at least: a shorter one can be guessed."""

LARGEST_PORT = 65535

STOP_WITHIN_S = 2700
"""Installing packages is the longest step: 30 minutes, and as long again where another installation is waited for."""

LONGEST_STOP_S = 86_400

MOST = 10**9
"""What is kept is counted by numbers that SQLite has as well."""


def _address(text: str) -> str:
    if int(text.rpartition(":")[2]) > LARGEST_PORT:
        raise ValueError(f"the port must be at most {LARGEST_PORT}")
    return text


def _each_once(hooks: tuple[WebhookModel, ...]) -> tuple[WebhookModel, ...]:
    twice = [name for name, count in Counter(hook.name for hook in hooks).items() if count > 1]
    if twice:
        raise ValueError(f'the name "{twice[0]}" stands here twice')
    return hooks


class WebhookModel(Spec):
    """Somebody who is told what happens, by an HTTP request with a signature."""

    name: Annotated[str, Shape(NAME_PATTERN, "a name of a-z, 0-9 and -")] = Field(
        description="What it is called in logs and metrics; its URL stands in neither."
    )
    url: Annotated[str, Shape(r"https?://[^\s/]+\S*", "an address such as https://ops.example.org/bivisor")] = Field(
        description="Where the requests go."
    )
    secret: SecretSpec = Field(
        description="Where the key of the signature is, as in a document of kind Secret: exactly one of file, env and command."
    )
    events: tuple[Event, ...] = Field(default=tuple(Event), description="What is told; without it everything.")


class RetentionModel(Spec):
    """How much of what was done and of what happened is kept; what is over goes, the oldest first."""

    passes: int = Field(default=RETENTION.passes, ge=1, le=MOST, description="As many passes at most.")
    pass_days: int = Field(default=RETENTION.passes_days, ge=1, le=MOST, description="Passes of so many days at most.")
    events: int = Field(default=RETENTION.events, ge=1, le=MOST, description="As many events at most.")
    event_days: int = Field(default=RETENTION.events_days, ge=1, le=MOST, description="Events of so many days at most.")
    megabytes: int = Field(default=RETENTION.most_bytes // 2**20, ge=1, le=MOST, description="Passes of so many MiB at most.")

    def retention(self) -> Retention:
        """Return it as the file of what was done knows it."""
        return Retention(self.passes, self.pass_days, self.events, self.event_days, self.megabytes * 2**20)


class SettingsModel(Spec):
    """What the file may say; all of it may be left out."""

    listen: (
        Annotated[
            str,
            Shape(r"(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):[0-9]{1,5}", "HOST:PORT, such as 127.0.0.1:9180"),
            AfterValidator(_address),
        ]
        | None
    ) = Field(
        default=None,
        description="Address and port for metrics and health; without it nothing listens. There is no login: whoever "
        "reaches it reads the names of hosts.",
    )
    log_level: Literal["debug", "info", "warning", "error"] | None = Field(
        default=None, description="Least level of log lines; --log-level has precedence."
    )
    stop_within_seconds: int = Field(
        default=STOP_WITHIN_S,
        ge=1,
        le=LONGEST_STOP_S,
        description="How long the steps in hand may take after SIGTERM; then they are abandoned.",
    )
    retention: RetentionModel = Field(
        default_factory=RetentionModel, description="How much is kept of what was done and of what happened."
    )
    webhooks: Annotated[tuple[WebhookModel, ...], AfterValidator(_each_once)] = Field(
        default=(), description="Who is told what happens."
    )


@dataclass(frozen=True, slots=True)
class Webhook:
    """Somebody who is told of these events; requests are signed with the key."""

    name: str
    url: str = field(repr=False)
    key: bytes = field(repr=False)
    events: frozenset[Event] = frozenset(Event)


@dataclass(frozen=True, slots=True)
class Settings:
    """What is in force. `listen` is None where nothing listens; `redact` masks what must not be shown."""

    listen: tuple[str, int] | None = None
    log_level: str | None = None
    stop_within_s: float = STOP_WITHIN_S
    webhooks: tuple[Webhook, ...] = ()
    redact: Redactor = field(default_factory=Redactor, compare=False, repr=False)
    retention: Retention = RETENTION


async def read_settings(path: Path) -> Settings:
    """Return what the file says, its secrets read. Raises InputError with every problem of it."""
    document = await aside(_document, path)
    if document is None:
        return Settings()
    found = validate(SettingsModel, document.value, plain=document.plain)
    if isinstance(found, tuple):
        raise InputError([*document.problems, *(_at(document, one.path, one.message) for one in found)])
    if document.problems:
        raise InputError(document.problems)
    return await _settled(document, _beside(found, path.parent))


def _document(path: Path) -> Document | None:
    """Return the one document of the file, None when it is empty. Raises InputError."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError([_of_file(path, "cannot be read: the file is not UTF-8 text")]) from None
    except OSError as error:
        why = f"cannot be read: {error.strerror}: name the file with --settings FILE, or leave that away"
        raise InputError([_of_file(path, why)]) from None
    documents, problems = read_documents(str(path), text)
    if problems:
        raise InputError(problems)
    if len(documents) > 1:
        raise InputError([_at(documents[1], (), "settings are one document: a second one begins here")])
    return documents[0] if documents else None


def _beside(model: SettingsModel, folder: Path) -> SettingsModel:
    """Return the settings with the files that they name seen from the folder of the settings."""

    def handle(_: Mark, text: str, __: FieldPath) -> str:
        return os.path.normpath(folder / text)

    return map_marked(model, handle, ())


async def _settled(document: Document, model: SettingsModel) -> Settings:
    problems: list[LocatedProblem] = []
    hooks: list[Webhook] = []
    secrets: dict[str, dict[str, SecretText]] = {}
    for index, hook in enumerate(model.webhooks):
        try:
            values = await read_secret(hook.secret)
            key = _key(values)
        except UnresolvedError as error:
            problems.append(_at(document, ("webhooks", index, "secret", error.field), str(error)))
        except ValueError as error:
            problems.append(_at(document, ("webhooks", index, "secret"), str(error)))
        else:
            secrets[hook.name] = {**values, "url": SecretText(hook.url)}
            hooks.append(Webhook(hook.name, hook.url, key, frozenset(hook.events)))
    if problems:
        raise InputError(problems)
    listen = None
    if model.listen is not None:
        host, _, port = model.listen.rpartition(":")
        listen = host.strip("[]"), int(port)
    stop_within_s, kept = float(model.stop_within_seconds), model.retention.retention()
    return Settings(listen, model.log_level, stop_within_s, tuple(hooks), Redactor(secrets), kept)


def _key(values: dict[str, SecretText]) -> bytes:
    """Return the key: what follows `whsec_` in base64, as the Standard Webhooks have it, else the text. Raises ValueError."""
    if set(values) != {"value"}:
        raise ValueError("must hold one text: name a file that does not end in .yaml")
    text = values["value"].reveal
    coded = re.fullmatch(r"whsec_(.*)", text)
    try:
        key = base64.b64decode(coded[1], validate=True) if coded else text.encode("utf-8", "surrogateescape")
    except binascii.Error:
        raise ValueError("what follows whsec_ must be base64") from None
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"is too short for a key: {SHORTEST_KEY} bytes at least, such as openssl rand -hex 32 prints")
    return key


def _at(document: Document, path: FieldPath, message: str) -> LocatedProblem:
    place = document.positions.of(path)
    return LocatedProblem(place.file, place.line, place.column, None, dotted(path), message)


def _of_file(path: Path, message: str) -> LocatedProblem:
    return LocatedProblem(str(path), 0, 0, None, "", message)
