"""Digests for saved plans: what a value was, without a way back to it.

A plan lies in CI systems and merge requests, and a password may be short. A plain or salted digest of it would fall to whoever
tries the words of a dictionary. So the key of all digests is made from *all* secrets that are declared together, slowly
(scrypt) and with a salt of this plan: to try one guess of one password, somebody needs all the other secrets, and a tenth of a
second. Who has them may plan himself. What cannot be told in exchange is *which* of the secrets has changed.

The same key seals the whole: a file that was edited by hand no longer fits it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from resources.contract import SecretText, Unit

if TYPE_CHECKING:
    from resources.cloud import Secrets
    from resources.contract import Value

SALT_BYTES = 16
_COST, _BLOCK = 2**15, 8
"""scrypt's N and r: 32 MiB and about a tenth of a second for each guess (RFC 7914, section 2)."""

_MEMORY = 64 * 2**20
_HEX = 32
"""As many hexadecimal digits of each digest are kept: 128 bits."""


@dataclass(frozen=True, slots=True)
class Seal:
    """Makes the digests of one plan. Each is for one label: equal values in two places have two digests."""

    salt: str
    _key: bytes = field(repr=False)

    @classmethod
    def of(cls, salt: str, secrets: Secrets) -> Seal:
        """Return the seal for this salt (hexadecimal) and all values of all secrets. Raises ValueError for no salt."""
        plain = {name: {key: value.reveal for key, value in values.items()} for name, values in secrets.items()}
        password = json.dumps(plain, sort_keys=True).encode()
        key = hashlib.scrypt(password, salt=bytes.fromhex(salt), n=_COST, r=_BLOCK, p=1, maxmem=_MEMORY)
        return cls(salt, key)

    def digest(self, label: str, value: Any) -> str:
        """Return the digest of anything that `plain` takes."""
        said = json.dumps([label, plain(value)], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hmac.new(self._key, said.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:_HEX]

    def fact(self, name: str, field_name: str, value: Value) -> str:
        """Return the digest of one field of the unit of that name; a secret has the digest of the same text in clear."""
        return self.digest(f"fact {name} {field_name}", value.reveal if isinstance(value, SecretText) else value)

    def unit(self, unit: Unit) -> str:
        """Return the digest of all that is declared of a unit, how it is asked and what it needs included."""
        return self.digest(f"unit {unit.address}", unit)

    def secrets(self) -> str:
        """Return what is equal as long as all secrets are."""
        return self.digest("secrets", "")


def plain(value: Any) -> Any:
    """Return values, units and all that they are made of as JSON data: equal things, equal data. Raises TypeError."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case SecretText():
            return {"secret": value.reveal}
        case tuple() | list():
            return [plain(each) for each in value]
        case frozenset() | set():
            return sorted((plain(each) for each in value), key=json.dumps)
        case Mapping():
            return {"of": sorted(([plain(key), plain(each)] for key, each in value.items()), key=json.dumps)}
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {type(value).__name__: {one.name: plain(getattr(value, one.name)) for one in fields(value)}}
        case _:
            raise TypeError(f"a {type(value).__name__} has no digest")
