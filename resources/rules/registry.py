"""All rules: the one module that knows its siblings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resources.cloud import Rule

RULES: tuple[Rule, ...] = ()
