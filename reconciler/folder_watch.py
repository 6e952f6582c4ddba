"""Hears from the kernel (inotify, by watchdog) that something below a folder moved.

What it says is a reason to look, never what is believed: a watch can end, or hear nothing, without a word. Who is told
looks from time to time by itself, and says `lost` when there was something to hear.
"""

from __future__ import annotations

import os
import posixpath
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from watchdog.events import (
    DirAttribEvent,
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from reconciler.desired import is_document

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from pathlib import Path

    from watchdog.observers.api import BaseObserver

_HEARD: list[type[FileSystemEvent]] = [
    DirAttribEvent,
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]
"""All but opening and reading: a reader must not wake whoever reads."""


class FolderWatch:
    """One folder and all below it, links not followed. `heard` counts what was heard of it."""

    def __init__(self, loop: AbstractEventLoop, stir: Callable[[], None], writer_s: float) -> None:
        """Call `stir` in the loop when something moves; a writer who is silent for `writer_s` counts as gone."""
        self._loop = loop
        self._stir = stir
        self._writer_s = writer_s
        self._lock = threading.Lock()
        self._writers: dict[str, float] = {}
        self._observer: BaseObserver | None = None
        self._lost = ""
        self.heard = 0

    def start(self, folder: Path) -> None:
        """Watch what that path leads to now, in place of anything else. Raises OSError: it is not there, a limit is reached."""
        self.stop()
        self._lost = ""
        observer = Observer(timeout=1.0)
        try:
            observer.schedule(_Handler(self), os.path.realpath(folder), recursive=True, event_filter=_HEARD)
            observer.start()
        except BaseException:
            observer.stop()
            raise
        self._observer = observer

    def stop(self) -> None:
        """Watch nothing any more; nothing is left open."""
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join()
        with self._lock:
            self._writers.clear()

    def lost(self, why: str) -> None:
        """Say that there was something to hear and it was not heard."""
        self._lost = why

    @property
    def trouble(self) -> str:
        """Why it hears nothing, or ''."""
        observer = self._observer
        if observer is None:
            return "nothing is watched"
        if not (observer.is_alive() and all(emitter.is_alive() for emitter in observer.emitters)):
            return "the watch has ended"
        return self._lost

    @property
    def writing(self) -> str:
        """The path of a document that somebody has written to and not closed yet, or ''."""
        since = time.monotonic() - self._writer_s
        with self._lock:
            self._writers = {path: at for path, at in self._writers.items() if at > since}
            return min(self._writers, default="")

    def hear(self, event: FileSystemEvent) -> None:
        """Take note of what happened; called in the watch's own thread."""
        path, to = _text(event.src_path), _text(event.dest_path)
        self.heard += 1
        if not (event.is_directory or _is_document(path) or _is_document(to)):
            return  # an editor's swap file, say, which is written all the time
        with self._lock:
            if isinstance(event, FileModifiedEvent):
                self._writers[path] = time.monotonic()
            elif isinstance(event, (FileClosedEvent, FileDeletedEvent)):
                self._writers.pop(path, None)
            elif isinstance(event, FileMovedEvent) and self._writers.pop(path, None) is not None and _is_document(to):
                self._writers[to] = time.monotonic()
        with suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(self._stir)


class _Handler(FileSystemEventHandler):
    def __init__(self, watch: FolderWatch) -> None:
        self._watch = watch

    def on_any_event(self, event: FileSystemEvent) -> None:
        self._watch.hear(event)


def _is_document(path: str) -> bool:
    return is_document(posixpath.basename(path))


def _text(path: bytes | str) -> str:
    return path if isinstance(path, str) else path.decode("utf-8", "surrogateescape")
