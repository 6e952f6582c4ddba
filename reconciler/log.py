"""Structured logs on standard error: constant events, values as keys, one canonical line per pass, secrets masked.

structlog is loaded with the first line: loading it takes longer than asking a host, and most looks log nothing.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from structlog.typing import FilteringBoundLogger


@dataclass(slots=True)
class _Settings:
    level: str = "warning"
    as_json: bool = False
    redact: Callable[[str], str] = str


_SETTINGS = _Settings()

MOST_REDACTORS = 8
"""So many declarations back secrets are masked: one that was rotated may still stand in what a host answers."""

_REDACTORS: list[Callable[[str], str]] = []

_OWN: list[Callable[[str], str]] = []
"""The same of the operator's own settings, which are declared apart from the documents."""


class _StandardError:
    """Standard error, whatever it is at the moment. What cannot be written (the disk is full, nobody reads) ends nobody."""

    def write(self, text: str) -> None:
        """Write, or let it be: there is nobody left to tell."""
        with suppress(OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        """Send it off, or let it be."""
        with suppress(OSError, ValueError):
            sys.stderr.flush()


def set_up(*, level: str = "warning", as_json: bool = False, redact: Callable[[str], str] = str) -> None:
    """Say how lines are written; `redact` passes every text of every event."""
    _SETTINGS.level, _SETTINGS.as_json, _SETTINGS.redact = level, as_json, redact
    logger.cache_clear()


def set_level(level: str) -> None:
    """Write lines of that level and above from now on."""
    _SETTINGS.level = level
    logger.cache_clear()


def write_json() -> None:
    """Write lines as JSON from now on; what is masked stays so."""
    _SETTINGS.as_json = True
    logger.cache_clear()


def mask(redact: Callable[[str], str], *, own: bool = False) -> None:
    """Mask what `redact` masks as well from now on: another secret may be declared while the old one still stands somewhere.

    `own` are the secrets of the settings.
    """
    known = _OWN if own else _REDACTORS
    known[:] = [redact, *(each for each in known if each != redact)][:MOST_REDACTORS]
    _SETTINGS.redact = _masked_by_all


def _masked_by_all(text: str) -> str:
    for redact in (*_OWN, *_REDACTORS):
        text = redact(text)
    return text


class _Libraries(logging.Handler):
    """Writes what libraries say as lines of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, with the trace where there is one."""
        level = "error" if record.levelno >= logging.ERROR else "warning"
        trace = {"exc_info": record.exc_info} if record.exc_info else {}
        getattr(logger(), level)("library", name=record.name, message=record.getMessage(), **trace)


def take_in_libraries() -> None:
    """Write warnings and errors of libraries as lines of this log too: else they stand beside it, in no form, unmasked."""
    logging.basicConfig(handlers=[_Libraries()], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)


def masked(text: str) -> str:
    """Return a text that is about to be shown without the secrets that are known by now."""
    return _SETTINGS.redact(text)


def _clean(value: Any) -> Any:
    """Return a value of an event with all texts in it masked."""
    match value:
        case str():
            return masked(value)
        case dict():
            return {key: _clean(each) for key, each in value.items()}
        case list() | tuple():
            return [_clean(each) for each in value]
        case _:
            return value


@cache
def logger() -> FilteringBoundLogger:
    """Return the program's logger, configured as it was last set up."""
    import structlog  # noqa: PLC0415 - see the module's docstring

    def mask(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {key: _clean(value) for key, value in event.items()}

    as_text = structlog.processors.KeyValueRenderer(key_order=["event"])
    render: Any = structlog.processors.JSONRenderer() if _SETTINGS.as_json else as_text
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,  # as text, which can be masked; never with the values of local names
            mask,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[_SETTINGS.level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _StandardError())),
        cache_logger_on_first_use=False,
    )
    found: FilteringBoundLogger = structlog.get_logger()
    return found
