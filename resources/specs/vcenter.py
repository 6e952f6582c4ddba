"""What a VCenter document says."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from resources.cloud import Account, DocumentPath, Spec
from resources.specs.shapes import Shape

_SHA256 = r"([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}"


class VCenterTls(Spec):
    """How to know that it is the right vCenter: exactly one of these."""

    ca_file: Annotated[str | None, DocumentPath(read=True)] = Field(
        default=None,
        min_length=1,
        description="The CA that signed its certificate (PEM), relative to this document. The usual choice.",
    )
    thumbprint: Annotated[str, Shape(_SHA256, "a SHA-256 of 64 hexadecimal digits")] | None = Field(
        default=None,
        description="SHA-256 of its certificate. Bivisor can check this, Nova and Cinder cannot: no zone can use it.",
    )
    insecure: bool = Field(
        default=False, description="Check nothing. Whoever sits in between can read the password; say so only on purpose."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [
            name
            for name, there in (("caFile", self.ca_file), ("thumbprint", self.thumbprint), ("insecure", self.insecure))
            if there
        ]
        if len(given) != 1:
            words = " and ".join(given) or "none"
            raise ValueError(f"needs exactly one of caFile, thumbprint and insecure: true, and has {words}")
        return self


class VCenterSpec(Spec):
    """A vCenter that zones and volume backends may use."""

    host: Annotated[str, Shape(r"[^\s/:]+|[0-9a-fA-F:]+", "a name or an address, no URL")] = Field(
        description="Its name or address; the certificate must be for that."
    )
    port: int = Field(default=443, ge=1, le=65535, description="TCP port of its API.")
    credentials: Account = Field(description="A Secret with username and password. They are tried before anything uses them.")
    tls: VCenterTls = Field(description="How to know that it is the right vCenter.")
