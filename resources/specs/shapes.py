"""Shapes of texts that people write: what is refused is said in words, and editors get the pattern."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

ItemsT = TypeVar("ItemsT", bound=tuple[Any, ...])


@dataclass(frozen=True, slots=True)
class Shape:
    """Marks a text that must match a pattern as a whole; `words` says what it must be."""

    pattern: str
    words: str

    def check(self, text: str) -> str:
        """Return the text. Raises ValueError."""
        if not re.fullmatch(self.pattern, text):
            raise ValueError(f'must be {self.words}, not "{text}"')
        return text

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Check after whatever the type itself checks."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Tell the pattern to editors."""
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}


def not_empty(items: ItemsT) -> ItemsT:
    """Return the list. Raises ValueError; unlike a length limit, it says nothing about a list with a wrong item."""
    if not items:
        raise ValueError("must not be empty")
    return items
