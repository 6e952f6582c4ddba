"""The repository that is followed: how it is reached, what may be shown of that, and what is meant by git's own words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from reconciler.core.errors import BivisorError
from reconciler.redact import SHORTEST
from resources.contract import MASK

_WEB = ("http", "https")
_USER, _PASSWORD = "BIVISOR_GIT_USER", "BIVISOR_GIT_PASSWORD"
_HELPER = f'!f() {{ test "$1" = get && printf "username=%s\\npassword=%s\\n" "${_USER}" "${_PASSWORD}"; }}; f'
"""A credential helper: what git asks for it finds in its environment, and never in its arguments, which anybody can read."""

MOST_LINES = 3
"""Of what git says when it fails, so many lines are told, the last ones."""


class FollowError(BivisorError):
    """A branch cannot be followed to where it is now. `reason` is one CamelCase word for programs."""

    def __init__(self, reason: str, message: str) -> None:
        """Keep both; trying again may help."""
        super().__init__(message, retry=True)
        self.reason = reason


class _Meaning(NamedTuple):
    words: str
    reason: str
    remedy: str


_MEANINGS = (
    _Meaning("couldn't find remote ref", "NoBranch", "push that branch, or name another one with --branch"),
    _Meaning("Host key verification failed", "HostUnknown", "add the host's key to ~/.ssh/known_hosts of who runs this"),
    _Meaning("Permission denied", "NotAllowed", "give who runs this a key that may read the repository"),
    _Meaning(
        "Authentication failed|could not read (Username|Password)|HTTP Basic|error: 40[13]",
        "NotAllowed",
        "give who runs this credentials, by git's credential helper or in BIVISOR_GIT",
    ),
    _Meaning("transport '.*' not allowed", "NotAllowed", "use ssh, https, http, git, or a folder"),
    _Meaning("not found|does not (exist|appear to be)", "NoRepository", "name another one with --git"),
)

_CREDENTIALS = re.compile(r"(https?://|\w+://(?=[^/@\s:]*:[^/@\s]*@))[^/@\s]+@")
"""What stands before the host of an address and is no mere name: of the web a token, elsewhere a password."""

_NOISE = re.compile(
    r"\d+%|^\s*$|^From |: done\b|^remote: (Enum|Count|Compr|Total)"
    r"|^Please make sure|^and the repository exists|Could not read from remote repository"
)
"""Lines that tell of progress, or advise something else than we do."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository. `url` is what git is told; user and password of a web address are apart from it."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)

    @staticmethod
    def of(told: str) -> Remote:
        """Return the repository that somebody calls so. Raises ValueError with a sentence for a person."""
        if not told or told.startswith("-") or not told.isprintable():
            raise ValueError("is no address of a git repository, such as ssh://git@host/cloud.git or /srv/cloud.git")
        if "://" not in told:
            beyond = ":" in told.partition("/")[0]  # host:path, as ssh and git write it
            return Remote(told if beyond else str(Path(told).absolute()))
        parts = urlsplit(told)
        if parts.scheme not in _WEB or parts.password is None:
            return Remote(told)
        _, _, host = parts.netloc.rpartition("@")
        return Remote(urlunsplit(parts._replace(netloc=host)), unquote(parts.username or ""), unquote(parts.password))

    @property
    def shown(self) -> str:
        """The address as anybody may read it: whoever it names may be a token."""
        return self.mask(self.url)

    def mask(self, text: str) -> str:
        """Return a text without what only we may know."""
        for secret in (self.password, self.user if self.password else ""):
            text = text.replace(secret, MASK) if len(secret) >= SHORTEST else text
        return _CREDENTIALS.sub(rf"\1{MASK}@", text)

    def variables(self) -> dict[str, str]:
        """Return what git's environment has to hold."""
        return {_USER: self.user, _PASSWORD: self.password} if self.password else {}

    def options(self) -> tuple[str, ...]:
        """Return the options by which git finds that."""
        return ("-c", "credential.helper=", "-c", f"credential.helper={_HELPER}") if self.password else ()

    def trouble(self, said: str) -> FollowError:
        """Return what is meant when git fails to fetch and says that."""
        told = self.words(said)
        meant = next((meaning for meaning in _MEANINGS if re.search(meaning.words, told)), None)
        remedy = f": {meant.remedy}" if meant else ""
        return FollowError(meant.reason if meant else "Unreachable", f"{self.shown}: {told or 'git failed'}{remedy}")

    def words(self, said: str) -> str:
        """Return what matters of what git said, on one line: no progress, no advice, nothing that steers a terminal."""
        lines = [line.rstrip("\r").rpartition("\r")[2] for line in said.split("\n")]
        lines = [line.strip().removeprefix("fatal: ") for line in lines if not _NOISE.search(line)]
        text = "; ".join(lines[-MOST_LINES:])
        return self.mask("".join(char if char.isprintable() else " " for char in text))
