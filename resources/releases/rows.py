"""The words of the option tables. One row says how one option, or several of a sort, stand in a span of releases.

Options are known by the name that the newest release has for them, or that the last one had: that is what kinds and
blueprints write. A row of an older span says under which other name and section they stood, or that they did not exist.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

OWN = "<own>"
"""The section of a backend or a store, whatever it is called."""

ACCOUNT = (
    "auth_type",
    "auth_url",
    "username",
    "password",
    "user_domain_name",
    "project_name",
    "project_domain_name",
)
"""keystoneauth's options of a password login."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How the options of one section stand in the releases from `first` to `last` (empty: up to the newest).

    - `section` and `names`: how the options are known. `names` has several where all of them share the row.
    - `at`: section and name under which this span has the one option, where that differs.
    - `values`: what this span writes for a value, where that differs. `replace` (old, new): a part of the value that does.
    - `absent`: the meaning does not exist in this span; the option is left out.
    - `refused`: without it the declaration cannot hold in this span: the reason, and the way out. The option is left
      out all the same where its value is `harmless`, or where the `settings` have the option `unless`.
    - `alive`: the other name (`at`) has a meaning of its own in other spans, so nobody takes it away there.
    - `source`: where it was read: file and versions, or release note.
    """

    section: str
    names: tuple[str, ...]
    first: str
    last: str = ""
    at: tuple[str, str] | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    replace: tuple[str, str] | None = None
    absent: bool = False
    refused: str = ""
    harmless: str = ""
    unless: tuple[str, str] | None = None
    alive: bool = False
    source: str

    @property
    def missing(self) -> bool:
        """Tell whether the releases of this span have no such option."""
        return self.absent or bool(self.refused)
