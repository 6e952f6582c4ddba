"""What a Secret document says."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from resources.cloud import DocumentPath, Spec
from resources.specs.shapes import Shape, not_empty


class SecretSpec(Spec):
    """Where the value is: exactly one of file, env and command. Bivisor reads it at the start of each command."""

    file: Annotated[str | None, DocumentPath()] = Field(
        default=None,
        min_length=1,
        description="A file, relative to this document, kept out of git. One that ends in .yaml holds several values by "
        "name (username: …, password: …); any other holds one text.",
    )
    env: Annotated[str, Shape(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable")] | None = Field(
        default=None, description="An environment variable that holds one text."
    )
    command: Annotated[tuple[str, ...], AfterValidator(not_empty)] | None = Field(
        default=None, description="A program and its arguments (no shell) that prints one text."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in ("file", "env", "command") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"needs exactly one of file, env and command, and has {' and '.join(given) or 'none'}")
        return self
